"""What a probe says of a model: pass rates per tier with intervals, costs, and where its programs fail."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from tarot_lite.capability.rollouts import Sample, Score
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, Tier
from tarot_lite.rewards import FormatReward
from tarot_lite.statistics import Interval, mean_interval, pass_at_k, share_interval

SUITE = "suite"
MEASURES = (*(tier.value for tier in Tier), SUITE)
"""What can be measured: each tier (all its tests pass), and the whole suite (all tests of all tiers pass)."""


@dataclass(frozen=True)
class Profile:
    """Capability of one student on one set of problems, before training.

    Parameters
    ----------
    student
        Its name.
    outcomes
        One row per completion: ``problem_id``, ``sample``, a column per measure (True, False, or None if the problem
        lacks the tier), ``tokens``, ``truncated``, ``has_code``, ``well_formed``.
    verdicts
        How often each verdict came up, per tier.
    seed
        Of the intervals.
    """

    student: str
    outcomes: pd.DataFrame
    verdicts: pd.DataFrame = field(repr=False)
    seed: int = 0

    @property
    def problems(self) -> int:
        """Number of problems."""
        return int(self.outcomes["problem_id"].nunique())

    @property
    def samples(self) -> int:
        """Completions per problem (the fewest of any)."""
        return int(self.outcomes.groupby("problem_id").size().min())

    @property
    def tokens(self) -> int:
        """Tokens generated in all."""
        return int(self.outcomes["tokens"].sum())

    @property
    def truncated(self) -> float:
        """Share of completions cut at the token limit."""
        return float(self.outcomes["truncated"].mean())

    @property
    def no_code(self) -> float:
        """Share of completions in which no program was found."""
        return float(1 - self.outcomes["has_code"].mean())

    @property
    def well_formed(self) -> float:
        """Share of completions in the form that the format reward pays for (reasoning and answer, each in its tags)."""
        return float(self.outcomes["well_formed"].mean())

    def per_problem(self, measure: str = SUITE, k: int = 1) -> pd.Series[float]:
        """pass@k of every problem that has the measure, by problem id."""
        if measure not in MEASURES:
            raise ValueError(f"measure {measure!r} is unknown; use one of {', '.join(MEASURES)}")
        known = self.outcomes.dropna(subset=[measure])
        counts = known.groupby("problem_id", sort=False)[measure].agg(["size", "sum"])
        return counts.apply(lambda row: pass_at_k(int(row["size"]), int(row["sum"]), k), axis=1, result_type="reduce")

    def rate(self, measure: str = SUITE, k: int = 1) -> Interval:
        """pass@k over all problems with its 95 % interval, resampled over problems.

        Not a number, from 0 to 1, if no problem has the tier.
        """
        values = self.per_problem(measure, k)
        return share_interval(values.to_numpy(), seed=self.seed) if len(values) else Interval(float("nan"), 0.0, 1.0)

    def capability(self) -> Interval:
        """One number: pass@1 averaged over the tiers that there are, problem by problem, with its interval."""
        tiers = [tier.value for tier in Tier if self.outcomes[tier.value].notna().any()]
        values = pd.concat([self.per_problem(tier) for tier in tiers], axis=1).mean(axis=1)
        return share_interval(values.to_numpy(), seed=self.seed)

    def table(self, ks: Sequence[int] = (1,)) -> pd.DataFrame:
        """Tidy results: ``student``, ``measure``, ``k``, ``rate``, ``low``, ``high`` (shares), ``problems``, ``samples``."""
        rows = []
        for measure in MEASURES:
            problems = int(self.outcomes.dropna(subset=[measure])["problem_id"].nunique())
            for k in ks:
                interval = self.rate(measure, k)
                rows.append(
                    {
                        "student": self.student,
                        "measure": measure,
                        "k": k,
                        "rate": interval.estimate,
                        "low": interval.low,
                        "high": interval.high,
                        "problems": problems,
                        "samples": self.samples,
                    }
                )
        return pd.DataFrame(rows)

    def costs(self) -> dict[str, Any]:
        """What the probe took: completions, tokens, tokens per completion, shares truncated, without code, well-formed."""
        return {
            "student": self.student,
            "completions": len(self.outcomes),
            "tokens": self.tokens,
            "tokens_per_completion": self.tokens / len(self.outcomes),
            "truncated": self.truncated,
            "no_code": self.no_code,
            "well_formed": self.well_formed,
        }

    def budget(self, measure: str = SUITE, sizes: Sequence[int] = (10, 20, 40, 80)) -> pd.DataFrame:
        """What more, or less, of a probe would change: interval against cost, from the rollouts at hand.

        Parameters
        ----------
        measure
            Whose interval.
        sizes
            Numbers of problems; those beyond the probe are left out, the whole probe is added.

        Returns
        -------
        DataFrame
            ``student``, ``problems``, ``samples``, ``tokens``, ``rate``, ``width`` (high - low), for the first so many
            problems and samples; each a real sub-probe, not a formula.
        """
        order = list(dict.fromkeys(self.outcomes["problem_id"]))
        counts = sorted({size for size in sizes if size < len(order)} | {len(order)})
        samples = sorted({2**i for i in range(10) if 2**i < self.samples} | {self.samples})
        rows = []
        for problems in counts:
            for count in samples:
                chosen = self.outcomes["problem_id"].isin(order[:problems]) & (self.outcomes["sample"] < count)
                part = Profile(self.student, self.outcomes[chosen], self.verdicts, self.seed)
                interval = part.rate(measure)
                rows.append(
                    {
                        "student": self.student,
                        "problems": problems,
                        "samples": count,
                        "tokens": part.tokens,
                        "rate": interval.estimate,
                        "width": interval.high - interval.low,
                    }
                )
        return pd.DataFrame(rows)


def outcomes_of(
    problems: Sequence[Problem],
    samples: Sequence[Sample],
    scores: dict[tuple[str, int], Score],
    tags: tuple[str, str] = ("think", "answer"),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `Profile.outcomes` and `Profile.verdicts` from rollouts; `tags` are those of a well-formed completion."""
    well_formed = FormatReward(*tags)([sample.completion for sample in samples])
    tests = {problem.problem_id: problem.tests for problem in problems}
    rows, seen = [], {tier: Counter[str]() for tier in Tier}
    for sample, form in zip(samples, well_formed, strict=True):
        verdicts = scores[sample.problem_id, sample.sample].verdicts
        row: dict[str, Any] = {"problem_id": sample.problem_id, "sample": sample.sample}
        of_tiers: list[bool] = []
        for tier in Tier:
            of_tier = [v for v, test in zip(verdicts, tests[sample.problem_id], strict=True) if test.tier is tier]
            seen[tier].update(of_tier)
            row[tier.value] = all(v == Verdict.PASSED for v in of_tier) if of_tier else None
            of_tiers += [row[tier.value]] if of_tier else []
        row |= {SUITE: all(of_tiers), "tokens": sample.tokens, "truncated": sample.truncated}
        rows.append(row | {"has_code": sample.code is not None, "well_formed": form > 0})
    table = pd.DataFrame({tier.value: {v.value: seen[tier][v.value] for v in Verdict} for tier in Tier})
    shares = (table / np.maximum(table.sum(axis=0), 1)).rename_axis("verdict").reset_index()
    return pd.DataFrame(rows).astype(dict.fromkeys(MEASURES, object)), shares


def group_signal(rewards: Sequence[float], size: int) -> tuple[float, float]:
    """What groups of `size` completions of one problem hold for GRPO, from a sample of its rewards.

    Averages over *all* groups that can be drawn from the sample, which is the limit of resampling them and, for a
    sample of at least `size`, free of bias.  A smaller sample is drawn from with replacement (then the share is too low).

    Examples
    --------
    >>> group_signal([0.0, 1.0], 2)
    (1.0, 0.25)
    >>> group_signal([1.0, 1.0, 1.0], 2)
    (0.0, 0.0)
    """
    n = len(rewards)
    if not n or size < 1:
        raise ValueError(f"group_signal: {n} rewards, groups of {size}; give at least one reward and a size of 1")
    counts = Counter(round(reward, 9) for reward in rewards)
    if n >= size:
        constant = sum(math.comb(count, size) for count in counts.values()) / math.comb(n, size)
        spread = float(np.var(rewards, ddof=1)) if n > 1 else 0.0
    else:
        constant = sum((count / n) ** size for count in counts.values())
        spread = float(np.var(rewards))
    return 1.0 - constant, spread * (size - 1) / size


def binary_signal(p: float, size: int, weight: float = 1.0) -> tuple[float, float]:
    """The same in closed form for a reward of `weight` that comes with chance `p`, independently each time.

    Examples
    --------
    >>> binary_signal(0.5, 2)
    (0.5, 0.125)
    """
    return 1.0 - p**size - (1.0 - p) ** size, weight**2 * p * (1.0 - p) * (size - 1) / size


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
