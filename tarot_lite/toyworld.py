"""A family of small programming problems whose four tiers differ in difficulty by construction.

One English line asks for one line of Python: filter, map, aggregate, cap, and an answer for "none left"::

    # items above 3, doubled, add them up, at most 22, -1 if none
    ys = [x * 2 for x in xs if x > 3]; return min(22, sum(ys)) if ys else -1

A tiny student learns the language of these lines from a corpus in which filter, cap and default are often *wrong
in a plausible way* (``x >= 3``, ``min(23, ...)``, ``else 0``), never left out.  Each test of a tier asks for one part
more than the tier below, so the tiers are nested whatever a program gets wrong:

=====================  =====  ============  =======  ====
right parts            basic  intermediate  complex  edge
=====================  =====  ============  =======  ====
map, aggregate         x
... and the filter     x      x
... and the cap        x      x             x
... and the default    x      x             x        x
=====================  =====  ============  =======  ====

No constant passes any test, and `problems` keeps the specifications of its splits apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice, product
from types import MappingProxyType
from typing import Any, TypeVar

from tarot_lite.problems import BODY, Form, Problem, TestCase, Tier

T = TypeVar("T")

SPLITS: Mapping[str, float] = MappingProxyType(
    {"warmup": 0.4, "train": 0.25, "probe": 0.1, "tuning": 0.1, "heldout": 0.15}
)
"""Share of all specifications that a split owns; no specification is in two."""

SUMMARY = "toy world, nested by construction"

RIGHT: Mapping[str, float] = MappingProxyType({"filter": 0.6, "cap": 0.45, "default": 0.45})
"""How often the warm-up corpus gets a part right.  Map and aggregate are always right."""

SCAFFOLD = f"""import sys
def solve(xs):
    {BODY}
for line in sys.stdin:
    print(solve([int(word) for word in line.split()]))
"""

_COMPARISONS = {"above": ">", "at least": ">=", "below": "<", "at most": "<="}
_MODULI = {"even": 2, "triple": 3}  # a plausible slip doubles the modulus
_THRESHOLDS = range(2, 7)
_FILTERS = tuple(product(_COMPARISONS, _THRESHOLDS)) + tuple(_MODULI.items())
_MAPS = {
    "": "x",
    "plus one": "x + 1",
    "plus two": "x + 2",
    "doubled": "x * 2",
    "tripled": "x * 3",
    "squared": "x * x",
    "negated": "-x",
}
_AGGREGATES = {
    "add them up": "sum(ys)",
    "take the first": "ys[0]",
    "take the last": "ys[-1]",
    "first plus last": "ys[0] + ys[-1]",
    "largest plus smallest": "max(ys) + min(ys)",
}
_CAPS = range(20, 28)
_DEFAULTS = (-1, 0, 1, 100)
_SIZE = len(_FILTERS) * len(_MAPS) * len(_AGGREGATES) * len(_CAPS) * len(_DEFAULTS)


@dataclass(frozen=True, slots=True)
class Spec:
    """What one problem asks for, part by part, as Python text.

    Examples
    --------
    >>> spec = Spec("x > 3", "x * 2", "sum(ys)", 12, -1)
    >>> print(spec.body)
    ys = [x * 2 for x in xs if x > 3]; return min(12, sum(ys)) if ys else -1
    >>> print(spec.statement)
    # items above 3, doubled, add them up, at most 12, -1 if none
    >>> spec.answer([3, 4, 1]), spec.answer([5, 4]), spec.answer([3])
    (8, 12, -1)
    """

    filter: str  # condition on x
    each: str  # what becomes of an item that is kept
    aggregate: str  # expression in ys, the mapped items
    cap: int  # the result is at most this
    default: int  # the answer when no item is kept

    @property
    def body(self) -> str:
        """The function body that does it."""
        each = f"{self.each} for x in xs if {self.filter}"
        return f"ys = [{each}]; return min({self.cap}, {self.aggregate}) if ys else {self.default}"

    @property
    def statement(self) -> str:
        """The line that asks for it, a Python comment."""
        _, operator, *rest = self.filter.split()
        if operator == "%":
            items = {2: "even items", 3: "multiples of 3"}[int(rest[0])]
        else:
            items = f"items {_key(_COMPARISONS, operator)} {rest[0]}"
        words = [items, _key(_MAPS, self.each), _key(_AGGREGATES, self.aggregate), f"at most {self.cap}"]
        return "# " + ", ".join(word for word in words if word) + f", {self.default} if none"

    @property
    def phrases(self) -> set[str]:
        """What a reader of worked examples can learn from this one."""
        return {self.filter.split()[1], self.each, self.aggregate, f"else {self.default}"}

    def value(self, xs: Iterable[int]) -> int | None:
        """The aggregate before the cap; None when nothing is kept."""
        keep, each = _function(self.filter, "x"), _function(self.each, "x")
        ys = [each(x) for x in xs if keep(x)]
        return _function(self.aggregate, "ys")(ys) if ys else None

    def answer(self, xs: Iterable[int]) -> int:
        """The right answer for one list."""
        value = self.value(xs)
        return self.default if value is None else min(self.cap, value)

    def slips(self, part: str) -> Sequence[Any]:
        """Plausible wrong codes of filter, cap or default, and every other map or aggregate."""
        if part == "filter":
            return _wrong_filters(self.filter)
        if part == "cap":
            return self.cap - 1, self.cap + 1
        choices: Iterable[Any] = {"each": _MAPS.values(), "aggregate": _AGGREGATES.values(), "default": _DEFAULTS}[part]
        return [code for code in choices if code != getattr(self, part)]

    def having(self, **codes: Any) -> Spec:
        """A copy with other code in some parts."""
        return replace(self, **codes)

    def variants(self) -> Iterator[tuple[Spec, frozenset[str]]]:
        """Every combination of right and plausible wrong filter, cap and default, with the names of the wrong parts."""
        return combinations(self, RIGHT)

    def wrong_basics(self) -> list[Spec]:
        """Copies with another map or another aggregate; they fail every tier."""
        return [self.having(**{part: code}) for part in ("each", "aggregate") for code in self.slips(part)]


def specs(split: str) -> list[Spec]:
    """All specifications of a split, in an order that mixes the parts.

    Examples
    --------
    >>> len(set(specs("train")) & set(specs("heldout")))
    0
    """
    return [_spec(index) for index in _indices(split)]


def problems(split: str, count: int, seed: int = 0, tests_per_tier: int = 2) -> list[Problem]:
    """Draw problems of a split, one of `SPLITS`, with so many proven tests in each of the four nested tiers.

    `seed` selects the specifications within the split, and the inputs.  A test is some lists, one a line; every single test
    already tells right from wrong as its tier promises.  ValueError if the split has fewer problems.

    Examples
    --------
    >>> problem = problems("train", 1, seed=7)[0]
    >>> print(problem.statement)
    # even items, doubled, take the first, at most 24, 1 if none
    >>> [len([test for test in problem.tests if test.tier is tier]) for tier in Tier]
    [2, 2, 2, 2]
    """
    return drawn(split, _indices(split), _problem, count, seed, tests_per_tier)


def prompt(problem: Problem) -> str:
    """What a student that knows this world continues: the statement and a newline."""
    return problem.statement + "\n"


def corpus(count: int, seed: int = 0, problem_count: int = 1200) -> list[tuple[str, str]]:
    """Noisy solutions for a warm-up: pairs of prompt and body, each body drawn anew.

    Examples
    --------
    >>> (question, body), = corpus(1, seed=3)
    >>> print(question + body)
    # items at most 5, doubled, largest plus smallest, at most 26, -1 if none
    ys = [x * 2 for x in xs if x <= 5]; return min(25, max(ys) + min(ys)) if ys else 0
    """
    return noisy(specs("warmup")[:problem_count], RIGHT, count, seed)


def parts_of(problem: Problem) -> Spec:
    """The specification behind a problem of this world."""
    index = problem.extra.get("toyworld")
    if not isinstance(index, int) or not 0 <= index < _SIZE:
        raise ValueError(
            f"problem {problem.problem_id!r} is not of the toy world; its extra field 'toyworld' is {index!r}"
        )
    return _spec(index)


def wrong_programs(problem: Problem) -> dict[str, list[str]]:
    """Bodies that get exactly one part wrong, by part: what a calibration should find in which tier.

    ``basics`` fail every tier, ``filter`` passes basic alone, ``cap`` basic and intermediate, ``default`` fails edge alone.

    Examples
    --------
    >>> wrong_programs(problems("train", 1, seed=7)[0])["filter"]
    ['ys = [x * 2 for x in xs if x % 4 == 0]; return min(24, ys[0]) if ys else 1']
    """
    spec = parts_of(problem)
    slips = {part: [spec.having(**{part: code}) for code in spec.slips(part)] for part in RIGHT}
    return {part: [wrong.body for wrong in group] for part, group in {"basics": spec.wrong_basics(), **slips}.items()}


@cache
def _indices(split: str) -> tuple[int, ...]:
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}")
    order = list(range(_SIZE))
    random.Random("toyworld").shuffle(order)
    return dealt(order)[split]


def _spec(index: int) -> Spec:
    index, default = divmod(index, len(_DEFAULTS))
    index, cap = divmod(index, len(_CAPS))
    index, aggregate = divmod(index, len(_AGGREGATES))
    kind, each = divmod(index, len(_MAPS))
    name, number = _FILTERS[kind]
    keep = f"x {_COMPARISONS[name]} {number}" if name in _COMPARISONS else f"x % {number} == 0"
    return Spec(keep, [*_MAPS.values()][each], [*_AGGREGATES.values()][aggregate], _CAPS[cap], _DEFAULTS[default])


def _wrong_filters(keep: str) -> list[str]:
    """Off by one boundary, or a doubled modulus."""
    _, operator, number, *_ = keep.split()
    k = int(number)
    return {
        ">": [f"x >= {k}", f"x > {k + 1}"],
        ">=": [f"x > {k}", f"x >= {k - 1}"],
        "<": [f"x <= {k}", f"x < {k - 1}"],
        "<=": [f"x < {k}", f"x <= {k + 1}"],
        "%": [f"x % {2 * k} == 0"],
    }[operator]


@cache
def _function(expression: str, argument: str) -> Callable[..., int]:
    """Our own part as a function.  The text stays the only definition of what a part means."""
    function: Callable[..., int] = eval(f"lambda {argument}: {expression}")
    return function


def _key(words: Mapping[str, str], code: str) -> str:
    return next(word for word, text in words.items() if text == code)


# --- what every miniature world does alike ----------------------------------------------------------------------------


def combinations(spec: Any, parts: Iterable[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Every combination of right and wrong codes of some parts, with the names of the wrong parts; all right comes first."""
    choices = ([{}, *({part: code} for code in spec.slips(part))] for part in parts)
    for chosen in product(*choices):
        wrong = {part: code for one in chosen for part, code in one.items()}
        yield spec.having(**wrong), frozenset(wrong)


def dealt(order: Sequence[T]) -> dict[str, tuple[T, ...]]:
    """Specifications by split, as many as `SPLITS` says."""
    found, start = {}, 0.0
    for split, share in SPLITS.items():
        found[split] = tuple(order[round(start * len(order)) : round((start + share) * len(order))])
        start += share
    return found


def drawn(
    split: str,
    specs: Iterable[T],
    make: Callable[[T, int, int], Problem | None],
    count: int,
    seed: int,
    tests_per_tier: int,
) -> list[Problem]:
    """Problems of some specifications in an order by seed; those that admit no proven tests are passed over."""
    for name, number in (("count", count), ("tests_per_tier", tests_per_tier)):
        if number < 1:
            raise ValueError(f"problems of a world: {name} is {number}; give a whole number of at least 1")
    order = list(specs)
    random.Random(f"{split} {seed}").shuffle(order)
    made = (make(spec, seed, tests_per_tier) for spec in order)
    found = list(islice((problem for problem in made if problem), count))
    if len(found) < count:
        raise ValueError(f"split {split!r} of the world has {len(found)} problems, {count} were asked; ask fewer")
    return found


def noisy(specs: Sequence[Any], right: Mapping[str, float], count: int, seed: int) -> list[tuple[str, str]]:
    """Prompts and bodies in which each part is right as often as told, else wrong in a plausible way."""
    rng = random.Random(f"corpus {seed}")
    pairs = []
    for _ in range(count):
        spec = rng.choice(specs)
        slips = {part: rng.choice(spec.slips(part)) for part, share in right.items() if rng.random() >= share}
        pairs.append((spec.statement + "\n", spec.having(**slips).body))
    return pairs


# --- making tests ---------------------------------------------------------------------------------------------------

_TRIES = 150  # a specification that needs more draws for one list is left out of the world
_LISTS = 24  # the same for the lists of one test
_SMALL, _WIDE = range(-9, 16), range(-30, 41)
_REASONS = {
    Tier.BASIC: "no item near the filter's boundary, result below the cap",
    Tier.INTERMEDIATE: "items on the filter's boundary",
    Tier.COMPLEX: "longer lists, and a result above the cap",
    Tier.EDGE: "nothing in the list, or nothing left of it",
}


def _problem(index: int, seed: int, tests_per_tier: int) -> Problem | None:
    """A problem, or None if this specification admits no test that its tier promises (say, a cap out of reach)."""
    spec, rng, tests = _spec(index), random.Random(f"{index} {seed}"), []
    values = [value for value in {spec.value([x] * 3) for x in _WIDE} if value is not None]
    if not any(value > spec.cap for value in values) or sum(value < spec.cap for value in values) < 3:
        return None  # a quick look that spares vain searches: results lie on both sides of the cap
    for tier in Tier:
        for _ in range(tests_per_tier):
            lists = _lists(spec, tier, rng)
            if lists is None:
                return None
            text = "".join(" ".join(map(str, xs)) + "\n" for xs in lists)
            output = "".join(f"{spec.answer(xs)}\n" for xs in lists)
            tests.append(TestCase(text, output, tier, _REASONS[tier]))
    return Problem(
        problem_id=f"toy-{index:05d}",
        statement=spec.statement,
        tests=tuple(tests),
        reference=spec.body,
        form=Form.SCAFFOLD,
        scaffold=SCAFFOLD,
        extra={"toyworld": index},
    )


def _lists(spec: Spec, tier: Tier, rng: random.Random) -> list[list[int]] | None:
    """Lists of one test.  Each condition below is a row of the table at the top of this module."""
    if tier is Tier.BASIC:
        return _basic_lists(spec, rng)
    near = _boundary(spec.filter)
    lists = _telling_filters(spec, rng, near, 7 if tier is Tier.COMPLEX else 4, below_cap=tier is Tier.INTERMEDIATE)
    if lists is None or tier is Tier.INTERMEDIATE:
        return lists
    capped = _search(rng, near, 7, lambda xs: (spec.value(xs) or 0) > spec.cap)
    if capped is None:
        return None
    lists.append(capped)
    if tier is Tier.EDGE:
        dropped = _search(rng, near, 2, lambda xs: spec.value(xs) is None)
        if dropped is None:
            return None
        lists += [[], dropped]
    rng.shuffle(lists)
    return lists


def _basic_lists(spec: Spec, rng: random.Random) -> list[list[int]] | None:
    """Lists on which the filters agree and the cap is out of play, and which tell every map and aggregate apart."""
    filters = [_function(keep, "x") for keep in (spec.filter, *spec.slips("filter"))]

    def plain(xs: list[int], left: object) -> bool:
        kept = [[x for x in xs if keep(x)] for keep in filters]
        return all(ys == kept[0] for ys in kept) and len(kept[0]) > 1 and (spec.value(xs) or 0) < spec.cap

    return _telling(spec, rng, (), 4, plain, [[wrong] for wrong in spec.wrong_basics()])


def _telling_filters(
    spec: Spec, rng: random.Random, near: Sequence[int], size: int, below_cap: bool
) -> list[list[int]] | None:
    """Lists that wrong basics and every plausible wrong filter, with any cap and default, get wrong."""
    variants = [variant for variant, _ in spec.variants()]
    wrong = [[one for one in variants if one.filter == keep] for keep in spec.slips("filter")]

    def telling(xs: list[int], left: list[list[Spec]]) -> bool:
        value = spec.value(xs)
        if value is None or value >= spec.cap + (not below_cap):
            return False
        unseen = [group for group in left if group[0].filter != spec.filter]
        return not unseen or any(all(other.answer(xs) != value for other in group) for group in unseen)

    return _telling(spec, rng, near, size, telling, wrong + [[basic] for basic in spec.wrong_basics()])


def _telling(
    spec: Spec,
    rng: random.Random,
    near: Sequence[int],
    size: int,
    wanted: Callable[..., bool],
    left: list[list[Spec]],
) -> list[list[int]] | None:
    """Two or more lists with different answers, until one of them tells every group of wrong specifications from the right."""
    lists: list[list[int]] = []
    for _ in range(_LISTS):
        new = _search(rng, near, size, partial(wanted, left=left))
        if new is None:
            return None
        answer = spec.answer(new)
        unseen = [group for group in left if any(other.answer(new) == answer for other in group)]
        if (len(lists) < 2 or len(unseen) < len(left)) and answer not in [spec.answer(xs) for xs in lists]:
            lists.append(new)
            left = unseen
        if len(lists) > 1 and not left:
            return lists
    return None


def _boundary(keep: str) -> tuple[int, ...]:
    _, operator, number, *_ = keep.split()
    k = int(number)
    return tuple(range(-3 * k, 4 * k + 1, k)) if operator == "%" else tuple(range(k - 2, k + 3))


def _search(
    rng: random.Random, near: Sequence[int], size: int, wanted: Callable[[list[int]], bool]
) -> list[int] | None:
    """Draw lists, half of the items from `near`, until one is wanted; None if that does not come about."""
    for _ in range(_TRIES):
        length = rng.randint(max(1, size - 2), size)
        ranges = rng.choices((near or _SMALL, _SMALL, _WIDE), (5, 4, 1), k=length)
        xs = [rng.choice(items) for items in ranges]
        if wanted(xs):
            return xs
    return None
