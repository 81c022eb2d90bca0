"""Function calls as a sandboxed program: arguments go in, answers come out, expected values stay with us.

All calls of one problem run in one process, one after another, as in the reference tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from tarot_lite.benchmarks.inside import MARK
from tarot_lite.literals import plain, source
from tarot_lite.sandbox.prelude import prelude

_INSIDE = prelude(
    files("tarot_lite.benchmarks")
    .joinpath("inside.py")
    .read_text(encoding="utf-8")
    .replace("from tarot_lite.literals import plain\n", source(plain))
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call did.

    Parameters
    ----------
    kind
        ``value`` (a literal equals it), ``digest`` (of a long text, or of a vast value's literal), ``opaque`` (no
        literal equals it), ``raised``, or ``missing`` (the program was gone).
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


def program(solution: str, entry: str, seconds: float = 0.0) -> str:
    """Make the program that answers calls of `entry`, an expression in the namespace of the source `solution`.

    `seconds` limits the CPU time of each call, if it is not 0.

    Examples
    --------
    >>> "answer_calls" in program("def f(x): return x", "f")
    True
    """
    return f"{_INSIDE}answer_calls({solution!r}, {entry!r}, {seconds!r})\n"


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

    Examples
    --------
    >>> literal((1, {2.5: None}))
    '(1, {2.5: None})'
    """
    try:
        return plain(value)
    except (TypeError, ValueError):
        raise ValueError(f"{type(value).__name__} cannot be written as a literal") from None
