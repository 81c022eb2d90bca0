"""How hard is a test, and what does it add?  Pure functions of the kill matrix.

The *kill matrix* says which candidate fails which test.  A candidate that no test rejects may well be right, and is
left out.  The *difficulty* of a test is the share of the others that it rejects: a basic test lets most wrong
programs pass, a complex one few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from tarot_lite.problems import Tier
from tarot_lite.statistics import wilson


@dataclass(frozen=True)
class KillMatrix:
    """Which test rejects which candidate: one row a test, one column a candidate.

    Examples
    --------
    >>> matrix = KillMatrix(((True, False, False), (True, True, False)))
    >>> matrix.killable, matrix.difficulty(0), matrix.score([0])
    (frozenset({0, 1}), 0.5, 0.5)
    """

    rejects: tuple[tuple[bool, ...], ...]

    @cached_property
    def rows(self) -> tuple[frozenset[int], ...]:
        """For each test the candidates that it rejects."""
        return tuple(frozenset(at for at, rejected in enumerate(row) if rejected) for row in self.rejects)

    @cached_property
    def killable(self) -> frozenset[int]:
        """Candidates that some test rejects, so that they are certainly wrong."""
        return frozenset().union(*self.rows)

    def difficulty(self, test: int) -> float:
        """Share of the wrong candidates that the test rejects; 0 if there is none."""
        return len(self.rows[test]) / len(self.killable) if self.killable else 0.0

    def interval(self, test: int) -> tuple[float, float]:
        """95 % interval of the difficulty."""
        found = wilson(self.difficulty(test), len(self.killable))
        return found.low, found.high

    def score(self, tests: Sequence[int]) -> float:
        """Mutation score: share of the wrong candidates that some of these tests rejects; 1 if there is none."""
        if not self.killable:
            return 1.0
        return len(frozenset().union(*(self.rows[test] for test in tests))) / len(self.killable)


@dataclass(frozen=True)
class Assignment:
    """Tiers measured, and the smallest suite that was found."""

    tiers: tuple[Tier | None, ...]  # one a test; None for a test that rejects nothing, or what another rejects
    kept: tuple[int, ...]  # the chosen tests, in tier order, within a tier from easy to hard
    dropped: dict[int, str]  # why a test was not kept
    missing: dict[Tier, str]  # why a tier has no test


def assign(
    matrix: KillMatrix, extreme: Sequence[bool], sizes: Sequence[int], preferred: Sequence[bool] | None = None
) -> Assignment:
    """Give every useful test its tier, and choose a smallest suite.

    `extreme` says which tests have boundary features, `sizes` how long their inputs are, and `preferred` which tests to
    keep before others that do the same (the given ones).

    1. Tests that reject nothing, or just what another test rejects, are dropped (the preferred, then the shorter
       input stays).
    2. *edge*: tests at a boundary of the format that reject a candidate which no ordinary test rejects; if there is
       none, the boundary test that rejects most.
    3. The rest is cut by difficulty into three bands, never through equal difficulties: *basic* < *intermediate* <
       *complex*.
    4. One test a tier (the middle one; the hardest of complex; not at a boundary if that can be), then greedily the
       test that rejects most of what is still missed, until the suite rejects all that the tests can reject.

    Examples
    --------
    >>> matrix = KillMatrix(((True, False, False, False), (True, True, False, False), (True, True, True, False),
    ...                      (False, False, False, True), (False, False, False, False)))
    >>> result = assign(matrix, [False, False, False, True, False], [2, 4, 6, 1, 9])
    >>> [tier.value if tier else None for tier in result.tiers], result.kept, result.dropped
    (['basic', 'intermediate', 'complex', 'edge', None], (0, 1, 2, 3), {4: 'rejects no candidate'})
    """
    preferred = preferred or [False] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda test: (not preferred[test], sizes[test], test))
    useful, dropped = _distinct(matrix, order)
    boundary = [test for test in useful if extreme[test]]
    edge = _edge_tests(matrix, [test for test in useful if not extreme[test]], boundary)
    while len(edge) > 1 and len({matrix.difficulty(test) for test in set(useful) - set(edge)}) < 3:
        edge.pop()  # few inputs: the ordinary tiers need it more
    ordinary = sorted(set(useful) - set(edge), key=lambda test: (matrix.difficulty(test), sizes[test], test))
    bands = _bands(matrix, ordinary)
    tests = bands | {Tier.EDGE: edge}
    where = {test: tier for tier, band in tests.items() for test in band}
    kept = _smallest(matrix, tests, where, extreme)
    dropped |= dict.fromkeys(set(useful) - set(kept), "rejects nothing that the suite does not reject")
    return Assignment(
        tuple(where.get(test) for test in range(len(sizes))),
        tuple(sorted(kept, key=lambda test: (where[test].rank, matrix.difficulty(test), test))),
        dict(sorted(dropped.items())),
        _missing(matrix, ordinary, bands, edge),
    )


def _distinct(matrix: KillMatrix, order: Sequence[int]) -> tuple[list[int], dict[int, str]]:
    first: dict[frozenset[int], int] = {}
    dropped = {}
    for test in order:
        row = matrix.rows[test]
        if not row:
            dropped[test] = "rejects no candidate"
        elif row in first:
            dropped[test] = f"rejects the same candidates as test {first[row]}"
        else:
            first[row] = test
    return list(first.values()), dropped


def _edge_tests(matrix: KillMatrix, ordinary: Sequence[int], boundary: Sequence[int]) -> list[int]:
    """Boundary tests with rejections of their own, the most first; without any, the boundary test that rejects most."""
    caught: frozenset[int] = frozenset().union(*(matrix.rows[test] for test in ordinary))
    edge: list[int] = []
    for test in sorted(boundary, key=lambda test: (-len(matrix.rows[test] - caught), -len(matrix.rows[test]), test)):
        if matrix.rows[test] - caught:
            edge.append(test)
            caught |= matrix.rows[test]
    if not edge and boundary:
        edge = [max(boundary, key=lambda test: (len(matrix.rows[test]), -test))]
    return edge


def _bands(matrix: KillMatrix, ordinary: Sequence[int]) -> dict[Tier, list[int]]:
    """Cut tests, sorted by difficulty, into bands of about equal size, ties together."""
    levels = [list(group) for _, group in groupby(ordinary, matrix.difficulty)]
    names = {1: (Tier.BASIC,), 2: (Tier.BASIC, Tier.COMPLEX)}.get(
        len(levels), (Tier.BASIC, Tier.INTERMEDIATE, Tier.COMPLEX)
    )
    bands: dict[Tier, list[int]] = {}
    for number, tier in enumerate(names):
        later = len(names) - number - 1
        band: list[int] = []
        want = math.ceil(sum(map(len, levels)) / (later + 1))
        while levels and len(levels) > later and (not band or len(band) + len(levels[0]) / 2 <= want or not later):
            band += levels.pop(0)
        if band:
            bands[tier] = band
    return bands


def _smallest(
    matrix: KillMatrix, tests: dict[Tier, list[int]], where: dict[int, Tier], extreme: Sequence[bool]
) -> list[int]:
    kept: list[int] = []
    for tier, band in tests.items():
        choice = [test for test in band if tier is Tier.EDGE or not extreme[test]] or band
        if choice:
            middle = (len(choice) - 1) // 2
            kept.append(choice[{Tier.COMPLEX: -1, Tier.EDGE: 0}.get(tier, middle)])
    missed = set(matrix.killable).difference(*(matrix.rows[test] for test in kept))
    while missed:  # dropped tests reject nothing that `where` does not
        best = max(where, key=lambda test: (len(matrix.rows[test] & missed), -test))
        kept.append(best)
        missed -= matrix.rows[best]
    for test in list(kept):  # later choices may have made it superfluous; every tier keeps one
        others = [other for other in kept if other != test]
        alone = all(where[other] is not where[test] for other in others)
        if not alone and matrix.score(others) == matrix.score(kept):
            kept = others
    return kept


def _missing(
    matrix: KillMatrix, ordinary: Sequence[int], bands: dict[Tier, list[int]], edge: Sequence[int]
) -> dict[Tier, str]:
    levels = len({matrix.difficulty(test) for test in ordinary})
    why = f"the proposed inputs have {levels} distinct difficult{'y' if levels == 1 else 'ies'}; three tiers need three"
    if not matrix.killable:
        why = "no input rejects any candidate: all candidates may be right, or the inputs too weak"
    missing = {tier: why for tier in list(Tier)[:3] if tier not in bands}
    if not edge:
        missing[Tier.EDGE] = "no useful input lies at a boundary of the format" if matrix.killable else why
    return missing
