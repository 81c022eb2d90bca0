"""Mutants of the reference: different, reproducible, runnable, and never endless."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tarot_lite.problems import Form, Problem, TestCase
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.suites import Mutants, Programs, Stubs
from tarot_lite.suites.batch import run_batches
from tarot_lite.suites.candidates import fuelled, literals

REFERENCE = """\
n = int(input())
total = 0
for x in map(int, input().split()):
    if x > 0 and x % 2 == 0:
        total += min(x, 10)
print(total if total else -1)
"""
PROBLEM = Problem("p", "Sum.", (TestCase("2\n2 40\n", "12\n"),), REFERENCE)


def test_mutants_are_distinct_wrong_looking_and_repeatable() -> None:
    mutants = Mutants(30).candidates(PROBLEM, seed=1)
    assert len(mutants) == len({mutant.code for mutant in mutants}) == len({mutant.name for mutant in mutants}) == 30
    assert mutants == Mutants(30).candidates(PROBLEM, seed=1)
    assert mutants != Mutants(30).candidates(PROBLEM, seed=2)
    assert ast.unparse(ast.parse(REFERENCE)) not in {mutant.code for mutant in mutants}
    assert {"compare", "arithmetic", "constant", "branch", "clamp", "logic"} <= {mutant.kind for mutant in mutants}


def test_the_reference_is_left_as_it_was() -> None:
    kinds = [mutant.kind for mutant in Mutants(500).candidates(PROBLEM, seed=0)]
    assert "two slips" in kinds, "single slips end before 500"
    assert Mutants(5).candidates(PROBLEM, seed=0) == Mutants(500).candidates(PROBLEM, seed=0)[:5]


def test_only_reached_lines_are_mutated() -> None:
    code = "def unused(x):\n    return x + 1\nprint(int(input()) + 5)"
    mutants = Mutants(50).candidates(replace(PROBLEM, reference=code), 0, reached=frozenset({1, 3}))
    assert mutants
    assert all("return x + 1" in mutant.code for mutant in mutants)


def test_a_body_is_mutated_as_a_body() -> None:
    problem = Problem(
        "b", "", (), "ys = [x for x in xs if x > 2]; return len(ys)", Form.SCAFFOLD, "def f(xs):\n    {{body}}"
    )
    mutants = Mutants(10).candidates(problem, 0)
    assert len(mutants) == 10
    for mutant in mutants:
        compile(problem.program(mutant.code), "p", "exec")


@pytest.mark.parametrize("code", ["this is no Python", "", None, "x = '\0'"])
def test_no_mutants_without_a_reference_that_parses(code: str | None) -> None:
    assert Mutants().candidates(replace(PROBLEM, reference=code), 0) == []


def test_an_endless_program_ends_everywhere_after_the_same_steps(sandbox: Sandbox) -> None:
    endless = "n = 0\nwhile True:\n    n += 1\n    if n == 50:\n        print('fifty', flush=True)\n"
    (run,) = sandbox.run(fuelled(endless, 100), [""])
    assert run.stdout == "fifty\n"
    assert run.verdict.value == "exception"
    (run,) = sandbox.run(fuelled(endless, 49), [""])
    assert run.stdout == ""


def test_a_budget_leaves_docstring_and_future_first() -> None:
    code = '"""Text."""\nfrom __future__ import annotations\nwhile False:\n    pass'
    compile(fuelled(code, 5), "p", "exec")


def test_a_batch_goes_on_after_a_run_that_kills_its_process(sandbox: Sandbox) -> None:
    program = "n = int(input())\nif n == 1:\n    while True: pass\nif n == 2:\n    x = [0] * 10**9\nprint(n)"
    limits = Limits(cpu_seconds=0.3)
    (runs,) = run_batches(sandbox, [(program, ["0", "1", "3", "2", "4"])], limits)
    assert [run.stdout for run in runs] == ["0\n", "", "3\n", "", "4\n"]
    assert runs[1].error
    assert "MemoryError" in runs[3].error


def test_traced_runs_stop_at_the_limit_and_count_alike(sandbox: Sandbox) -> None:
    program = "for i in range(int(input())):\n    x = i\nprint(x)"
    short, long = run_batches(sandbox, [(program, ["3", "100000"])], Limits(), most=1000)[0]
    assert (short.steps, short.stopped, short.stdout) == (8, False, "2\n")
    assert (long.steps, long.stopped) == (1000, True)
    assert (1, 2) in short.arcs


def test_stubs_answer_with_known_answers_in_the_form_of_the_problem() -> None:
    tests = (TestCase("[1]", "True"), TestCase("[2]", "True"))
    function = Problem("f", "", tests, "def f(x): return True", Form.FUNCTION, entry_point="f")
    codes = [stub.code for stub in Stubs(2).candidates(function, 0)]
    assert codes == ["def f(*arguments):\n    return True", "def f(*arguments):\n    return arguments[0]"]
    for code in codes:
        compile(function.program(code), "p", "exec")


def test_given_programs_are_described_by_content() -> None:
    assert Programs({"p": ["a"]}).describe() != Programs({"p": ["b"]}).describe()
    assert Programs({}).candidates(PROBLEM, 0) == []


def test_literals_of_broken_code_are_none() -> None:
    assert literals("def (") == []
