"""The four rules behind one interface, and a report of how well they chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from tarot_lite.capability.choice import Choice
from tarot_lite.capability.choosers import DEFAULT_POLICIES, pilot, signal, threshold
from tarot_lite.capability.hindsight import agreement, difference, gains_of, oracle
from tarot_lite.capability.profile import SUITE, Profile
from tarot_lite.statistics import mean_interval

__all__ = ["RULES", "choose", "report"]

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
        By student, measured before the ablation; a rule chooses among the policies that the student was trained under.
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
        and ``high`` (shares), ``why``.  The rule ``chance`` draws a policy evenly.  Rows of the student ``all`` hold
        the mean over the students: the share that agrees, and the mean regret, its interval over problems.
    """
    rows: list[dict[str, Any]] = []
    costs: dict[str, list[pd.Series[float]]] = {}
    for student, profile in profiles.items():
        gains = gains_of(heldout, student, measure)
        choices = {rule: choose(profile, rule, list(gains)) for rule in rules}  # type: ignore[arg-type]
        choices |= dict((more or {}).get(student, {}))
        table = agreement(choices, heldout, student, measure)
        top = str(table["best"].iloc[0]) if len(table) else oracle(heldout, student, measure).policy
        for row in table.to_dict("records"):
            choice = choices[str(row["rule"])]
            rows.append({"student": student, **row, "agrees": float(row["agrees"]), "why": choice.why})
            if choice.policy in gains:
                costs.setdefault(str(row["rule"]), []).append(difference(gains[top], gains[choice.policy]).mean())
        by_chance = pd.concat([difference(gains[top], part).mean() for part in gains.values()], axis=1).mean(axis=1)
        costs.setdefault("chance", []).append(by_chance)
        share = 1 / len(gains)
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
