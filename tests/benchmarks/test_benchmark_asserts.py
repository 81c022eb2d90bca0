"""Assertions become calls with the same meaning, or stay what they are."""

import ast

import pytest

from tarot_lite.benchmarks.asserts import Notes, convert
from tarot_lite.benchmarks.expectations import Expectation
from tarot_lite.benchmarks.tasks import AssertionTests, CallTests, NotedTests, Task, prepare
from tarot_lite.judging import Verdict
from tarot_lite.sandbox import Sandbox

NAMES = frozenset({"candidate", "f"})


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def statements(source):
    return ast.parse(source).body


def converted(source):
    return convert(statements(source), NAMES)


def made(sandbox, source, setup=""):
    """The tests that a check becomes."""
    found = convert(statements(source), NAMES, setup)
    otherwise = AssertionTests(f"candidate = f\n{source}", "f")
    tests = (
        NotedTests("f", found, otherwise)
        if isinstance(found, Notes)
        else CallTests("f", tuple(found))
        if found
        else otherwise
    )
    return prepare([Task("t", "", tests)], sandbox)[0].tests


@pytest.mark.parametrize(
    ("source", "arguments", "expected"),
    [
        ("assert candidate(1, [2]) == 3", "[1, [2]]", Expectation("equal", "3")),
        ("assert 3 == f(1)", "[1]", Expectation("equal", "3")),
        ("assert f(-1)==(-2), 'message'", "[-1]", Expectation("equal", "-2")),
        ("assert f('a')", "['a']", Expectation("true")),
        ("assert not f()", "[]", Expectation("false")),
        ("assert f(1) is True", "[1]", Expectation("identical", "True")),
        ("assert abs(f(1) - 0.5) < 1e-6", "[1]", Expectation("near", "0.5", 1e-6)),
        ("assert math.isclose(f(1), 0.5, rel_tol=0.001)", "[1]", Expectation("close", "0.5", 0.001)),
        ("assert set(f([1])) == {1}", "[[1]]", Expectation("wrapped", "{1}", wrapper="set")),
        ("assert sorted(f(1)) == [1]", "[1]", Expectation("wrapped", "[1]", wrapper="sorted")),
        ("assert tuple(candidate([1])) == tuple(f([1]))", "[[1]]", Expectation("applies", wrapper="tuple")),
        ("assert f({1, 2}) == {'a': (1, 2.5)}", "[{1, 2}]", Expectation("equal", "{'a': (1, 2.5)}")),
    ],
)
def test_one_assertion_becomes_one_call(sandbox, source, arguments, expected):
    tests = made(sandbox, source, "import math")
    assert [(call.arguments, call.expected) for call in tests.calls] == [(arguments, expected)]


@pytest.mark.parametrize(
    "source",
    [
        "y = f(1)\nassert y == 1",
        "assert f(f(1)) == 1",
        "assert f(x=1) == 1",
        "assert f(*[1]) == 1",
        "assert f(1) == f(2)",
        "assert f(1) > 0",
        "assert f(1) == 1 and f(2) == 2",
        "assert abs(f(1) - 2) <= 1",
        "try:\n    f(1)\nexcept ValueError:\n    pass\nelse:\n    assert False",
        "assert len(set(f(1))) == 1",
        "assert f",
    ],
)
def test_what_asks_for_more_is_left_alone(source):
    assert converted(source) is None


def test_loops_helpers_and_random_inputs_are_noted_in_the_sandbox(sandbox):
    source = (
        "import random\nfor x in range(3):\n    assert candidate(x, 'a' + 'b') == twice(x)\n"
        "assert candidate(random.randint(1, 6)) == None"
    )
    tests = made(sandbox, source, "def twice(x):\n    return 2 * x\n")
    assert [call.arguments for call in tests.calls[:3]] == ["[0, 'ab']", "[1, 'ab']", "[2, 'ab']"]
    assert [call.expected.value for call in tests.calls] == ["0", "2", "4", "None"]
    assert made(sandbox, source, "def twice(x):\n    return 2 * x\n") == tests  # the same random inputs each time


def test_arguments_that_are_no_literals_fall_back_to_the_assertion(sandbox):
    assert isinstance(made(sandbox, "assert candidate(object()) == 1"), AssertionTests)
    assert isinstance(made(sandbox, "assert candidate(unknown) == 1"), AssertionTests)


def test_an_assertion_test_judges(sandbox):
    tests = AssertionTests("y = f(2)\nassert y > 1", "f")

    def verdict(source):
        program, inputs = tests.job(source)
        return tests.judge(sandbox.run(program, inputs)).verdict

    assert verdict("def f(x):\n    return x") is Verdict.PASSED
    assert verdict("def f(x):\n    return 1") is Verdict.WRONG_ANSWER
    assert verdict("def f(x):\n    return 'a'") is Verdict.EXCEPTION
    assert verdict("raise SystemExit(0)") is not Verdict.PASSED
    assert verdict("print('all assertions held')\nraise SystemExit(0)") is not Verdict.PASSED


def test_an_assertion_test_can_be_forged_as_documented(sandbox):
    """Why these tests are counted in every report, and why nothing else is judged so."""
    tests = AssertionTests("y = f(2)\nassert y > 1", "f")
    program, inputs = tests.job("import os\ndef f(x):\n    os.write(1, b'all assertions held')\n    os._exit(0)")
    assert tests.judge(sandbox.run(program, inputs)).verdict is Verdict.PASSED
