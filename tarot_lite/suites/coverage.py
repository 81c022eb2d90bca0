"""Which lines and branches of the reference do tests reach, and how many steps do they take?

The reference runs in the sandbox like everything else, under a small tracer that is put in front of it; what could
be reached is worked out by coverage.py's own parser, so the numbers mean what ``coverage run --branch`` means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tarot_lite.problems import BODY, Form, Problem

__all__ = ["Coverage", "Trace", "measure", "read_trace", "traced"]

_MARK = "\n@tarot_lite trace@ "
_NAME = "<traced>"

_TRACER = '''
def _run(source, name, most, mark):
    import sys
    arcs, steps = set(), 0
    def enter(frame, event, arg):
        if frame.f_code.co_filename != name:
            return None
        start = -frame.f_code.co_firstlineno
        last = start
        def inside(frame, event, arg):
            nonlocal last, steps
            if event == "line":
                steps += 1
                arcs.add((last, frame.f_lineno))
                last = frame.f_lineno
                if steps >= most:
                    sys.settrace(None)
                    return None
            elif event == "return":
                arcs.add((last, start))
            return inside
        return inside
    code = compile(source, name, "exec")
    sys.settrace(enter)
    try:
        exec(code, {"__name__": "__main__"})
    finally:
        sys.settrace(None)
        sys.__stdout__.flush()
        sys.__stdout__.write(mark + repr([steps, *map(list, sorted(arcs))]))
        sys.__stdout__.flush()
'''


@dataclass(frozen=True, slots=True)
class Trace:
    """What one traced run did.

    Parameters
    ----------
    steps
        Lines executed, the same on every machine; counting stops at the limit that `traced` was given.
    arcs
        Pairs of lines executed one after another (negative: entry and exit of a function, as in coverage.py).
    """

    steps: int
    arcs: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines and branches of the reference: reached, and reachable at all."""

    lines: int
    all_lines: int
    branches: int
    all_branches: int


def traced(program: str, most: int) -> str:
    """A program that runs `program` and then writes which lines it took.

    Parameters
    ----------
    program
        A whole program.
    most
        Stop tracing after so many lines; the program goes on.

    Examples
    --------
    >>> exec(traced("print(1)", 100).replace("sys.__stdout__", "sys.stdout"))
    1
    <BLANKLINE>
    @tarot_lite trace@ [1, [-1, 1], [1, -1]]
    """
    return f"{_TRACER}\n_run({program!r}, {_NAME!r}, {most}, {_MARK!r})"


def read_trace(stdout: str) -> Trace | None:
    """Read what a traced program wrote; None if it ended too early to say.

    Examples
    --------
    >>> read_trace("1\\n\\n@tarot_lite trace@ [1, [-1, 1], [1, -1]]").steps
    1
    """
    _, mark, text = stdout.rpartition(_MARK)
    if not mark:
        return None
    try:
        steps, *arcs = json.loads(text)
        return Trace(int(steps), frozenset((int(start), int(end)) for start, end in arcs))
    except (ValueError, TypeError):
        return None


def measure(problem: Problem, traces: Iterable[Trace | None]) -> Coverage | None:
    """How much of the reference these runs reach together.

    Returns
    -------
    Coverage or None
        None if nothing was traced, or the reference is no Python for coverage.py.
    """
    from coverage.exceptions import CoverageException
    from coverage.python import PythonParser

    known = [trace for trace in traces if trace is not None]
    if not known or problem.reference is None:
        return None
    program = problem.program(problem.reference)
    parser = PythonParser(text=program, filename=_NAME)
    try:
        parser.parse_source()
    except CoverageException:
        return None
    own = _own_lines(problem)
    taken = parser.translate_arcs({arc for trace in known for arc in trace.arcs})
    reached = parser.translate_lines({line for arc in taken for line in arc if line > 0})
    statements = {line for line in parser.statements if line in own}
    forks = {line for line, exits in parser.exit_counts().items() if exits > 1 and line in own}
    branches = {arc for arc in parser.arcs() if arc[0] in forks}
    return Coverage(len(statements & reached), len(statements), len(branches & set(taken)), len(branches))


def _own_lines(problem: Problem) -> range | Sequence[int]:
    """The lines of the program that are the reference's, not the scaffold's."""
    count = (problem.reference or "").strip("\n").count("\n") + 1
    if problem.form is Form.SCAFFOLD:
        before = (problem.scaffold or "").partition(BODY)[0].count("\n")
        return range(before + 1, before + 1 + count)
    return range(1, (problem.reference or "").count("\n") + 2)
