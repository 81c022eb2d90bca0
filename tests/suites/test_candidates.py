"""Mutants of the reference: different, reproducible, runnable, and never endless."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from tarot_lite.problems import Form, Problem, TestCase
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.suites import Mutants, Stubs
from tarot_lite.suites.batch import Batch, run_batches
from tarot_lite.suites.candidates import constants, fuelled

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
    many = Mutants(500).candidates(PROBLEM, seed=1)
    assert many[:30] == mutants, "the tree is left as it was"
    assert "two slips" in {mutant.kind for mutant in many}, "single slips end before 500"


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
    endless = fuelled("n = 0\nwhile True:\n    n += 1\n    if n == 50:\n        print('fifty', flush=True)\n")
    (((enough, short),),) = run_batches(sandbox, [Batch((endless,), ("", ""), fuel=(100, 49))], Limits())
    assert (enough.stdout, enough.error) == ("fifty\n", "SystemExit: 3")
    assert (short.stdout, short.error) == ("", "SystemExit: 3")


def test_counting_leaves_docstring_and_future_first() -> None:
    code = '"""Text."""\nfrom __future__ import annotations\nwhile False:\n    pass'
    compile(fuelled(code), "p", "exec")


ODD = "n = int(input())\nif n == 1:\n    while True: pass\nif n == 2:\n    x = [0] * 10**9\nprint(n)"


@pytest.mark.parametrize(
    ("program", "inputs", "printed", "errors"),
    [
        (ODD, "01324", ("0\n", "", "3\n", "", "4\n"), {1: "", 3: "MemoryError"}),
        (
            "if input() != '9':\n    while True: pass\nprint(9)",
            "91239",
            ("9\n", "", "", "", ""),
            {4: ""},
        ),  # thrice is enough
        ("print(", "12", ("", ""), {0: "SyntaxError", 1: "SyntaxError"}),
    ],
)
def test_a_program_that_kills_its_process_does_not_disturb_its_neighbour(
    program: str, inputs: str, printed: tuple[str, ...], errors: dict[int, str], sandbox: Sandbox
) -> None:
    batch = Batch((program, "print(input())"), tuple(inputs))
    one, two = run_batches(sandbox, [batch], Limits(cpu_seconds=0.3))[0]
    assert tuple(run.stdout for run in one) == printed
    assert all(one[at].error and said in one[at].error for at, said in errors.items())
    assert [run.stdout for run in two] == [f"{text}\n" for text in inputs]


def test_traced_runs_stop_at_the_limit_and_count_alike(sandbox: Sandbox) -> None:
    program = "for i in range(int(input())):\n    x = i\nprint(x)"
    batch = Batch((program,), ("3", "100000", "3", "3"), lines=(1000,) * 4, all_lines=1010)
    short, long, cut, unborn = run_batches(sandbox, [batch], Limits())[0][0]
    assert (short.steps, short.stopped, short.stdout) == (8, False, "2\n")
    assert (long.steps, long.stopped) == (1000, True)
    assert (cut.steps, cut.stopped) == (2, True), "all together may take 1010"
    assert (unborn.steps, unborn.stopped) == (0, True)
    assert {1, 2} <= short.reached


def test_stubs_answer_with_known_answers_in_the_form_of_the_problem() -> None:
    tests = (TestCase("[1]", "True"), TestCase("[2]", "True"))
    function = Problem("f", "", tests, "def f(x): return True", Form.FUNCTION, entry_point="f")
    codes = [stub.code for stub in Stubs(2).candidates(function, 0)]
    assert codes == ["def f(*arguments):\n    return True", "def f(*arguments):\n    return arguments[0]"]
    for code in codes:
        compile(function.program(code), "p", "exec")


def test_constants_are_numbers_and_short_words_and_none_in_broken_code() -> None:
    code = "if n > 10 and word == 'end': print(2.5, True, 'a long word')"
    assert constants(code, Form.STDIN_STDOUT) == [10, "end", 2.5]
    assert constants("def (", Form.STDIN_STDOUT) == []
