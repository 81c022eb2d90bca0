"""Suites as files: the published form byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tarot_lite.problems import Problem, TestCase, Tier, read_problems, to_row
from tarot_lite.suites import SuiteReport, sources
from tarot_lite.suites.forms import from_any_row

GOOD = Problem(
    "good/1",
    "Add n numbers – all of them.",
    (TestCase("3\n5 1 2\n", "8\n", Tier.BASIC), TestCase("2\n7 -7\n", "0\n", Tier.COMPLEX, "é")),
    "input()\nprint(sum(map(int, input().split())))",
)


def test_the_published_rows_come_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "tarot_sample.jsonl"
    sources.write_rows(tmp_path / "rows.jsonl", map(to_row, read_problems(source)))
    assert (tmp_path / "rows.jsonl").read_bytes() == source.read_bytes()


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    sources.write_rows(tmp_path / "rows.jsonl", [to_row(GOOD)])
    assert read_problems(tmp_path / "rows.jsonl") == [GOOD]


def test_mbpp_rows_find_their_function() -> None:
    row = {
        "task_id": 3,
        "text": "Largest.",
        "code": "def helper(x):\n    return x\ndef largest(xs):\n    return max(helper(xs))",
        "test_list": ["assert largest([1, 3]) == 3", "assert set(largest([9])) == 9"],
    }
    problem = from_any_row(row)
    assert problem.entry_point == "largest"
    assert [(test.input, test.output) for test in problem.tests] == [("[[1, 3]]", "3"), ("[[9]]", "")]


def test_mbpp_and_humaneval_files_are_read_whole(shared_data: Path) -> None:
    for name, least in (("humaneval", 160), ("humanevalplus_mini", 164), ("mbpp", 965)):
        problems = list(sources.read(shared_data / f"{name}.jsonl.gz"))
        assert all(isinstance(problem, Problem) for problem in problems), name
        assert sum(bool(problem.tests) for problem in problems if isinstance(problem, Problem)) >= least, name


@pytest.mark.parametrize(
    ("problems", "rising", "verdict"),
    [(7, 7, "undecided"), (25, 25, "holds"), (25, 13, "undecided"), (25, 0, "does not hold")],
)
def test_few_problems_decide_nothing_about_the_labels(problems: int, rising: int, verdict: str) -> None:
    records = [
        {
            "problem_id": str(number),
            "status": "built",
            "reason": "",
            "tests": [
                {"given": "basic", "difficulty": 0.5, "source": "given"},
                {"given": "complex", "difficulty": 0.9 if number < rising else 0.1, "source": "given"},
            ],
        }
        for number in range(problems)
    ]
    found = SuiteReport(records).agreement()
    assert (found["label_problems"], found["label_verdict"]) == (problems, verdict)
