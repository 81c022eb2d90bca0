"""Answers leave the sandbox as literals that equal them; what no literal equals is said to be so."""

import ast
import collections
import math
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite.benchmarks import calls
from tarot_lite.benchmarks.expectations import Call, Expectation
from tarot_lite.benchmarks.inside import LONG
from tarot_lite.benchmarks.tasks import CallTests
from tarot_lite.judging import Verdict
from tarot_lite.literals import plain
from tarot_lite.sandbox import Sandbox

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def outcomes(sandbox, source, *arguments):
    run = sandbox.run(calls.program(source, "f"), [calls.request([calls.literal(list(each)) for each in arguments])])[0]
    assert run.verdict is Verdict.PASSED, run
    return calls.read_outcomes(run.stdout, len(arguments))


@given(VALUES)
def test_a_literal_equals_its_value_and_has_its_types(value):
    again = ast.literal_eval(plain(value))
    assert again == value and repr(type(again)) == repr(type(value))


@pytest.mark.parametrize(
    ("value", "equal"),
    [
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.namedtuple("P", "x y")(1, 2), (1, 2)),
        (frozenset({1}), {1}),
        (1 << 20000, 1 << 20000),
        ([1, -math.inf], [1, -math.inf]),
        ([1, 10**30], [1, 10**30]),
        ((), ()),
        ((1,), (1,)),
        (set(), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_and_extremes_become_plain(value, equal):
    assert ast.literal_eval(plain(value)) == equal


@pytest.mark.parametrize(
    "value", [float("nan"), [1.0, float("nan")], object(), iter([]), print, range(3), complex(math.nan, 0)]
)
def test_what_no_literal_equals_is_refused(value):
    with pytest.raises(ValueError, match="cannot be written as a literal"):
        calls.literal(value)


def test_calls_are_answered_one_by_one_whatever_the_others_do(sandbox):
    source = "def f(x):\n    if x == 1: raise SystemExit(0)\n    if x == 2: return iter([])\n    return [x]"
    found = outcomes(sandbox, source, [0], [1], [2], [3])
    assert [each.kind for each in found] == ["value", "raised", "opaque", "value"]
    assert found[1].text == "SystemExit: 0" and found[2].type == "list_iterator" and found[3].text == "[3]"


def test_what_a_solution_prints_or_reads_is_not_its_answer(sandbox):
    source = "import sys\nprint('noise')\ndef f(x):\n    print(x, file=sys.stderr)\n    print(x)\n    return sys.stdin.read()"
    assert outcomes(sandbox, source, [1])[0].text == "''"


def test_a_main_block_does_not_run_and_a_shadowed_builtin_does_no_harm(sandbox):
    source = (
        "list = repr = str = type = None\ndef f(x):\n    return x\nif __name__ == '__main__':\n    raise SystemExit(3)"
    )
    assert outcomes(sandbox, source, [[1, 2]])[0].text == "[1, 2]"


def test_annotations_are_evaluated_as_in_any_program(sandbox):
    run = sandbox.run(calls.program("def f(x: undefined):\n    return x", "f"), ["[[1]]"])[0]
    assert run.verdict is Verdict.EXCEPTION and "undefined" in run.error


def test_dataclasses_of_a_solution_work(sandbox):
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    source += "@dataclass\nclass P:\n    x: int\ndef f(x):\n    return P(x).x"
    assert outcomes(sandbox, source, [4])[0].text == "4"


def test_a_long_text_leaves_as_a_digest_and_is_compared_by_it(sandbox):
    text = string.ascii_letters * 200
    assert len(text) > LONG
    found = outcomes(sandbox, "def f(x):\n    return x", [text], [text[:-1] + "!"])
    for rule in ("equal", "json"):
        right = Expectation(rule, calls.literal(text))
        assert [right.accepts(each) for each in found] == [True, False]
    assert Expectation("evalplus", "digest:" + found[0].text).accepts(found[0])
    assert not Expectation("evalplus", "digest:" + found[0].text).accepts(found[1])


def test_a_program_that_ends_early_has_missing_answers(sandbox):
    tests = CallTests("f", (Call("[1]", Expectation("equal", "1")),))
    program, inputs = tests.job("import os\ndef f(x):\n    os._exit(0)")
    judged = tests.judge(sandbox.run(program, inputs))
    assert judged.verdict is not Verdict.PASSED


FORGERIES = {
    "prints the mark and a guess": """
import os, sys
def f(x):
    sys.__stdout__.write("\\x1etarot_lite answers\\x1e\\nvalue\\tint\\tTrue\\t0\\n")
    sys.__stdout__.flush()
    os._exit(0)
""",
    "always equal": """
class E(int):
    def __eq__(self, other): return True
    def __hash__(self): return 0
def f(x):
    return E(0)
""",
    "patches the writer": """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        if "describe" in frame.f_globals:
            frame.f_globals["describe"] = lambda value: "value\\tint\\tTrue\\t0"
        frame = frame.f_back
    return 0
""",
    "searches the process for the expected value": """
import gc
def f(x):
    return next((o for o in gc.get_objects() if isinstance(o, tuple) and 987654321 in o), 0)
""",
}


@pytest.mark.parametrize("source", FORGERIES.values(), ids=FORGERIES)
def test_a_hostile_solution_cannot_forge_a_call(sandbox, source):
    tests = CallTests("f", (Call("[1]", Expectation("equal", "987654321")),))
    program, inputs = tests.job(source)
    assert tests.judge(sandbox.run(program, inputs)).verdict is not Verdict.PASSED


def test_nothing_expected_is_in_what_enters_the_sandbox():
    tests = CallTests("f", (Call("[1]", Expectation("equal", "987654321")),))
    assert "987654321" not in repr(tests.job("def f(x): return x")) and "987654321" not in repr(
        pickle.dumps(tests.job(""))
    )
