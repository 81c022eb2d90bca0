"""What the cells of a grid say: gains, differences between curricula, claims and their verdicts."""

from __future__ import annotations

import itertools

import pandas as pd

from tarot_lite.curriculum import get_policy
from tarot_lite.statistics import Interval, holm, mean_interval, permutation_p, verdict_of

__all__ = ["claims", "contrast", "contrasts", "gains", "summary_text"]


def gains(heldout: pd.DataFrame, measure: str = "suite") -> pd.DataFrame:
    """Gain in held-out pass@1 per student and policy, paired by problem.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds`` (count), ``before``, ``after``, ``gain`` with ``low`` and ``high`` (95 %
        interval over problems and seeds); shares in [-1, 1].
    """
    rows = []
    for (student, policy), part in heldout[heldout["measure"] == measure].groupby(["student", "policy"], sort=False):
        interval = mean_interval(_table(part.assign(gain=part["after"] - part["before"]), "gain"))
        rows.append(
            {
                "student": student,
                "policy": policy,
                "seeds": part["seed"].nunique(),
                "before": part["before"].mean(),
                "after": part["after"].mean(),
                "gain": interval.estimate,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame(rows)


def contrast(
    heldout: pd.DataFrame, student: str, first: str, second: str, measure: str = "suite"
) -> tuple[Interval, float]:
    """How much better `student` is after `first` than after `second`, paired by problem and seed.

    Returns
    -------
    tuple
        Difference in pass@1 (share in [-1, 1]) with its 95 % interval, and a two-sided permutation p-value.

    Raises
    ------
    ValueError
        If one of the two has no finished cell for this student.
    """
    tables = []
    of_student = heldout[(heldout["student"] == student) & (heldout["measure"] == measure)]
    for policy in (first, second):
        part = of_student[of_student["policy"] == policy]
        if part.empty:
            raise ValueError(
                f"no finished cell of student {student!r} with policy {policy!r}; add it to the grid, or mend it"
            )
        tables.append(part.pivot(index="seed", columns="problem_id", values="after"))
    difference = (tables[0] - tables[1]).dropna(how="any")
    return mean_interval(difference.to_numpy()), permutation_p(difference.to_numpy())


_ORDER = ("hard first", "no schedule", "easy to hard")  # a difference is told as the former minus the latter


def contrasts(heldout: pd.DataFrame) -> pd.DataFrame:
    """Every pair of curricula of every student, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``first``, ``second``, ``label``, ``estimate``, ``low``, ``high`` (shares in [-1, 1]), ``p``, and
        ``p_holm``, corrected for the number of comparisons (Holm).
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        policies = list(dict.fromkeys(heldout.loc[heldout["student"] == student, "policy"]))
        ordered = sorted(policies, key=lambda policy: _ORDER.index(get_policy(policy).direction))
        for first, second in itertools.combinations(ordered, 2):
            interval, p = contrast(heldout, student, first, second)
            row = {"student": student, "first": first, "second": second, "label": f"{student}: {first} − {second}"}
            rows.append(row | {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "p": p})
    table = pd.DataFrame(rows)
    if not table.empty:
        table["p_holm"] = holm(table["p"].to_numpy())
    return table


def claims(gains: pd.DataFrame, contrasts: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the claims table that the grid can speak to, each with what was measured and its verdict."""
    rows = []
    strongest = gains["student"].iloc[0]
    for row in gains[gains["student"] == strongest].itertuples():
        interval = Interval(row.gain, row.low, row.high)
        rows.append(
            _claim(
                f"GRPO raises held-out full-suite pass@1 of the {strongest} student by 10 points or more, under {row.policy}",
                f"{100 * row.before:.1f} % before, {100 * row.after:.1f} % after, {row.seeds} seed(s)",
                interval,
                verdict_of(interval, at_least=0.10),
            )
        )
    for row in contrasts.itertuples():
        kinds = get_policy(row.first).direction, get_policy(row.second).direction
        if kinds != ("hard first", "easy to hard"):
            continue
        interval = Interval(row.estimate, row.low, row.high)
        if row.student == strongest:
            claim, verdict = f"The more capable student gains more from {row.first} than from {row.second}", interval
        else:
            claim = f"The less capable student ({row.student}) gains more from {row.second} than from {row.first}"
            verdict = Interval(-row.estimate, -row.high, -row.low)
        rows.append(_claim(claim, f"{row.first} minus {row.second}, paired by problem", interval, verdict_of(verdict)))
    return rows


def summary_text(gains: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    """What came out, in Markdown, every number taken from the tables."""
    lines = []
    for student, part in gains.groupby("student", sort=False):
        best = part.loc[part["after"].idxmax()]
        rivals = contrasts[(contrasts["student"] == student) & (contrasts["p_holm"] < 0.05)]
        clear = ", ".join(
            f"{r.first} − {r.second} = {Interval(r.estimate, r.low, r.high)}" for r in rivals.itertuples()
        )
        lines.append(
            f"* **{student}**: {100 * best['before']:.1f} % before; best after `{best['policy']}`, "
            f"{100 * best['after']:.1f} % (gain {Interval(best['gain'], best['low'], best['high'])} points). "
            + (f"Differences beyond the noise: {clear}." if clear else "No two curricula differ beyond the noise.")
        )
    return "\n".join(lines)


def _claim(claim: str, evidence: str, interval: Interval, verdict: str) -> dict[str, str]:
    return {
        "claim": claim,
        "evidence": evidence,
        "number": f"{100 * interval.estimate:+.1f} points",
        "interval": f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}",
        "verdict": verdict,
    }


def _table(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """Seeds x problems."""
    return part.pivot(index="seed", columns="problem_id", values=column)
