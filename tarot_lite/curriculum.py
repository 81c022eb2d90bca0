"""Curriculum policies: which tiers are active when, and what a passed tier is worth.

The paper's idea in two dials that turn independently:

* **allocation** -- `Policy.at` says which tiers count at a point of the training;
* **reward weight** -- `Policy.weights` says how much each of them counts.

A policy is plain data and a pure function of progress, so what the trainer uses is what the figures draw.
`PORTFOLIO` holds every policy that the authors published (deep-diver/TAROT, Apache-2.0), baselines, and *adaptive* policies:
their rule looks at a whole group of completions of one problem and prices the tiers for this group alone.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Literal

from tarot_lite.problems import Tier

Unit = Literal["tier", "test", "suite"]
Direction = Literal["easy to hard", "hard first", "adaptive", "no schedule"]
State = Mapping[str, float]
Rule = Callable[["Group"], Mapping[Tier, float] | set[Tier] | frozenset[Tier]]
Learn = Callable[[State, "Group", Mapping[Tier, float]], State]
_SPARE = ("#E7298A", "#66A61E", "#7570B3", "#A6761D", "#1B9E77", "#666666")  # for policies that name no colour


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with one set of active tiers.

    Parameters
    ----------
    start
        Where it begins, as a share of the training in [0, 1).
    tiers
        The tiers that count, never empty.
    """

    start: float
    tiers: frozenset[Tier]


@dataclass(frozen=True, slots=True)
class Group:
    """What the rule of an adaptive policy looks at: all completions of one problem in one step.

    Parameters
    ----------
    passed
        Per tier that the problem has and the policy counts, whether each completion passed all its tests; easy to hard.
    state
        What the policy has learnt in the training so far (see `Policy.learn`); empty at its start.
    progress
        Share of the training done, in [0, 1].
    draw
        For rules that draw lots: even in [0, 1), the same in every repetition of the step.

    Examples
    --------
    >>> group = Group.of([{Tier.BASIC: [True], Tier.EDGE: [False]}, {Tier.BASIC: [True, False], Tier.EDGE: [False]}])
    >>> group.rates[Tier.BASIC], group.mixed
    (0.5, [<Tier.BASIC: 'basic'>])
    """

    passed: Mapping[Tier, Sequence[bool]]
    state: State = field(default_factory=dict)
    progress: float = 1.0
    draw: float = 0.0

    @classmethod
    def of(cls, completions: Sequence[Mapping[Tier, Iterable[bool]]], **others: Any) -> Group:
        """The group of completions whose tests passed so, per tier."""
        of_all = [{tier: list(tests) for tier, tests in of.items()} for of in completions]
        return cls(
            {t: [all(of.get(t, ())) for of in of_all] for t in Tier if any(of.get(t) for of in of_all)}, **others
        )

    @property
    def rates(self) -> dict[Tier, float]:
        """Share of the completions that pass each tier."""
        return {tier: sum(passes) / len(passes) for tier, passes in self.passed.items()}

    @property
    def mixed(self) -> list[Tier]:
        """Tiers that some completions pass and some do not, easy to hard: only those can teach GRPO anything."""
        return [tier for tier, rate in self.rates.items() if 0 < rate < 1]


@dataclass(frozen=True)
class Policy:
    """A named curriculum.

    Parameters
    ----------
    name
        Key in the portfolio.
    phases
        In order of `Phase.start`; the first starts at 0.
    weights
        Worth of a tier, >= 0; every tier that is ever active must have one.
    unit
        What earns the weight: ``"tier"`` -- a tier whose every test passes (the published curricula);
        ``"test"`` -- the share of active tests that pass (the published ``binary`` baseline);
        ``"suite"`` -- all active tests or nothing (the usual reward of code RL).
    summary
        One line for tables.
    rule
        What passing each tier is worth in a `Group`, as numbers that are relative to one another; they are multiplied by
        `weights`, and count in the active tiers alone.  Or a set of tiers, which pays 1 to those that pass all of it.
        Where no tier has a price the whole suite pays.  None: `weights` are the prices in every group.
    learn
        The state after a group: ``learn(state, group, prices)`` with the prices that were paid.  A plain dict of numbers,
        kept in the training's checkpoints; None: there is nothing to remember.
    source
        Where the idea comes from.
    colour
        In every figure; one is given if it is left out.

    Raises
    ------
    ValueError
        If phases are not ordered from 0, a phase is empty, an active tier has no weight, or the name is no plain name.

    Examples
    --------
    >>> policy = get_policy("var")
    >>> sorted(policy.at(0.3))
    [<Tier.BASIC: 'basic'>, <Tier.INTERMEDIATE: 'intermediate'>]
    >>> policy.reward({Tier.BASIC: [True], Tier.INTERMEDIATE: [True, False], Tier.EDGE: [True]}, progress=0.3)
    0.35
    """

    name: str
    phases: tuple[Phase, ...]
    weights: Mapping[Tier, float]
    unit: Unit = "tier"
    summary: str = ""
    rule: Rule | None = None
    learn: Learn | None = None
    source: str = ""
    colour: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", dict(self.weights))  # our own copy; a plain dict can be pickled
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(
                f"policy {self.name!r}: give a name of letters, digits, '_', '-' and '.', as it names folders"
            )
        if not self.colour:
            object.__setattr__(self, "colour", _SPARE[zlib.crc32(self.name.encode()) % len(_SPARE)])
        starts = [phase.start for phase in self.phases]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)) or starts[-1] >= 1:
            raise ValueError(
                f"policy {self.name!r}: phases start at {starts}; give rising shares of training from 0 to below 1"
            )
        if self.unit not in ("tier", "test", "suite"):
            raise ValueError(f"policy {self.name!r}: unit is {self.unit!r}; give 'tier', 'test' or 'suite'")
        for phase in self.phases:
            if not phase.tiers:
                raise ValueError(
                    f"policy {self.name!r}: the phase from {phase.start} has no tier; every phase needs one"
                )
            for tier in sorted(phase.tiers):
                if not self.weights.get(tier, 0) > 0:
                    raise ValueError(
                        f"policy {self.name!r}: tier {tier.value!r} is active from {phase.start} with weight "
                        f"{self.weights.get(tier)!r}; give it a weight above 0"
                    )

    @property
    def direction(self) -> Direction:
        """Where the schedule goes, by the mean rank of the tiers in its first and in its last phase.

        Examples
        --------
        >>> [get_policy(name).direction for name in ("uni", "var_asce_rev", "flat", "frontier")]
        ['easy to hard', 'hard first', 'no schedule', 'adaptive']
        """
        if self.rule is not None:
            return "adaptive"
        first, last = (fmean(tier.rank for tier in phase.tiers) for phase in (self.phases[0], self.phases[-1]))
        if first == last:
            return "no schedule"
        return "easy to hard" if first < last else "hard first"

    @property
    def digest(self) -> str:
        """Hash of what it does, the text of its functions included: a training or stage of a policy that changed is another."""
        functions = [_text_of(function) for function in (self.rule, self.learn) if function is not None]
        phases = [[phase.start, *sorted(phase.tiers)] for phase in self.phases]
        what = json.dumps([self.name, phases, sorted(self.weights.items()), self.unit, functions])
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    def phase_at(self, progress: float) -> int:
        """Index of the phase in force at `progress` (share of the training done, clipped to [0, 1])."""
        return max(i for i, phase in enumerate(self.phases) if phase.start <= max(progress, 0.0))

    def at(self, progress: float) -> frozenset[Tier]:
        """Tiers that are active at `progress`, the share of the training done in [0, 1]."""
        return self.phases[self.phase_at(progress)].tiers

    def settle(self, group: Group) -> Policy:
        """The policy without a rule that pays in this group; one without a rule is its own.

        The prices of a rule are scaled to a sum of 1, so that no rule is worth more beside the reward for the format.

        Examples
        --------
        >>> both = [{Tier.BASIC: [True], Tier.EDGE: [True]}, {Tier.BASIC: [False], Tier.EDGE: [False]}]
        >>> get_policy("frontier").settle(Group.of(both)).weights
        {<Tier.EDGE: 'edge'>: 1.0}
        """
        if self.rule is None:
            return self
        active = self.at(group.progress)
        group = replace(group, passed={tier: passes for tier, passes in group.passed.items() if tier in active})
        ruled = self.rule(group) if group.passed else {}
        if isinstance(ruled, set | frozenset):
            return self._all_of(active & ruled or active)
        prices = dict(ruled)
        for tier, price in prices.items():
            if not (isinstance(price, int | float) and 0 <= price < math.inf):
                raise ValueError(
                    f"policy {self.name!r}: its rule gives {tier!r} the price {price!r}; give a number from 0"
                )
        worth = {tier: self.weights[tier] * prices[tier] for tier in group.passed if prices.get(tier, 0) > 0}
        if not worth:
            return self._all_of(active)
        shares = {tier: value / sum(worth.values()) for tier, value in worth.items()}
        return Policy(self.name, (Phase(0, frozenset(shares)),), shares)

    def _all_of(self, tiers: frozenset[Tier]) -> Policy:
        return Policy(self.name, (Phase(0, tiers),), dict.fromkeys(tiers, 1.0), "suite")

    def learnt(self, state: State, group: Group, settled: Policy) -> State:
        """The state after a group for which this policy settled so; of a policy that learns nothing it stays as it is."""
        if self.learn is None:
            return state
        return dict(self.learn(state, group, settled.weights if settled.unit == "tier" else {}))

    def reward(self, passed: Mapping[Tier, Iterable[bool]], progress: float, normalize: bool = False) -> float:
        """Reward of one completion, in a group of its own if the policy is adaptive.

        Parameters
        ----------
        passed
            Per tier, whether each of its tests passed.  A tier that the problem lacks is left out or empty.
        progress
            Share of the training done, in [0, 1].
        normalize
            Divide by the active weight, so that the best reward is 1 in every phase.  As published: False.

        Returns
        -------
        float
            0 to the sum of the active weights (to 1 if normalized, or if `unit` is ``"test"`` or ``"suite"``).
            0 when the problem has no active tier.
        """
        if self.rule is not None:
            return self.settle(Group.of([passed], progress=progress)).reward(passed, progress)
        outcomes = {tier: tests for tier in self.at(progress) if (tests := list(passed.get(tier, ())))}
        if not outcomes:
            return 0.0
        everything = [test for tests in outcomes.values() for test in tests]
        if self.unit == "test":
            return sum(everything) / len(everything)
        if self.unit == "suite":
            return float(all(everything))
        earned = sum(self.weights[tier] for tier in sorted(outcomes) if all(outcomes[tier]))
        return earned / sum(self.weights[tier] for tier in sorted(outcomes)) if normalize else earned


def _text_of(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or no Python function
        return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"


# Published thresholds: epochs 0.2 / 0.4 / 0.6 of one, and 0.6 / 1.2 / 1.8 of three -- the same shares of training.
_STARTS = (0.0, 0.2, 0.4, 0.6)
_B, _I, _C, _E = Tier.BASIC, Tier.INTERMEDIATE, Tier.COMPLEX, Tier.EDGE
_EASY_TO_HARD = ({_B}, {_B, _I}, {_B, _I, _C}, {_B, _I, _C, _E})
_HARD_FIRST = ({_C}, {_C, _E}, {_I, _C, _E}, {_B, _I, _C, _E})
_EVEN = (0.25, 0.25, 0.25, 0.25)
_DESCENDING = (0.35, 0.35, 0.15, 0.15)
_ASCENDING = (0.15, 0.15, 0.35, 0.35)


def _schedule(name: str, tiers: Iterable[set[Tier]], weights: tuple[float, ...], summary: str, colour: str) -> Policy:
    phases = tuple(Phase(start, frozenset(active)) for start, active in zip(_STARTS, tiers, strict=True))
    return Policy(name, phases, dict(zip(Tier, weights, strict=True)), summary=summary, colour=colour)


def _constant(name: str, tiers: Iterable[Tier], weight: float, unit: Unit, summary: str, colour: str = "") -> Policy:
    active = frozenset(tiers)
    return Policy(name, (Phase(0.0, active),), dict.fromkeys(active, weight), unit, summary, colour=colour)


def adaptive(name: str, rule: Rule, learn: Learn | None = None, summary: str = "", **others: str) -> Policy:
    """A policy of your own that looks at each group: the rule is a function, the rest has defaults.

    Parameters
    ----------
    name, rule, learn, summary
        See `Policy`; all tiers count throughout, alike but for the rule.
    **others
        ``source`` and ``colour``.

    Examples
    --------
    >>> def easiest(group):
    ...     return {group.mixed[0]: 1} if group.mixed else {}
    >>> adaptive("easiest", easiest).direction
    'adaptive'
    """
    return Policy(
        name, (Phase(0.0, frozenset(Tier)),), dict.fromkeys(Tier, 1.0), "tier", summary, rule, learn, **others
    )


# ------------------------------------------------------------------------------------------------------ rules

_PACE = 0.02  # of a running mean, per group: about 1/8 for a step of eight groups
_BANDIT_PACE, _HEAT = 0.05, 0.2


def _frontier(group: Group) -> dict[Tier, float]:
    return dict.fromkeys(group.mixed[-1:], 1.0)


def _furthest(group: Group) -> frozenset[Tier]:
    """The most tiers that one completion passes, hard ones before easy; of a group that is alike none."""
    passes = zip(*group.passed.values(), strict=True)
    sets = {frozenset(tier for tier, passed in zip(group.passed, of, strict=True) if passed) for of in passes}
    most = max(sets, key=lambda tiers: (len(tiers), sorted((tier.rank for tier in tiers), reverse=True)))
    return most if len(sets) > 1 else frozenset()


def _standardized(group: Group) -> dict[Tier, float]:
    rates = group.rates
    return {tier: 1 / math.sqrt(rates[tier] * (1 - rates[tier])) for tier in group.mixed}


def _likelihood(group: Group) -> dict[Tier, float]:
    rates = group.rates
    return {tier: 1 / rates[tier] for tier in group.mixed}


def _signal_weighted(group: Group) -> dict[Tier, float]:
    running = {tier: group.state.get(tier, 0.5) for tier in group.passed}
    return {tier: rate * (1 - rate) for tier, rate in running.items()}


def _follow_rates(state: State, group: Group, prices: Mapping[Tier, float]) -> State:
    return _towards(state, group.rates, _PACE)


def _bandit(group: Group) -> dict[Tier, float]:
    chances = [math.exp(group.state.get(tier, 0.0) / _HEAT) for tier in group.passed]
    drawn = group.draw * sum(chances)
    sums = zip(group.passed, accumulate(chances), strict=True)
    return dict.fromkeys([tier for tier, upto in sums if drawn < upto][:1], 1.0)


def _feed_back(state: State, group: Group, prices: Mapping[Tier, float]) -> State:
    """The mean absolute advantage in the tier that paid, which is twice the spread of its passes."""
    values = {tier: 2 * math.sqrt(rate * (1 - rate)) for tier, rate in group.rates.items() if tier in prices}
    return _towards(state, values, _BANDIT_PACE, first=0.0)


def _towards(state: State, values: Mapping[Tier, float], pace: float, first: float | None = None) -> State:
    """Running means, moved a little; one that is new begins at `first`, or at the value itself."""
    moved = {}
    for tier, value in values.items():
        old = state.get(tier, value if first is None else first)
        moved[tier.value] = old + pace * (value - old)
    return {**state, **moved}


PUBLISHED: Mapping[str, Policy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            _constant("basic_only", {_B}, 1.0, "tier", "the basic tier alone, throughout", "#56B4E9"),
            _constant("complex_only", {_C}, 1.0, "tier", "the complex tier alone, throughout", "#E69F00"),
            _constant("edge_only", {_E}, 1.0, "tier", "the edge tier alone, throughout", "#D55E00"),
            _schedule("uni", _EASY_TO_HARD, _EVEN, "easy to hard, even weights", "#66C2A5"),
            _schedule("var", _EASY_TO_HARD, _DESCENDING, "easy to hard, easy tiers worth more", "#0072B2"),
            _schedule("var_asce_normal", _EASY_TO_HARD, _ASCENDING, "easy to hard, hard tiers worth more", "#009E73"),
            _schedule("var_asce_rev", _HARD_FIRST, _ASCENDING, "hard first, hard tiers worth more", "#CC79A7"),
            _constant("binary", Tier, 0.25, "test", "baseline: share of all tests passed, no schedule", "#999999"),
        )
    }
)
"""The authors' policies.  Their ``*_3e`` twins differ in the number of epochs alone, as phases are shares of training."""

_ADAPTIVE = (
    adaptive(
        "frontier",
        _frontier,
        summary="adaptive: each group pays the hardest tier that some pass and some do not",
        source="ours",
        colour="#882255",
    ),
    adaptive(
        "furthest",
        _furthest,
        summary="adaptive: each group pays for all the tiers that its best completion passes",
        source="ours: frontier, where a hard tier can be passed without the easy ones",
        colour="#117733",
    ),
    adaptive(
        "standardized",
        _standardized,
        summary="adaptive: passes of each tier, standardized within the group, added up",
        source="GDPO (arXiv 2601.05242), its rewards being the tiers",
        colour="#44AA99",
    ),
    adaptive(
        "signal_weighted",
        _signal_weighted,
        _follow_rates,
        summary="adaptive: tiers weigh p(1 − p) of their running pass rates",
        source="ours; the variance of a pass, in the spirit of AdaRFT (arXiv 2504.05520)",
        colour="#AA4499",
    ),
    adaptive(
        "bandit",
        _bandit,
        _feed_back,
        summary="adaptive: each group draws a tier, more often one that lately told completions apart",
        source="SEC (arXiv 2505.14970), its arms being the tiers",
        colour="#999933",
    ),
    adaptive(
        "likelihood",
        _likelihood,
        summary="adaptive: a tier pays one over the share of the group that passes it",
        source="ours: the gradient of the tiers' log pass rates, as MaxRL's of one reward (arXiv 2602.02710)",
        colour="#332288",
    ),
)

PORTFOLIO: Mapping[str, Policy] = MappingProxyType(
    {
        **PUBLISHED,
        "flat": _constant("flat", Tier, 0.25, "tier", "baseline: all tiers, even weights, no schedule", "#4D4D4D"),
        "all_or_nothing": _constant(
            "all_or_nothing", Tier, 0.25, "suite", "baseline: 1 if every test passes, else 0", "#8C564B"
        ),
        **{policy.name: policy for policy in _ADAPTIVE},
    }
)
"""Everything that an ablation may compare: `PUBLISHED`, two further baselines, and the adaptive policies."""

_ALIASES = {"hard-first": "var_asce_rev", "easy-to-hard": "uni"}


def get_policy(name: str, weights: Sequence[float] | None = None) -> Policy:
    """Look a policy up.

    Parameters
    ----------
    name
        Key in `PORTFOLIO`; ``hard-first`` or ``easy-to-hard``; a YAML file with a policy of your own; or ``module:name`` of
        one that can be imported (a `Policy`, or a rule for `adaptive`).
    weights
        Worth of each tier, basic to edge, instead of the policy's own; None keeps those.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.  If the file or module cannot be used.  Or a tier
        is active and weighs nothing.

    Examples
    --------
    >>> get_policy("var_asce_rev").summary
    'hard first, hard tiers worth more'
    >>> get_policy("uni", weights=[0.1, 0.2, 0.3, 0.4]).reward({Tier.BASIC: [True]}, progress=0)
    0.1
    """
    name = str(name)
    key = _ALIASES.get(name, name)
    if key in PORTFOLIO:
        policy = PORTFOLIO[key]
    elif name.endswith((".yaml", ".yml")):
        policy = _from_file(Path(name))
    elif ":" in name:
        policy = _from_module(name)
    else:
        near = get_close_matches(name, [*PORTFOLIO, *_ALIASES], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"policy {name!r} is unknown{hint}; choose one of {', '.join(PORTFOLIO)}, or give a .yaml file or module:name"
        )
    return policy if weights is None else replace(policy, weights=dict(zip(Tier, weights, strict=True)))


def policy_key(name: str) -> str:
    """The one way to write a policy's name: aliases are resolved, everything else stays as it is."""
    return _ALIASES.get(name, name)


_KEYS = ("name", "phases", "weights", "unit", "summary", "rule", "source", "colour")


def _from_file(path: Path) -> Policy:
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"policy file {path} cannot be read: {error}") from None
    if not isinstance(given, dict):
        raise ValueError(f"policy file {path} holds {given!r}; give it lines such as 'summary: ...' and 'weights: ...'")
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"policy file {path}: {key!r} is unknown; it may have {', '.join(_KEYS)}")
    try:
        parts = {key: str(given[key]) for key in ("unit", "summary", "source", "colour") if key in given}
        if "rule" in given:
            ruled = get_policy(str(given["rule"]))
            if ruled.rule is None:
                names = ", ".join(policy.name for policy in _ADAPTIVE)
                raise ValueError(f"rule is {given['rule']!r}, which has none; choose one of {names}, or module:name")
            parts = {"source": ruled.source} | parts
            parts |= {"rule": ruled.rule, "learn": ruled.learn}  # type: ignore[dict-item]
        weights = given.get("weights", dict.fromkeys(Tier, 1 if "rule" in given else 0.25))
        phases = given.get("phases", [{"start": 0, "tiers": list(weights)}])
        return Policy(
            str(given.get("name", path.stem)),
            tuple(Phase(float(of["start"]), frozenset(map(_tier, of["tiers"]))) for of in phases),
            {_tier(tier): float(weight) for tier, weight in weights.items()},
            **parts,  # type: ignore[arg-type]
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"policy file {path}: {type(error).__name__} {error}; phases are a list such as "
            "[{start: 0, tiers: [basic, edge]}], weights numbers by tier such as {basic: 0.4, edge: 0.6}"
        ) from None
    except ValueError as error:
        raise ValueError(f"policy file {path}: {error}") from None


def _tier(label: object) -> Tier:
    try:
        return Tier(str(label))
    except ValueError:
        raise ValueError(f"{label!r} is no tier; use {', '.join(Tier)}") from None


def _from_module(name: str) -> Policy:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"policy {name!r} cannot be imported: {error}") from None
    if isinstance(found, Policy):
        return found
    if callable(found):
        return adaptive(attribute, found, summary=(found.__doc__ or "").partition("\n")[0])
    raise ValueError(f"policy {name!r} is {found!r}; give a Policy, or a function from a Group to prices")
