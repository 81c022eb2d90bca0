"""Right answers of real data sets are judged right, and wrong ones wrong."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tarot_lite.judging import Verdict
from tarot_lite.problems import Tier, read_problems
from tarot_lite.sandbox import Limits, Sandbox


def rows(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def check(row: dict, body: str) -> str:
    return f"{row['prompt']}{body}\n{row['test']}\ncheck({row['entry_point']})\n"


@pytest.mark.parametrize(("name", "count", "broken"), [("humaneval", 164, 0), ("mbpp", 974, 15)])
def test_canonical_solutions_are_right_and_others_are_not(
    shared_data: Path, name: str, count: int, broken: int
) -> None:
    data = rows(shared_data / f"{name}.jsonl.gz")
    with Sandbox(limits=Limits(cpu_seconds=20)) as box:  # one solution takes four seconds on a slow processor
        right = box.run_many([(check(row, row["canonical_solution"]), [""]) for row in data])
        wrong = box.run_many([(check(row, "    return 'not this'"), [""]) for row in data])
    assert len(data) == count
    refused = [row for row, runs in zip(data, right, strict=True) if runs[0].verdict is not Verdict.PASSED]
    for row in refused:  # then an ordinary interpreter refuses it as well: the data are wrong
        program = check(row, row["canonical_solution"])
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode, row[
            "task_id"
        ]
    assert len(refused) == broken
    accepted = [row["task_id"] for row, runs in zip(data, wrong, strict=True) if runs[0].verdict is Verdict.PASSED]
    assert not accepted


def test_published_rows_are_right_on_every_tier(shared_data: Path) -> None:
    problems = read_problems(shared_data / "tarot_sample.jsonl")
    with Sandbox() as box:
        results = box.judge_many([(problem, problem.reference) for problem in problems])
        others = box.judge_many([(problem, "print(input())") for problem in problems])
    for problem, judged in zip(problems, results, strict=True):
        tiered = [result.verdict for result in judged if result.test.tier is not None]
        assert tiered == [Verdict.PASSED] * len(tiered), problem.problem_id
    # One test, of no tier, wants an empty first line that its row's own solution does not print: a missing line matters,
    # so the rule refuses it, and so would the same text with a line too many.
    refused = [
        (problem.problem_id, result.test.output[:5], result.execution.stdout[:4])
        for problem, judged in zip(problems, results, strict=True)
        for result in judged
        if not result.passed
    ]
    assert refused == [("vfc_29301", "\n1 0 ", "1 0 ")]
    assert {test.tier for problem in problems for test in problem.tests} >= set(Tier)
    assert not any(all(result.passed for result in judged) for judged in others)
