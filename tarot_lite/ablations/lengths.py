"""Does shorter code go with better scores?  (The paper's remark on concise programs.)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tarot_lite.statistics import Interval, verdict_of

__all__ = ["length_claims", "length_correlation"]

_FEWEST = 8  # trainings; with fewer the interval says nothing


def length_correlation(lengths: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> Interval | None:
    """Rank correlation of program length and whole-suite pass rate over trainings, within students.

    Ranks are taken student by student, so that a student which writes both better and shorter programs than another
    does not count.

    Parameters
    ----------
    lengths
        As `collect_lengths` returns.
    resamples
        Bootstrap samples of trainings.
    seed
        Of the bootstrap.

    Returns
    -------
    Interval or None
        In [-1, 1] with its 95 % interval; None with fewer than eight trainings, or if all are alike.

    Examples
    --------
    >>> table = pd.DataFrame({"student": "a", "characters_after": range(9), "passed_after": range(9, 0, -1)})
    >>> length_correlation(table).estimate
    -1.0
    """
    if len(lengths) < _FEWEST:
        return None
    groups = lengths.groupby("student")
    ranks = np.stack(
        [
            (groups[column].rank() - groups[column].transform(lambda values: values.rank().mean())).to_numpy()
            for column in ("characters_after", "passed_after")
        ]
    )
    if not ranks.std(axis=1).all():
        return None
    rng = np.random.default_rng(seed)
    drawn = ranks[:, rng.integers(0, ranks.shape[1], (resamples, ranks.shape[1]))]  # axis x resample x training
    product = (drawn[0] * drawn[1]).sum(axis=1)
    norm = np.sqrt((drawn[0] ** 2).sum(axis=1) * (drawn[1] ** 2).sum(axis=1))
    low, high = np.quantile(product[norm > 0] / norm[norm > 0], [0.025, 0.975])
    estimate = (ranks[0] * ranks[1]).sum() / np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return Interval(round(float(estimate), 12), float(low), float(high))


def length_claims(lengths: pd.DataFrame) -> list[dict[str, str]]:
    """Row of the claims table about code length; none if there are too few trainings."""
    found = length_correlation(lengths)
    if found is None:
        return []
    return [
        {
            "claim": "Shorter programs go with better scores",
            "evidence": f"rank correlation of characters and whole-suite pass rate within students, {len(lengths)} trainings",
            "number": f"{found.estimate:+.2f}",
            "interval": f"{found.low:+.2f} to {found.high:+.2f}",
            "verdict": verdict_of(-found),
        }
    ]
