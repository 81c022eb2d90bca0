"""New inputs from known ones, by type-aware mutation in the manner of EvalPlus (Liu et al. 2023), within the format.

`Habits` records, for every place in the tree of an input (see `formats`), what the known inputs have in common: the
range of numbers, the letters of words, lengths, whether rows are distinct, sorted, permutations or rectangular.  A
mutant is bent back to these habits, so that ``1 <= a <= 9`` or "a permutation of 1..n" survives mutation.  What the
habits cannot know (that a path exists, that the answer is unique) is left to the proof: the reference rejects it.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tarot_lite.suites.formats import Value

Path = tuple[Any, ...]

_EACH = "*"
_LONGEST = 60  # items: longer lists make slow tests, not better ones


@dataclass
class _Place:
    """What was seen at one place of the tree."""

    kinds: set[type] = field(default_factory=set)
    numbers: list[float] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)
    lengths: list[int] = field(default_factory=list)
    lists: list[list[Value]] = field(default_factory=list)

    def all_lists(self, rule: Callable[[list[Value]], bool]) -> bool:
        """Whether every list obeys the rule, with enough of them to believe it."""
        evidence = sum(len(items) for items in self.lists if len(items) >= 3)
        return evidence >= 6 and all(rule(items) for items in self.lists)


class Habits:
    """What the known inputs of one problem, as trees, have in common.

    Numbers in the statement, `text`, bound how far values may grow; the reference's `constants` are favoured as new values.
    `empty` says whether a list may be empty though none was seen to be: a function's arguments may, on standard input the
    count is usually at least one.

    Examples
    --------
    >>> habits = Habits([([3, 1, 2],), ([2, 1, 4, 3],)])
    >>> habits.conform(([7, 7, 9],))
    ([1, 2, 3],)
    """

    def __init__(
        self, values: Sequence[Value], text: str = "", constants: Sequence[Value] = (), empty: bool = True
    ) -> None:
        self.places: dict[Path, _Place] = {}
        self.constants = constants
        self.empty = empty
        self.stated = _stated_bound(text)
        for value in values:
            self._learn(value, ())

    def _learn(self, value: Value, path: Path) -> None:
        place = self.places.setdefault(path, _Place())
        place.kinds.add(type(value))
        if _is_number(value):
            place.numbers.append(value)
        if isinstance(value, str):
            place.letters |= set(value)
        if isinstance(value, str | list | set | frozenset | dict):
            place.lengths.append(len(value))
        if isinstance(value, list):
            place.lists.append(value)
        if not isinstance(value, list | tuple | set | frozenset | dict):
            place.values.append(value)
        for step, child in _children(value):
            self._learn(child, (*path, step))

    def at(self, path: Path) -> _Place:
        """What was seen at a place; an empty record if nothing was."""
        return self.places.get(path) or _Place()

    def bounds(self, path: Path) -> tuple[float, float]:
        """The range that numbers may take there, the signs and the stated limits kept."""
        numbers = self.at(path).numbers
        if not numbers:
            return 0, 9
        low, high = min(numbers), max(numbers)
        wide = max(high - low, 2)
        most = high + wide if self.stated is None else max(high, min(high + wide, self.stated))
        if low >= 0:
            return min(low, 1), most
        return low - wide, most

    def conform(self, value: Value, path: Path = ()) -> Value:
        """Bend a tree back to the habits; the result is new, the argument stays as it was."""
        place = self.at(path)
        if _is_number(value):
            low, high = self.bounds(path)
            kept = min(max(value, low), high)
            return int(kept) if place.kinds == {int} else float(kept) if place.kinds == {float} else kept
        if isinstance(value, str):
            return self._conform_word(value, place)
        if isinstance(value, list):
            return self._conform_list([self.conform(item, (*path, _EACH)) for item in value[:_LONGEST]], place)
        if isinstance(value, tuple | set | frozenset):
            return type(value)(self.conform(child, (*path, step)) for step, child in _children(value))
        if isinstance(value, dict):
            return {key: self.conform(item, (*path, _EACH)) for key, item in value.items()}
        return value

    def _conform_word(self, value: str, place: _Place) -> str:
        if place.letters and len(place.letters) <= 6:
            value = "".join(letter for letter in value if letter in place.letters)
        if place.lengths and len(set(place.lengths)) == 1 and len(place.lengths) > 2 and len(value) != place.lengths[0]:
            value = (value * place.lengths[0])[: place.lengths[0]] if value else place.values[0]
        return value if value or 0 in place.lengths or not place.values else place.values[0][:1]

    def _conform_list(self, items: list[Value], place: _Place) -> list[Value]:
        if not items and not self.empty and place.lists and 0 not in place.lengths:
            items = copy.deepcopy(place.lists[0][:1])
        if place.all_lists(_is_permutation):
            order = sorted(range(len(items)), key=lambda at: (items[at], at))
            ranks = {at: rank for rank, at in enumerate(order, start=1)}
            return [ranks[at] for at in range(len(items))]
        if place.all_lists(lambda items: len(_distinct(items)) == len(items)):
            items = _distinct(items)
        if place.all_lists(_is_sorted):
            items = sorted(items)
        if place.all_lists(_is_rectangle):
            items = _rectangle(items, square=place.all_lists(_is_square))
        return items


def _stated_bound(text: str) -> float | None:
    """The largest number that the statement names (``10^5``, ``1,000``, ``3000``), None if it names none."""
    numbers = [10.0 ** int(power) for power in re.findall(r"\b10\s?(?:\^|\*\*)\s?\{?(\d{1,2})\b", text)]
    numbers += [float(number.replace(",", "")) for number in re.findall(r"(?:≤|<=|\\le\w*)\s*(\d[\d,]{0,15})", text)]
    return max(numbers, default=None)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _children(value: Value) -> Iterator[tuple[Any, Value]]:
    if isinstance(value, tuple):
        yield from enumerate(value)
    elif isinstance(value, list):
        yield from ((_EACH, item) for item in value)
    elif isinstance(value, set | frozenset):
        yield from ((_EACH, item) for item in _ordered(value))
    elif isinstance(value, dict):
        yield from ((_EACH, item) for item in value.values())


def _ordered(items: set[Value] | frozenset[Value]) -> list[Value]:
    return sorted(items, key=repr)


def _sortable(items: list[Value]) -> bool:
    return any(all(isinstance(item, kind) for item in items) for kind in (int | float, str))


def _is_permutation(items: list[Value]) -> bool:
    return all(type(item) is int for item in items) and sorted(items) == list(range(1, len(items) + 1))


def _distinct(items: list[Value]) -> list[Value]:
    return [item for at, item in enumerate(items) if item not in items[:at]]


def _is_sorted(items: list[Value]) -> bool:
    return _sortable(items) and items == sorted(items)


def _is_rectangle(items: list[Value]) -> bool:
    return all(isinstance(row, list | str) for row in items) and len({len(row) for row in items}) <= 1


def _is_square(items: list[Value]) -> bool:
    return _is_rectangle(items) and all(len(row) == len(items) for row in items)


def _rectangle(rows: list[Value], square: bool) -> list[Value]:
    if not rows or not all(rows):
        return rows
    width = len(rows) if square else sorted(len(row) for row in rows)[len(rows) // 2]
    return [(row * width)[:width] for row in rows]


# --- one small step -------------------------------------------------------------------------------------------


def mutate(value: Value, habits: Habits, rng: random.Random) -> Value:
    """Change one to three places of an input, and bend it back to the habits."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        paths = list(_nodes(value, ()))
        if not paths:
            break
        steps, place = rng.choice(paths)
        value = _change(value, steps, partial(_step, place=place, habits=habits, rng=rng))
    return habits.conform(value)


def _nodes(value: Value, steps: Path, place: Path = ()) -> Iterator[tuple[Path, Path]]:
    """Every node that can be changed: the way to it, and its place in the habits (where list items are one)."""
    if not isinstance(value, tuple) and value is not None:
        yield steps, place
    if isinstance(value, list | tuple):
        for at, (step, item) in enumerate(_children(value)):
            yield from _nodes(item, (*steps, at), (*place, step))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _nodes(item, (*steps, key), (*place, _EACH))


def _change(value: Value, steps: Path, change: Callable[[Value], Value]) -> Value:
    if not steps:
        return change(value)
    if isinstance(value, dict):
        return {key: _change(item, steps[1:], change) if key == steps[0] else item for key, item in value.items()}
    return type(value)(_change(item, steps[1:], change) if at == steps[0] else item for at, item in enumerate(value))


def _step(node: Value, place: Path, habits: Habits, rng: random.Random) -> Value:
    if isinstance(node, bool):
        return not node
    if _is_number(node):
        return _step_number(node, place, habits, rng)
    if isinstance(node, str):
        return _step_word(node, place, habits, rng)
    if isinstance(node, list):
        return _step_list(node, place, habits, rng)
    if isinstance(node, set | frozenset):
        return type(node)(_step_list(_ordered(node), place, habits, rng))
    if isinstance(node, dict):
        return _step_dict(node, place, habits, rng)
    return node


def _step_number(node: float, place: Path, habits: Habits, rng: random.Random) -> float:
    low, high = habits.bounds(place)
    seen = habits.at(place).numbers or [node]
    named = [number for number in habits.constants if type(number) is type(node)]
    options = [node + 1, node - 1, 2 * node, -node, node // 2, low, high, rng.choice(seen)]
    options += [rng.choice(named) + rng.choice((-1, 0, 1))] if named else []
    options.append(rng.randint(int(low), int(high)) if isinstance(node, int) else rng.uniform(low, high).__round__(2))
    return rng.choice(options)


def _step_word(node: str, place: Path, habits: Habits, rng: random.Random) -> str:
    seen = habits.at(place)
    if len(set(seen.values)) * 2 < len(seen.values):  # a name from a short list, such as an operation
        return str(rng.choice(sorted(set(seen.values))))
    letters = sorted(seen.letters) or ["a"]
    at = rng.randrange(len(node) + 1)
    words = [word for word in habits.constants if isinstance(word, str) and 0 < len(word) <= 8]
    options = [
        node[:at] + rng.choice(letters) + node[at:],
        node[:at] + node[at + 1 :],
        node[:at] + rng.choice(letters) + node[at + 1 :],
        node[::-1],
        node[:at] + node[at:] * 2,
        node[at:] + node[:at],
        "".join(sorted(node)),
        "".join(rng.choice(letters) for _ in range(max(1, len(node)))),
    ]
    options += [node[:at] + rng.choice(words) + node[at:]] if words else []
    return rng.choice(options)


def _step_list(node: list[Value], place: Path, habits: Habits, rng: random.Random) -> list[Value]:
    node = list(node)
    donors = [item for items in habits.at(place).lists for item in items] or node
    if not donors:
        return node
    fresh = copy.deepcopy(rng.choice(donors))
    if not isinstance(fresh, list | dict | set) or rng.random() < 0.5:
        fresh = _step(fresh, (*place, _EACH), habits, rng)
    at = rng.randrange(len(node) + 1)
    options = [
        [*node[:at], fresh, *node[at:]],
        [*node[:at], *node[at + 1 :]],
        [*node[:at], fresh, *node[at + 1 :]],
        [*node[:at], *node[at : at + 1] * 2, *node[at + 1 :]],
        node[::-1],
        rng.sample(node, len(node)),
        node + [_step(item, (*place, _EACH), habits, rng) if not isinstance(item, list) else item for item in node],
    ]
    if _sortable(node):
        options.append(sorted(node))
    return rng.choice(options)


def _step_dict(node: dict[Value, Value], place: Path, habits: Habits, rng: random.Random) -> dict[Value, Value]:
    if not node:
        return node
    key = rng.choice(list(node))
    if rng.random() < 0.5:
        return {name: item for name, item in node.items() if name != key}
    return {name: _step(item, (*place, _EACH), habits, rng) if name == key else item for name, item in node.items()}


# --- small, large, and at the limits --------------------------------------------------------------------------


def shrink(value: Value, habits: Habits, rng: random.Random) -> Value:
    """A smaller input: every list and word cut to its first one to three items."""
    keep = rng.randint(1, 3)

    def cut(node: Value) -> Value:
        if isinstance(node, list | tuple):
            return type(node)(cut(item) for item in (node[:keep] if isinstance(node, list) else node))
        return node[: max(keep, 2)] if isinstance(node, str) else node

    return habits.conform(cut(value))


def grow(value: Value, habits: Habits, rng: random.Random) -> Value:
    """A larger input: the longest lists of the known inputs, several times over, with many steps of mutation."""
    times = rng.randint(2, 4)

    def stretch(node: Value, place: Path) -> Value:
        if isinstance(node, list):
            longest = max([node, *habits.at(place).lists], key=len)
            items = [copy.deepcopy(item) for _ in range(times) for item in longest][:_LONGEST]
            rng.shuffle(items)
            return [_vary(item, (*place, _EACH), habits, rng) for item in items]
        if isinstance(node, tuple):
            return tuple(stretch(item, (*place, at)) for at, item in enumerate(node))
        if isinstance(node, str) and node and len(set(habits.at(place).lengths)) > 1:
            letters = sorted(habits.at(place).letters)
            return "".join(letter if rng.random() < 0.6 else rng.choice(letters) for letter in node * times)[:200]
        return _vary(node, place, habits, rng)

    return habits.conform(stretch(value, ()))


def _vary(node: Value, place: Path, habits: Habits, rng: random.Random) -> Value:
    if isinstance(node, tuple):
        return tuple(_vary(item, (*place, at), habits, rng) for at, item in enumerate(node))
    return node if isinstance(node, bool) or node is None or rng.random() < 0.5 else _step(node, place, habits, rng)


def boundaries(value: Value, habits: Habits) -> Iterator[tuple[str, Value]]:
    """Inputs at the limits of the format, each with what is extreme about it.

    Examples
    --------
    >>> habits = Habits([([1, 5, 2],), ([4, 4],)])
    >>> [what for what, _ in boundaries(([1, 5, 2],), habits)][:3]
    ['an empty list', 'a single item', 'all items equal']
    """
    for what, change in _EXTREMES.items():
        for inner in (False, True):
            conformed = habits.conform(_everywhere(value, (), habits, change, inner))
            as_said = what != _EMPTY or "empty" in boundary_features(conformed, habits)  # lists may have to have items
            if as_said and repr(conformed) != repr(value):
                yield what, conformed
            if not _has_inner_lists(value):
                break


def _has_inner_lists(node: Value, inside: bool = False) -> bool:
    if isinstance(node, list) and inside:
        return True
    return isinstance(node, list | tuple) and any(_has_inner_lists(i, inside or isinstance(node, list)) for i in node)


def _everywhere(node: Value, place: Path, habits: Habits, change: _Extreme, inner: bool) -> Value:
    """Apply an extreme at the outermost (`inner`: innermost) nodes that it fits."""
    if not (inner and isinstance(node, list) and any(isinstance(item, list | tuple) for item in node)):
        changed = change(node, place, habits)
        if changed is not None:
            return changed
    if isinstance(node, list | tuple):
        return type(node)(_everywhere(item, (*place, step), habits, change, inner) for step, item in _children(node))
    return node


_Extreme = Callable[[Value, Path, Habits], Value]  # the changed node, None where it does not fit


def _number(pick: Callable[[tuple[float, float]], float]) -> _Extreme:
    def change(node: Value, place: Path, habits: Habits) -> Value:
        return type(node)(pick(habits.bounds(place))) if _is_number(node) else None

    return change


def _listed(change: Callable[[list[Value]], list[Value]]) -> _Extreme:
    def apply(node: Value, place: Path, habits: Habits) -> Value:
        if isinstance(node, str) and len(set(habits.at(place).lengths)) > 1:
            return "".join(change(list(node)))
        return change(node) if isinstance(node, list) else None

    return apply


_EMPTY = "an empty list"

_EXTREMES: dict[str, _Extreme] = {
    _EMPTY: _listed(lambda items: []),
    "a single item": _listed(lambda items: items[:1]),
    "all items equal": _listed(lambda items: items[:1] * max(len(items), 3)),
    "two items, the last one different": _listed(lambda items: [*items[:1], *items[-1:]]),
    "items in order": _listed(lambda items: sorted(items) if _sortable(items) else items),
    "items in falling order": _listed(lambda items: sorted(items, reverse=True) if _sortable(items) else items[::-1]),
    "every number at its smallest": _number(lambda bounds: bounds[0]),
    "every number at its largest": _number(lambda bounds: bounds[1]),
    "numbers one above the smallest": _number(lambda bounds: bounds[0] + 1),
    "the longest input": _listed(lambda items: (items * (_LONGEST // max(len(items), 1)))[:_LONGEST]),
}


def boundary_features(value: Value, habits: Habits) -> tuple[str, ...]:
    """What is extreme about an input, compared with the known ones: the signs of an edge test."""
    found: dict[str, None] = {}

    def look(node: Value, place: Path) -> None:
        if isinstance(node, list | str | set | frozenset | dict):
            if not node:
                found["empty"] = None
            elif len(node) == 1 and max(habits.at(place).lengths, default=0) > 1:
                found["single item"] = None
            elif isinstance(node, list | str) and len(node) > 2 and all(item == node[0] for item in node):
                found["all equal"] = None
            if len(node) > max(habits.at(place).lengths, default=len(node)):
                found["longest"] = None
        elif _is_number(node):
            numbers.setdefault(place, []).append(node)
        for step, child in _children(node):
            look(child, (*place, step))

    numbers: dict[Path, list[float]] = {}
    look(value, ())
    for place, those in numbers.items():
        low, high = habits.bounds(place)
        if len(set(habits.at(place).numbers)) > 1 and set(those) in ({low}, {high}):
            found["smallest number" if those[0] == low else "largest number"] = None
    return tuple(found)
