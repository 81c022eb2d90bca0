"""Does this output answer this test?

The published TAROT reward compares ``zip(got_lines, expected_lines)``, which accepts a truncated answer and
any answer with trailing rubbish.  Here the *whole* output is compared; only blanks at the end of a line and
newlines at the end of the text do not matter.  An empty *first* line does: of the published rows one original test
(of no tier) wants one that its own reference solution does not print, and that test stays refused.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from tarot_lite.literals import value_of


class Verdict(StrEnum):
    """What became of one program on one test.

    Only `PASSED` earns a reward.  `SANDBOX_FAILURE` says that *we* failed, not the program; it is never scored.
    """

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    MEMORY_EXCEEDED = "memory_exceeded"
    OUTPUT_EXCEEDED = "output_exceeded"
    SIGNAL = "signal"
    SANDBOX_FAILURE = "sandbox_failure"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a problem wants its outputs compared.  The default is exact.

    Parameters
    ----------
    float_tolerance
        Numbers may differ by this much, absolutely or relatively (as `math.isclose`); must be > 0.
        None compares text.
    unordered_lines
        The lines may come in any order (each as often as expected).

    Raises
    ------
    ValueError
        If `float_tolerance` is not a finite number above zero.

    Examples
    --------
    >>> same_output("0.333333", "0.3333334", Comparison(float_tolerance=1e-6))
    True
    >>> same_output("b\\na\\n", "a\\nb\\n", Comparison(unordered_lines=True))
    True
    """

    float_tolerance: float | None = None
    unordered_lines: bool = False

    def __post_init__(self) -> None:
        tolerance = self.float_tolerance
        is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
        if tolerance is not None and not (is_number and math.isfinite(tolerance) and tolerance > 0):
            raise ValueError(f"Comparison.float_tolerance is {tolerance!r}; give a finite number above 0, or None")


EXACT = Comparison()
_INFINITE = re.compile(r"\binf\b")


def same_output(actual: str, expected: str, comparison: Comparison = EXACT) -> bool:
    """Compare two whole outputs of a stdin/stdout program.

    Examples
    --------
    >>> same_output("1 2 \\n3\\n\\n", "1 2\\n3")
    True
    >>> same_output("1 2\\n", "1 2\\n3"), same_output("1 2\\n3\\n4", "1 2\\n3")
    (False, False)
    """
    got, want = _lines(actual), _lines(expected)
    if len(got) != len(want):
        return False
    if comparison.float_tolerance is None:
        return Counter(got) == Counter(want) if comparison.unordered_lines else got == want
    if comparison.unordered_lines:
        got, want = sorted(got, key=_line_key), sorted(want, key=_line_key)
    tolerance = comparison.float_tolerance
    return all(_same_tokens(a.split(), b.split(), tolerance) for a, b in zip(got, want, strict=True))


def same_value(actual: str, expected: str, comparison: Comparison = EXACT) -> bool:
    """Compare two Python values, each given as a literal that equals it (tests that call a function).

    A text that is no literal is compared as text: ``nan``, or what `tarot_lite.literals.written` makes of an object, whose
    own ``repr`` will do for `expected`.

    Examples
    --------
    >>> same_value("{1, 2}", "{2, 1}"), same_value("[1, 2]", "(1, 2)"), same_value("1", "True")
    (True, False, True)
    >>> same_value("[0.1, 0.30000000000000004]", "[0.1, 0.3]", Comparison(float_tolerance=1e-6))
    True
    """
    actual, expected = actual.strip(), expected.strip()
    if actual == expected:
        return True
    try:
        want = _value(expected)
    except ValueError:
        return actual.startswith("<") and actual.endswith(f": {expected}>")
    try:
        got = _value(actual)
    except ValueError:
        return False
    if comparison.float_tolerance is None:
        return bool(got == want)
    return _close(got, want, comparison.float_tolerance)


def _value(text: str) -> Any:
    """Read a literal, infinities among its numbers too."""
    return value_of(_INFINITE.sub("1e999", text) if "inf" in text and not {"'", '"'} & set(text) else text)


def _lines(text: str) -> list[str]:
    """Split on newlines alone (``str.splitlines`` also splits on form feeds) and drop what does not matter."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _line_key(line: str) -> tuple[tuple[int, float, str], ...]:
    """Order lines so that numbers within tolerance land next to each other."""
    return tuple(
        (0, number, "") if (number := _number(token)) is not None else (1, 0.0, token) for token in line.split()
    )


def _number(token: str) -> float | None:
    try:
        return float(token)
    except ValueError:
        return None


def _same_tokens(got: list[str], want: list[str], tolerance: float) -> bool:
    for a, b in zip_longest(got, want):
        if a == b:
            continue
        if a is None or b is None:
            return False
        x, y = _number(a), _number(b)
        if x is None or y is None or not math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance):
            return False
    return True


def _close(got: Any, want: Any, tolerance: float) -> bool:
    if isinstance(want, int | float) and isinstance(got, int | float):
        return bool(got == want) or math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(want, list | tuple) and type(got) is type(want):
        return len(got) == len(want) and all(_close(a, b, tolerance) for a, b in zip(got, want, strict=True))
    if isinstance(want, dict) and isinstance(got, dict):
        return got.keys() == want.keys() and all(_close(got[key], want[key], tolerance) for key in want)
    return bool(got == want)
