"""Honest intervals for shares, and for differences between trained students.

Problems are nested in training seeds, seeds in students.  What is drawn again is the *problem* and the *seed*, never the
single sample: samples of one problem are alike, and intervals that forget it are too narrow.  One seed says nothing of
the next one, so nothing is said of a curriculum with fewer than three (`verdict_of`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 4000
_ENOUGH = 3  # seeds: with fewer their spread is not known well enough for a verdict
_FEW = 5  # problems: with fewer that differ from 0 (or from 1), resampling them says little


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


def wilson(share: float, trials: float, level: float = 0.95) -> Interval:
    """Wilson's interval of a share of independent trials; never of width zero, and from 0 to 1 without trials.

    Examples
    --------
    >>> print(wilson(0, 20))
    +0.0 [+0.0, +16.1]
    """
    if not 0 <= share <= 1 or trials < 0:
        raise ValueError(f"wilson: share {share} of {trials} trials; give a share in [0, 1] and 0 trials or more")
    if not trials:
        return Interval(share, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def bootstrap(
    statistic: Callable[..., Any], *samples: ArrayLike, seed: int = 0, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a statistic of samples that are drawn again together, such as numerators and denominators.

    Examples
    --------
    >>> bootstrap(np.mean, [1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    from scipy import stats

    arrays = tuple(np.asarray(sample, dtype=float) for sample in samples)
    if len(arrays[0]) < 2:
        only = float(statistic(*arrays, axis=-1))
        return only, only
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"paired": True, "vectorized": True, "method": "percentile", "rng": rng}
    found = stats.bootstrap(arrays, statistic, n_resamples=resamples, confidence_level=level, **options)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def share_interval(shares: ArrayLike, seed: int = 0, resamples: int = 2000, level: float = 0.95) -> Interval:
    """Mean of one share per problem, such as its pass rate, with an interval from resampling problems.

    Percentiles, taken a little further out to make up for small samples (Hesterberg 2015).  When fewer than five
    problems differ from 0, or from 1, resampling knows too little -- of all zeros it would claim certainty -- and
    Wilson's interval with as many trials as there are problems is taken instead, which errs on the wide side.

    Examples
    --------
    >>> print(share_interval([1.0] * 6))
    +100.0 [+61.0, +100.0]
    """
    values = _table(shares)[0]
    if np.ndim(shares) != 1 or values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"shares: {np.shape(shares)} from {values.min()} to {values.max()}; give one in [0, 1] a problem"
        )
    n, mean = values.size, float(values.mean())
    if min((values > 0).sum(), (values < 1).sum()) < _FEW or n < _FEW:
        return wilson(mean, n, level)
    normal = NormalDist()
    z = normal.inv_cdf((1 + level) / 2)
    tail = normal.cdf(-z * math.sqrt(n / (n - 1)) * (1 + (z * z + 1) / (4 * n)))  # about Student's t with n - 1
    low, high = bootstrap(np.mean, values, seed=seed, resamples=resamples, level=1 - 2 * tail)
    return Interval(mean, max(low, 0.0), min(high, 1.0))


def mean_interval(values: ArrayLike, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95) -> Interval:
    """Mean of a seeds x problems table of differences between shares, with its interval.

    With three seeds or more it is a t interval, the wider of two: over the seeds alone, and with seeds and problems both
    random (two-way analysis of variance, degrees of freedom by Satterthwaite).  The first is too narrow where problems
    differ, the second with three seeds where they do not; of equal policies the wider one misses zero in about 5 % of
    studies (``benchmarks/seeds.py``).  With two seeds both are drawn again, with one the problems alone.  Where
    all values agree, it reaches as far as the problems that were not seen allow (Wilson): it never has width zero.

    Parameters
    ----------
    values
        Shape (problems,) or (seeds, problems): one number in [-1, 1] per seed and problem, such as the gain in pass@1.
        Differences should be taken before, problem by problem: that is what makes them paired.
    seed, resamples
        Of the bootstrap.
    level
        Confidence, in (0, 1).

    Raises
    ------
    ValueError
        If there is no value, or one is not a number.

    Examples
    --------
    >>> print(mean_interval([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [0.3, 0.4, 0.5]]))
    +30.0 [+5.2, +54.8]
    >>> print(mean_interval([0.0] * 100))
    +0.0 [-3.7, +3.7]
    """
    table = _table(values)
    mean = float(table.mean())
    if np.ptp(table) < 1e-12:
        unseen = wilson(0, table.shape[1], level).high  # share of the problems that may be otherwise
        low, high = mean - unseen * (1 + mean), mean + unseen * (1 - mean)
    elif errors := _errors(table):
        from scipy.stats import t

        half = max(error * t.ppf((1 + level) / 2, freedom) for error, freedom in errors)
        low, high = mean - half, mean + half
    else:
        low, high = np.quantile(resampled_means(table, seed, resamples), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, max(-1.0, float(low)), min(1.0, float(high)))


def resampled_means(table: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Means of seeds x problems tables in which both were drawn again."""
    rng = np.random.default_rng(seed)
    seeds, problems = table.shape
    rows = rng.integers(seeds, size=(resamples, seeds, 1))
    columns = rng.integers(problems, size=(resamples, 1, problems))
    return np.asarray(table[rows, columns].mean(axis=(1, 2)))


def _errors(table: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Standard errors of the mean of a seeds x problems table with their degrees of freedom: over seeds, over both.

    Empty with too few seeds, or if all of them came out the same by chance.
    """
    seeds, problems = table.shape
    if seeds < _ENOUGH:
        return []
    of_seeds = float(table.mean(axis=1).var(ddof=1)) / seeds
    of_problems = spread(table).problems ** 2 / problems if problems > 1 else 0.0
    total = of_seeds + of_problems
    if total < 1e-24:
        return []
    freedom = total**2 / (of_seeds**2 / (seeds - 1) + of_problems**2 / max(1, problems - 1))
    return [(math.sqrt(of_seeds), seeds - 1), (math.sqrt(total), freedom)]


@dataclass(frozen=True, slots=True)
class Paired:
    """A paired difference, and all that a reader must know of it.

    Parameters
    ----------
    interval
        See `mean_interval`.
    p
        Two-sided: of the same t test with three seeds or more, else by signs flipped problem by problem.
    p_exact
        Signs of whole seeds flipped, all ways; not a number with fewer than three seeds.  It cannot be smaller than
        0.25 with three seeds, and 0.0625 with five.
    by_seed
        The difference of every seed.
    basis
        What was taken as random, in words.
    """

    interval: Interval
    p: float
    p_exact: float
    by_seed: tuple[float, ...]
    basis: str

    def columns(self, name: str = "estimate") -> dict[str, Any]:
        """As columns of a table; `name` is that of the difference, ``by_seed`` is in percentage points."""
        found = self.interval
        by_seed = " ".join(f"{100 * value:+.1f}" for value in self.by_seed)
        columns = {"seeds": len(self.by_seed), name: found.estimate, "low": found.low, "high": found.high}
        return columns | {"p": self.p, "p_exact": self.p_exact, "by_seed": by_seed, "basis": self.basis}


def paired(differences: ArrayLike) -> Paired:
    """A seeds x problems table of paired differences: interval, p-values, seed by seed.

    Examples
    --------
    >>> found = paired([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4], [0.3, 0.4, 0.5]])
    >>> found.basis, round(found.p, 3), found.p_exact
    ('t over 3 seeds and 3 problems', 0.035, 0.25)
    """
    table = _table(differences)
    seeds, problems = table.shape
    by_seed = tuple(table.mean(axis=1).tolist())
    interval, p, exact = mean_interval(table), permutation_p(table), math.nan
    over = f"{seeds} seeds and {problems} problems" if seeds > 1 else f"{problems} problems of one seed"
    if seeds >= _ENOUGH:
        exact = permutation_p(by_seed)
    if not (errors := _errors(table)):
        return Paired(interval, p, exact, by_seed, f"bootstrap over {over}")
    from scipy.stats import t

    p = max(float(2 * t.sf(abs(interval.estimate) / error, freedom)) for error, freedom in errors if error)
    return Paired(interval, p, exact, by_seed, f"t over {over}")


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

    Examples
    --------
    >>> permutation_p(np.ones(20)) < 0.001
    True
    >>> permutation_p([1.0, 1.0, 1.0])
    0.25
    """
    from scipy.stats import permutation_test

    per_problem = _table(differences).mean(axis=0)
    if per_problem.size == 1:
        return 1.0
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"permutation_type": "samples", "vectorized": True, "n_resamples": resamples, "rng": rng}
    return float(permutation_test((per_problem,), np.sum, **options).pvalue)


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
    >>> round(spread([[0.0, 0.2], [0.4, 0.6]]).seeds, 4)
    0.2828
    """
    table = _table(values)
    seeds, problems = table.shape
    if seeds < 2 or problems < 2:
        raise ValueError(f"values have shape {table.shape}; the spread needs two seeds and two problems or more")
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / ((seeds - 1) * (problems - 1))
    between_seeds = max(0.0, rows.var(ddof=1) - rest / problems)
    between_problems = max(0.0, columns.var(ddof=1) - rest / seeds)
    return Spread(*(math.sqrt(variance) for variance in (between_seeds, between_problems, rest)))


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

    Examples
    --------
    >>> rank_correlation([1, 2, 3, 4, 5], [2, 3, 5, 7, 11])
    (1.0, 0.0167)
    """
    from scipy.stats import permutation_test, rankdata

    a, b = (rankdata(values) - rankdata(values).mean() for values in (x, y))
    if not 3 <= a.size == b.size <= 9:
        raise ValueError(f"rank_correlation: {a.size} and {b.size} values; give 3 to 9 pairs")
    scale = math.sqrt((a**2).sum() * (b**2).sum())
    if not scale:
        return math.nan, 1.0

    def correlation(first: NDArray[np.float64], axis: int = -1) -> Any:
        return (first * b).sum(axis=axis) / scale

    options: dict[str, Any] = {"permutation_type": "pairings", "vectorized": True, "n_resamples": math.inf}
    found = permutation_test((a,), correlation, **options)
    return round(float(found.statistic), 4), round(float(found.pvalue), 4)


def verdict_of(interval: Interval, at_least: float = 0.0, seeds: int | None = None) -> str:
    """What an interval says of the claim "this is larger than `at_least`".

    Examples
    --------
    >>> verdict_of(Interval(0.2, 0.15, 0.25), at_least=0.1), verdict_of(Interval(0.0, -0.1, 0.1))
    ('holds', 'undecided')
    >>> verdict_of(Interval(0.2, 0.15, 0.25), seeds=1)
    'one seed: undecided'
    """
    if seeds is not None and seeds < _ENOUGH:
        return "one seed: undecided" if seeds == 1 else "two seeds: undecided"
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
