"""What an ablation says of the choosers afterwards: the policy that was best, and what another choice cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tarot_lite.capability.choice import Choice, best
from tarot_lite.capability.profile import MEASURES, SUITE
from tarot_lite.statistics import Interval, mean_interval

__all__ = ["agreement", "gains_of", "oracle"]


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

    The best policy is found on the same numbers that the regret is measured on, so regrets lean to the large side.

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
    top = oracle(heldout, student, measure).policy
    rows = []
    for rule, choice in choices.items():
        regret = Interval(float("nan"), float("nan"), float("nan"))
        if choice.policy in gains:
            regret = mean_interval(difference(gains[top], gains[choice.policy]).to_numpy())
        found = {"regret": regret.estimate, "low": regret.low, "high": regret.high}
        rows.append({"rule": rule, "policy": choice.policy, "best": top, "agrees": choice.policy == top, **found})
    return pd.DataFrame(rows)


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
