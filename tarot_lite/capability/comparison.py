"""The same held-out problems before and after a training, paired problem by problem."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from tarot_lite.capability.profile import MEASURES, SUITE, Profile
from tarot_lite.problems import Tier
from tarot_lite.statistics import Interval, mean_interval


@dataclass(frozen=True)
class Comparison:
    """What a training changed.

    Parameters
    ----------
    problems
        One row per problem and measure: ``problem_id``, ``measure``, ``before``, ``after`` (pass@1, shares in [0, 1]).
    summary
        One row per measure and time: ``measure``, ``when`` (``before`` / ``after``), ``rate``, ``low``, ``high``.
    """

    problems: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame = field(repr=False)

    def gain(self, measure: str = SUITE) -> Interval:
        """Gain in pass@1 with its 95 % interval, resampled over problems."""
        part = self.problems[self.problems["measure"] == measure]
        return mean_interval((part["after"] - part["before"]).to_numpy())


def compare(before: Profile, after: Profile) -> Comparison:
    """Pair two probes of one student on the same problems.

    Raises
    ------
    ValueError
        If the two saw different problems.
    """
    frames, summary = [], []
    for measure in MEASURES:
        pair = pd.DataFrame({"before": before.per_problem(measure), "after": after.per_problem(measure)})
        if pair.isna().to_numpy().any():
            missing = ", ".join(map(str, pair.index[pair.isna().any(axis=1)][:3]))
            raise ValueError(f"the two probes saw different problems ({missing}, ...); measure both on the same ones")
        frames.append(pair.rename_axis("problem_id").reset_index().assign(measure=measure))
        for when, profile in (("before", before), ("after", after)):
            rate = profile.rate(measure)
            row = {"measure": measure, "when": when, "rate": rate.estimate, "low": rate.low, "high": rate.high}
            summary.append(row)
    problems = pd.concat(frames, ignore_index=True)[["problem_id", "measure", "before", "after"]]
    return Comparison(problems, pd.DataFrame(summary))


def ladder(profile: Profile) -> dict[str, Interval]:
    """How much pass@1 falls from each tier to the next, paired by problem: are the tiers a ladder for this student?

    Returns
    -------
    dict
        ``"basic to intermediate"`` and so on, each a difference in pass@1 with its 95 % interval; above 0 is a rung.
    """
    rates = {tier: profile.per_problem(tier.value) for tier in Tier}
    pairs = {f"{low} to {high}": (rates[low] - rates[high]).dropna() for low, high in pairwise(Tier)}
    return {name: mean_interval(difference.to_numpy()) for name, difference in pairs.items()}
