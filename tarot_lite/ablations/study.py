"""What a grid says beyond who won: how fast, how steadily, how sure, and whether capability foretells the best curriculum.

Tables in, tables out.  ``heldout`` is the table of `ablations.collect_heldout`, ``histories`` that of
`ablations.collect_histories`; shares are in [0, 1], differences in [-1, 1].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tarot_lite.curriculum import get_policy
from tarot_lite.problems import Tier
from tarot_lite.statistics import Interval, mean_interval, permutation_p, rank_correlation, seeds_needed, spread

__all__ = [
    "MEASURES",
    "capability_law",
    "capability_of",
    "correlation",
    "hard_minus_easy",
    "learning_speed",
    "power",
    "stability",
]

MEASURES = {"suite": "whole suite", "tiers": "mean of the tiers"}
"""What a contrast is about.  Few programs of a weak student pass everything, whatever it was taught: only the mean of the
four tiers can show what such a student gained."""

_SMOOTHING = 9  # steps
_LAST = 10  # steps


def learning_speed(histories: pd.DataFrame, target: float = 0.3) -> pd.DataFrame:
    """How fast the whole-suite pass rate of the sampled programs rises while training.

    Parameters
    ----------
    histories
        One row per student, policy, seed and step, with ``suite``.
    target
        Pass rate to reach, a share; the curve is smoothed over 9 steps before.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds``, ``area`` with ``low`` and ``high`` (mean pass rate over the training, that is
        the area under the curve, 95 % over seeds), ``reached`` (share of seeds that came to the target) and ``steps``
        (median steps to it; not a number if fewer than half of the seeds came there).

    Examples
    --------
    >>> curve = pd.DataFrame({"student": "s", "policy": "flat", "seed": 0, "step": range(1, 41), "suite": 0.0})
    >>> curve.loc[curve["step"] > 20, "suite"] = 0.5
    >>> learning_speed(curve)[["area", "reached", "steps"]].round(2).to_dict("records")
    [{'area': 0.25, 'reached': 1.0, 'steps': 22.0}]
    """
    rows = []
    for (student, policy), part in histories.groupby(["student", "policy"], sort=False):
        areas, steps = [], []
        for _, run in part.groupby("seed"):
            curve = run.sort_values("step").set_index("step")["suite"]
            areas.append(curve.mean())
            smooth = curve.rolling(_SMOOTHING, min_periods=_SMOOTHING, center=True).mean()
            there = smooth.index[smooth >= target]
            steps.append(there[0] if len(there) else math.inf)
        area, median = mean_interval(areas), float(np.median(steps))
        rows.append(
            {"student": student, "policy": policy, "seeds": len(areas)}
            | {"area": area.estimate, "low": area.low, "high": area.high}
            | {"reached": float(np.isfinite(steps).mean()), "steps": median if math.isfinite(median) else math.nan}
        )
    return pd.DataFrame(rows)


def stability(heldout: pd.DataFrame, histories: pd.DataFrame) -> pd.DataFrame:
    """How steady a curriculum is: from seed to seed, in its signal, in how far it moves.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds``, ``after_sd`` (standard deviation over seeds of held-out whole-suite pass@1;
        not a number with one seed), ``no_signal`` (share of GRPO groups whose rewards were all alike), ``kl`` (to the
        untrained student, mean of the last ten steps; not a number if ``beta`` was 0).
    """
    suite = heldout[heldout["measure"] == "suite"].groupby(["student", "policy", "seed"])["after"].mean()
    rows = []
    for (student, policy), part in histories.groupby(["student", "policy"], sort=False):
        after = suite.loc[(student, policy)]
        last = part[part["step"] > part["step"].max() - _LAST]
        rows.append(
            {"student": student, "policy": policy, "seeds": len(after), "after_sd": after.std(ddof=1)}
            | {"no_signal": 1 - part["signal/reward"].mean()}
            | {"kl": last["kl"].mean() if "kl" in last else math.nan}
        )
    return pd.DataFrame(rows)


def hard_minus_easy(heldout: pd.DataFrame, student: str, measure: str = "suite") -> pd.DataFrame:
    """The paper's contrast: held-out pass@1 after the hard-first curricula minus that after the easy-to-hard ones.

    Parameters
    ----------
    heldout, student
        Table of `ablations.collect_heldout`, and whose rows count.
    measure
        One of `MEASURES`.

    Returns
    -------
    pandas.DataFrame
        Seeds x problems, averaged over the curricula of either kind; only what both kinds finished.  Empty if one of the
        kinds was not trained.
    """
    measures = [tier.value for tier in Tier] if measure == "tiers" else [measure]
    rows = heldout[(heldout["student"] == student) & heldout["measure"].isin(measures)]
    kinds = rows["policy"].map(lambda name: get_policy(name).direction)
    hard, easy = (
        rows[kinds == kind].pivot_table("after", "seed", "problem_id", sort=False)
        for kind in ("hard first", "easy to hard")
    )
    return (hard - easy).dropna(how="all").dropna(axis=1)


def capability_of(heldout: pd.DataFrame) -> pd.Series[float]:
    """Capability before training by student, from the least to the most: mean held-out pass@1 over the four tiers."""
    tiers = heldout[heldout["measure"].isin([tier.value for tier in Tier])]
    return tiers.groupby("student")["before"].mean().sort_values()


def capability_law(heldout: pd.DataFrame, measures: Iterable[str] = MEASURES) -> pd.DataFrame:
    """The contrast of every student beside its capability before training.

    Returns
    -------
    pandas.DataFrame
        ``measure`` and its ``label`` (see `MEASURES`), ``student``, ``capability`` (mean held-out pass@1 over the four
        tiers, untrained), ``seeds``, ``contrast`` (hard first minus easy to hard) with ``low``, ``high`` and the
        permutation ``p``; within a measure, students in order of capability.
    """
    rows = []
    for measure, (student, capability) in itertools.product(measures, capability_of(heldout).items()):
        difference = hard_minus_easy(heldout, str(student), measure)
        if difference.empty:
            continue
        found, p = mean_interval(difference.to_numpy()), permutation_p(difference.to_numpy())
        rows.append(
            {
                "measure": measure,
                "label": MEASURES[measure],
                "student": student,
                "capability": capability,
                "seeds": len(difference),
            }
            | {"contrast": found.estimate, "low": found.low, "high": found.high, "p": p}
        )
    columns = ["measure", "label", "student", "capability", "seeds", "contrast", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def correlation(
    heldout: pd.DataFrame, measure: str = "suite", resamples: int = 2000, seed: int = 0
) -> tuple[Interval, float] | None:
    """Does capability foretell the contrast?  Spearman's rank correlation over students.

    Parameters
    ----------
    heldout
        Of three to nine students that were trained under both kinds of schedule.
    measure
        One of `MEASURES`.
    resamples, seed
        Of the bootstrap over training seeds and problems; the students themselves are not drawn again, so the interval
        is about these students.

    Returns
    -------
    tuple or None
        Correlation in [-1, 1] with its 95 % interval, and the exact permutation p-value; None with too few students, or
        if the contrast is the same for all of them.
    """
    law = capability_law(heldout, [measure])
    if not 3 <= len(law) <= 9:
        return None
    rho, p = rank_correlation(law["capability"], law["contrast"])
    if not math.isfinite(rho):
        return None
    rng = np.random.default_rng(seed)
    differences = [hard_minus_easy(heldout, student, measure).to_numpy() for student in law["student"]]
    drawn = []
    for _ in range(resamples):
        means = []
        for table in differences:
            rows, columns = (rng.integers(size, size=size) for size in table.shape)
            means.append(table[np.ix_(rows, columns)].mean())
        drawn.append(rank_correlation(law["capability"], means)[0])
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(rho, float(low), float(high)), p


def power(heldout: pd.DataFrame, differences: Iterable[float] = (0.05, 0.10)) -> pd.DataFrame:
    """How many seeds it takes to see a difference between hard-first and easy-to-hard, by the spread found here.

    Parameters
    ----------
    differences
        True differences to be noticed with 80 % power at the 5 % level, two-sided, shares.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``seeds`` and ``problems`` of this study, ``sd_seeds``, ``sd_problems``, ``sd_rest`` (shares), and one
        column ``seeds for <n> points`` each: a number, or "more problems" if no number of seeds is enough.  Empty with
        one seed.
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        table = hard_minus_easy(heldout, student)
        if len(table) < 2:
            continue
        of, problems = spread(table.to_numpy()), table.shape[1]
        needed = {
            f"seeds for {100 * d:.0f} points": seeds_needed(of, problems, d) or "more problems" for d in differences
        }
        rows.append(
            {"student": student, "seeds": len(table), "problems": problems}
            | {"sd_seeds": of.seeds, "sd_problems": of.problems, "sd_rest": of.rest}
            | needed
        )
    return pd.DataFrame(rows)
