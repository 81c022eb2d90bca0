"""Policies against the published table (PAPER.md), typed here a second time, independently of the module."""

import itertools
import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite import ablations, origins, runs
from tarot_lite.curriculum import PORTFOLIO, PUBLISHED, Group, Phase, Policy, adaptive, get_policy
from tarot_lite.problems import Tier
from tarot_lite.settings import Settings

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
ADAPTIVE = ("frontier", "furthest", "standardized", "signal_weighted", "bandit", "likelihood")


def test_the_portfolio_is_the_published_one_two_baselines_and_the_adaptive_ones():
    assert set(PUBLISHED) == set(TABLE)
    assert set(PORTFOLIO) - set(PUBLISHED) == {"flat", "all_or_nothing", *ADAPTIVE}
    assert all(policy.source for name, policy in PORTFOLIO.items() if name in ADAPTIVE)
    colours = [policy.colour for policy in PORTFOLIO.values()]
    assert len(set(colours)) == len(colours)


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
    assert {name for name, way in ways.items() if way == "adaptive"} == set(ADAPTIVE)


# ---------------------------------------------------------------------------------------------- groups


def completions(*passed: str) -> list[dict[Tier, list[bool]]]:
    """Completions by the first letters of the tiers that they pass; tests of all tiers ran."""
    return [{tier: [letter in of] for letter, tier in LETTERS.items()} for of in passed]


def rewards(name: str, group: list[dict[Tier, list[bool]]], progress: float = 0.5, **seen: Any) -> list[float]:
    policy = get_policy(name).settle(Group.of(group, progress=progress, **seen))
    return [policy.reward(of, progress) for of in group]


NESTED = completions("bice", "bi", "b", "b")  # pass rates 1, 1/2, 1/4, 1/4
EASY_WON = completions("b", "b", "", "")


@pytest.mark.parametrize(
    ("name", "group", "expected"),
    [
        ("frontier", NESTED, [1, 0, 0, 0]),  # edge
        ("frontier", EASY_WON, [1, 1, 0, 0]),  # basic
        ("frontier", completions("e", "bic"), [1, 0]),  # edge, though the other passes more
        ("frontier", completions("bic", "bic"), [0, 0]),  # no tier differs: the whole suite pays
        ("frontier", completions("bice", "bice"), [1, 1]),
        ("furthest", completions("e", "bic", "bi"), [0, 1, 0]),  # basic, intermediate and complex together
        ("furthest", completions("be", "bi", "bie"), [0, 0, 1]),
        ("furthest", completions("be", "bi", "b"), [1, 0, 0]),  # of two sets as large that with the hard tier
        ("furthest", completions("b", "b", ""), [1, 1, 0]),
        ("furthest", completions("bic", "bic"), [0, 0]),
        ("furthest", completions("", ""), [0, 0]),
        ("furthest", completions("bice", "bice"), [1, 1]),
        # 1 / sqrt(p (1 - p)) = 2, 4 / sqrt 3, 4 / sqrt 3 of intermediate, complex, edge, scaled to a sum of 1
        ("standardized", NESTED, [1, 2 / (2 + 8 / 3**0.5), 0, 0]),
        ("standardized", EASY_WON, [1, 1, 0, 0]),
        ("likelihood", NESTED, [1, 2 / (2 + 4 + 4), 0, 0]),  # 1 / p
        ("signal_weighted", NESTED, [1, 1 / 2, 1 / 4, 1 / 4]),  # nothing is known yet: all alike
        ("uni", NESTED, [0.75, 0.5, 0.25, 0.25]),  # the special case: what the others do is no matter
    ],
)
def test_a_group_is_paid_as_computed_by_hand(name, group, expected):
    assert rewards(name, group) == pytest.approx(expected)


def test_a_standardized_group_has_the_advantages_of_gdpo():
    """The sum over tiers of each one's standardized passes, up to the scale, which GRPO divides out again."""
    table = np.array([[all(of[tier]) for tier in Tier] for of in NESTED], float)[:, 1:]  # all pass basic
    theirs = ((table - table.mean(0)) / table.std(0)).sum(1)
    ours = np.array(rewards("standardized", NESTED))
    assert (ours - ours.mean()) / ours.std() == pytest.approx((theirs - theirs.mean()) / theirs.std())


def test_a_tier_that_the_problem_lacks_has_no_price_and_a_phase_limits_the_rule():
    without_edge = [{tier: tests for tier, tests in of.items() if tier is not Tier.EDGE} for of in NESTED]
    assert rewards("frontier", without_edge) == [1, 0, 0, 0]
    assert rewards("bandit", without_edge, draw=0.999) == [1, 0, 0, 0]  # complex is its last arm
    assert rewards("frontier", [{}, {}]) == [0, 0]
    frontier = get_policy("frontier")
    early = replace(
        frontier, phases=(Phase(0, frozenset({Tier.BASIC, Tier.INTERMEDIATE})), Phase(0.5, frozenset(Tier)))
    )
    assert [early.settle(Group.of(NESTED, progress=p)).at(0) for p in (0.2, 0.6)] == [{Tier.INTERMEDIATE}, {Tier.EDGE}]


def test_running_rates_and_arms_are_learnt_from_what_the_groups_did():
    policy = get_policy("signal_weighted")
    state = policy.learn({}, Group.of(NESTED), {})
    assert state == {"basic": 1, "intermediate": 0.5, "complex": 0.25, "edge": 0.25}
    state = policy.learn(state, Group.of(completions("", "")), {})
    assert state == pytest.approx({"basic": 0.98, "intermediate": 0.49, "complex": 0.245, "edge": 0.245})
    settled = policy.settle(Group.of(NESTED, state={"basic": 1.0, "intermediate": 0.5, "complex": 0.25, "edge": 0.0}))
    assert settled.weights == pytest.approx({Tier.INTERMEDIATE: 4 / 7, Tier.COMPLEX: 3 / 7})

    bandit = get_policy("bandit")
    assert bandit.learn({}, Group.of(NESTED), {Tier.INTERMEDIATE: 1.0}) == pytest.approx({"intermediate": 0.05})
    drawn = [bandit.settle(Group.of(NESTED, draw=d)).at(0) for d in (0.0, 0.26, 0.51, 0.99)]
    assert drawn == [{tier} for tier in Tier]  # unknown arms are drawn alike
    sure = {"edge": 4.0}
    assert all(bandit.settle(Group.of(NESTED, state=sure, draw=d)).at(0) == {Tier.EDGE} for d in (0.01, 0.99))
    assert json.loads(json.dumps(state)) == state


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=2, max_size=6), st.floats(0, 0.999))
def test_no_rule_pays_less_for_more_or_more_than_1(passes, draw):
    group = [{tier: [done] for tier, done in zip(Tier, of, strict=True)} for of in passes]
    for name in ADAPTIVE:
        paid = rewards(name, group, draw=draw)
        assert all(0 <= reward <= 1 + 1e-9 for reward in paid)
        for one, other in itertools.permutations(range(len(group)), 2):
            if all(a >= b for a, b in zip(passes[one], passes[other], strict=True)):
                assert paid[one] >= paid[other]


@given(st.lists(st.integers(0, 4), min_size=2, max_size=8))
def test_where_tiers_are_nested_furthest_is_frontier(reached):
    group = completions(*("bice"[:count] for count in reached))
    assert rewards("furthest", group) == rewards("frontier", group)


def test_a_rule_may_give_any_set_of_tiers():
    both = adaptive("both", lambda group: {Tier.BASIC, Tier.EDGE})
    assert both.settle(Group.of(NESTED)).at(0) == {Tier.BASIC, Tier.EDGE}
    assert adaptive("none", lambda group: set()).settle(Group.of(NESTED)).at(0) == set(Tier)


def test_a_rule_that_gives_no_number_is_named():
    with pytest.raises(ValueError, match=r"'mine': its rule gives .* the price nan; give a number from 0"):
        adaptive("mine", lambda group: {Tier.EDGE: float("nan")}).settle(Group.of(NESTED))


# ------------------------------------------------------------------------------------------- of one's own


def test_words_of_the_captions_are_names():
    assert get_policy("hard-first") is PORTFOLIO["var_asce_rev"] and get_policy("easy-to-hard") is PORTFOLIO["uni"]
    assert Settings(policies="hard-first,flat", policy="easy-to-hard").policies == ["var_asce_rev", "flat"]


def test_a_policy_of_a_file_or_a_module_is_one_like_any_other(tmp_path, monkeypatch):
    file = tmp_path / "late_edge.yaml"
    file.write_text(
        "summary: edge from the middle on\nweights: {basic: 0.4, edge: 0.6}\n"
        "phases: [{start: 0, tiers: [basic]}, {start: 0.5, tiers: [basic, edge]}]\n"
    )
    policy = get_policy(str(file))
    assert (policy.name, policy.direction) == ("late_edge", "easy to hard")
    assert [policy.reward(ALL_PASS, p) for p in (0.4, 0.6)] == [0.4, 1.0]
    ruled = tmp_path / "late.yml"
    ruled.write_text(
        "name: late-frontier\nrule: frontier\nphases: [{start: 0, tiers: [basic]}, {start: 0.5, tiers: [edge]}]"
    )
    assert get_policy(str(ruled)).settle(Group.of(NESTED, progress=0.6)).at(0) == {Tier.EDGE}
    (tmp_path / "my_rules.py").write_text(
        "def gentle(group):\n    'the easiest tier'\n    return {group.mixed[0]: 1} if group.mixed else {}\nnumber = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    gentle = get_policy("my_rules:gentle")
    assert (gentle.name, gentle.summary) == ("gentle", "the easiest tier")
    assert rewards("my_rules:gentle", NESTED) == [1, 1, 0, 0]
    chosen = Settings(policies=[str(file), "my_rules:gentle", "flat"])
    assert [cell.name for cell in ablations.grid(chosen)][:2] == ["strong-late_edge-0", "strong-gentle-0"]
    before = origins.origins(runs.STAGES[3], Settings(policy=str(file)), [])
    file.write_text(file.read_text().replace("0.6", "0.7"))
    assert origins.origins(runs.STAGES[3], Settings(policy=str(file)), []) != before
    with pytest.raises(ValueError, match=r"policies.*'gentle' twice"):
        Settings(policies=["my_rules:gentle", "my_rules:gentle"])
    with pytest.raises(ValueError, match="'my_rules:number' is 3; give a Policy"):
        get_policy("my_rules:number")
    with pytest.raises(ValueError, match="'no_such:thing' cannot be imported"):
        get_policy("no_such:thing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just words", "holds 'just words'"),
        ("a: [", "cannot be read"),
        ("wieghts: {basic: 1}", "'wieghts' is unknown"),
        ("weights: {hard: 1}", "'hard' is no tier"),
        ("weights: {basic: x}", "could not convert string to float: 'x'"),
        ("weights: 3", "numbers by tier"),
        ("phases: [{tiers: [basic]}]", "KeyError 'start'; phases are a list"),
        ("{weights: {basic: 1}, phases: [{start: 0, tiers: [edge]}]}", "'edge' is active from 0.0 with weight"),
        ("rule: flat", "rule is 'flat', which has none; choose one of frontier"),
        ("name: ../x", "'../x': give a name of letters"),
        ("unit: tiers", "unit is 'tiers'"),
    ],
)
def test_a_file_that_is_no_policy_is_named_with_the_remedy(text, said, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"policy file .*mine.yaml") as error:
        get_policy(str(tmp_path / "mine.yaml"))
    assert said in str(error.value)
    with pytest.raises(ValueError, match=r"parameter policies: policy file .*mine.yaml"):
        Settings(policies=[str(tmp_path / "mine.yaml")])
