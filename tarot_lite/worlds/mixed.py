"""Four families of small problems whose edge tier does not contain the others: lists, words, counts and walks.

One English line asks for one line of Python, as in `tarot_lite.worlds.lists`.  Every program has the same four parts,
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

The constants were chosen on tuning problems with run seed 5, which no report uses (60 problems, 8 samples):

============  =====  ============  =======  =====  =====  ==========================
warm-up step  basic  intermediate  complex  edge   whole  passes edge, not the rest
============  =====  ============  =======  =====  =====  ==========================
70            41.7%  14.4%         4.6%     9.6%   0.6%   67%
100           61.9%  31.2%         10.4%    15.8%  0.8%   57%
130           69.6%  42.3%         21.7%    19.0%  5.2%   44%
200           91.0%  63.3%         39.2%    24.6%  9.8%   28%
============  =====  ============  =======  =====  =====  ==========================

The last column is the share of those that pass edge and fail basic or intermediate.  80 steps of GRPO (seed 1) took the
student of step 70 to a whole suite of 0.8 to 2.1%, and that of step 100 to 3.8% (uni), 4.6% (frontier), 6.2%
(standardized) and 7.9% (var_asce_rev): so a ladder begins at 100.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from tarot_lite.problems import BODY, Form, Problem, TestCase, Tier
from tarot_lite.toyworld import SPLITS

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
    parts: Mapping[str, tuple[Option, ...]]
    argument: str
    draw: Callable[[random.Random], Any]

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


def _near(k: int) -> tuple[str, ...]:
    return str(k - 1), str(k + 1)


def _numbers(rng: random.Random) -> list[int]:
    few = [rng.randint(-9, 20), rng.randint(-9, 20), rng.randint(0, 8), rng.randint(0, 8)]
    return [rng.choice(few) for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 5, 6, 7)))]


def _word(rng: random.Random) -> str:
    few = rng.sample("abcdefgh", 4)
    return "".join(rng.choice(few) for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 5, 6, 8, 9))))


_CORNERS = tuple(Option(str(k), str(k), tuple(str(o) for o in (-1, 0, 7, 50) if o != k)) for k in (-1, 0, 7, 50))
_CAPS = tuple(Option(str(k), str(k), _near(k)) for k in range(9, 14))
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
        {
            "core": tuple(
                Option(words, code)
                for words, code in {
                    "sum": "sum(ys)",
                    "how many": "len(ys)",
                    "last": "ys[-1]",
                    "first plus last": "ys[0] + ys[-1]",
                    "largest minus smallest": "max(ys) - min(ys)",
                    "negated sum": "-sum(ys)",
                }.items()
            ),
            "rule": _LIMITS,
            "bound": tuple(Option(str(k), str(k), _near(k)) for k in range(3, 7)),
            "corner": _CORNERS,
        },
        "xs",
        _numbers,
    ),
    "word": Family(
        "# word without {rule}, {core}, first {bound}, {corner} if empty",
        "ys = s.replace('{rule}', ''); return ({core})[:{bound}] if ys else '{corner}'",
        {
            "core": tuple(
                Option(words, code)
                for words, code in {
                    "reversed": "ys[::-1]",
                    "upper": "ys.upper()",
                    "twice": "ys + ys",
                    "rotated": "ys[1:] + ys[0]",
                    "marked": "'x' + ys",
                    "last in front": "ys[-1] + ys",
                }.items()
            ),
            "rule": tuple(Option(c, c, (chr(ord(c) - 1), chr(ord(c) + 1))) for c in "bcdefg"),
            "bound": tuple(Option(str(k), str(k), _near(k)) for k in range(4, 9)),
            "corner": tuple(
                Option(c, c, tuple(o for o in ("none", "empty", "zero", "no") if o != c))
                for c in ("none", "empty", "zero", "no")
            ),
        },
        "s",
        _word,
    ),
    "count": Family(
        "# count {rule}, {core}, modulo {bound}, {corner} if no items",
        "ys = len([x for x in xs if {rule}]); return ({core}) % {bound} if xs else {corner}",
        {
            "core": tuple(
                Option(words, code)
                for words, code in {
                    "doubled": "ys * 2",
                    "plus one": "ys + 1",
                    "squared": "ys * ys",
                    "of the others": "len(xs) - ys",
                    "plus all": "len(xs) + ys",
                    "tripled": "ys * 3",
                }.items()
            ),
            "rule": (
                *_LIMITS[:5],
                *_LIMITS[-2:],
                Option("above the first", "x > xs[0]", ("x > xs[-1]",)),
                Option("equal to the last", "x == xs[-1]", ("x == xs[0]",)),
            ),
            "bound": tuple(Option(str(k), str(k), _near(k)) for k in range(5, 8)),
            "corner": _CORNERS,
        },
        "xs",
        _numbers,
    ),
    "walk": Family(
        "# walk {core}, never below {rule}, at most {bound}, {corner} if no items",
        "ys = reduce(lambda v, x: max({rule}, {core}), xs, 0); return min({bound}, ys) if xs else {corner}",
        {
            "core": tuple(
                Option(words, code)
                for words, code in {
                    "adding": "v + x",
                    "taking away": "v - x",
                    "from the item": "x - v",
                    "adding, plus one each": "v + x + 1",
                    "adding twice": "v + x + x",
                    "taking away twice": "v - x - x",
                }.items()
            ),
            "rule": tuple(Option(str(k), str(k), _near(k)) for k in range(-4, 3)),
            "bound": _CAPS,
            "corner": _CORNERS,
        },
        "xs",
        _numbers,
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
            return tuple(option.code for option in _FAMILIES[self.family].parts["core"] if option.code != self.codes[0])
        return self._option(part).slips

    def having(self, **codes: str) -> Spec:
        """A copy with other code in some parts."""
        return Spec(self.family, tuple(codes.get(part, code) for part, code in zip(PARTS, self.codes, strict=True)))

    def variants(self) -> list[tuple[Spec, frozenset[str]]]:
        """Every combination of right and wrong rule, bound and corner, and every wrong core alone, with the wrong parts."""
        found = [(self.having(core=code), frozenset(["core"])) for code in self.slips("core")]
        choices = [(self.codes[PARTS.index(part)], *self.slips(part)) for part in PARTS[1:]]
        for codes in product(*choices):
            wrong = {part for part, code, (right, *_) in zip(PARTS[1:], codes, choices, strict=True) if code != right}
            found.append((self.having(**dict(zip(PARTS[1:], codes, strict=True))), frozenset(wrong)))
        return found

    def _option(self, part: str) -> Option:
        code = self.codes[PARTS.index(part)]
        return next(option for option in _FAMILIES[self.family].parts[part] if option.code == code)


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
    for name, number in (("count", count), ("tests_per_tier", tests_per_tier)):
        if number < 1:
            raise ValueError(f"worlds.mixed.problems: {name} is {number}; give a whole number of at least 1")
    order = list(specs(split))
    random.Random(f"{split} {seed}").shuffle(order)
    found: list[Problem] = []
    for spec in order:
        if len(found) == count:
            return found
        if problem := _problem(spec, seed, tests_per_tier):
            found.append(problem)
    if len(found) < count:
        raise ValueError(
            f"worlds.mixed.problems: split {split!r} has {len(found)} problems, {count} were asked; ask fewer"
        )
    return found


def corpus(
    count: int, seed: int = 0, problem_count: int = 1200, right: Mapping[str, float] = RIGHT
) -> list[tuple[str, str]]:
    """Noisy solutions for a warm-up: pairs of prompt and body, as `tarot_lite.toyworld.corpus`.

    Examples
    --------
    >>> (question, body), = corpus(1, seed=3)
    >>> print(question + body)
    # walk taking away twice, never below -3, at most 10, 50 if no items
    ys = reduce(lambda v, x: max(-3, v - x - x), xs, 0); return min(9, ys) if xs else -1
    """
    if unknown := set(right) ^ set(RIGHT):
        raise ValueError(f"corpus: right must name exactly {', '.join(RIGHT)}; {', '.join(sorted(unknown))} is not so")
    rng = random.Random(f"corpus {seed}")
    pool = specs("warmup")[:problem_count]
    pairs = []
    for _ in range(count):
        spec = rng.choice(pool)
        slips = {part: rng.choice(spec.slips(part)) for part, share in right.items() if rng.random() >= share}
        pairs.append((spec.statement + "\n", spec.having(**slips).body))
    return pairs


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
        every = [Spec(name, tuple(o.code for o in options)) for options in product(*(family.parts[p] for p in PARTS))]
        order += rng.sample(every, _EACH)
    rng.shuffle(order)
    found, start = {}, 0.0
    for split, share in SPLITS.items():
        found[split] = tuple(order[round(start * len(order)) : round((start + share) * len(order))])
        start += share
    return found


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
