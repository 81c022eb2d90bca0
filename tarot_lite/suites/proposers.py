"""Where inputs come from: one small interface, combined freely.

A proposer gives `Proposal` objects -- an input and what is claimed about it.  It never gives the expected output the
last word: that comes from the reference (see `proof`).  `Given` hands on the tests that a problem has already,
`Mutation` makes new inputs from them without any model; the language model is in `language_model`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from tarot_lite.problems import Form, Problem, Tier
from tarot_lite.suites.candidates import constants
from tarot_lite.suites.formats import Format, FormatError, Value, learn
from tarot_lite.suites.mutation import Habits, boundaries, boundary_features, grow, mutate, shrink

_READABLE = 64 * 1024  # characters: longer known inputs are not taken apart


@dataclass(frozen=True, slots=True)
class Proposal:
    """An input that somebody proposes as a test, and what is claimed about it."""

    input: str  # text for standard input, or a literal list of arguments
    source: str  # the proposer's name
    tier: Tier | None = None  # None leaves it to the calibration
    reason: str | None = None  # in words
    output: str | None = None  # checked against the reference


class Proposer(Protocol):
    """Anything that proposes inputs for a problem, under a name for tables and `Proposal.source`."""

    @property
    def name(self) -> str: ...

    def propose(self, problem: Problem, seed: int) -> list[Proposal]:
        """Inputs for the problem, the same for the same seed."""
        ...


@dataclass(frozen=True)
class Given:
    """The tests that the problem has already, labels and outputs included."""

    name: str = "given"

    def propose(self, problem: Problem, seed: int) -> list[Proposal]:
        """One proposal a test, in order."""
        return [Proposal(test.input, self.name, test.tier, test.reason, test.output) for test in problem.tests]


@dataclass(frozen=True)
class Mutation:
    """At most `count` mutations of the known inputs, within their format, and inputs at its limits.

    Examples
    --------
    >>> from tarot_lite.problems import TestCase
    >>> problem = Problem("p", "Add n numbers.", (TestCase("3\\n5 1 2\\n", "8"), TestCase("2\\n7 7\\n", "14")))
    >>> [proposal.input for proposal in Mutation(3).propose(problem, seed=0)]
    ['1\\n5\\n', '3\\n5 5 5\\n', '2\\n10 1\\n']
    """

    count: int = 24
    name: str = "mutation"

    def propose(self, problem: Problem, seed: int) -> list[Proposal]:
        """Distinct inputs that no given test has; none if the problem has no input that can be taken apart."""
        try:
            model = InputModel.of(problem)
        except FormatError:
            return []
        rng = random.Random(f"mutation {seed} {problem.problem_id}")
        found: dict[str, Proposal] = {}
        known = {test.input.strip() for test in problem.tests}
        for what, value in self._inputs(model, rng):
            text = model.format.render(value)
            if text.strip() not in known and text not in found and len(text) <= _READABLE:
                found[text] = Proposal(text, self.name, reason=what)
                if len(found) >= self.count:
                    break
        return list(found.values())

    def _inputs(self, model: InputModel, rng: random.Random) -> Iterator[tuple[str, Value]]:
        """Boundaries, then smaller, changed and larger inputs in turn, until enough attempts were made."""
        habits = model.habits
        extremes = [found for value in model.values[:2] for found in boundaries(value, habits)]
        yield from extremes[: max(self.count // 2, 2)]
        for attempt in range(2 * self.count):
            value = model.values[attempt % len(model.values)]
            yield "a smaller input", mutate(shrink(value, habits, rng), habits, rng)
            yield "a changed input", mutate(value, habits, rng)
            yield "a larger input", mutate(grow(value, habits, rng), habits, rng)


@dataclass(frozen=True)
class InputModel:
    """What the known inputs of a problem teach: their format, the trees, and the habits."""

    format: Format
    values: tuple[Value, ...]
    habits: Habits

    @staticmethod
    @lru_cache(maxsize=256)
    def of(problem: Problem) -> InputModel:
        """Learn it from the problem's tests; `FormatError` if there is none, or none that can be taken apart."""
        texts = dict.fromkeys(test.input for test in problem.tests if len(test.input) <= _READABLE)
        function = problem.form is Form.FUNCTION
        shape = learn(list(texts), function)
        values = tuple(map(shape.parse, texts))
        favoured = constants(problem.reference or "", problem.form)
        return InputModel(shape, values, Habits(values, problem.statement, favoured, empty=function))

    def features(self, text: str) -> tuple[str, ...]:
        """What is extreme about an input; nothing if it does not have the format."""
        try:
            return boundary_features(self.format.parse(text), self.habits)
        except FormatError:
            return ()
