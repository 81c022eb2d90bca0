"""Runs inside the sandbox, beside the program under test: calls its function and writes down what came back.

Compiled, it goes into every program that `calls.program` makes, behind the source of `tarot_lite.literals.plain` and
followed by one line that calls `answer_calls`.  It therefore imports the standard library only (the line of `plain` is
taken out), and it knows no expected value.
"""

import contextlib
import hashlib
import io
import signal
import sys
import types
from typing import Any

from tarot_lite.literals import plain

MARK = "\x1etarot_lite\x1e"
"""Begins the line of an answer, whatever the program printed by itself."""

LONG = 1 << 12
"""Texts with more characters than this leave the sandbox as a digest."""

VAST = 1 << 18
"""So do other values whose literals have more characters than this."""


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
        text = plain(value)
        if len(text) > VAST:
            return "\t".join(("digest", type(value).__name__, truth, digest(text)))
        return "\t".join(("value", type(value).__name__, truth, text))
    except BaseException:
        return "\t".join(("opaque", str(type(value).__name__).split("\n")[0], truth, ""))


def answer_calls(source: str, entry: str, seconds: float = 0.0) -> None:
    """Load a solution, call ``entry`` once for each list of arguments on standard input, and print each answer at once.

    So answers are known that were given before a program was ended from outside.
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
