"""What a probe says of a model: pass rates per tier with intervals, costs, and where its programs fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tarot_lite.capability.rollouts import Sample, Score
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, Tier
from tarot_lite.rewards import FormatReward
from tarot_lite.statistics import Interval, pass_at_k, share_interval

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
    stopped
        Why sampling ended, in words.
    seed
        Of the intervals.
    """

    student: str
    outcomes: pd.DataFrame
    verdicts: pd.DataFrame = field(repr=False)
    stopped: str = ""
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
            "stopped": self.stopped,
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
                part = Profile(self.student, self.outcomes[chosen], self.verdicts, seed=self.seed)
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
