"""From a capability profile to a curriculum, by four rules, each with its reasons in a table "policy, score, why".

``threshold`` -- the paper's law, as a rule: less capable students from easy to hard, more capable ones hard first;
``signal`` -- what GRPO can learn from, measured on the same rollouts: how many groups have rewards that differ;
``pilot`` -- short real trainings, the better half goes on (successive halving);
``oracle`` -- looks the answer up in an ablation that has been run; the yardstick for the other three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from tarot_lite.capability.estimators import bootstrap, group_signal
from tarot_lite.capability.profile import MEASURES, SUITE, Profile
from tarot_lite.curriculum import Policy, get_policy
from tarot_lite.problems import Tier
from tarot_lite.statistics import Interval, mean_interval

__all__ = ["Choice", "agreement", "choose", "oracle", "pilot", "signal", "signal_of_phases", "threshold"]

DEFAULT_POLICIES = ("uni", "var", "var_asce_normal", "var_asce_rev", "flat")
CAPABLE = 0.3
"""Mean pass@1 over the tiers from which a student counts as capable.  Ours; the paper publishes no number."""


@dataclass(frozen=True)
class Choice:
    """A chosen policy and the reasons.

    Parameters
    ----------
    policy
        Name of the policy.
    rule
        Which chooser.
    why
        One sentence.
    table
        ``policy``, ``score`` (higher is better), ``why``; best first.
    """

    policy: str
    rule: str
    why: str
    table: pd.DataFrame = field(repr=False)


def choose(
    profile: Profile,
    rule: Literal["threshold", "signal"] = "threshold",
    policies: Sequence[str] = DEFAULT_POLICIES,
    **options: Any,
) -> Choice:
    """Choose a curriculum from a profile alone.

    Parameters
    ----------
    profile
        As `estimate` returns.
    rule
        ``"threshold"`` or ``"signal"``; `pilot` and `oracle` need more than a profile and are called by name.
    policies
        Names to choose from.
    **options
        Passed to the rule.

    Raises
    ------
    ValueError
        If the rule or a policy is unknown, or there is no policy.
    """
    rules: dict[str, Callable[..., Choice]] = {"threshold": threshold, "signal": signal}
    if rule not in rules:
        raise ValueError(f"rule {rule!r} is unknown; use one of {', '.join(rules)}, or call pilot or oracle")
    return rules[rule](profile, policies, **options)


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
    return _best("threshold", rows, why)


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
            share = bootstrap(groups[:, 0], seed=seed)
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
        score = float((part[by] * part["share_of_training"]).sum())
        rows.append({"policy": str(name), "score": score, "why": f"groups with a gradient, phase by phase: {parts}"})
    choice = _best("signal", rows, "")
    top = choice.table.iloc[0]
    short = "" if profile.samples >= group_size else f" (only {profile.samples} samples a problem, so too low)"
    unit = "of its groups give a gradient" if by == "signal" else "of the squared weight is the variance in a group"
    why = f"over its schedule {100 * top['score']:.0f} % {unit} for {profile.student}, more than under any other{short}"
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
        ``train(policy, steps)`` trains for so many steps *in all* (going on from its own checkpoint if it can) and
        returns a score, higher is better, measured on problems that are not reported later.
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


def oracle(heldout: pd.DataFrame, student: str, measure: str = SUITE) -> Choice:
    """The policy that gained most in an ablation.

    Parameters
    ----------
    heldout
        Rows of an ablation: ``student``, ``policy``, ``measure``, ``problem_id``, ``before``, ``after`` (shares).
    student, measure
        Whose gain, in what.

    Raises
    ------
    ValueError
        If the ablation has no such student or measure.
    """
    rows = []
    for name, values in _gains(heldout, student, measure).items():
        gain = mean_interval(values)
        rows.append({"policy": name, "score": gain.estimate, "why": f"gained {gain} points"})
    return _best("oracle", rows, f"gained most held-out {measure} pass@1 of {len(rows)} policies")


def agreement(choices: Mapping[str, Choice], heldout: pd.DataFrame, student: str, measure: str = SUITE) -> pd.DataFrame:
    """How well rules did by the ablation: did they name the best policy, and what did it cost if not.

    Parameters
    ----------
    choices
        By rule.
    heldout, student, measure
        As in `oracle`.

    Returns
    -------
    DataFrame
        ``rule``, ``policy``, ``best``, ``agrees``, ``regret`` with ``low`` and ``high`` (shares, paired over problems).
        A policy that the ablation did not train has a regret that is not a number.
    """
    gains = _gains(heldout, student, measure)
    best = oracle(heldout, student, measure).policy
    rows = []
    for rule, choice in choices.items():
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        regret = mean_interval(gains[best] - gains[choice.policy]) if choice.policy in gains else nothing
        rows.append(
            {
                "rule": rule,
                "policy": choice.policy,
                "best": best,
                "agrees": choice.policy == best,
                "regret": regret.estimate,
                "low": regret.low,
                "high": regret.high,
            }
        )
    return pd.DataFrame(rows)


def _gains(heldout: pd.DataFrame, student: str, measure: str) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Per policy the gain of every problem, averaged over seeds, problems in the same order."""
    if measure not in MEASURES:
        raise ValueError(f"measure {measure!r} is unknown; use one of {', '.join(MEASURES)}")
    rows = heldout[(heldout["student"] == student) & (heldout["measure"] == measure)]
    if rows.empty:
        known = ", ".join(sorted(set(heldout["student"])))
        raise ValueError(f"the ablation has no {measure} of student {student!r}; it has students {known}")
    table = rows.assign(gain=rows["after"] - rows["before"]).pivot_table("gain", "problem_id", "policy", sort=False)
    return {str(name): table[name].to_numpy(float) for name in table.columns}


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


def _best(rule: str, rows: list[dict[str, Any]], why: str) -> Choice:
    table = pd.DataFrame(rows).sort_values("score", ascending=False, kind="stable", ignore_index=True)
    return Choice(str(table["policy"].iloc[0]), rule, why, table)
