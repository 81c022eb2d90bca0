"""Function calls as a sandboxed program: arguments go in, answers come out, expected values stay with us.

All calls of one problem run in one process, one after another, as in the reference tools.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from tarot_lite.benchmarks.inside import MARK, plain
from tarot_lite.sandbox.prelude import prelude

__all__ = ["Outcome", "literal", "program", "read_outcomes", "request", "value_of"]

_INSIDE = prelude(files("tarot_lite.benchmarks").joinpath("inside.py").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call did.

    Parameters
    ----------
    kind
        ``value`` (a literal equals it), ``digest`` (of a long text), ``opaque`` (no literal equals it), ``raised``, or
        ``missing`` (the program was gone).
    type
        Name of the answer's type.
    truth
        ``True``, ``False``, or ``error`` if asking raised.
    text
        The literal, or the exception.
    """

    kind: str
    type: str = ""
    truth: str = ""
    text: str = ""


_MISSING = Outcome("missing", text="the program ended before this call was answered")


def program(source: str, entry: str, seconds: float = 0.0) -> str:
    """Make the program that answers calls of `entry`, an expression in the namespace of the solution `source`.

    `seconds` limits the CPU time of each call, if it is not 0.

    Examples
    --------
    >>> "answer_calls" in program("def f(x): return x", "f")
    True
    """
    return f"{_INSIDE}answer_calls({source!r}, {entry!r}, {seconds!r})\n"


def request(arguments: Sequence[str]) -> str:
    """Standard input for `program`: a list of argument lists, each given as a literal.

    >>> request(["[1]", "[2, 3]"])
    '[[1],\\n[2, 3]]'
    """
    return "[" + ",\n".join(arguments) + "]"


def read_outcomes(stdout: str, count: int) -> list[Outcome]:
    """Read what `program` printed; always `count` outcomes, of which those that it did not come to are missing.

    >>> read_outcomes("noise", 1)[0].kind
    'missing'
    """
    answers = (text.partition("\n") for text in stdout.split(MARK)[1 : count + 1])
    outcomes = [Outcome(*line.split("\t", 3)) for line, end, _ in answers if end and line.count("\t") >= 3]
    return outcomes + [_MISSING] * (count - len(outcomes))


def literal(value: Any) -> str:
    """Write a value of ours as a literal; the same text as the sandbox would.

    Raises
    ------
    ValueError
        If no literal equals it.

    Examples
    --------
    >>> literal((1, {2.5: None}))
    '(1, {2.5: None})'
    """
    try:
        return plain(value)
    except TypeError:
        raise ValueError(f"{type(value).__name__} cannot be written as a literal") from None


@lru_cache(maxsize=1 << 16)
def value_of(text: str) -> Any:
    """Read a literal.  The object is shared between calls: do not change it.

    Raises
    ------
    ValueError
        If the text is no literal.
    """
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a literal: {text[:60]!r} ({error})") from None
