"""From a capability profile to a curriculum, by three rules, each with its reasons in a table "policy, score, why".

``threshold`` -- the paper's law, as a rule: less capable students from easy to hard, more capable ones hard first;
``signal`` -- what GRPO can learn from, measured on the same rollouts: how many groups have rewards that differ;
``pilot`` -- short real trainings, the better half goes on (successive halving).

The fourth, ``oracle``, needs an ablation (`tarot_lite.capability.hindsight`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from tarot_lite.capability.choice import Choice, best
from tarot_lite.capability.estimators import group_signal
from tarot_lite.capability.profile import Profile
from tarot_lite.curriculum import Policy, get_policy
from tarot_lite.problems import Tier
from tarot_lite.statistics import share_interval

__all__ = ["DEFAULT_POLICIES", "pilot", "signal", "signal_of_phases", "threshold"]

DEFAULT_POLICIES = ("uni", "var", "var_asce_normal", "var_asce_rev", "flat")
CAPABLE = 0.3
"""Mean pass@1 over the tiers from which a student counts as capable.  Ours; the paper publishes no number."""


def threshold(profile: Profile, policies: Sequence[str] = DEFAULT_POLICIES, at: float = CAPABLE) -> Choice:
    """The paper's law as a rule.

    Parameters
    ----------
    profile
        Its `Profile.capability` (mean pass@1 over the tiers) is compared with `at`.
    policies
        To choose from; among those that go the same way the first wins.
    at
        Share from which the student counts as capable.
    """
    chosen = _known(policies)
    if not 0 < at < 1:
        raise ValueError(f"threshold is {at}; give a share between 0 and 1")
    capability = profile.capability()
    capable = capability.estimate >= at
    sure = capability.low > at or capability.high < at
    rows = []
    for policy in chosen:
        words = policy.direction
        way = {"hard first": 1.0, "easy to hard": -1.0, "no schedule": 0.0}[words]
        fits = (
            "no schedule, so neither" if not way else f"{words}: for {'more' if way > 0 else 'less'} capable students"
        )
        rows.append({"policy": policy.name, "score": way if capable else -way, "why": fits})
    low, high = round(100 * capability.low), round(100 * capability.high)
    why = (
        f"{profile.student} passes {100 * capability.estimate:.0f} % of its tiers [{low}, {high}], "
        f"{'not less' if capable else 'less'} than {100 * at:.0f} %, so {'hard first' if capable else 'easy to hard'}"
        + ("" if sure else "; the interval holds the threshold, so a larger probe could turn this")
    )
    return best("threshold", rows, why)


def signal_of_phases(
    profile: Profile, policies: Sequence[str] = DEFAULT_POLICIES, group_size: int = 8, seed: int = 0
) -> pd.DataFrame:
    """What GRPO could learn from in every phase of every policy, if the student stayed as it is.

    Parameters
    ----------
    profile
        Its rollouts are regrouped; at least `group_size` samples per problem make the estimate unbiased.
    policies
        Names.
    group_size
        Completions per prompt in training.
    seed
        Of the intervals (over problems).

    Returns
    -------
    DataFrame
        ``policy``, ``phase`` (from 0), ``start``, ``share_of_training``, ``tiers``, ``signal`` (share of groups whose
        reward is not constant) with ``low`` and ``high``, ``variance`` (mean within-group variance of the reward,
        divided by the active weight squared, so that policies compare).
    """
    rows = []
    for policy in _known(policies):
        ends = [*(phase.start for phase in policy.phases[1:]), 1.0]
        for number, (phase, end) in enumerate(zip(policy.phases, ends, strict=True)):
            groups = np.array([group_signal(rewards, group_size) for rewards in _rewards(profile, policy, phase.start)])
            share = share_interval(groups[:, 0], seed=seed)
            rows.append(
                {
                    "policy": policy.name,
                    "phase": number,
                    "start": phase.start,
                    "share_of_training": end - phase.start,
                    "tiers": " ".join(tier.value for tier in Tier if tier in phase.tiers),
                    "signal": share.estimate,
                    "low": share.low,
                    "high": share.high,
                    "variance": float(groups[:, 1].mean()),
                }
            )
    return pd.DataFrame(rows)


def signal(
    profile: Profile,
    policies: Sequence[str] = DEFAULT_POLICIES,
    group_size: int = 8,
    by: Literal["signal", "variance"] = "signal",
) -> Choice:
    """The policy with most usable signal over its schedule, each phase counted by its share of the training.

    A student that learns moves the later phases; so this rule knows the start of training best.

    Parameters
    ----------
    profile, policies, group_size
        As in `signal_of_phases`.
    by
        ``"signal"``: share of groups with a gradient; ``"variance"``: its size, as far as the reward's spread tells.
    """
    if by not in ("signal", "variance"):
        raise ValueError(f"by is {by!r}; give 'signal' or 'variance'")
    phases = signal_of_phases(profile, policies, group_size, profile.seed)
    rows = []
    for name, part in phases.groupby("policy", sort=False):
        parts = ", ".join(f"{100 * value:.0f} %" for value in part["signal"])
        score = round(float((part[by] * part["share_of_training"]).sum()), 9)  # equal ones are equal to the last digit
        rows.append({"policy": str(name), "score": score, "why": f"groups with a gradient, phase by phase: {parts}"})
    choice = best("signal", rows, "")
    top = choice.table.iloc[0]
    short = "" if profile.samples >= group_size else f" (only {profile.samples} samples a problem, so too low)"
    unit = "of its groups give a gradient" if by == "signal" else "of the squared weight is the variance in a group"
    equals = list(choice.table["policy"][choice.table["score"] == top["score"]])[1:]
    rank = f"as under {' and '.join(equals)}; no other has more" if equals else "more than under any other"
    why = f"over its schedule {100 * top['score']:.0f} % {unit} for {profile.student}, {rank}{short}"
    return Choice(choice.policy, choice.rule, why, choice.table)


def pilot(
    policies: Sequence[str],
    train: Callable[[Policy, int], float],
    steps: int = 10,
    rounds: int | None = None,
    keep: float = 0.5,
) -> Choice:
    """Successive halving over short real trainings.

    Parameters
    ----------
    policies
        Names to choose from.
    train
        ``train(policy, steps)`` trains a fresh student for so many steps in all, under the whole schedule shortened
        to them, and returns a score, higher is better, measured on problems that are not reported later.
    steps
        Of the first round; doubled in each that follows.
    rounds
        At most so many; None goes on until one policy is left.
    keep
        Share that survives a round, in (0, 1); always at least one, and one fewer than there were.
    """
    left = _known(policies)
    if steps < 1 or not 0 < keep < 1 or (rounds is not None and rounds < 1):
        raise ValueError(
            f"pilot: steps {steps}, keep {keep}, rounds {rounds}; give at least 1, a share, at least 1 or None"
        )
    standing: dict[str, dict[str, Any]] = {}
    number = 0
    while len(left) > 1 and (rounds is None or number < rounds):
        number += 1
        scores = {policy.name: float(train(policy, steps)) for policy in left}
        for name, score in scores.items():
            text = f"{score:.3f} after {steps} steps (round {number})"
            standing[name] = {"policy": name, "score": score, "why": text, "round": number}
        survivors = max(1, min(len(left) - 1, round(len(left) * keep)))
        left = sorted(left, key=lambda policy: -scores[policy.name])[:survivors]
        steps *= 2
    rows = sorted(standing.values(), key=lambda row: (-row["round"], -row["score"]))
    if not rows:
        rows = [{"policy": left[0].name, "score": float("nan"), "why": "the only one", "round": 0}]
    table = pd.DataFrame(rows).drop(columns="round")
    return Choice(
        left[0].name,
        "pilot",
        f"best of {len(standing) or 1} policies after {max(number, 0)} rounds of short training",
        table,
    )


def _rewards(profile: Profile, policy: Policy, progress: float) -> list[list[float]]:
    """Rewards of every completion by problem, normalized to at most 1."""
    tiers = list(Tier)
    outcomes = profile.outcomes
    rewards = [
        policy.reward({tier: [bool(v)] for tier, v in zip(tiers, row, strict=True) if v is not None}, progress, True)
        for row in outcomes[[tier.value for tier in tiers]].itertuples(index=False, name=None)
    ]
    by_problem = pd.Series(rewards, index=outcomes["problem_id"]).groupby(level=0, sort=False)
    return [group.to_list() for _, group in by_problem]


def _known(policies: Sequence[str]) -> list[Policy]:
    if not policies:
        raise ValueError("there is no policy to choose from; give at least one name")
    return [get_policy(name) for name in policies]
