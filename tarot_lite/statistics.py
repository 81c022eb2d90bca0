"""Honest intervals for differences between trained students.

The unit that is drawn again is the held-out *problem* (and, with several, the *seed*), never the single sample:
samples of one problem are alike, and intervals that forget it are too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "Spread",
    "holm",
    "mean_interval",
    "pass_at_k",
    "permutation_p",
    "rank_correlation",
    "seeds_needed",
    "spread",
    "verdict_of",
]

RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and where it lies with 95 % confidence; in the unit of what was measured.

    Examples
    --------
    >>> str(Interval(0.42, 0.31, 0.53))
    '+42.0 [+31.0, +53.0]'
    """

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.estimate:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"

    def __neg__(self) -> Interval:
        return Interval(-self.estimate, -self.high, -self.low)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def mean_interval(values: ArrayLike, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95) -> Interval:
    """Mean of a seeds x problems table with a percentile bootstrap interval over both.

    Parameters
    ----------
    values
        Shape (problems,) or (seeds, problems): one number per seed and problem, such as the gain in pass@1 (a share
        in [-1, 1]).  Differences should be taken before, problem by problem: that is what makes them paired.
    seed
        Of the resampling.
    resamples
        Number of bootstrap tables.
    level
        Confidence, in (0, 1).

    Returns
    -------
    Interval
        With one seed, the interval knows nothing of the spread between seeds; say so beside it.

    Raises
    ------
    ValueError
        If there is no value, or one is not a number.

    Examples
    --------
    >>> mean_interval([[0.0, 1.0, 1.0, 0.0]]).estimate
    0.5
    """
    table = _table(values)
    rng = np.random.default_rng(seed)
    seeds, problems = table.shape
    rows = rng.integers(seeds, size=(resamples, seeds, 1))
    columns = rng.integers(problems, size=(resamples, 1, problems))
    means = table[rows, columns].mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(table.mean()), float(low), float(high))


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that at least one of `k` samples is right, estimated without bias from `c` right ones of `n`.

    The estimator of Chen et al. 2021: one minus the share of subsets of size `k` without a right sample.

    Raises
    ------
    ValueError
        If not ``0 <= c <= n`` or not ``1 <= k <= n``.

    Examples
    --------
    >>> pass_at_k(5, 2, 1), pass_at_k(5, 4, 2)
    (0.4, 1.0)
    """
    if not 0 <= c <= n:
        raise ValueError(f"pass@k: {c} right of {n} samples; give 0 <= c <= n")
    if not 1 <= k <= n:
        raise ValueError(
            f"pass@k: k is {k} with {n} samples a problem; draw at least k samples, or ask a k from 1 to {n}"
        )
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def permutation_p(differences: ArrayLike, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value that paired differences have no sign, by flipping signs problem by problem.

    Parameters
    ----------
    differences
        Shape (problems,) or (seeds, problems); a problem's row of seeds is flipped as one.
    seed, resamples
        Of the permutations.

    Returns
    -------
    float
        In (0, 1]; at least ``1 / (resamples + 1)``.

    Examples
    --------
    >>> permutation_p(np.ones(20)) < 0.001
    True
    >>> permutation_p([1.0, -1.0])
    1.0
    """
    per_problem = _table(differences).mean(axis=0)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(resamples, per_problem.size))
    as_large = np.abs(signs @ per_problem) >= abs(per_problem.sum()) - 1e-12
    return float((as_large.sum() + 1) / (resamples + 1))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """p-values corrected for their number (Holm 1979), in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the noise of a seeds x problems table comes from, as standard deviations in the unit of the values.

    Parameters
    ----------
    seeds, problems
        Between seeds and between problems: what more seeds, and more problems, would average out.
    rest
        What neither explains.
    """

    seeds: float
    problems: float
    rest: float


def spread(values: ArrayLike) -> Spread:
    """Split the variance of a seeds x problems table (two-way analysis of variance, both factors random).

    Parameters
    ----------
    values
        Shape (seeds, problems), at least 2 x 2; such as paired differences in pass@1.

    Raises
    ------
    ValueError
        If there are fewer than two seeds or problems: their spread cannot be seen then.

    Examples
    --------
    >>> spread([[0.0, 0.2], [0.4, 0.6]])
    Spread(seeds=0.2828, problems=0.1414, rest=0.0)
    """
    table = _table(values)
    seeds, problems = table.shape
    if seeds < 2 or problems < 2:
        raise ValueError(f"values have shape {table.shape}; the spread needs two seeds and two problems or more")
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / ((seeds - 1) * (problems - 1))
    between_seeds = max(0.0, rows.var(ddof=1) - rest / problems)
    between_problems = max(0.0, columns.var(ddof=1) - rest / seeds)
    return Spread(*(round(math.sqrt(variance), 4) for variance in (between_seeds, between_problems, rest)))


def seeds_needed(of: Spread, problems: int, difference: float, power: float = 0.8) -> int | None:
    """Seeds at which a true difference would be told from zero (two-sided, 5 %) with the given power.

    Parameters
    ----------
    of
        Spread of the paired differences, from a first study.
    problems
        Held-out problems of the study to come.
    difference
        In the unit of the values, not 0.
    power
        Chance to notice it, in (0.5, 1).

    Returns
    -------
    int or None
        None: no number of seeds is enough, since the problems alone leave too much noise; take more problems.

    Examples
    --------
    >>> noisy = Spread(seeds=0.05, problems=0.2, rest=0.3)
    >>> seeds_needed(noisy, 100, 0.10), seeds_needed(noisy, 100, 0.05)
    (4, None)
    """
    from scipy.stats import norm

    allowed = (difference / (norm.ppf(0.975) + norm.ppf(power))) ** 2  # variance that the mean may have
    for_seeds = allowed - of.problems**2 / problems
    if for_seeds <= 0:
        return None
    return max(1, math.ceil((of.seeds**2 + of.rest**2 / problems) / for_seeds))


def rank_correlation(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Spearman's rank correlation with an exact two-sided permutation p-value.

    Parameters
    ----------
    x, y
        Shape (n,), with n from 3 to 9: every order of `y` is tried.

    Returns
    -------
    tuple
        Correlation in [-1, 1], NaN if one of the two is constant; p-value in (0, 1].

    Examples
    --------
    >>> rank_correlation([1, 2, 3, 4, 5], [2, 3, 5, 7, 11])
    (1.0, 0.0167)
    """
    from scipy.stats import rankdata

    a, b = (rankdata(values) - rankdata(values).mean() for values in (x, y))
    if not 3 <= a.size == b.size <= 9:
        raise ValueError(f"rank_correlation: {a.size} and {b.size} values; give 3 to 9 pairs")
    scale = math.sqrt((a**2).sum() * (b**2).sum())
    if not scale:
        return math.nan, 1.0
    orders = np.array(list(permutations(b))) @ a
    p = float((np.abs(orders) >= abs(a @ b) - 1e-9).mean())
    return round(float(a @ b) / scale, 4), round(p, 4)


def verdict_of(interval: Interval, at_least: float = 0.0) -> str:
    """What an interval says of the claim "this is larger than `at_least`".

    Returns
    -------
    str
        ``"holds"`` if the whole interval lies above, ``"does not hold"`` if it lies below, else ``"undecided"``.

    Examples
    --------
    >>> verdict_of(Interval(0.2, 0.15, 0.25), at_least=0.1), verdict_of(Interval(0.0, -0.1, 0.1))
    ('holds', 'undecided')
    """
    if interval.low > at_least:
        return "holds"
    return "does not hold" if interval.high < at_least else "undecided"


def _table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.atleast_2d(np.asarray(values, dtype=float))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"values have shape {table.shape}; give (problems,) or (seeds, problems) with at least one")
    if not np.isfinite(table).all():
        raise ValueError(
            f"{int((~np.isfinite(table)).sum())} of {table.size} values are not finite; drop those problems first"
        )
    return table
