"""How often does an interval say that two equal curricula differ?  It should be 5 %.

    python benchmarks/seeds.py            # 1,000 studies a row, a minute or two; writes benchmarks/results/seeds.csv

A simulated study trains two policies that are equal, each with the same number of seeds, and measures them on the same 100
held-out problems with 4 samples each, as profile `cpu` does.  The chance to solve a problem is logistic in the problem's
difficulty, the luck of the training (its seed), of the training with this problem, and -- in half of the rows -- of
the policy with this problem, which is zero on average over problems.  The spreads are those of `reports/study`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tarot_lite.statistics import mean_interval

PROBLEMS, SAMPLES = 100, 4
DIFFICULTY, OF_SEED, OF_BOTH, OF_POLICY = 1.5, 0.25, 0.7, 0.6  # standard deviations, logits


def study(rng: np.random.Generator, seeds: int, of_policy: float) -> NDArray[np.float64]:
    """Paired differences, seeds x problems, between two policies that are equal."""
    difficulty = rng.normal(0.3, DIFFICULTY, (1, 1, PROBLEMS))
    policies = rng.normal(0, of_policy, (2, 1, PROBLEMS))
    luck = rng.normal(0, OF_SEED, (2, seeds, 1)) + rng.normal(0, OF_BOTH, (2, seeds, PROBLEMS))
    chance = 1 / (1 + np.exp(-(difficulty + policies + luck)))
    first, second = rng.binomial(SAMPLES, chance) / SAMPLES
    return np.asarray(first - second)


def simulate(studies: int) -> pd.DataFrame:
    """A row per number of seeds and kind of world: in how many per cent of the studies the interval missed zero."""
    rows = []
    for of_policy in (0.0, OF_POLICY):
        for seeds in (1, 2, 3, 5):
            rng = np.random.default_rng(seeds)
            found = [mean_interval(study(rng, seeds, of_policy), resamples=1000) for _ in range(studies)]
            missed = 100 * np.mean([interval.excludes_zero for interval in found])
            width = 100 * np.median([interval.high - interval.low for interval in found])
            rows.append(
                {"seeds": seeds, "policies_differ_by_problem": of_policy > 0, "studies": studies}
                | {"missed_zero_percent": round(float(missed), 1), "median_width_points": round(float(width), 1)}
                | {"interval": "t" if seeds > 2 else "bootstrap"}
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "seeds.csv")
    given = parser.parse_args()
    table = simulate(given.studies)
    print(table.to_string(index=False))
    table.to_csv(given.out, index=False)
