"""Which lines and branches of the reference do tests reach?

The reference runs in the sandbox like everything else, traced (see `batch`); what could be reached is worked out by
coverage.py's own parser, so the numbers mean what ``coverage run --branch`` means.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# At the top, not where it is used: suites are built by two threads, and coverage.py's first import is not safe in two.
from coverage.exceptions import CoverageException
from coverage.parser import PythonParser

from tarot_lite.problems import BODY, Form, Problem
from tarot_lite.suites.batch import TRACED, Outcome
from tarot_lite.suites.trees import PARSING

__all__ = ["Coverage", "measure", "reached_lines"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines and branches of the reference: reached, and reachable at all."""

    lines: int
    all_lines: int
    branches: int
    all_branches: int


def measure(problem: Problem, runs: Iterable[Outcome]) -> Coverage | None:
    """How much of the reference these traced runs reach together.

    Returns
    -------
    Coverage or None
        None if nothing was traced, or the reference is no Python for coverage.py.

    Examples
    --------
    >>> problem = Problem("p", "Sign.", reference="n = int(input())\\nif n < 0:\\n    n = 0\\nprint(n)")
    >>> run = Outcome("", "1", 3, frozenset({(-1, 1), (1, 2), (2, 4), (4, -1)}))
    >>> measure(problem, [run])
    Coverage(lines=3, all_lines=4, branches=1, all_branches=2)
    """
    arcs = {arc for run in runs for arc in run.arcs}
    if not arcs or problem.reference is None:
        return None
    parser = PythonParser(text=problem.program(problem.reference), filename=TRACED)
    try:
        with PARSING:
            parser.parse_source()
    except CoverageException:
        return None
    own = _own_lines(problem)
    taken = parser.translate_arcs(arcs)
    reached = parser.translate_lines({line for arc in taken for line in arc if line > 0})
    statements = {line for line in parser.statements if line in own}
    forks = {line for line, exits in parser.exit_counts().items() if exits > 1 and line in own}
    branches = {arc for arc in parser.arcs() if arc[0] in forks}
    return Coverage(len(statements & reached), len(statements), len(branches & set(taken)), len(branches))


def reached_lines(problem: Problem, runs: Iterable[Outcome]) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that some run executed.

    Examples
    --------
    >>> scaffold = "def f(x):\\n    {{body}}\\nprint(f(2))"
    >>> problem = Problem("p", "Double.", form=Form.SCAFFOLD, scaffold=scaffold, reference="return 2 * x")
    >>> reached_lines(problem, [Outcome("", "4", 3, frozenset({(-1, 1), (1, 3), (-1, 2), (2, -1), (3, -1)}))])
    frozenset({1})
    """
    own = _own_lines(problem)
    lines = {line for run in runs for arc in run.arcs for line in arc}
    return frozenset(line - own.start + 1 for line in lines if line in own)


def _own_lines(problem: Problem) -> range:
    """The lines of the program that are the reference's, not the scaffold's or ours."""
    reference = problem.reference or ""
    if problem.form is Form.SCAFFOLD:
        first = (problem.scaffold or "").partition(BODY)[0].count("\n") + 1
        return range(first, first + reference.strip("\n").count("\n") + 1)
    first = 2 if problem.form is Form.FUNCTION else 1  # a line of ours stands before a function's
    return range(first, first + reference.count("\n") + 1)
