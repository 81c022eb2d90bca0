"""Which lines of the reference do tests reach?

The reference runs in the sandbox like everything else, traced (see `batch`); what could be reached is what its byte code says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType

from tarot_lite.problems import BODY, Form, Problem
from tarot_lite.suites import trees
from tarot_lite.suites.batch import Outcome


def all_lines(problem: Problem) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that can be executed at all.

    Examples
    --------
    >>> sorted(all_lines(Problem("p", "Sign.", reference="# a comment\\nn = int(input())\\nif n < 0:\\n    n = 0\\nprint(n)")))
    [2, 3, 4, 5]
    """
    own = _own_lines(problem)
    lines = _lines(trees.code(problem.program(problem.reference or "")))
    return frozenset(line - own.start + 1 for line in lines if line in own)


def _lines(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def reached_lines(problem: Problem, runs: Iterable[Outcome]) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that some run executed.

    Examples
    --------
    >>> scaffold = "def f(x):\\n    {{body}}\\nprint(f(2))"
    >>> problem = Problem("p", "Double.", form=Form.SCAFFOLD, scaffold=scaffold, reference="return 2 * x")
    >>> reached_lines(problem, [Outcome("", "4", 3, frozenset({1, 2, 3}))])
    frozenset({1})
    """
    own = _own_lines(problem)
    return frozenset(line - own.start + 1 for run in runs for line in run.reached if line in own)


def _own_lines(problem: Problem) -> range:
    """The lines of the program that are the reference's, not the scaffold's or ours."""
    reference = problem.reference or ""
    if problem.form is Form.SCAFFOLD:
        first = (problem.scaffold or "").partition(BODY)[0].count("\n") + 1
        return range(first, first + reference.strip("\n").count("\n") + 1)
    first = 2 if problem.form is Form.FUNCTION else 1  # a line of ours stands before a function's
    return range(first, first + reference.count("\n") + 1)
