"""What the cells of a grid say: gains, differences between curricula, claims and their verdicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pandas as pd

from tarot_lite.ablations.study import MEASURES, capability_law, capability_of, correlation
from tarot_lite.curriculum import get_policy
from tarot_lite.statistics import Interval, holm, mean_interval, permutation_p, verdict_of

__all__ = ["claims", "compared", "contrast", "contrasts", "gains", "summary_text"]


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


def compared(policies: Iterable[str], baseline: str = "flat") -> list[tuple[str, str]]:
    """Pairs of curricula that are compared: hard first with easy to hard, and everything with the baseline.

    Without the baseline among them, all pairs.  Few comparisons leave more power after the correction for their number.

    Examples
    --------
    >>> compared(["uni", "var", "var_asce_rev", "flat"])[:2]
    [('var_asce_rev', 'flat'), ('var_asce_rev', 'uni')]
    """
    ways = {name: get_policy(name).direction for name in policies}
    order = ("hard first", "no schedule", "easy to hard")  # a difference is told as the former minus the latter
    pairs = list(itertools.combinations(sorted(ways, key=lambda name: (order.index(ways[name]), name != baseline)), 2))
    if baseline not in ways:
        return pairs
    return [
        (first, second)
        for first, second in pairs
        if baseline in (first, second) or (ways[first], ways[second]) == ("hard first", "easy to hard")
    ]


def contrasts(heldout: pd.DataFrame) -> pd.DataFrame:
    """Differences between the curricula (`compared`) of every student, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``first``, ``second``, ``label``, ``estimate``, ``low``, ``high`` (shares in [-1, 1]), ``p``, and
        ``p_holm``, corrected for the number of comparisons (Holm).
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        for first, second in compared(dict.fromkeys(heldout.loc[heldout["student"] == student, "policy"])):
            interval, p = contrast(heldout, student, first, second)
            row = {"student": student, "first": first, "second": second, "label": f"{student}: {first} − {second}"}
            rows.append(row | {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "p": p})
    table = pd.DataFrame(rows)
    if not table.empty:
        table["p_holm"] = holm(table["p"].to_numpy())
    return table


def claims(heldout: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the claims table that a grid can speak to, each with what was measured and its verdict.

    The strongest and the weakest student are those of most and least capability before training; nothing is said of
    what was not trained.
    """
    students = list(capability_of(heldout).index)
    weakest, strongest = students[0], students[-1]
    trained = {s: list(dict.fromkeys(heldout.loc[heldout["student"] == s, "policy"])) for s in students}
    shared = [policy for policy in trained[strongest] if all(policy in policies for policies in trained.values())]
    rows = []
    of_strongest = gains(heldout[heldout["student"] == strongest]).set_index("policy")
    for policy in shared:
        row = of_strongest.loc[policy]
        rows.append(
            _claim(
                f"GRPO raises held-out full-suite pass@1 of the {strongest} student by 10 points or more, under {policy}",
                f"{100 * row['before']:.1f} % before, {100 * row['after']:.1f} % after, {_seeds(row['seeds'])}",
                found := Interval(row["gain"], row["low"], row["high"]),
                verdict_of(found, at_least=0.10),
            )
        )
    for measure, name in MEASURES.items():
        rows += _law_claims(heldout, measure, name)
    for student, first, second, text in (
        (strongest, "var_asce_rev", "flat", "A hard-first schedule beats rewarding all tiers throughout"),
        (weakest, "flat", "all_or_nothing", "Graded rewards beat all-or-nothing"),
    ):
        if {first, second} <= set(trained[student]):
            found, p = contrast(heldout, student, first, second)
            evidence = f"{student} student, {first} minus {second}, {_p_text(p)}"
            rows.append(_claim(text, evidence, found, verdict_of(found)))
    return rows


def _law_claims(heldout: pd.DataFrame, measure: str, name: str) -> list[dict[str, str]]:
    """What the paper says of capability and order, for one measure of success."""
    law = capability_law(heldout, [measure])
    students = capability_of(heldout).index
    rows = []
    for student, kind, favoured, sign in (
        (students[-1], "more", "hard-first", 1),
        (students[0], "less", "easy-to-hard", -1),
    ):
        for row in law[law["student"] == student].itertuples() if sign > 0 or len(students) > 1 else ():
            found = Interval(row.contrast, row.low, row.high)
            evidence = f"hard-first minus easy-to-hard, paired by problem, {_seeds(row.seeds)}"
            who = f"The {kind} capable student ({student})" if len(students) > 1 else f"The {student} student"
            rows.append(
                _claim(
                    f"{who} gains more from {favoured} schedules, {name}",
                    evidence,
                    found,
                    verdict_of(found if sign > 0 else -found),
                )
            )
    if (related := correlation(heldout, measure)) is not None:
        rho, p = related
        rows.append(
            {
                "claim": f"The more capable a student, the more it prefers hard-first to easy-to-hard, {name}",
                "evidence": f"rank correlation over {len(law)} students, exact {_p_text(p)}",
                "number": f"{rho.estimate:+.2f}",
                "interval": f"{rho.low:+.2f} to {rho.high:+.2f}",
                "verdict": verdict_of(rho) if p < 0.05 else "undecided",
            }
        )
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


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _p_text(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


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
