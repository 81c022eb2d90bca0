"""Comparison rules: what must not matter does not, everything else does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite.judging import Comparison, same_output, same_value

TOLERANT = Comparison(float_tolerance=1e-6)
UNORDERED = Comparison(unordered_lines=True)


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ("5\n", "5", True),
        ("5  \n\n\n", "5\n", True),
        ("\n1 0\n0", "\n1 0 \n0 \n", True),  # a published row begins with a blank line
        ("1 0\n0", "\n1 0\n0", False),
        ("1\n2\n3", "1\n2", False),  # the published rule lets both of these pass
        ("1", "1\n2", False),
        ("", "0", False),
        ("", "\n", True),
        (" 5", "5", False),
        ("1  2", "1 2", False),
        ("1\x0c2", "1\n2", False),
        ("5\r\n6\r\n", "5\n6\n", True),
        ("YES", "yes", False),
        ("0.30000000000000004", "0.3", False),
    ],
)
def test_exact_output(actual, expected, same):
    assert same_output(actual, expected) is same


@pytest.mark.parametrize(
    ("actual", "expected", "comparison", "same"),
    [
        ("0.30000000000000004", "0.3", TOLERANT, True),
        ("a 1.0", "a 1", TOLERANT, True),
        ("a 1.1", "a 1", TOLERANT, False),
        ("1 2", "1", TOLERANT, False),
        ("nan", "1", TOLERANT, False),
        ("b\na", "a\nb", UNORDERED, True),
        ("a\na\nb", "a\nb\nb", UNORDERED, False),
        ("2.0000001 x\n1", "1\n2 x", Comparison(float_tolerance=1e-6, unordered_lines=True), True),
    ],
)
def test_rules_that_a_problem_may_ask_for(actual, expected, comparison, same):
    assert same_output(actual, expected, comparison) is same


@given(st.text(), st.text(alphabet=" \t\n"))
def test_blanks_at_the_end_never_matter_and_the_rule_is_symmetric(text, blanks):
    assert same_output(text + blanks, text)
    assert same_output(text, text + blanks)


@given(st.lists(st.text(alphabet="ab1 ", min_size=1).filter(str.strip), min_size=1), st.data())
def test_no_proper_prefix_of_the_lines_is_accepted(lines, data):
    cut = data.draw(st.integers(0, len(lines) - 1))
    assert not same_output("\n".join(lines[:cut]), "\n".join(lines))
    assert not same_output("\n".join(lines), "\n".join(lines[:cut]))


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", True),
        ("[1, 2]", "(1, 2)", False),
        ("nan", "nan", True),
        ("<object>", "<object>", True),
        ("__import__('os')", "0", False),
        ("(" * 5000, "0", False),
        ("-" * 100_000 + "1", "1", False),
    ],
)
def test_values_are_compared_as_literals_and_never_run(actual, expected, same):
    assert same_value(actual, expected) is same


def test_tolerant_values_reach_into_containers():
    assert same_value("{'a': [0.1 , (2.0000001,)]}", "{'a': [0.1, (2,)]}", TOLERANT)
    assert not same_value("[1.0, 2.0]", "[1.0]", TOLERANT)
    assert not same_value("{'a': 1.0}", "{'b': 1.0}", TOLERANT)


@pytest.mark.parametrize("tolerance", [0, -1e-6, math.nan, math.inf])
def test_a_senseless_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"Comparison\.float_tolerance is"):
        Comparison(float_tolerance=tolerance)
