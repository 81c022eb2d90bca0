"""The whole of stage 1 with the real sandbox: what is bad is named, what is good is proven, runs repeat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tarot_lite import suites, toyworld
from tarot_lite.problems import Form, Problem, ProblemError, TestCase, Tier, read_problems, to_row
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import Candidate, Given, Mutation, sources
from tarot_lite.suites.sources import write_rows

TESTS = (TestCase("3\n5 1 2\n", "8\n", Tier.BASIC), TestCase("2\n7 -7\n", "0\n"), TestCase("4\n1 2 3 4\n", "10\n"))
GOOD = Problem("good", "Add n numbers.", TESTS, "input()\nprint(sum(map(int, input().split())))")


def build(problems: list[Problem | ProblemError], sandbox: Sandbox, **options: object) -> suites.SuiteReport:
    return suites.build(problems, sandbox, progress=False, **options)  # type: ignore[arg-type]


BAD = {
    "fails": ("raise KeyError('no')", "no input could be proven, mostly: reference: exception (KeyError: 'no'"),
    "syntax": ("print 'old'", "reference is no Python 3"),
    "empty": ("  \n", "no reference solution"),
    "missing": (None, "no reference solution"),
    "silent": ("input()", "no input could be proven, mostly: no output"),
    "wrong": ("print(-5)", "the reference contradicts 3 of 3 given outputs: claimed '8"),
    "random": ("import random\nprint(random.random())", "mostly: not deterministic"),
    "clock": ("import time\nprint(int(time.time()) // 86400)", "mostly: not deterministic"),
    "date": ("from datetime import date\nprint(date.today())", "mostly: not deterministic"),
    "now": ("import datetime\nprint(datetime.datetime.now().year, '!')", "mostly: not deterministic"),
    "hangs": ("while True: pass", "reference hangs"),
    "module": (
        "import no_such_module_anywhere\nprint(1)",
        "needs a module that the sandbox lacks: ModuleNotFoundError",
    ),
    "exits": ("import sys\nprint(1)\nsys.exit(3)", "mostly: reference: exception"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_reference_is_rejected_with_its_reason(name: str, sandbox: Sandbox) -> None:
    reference, reason = BAD[name]
    given = TESTS if name == "wrong" else tuple(replace(test, output="") for test in TESTS)
    report = build([replace(GOOD, problem_id=name, reference=reference, tests=given), GOOD], sandbox)
    bad, good = report.records
    assert bad["status"] == "rejected"
    assert reason in bad["reason"]
    assert good["status"] == "built", "the problem beside it is not disturbed"
    assert [problem.problem_id for problem in report.problems] == ["good"]


def test_what_reads_clock_or_random_but_answers_alike_is_no_bad_reference(sandbox: Sandbox) -> None:
    code = "import random, time\nfrom datetime import datetime\nstart = time.time(), datetime.now()\n"
    code += "input()\nxs = list(map(int, input().split()))\nrandom.shuffle(xs)\nprint(sum(xs))\n"
    code += "assert (datetime.now() - start[1]).total_seconds() < 60 and time.time() - start[0] < 60"
    report = build([replace(GOOD, reference=code)], sandbox)
    assert report.records[0]["status"] == "built"


def test_every_expected_output_is_what_the_reference_prints(sandbox: Sandbox) -> None:
    report = build([GOOD], sandbox)
    (problem,) = report.problems
    assert len(problem.tests) >= 2
    for test in problem.tests:
        assert int(test.output) == sum(map(int, test.input.split()[1:]))
        assert test.reason or test in TESTS


def test_an_input_of_50_mb_is_dropped_and_the_rest_goes_on(sandbox: Sandbox) -> None:
    huge = TestCase("1\n" + "7" * 50_000_000 + "\n", "")
    others = [replace(GOOD, problem_id="only", tests=(huge,)), replace(GOOD, problem_id="none", tests=())]
    record, only, none = build([replace(GOOD, tests=(huge, *TESTS)), *others], sandbox).records
    assert record["status"] == "built"
    (rejection,) = [r for r in record["rejections"] if r["reason"] == "too large"]
    assert "48,828 KiB" in rejection["detail"]
    assert len(rejection["input"]) <= 120
    assert only["reason"].startswith("no usable input: 48,828 KiB")
    assert none["reason"] == "no usable input"


def test_broken_rows_are_reported_and_do_not_end_the_build(tmp_path: Path, sandbox: Sandbox) -> None:
    row = to_row(GOOD)
    bad_label = json.loads(json.dumps(row))
    bad_label["verification_info"]["test_cases"][0]["label"] = "heroic"
    lines = ["{broken", json.dumps(row), json.dumps(row), json.dumps(bad_label), "[1, 2]", '{"a": 1}']
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    report = build(list(sources.read(path)), sandbox)
    words = ["line 1: not JSON", None, "was used before", "'heroic'", "list", "no known form"]
    for record, said in zip(report.records, words, strict=True):
        assert record["status"] == ("broken" if said else "built")
        assert not said or (said in record["reason"] and str(path) in record["reason"])


TOY = toyworld.problems("train", 6, seed=3)


def test_checked_toy_tiers_come_back_as_they_were(sandbox: Sandbox) -> None:
    report = build(list(TOY), sandbox, tiers="check")
    assert report.problems == TOY
    assert report.summary()["concordant"] > 0.8, "tiers nested by construction must also measure as such"


def test_assigned_tiers_rise_strictly_and_reject_no_less_than_the_given(sandbox: Sandbox) -> None:
    report = build(list(TOY), sandbox)
    numbers = report.summary()
    assert numbers["ordered"] == numbers["order_known"] == 6
    assert numbers["kept_score"] >= numbers["given_score"]
    for record in report.records:
        assert record["missing"] or {test["tier"] for test in record["tests"] if test["kept"]} == set(Tier)


def test_a_pool_of_ones_own_may_give_what_is_no_python(sandbox: Sandbox) -> None:
    class Students:
        def candidates(self, problem: Problem, seed: int, reached: object = None) -> list[Candidate]:
            codes = ("print(", "input()\nprint(sum(map(abs, map(int, input().split()))))")
            return [Candidate(code, "student", code) for code in codes]

    [record] = build([GOOD], sandbox, pool=[Students()]).records
    broken, wrong = (one["rejected"] for one in record["candidates"])
    assert 0 < wrong < broken == len(record["tests"])


def test_a_reference_that_keeps_state_is_measured_run_by_run(sandbox: Sandbox) -> None:
    code = "import math\nmath.calls = getattr(math, 'calls', 0) + 1\ninput()\n"
    code += "print(sum(map(int, input().split())) if math.calls == 1 else 0)"
    report = build([replace(GOOD, reference=code)], sandbox, proposers=[Given()])
    (record,) = report.records
    assert record["status"] == "built"
    assert any(one["rejected"] == 0 for one in record["candidates"]), "in one process all would fail"


def test_a_slow_reference_keeps_its_given_tests_unmeasured(sandbox: Sandbox) -> None:
    slow = replace(GOOD, reference="for i in range(600_000): pass\n" + str(GOOD.reference))
    report = build([slow], sandbox)
    (record,) = report.records
    assert record["status"] == "not calibrated"
    assert "500,000 lines" in record["reason"]
    assert report.problems[0].tests == TESTS


def test_function_problems_get_suites(sandbox: Sandbox) -> None:
    code = "def top(xs, k):\n    return sorted(xs, reverse=True)[:k]"
    tests = (TestCase("[[1, 5, 3], 2]", "[5, 3]"), TestCase("[[4, 4, 1], 1]", "[4]"), TestCase("[[], 0]", "[]"))
    problem = Problem("f", "The k largest.", tests, code, Form.FUNCTION, entry_point="top")
    report = build([problem], sandbox)
    (record,) = report.records
    assert record["status"] == "built"
    assert record["kept_score"] == 1.0


def test_another_word_for_tiers_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="tiers is 'guess'; use one of 'assign', 'check'"):
        build([GOOD], sandbox, tiers="guess")


def test_two_runs_with_one_seed_are_the_same_and_another_seed_is_not(sandbox: Sandbox) -> None:
    problems = [*toyworld.problems("train", 3, seed=0), GOOD]
    one, two, other = (build(list(problems), sandbox, seed=seed) for seed in (0, 0, 1))
    assert one.records == two.records
    assert one.rows() != other.rows()


def test_a_folder_with_other_settings_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    build([GOOD], sandbox, folder=tmp_path)
    with pytest.raises(ValueError, match=r"other settings \(seed differ"):
        build([GOOD], sandbox, folder=tmp_path, seed=1)
    with pytest.raises(ValueError, match="proposers"):
        build([GOOD], sandbox, folder=tmp_path, proposers=[Given(), Mutation(3)])


def test_a_finished_problem_is_not_built_again_and_a_changed_or_half_written_one_is(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    problems = [GOOD, replace(GOOD, problem_id="second")]
    first = build(list(problems), sandbox, folder=tmp_path)
    path = tmp_path / "finished.jsonl"
    before = path.read_bytes()
    path.write_bytes(before[:-40])
    assert build(list(problems), sandbox, folder=tmp_path).records == first.records
    assert path.read_bytes() == before

    class Broken(Sandbox):
        def run_many(self, *_: object, **__: object) -> list[list[object]]:  # type: ignore[override]
            raise AssertionError("nothing is left to run")

    assert build(list(problems), Broken(), folder=tmp_path).records == first.records
    changed = replace(GOOD, reference="input()\nprint(abs(sum(map(int, input().split()))))")
    with pytest.raises(AssertionError, match="nothing is left"):
        build([changed], Broken(), folder=tmp_path)


def test_a_killed_import_goes_on_where_it_was(tmp_path: Path) -> None:
    problems = toyworld.problems("train", 34, seed=5)
    untiered = [replace(p, tests=tuple(replace(test, tier=None) for test in p.tests)) for p in problems]
    write_rows(tmp_path / "in.jsonl", map(to_row, untiered))
    command = [sys.executable, "-m", "tarot_lite", "import", str(tmp_path / "in.jsonl"), "--out"]
    environment = os.environ | {"PYTHONPATH": str(Path(suites.__file__).parents[2])}
    said = tmp_path / "said.txt"
    with said.open("w") as errors:
        out = str(tmp_path / "out.jsonl")
        process = subprocess.Popen([*command, out], env=environment, stdout=subprocess.DEVNULL, stderr=errors)
    finished = tmp_path / "out.jsonl.parts" / "finished.jsonl"
    while process.poll() is None and not (finished.is_file() and finished.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, said.read_text()
    assert 0 < len(finished.read_bytes().splitlines()) < len(problems)
    for name in ("out.jsonl", "whole.jsonl"):
        again = subprocess.run(
            [*command, str(tmp_path / name)], env=environment, capture_output=True, text=True, check=True
        )
        assert "34 of 34 problems" in again.stdout
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_real_rows_meet_the_targets(shared_data: Path, sandbox: Sandbox) -> None:
    problems = [*read_problems(shared_data / "tarot_sample.jsonl"), *sources.read(shared_data / "humaneval.jsonl.gz")][
        :28
    ]
    report = build(list(problems), sandbox)
    for record in report.records:
        if record["status"] != "built":
            assert record["reason"]
            continue
        tiers = {test["tier"] for test in record["tests"] if test["kept"]}
        assert tiers | set(record["missing"]) == {tier.value for tier in Tier}
        assert record["kept_score"] >= record["given_score"]
    numbers = report.summary()
    assert numbers["ordered"] == numbers["order_known"] > 15
    assert numbers["built"] >= 21


@pytest.mark.parametrize(
    ("problems", "rising", "verdict"),
    [(7, 7, "undecided"), (25, 25, "holds"), (25, 13, "undecided"), (25, 0, "does not hold")],
)
def test_few_problems_decide_nothing_about_the_labels(problems: int, rising: int, verdict: str) -> None:
    easy = {"given": "basic", "difficulty": 0.5}
    hard = [{"given": "complex", "difficulty": 0.9 if number < rising else 0.1} for number in range(problems)]
    found = suites.SuiteReport([{"tests": [easy, each]} for each in hard]).agreement()
    assert (found["label_problems"], found["label_verdict"]) == (problems, verdict)
