"""Runs inside the sandbox, beside the program under test: calls its function and writes down what came back.

This file is used twice.  Compiled, it goes into every program that `calls.program` makes, followed by one line that
calls `answer_calls`; and `plain` is imported by our own side, so that expected values are written the same way.
It therefore imports the standard library only, and it knows no expected value.
"""

import contextlib
import hashlib
import io
import math
import signal
import sys
import types
from typing import Any

MARK = "\x1etarot_lite\x1e"
"""Begins the line of an answer, whatever the program printed by itself."""

LONG = 1 << 12
"""Texts with more characters than this leave the sandbox as a digest."""


def plain(value: Any) -> str:
    """Write a value as a Python literal that equals it, subclasses (Counter, namedtuple, numpy scalars) made plain.

    Raises
    ------
    TypeError
        If no literal equals it: functions, iterators, objects, NaN.

    Examples
    --------
    >>> import collections
    >>> plain([collections.Counter("aab"), {2, 1}, float("inf")])
    "[{'a': 2, 'b': 1}, {1, 2}, 1e999]"
    """
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is bytes:
        return repr(value)
    if isinstance(value, int):
        value = int(value)
        return repr(value) if -(1 << 64) < value < 1 << 64 else hex(value)  # no limit on digits in hexadecimal
    if isinstance(value, float):
        value = float(value)
        if value != value:
            raise TypeError("NaN equals nothing")
        return repr(value).replace("inf", "1e999")
    if isinstance(value, complex):
        if value.real != value.real or value.imag != value.imag or "inf" in repr(value):
            raise TypeError("no literal")
        return repr(complex(value))
    if isinstance(value, str):
        return repr(str.__str__(value))
    if (kind is list or kind is tuple) and _is_simple(value):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join([plain(item) for item in value]) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join([plain(item) for item in value]) + (",)" if len(value) == 1 else ")")
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted([plain(item) for item in value])) + "}" if value else "set()"
    if isinstance(value, dict):
        return "{" + ", ".join([plain(key) + ": " + plain(item) for key, item in value.items()]) + "}"
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return plain(value.item())
    raise TypeError("no literal")


def _is_simple(items: Any) -> bool:
    """Whether ``repr`` writes the items as `plain` would; it is much faster for long lists."""
    kinds = set(map(type, items))
    if kinds and kinds <= {int, float}:
        if not (min(items) > -(1 << 64) and max(items) < 1 << 64):
            return False
        return kinds == {int} or math.isfinite(sum(items)) or all(map(math.isfinite, items))
    return kinds <= {str, bool, type(None)}


def digest(text: str) -> str:
    """Length and SHA-256 of a long text: some answers have millions of characters, and only equality matters."""
    return f"{len(text)}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def describe(value: Any) -> str:
    """One line about an answer: kind, type, truth, and the literal if there is one; tabs between.

    Examples
    --------
    >>> describe([1]), describe(iter([]))
    ('value\\tlist\\tTrue\\t[1]', 'opaque\\tlist_iterator\\tTrue\\t')
    """
    try:
        truth = str(bool(value))
    except BaseException:
        truth = "error"
    try:
        if type(value) is str and len(value) > LONG:
            return "\t".join(("digest", "str", truth, digest(value)))
        return "\t".join(("value", type(value).__name__, truth, plain(value)))
    except BaseException:
        return "\t".join(("opaque", str(type(value).__name__).split("\n")[0], truth, ""))


def answer_calls(source: str, entry: str, seconds: float = 0.0) -> None:
    """Load a solution, call ``entry`` once for each list of arguments on standard input, and print each answer at once.

    So answers are known that were given before a program was ended from outside.

    Parameters
    ----------
    source
        The solution.  It runs as a module named ``solution``, as if imported: a main block does not run.
    entry
        Expression for what to call, in the solution's namespace.
    seconds
        CPU time that each call may take; SIGPROF ends the program in the first that takes more.  0 sets no limit.  A
        solution can evade it, but not the limits of the sandbox.
    """
    arguments = eval(sys.stdin.read(), {"nan": float("nan")})
    stdout = sys.stdout
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        exec(compile(source, "solution.py", "exec", dont_inherit=True), module.__dict__)
        for each in arguments:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                line = describe(eval(entry, module.__dict__)(*each))
            except BaseException as error:
                text = type(error).__name__ + ": " + str(error)
                line = "raised\t\t\t" + " ".join(text.split())[:200]
            stdout.write(MARK + line + "\n")
            stdout.flush()
        signal.setitimer(signal.ITIMER_PROF, 0)
