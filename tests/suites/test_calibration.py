"""Tiers and the smallest suite are pure functions of the kill matrix."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tarot_lite.problems import Tier
from tarot_lite.suites.calibration import KillMatrix, assign

matrices = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width).map(tuple), min_size=1, max_size=12)
)


@settings(max_examples=300, deadline=None)
@given(matrices, st.data())
def test_the_suite_rejects_all_that_can_be_rejected_and_tiers_rise(
    rows: list[tuple[bool, ...]], data: st.DataObject
) -> None:
    matrix = KillMatrix(tuple(rows))
    extreme = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=len(rows), max_size=len(rows)))
    result = assign(matrix, extreme, sizes)
    assert matrix.score(result.kept) == matrix.score(range(len(rows)))
    assert set(result.kept) | set(result.dropped) == set(range(len(rows)))
    assert not set(result.kept) & set(result.dropped)
    means = []
    for tier in (Tier.BASIC, Tier.INTERMEDIATE, Tier.COMPLEX):
        tests = [test for test in result.kept if result.tiers[test] is tier]
        assert bool(tests) != (tier in result.missing)
        if tests:
            means.append([matrix.difficulty(test) for test in tests])
    for easier, harder in pairwise(means):
        assert max(easier) < min(harder)
    for test in result.kept:
        if result.tiers[test] is Tier.EDGE:
            assert extreme[test]
    rank = [result.tiers[test].rank for test in result.kept]  # type: ignore[union-attr]
    assert rank == sorted(rank)


def test_edge_is_what_catches_what_no_ordinary_test_catches() -> None:
    rows = ((1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0))
    matrix = KillMatrix(tuple(tuple(map(bool, row)) for row in rows))
    result = assign(matrix, [False, False, False, True, True], [1] * 5)
    assert result.tiers[3] is Tier.EDGE
    assert result.tiers[4] is not Tier.EDGE, "at a boundary, but it catches nothing of its own"
    assert result.missing == {}


def test_a_preferred_test_stays_before_a_shorter_one_that_does_the_same() -> None:
    matrix = KillMatrix(((True, False), (True, False), (True, True)))
    result = assign(matrix, [False] * 3, [9, 1, 5], preferred=[True, False, False])
    assert result.dropped[1] == "rejects the same candidates as test 0"


def test_a_missing_tier_has_its_reason() -> None:
    result = assign(KillMatrix(((True,), (True,))), [False, False], [1, 2])
    assert set(result.missing) == {Tier.INTERMEDIATE, Tier.COMPLEX, Tier.EDGE}
    assert "1 distinct difficulty" in result.missing[Tier.COMPLEX]
    nothing = assign(KillMatrix(((False,),)), [False], [1])
    assert len(nothing.missing) == 4
    assert "no input rejects any candidate" in nothing.missing[Tier.BASIC]
    assert nothing.kept == ()


def test_an_empty_matrix_has_a_difficulty_of_zero() -> None:
    matrix = KillMatrix(((), ()))
    assert matrix.difficulty(0) == 0
    assert matrix.score([]) == 1
    assert matrix.interval(0) == (0.0, 1.0)
