"""Claims that a grid can speak to, with the verdict that their numbers allow."""

from __future__ import annotations

import pandas as pd

from tarot_lite.ablations.study import (
    MEASURES,
    capability_law,
    capability_of,
    contrast,
    correlation,
    gains,
    length_correlation,
)
from tarot_lite.statistics import Interval, verdict_of


def claims(heldout: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the claims table, each with what was measured and its verdict.

    The strongest and the weakest student are those of most and least capability before training; nothing is said of
    what was not trained.  With fewer than three training seeds the verdict is ``"one seed: undecided"`` or
    ``"two seeds: undecided"``, whatever the interval.
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
                f"{100 * row['before']:.1f} % before, {100 * row['after']:.1f} % after; {row['basis']}",
                found := Interval(row["gain"], row["low"], row["high"]),
                verdict_of(found, 0.10, row["seeds"]),
            )
        )
    for measure, name in MEASURES.items():
        rows += _law_claims(heldout, measure, name)
    for student, first, second, text in (
        (strongest, "var_asce_rev", "flat", "A hard-first schedule beats rewarding all tiers throughout"),
        (weakest, "flat", "all_or_nothing", "Graded rewards beat all-or-nothing"),
    ):
        if (against := contrast(heldout, student, first, second)) is not None:
            evidence = f"{student} student, {first} minus {second}; {against.basis}, {_p_text(against.p)}"
            verdict = verdict_of(against.interval, seeds=len(against.by_seed))
            rows.append(_claim(text, evidence, against.interval, verdict))
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
            who = f"The {kind} capable student ({student})" if len(students) > 1 else f"The {student} student"
            rows.append(
                _claim(
                    f"{who} gains more from {favoured} schedules, {name}",
                    f"hard-first minus easy-to-hard, paired; {row.basis}, {_p_text(row.p)}",
                    found,
                    verdict_of(found if sign > 0 else -found, seeds=row.seeds),
                )
            )
    if (related := correlation(heldout, measure)) is not None:
        rho, p, seeds = related
        evidence = f"rank correlation over {len(law)} students, exact {_p_text(p)}"
        verdict = verdict_of(rho, seeds=seeds) if p < 0.05 or seeds < 3 else "undecided"
        claim = f"The more capable a student, the more it prefers hard-first to easy-to-hard, {name}"
        rows.append(_rank_claim(claim, evidence, rho, verdict))
    return rows


def length_claims(lengths: pd.DataFrame) -> list[dict[str, str]]:
    """Does shorter code go with better scores (the paper's remark)?  No row if there are too few trainings."""
    if (found := length_correlation(lengths)) is None:
        return []
    evidence = f"rank correlation of characters and whole-suite pass rate within students, {len(lengths)} trainings"
    return [_rank_claim("Shorter programs go with better scores", evidence, found, verdict_of(-found))]


def summary_text(gains: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    """What came out, in Markdown, every number taken from the tables."""
    lines = []
    for student, part in gains.groupby("student", sort=False):
        best = part.loc[part["after"].idxmax()]
        of_student = contrasts[contrasts["student"] == student]
        rivals = of_student[(of_student["p_holm"] < 0.05) & (of_student["seeds"] > 2)]
        clear = ", ".join(
            f"{r.first} − {r.second} = {Interval(r.estimate, r.low, r.high)}" for r in rivals.itertuples()
        )
        noise = "No two curricula differ beyond the noise."
        if best["seeds"] < 3:
            noise = "How it would be with other seeds, so few do not tell: take three or more."
        lines.append(
            f"* **{student}**: {100 * best['before']:.1f} % before; best after `{best['policy']}`, "
            f"{100 * best['after']:.1f} % (gain {Interval(best['gain'], best['low'], best['high'])} points). "
            + (f"Differences beyond the noise: {clear}." if clear else noise)
        )
    return "\n".join(lines)


def _p_text(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _claim(claim: str, evidence: str, interval: Interval, verdict: str) -> dict[str, str]:
    number, ends = f"{100 * interval.estimate:+.1f} points", f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"
    return {"claim": claim, "evidence": evidence, "number": number, "interval": ends, "verdict": verdict}


def _rank_claim(claim: str, evidence: str, rho: Interval, verdict: str) -> dict[str, str]:
    number, ends = f"{rho.estimate:+.2f}", f"{rho.low:+.2f} to {rho.high:+.2f}"
    return {"claim": claim, "evidence": evidence, "number": number, "interval": ends, "verdict": verdict}
