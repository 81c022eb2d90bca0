"""Four families of small problems whose edge tier does not contain the others: lists, words, counts and walks.

One English line asks for one line of Python, as in `tarot_lite.toyworld`.  Every program has the same four parts,
whatever its family, and a tiny student learns them from a corpus in which all but the core are often *wrong in a plausible
way*::

    # word without b, reversed, first 4, none if empty
    ys = s.replace('b', ''); return ys[::-1][:4] if ys else 'none'

Each tier asks for some of the parts, and a test of it is passed by exactly those programs that have them right:

=============  ====  ====  =====  ======
right parts    core  rule  bound  corner
=============  ====  ====  =====  ======
basic          x
intermediate   x     x
complex        x     x     x
edge           x                  x
=============  ====  ====  =====  ======

So a program may pass edge and fail intermediate: it knows what to do with nothing, and draws the line at the wrong place.
No constant passes any test, and `problems` keeps the specifications of its splits apart.

The shares of `RIGHT` were chosen on tuning problems with run seed 5, which no report uses: after 100 steps of warm-up a student
passes 62 % of basic, 31 % of intermediate, 10 % of complex, 16 % of edge and 0.8 % of whole suites, and 57 % of what passes edge
fails basic or intermediate.  From there 80 steps of GRPO come to 4 to 8 % of whole suites, after 70 steps of warm-up to 2 %.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from tarot_lite.problems import BODY, Form, Problem, TestCase, Tier
from tarot_lite.toyworld import SPLITS, combinations, dealt, drawn, noisy

SUMMARY = "mixed world, edge apart from the main path"

RIGHT: Mapping[str, float] = MappingProxyType({"rule": 0.75, "bound": 0.65, "corner": 0.3})
"""How often the warm-up corpus gets a part right.  The core is always right."""

PARTS = ("core", "rule", "bound", "corner")
WANTED: Mapping[Tier, tuple[str, ...]] = MappingProxyType(
    {
        Tier.BASIC: ("core",),
        Tier.INTERMEDIATE: ("core", "rule"),
        Tier.COMPLEX: ("core", "rule", "bound"),
        Tier.EDGE: ("core", "corner"),
    }
)
"""The parts that a program must have right to pass a tier."""


def _numbers(rng: random.Random) -> list[int]:
    few = [rng.randint(-9, 20), rng.randint(-9, 20), rng.randint(0, 8), rng.randint(0, 8)]
    return [rng.choice(few) for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 5, 6, 7)))]


def _word(rng: random.Random) -> str:
    few = rng.sample("abcdefgh", 4)
    return "".join(rng.choice(few) for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 5, 6, 8, 9))))


class Option(NamedTuple):
    """What a part may be: how it is asked for, its code, and the plausible slips."""

    words: str
    code: str
    slips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One kind of problem: a sentence and a body with a place for each part, and what lines of input look like."""

    sentence: str
    body: str
    core: Mapping[str, str]  # how it is asked for, and its code
    rule: tuple[Option, ...]
    bound: tuple[Option, ...]
    corner: tuple[Option, ...]
    argument: str = "xs"
    draw: Callable[[random.Random], Any] = _numbers

    def options(self, part: str) -> tuple[Option, ...]:
        """What a part may be."""
        return tuple(Option(*item) for item in self.core.items()) if part == "core" else getattr(self, part)

    @property
    def scaffold(self) -> str:
        """The program around a body: it answers every line of its input."""
        read = "line.rstrip('\\n')" if self.argument == "s" else "[int(word) for word in line.split()]"
        return (
            "import sys\nfrom functools import reduce\n"
            f"def solve({self.argument}):\n    {BODY}\nfor line in sys.stdin:\n    print(solve({read}))\n"
        )

    def write(self, line: Any) -> str:
        """An argument as a line of input."""
        return line if self.argument == "s" else " ".join(map(str, line))


def _off_by_one(values: range) -> tuple[Option, ...]:
    return tuple(Option(str(k), str(k), (str(k - 1), str(k + 1))) for k in values)


def _any_of(*values: str) -> tuple[Option, ...]:
    return tuple(Option(one, one, tuple(other for other in values if other != one)) for one in values)


_CORNERS = _any_of("-1", "0", "7", "50")
_LIMITS = (
    *(Option(f"above {k}", f"x > {k}", (f"x >= {k}", f"x > {k + 1}")) for k in range(1, 6)),
    *(Option(f"below {k}", f"x < {k}", (f"x <= {k}", f"x < {k - 1}")) for k in range(3, 8)),
    Option("even", "x % 2 == 0", ("x % 4 == 0", "x % 6 == 0")),
    Option("multiple of 3", "x % 3 == 0", ("x % 6 == 0", "x % 9 == 0")),
)
_FAMILIES = {
    "items": Family(
        "# items {rule}, first {bound}, {core}, {corner} if none",
        "ys = [x for x in xs if {rule}][:{bound}]; return {core} if ys else {corner}",
        core={
            "sum": "sum(ys)",
            "how many": "len(ys)",
            "last": "ys[-1]",
            "first plus last": "ys[0] + ys[-1]",
            "largest minus smallest": "max(ys) - min(ys)",
            "negated sum": "-sum(ys)",
        },
        rule=_LIMITS,
        bound=_off_by_one(range(3, 7)),
        corner=_CORNERS,
    ),
    "word": Family(
        "# word without {rule}, {core}, first {bound}, {corner} if empty",
        "ys = s.replace('{rule}', ''); return ({core})[:{bound}] if ys else '{corner}'",
        core={
            "reversed": "ys[::-1]",
            "upper": "ys.upper()",
            "twice": "ys + ys",
            "rotated": "ys[1:] + ys[0]",
            "marked": "'x' + ys",
            "last in front": "ys[-1] + ys",
        },
        rule=tuple(Option(c, c, (chr(ord(c) - 1), chr(ord(c) + 1))) for c in "bcdefg"),
        bound=_off_by_one(range(4, 9)),
        corner=_any_of("none", "empty", "zero", "no"),
        argument="s",
        draw=_word,
    ),
    "count": Family(
        "# count {rule}, {core}, modulo {bound}, {corner} if no items",
        "ys = len([x for x in xs if {rule}]); return ({core}) % {bound} if xs else {corner}",
        core={
            "doubled": "ys * 2",
            "plus one": "ys + 1",
            "squared": "ys * ys",
            "of the others": "len(xs) - ys",
            "plus all": "len(xs) + ys",
            "tripled": "ys * 3",
        },
        rule=(
            *_LIMITS[:5],
            *_LIMITS[-2:],
            Option("above the first", "x > xs[0]", ("x > xs[-1]",)),
            Option("equal to the last", "x == xs[-1]", ("x == xs[0]",)),
        ),
        bound=_off_by_one(range(5, 8)),
        corner=_CORNERS,
    ),
    "walk": Family(
        "# walk {core}, never below {rule}, at most {bound}, {corner} if no items",
        "ys = reduce(lambda v, x: max({rule}, {core}), xs, 0); return min({bound}, ys) if xs else {corner}",
        core={
            "adding": "v + x",
            "taking away": "v - x",
            "from the item": "x - v",
            "adding, plus one each": "v + x + 1",
            "adding twice": "v + x + x",
            "taking away twice": "v - x - x",
        },
        rule=_off_by_one(range(-4, 3)),
        bound=_off_by_one(range(9, 14)),
        corner=_CORNERS,
    ),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """What one problem asks for: a family, and the code of each part in the order of `PARTS`.

    Examples
    --------
    >>> spec = Spec("word", ("ys[::-1]", "b", "4", "none"))
    >>> print(spec.body)
    ys = s.replace('b', ''); return (ys[::-1])[:4] if ys else 'none'
    >>> spec.statement
    '# word without b, reversed, first 4, none if empty'
    >>> spec.answer("abacde"), spec.answer("bb")
    ('edca', 'none')
    """

    family: str
    codes: tuple[str, ...]

    @property
    def body(self) -> str:
        """The function body that does it."""
        return _FAMILIES[self.family].body.format(**dict(zip(PARTS, self.codes, strict=True)))

    @property
    def statement(self) -> str:
        """The line that asks for it, a Python comment."""
        words = {part: self._option(part).words for part in PARTS}
        return _FAMILIES[self.family].sentence.format(**words)

    @property
    def phrases(self) -> set[str]:
        """What a reader of worked examples can learn from this one."""
        return {self.family, f"{self.family} {self.codes[0]}", self.codes[-1]}

    def answer(self, line: Any) -> Any:
        """The right answer for one line."""
        return _function(self.body, _FAMILIES[self.family].argument)(line)

    def slips(self, part: str) -> tuple[str, ...]:
        """Wrong codes of a part: the plausible ones, or any other core."""
        if part == "core":
            return tuple(
                option.code for option in _FAMILIES[self.family].options("core") if option.code != self.codes[0]
            )
        return self._option(part).slips

    def having(self, **codes: str) -> Spec:
        """A copy with other code in some parts."""
        return Spec(self.family, tuple(codes.get(part, code) for part, code in zip(PARTS, self.codes, strict=True)))

    def variants(self) -> Iterator[tuple[Spec, frozenset[str]]]:
        """Every combination of right and wrong rule, bound and corner, and every wrong core alone, with the wrong parts."""
        yield from ((self.having(core=code), frozenset(["core"])) for code in self.slips("core"))
        yield from combinations(self, RIGHT)

    def _option(self, part: str) -> Option:
        code = self.codes[PARTS.index(part)]
        return next(option for option in _FAMILIES[self.family].options(part) if option.code == code)


def specs(split: str) -> tuple[Spec, ...]:
    """All specifications of a split, families mixed; no specification is in two.

    Examples
    --------
    >>> len(set(specs("train")) & set(specs("heldout")))
    0
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}")
    return _specs()[split]


def problems(split: str, count: int, seed: int = 0, tests_per_tier: int = 2) -> list[Problem]:
    """Draw problems of a split, all families among them; parameters and errors as `tarot_lite.toyworld.problems`.

    Examples
    --------
    >>> problem = problems("train", 1, seed=7)[0]
    >>> print(problem.statement)
    # items below 4, first 4, negated sum, 0 if none
    """
    return drawn(split, specs(split), _problem, count, seed, tests_per_tier)


def corpus(count: int, seed: int = 0, problem_count: int = 1200) -> list[tuple[str, str]]:
    """Noisy solutions for a warm-up: pairs of prompt and body, as `tarot_lite.toyworld.corpus`.

    Examples
    --------
    >>> (question, body), = corpus(1, seed=3)
    >>> print(question + body)
    # walk taking away twice, never below -3, at most 10, 50 if no items
    ys = reduce(lambda v, x: max(-3, v - x - x), xs, 0); return min(9, ys) if xs else -1
    """
    return noisy(specs("warmup")[:problem_count], RIGHT, count, seed)


def parts_of(problem: Problem) -> Spec:
    """The specification behind a problem of this world."""
    family, codes = problem.extra.get("mixed", (None, ()))
    if family not in _FAMILIES:
        raise ValueError(f"problem {problem.problem_id!r} is not of the world mixed: it has no extra field 'mixed'")
    return Spec(family, tuple(codes))


def wrong_programs(problem: Problem) -> dict[str, list[str]]:
    """Bodies that get exactly one part wrong, by part.

    Examples
    --------
    >>> wrong_programs(problems("train", 1, seed=7)[0])["bound"][0]
    'ys = [x for x in xs if x < 4][:3]; return -sum(ys) if ys else 0'
    """
    spec = parts_of(problem)
    return {part: [spec.having(**{part: code}).body for code in spec.slips(part)] for part in PARTS}


@cache
def _specs() -> dict[str, tuple[Spec, ...]]:
    rng, order = random.Random("mixed"), []
    for name, family in _FAMILIES.items():
        every = [Spec(name, tuple(o.code for o in options)) for options in product(*(family.options(p) for p in PARTS))]
        order += rng.sample(every, _EACH)
    rng.shuffle(order)
    return dealt(order)


@cache
def _function(body: str, argument: str) -> Callable[[Any], Any]:
    """A body as a function.  The text stays the only definition of what a program does."""
    scope: dict[str, Any] = {"reduce": reduce}
    exec(f"def solve({argument}):\n    {body}", scope)
    solve: Callable[[Any], Any] = scope["solve"]
    return solve


def _problem(spec: Spec, seed: int, tests_per_tier: int) -> Problem | None:
    """A problem, or None if the draws hold no lines that tell what its tiers promise."""
    family, rng, tests = _FAMILIES[spec.family], random.Random(f"{spec} {seed}"), []
    variants = [(_function(other.body, family.argument), wrong) for other, wrong in spec.variants()]
    for tier, wanted in WANTED.items():
        for _ in range(tests_per_tier):
            lines = _lines(spec, variants, frozenset(wanted), rng)
            if lines is None:
                return None
            text = "".join(family.write(line) + "\n" for line in lines)
            tests.append(TestCase(text, "".join(f"{spec.answer(line)}\n" for line in lines), tier, _REASONS[tier]))
    number = hashlib.sha256(repr(spec).encode()).hexdigest()[:8]
    return Problem(
        problem_id=f"{spec.family}-{number}",
        statement=spec.statement,
        tests=tuple(tests),
        reference=spec.body,
        form=Form.SCAFFOLD,
        scaffold=family.scaffold,
        extra={"mixed": [spec.family, list(spec.codes)]},
    )


def _lines(
    spec: Spec,
    variants: Sequence[tuple[Callable[[Any], Any], frozenset[str]]],
    wanted: frozenset[str],
    rng: random.Random,
) -> list[Any] | None:
    """Lines that exactly the variants without a wrong part among the wanted ones answer right; None if none were drawn."""
    left = [solve for solve, wrong in variants if wrong & wanted]
    right = [solve for solve, wrong in variants if not wrong & wanted]
    draw = _FAMILIES[spec.family].draw
    lines: list[Any] = []
    answers: set[Any] = set()
    for _ in range(_DRAWS):
        line = draw(rng)
        answer = spec.answer(line)
        if not all(_answers(solve, line, answer) for solve in right):
            continue
        missed = [solve for solve in left if _answers(solve, line, answer)]
        if len(missed) < len(left) or (len(answers) < 2 and answer not in answers):
            lines.append(line)
            answers.add(answer)
            left = missed
        if not left and len(answers) > 1:  # a constant fails
            rng.shuffle(lines)
            return lines
    return None


def _answers(solve: Callable[[Any], Any], line: Any, answer: Any) -> bool:
    try:
        return bool(solve(line) == answer)
    except (IndexError, ValueError):  # the first of nothing
        return False


_EACH = 600  # specifications of a family, so that all are as frequent
_DRAWS = 600  # a specification that needs more draws for one test is left out of the world
_REASONS = {
    Tier.BASIC: "the core alone, far from what the rule and the bound decide",
    Tier.INTERMEDIATE: "on the rule's boundary",
    Tier.COMPLEX: "beyond the bound, on the rule's boundary",
    Tier.EDGE: "nothing to work on, and the core",
}
