"""Is this answer right?  The rules by which benchmarks judge one call, applied on our side of the sandbox.

The rules of EvalPlus (tolerance, set comparison, special oracles) are reproduced from its documented behaviour,
`np.allclose` included, so that nothing but literals has to leave the sandbox.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tarot_lite.benchmarks.calls import Outcome
from tarot_lite.benchmarks.inside import digest
from tarot_lite.literals import value_of

DIGEST = "digest:"
"""Begins an expected value of which only the digest is known (a long text or vast value that a reference gave)."""

WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "sorted": sorted,
    "len": len,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
}
"""Builtins that a check may apply to an answer before it compares."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one call must answer.

    Parameters
    ----------
    rule
        ``equal`` · ``identical`` (``is``) · ``true`` / ``false`` (truth) · ``near`` (absolute difference below
        `tolerance`) · ``close`` (``math.isclose`` with `tolerance` relative) · ``wrapped`` (`wrapper` of the answer
        equals `value`) · ``applies`` (`wrapper` of the answer raises nothing) · ``json`` (equal, and a tuple counts as a
        list, as in LiveCodeBench) · ``evalplus`` and ``evalplus:<oracle>``.
    value
        The expected value as a literal, or `DIGEST` and the digest of a long text; empty for rules that need none.
    tolerance
        Absolute for ``near`` and EvalPlus, relative for ``close``.
    wrapper
        A name in `WRAPPERS`.

    Examples
    --------
    >>> Expectation("near", "0.3", tolerance=1e-6).accepts(Outcome("value", "float", "True", "0.3000001"))
    True
    >>> Expectation("equal", "[1]").accepts(Outcome("raised"))
    False
    """

    rule: str
    value: str = ""
    tolerance: float = 0.0
    wrapper: str = ""

    def accepts(self, outcome: Outcome, arguments: str = "[]") -> bool:
        """Judge an outcome; `arguments` is the call's literal, which some oracles need."""
        if outcome.kind in ("raised", "missing"):
            return False
        if self.rule in ("true", "false"):
            return outcome.truth == self.rule.capitalize()
        if self.rule == "evalplus:anything":
            return True
        if self.rule == "evalplus:not_none":
            return _not_none(outcome, value_of(self.value))
        if outcome.kind == "digest":
            return self.rule in ("equal", "evalplus", "json") and outcome.text == self._digest()
        if outcome.kind != "value":
            return False  # no literal equals it, so no expected value does
        try:
            return _RULES[self.rule.partition(":")[0]](self, outcome, arguments)
        except (ValueError, TypeError, OverflowError, ArithmeticError, LookupError, AttributeError):
            return False  # the comparison itself raised: a failed assertion in the reference tools too

    def _digest(self) -> str:
        """Digest of the expected text, or of the expected value's literal."""
        if self.value.startswith(DIGEST):
            return self.value.removeprefix(DIGEST)
        want = value_of(self.value)
        return digest(want if isinstance(want, str) else self.value)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the function under test: its arguments (a literal list) and what it must answer."""

    arguments: str
    expected: Expectation


def _equal(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    return outcome.text == rule.value or bool(value_of(outcome.text) == value_of(rule.value))


def _identical(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    want = value_of(rule.value)
    return outcome.type == type(want).__name__ and bool(value_of(outcome.text) == want)


def _near(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    return bool(abs(value_of(outcome.text) - value_of(rule.value)) < rule.tolerance)


def _close_to(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    return math.isclose(value_of(outcome.text), value_of(rule.value), rel_tol=rule.tolerance)


def _wrapped(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    return bool(WRAPPERS[rule.wrapper](value_of(outcome.text)) == value_of(rule.value))


def _applies(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    if rule.wrapper:
        WRAPPERS[rule.wrapper](value_of(outcome.text))
    return True


def _json(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    got = value_of(outcome.text)
    return bool((list(got) if isinstance(got, tuple) else got) == value_of(rule.value))


def _evalplus(rule: Expectation, outcome: Outcome, arguments: str) -> bool:
    oracle = rule.rule.partition(":")[2]
    if outcome.text == rule.value and not oracle:
        return True
    got, want = value_of(outcome.text), value_of(rule.value)
    if oracle == "root":  # HumanEval/32: the answer must be a root of the polynomial that was given
        return bool(abs(_polynomial(value_of(arguments)[0], got)) <= rule.tolerance)
    if oracle == "set":
        right = set(got) == set(want)
    else:
        right = bool(got == want) or _ORACLES.get(oracle, _never)(got, value_of(arguments), rule)
    tolerance = rule.tolerance or (1e-6 if _is_floats(want) else 0.0)
    if right or not tolerance:
        return right
    if outcome.type != type(want).__name__ or (isinstance(want, list | tuple) and len(got) != len(want)):
        return False
    return _all_close(got, want, tolerance)


def _not_none(outcome: Outcome, want: bool) -> bool:
    if outcome.type == "bool":
        return (outcome.text == "True") is want
    return (outcome.type != "NoneType") is want


def _is_floats(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(item, float) for item in value)
    )


def _all_close(got: Any, want: Any, tolerance: float) -> bool:
    """``np.allclose(got, want, rtol=1e-07, atol=tolerance)`` for numbers and sequences of them, broadcasting apart."""
    if isinstance(want, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(want) and all(_all_close(a, b, tolerance) for a, b in zip(got, want, strict=True))
    if isinstance(got, str | bytes | list | tuple | dict | set | None.__class__) or isinstance(
        want, str | bytes | dict | set
    ):
        raise TypeError("not numbers")
    if isinstance(want, list | tuple):
        return all(_all_close(got, item, tolerance) for item in want)
    if math.isinf(got) or math.isinf(want):
        return bool(got == want)
    return bool(abs(got - want) <= tolerance + 1e-07 * abs(want))


def _never(got: Any, arguments: list[Any], rule: Expectation) -> bool:
    return False


def _zero(got: Any, arguments: list[Any], rule: Expectation) -> bool:
    return bool(got == 0)


def _pyramid(got: Any, arguments: list[Any], rule: Expectation) -> bool:
    """Mbpp/581, when the height is read as the distance from base to apex, not along the side."""
    edge, height = arguments
    slant = math.sqrt((edge / 2) ** 2 + height**2)
    return abs(got - round(edge**2 + 2 * edge * slant)) <= rule.tolerance


def _digit_distance(got: Any, arguments: list[Any], rule: Expectation) -> bool:
    """Mbpp/558, when the shorter number is filled with zeros."""
    first, second = map(str, arguments)
    width = max(len(first), len(second))
    digits = zip(first.zfill(width), second.zfill(width), strict=True)
    return bool(got == sum(abs(int(a) - int(b)) for a, b in digits))


def _polynomial(coefficients: list[float], x: float) -> float:
    return sum(coefficient * math.pow(x, power) for power, coefficient in enumerate(coefficients))


_ORACLES: dict[str, Callable[[Any, list[Any], Expectation], bool]] = {
    "zero": _zero,
    "pyramid": _pyramid,
    "digit_distance": _digit_distance,
}

_RULES: dict[str, Callable[[Expectation, Outcome, str], bool]] = {
    "equal": _equal,
    "identical": _identical,
    "near": _near,
    "close": _close_to,
    "wrapped": _wrapped,
    "applies": _applies,
    "json": _json,
    "evalplus": _evalplus,
}
