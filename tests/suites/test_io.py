"""Suites as files: the published form byte for byte, Parquet that the Hub's library reads, the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tarot_lite.problems import Problem, TestCase, Tier, from_row, read_problems, to_row
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import SuiteReport, build, io, sources
from tarot_lite.suites.forms import from_any_row

GOOD = Problem(
    "good/1",
    "Add n numbers – all of them.",
    (TestCase("3\n5 1 2\n", "8\n", Tier.BASIC), TestCase("2\n7 -7\n", "0\n", Tier.COMPLEX, "é")),
    "input()\nprint(sum(map(int, input().split())))",
)


def rows_of(folder: Path) -> list[dict[str, object]]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder / "data/train-00000-of-00001.parquet").to_pylist()  # type: ignore[no-any-return]


def test_the_published_rows_come_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "tarot_sample.jsonl"
    io.write_rows(tmp_path / "rows.jsonl", map(to_row, read_problems(source)))
    assert (tmp_path / "rows.jsonl").read_bytes() == source.read_bytes()


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    io.write_rows(tmp_path / "rows.jsonl", [to_row(GOOD)])
    assert read_problems(tmp_path / "rows.jsonl") == [GOOD]


def test_a_data_set_folder_is_read_by_the_hubs_library(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    report = build([GOOD], sandbox, folder=tmp_path, progress=False)
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [from_row(row) for row in loaded] == report.problems
    assert rows_of(tmp_path / "dataset") == report.rows()
    streamed = list(sources.hub(str(tmp_path / "dataset")))
    assert streamed == report.problems


def test_values_of_mixed_kind_become_json_text(tmp_path: Path) -> None:
    rows = [to_row(from_row(to_row(GOOD) | {"metadata": value})) for value in ({"a": 1}, {"b": "x"}, None, 5)]
    io.write_dataset(tmp_path, rows, "card")
    back = rows_of(tmp_path)
    assert [None if row["metadata"] is None else json.loads(row["metadata"]) for row in back] == [
        {"a": 1},
        {"b": "x"},
        None,
        5,
    ]
    assert [from_row(row) for row in back] == [GOOD] * 4


def test_the_card_has_the_hubs_header_and_the_numbers(tmp_path: Path, sandbox: Sandbox) -> None:
    import yaml

    report = build([GOOD], sandbox, folder=tmp_path, progress=False)
    text = (tmp_path / "dataset" / "README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header)["configs"][0]["data_files"][0]["path"] == "data/train-*.parquet"
    assert f"The suites hold {report.summary()['tests']} tests" in body
    for row in report.tier_table().to_dict("records"):
        assert f"| {row['tier']} | {row['problems']} | {row['tests']} |" in body
    assert "None" not in body.replace("per_tier = None", "")
    assert "nan" not in body.lower().replace("deterministic", "")


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
    found = SuiteReport(records, {}).agreement()
    assert (found["label_problems"], found["label_verdict"]) == (problems, verdict)
