"""Every published form is read as what its data set means, and somebody's file becomes problems that a run takes."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite import __main__
from tarot_lite.judging import Verdict
from tarot_lite.problems import Form, Problem, ProblemError, TestCase, Tier, read_problems, to_row
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import sources, splits
from tarot_lite.suites.forms import FORMS, from_any_row

SOLUTION = (
    "class Solution:\n    def top(self, xs: List[int], k: int = 1) -> List[int]:\n        return nlargest(k, xs)\n"
)
ADD = "import sys\nprint(sum(map(int, sys.stdin.read().split())))"
STARTER = SOLUTION.partition("return")[0]
CHECK = "def check(candidate):\n    "
ROWS: dict[str, tuple[dict[str, Any], str | None, list[tuple[str, str]]]] = {  # row, entry point, tests
    "PrimeIntellect": (
        {"problem_id": "p", "prompt": "Add.", "gold_standard_solution": f"```python\n{ADD}\n```", "verification_info": json.dumps(
            {"test_cases": [{"type": "stdin_stdout", "input": "1 2", "output": "3"}]})},
        None, [("1 2", "3")]),
    "PrimeIntellect by call": (
        {"problem_id": "p", "prompt": "Add.", "gold_standard_solution": "```python\ndef add(a, b):\n    return a + b\n```",
         "verification_info": {"test_cases": [{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]}},
        "add", [("[1, 2]", "3")]),
    "APPS": (
        {"problem_id": 7, "question": "Add.", "solutions": json.dumps(["print 1", ADD]), "input_output": json.dumps(
            {"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7"]]})},
        None, [("1 2\n", "3\n"), ("3\n4", "7")]),
    "TACO by call": (
        {"question": "The k largest.", "solutions": [SOLUTION], "starter_code": STARTER, "input_output": json.dumps(
            {"fn_name": "top", "inputs": [[[3, 1], 1]], "outputs": [[[3]]]})},
        "Solution().top", [("[[3, 1], 1]", "[3]")]),
    "CodeContests": (
        {"name": "add", "description": "Add.", "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
         "private_tests": {"input": ["1 2\n", "5 5\n"], "output": ["3\n", "10\n"]},
         "solutions": {"language": [2, 1, 3], "solution": ["int main(){}", "print 3", ADD]}},
        None, [("1 2\n", "3\n"), ("5 5\n", "10\n")]),
    "LeetCodeDataset": (
        {"task_id": "top", "problem_description": "The k largest.", "starter_code": STARTER, "prompt": "from heapq import *",
         "completion": SOLUTION, "entry_point": "Solution().top",
         "test": CHECK + "assert candidate(k = 1, xs = [3, 1]) == [3]\n    assert candidate(xs = [2]) == [2]\n"},
        "Solution().top", [("[[3, 1], 1]", "[3]"), ("[[2]]", "[2]")]),
    "KodCode": (
        {"question_id": "k", "question": "Add.", "solution": "def add(a, b):\n    return a + b", "test": (
            "from solution import add\n\ndef test_it():\n    assert add(1, b=2) == 3\n    x = 1\n    assert add(x, 1) == 2\n"),
         "test_info": [{"function_name": "add", "function_declaration": "def add(a, b):"}]},
        "add", [("[1, 2]", "3")]),
    "HumanEval": (
        {"task_id": "X/1", "prompt": "def f(x):\n    '''\n    >>> f(4)\n    5\n    '''\n", "entry_point": "f",
         "canonical_solution": "    return x + 1\n", "test": CHECK + "assert candidate(1) == 2\n", "base_input": [[1], [2]]},
        "f", [("[1]", "2"), ("[2]", ""), ("[4]", "")]),
    "MBPP": (
        {"task_id": 2, "text": "Largest.", "test_list": ["assert largest([1, 3]) == 3", "assert set(largest([9])) == 9"],
         "code": "def helper(x):\n    return x\ndef largest(xs):\n    return max(helper(xs))"},
        "largest", [("[[1, 3]]", "3"), ("[[9]]", "")]),
    "plain": (
        {"statement": "Add.", "solution": ADD, "tests": [{"input": "1 2", "output": "3"}]},
        None, [("1 2", "3")]),
    "plain by call": (
        {"statement": "Add one.", "solution": "def f(x):\n    return x + 1", "entry_point": "f",
         "tests": [{"input": [1], "output": 2, "tier": "high"}, {"input": "[5]", "output": "6"}]},
        "f", [("[1]", "2"), ("[5]", "6")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_read_and_its_reference_passes_its_tests(name: str, sandbox: Sandbox) -> None:
    row, entry, tests = ROWS[name]
    problem = from_any_row(row)
    assert problem.entry_point == entry and problem.form is (Form.FUNCTION if entry else Form.STDIN_STDOUT)
    assert [(test.input, test.output) for test in problem.tests] == tests
    claimed = problem.with_tests(test for test in problem.tests if test.output)
    results = sandbox.judge(claimed, problem.reference or "")
    assert all(result.verdict is Verdict.PASSED for result in results), results
    assert not entry or f"{problem.entry_name}(" in problem.statement


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.just({"a": 1})


@given(st.data())
def test_one_wrong_value_in_a_row_of_any_form_is_told_or_does_no_harm(data: st.DataObject) -> None:
    row = dict(data.draw(st.sampled_from([row for row, *_ in ROWS.values()])))
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(JUNK)
    with contextlib.suppress(ProblemError):
        to_row(from_any_row(row, "file.jsonl, line 3"))


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("APPS", {"input_output": "{"}, "line 3: field 'input_output' is '{'; expected JSON of a dict"),
        ("APPS", {"question": 5}, "line 3: field 'question' is 5; expected text"),
        ("APPS", {"input_output": {"inputs": ["1"], "outputs": []}}, "has 1 inputs and 0 outputs"),
        (
            "TACO by call",
            {"input_output": {"fn_name": "no name", "inputs": [[1]], "outputs": [1]}},
            "function's name or",
        ),
        ("CodeContests", {"public_tests": 3}, "field 'public_tests' is 3; expected a dict"),
        ("plain", {"tests": [{"input": 5}]}, "line 3, test 0: field 'input' is 5; expected text"),
        ("plain", {"tests": [5]}, "line 3: test 0 is 5; expected an object"),
        ("plain", {"tests": [{"input": "", "output": "", "tier": "Edge"}]}, "test 0: tier label 'Edge' is unknown"),
        ("KodCode", {"test_info": [{}]}, "field 'function_name' is missing"),
        ("MBPP", {"test_list": ["assert g(1) == 2"]}, "the tests call g, the code defines helper, largest"),
        ("HumanEval", {"canonical_solution": None}, "field 'canonical_solution' is None; expected text"),
        ("HumanEval", {"base_input": [1]}, r"field 'base_input' is \[1\]; expected a list of lists of arguments"),
    ],
)
def test_a_wrong_value_is_named(name: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        from_any_row(ROWS[name][0] | changed, "file.jsonl, line 3")


def test_a_form_that_is_unknown_names_those_that_are() -> None:
    with pytest.raises(ProblemError, match=r"row has foo; expected one of: .*question and input_output \(APPS, TACO\)"):
        from_any_row({"foo": 1})
    assert len({fields for _, fields, _ in FORMS}) == len(FORMS)


def test_a_method_is_judged_as_leetcode_does(sandbox: Sandbox) -> None:
    """Its modules are imported, a bare function is no answer, and each test has an object of its own."""
    problem = from_any_row(ROWS["LeetCodeDataset"][0])
    bare = "def top(xs, k=1):\n    return sorted(xs)[-k:]"
    kept = "class Solution:\n    seen = []\n    def top(self, xs, k=1):\n        return Counter(xs) and xs[:1]"
    assert [result.verdict for result in sandbox.judge(problem, kept)] == [Verdict.PASSED] * 2
    assert {result.verdict for result in sandbox.judge(problem, bare)} == {Verdict.EXCEPTION}


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("array.json", json.dumps),
        ("pretty.json", lambda rows: "\ufeff" + json.dumps(rows, indent=2)),
        ("one.json", lambda rows: json.dumps(rows[0], indent=1)),
        ("lines.jsonl", lambda rows: "\n".join(map(json.dumps, rows))),
        ("array.json.gz", lambda rows: gzip.compress(json.dumps(rows).encode())),
        ("rows.parquet", lambda rows: pd.DataFrame(rows).to_parquet()),
    ],
)
def test_files_of_every_kind_are_read(file: str, write: Callable[[Any], Any], tmp_path: Path) -> None:
    content = write([ROWS["plain"][0] | {"id": "a"}, ROWS["plain"][0] | {"id": "b"}])
    (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    found = [item.problem_id for item in sources.read(tmp_path / file) if isinstance(item, Problem)]
    assert found == (["a"] if file == "one.json" else ["a", "b"])


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(ProblemError, match=r"x.parquet: cannot be read as parquet"):
        list(sources.read(tmp_path / "x.parquet"))


def test_the_published_rows_come_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "tarot_sample.jsonl"
    sources.write_rows(tmp_path / "rows.jsonl", map(to_row, read_problems(source)))
    assert (tmp_path / "rows.jsonl").read_bytes() == source.read_bytes()


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    tests = (TestCase("1\n", "2\n", Tier.BASIC), TestCase("2\n", "3\n", Tier.COMPLEX, "é"))
    problem = Problem("good/1", "Add one – no more.", tests, "print(int(input()) + 1)")
    sources.write_rows(tmp_path / "rows.jsonl", [to_row(problem)])
    assert read_problems(tmp_path / "rows.jsonl") == [problem]


def test_mbpp_and_humaneval_files_are_read_whole(shared_data: Path) -> None:
    for name, least in (("humaneval", 160), ("humanevalplus_mini", 164), ("mbpp", 965)):
        problems = list(sources.read(shared_data / f"{name}.jsonl.gz"))
        assert all(isinstance(problem, Problem) for problem in problems), name
        assert sum(bool(problem.tests) for problem in problems if isinstance(problem, Problem)) >= least, name


def test_thirty_problems_in_three_forms_become_what_a_run_takes(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = repository / "notebooks/own_problems.jsonl"
    assert __main__.main(["import", str(own), "--out", str(tmp_path / "own.jsonl")]) == 0
    page = (repository / "notebooks/book/own.md").read_text(encoding="utf-8")
    shown = page.partition("```text\n")[2].partition("\na run on")[0]
    assert shown and shown in capsys.readouterr().out  # what the page shows is what comes out
    broken = (
        json.dumps(ROWS["plain"][0] | {"tests": 5}),
        json.dumps({"question_id": "l", "question_content": "Add.", "public_test_cases": "[]"}),
        '{"id": ',
    )
    (tmp_path / "mine.jsonl").write_text(own.read_text(encoding="utf-8") + "\n".join(broken), encoding="utf-8")
    out = tmp_path / "problems.jsonl"
    assert __main__.main(["import", str(tmp_path / "mine.jsonl"), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "30 of 33 problems can be used" in told and "1 × no reference solution (l)" in told
    assert "mine.jsonl, line 31" in told and "mine.jsonl, line 33" in told and "-p train_problems 13" in told
    problems = read_problems(out)
    assert len(problems) == 30 and sum(len(problem.tiers) == 4 for problem in problems) >= 24
    assert [len(found) for found in splits.of_data(str(out), {"train": 14, "heldout": 9}).values()] == [9, 0, 0, 14]
    assert "broken row: " in told and "field 'tests' is 5; expected a list" in told
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.parametrize(
    ("name", "said"), [("mien.json", "mien.json: no such file"), ("mien", "mien: no file, and cannot")]
)
def test_a_name_that_is_nowhere_is_2_and_says_what_to_check(
    name: str, said: str, in_empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert __main__.main(["import", name]) == 2
    told = capsys.readouterr().err
    assert said in told and "give a JSONL file" in told and not list(in_empty_folder.iterdir())


def test_nothing_usable_is_an_error_with_every_reason(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "x.jsonl").write_text('{"statement": "Add.", "tests": []}\n{"a": 1}\n')
    with pytest.raises(ProblemError, match=r"no problem can be used.\n0 of 2.*\n.*no known form|no reference"):
        sources.import_problems(str(tmp_path / "x.jsonl"), tmp_path / "out.jsonl", sandbox)
    assert not (tmp_path / "out.jsonl").exists()
