"""Formats are learned from known inputs, and what is rendered keeps them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tarot_lite.suites.formats import FormatError, learn
from tarot_lite.suites.mutation import Habits, boundaries, boundary_features, grow, mutate, shrink

ROW = ["3\n5 1 2\n", "2\n7 7\n", "5\n1 2 3 4 5\n"]
CASES = ["2\n1\n5\n2\n6 7\n", "1\n3\n1 1 1\n", "3\n2\n1 2\n1\n9\n1\n4\n"]
EDGES = ["2 9\n1 5\n2 3\n", "3 1\n1 2\n2 2\n3 2\n"]
GRID = ["3\n.*.\n***\n...\n0\n", "2\n..\n.*\n1\n*\n0\n"]


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (ROW, "n, then a row of n"),
        (CASES, "t, then t times: n, then a row of n"),
        (EDGES, "n and another number, then n lines"),
        (GRID, "up to a line of zeros: n, then an n x n grid of characters"),
        (["3\nabc\n", "5\nhello\n"], "n, then a word of n characters"),
        (["2 3\n1 2 3\n4 5 6\n", "3 2\n1 2\n3 4\n5 6\n"], "n and another number, then a matrix"),
        (["12\n7\n", "3\n4\n"], "lines"),
        (["1 2\n3\n", "4\n", "5 6 7\n8\n\n"], "lines of one kind"),
    ],
)
def test_shapes_are_recognised_and_rendered_back(texts: list[str], name: str) -> None:
    shape = learn(texts)
    assert shape.name == name
    assert [shape.render(shape.parse(text)) for text in texts] == texts


def test_no_input_and_broken_arguments_are_named() -> None:
    with pytest.raises(FormatError, match="at least one test"):
        learn([])
    with pytest.raises(FormatError, match="not a literal"):
        learn(["[f(x)]"], function=True)
    with pytest.raises(FormatError, match="got int"):
        learn(["3"], function=True)


def _counts_hold(text: str) -> bool:
    lines = [line.split() for line in text.splitlines()]
    return len(lines) == 2 and lines[0] == [str(len(lines[1]))] and len(lines[1]) >= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_mutants_keep_the_count_and_the_range(seed: int) -> None:
    shape = learn(ROW)
    values = [shape.parse(text) for text in ROW]
    habits = Habits(values, "1 <= a <= 9", empty=False)
    rng = random.Random(seed)
    for change in (mutate, shrink, grow):
        text = shape.render(change(rng.choice(values), habits, rng))
        assert _counts_hold(text), text
        assert all(1 <= int(token) <= 9 for token in text.splitlines()[1].split()), text


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_permutations_stay_permutations(seed: int) -> None:
    values = [([3, 1, 2],), ([2, 1, 4, 3],), ([1, 2, 3, 4, 5],)]
    habits = Habits(values)
    rng = random.Random(seed)
    for change in (mutate, grow):
        (items,) = change(rng.choice(values), habits, rng)
        assert sorted(items) == list(range(1, len(items) + 1))


def test_a_grid_stays_square() -> None:
    shape = learn(GRID)
    values = [shape.parse(text) for text in GRID]
    habits = Habits(values, empty=False)
    rng = random.Random(0)
    for _ in range(200):
        shape.parse(shape.render(mutate(rng.choice(values), habits, rng)))  # raises if a row has another length


def test_boundaries_say_what_is_extreme_and_show_it() -> None:
    values = [([1, 5, 2],), ([4, 4],)]
    habits = Habits(values)
    found = dict(boundaries(values[0], habits))
    assert found["an empty list"] == ([],)
    assert found["all items equal"] == ([1, 1, 1],)
    assert boundary_features(found["an empty list"], habits) == ("empty",)
    assert "longest" in boundary_features(found["the longest input"], habits)
    assert boundary_features(([2, 4],), habits) == ()


def test_known_inputs_are_never_changed() -> None:
    values = [([[1, 2], [3, 4]], {"a": 1}, "xyz"), ([[5, 6]], {"b": 2}, "pq")]
    before = repr(values)
    habits = Habits(values)
    rng = random.Random(3)
    for _ in range(100):
        for change in (mutate, shrink, grow):
            change(rng.choice(values), habits, rng)
        list(boundaries(values[0], habits))
    assert repr(values) == before
