"""What a grid says: gains, differences between curricula and settings, how fast, how steadily, how sure.

Tables in, tables out.  ``heldout`` is the table of `ablations.collect_heldout`, ``histories`` that of
`ablations.collect_histories`; shares are in [0, 1], differences in [-1, 1].  Every difference has the columns of
`statistics.Paired`: ``seeds``, ``low``, ``high``, ``p``, ``p_exact``, ``by_seed`` (points) and ``basis``.  A table that can be
empty keeps its columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from tarot_lite.curriculum import get_policy
from tarot_lite.problems import Tier
from tarot_lite.statistics import (
    Interval,
    Paired,
    bootstrap,
    holm,
    mean_interval,
    paired,
    rank_correlation,
    resampled_means,
    seeds_needed,
    spread,
)

MEASURES = {"suite": "whole suite", "tiers": "mean of the tiers"}
"""What a contrast is about.  Few programs of a weak student pass everything, whatever it was taught: only the mean of the
four tiers can show what such a student gained."""

_TIERS = [tier.value for tier in Tier]
_NOISE = ["low", "high", "p", "p_exact", "by_seed", "basis"]
_SMOOTHING = 9  # steps
_LAST = 10  # steps
_FEWEST = 8  # trainings for a correlation; with fewer the interval says nothing


def gains(heldout: pd.DataFrame, measure: str = "suite") -> pd.DataFrame:
    """Gain in held-out pass@1 per student and policy, paired by problem.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds``, ``before``, ``after``, ``gain`` and the columns of its noise.
    """
    rows = []
    of_measure = _of_measure(heldout, measure)
    for (student, policy), part in of_measure.groupby(["student", "policy"], sort=False):
        found = paired(_table(part.assign(gain=part["after"] - part["before"]), "gain"))
        means = {"before": part["before"].mean(), "after": part["after"].mean()}
        rows.append({"student": student, "policy": policy} | means | found.columns("gain"))
    return _frame(rows, ["student", "policy", "seeds", "before", "after", "gain", *_NOISE])


def contrast(heldout: pd.DataFrame, student: str, first: str, second: str, measure: str = "suite") -> Paired | None:
    """How much better `student` is after `first` than after `second`, paired by problem and seed.

    None if no seed was finished under both.
    """
    rows = _of_measure(heldout[heldout["student"] == student], measure)
    return _difference(*(rows[rows["policy"] == policy] for policy in (first, second)))


def compared(policies: Iterable[str], baseline: str = "flat") -> list[tuple[str, str]]:
    """Pairs of curricula that are compared: hard first with easy to hard, adaptive ones and the baseline with everything.

    Without the baseline among them, all pairs.  Few comparisons leave more power after the correction for their number.

    Examples
    --------
    >>> compared(["uni", "var", "var_asce_rev", "flat"])[:2]
    [('var_asce_rev', 'flat'), ('var_asce_rev', 'uni')]
    """
    ways = {name: get_policy(name).direction for name in policies}
    # a difference is told as the former minus the latter
    order = ("adaptive", "hard first", "no schedule", "easy to hard")
    pairs = list(itertools.combinations(sorted(ways, key=lambda name: (order.index(ways[name]), name != baseline)), 2))
    if baseline not in ways:
        return pairs
    return [
        (first, second)
        for first, second in pairs
        if baseline in (first, second)
        or (ways[first], ways[second]) == ("hard first", "easy to hard")
        or (ways[first] == "adaptive") > (ways[second] == "adaptive")
    ]


def contrasts(heldout: pd.DataFrame) -> pd.DataFrame:
    """Differences between the curricula (`compared`) of every student, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``first``, ``second``, ``label``, ``seeds``, ``estimate`` and the columns of its noise, and ``p_holm``:
        ``p`` corrected for the number of comparisons (Holm).
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        for first, second in compared(dict.fromkeys(heldout.loc[heldout["student"] == student, "policy"])):
            if (found := contrast(heldout, student, first, second)) is not None:
                names = {"student": student, "first": first, "second": second}
                rows.append(names | {"label": f"{student}: {first} − {second}"} | found.columns())
    return _with_holm(rows, ["student", "first", "second", "label", "seeds", "estimate"])


def hard_minus_easy(heldout: pd.DataFrame, student: str, measure: str = "suite") -> pd.DataFrame:
    """The paper's contrast: held-out pass@1 after the hard-first curricula minus that after the easy-to-hard ones."""
    rows = _of_measure(heldout[heldout["student"] == student], measure)
    kinds = rows["policy"].map(lambda name: get_policy(name).direction)
    hard, easy = (_table(rows[kinds == kind], "after") for kind in ("hard first", "easy to hard"))
    return (hard - easy).dropna(how="all").dropna(axis=1)


def capability_of(heldout: pd.DataFrame) -> pd.Series[float]:
    """Capability before training by student, from the least to the most: mean held-out pass@1 over the four tiers."""
    return _of_measure(heldout, "tiers").groupby("student")["before"].mean().sort_values()


def capability_law(heldout: pd.DataFrame, measures: Iterable[str] = MEASURES) -> pd.DataFrame:
    """The contrast of every student beside its capability before training.

    Returns
    -------
    pandas.DataFrame
        ``measure`` and its ``label`` (see `MEASURES`), ``student``, ``capability`` (mean held-out pass@1 over the four
        tiers, untrained), ``seeds``, ``contrast`` (hard first minus easy to hard) and the columns of its noise; within a
        measure, students in order of capability.
    """
    rows = []
    for measure, (student, capability) in itertools.product(measures, capability_of(heldout).items()):
        difference = hard_minus_easy(heldout, str(student), measure)
        if not difference.empty:
            names = {"measure": measure, "label": MEASURES[measure], "student": student, "capability": capability}
            rows.append(names | paired(difference).columns("contrast"))
    return _frame(rows, ["measure", "label", "student", "capability", "seeds", "contrast", *_NOISE])


def correlation(
    heldout: pd.DataFrame, measure: str = "suite", resamples: int = 2000
) -> tuple[Interval, float, int] | None:
    """Does capability foretell the contrast?  Spearman's rank correlation over three to nine students.

    Returns
    -------
    tuple or None
        Correlation in [-1, 1] with its 95 % interval (bootstrap over training seeds and problems; the students are not
        drawn again, so it is about these students), the exact permutation p-value, and the fewest seeds of a student;
        None with too few students, or if the contrast is the same for all of them.
    """
    law = capability_law(heldout, [measure])
    if not 3 <= len(law) <= 9:
        return None
    rho, p = rank_correlation(law["capability"], law["contrast"])
    if not math.isfinite(rho):
        return None
    tables = [hard_minus_easy(heldout, student, measure).to_numpy() for student in law["student"]]
    means = pd.DataFrame([resampled_means(table, seed, resamples) for seed, table in enumerate(tables)])
    drawn = means.corrwith(law["capability"], method="spearman")
    low, high = np.nanquantile(drawn.round(12), [0.025, 0.975])
    return Interval(rho, float(low), float(high)), p, int(law["seeds"].min())


def base_variant(table: pd.DataFrame) -> str:
    """The variant that the others are compared with: the run's own settings, else the first of the grid.

    Examples
    --------
    >>> base_variant(pd.DataFrame({"variant": ["beta=0.0", ""]}))
    ''
    """
    variants = list(dict.fromkeys(table["variant"]))
    return "" if "" in variants or not variants else variants[0]


def of_base(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the base variant alone: the plain grid of students x policies x seeds."""
    return table[table["variant"] == base_variant(table)]


def variant_contrasts(heldout: pd.DataFrame, measure: str = "suite") -> pd.DataFrame:
    """Every variant against the base, student by student and policy by policy, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``variant``, ``label``, ``seeds``, ``estimate`` (variant minus base) and the columns of
        its noise, and ``p_holm``.  Without rows if the grid has no further axes.
    """
    base = base_variant(heldout)
    rows = []
    for (student, policy), part in _of_measure(heldout, measure).groupby(["student", "policy"], sort=False):
        for variant in [name for name in dict.fromkeys(part["variant"]) if name != base]:
            found = _difference(part[part["variant"] == variant], part[part["variant"] == base])
            if found is not None:
                names = {"student": student, "policy": policy, "variant": variant}
                rows.append(names | {"label": f"{student}, {policy}: {variant}"} | found.columns())
    return _with_holm(rows, ["student", "policy", "variant", "label", "seeds", "estimate"])


def order_by_variant(heldout: pd.DataFrame) -> pd.DataFrame:
    """Hard first minus easy to hard under every variant: on which settings does it depend who gains from which order?

    Returns
    -------
    pandas.DataFrame
        As `capability_law`, with ``variant`` in front, a ``label`` that names student and variant, ``estimate`` instead of
        ``contrast``, and ``p_holm``, corrected for the number of rows.  Without rows if the grid has no further axes.
    """
    base = base_variant(heldout)
    names = [base, *(name for name in dict.fromkeys(heldout["variant"]) if name != base)]
    rows: list[dict[str, Any]] = []
    for name in names if len(names) > 1 else ():
        law = capability_law(heldout[heldout["variant"] == name]).rename(columns={"contrast": "estimate"})
        for row in law.to_dict("records"):
            shown = name or "own settings"
            rows.append({"variant": shown} | row | {"label": f"{row['student']}, {shown}: {row['label']}"})
    rows.sort(key=lambda row: (row["measure"], row["capability"]))
    return _with_holm(rows, ["variant", "measure", "label", "student", "capability", "seeds", "estimate"])


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
            areas.append([curve.mean()])
            smooth = curve.rolling(_SMOOTHING, min_periods=_SMOOTHING, center=True).mean()
            there = smooth.index[smooth >= target]
            steps.append(there[0] if len(there) else math.inf)
        area, median = mean_interval(areas), float(np.median(steps))
        low, high = (
            (max(0.0, area.low), area.high) if len(areas) > 1 else (math.nan, math.nan)
        )  # of one there is no spread
        rows.append(
            {"student": student, "policy": policy, "seeds": len(areas), "area": area.estimate, "low": low, "high": high}
            | {"reached": float(np.isfinite(steps).mean()), "steps": median if math.isfinite(median) else math.nan}
        )
    return _frame(rows, ["student", "policy", "seeds", "area", "low", "high", "reached", "steps"])


def stability(heldout: pd.DataFrame, histories: pd.DataFrame) -> pd.DataFrame:
    """How steady a curriculum is: from seed to seed, in its signal, in how far it moves.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds``, ``after_sd`` (standard deviation over seeds of held-out whole-suite pass@1;
        not a number with one seed), ``no_signal`` (share of GRPO groups whose rewards were all alike), ``kl`` (to the
        untrained student, mean of the last ten steps; not a number if ``beta`` was 0).
    """
    suite = _of_measure(heldout, "suite").groupby(["student", "policy", "seed"])["after"].mean()
    rows = []
    for (student, policy), part in histories.groupby(["student", "policy"], sort=False):
        after = suite.loc[(student, policy)]
        last = part[part["step"] > part["step"].max() - _LAST]
        rows.append(
            {"student": student, "policy": policy, "seeds": len(after), "after_sd": after.std(ddof=1)}
            | {"no_signal": 1 - part["signal/reward"].mean()}
            | {"kl": last["kl"].mean() if "kl" in last else math.nan}
        )
    return _frame(rows, ["student", "policy", "seeds", "after_sd", "no_signal", "kl"])


def regret(heldout: pd.DataFrame, measures: Iterable[str] = MEASURES) -> pd.DataFrame:
    """What each policy cost every student, against the best fixed one, chosen in hindsight.

    Parameters
    ----------
    heldout
        Table of `ablations.collect_heldout`.
    measures
        Of `MEASURES`.

    Returns
    -------
    pandas.DataFrame
        ``measure``, ``label``, ``student`` (from the least to the most capable), ``policy``, ``best`` (of the policies that
        do not adapt), ``seeds``, ``regret`` with ``low`` and ``high``: held-out pass@1 of the best less that of the policy
        (shares in [-1, 1]; below 0 it was better), 95 % interval with the seeds as the unit (Student's t; not a number with
        one seed).  The rows of the student ``worst`` repeat, per policy, the student that it cost most.  Empty without a
        policy that does not adapt.

    Examples
    --------
    >>> rows = [("flat", 0, 0.5), ("flat", 1, 0.7), ("frontier", 0, 0.6), ("frontier", 1, 0.6)]
    >>> table = pd.DataFrame(rows, columns=["policy", "seed", "after"])
    >>> table = table.assign(student="weak", measure="suite", problem_id="p", before=0.0)
    >>> regret(table, ["suite"]).set_index(["student", "policy"])["regret"].round(3).to_dict()[("weak", "frontier")]
    0.0
    """
    columns = ["measure", "label", "student", "policy", "best", "seeds", "regret", "low", "high"]
    rows: list[dict[str, object]] = []
    tiers = [tier.value for tier in Tier]
    order = [*capability_of(heldout).index, *dict.fromkeys(heldout["student"])]
    for measure, student in itertools.product(measures, dict.fromkeys(order)):
        counted = heldout["measure"].isin(tiers if measure == "tiers" else [measure])
        part = heldout[counted & (heldout["student"] == student)]
        by_seed = part.pivot_table("after", "seed", "policy", sort=False)
        fixed = [name for name in by_seed if get_policy(name).rule is None]
        if not fixed:
            continue
        best = by_seed[fixed].mean().idxmax()
        for policy in by_seed:
            found = _over_seeds((by_seed[best] - by_seed[policy]).dropna())
            row = {"measure": measure, "label": MEASURES[measure], "student": student, "policy": policy, "best": best}
            rows.append(row | found)
    table = pd.DataFrame(rows, columns=columns)
    worst = table.loc[table.groupby(["measure", "policy"], sort=False)["regret"].idxmax()] if len(table) else table
    return pd.concat([table, worst.assign(student="worst")], ignore_index=True)


def _over_seeds(values: pd.Series[float]) -> dict[str, float]:
    """Mean of one number per seed, with Student's interval."""
    count, mean = len(values), float(values.mean())
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return {"seeds": count, "regret": mean, "low": mean - half, "high": mean + half}


def power(heldout: pd.DataFrame, differences: Sequence[float] = (0.05, 0.10)) -> pd.DataFrame:
    """How many seeds it takes to see a difference between hard-first and easy-to-hard, by the spread found here.

    Parameters
    ----------
    differences
        True differences to be noticed with 80 % power at the 5 % level, two-sided, shares.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``seeds`` and ``problems`` of this study, ``sd_seeds``, ``sd_problems``, ``sd_rest`` (shares), and one
        column ``seeds for <n> points`` each: a number, or "more problems" if no number of seeds is enough.  Without rows
        if there is one seed.
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        table = hard_minus_easy(heldout, student)
        if min(table.shape) < 2:
            continue
        of, problems = spread(table.to_numpy()), table.shape[1]
        needed = {_points(d): seeds_needed(of, problems, d) or "more problems" for d in differences}
        rows.append(
            {"student": student, "seeds": len(table), "problems": problems}
            | {f"sd_{part}": round(getattr(of, part), 4) for part in ("seeds", "problems", "rest")}
            | needed
        )
    columns = ["student", "seeds", "problems", "sd_seeds", "sd_problems", "sd_rest", *map(_points, differences)]
    return _frame(rows, columns)


def length_correlation(lengths: pd.DataFrame) -> Interval | None:
    """Rank correlation of program length and whole-suite pass rate over trainings, within students.

    Ranks are taken student by student, so that a student which writes both better and shorter programs than another
    does not count.

    Examples
    --------
    >>> table = pd.DataFrame({"student": "a", "characters_after": range(9), "passed_after": range(9, 0, -1)})
    >>> length_correlation(table).estimate
    -1.0
    """
    if len(lengths) < _FEWEST:
        return None
    groups = lengths.groupby("student")
    ranks = [
        groups[column].rank() - groups[column].rank().groupby(lengths["student"]).transform("mean")
        for column in ("characters_after", "passed_after")
    ]
    if any(np.ptp(values) == 0 for values in ranks):
        return None

    def correlation(x: Any, y: Any, axis: int = -1) -> Any:
        return (x * y).sum(axis=axis) / np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))

    return Interval(round(float(correlation(ranks[0], ranks[1], axis=0)), 12), *bootstrap(correlation, *ranks))


# ---------------------------------------------------------------------------------------------------------- helpers


def _of_measure(heldout: pd.DataFrame, measure: str) -> pd.DataFrame:
    return heldout[heldout["measure"].isin(_TIERS if measure == "tiers" else [measure])]


def _table(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Seeds x problems, the mean over whatever else there is."""
    return rows.pivot_table(column, "seed", "problem_id", sort=False)


def _difference(first: pd.DataFrame, second: pd.DataFrame) -> Paired | None:
    """Of the seeds and problems of both; None if there is none."""
    found = (_table(first, "after") - _table(second, "after")).dropna(how="all").dropna(axis=1)
    return None if found.empty else paired(found)


def _frame(rows: Sequence[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns)


def _with_holm(rows: Sequence[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    table = _frame(rows, [*columns, *_NOISE])
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def _points(difference: float) -> str:
    return f"seeds for {100 * difference:.0f} points"
