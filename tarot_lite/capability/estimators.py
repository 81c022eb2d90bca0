"""The statistics of a probe: pass@k, intervals, and what a group of completions can teach GRPO."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from tarot_lite.statistics import Interval

__all__ = ["binary_signal", "bootstrap", "group_signal", "wilson"]

_FEW = 5  # problems: with fewer that differ from 0 (or from 1), resampling them says little


def wilson(c: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a single proportion: `c` of `n` independent trials.

    Never empty, also for 0 of `n`.  Samples of one problem are *not* independent; for those see `bootstrap`.

    Examples
    --------
    >>> interval = wilson(0, 20)
    >>> interval.low, round(interval.high, 3)
    (0.0, 0.161)
    """
    if not 0 <= c <= n or n < 1:
        raise ValueError(f"wilson: {c} of {n}; give 0 <= c <= n and at least one trial")
    return _wilson(c / n, n, level)


def bootstrap(values: ArrayLike, seed: int = 0, resamples: int = 2000, level: float = 0.95) -> Interval:
    """Mean over problems with an interval from resampling problems.

    Percentiles, taken a little further out to make up for small samples (Hesterberg 2015).  When fewer than five
    problems differ from 0, or from 1, resampling knows too little -- of all zeros it would claim certainty -- and
    Wilson's interval with as many trials as there are problems is taken instead, which errs on the wide side.

    Parameters
    ----------
    values
        One share in [0, 1] per problem, such as its pass rate.
    seed, resamples, level
        Of the resampling.

    Raises
    ------
    ValueError
        If there is no value.

    Examples
    --------
    >>> bootstrap([0.0] * 30).high > 0.1
    True
    >>> bootstrap([0.25, 0.5, 0.75] * 10).estimate
    0.5
    """
    shares = np.asarray(values, dtype=float)
    if shares.ndim != 1 or not shares.size:
        raise ValueError(f"bootstrap: values have shape {shares.shape}; give one share per problem, at least one")
    n, mean = shares.size, float(shares.mean())
    if min((shares > 0).sum(), (shares < 1).sum()) < _FEW or n < _FEW:
        return _wilson(mean, n, level)
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    means = shares[draws].mean(axis=1)
    normal = NormalDist()
    z = normal.inv_cdf((1 + level) / 2)
    tail = normal.cdf(-z * math.sqrt(n / (n - 1)) * (1 + (z * z + 1) / (4 * n)))  # about Student's t with n - 1
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(mean, float(max(low, 0.0)), float(min(high, 1.0)))


def group_signal(rewards: Sequence[float], size: int) -> tuple[float, float]:
    """What groups of `size` completions of one problem hold for GRPO, from a sample of its rewards.

    Averages over *all* groups that can be drawn from the sample, which is the limit of resampling them and, for a
    sample of at least `size`, free of bias.  A smaller sample is drawn from with replacement (then the share is too low).

    Returns
    -------
    tuple of float
        Share of groups whose rewards differ, and mean variance within a group (divided by `size`, as in GRPO).

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


def _wilson(share: float, n: float, level: float) -> Interval:
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(share, 0.0 if share == 0 else low, 1.0 if share == 1 else high)
