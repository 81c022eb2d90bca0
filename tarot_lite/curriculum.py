"""Curriculum policies: which tiers are active when, and what a passed tier is worth.

The paper's idea in two dials that turn independently:

* **allocation** -- `Policy.at` says which tiers count at a point of the training;
* **reward weight** -- `Policy.weights` says how much each of them counts.

A policy is plain data and a pure function of progress, so what the trainer uses is what the figures draw.
`PORTFOLIO` holds every policy that the authors published (deep-diver/TAROT, Apache-2.0) and the baselines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from statistics import fmean
from types import MappingProxyType
from typing import Literal

from tarot_lite.problems import Tier

__all__ = ["PORTFOLIO", "PUBLISHED", "Direction", "Phase", "Policy", "get_policy"]

Unit = Literal["tier", "test", "suite"]
Direction = Literal["easy to hard", "hard first", "no schedule"]


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

    Raises
    ------
    ValueError
        If phases are not ordered from 0, a phase is empty, or an active tier has no weight.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", dict(self.weights))  # our own copy; a plain dict can be pickled
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
        >>> [get_policy(name).direction for name in ("uni", "var_asce_rev", "flat", "edge_only")]
        ['easy to hard', 'hard first', 'no schedule', 'no schedule']
        """
        first, last = (fmean(tier.rank for tier in phase.tiers) for phase in (self.phases[0], self.phases[-1]))
        if first == last:
            return "no schedule"
        return "easy to hard" if first < last else "hard first"

    def phase_at(self, progress: float) -> int:
        """Index of the phase in force at `progress` (share of the training done, clipped to [0, 1])."""
        return max(i for i, phase in enumerate(self.phases) if phase.start <= max(progress, 0.0))

    def at(self, progress: float) -> frozenset[Tier]:
        """Tiers that are active at `progress`, the share of the training done in [0, 1]."""
        return self.phases[self.phase_at(progress)].tiers

    def reward(self, passed: Mapping[Tier, Iterable[bool]], progress: float, normalize: bool = False) -> float:
        """Reward of one completion.

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


# Published thresholds: epochs 0.2 / 0.4 / 0.6 of one, and 0.6 / 1.2 / 1.8 of three -- the same shares of training.
_STARTS = (0.0, 0.2, 0.4, 0.6)
_B, _I, _C, _E = Tier.BASIC, Tier.INTERMEDIATE, Tier.COMPLEX, Tier.EDGE
_EASY_TO_HARD = ({_B}, {_B, _I}, {_B, _I, _C}, {_B, _I, _C, _E})
_HARD_FIRST = ({_C}, {_C, _E}, {_I, _C, _E}, {_B, _I, _C, _E})
_EVEN = (0.25, 0.25, 0.25, 0.25)
_DESCENDING = (0.35, 0.35, 0.15, 0.15)
_ASCENDING = (0.15, 0.15, 0.35, 0.35)


def _schedule(name: str, tiers: Iterable[set[Tier]], weights: tuple[float, ...], summary: str) -> Policy:
    phases = tuple(Phase(start, frozenset(active)) for start, active in zip(_STARTS, tiers, strict=True))
    return Policy(name, phases, dict(zip(Tier, weights, strict=True)), summary=summary)


def _constant(name: str, tiers: Iterable[Tier], weight: float, unit: Unit, summary: str) -> Policy:
    active = frozenset(tiers)
    return Policy(name, (Phase(0.0, active),), dict.fromkeys(active, weight), unit, summary)


PUBLISHED: Mapping[str, Policy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            _constant("basic_only", {_B}, 1.0, "tier", "the basic tier alone, throughout"),
            _constant("complex_only", {_C}, 1.0, "tier", "the complex tier alone, throughout"),
            _constant("edge_only", {_E}, 1.0, "tier", "the edge tier alone, throughout"),
            _schedule("uni", _EASY_TO_HARD, _EVEN, "easy to hard, even weights"),
            _schedule("var", _EASY_TO_HARD, _DESCENDING, "easy to hard, easy tiers worth more"),
            _schedule("var_asce_normal", _EASY_TO_HARD, _ASCENDING, "easy to hard, hard tiers worth more"),
            _schedule("var_asce_rev", _HARD_FIRST, _ASCENDING, "hard first, hard tiers worth more"),
            _constant("binary", Tier, 0.25, "test", "baseline: share of all tests passed, no schedule"),
        )
    }
)
"""The authors' policies.  Their ``*_3e`` twins differ in the number of epochs alone, as phases are shares of training."""

PORTFOLIO: Mapping[str, Policy] = MappingProxyType(
    {
        **PUBLISHED,
        "flat": _constant("flat", Tier, 0.25, "tier", "baseline: all tiers, even weights, no schedule"),
        "all_or_nothing": _constant("all_or_nothing", Tier, 0.25, "suite", "baseline: 1 if every test passes, else 0"),
    }
)
"""Everything that an ablation may compare, which is `PUBLISHED` and two further baselines."""


def get_policy(name: str, weights: Sequence[float] | None = None) -> Policy:
    """Look a policy up by name.

    Parameters
    ----------
    name
        Key in `PORTFOLIO`.
    weights
        Worth of each tier, basic to edge, instead of the policy's own; None keeps those.

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.  Or a tier is active and weighs nothing.

    Examples
    --------
    >>> get_policy("var_asce_rev").summary
    'hard first, hard tiers worth more'
    >>> get_policy("uni", weights=[0.1, 0.2, 0.3, 0.4]).reward({Tier.BASIC: [True]}, progress=0)
    0.1
    """
    try:
        policy = PORTFOLIO[name]
        return policy if weights is None else replace(policy, weights=dict(zip(Tier, weights, strict=True)))
    except (KeyError, TypeError):
        near = get_close_matches(str(name), PORTFOLIO, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"policy {name!r} is unknown{hint}; choose one of {', '.join(PORTFOLIO)}") from None
