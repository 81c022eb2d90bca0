"""A solution runs until something settles it, and what is settled early is settled rightly."""

import pytest

from tarot_lite.benchmarks import calls
from tarot_lite.benchmarks.expectations import Call, Expectation
from tarot_lite.benchmarks.outputs import CheckedTests
from tarot_lite.benchmarks.scoring import Trial, settle
from tarot_lite.benchmarks.tasks import AssertionTests, CallTests, StdioTests
from tarot_lite.judging import Verdict
from tarot_lite.problems import TestCase
from tarot_lite.sandbox import Limits, Sandbox

LIMITS = Limits(cpu_seconds=3.0)
BUSY = "import time\ndef busy(s):\n    end = time.process_time() + s\n    while time.process_time() < end: pass\n"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=2) as sandbox:
        yield sandbox


def settled(sandbox, tests, solution, limits=LIMITS):
    trial = Trial(tests, tests.job(solution), limits)
    settle([trial], sandbox)
    assert trial.settled
    return trial


def squares(*numbers, base=None):
    return CallTests("f", tuple(Call(f"[{n}]", Expectation("equal", str(n * n))) for n in numbers), base)


def test_a_wrong_answer_before_an_endless_loop_is_not_waited_for(sandbox):
    trial = settled(sandbox, squares(2, 3, 4), "def f(x):\n    while x > 2: pass\n    return 5")
    assert (trial.judged.verdict, trial.judged.detail) == (
        Verdict.WRONG_ANSWER,
        "call 0 with [2]: got 5, expected 4",
    )
    assert trial.cpu_seconds < LIMITS.cpu_seconds / 2


def test_what_needs_more_than_the_first_round_gives_gets_all_that_is_due_to_it(sandbox):
    trial = settled(sandbox, squares(2, 3), BUSY + "def f(x):\n    busy(0.2)\n    return x * x")
    assert trial.judged.verdict is Verdict.PASSED
    assert len(trial.runs) == 1 and trial.runs[0].cpu_seconds >= 0.4
    assert trial.cpu_seconds > trial.runs[0].cpu_seconds, "the first round counts as spent"


def test_a_program_that_sleeps_through_the_first_round_is_asked_again(sandbox):
    source = "import time\ndef f(x):\n    time.sleep(2.5)\n    return x * x"
    assert settled(sandbox, squares(2), source).judged.verdict is Verdict.PASSED


def test_a_time_limit_is_the_verdict_only_after_the_time_that_is_due(sandbox):
    trial = settled(sandbox, squares(2), "def f(x):\n    while True: pass", Limits(cpu_seconds=0.5))
    assert trial.judged.verdict is Verdict.TIMEOUT and "0.5 s" in trial.judged.detail


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ("while True: pass", Verdict.TIMEOUT),
        ("import os; os._exit(3)", Verdict.EXCEPTION),
        ("return [0] * (1 << 40)", Verdict.EXCEPTION),
        ("return -1", Verdict.WRONG_ANSWER),
    ],
)
@pytest.mark.parametrize("base", [1, 2, 3])
def test_the_original_benchmark_is_passed_if_only_the_added_calls_fail(sandbox, end, verdict, base):
    source = f"def f(x):\n    if x == 4:\n        {end}\n    return x * x"
    judged = settled(sandbox, squares(2, 3, 4, 5, base=base), source, Limits(cpu_seconds=0.5)).judged
    assert (judged.verdict, judged.base) == (verdict, base < 3)


def test_a_program_that_fails_after_its_last_answer_fails(sandbox):
    source = "import atexit, os\natexit.register(os._exit, 4)\ndef f(x):\n    return x * x"
    assert settled(sandbox, squares(2), source).judged.verdict is Verdict.EXCEPTION


def test_answers_are_read_among_what_the_program_prints_by_itself(sandbox):
    source = "import sys\ndef f(x):\n    sys.__stdout__.write('noise')\n    return x * x"
    assert settled(sandbox, squares(2, 3, 4), source).judged.verdict is Verdict.PASSED


def test_an_answer_that_was_cut_short_is_no_answer():
    found = calls.read_outcomes(f"{calls.MARK}value\tint\tTrue\t1\n{calls.MARK}value\tint\tTrue\t1", 2)
    assert [each.kind for each in found] == ["value", "missing"]


@pytest.mark.parametrize(("wrong", "runs"), [(0, 1), (1, 3), (2, 3), (3, 7), (19, 20), (None, 20)])
def test_whole_programs_get_their_tests_in_portions_that_double(sandbox, wrong, runs):
    tests = StdioTests(tuple(TestCase(str(n), str(n)) for n in range(20)))
    trial = settled(sandbox, tests, f"n = int(input())\nprint(n if n != {wrong} else -1)")
    assert len(trial.runs) == runs
    assert trial.judged.verdict is (Verdict.PASSED if wrong is None else Verdict.WRONG_ANSWER)
    if wrong is not None:
        assert trial.judged.detail.startswith(f"test {wrong}: ")


def test_no_checker_is_asked_about_a_solution_that_failed_early(sandbox):
    tests = CheckedTests(tuple(TestCase(str(n), "") for n in range(9)), "print(1)")
    trial = settled(sandbox, tests, "n = int(input())\nassert n != 1")
    assert len(trial.runs) == 3 and tests.check(trial.runs) is None
    assert trial.judged.detail == "test 1: AssertionError (line 2)"


def test_many_trials_of_all_forms_keep_their_places(sandbox):
    stdio = StdioTests((TestCase("1", "1"), TestCase("2", "2")))
    asserted = AssertionTests("assert f(2) == 4", "f")
    right, wrong = "def f(x): return x * x", "def f(x): return x"
    asked = [(squares(2, 3), right), (stdio, "print(input())"), (asserted, wrong), (squares(3), wrong), (stdio, "?")]
    trials = [Trial(tests, tests.job(solution), LIMITS) for tests, solution in asked]
    settle(trials, sandbox)
    assert [trial.judged.verdict.value for trial in trials] == [
        "passed",
        "passed",
        "wrong_answer",
        "wrong_answer",
        "exception",
    ]
