"""Intervals that cover what they promise, and tests that do not cry wolf."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tarot_lite.statistics import (
    Interval,
    Spread,
    mean_interval,
    paired,
    pass_at_k,
    permutation_p,
    rank_correlation,
    seeds_needed,
    share_interval,
    spread,
    verdict_of,
    wilson,
)


def test_coverage_over_problems_is_near_95_percent():
    rng = np.random.default_rng(1)
    truth, covered = 0.3, 0
    for trial in range(400):
        interval = mean_interval((rng.random(80) < truth).astype(float), seed=trial, resamples=600)
        covered += interval.low <= truth <= interval.high
    assert 0.91 <= covered / 400 <= 0.98


def test_spread_between_seeds_widens_the_interval():
    rng = np.random.default_rng(2)
    problems = rng.random(50)
    alike = np.tile(problems, (4, 1))
    apart = alike + np.array([[-0.3], [-0.1], [0.1], [0.3]])
    narrow, wide = mean_interval(alike), mean_interval(apart)
    assert narrow.estimate == pytest.approx(wide.estimate)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_permutation_p_is_uniform_without_a_difference_and_small_with_one():
    rng = np.random.default_rng(3)
    null = [permutation_p(rng.normal(size=30), seed=i, resamples=400) for i in range(300)]
    assert 0.02 <= np.mean(np.array(null) < 0.05) <= 0.09
    assert permutation_p(rng.normal(0.8, 1, size=60)) < 0.01


@pytest.mark.parametrize("values", [[], [[]], [np.nan, 1.0], np.zeros((2, 2, 2))])
def test_senseless_tables_are_refused(values):
    with pytest.raises(ValueError, match="values"):
        mean_interval(values)


@pytest.mark.parametrize(("solved", "of"), [(0, 20), (3, 20), (10, 20), (20, 20), (1, 200)])
def test_wilson_agrees_with_scipy(solved, of):
    theirs = stats.binomtest(solved, of).proportion_ci(method="wilson")
    ours = wilson(solved / of, of)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 0.25])
@pytest.mark.parametrize("shape", [(6,), (1, 30), (2, 30), (5, 30)])
def test_no_interval_has_width_zero_because_everything_agreed(value, shape):
    found = mean_interval(np.full(shape, value))
    assert -1 <= found.low <= found.estimate <= found.high <= 1 and found.high - found.low > 0.05
    if len(shape) == 1 and value in (0.0, 1.0):
        share = share_interval(np.full(shape, value))
        assert share.high - share.low == pytest.approx(stats.binomtest(0, 6).proportion_ci(method="wilson").high)
    alike = mean_interval([[0.0, 0.4, 0.2], [0.2, 0.0, 0.4], [0.4, 0.2, 0.0]])  # three seeds alike by chance
    assert alike.low < 0.2 < alike.high


def test_three_seeds_have_the_t_interval_over_seeds_where_problems_add_nothing():
    by_seed = np.array([0.02, 0.08, 0.11])
    found = paired(np.tile(by_seed[:, None], 40))
    theirs = stats.ttest_1samp(by_seed, 0)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.p == pytest.approx(theirs.pvalue) and found.by_seed == pytest.approx(by_seed)
    assert found.p_exact == 2 / 2**3 and found.basis == "t over 3 seeds and 40 problems"


@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed: undecided"), (2, "two seeds: undecided"), (3, "holds")])
def test_no_verdict_on_a_curriculum_with_fewer_than_three_seeds(seeds, said):
    found = paired(np.random.default_rng(0).normal(0.3, 0.01, (seeds, 50)))
    assert found.interval.low > 0.2 and verdict_of(found.interval, seeds=seeds) == said
    assert verdict_of(-found.interval, seeds=seeds) == said.replace("holds", "does not hold")


@pytest.mark.parametrize("seeds", [3, 5])
def test_equal_policies_are_told_apart_in_one_study_of_twenty(seeds):
    """Seeds, problems and their interplay are all random; 500 studies here, 1,000 in benchmarks/seeds.py."""
    rng = np.random.default_rng(seeds)
    studies = [paired(table_of(rng, Spread(0.04, 0.12, 0.3), seeds, 100)) for _ in range(500)]
    missed = np.mean([found.interval.excludes_zero for found in studies])
    assert 0.02 <= missed <= 0.09
    assert [found.interval.excludes_zero for found in studies] == [found.p < 0.05 for found in studies]


def test_verdicts_say_undecided_inside_the_noise():
    assert verdict_of(Interval(0.05, -0.01, 0.11)) == "undecided"
    assert verdict_of(Interval(-0.05, -0.09, -0.01)) == "does not hold"
    assert verdict_of(Interval(0.12, 0.08, 0.2), at_least=0.1) == "undecided"


def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_sample():
    for samples, right, k in [(5, 2, 1), (6, 3, 2), (7, 1, 3), (4, 4, 4)]:
        draws = list(itertools.combinations(range(samples), k))
        assert pass_at_k(samples, right, k) == pytest.approx(sum(min(draw) < right for draw in draws) / len(draws))
    for senseless in [(3, 1, 0), (3, 1, 4), (3, 4, 1), (3, -1, 1)]:
        with pytest.raises(ValueError, match="pass@"):
            pass_at_k(*senseless)


def table_of(rng: np.random.Generator, of: Spread, seeds: int, problems: int, mean: float = 0.0) -> np.ndarray:
    parts = rng.normal(0, of.seeds, (seeds, 1)), rng.normal(0, of.problems, (1, problems))
    return mean + parts[0] + parts[1] + rng.normal(0, of.rest, (seeds, problems))


def test_spread_finds_the_parts_it_was_made_of():
    rng = np.random.default_rng(4)
    true = Spread(seeds=0.1, problems=0.2, rest=0.3)
    found = [spread(table_of(rng, true, 12, 80)) for _ in range(200)]
    for part in ("seeds", "problems", "rest"):
        assert np.mean([getattr(of, part) ** 2 for of in found]) == pytest.approx(getattr(true, part) ** 2, rel=0.1)


def test_seeds_needed_gives_the_power_that_was_asked():
    rng = np.random.default_rng(5)
    true, problems, difference = Spread(seeds=0.08, problems=0.1, rest=0.3), 100, 0.06
    seeds = seeds_needed(true, problems, difference)
    assert seeds is not None and seeds > 5
    sd = np.sqrt(true.seeds**2 / seeds + true.problems**2 / problems + true.rest**2 / (seeds * problems))
    means = [table_of(rng, true, seeds, problems, difference).mean() for _ in range(1500)]
    assert np.mean(np.abs(means) > 1.96 * sd) == pytest.approx(0.8, abs=0.05)
    assert (
        seeds_needed(true, problems, difference, power=0.95) is None
        or seeds_needed(true, problems, difference, 0.95) > seeds
    )


def test_spread_needs_two_of_each():
    with pytest.raises(ValueError, match="two seeds and two problems"):
        spread([[0.1, 0.2, 0.3]])


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_agrees_with_scipy(seed):
    x, y = np.random.default_rng(seed).integers(0, 6, (2, 6))  # ties too
    rho, p = rank_correlation(x, y)
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-4)
    exact = stats.permutation_test(
        (x,), lambda z: stats.spearmanr(z, y).statistic, permutation_type="pairings", n_resamples=np.inf
    )
    assert p == pytest.approx(exact.pvalue, abs=0.02)


def test_rank_correlation_of_a_constant_is_undefined_and_too_few_pairs_are_refused():
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3])[0])
    with pytest.raises(ValueError, match="2 and 2 values"):
        rank_correlation([1, 2], [1, 2])
