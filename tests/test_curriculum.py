"""Policies against the published table (PAPER.md), typed here a second time, independently of the module."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite.curriculum import PORTFOLIO, PUBLISHED, Phase, Policy, get_policy
from tarot_lite.problems import Tier

EASY = [(0.0, "b"), (0.2, "bi"), (0.4, "bic"), (0.6, "bice")]
HARD = [(0.0, "c"), (0.2, "ce"), (0.4, "ice"), (0.6, "bice")]
TABLE = {  # name: (weights of basic, intermediate, complex, edge), [(start, active tiers)]
    "basic_only": ((1, 0, 0, 0), [(0.0, "b")]),
    "complex_only": ((0, 0, 1, 0), [(0.0, "c")]),
    "edge_only": ((0, 0, 0, 1), [(0.0, "e")]),
    "uni": ((0.25, 0.25, 0.25, 0.25), EASY),
    "var": ((0.35, 0.35, 0.15, 0.15), EASY),
    "var_asce_normal": ((0.15, 0.15, 0.35, 0.35), EASY),
    "var_asce_rev": ((0.15, 0.15, 0.35, 0.35), HARD),
    "binary": ((0.25, 0.25, 0.25, 0.25), [(0.0, "bice")]),
}
LETTERS = dict(zip("bice", Tier, strict=True))
PROGRESS = [0.0, 0.1, 0.1999, 0.2, 0.3, 0.3999, 0.4, 0.5, 0.5999, 0.6, 0.8, 0.999, 1.0]
ALL_PASS = {tier: [True] for tier in Tier}


def test_the_portfolio_is_the_published_one_and_two_baselines():
    assert set(PUBLISHED) == set(TABLE)
    assert set(PORTFOLIO) - set(PUBLISHED) == {"flat", "all_or_nothing"}


@pytest.mark.parametrize("progress", PROGRESS)
@pytest.mark.parametrize("name", TABLE)
def test_active_tiers_are_the_published_ones(name, progress):
    expected = [tiers for start, tiers in TABLE[name][1] if start <= progress][-1]
    assert get_policy(name).at(progress) == {LETTERS[letter] for letter in expected}


@pytest.mark.parametrize("progress", PROGRESS)
@pytest.mark.parametrize("name", [name for name in TABLE if name != "binary"])
def test_each_tier_is_worth_its_published_weight(name, progress):
    policy, weights = get_policy(name), dict(zip(Tier, TABLE[name][0], strict=True))
    for tier in Tier:
        only_this = {other: [other is tier] for other in Tier}
        expected = weights[tier] if tier in policy.at(progress) else 0
        assert policy.reward(only_this, progress) == expected


def test_binary_pays_the_share_of_all_tests_and_flat_pays_whole_tiers():
    outcome = {Tier.BASIC: [True, True], Tier.INTERMEDIATE: [True, False], Tier.COMPLEX: [False], Tier.EDGE: [False]}
    assert get_policy("binary").reward(outcome, 0.0) == 3 / 6
    assert get_policy("flat").reward(outcome, 0.0) == 0.25
    assert get_policy("all_or_nothing").reward(outcome, 0.0) == 0
    assert get_policy("all_or_nothing").reward(ALL_PASS, 0.0) == 1


@given(progress=st.floats(0, 1), passes=st.lists(st.booleans(), min_size=4, max_size=4))
def test_normalized_rewards_lie_between_0_and_1_and_reach_both(progress, passes):
    for policy in PORTFOLIO.values():
        outcome = dict(zip(Tier, ([p] for p in passes), strict=True))
        assert 0 <= policy.reward(outcome, progress, normalize=True) <= 1
        assert policy.reward(ALL_PASS, progress, normalize=True) == pytest.approx(1)
        assert policy.reward({tier: [False] for tier in Tier}, progress) == 0


@given(progress=st.floats(0, 1))
def test_passing_more_never_pays_less(progress):
    for policy in PORTFOLIO.values():
        rewards = [policy.reward({t: [t.rank <= last] for t in Tier}, progress) for last in range(-1, 4)]
        assert rewards == sorted(rewards)


def test_a_missing_tier_is_neither_passed_nor_failed():
    assert get_policy("edge_only").reward({Tier.BASIC: [True]}, 0.5) == 0
    assert get_policy("flat").reward({Tier.BASIC: [True]}, 0.5, normalize=True) == 1


def test_progress_outside_the_training_is_clipped():
    policy = get_policy("var")
    assert policy.at(-0.1) == policy.at(0) and policy.at(7) == policy.at(1)


@pytest.mark.parametrize(
    ("phases", "weights", "message"),
    [
        ((), {}, "rising shares"),
        ((Phase(0.1, frozenset({Tier.BASIC})),), {Tier.BASIC: 1}, "rising shares"),
        ((Phase(0, frozenset({Tier.BASIC})), Phase(1.0, frozenset({Tier.EDGE}))), {Tier.BASIC: 1}, "rising shares"),
        ((Phase(0, frozenset()),), {}, "has no tier"),
        ((Phase(0, frozenset({Tier.EDGE})),), {Tier.BASIC: 1}, "'edge' is active from 0 with weight None"),
        ((Phase(0, frozenset({Tier.EDGE})),), {Tier.EDGE: 0}, "weight 0"),
    ],
)
def test_a_senseless_policy_is_refused(phases, weights, message):
    with pytest.raises(ValueError, match=message):
        Policy("mine", phases, weights)


def test_an_unknown_policy_is_named_with_the_nearest_and_all():
    with pytest.raises(ValueError, match=r"'var_asc_rev' is unknown \(did you mean 'var_asce_rev'\?\).*edge_only"):
        get_policy("var_asc_rev")


def test_policies_travel_to_other_processes():
    for policy in PORTFOLIO.values():
        assert pickle.loads(pickle.dumps(policy)) == policy


def test_direction_of_every_schedule():
    ways = {name: policy.direction for name, policy in PORTFOLIO.items()}
    assert {name for name, way in ways.items() if way == "hard first"} == {"var_asce_rev"}
    assert {name for name, way in ways.items() if way == "easy to hard"} == {"uni", "var", "var_asce_normal"}
