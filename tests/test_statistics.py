"""Intervals that cover what they promise, and tests that do not cry wolf."""

import itertools

import numpy as np
import pytest

from tarot_lite.statistics import Interval, mean_interval, pass_at_k, permutation_p, verdict_of


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
