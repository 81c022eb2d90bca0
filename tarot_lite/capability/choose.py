"""From a capability profile to a curriculum, by rules that give their reasons in a table "policy, score, why".

``threshold`` -- the paper's law, as a rule: less capable students from easy to hard, more capable ones hard first;
``signal`` -- what GRPO can learn from, measured on the same rollouts: how many groups have rewards that differ;
``pilot`` -- short real trainings, the better half goes on (successive halving);
``oracle`` -- an ablation's answer, known afterwards alone: the yardstick for the others.

`report` says how well they chose, beside adaptive policies, which need no choice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from tarot_lite.capability.profile import MEASURES, SUITE, Profile, group_signal
from tarot_lite.curriculum import Group, Policy, get_policy
from tarot_lite.problems import Tier
from tarot_lite.statistics import Interval, mean_interval, share_interval

DEFAULT_POLICIES = ("uni", "var", "var_asce_normal", "var_asce_rev", "flat")
CAPABLE = 0.3
"""Mean pass@1 over the tiers from which a student counts as capable.  Ours; the paper publishes no number."""
DRAWN = 64
"""Groups that are drawn from a problem's rollouts for a policy whose rewards depend on the group."""


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


def best(rule: str, rows: Sequence[dict[str, Any]], why: str) -> Choice:
    """The choice of the row with the highest ``score``; of equal ones the first.

    Examples
    --------
    >>> best("luck", [{"policy": "uni", "score": 1, "why": "-"}, {"policy": "flat", "score": 2, "why": "-"}], "?").policy
    'flat'
    """
    table = pd.DataFrame(rows).sort_values("score", ascending=False, kind="stable", ignore_index=True)
    return Choice(str(table["policy"].iloc[0]), rule, why, table)


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
        way = {"hard first": 1.0, "easy to hard": -1.0}.get(words, 0.0)
        fits = f"{words}, so neither" if not way else f"{words}: for {'more' if way > 0 else 'less'} capable students"
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
        divided by the active weight squared, so that policies compare).  Of an adaptive policy groups are drawn, and it
        has seen every problem once.
    """
    rows = []
    for policy in _known(policies):
        ends = [*(phase.start for phase in policy.phases[1:]), 1.0]
        for number, (phase, end) in enumerate(zip(policy.phases, ends, strict=True)):
            groups = np.array(_groups(profile, policy, phase.start, group_size))
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


def _groups(profile: Profile, policy: Policy, progress: float, size: int) -> list[tuple[float, float]]:
    """Per problem the share of groups that differ and their variance (`group_signal`), rewards normalized to at most 1."""
    outcomes = profile.outcomes
    passes = [
        {tier: [bool(v)] for tier, v in zip(Tier, row, strict=True) if v is not None}
        for row in outcomes[[tier.value for tier in Tier]].itertuples(index=False, name=None)
    ]
    of_problems = pd.Series(passes, index=outcomes["problem_id"]).groupby(level=0, sort=False)
    problems = [group.to_list() for _, group in of_problems]
    if policy.rule is None:
        return [group_signal([policy.reward(of, progress, True) for of in group], size) for group in problems]
    state: Mapping[str, float] = {}
    for group in problems:
        seen = Group.of(group, state=state, progress=progress)
        state = policy.learnt(state, seen, policy.settle(seen))
    lots = random.Random(profile.seed)
    found = []
    for group in problems:
        draw = lots.sample if len(group) >= size else lots.choices
        told = []
        for _ in range(DRAWN):
            drawn = draw(group, k=size)
            paying = policy.settle(Group.of(drawn, state=state, progress=progress, draw=lots.random()))
            rewards = [paying.reward(of, progress) for of in drawn]
            told.append((float(len(set(rewards)) > 1), float(np.var(rewards))))
        share, spread = np.mean(told, axis=0)
        found.append((float(share), float(spread)))
    return found


def _known(policies: Sequence[str]) -> list[Policy]:
    if not policies:
        raise ValueError("there is no policy to choose from; give at least one name")
    return [get_policy(name) for name in policies]


def oracle(heldout: pd.DataFrame, student: str, measure: str = SUITE) -> Choice:
    """The policy that gained most in an ablation: the yardstick for the other rules.

    Parameters
    ----------
    heldout
        Rows of an ablation: ``student``, ``policy``, ``seed``, ``problem_id``, ``measure``, ``before``, ``after``
        (shares).
    student, measure
        Whose gain, in what.

    Raises
    ------
    ValueError
        If the ablation has no such student or measure.
    """
    rows = []
    for name, values in gains_of(heldout, student, measure).items():
        gain = mean_interval(values.to_numpy())
        rows.append({"policy": name, "score": gain.estimate, "why": f"gained {gain} points"})
    return best("oracle", rows, f"gained most held-out {measure} pass@1 of {len(rows)} policies")


def agreement(choices: Mapping[str, Choice], heldout: pd.DataFrame, student: str, measure: str = SUITE) -> pd.DataFrame:
    """How well rules did by the ablation: did they name the best policy, and what did it cost if not.

    The best is the best of those that do not adapt, found on the same numbers that the regret is measured on, so regrets
    lean to the large side.

    Parameters
    ----------
    choices
        By rule.
    heldout, student, measure
        As in `oracle`.

    Returns
    -------
    DataFrame
        ``rule``, ``policy``, ``best``, ``agrees``, ``regret`` with ``low`` and ``high`` (shares; paired over problems
        and, where both policies were trained with them, seeds).  A policy that the ablation did not train has a regret
        that is not a number.
    """
    gains = gains_of(heldout, student, measure)
    top = oracle(_fixed(heldout), student, measure).policy
    rows = []
    for rule, choice in choices.items():
        regret = Interval(float("nan"), float("nan"), float("nan"))
        if choice.policy in gains:
            regret = mean_interval(difference(gains[top], gains[choice.policy]).to_numpy())
        found = {"regret": regret.estimate, "low": regret.low, "high": regret.high}
        rows.append({"rule": rule, "policy": choice.policy, "best": top, "agrees": choice.policy == top, **found})
    return pd.DataFrame(rows)


def _fixed(heldout: pd.DataFrame) -> pd.DataFrame:
    """Rows of the policies that must be chosen, as they do not adapt; all rows if there is none."""
    fixed = heldout["policy"].map(lambda name: get_policy(name).rule is None)
    return heldout[fixed] if fixed.any() else heldout


def gains_of(heldout: pd.DataFrame, student: str, measure: str) -> dict[str, pd.DataFrame]:
    """Per policy a table of gains, seeds x problems; problems that lack the measure are left out."""
    if measure not in MEASURES:
        raise ValueError(f"measure {measure!r} is unknown; use one of {', '.join(MEASURES)}")
    rows = heldout[(heldout["student"] == student) & (heldout["measure"] == measure)].dropna(subset=["before", "after"])
    if rows.empty:
        known = ", ".join(sorted(set(heldout["student"])))
        raise ValueError(f"the ablation has no {measure} of student {student!r}; it has students {known}")
    rows = rows.assign(gain=rows["after"].astype(float) - rows["before"].astype(float))
    return {
        str(name): part.pivot_table("gain", "seed", "problem_id").dropna(axis="columns")
        for name, part in rows.groupby("policy", sort=False)
    }


def difference(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """`one` minus `other` on the problems of both; seed by seed, or between means if they share no seed."""
    problems = one.columns.intersection(other.columns)
    seeds = one.index.intersection(other.index)
    if len(seeds):
        return one.loc[seeds, problems] - other.loc[seeds, problems]
    means = (one[problems].mean() - other[problems].mean()).to_numpy(float)
    return pd.DataFrame(np.atleast_2d(means), columns=problems)


RULES: Mapping[str, Callable[..., Choice]] = {
    "threshold": threshold,
    "signal": signal,
    "pilot": lambda profile, policies, **options: pilot(policies, **options),
    "oracle": lambda profile, policies, heldout, **options: oracle(
        heldout[heldout["policy"].isin(policies)], profile.student, **options
    ),
}
"""Every rule takes a profile and the names of the policies; ``pilot`` and ``oracle`` need one thing more."""


def choose(
    profile: Profile,
    rule: Literal["threshold", "signal", "pilot", "oracle"] = "threshold",
    policies: Sequence[str] = DEFAULT_POLICIES,
    **options: Any,
) -> Choice:
    """Choose a curriculum for the student of a profile.

    Parameters
    ----------
    profile
        As `estimate` returns.
    rule
        ``"threshold"`` and ``"signal"`` need nothing but the profile; ``"pilot"`` needs ``train`` (see `pilot`; the
        notebooks' is `tarot_lite.stages.pilot_trainer`), ``"oracle"`` needs ``heldout``, an ablation's rows.
    policies
        Names to choose from.
    **options
        Passed to the rule.

    Raises
    ------
    ValueError
        If the rule or a policy is unknown, or there is no policy.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r} is unknown; use one of {', '.join(RULES)}")
    return RULES[rule](profile, policies, **options)


def report(
    heldout: pd.DataFrame,
    profiles: Mapping[str, Profile],
    rules: Sequence[str] = ("threshold", "signal"),
    more: Mapping[str, Mapping[str, Choice]] | None = None,
    measure: str = SUITE,
) -> pd.DataFrame:
    """How often each rule names the best policy of an ablation, and what its choices cost.

    Parameters
    ----------
    heldout
        The ablation's rows, see `oracle`.
    profiles
        By student, measured before the ablation; a rule chooses among the policies that the student was trained under and
        that do not adapt.
    rules
        Names from `RULES` that need nothing but the profile.
    more
        Choices that were made elsewhere (such as by ``pilot``): student -> rule -> choice.
    measure
        What "best" is measured in.

    Returns
    -------
    DataFrame
        Per student and rule: ``student``, ``rule``, ``policy``, ``best``, ``agrees`` (1 or 0), ``regret`` with ``low``
        and ``high`` (shares), ``why``.  The rule ``chance`` draws a policy evenly; ``always NAME`` is there for
        each policy that adapts, its regret below 0 where adapting beat every fixed choice.  Rows of the student
        ``all`` hold the mean over the students: the share that agrees, and the mean regret, its interval over problems.
    """
    rows: list[dict[str, Any]] = []
    costs: dict[str, list[pd.Series[float]]] = {}
    for student, profile in profiles.items():
        gains = gains_of(heldout, student, measure)
        fixed = gains_of(_fixed(heldout), student, measure)
        choices = {rule: choose(profile, rule, list(fixed)) for rule in rules}  # type: ignore[arg-type]
        choices |= dict((more or {}).get(student, {}))
        for name in [name for name in gains if name not in fixed]:  # they adapt, so nobody need choose
            rule, why = f"always {name}", get_policy(name).summary
            choices[rule] = Choice(name, rule, why, pd.DataFrame())
        table = agreement(choices, heldout, student, measure)
        top = oracle(_fixed(heldout), student, measure).policy
        for row in table.to_dict("records"):
            choice = choices[str(row["rule"])]
            rows.append({"student": student, **row, "agrees": float(row["agrees"]), "why": choice.why})
            if choice.policy in gains:
                costs.setdefault(str(row["rule"]), []).append(difference(gains[top], gains[choice.policy]).mean())
        by_chance = pd.concat([difference(gains[top], part).mean() for part in fixed.values()], axis=1).mean(axis=1)
        costs.setdefault("chance", []).append(by_chance)
        share = 1 / len(fixed)
        rows.append({"student": student, "best": top, **_row("chance", by_chance, share, "a policy drawn evenly")})
    for rule, parts in costs.items():
        agreed = [row["agrees"] for row in rows if row["rule"] == rule]
        mean = pd.concat(parts, axis=1).mean(axis=1)
        said = f"mean of {len(parts)} students"
        rows.append({"student": "all", "best": "", **_row(rule, mean, sum(agreed) / len(agreed), said)})
    columns = ["student", "rule", "policy", "best", "agrees", "regret", "low", "high", "why"]
    return pd.DataFrame(rows)[columns]


def _row(rule: str, cost: pd.Series[float], agrees: float, why: str) -> dict[str, Any]:
    regret = mean_interval(cost.to_numpy(float))
    found = {"regret": regret.estimate, "low": regret.low, "high": regret.high}
    return {"rule": rule, "policy": "", "agrees": agrees, **found, "why": why}
