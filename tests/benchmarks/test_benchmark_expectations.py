"""Comparison rules, those of EvalPlus at their edges.  (`benchmarks/parity.py` holds them to EvalPlus itself.)"""

import pytest

from tarot_lite.benchmarks.calls import Outcome
from tarot_lite.benchmarks.expectations import Expectation
from tarot_lite.benchmarks.inside import describe


def outcome(value):
    return Outcome(*describe(value).split("\t", 3))


@pytest.mark.parametrize(
    ("rule", "want", "value", "accepted"),
    [
        ("equal", "[1, 2]", [1, 2], True),
        ("equal", "[1, 2]", (1, 2), False),
        ("equal", "1", True, True),
        ("equal", "{'a': 1}", {"a": 1.0}, True),
        ("equal", "0.3", 0.1 + 0.2, False),
        ("identical", "True", 1, False),
        ("identical", "True", True, True),
        ("true", "", [0], True),
        ("true", "", [], False),
        ("false", "", None, True),
        ("true", "", object(), True),
        ("json", "[1]", (1,), True),
        ("json", "[[1]]", [(1,)], False),
        ("evalplus", "0.3", 0.1 + 0.2, True),
        ("evalplus", "[0.3, 1.0]", [0.1 + 0.2, 1.0], True),
        ("evalplus", "[0.3, 1.0]", (0.1 + 0.2, 1.0), False),
        ("evalplus", "[0.3, 1]", [0.1 + 0.2, 1], False),
        ("evalplus", "1.0", 1.0000011, True),
        ("evalplus", "1.0", 1.0000012, False),
        ("evalplus", "1.0", 1, True),
        ("evalplus:set", "[1, 2]", [2, 1, 1], True),
        ("evalplus:set", "[1, 2]", [2], False),
        ("evalplus:zero", "5", 0, True),
        ("evalplus:anything", "5", "no", True),
        ("evalplus:not_none", "True", object(), True),
        ("evalplus:not_none", "False", None, True),
        ("evalplus:not_none", "True", False, False),
    ],
)
def test_rules(rule, want, value, accepted):
    assert Expectation(rule, want).accepts(outcome(value)) is accepted


@pytest.mark.parametrize("rule", ["equal", "true", "evalplus", "evalplus:anything", "applies"])
def test_a_call_that_raised_or_is_missing_is_never_accepted(rule):
    for kind in ("raised", "missing"):
        assert not Expectation(rule, "1").accepts(Outcome(kind, text="ValueError: 1"))


@pytest.mark.parametrize("value", [None, "a", [1], {}, object(), 1j])
def test_a_comparison_that_raises_is_a_failed_one(value):
    for rule in ("near", "close", "evalplus", "evalplus:set", "wrapped"):
        assert not Expectation(rule, "1.5", 0.1, "int").accepts(outcome(value))


def test_a_root_is_judged_by_its_polynomial():
    root = Expectation("evalplus:root", "0", 1e-4)
    assert root.accepts(outcome(1.00001), "[[-1.0, 1.0]]") and not root.accepts(outcome(1.1), "[[-1.0, 1.0]]")


def test_the_two_tasks_with_two_readings_accept_both():
    pyramid = Expectation("evalplus:pyramid", "33")
    assert [pyramid.accepts(outcome(value), "[3, 4]") for value in (33, 35, 34)] == [True, True, False]
    digits = Expectation("evalplus:digit_distance", "11")
    assert [digits.accepts(outcome(value), "[1, 256]") for value in (11, 12, 0)] == [True, True, False]
