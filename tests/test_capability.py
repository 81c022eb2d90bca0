"""Capability: estimators against enumeration and simulation, probes that lose nothing, choosers that give reasons."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tarot_lite import origins, toyworld
from tarot_lite.capability import (
    Choice,
    ProbeError,
    Profile,
    agreement,
    binary_signal,
    choose,
    estimate,
    oracle,
    pass_at_k,
    pilot,
    probing,
    report,
    share_interval,
    signal_of_phases,
)
from tarot_lite.capability.profile import MEASURES, group_signal
from tarot_lite.curriculum import PORTFOLIO, Policy
from tarot_lite.judging import Comparison
from tarot_lite.problems import Problem, Tier
from tarot_lite.rewards import extract_code
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.students import Completion

PROBLEMS = toyworld.problems("probe", 6, seed=2, tests_per_tier=1)
KEPT = "are kept in .*; call again to go on from there"


class Parrot:
    """A student without a network: knows every answer and gets parts wrong with a chance of its own, seeded."""

    def __init__(self, right: float = 0.5, name: str = "parrot", dies_after: int | None = None) -> None:
        self.name = name
        self.right = right
        self.dies_after = dies_after
        self.calls = 0
        self.bodies = {toyworld.prompt(p): [v.body for v, _ in toyworld.parts_of(p).variants()] for p in PROBLEMS}

    def prompt(self, problem: Problem) -> str:
        return toyworld.prompt(problem)

    def code(self, problem: Problem, completion: str) -> str | None:
        return completion or None

    def generate(
        self, prompts: Sequence[str], samples: int, temperature: float, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        if self.dies_after is not None and self.calls >= self.dies_after:
            raise ConnectionError("the line is dead")
        self.calls += 1
        rng = random.Random(f"{seed} {temperature}")
        return [[self._write(prompt, rng) for _ in range(samples)] for prompt in prompts]

    def _write(self, prompt: str, rng: random.Random) -> Completion:
        bodies = self.bodies[prompt]
        return Completion(bodies[0] if rng.random() < self.right else rng.choice(bodies), 12, False)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def profile_of(rates: dict[Tier, float], problems: int = 40, samples: int = 8, seed: int = 0) -> Profile:
    """A profile with independent outcomes of known chances per tier, no sandbox needed."""
    rng = np.random.default_rng(seed)
    rows = []
    for problem, sample in itertools.product(range(problems), range(samples)):
        tiers = {tier.value: bool(rng.random() < rates[tier]) if tier in rates else None for tier in Tier}
        passed = all(value for value in tiers.values() if value is not None)
        rows.append({"problem_id": f"p{problem}", "sample": sample, **tiers, "suite": passed, "tokens": 10})
    outcomes = (
        pd.DataFrame(rows)
        .assign(truncated=False, has_code=True, well_formed=False)
        .astype(dict.fromkeys(MEASURES, object))
    )
    return Profile("coin", outcomes, pd.DataFrame(), seed=0)


# --- estimators -----------------------------------------------------------------------------------------------------


def test_pass_at_k_is_the_share_of_subsets_with_a_right_one() -> None:
    for n in range(1, 8):
        for c, k in itertools.product(range(n + 1), range(1, n + 1)):
            subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_pass_at_k_is_unbiased(chance: float) -> None:
    n, k = 6, 3
    weights = [
        np.prod([chance if right else 1 - chance for right in row]) for row in itertools.product([0, 1], repeat=n)
    ]
    expected = sum(
        weight * pass_at_k(n, sum(row), k)
        for weight, row in zip(weights, itertools.product([0, 1], repeat=n), strict=True)
    )
    assert expected == pytest.approx(1 - (1 - chance) ** k)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)])
def test_pass_at_k_refuses_what_has_no_meaning(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="give 0 <= c <= n" if not 0 <= c <= n else "draw at least k samples"):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(2.0, 2.0, id="problems alike and unlike"),
        pytest.param(0.5, 0.5, id="easy and impossible problems"),
        pytest.param(1.0, 5.0, id="a hard tier"),
        pytest.param(5.0, 0.6, id="an easy tier"),
    ],
)
def test_intervals_hold_the_truth_95_times_in_100(a: float, b: float) -> None:
    """2,000 simulated probes of 60 problems with 8 samples; problems differ in their true pass rate."""
    rng = np.random.default_rng(1)
    held = 0
    for probe in range(2000):
        values = rng.binomial(8, rng.beta(a, b, size=60)) / 8
        interval = share_interval(values, seed=probe, resamples=1000)
        held += interval.low <= a / (a + b) <= interval.high
    assert 0.93 <= held / 2000 <= 0.97


def test_an_interval_of_almost_nothing_is_not_certain() -> None:
    rng = np.random.default_rng(2)
    assert share_interval(np.zeros(60)).high > 0.04
    held = 0
    for probe in range(1000):  # 0.5 % of completions are right: mostly no problem shows any
        interval = share_interval(rng.binomial(8, 0.005, size=60) / 8, seed=probe)
        held += interval.low <= 0.005 <= interval.high
    assert held >= 930


def test_group_signal_is_the_average_over_all_groups() -> None:
    rewards = [0.0, 0.0, 0.35, 0.7, 0.7]
    groups = list(itertools.combinations(rewards, 3))
    share, variance = group_signal(rewards, 3)
    assert share == pytest.approx(sum(len(set(group)) > 1 for group in groups) / len(groups))
    assert variance == pytest.approx(np.mean([np.var(group) for group in groups]))


def test_group_signal_is_unbiased_for_a_bernoulli_reward() -> None:
    """Exact: average over all samples of 5 of the estimate equals the closed form."""
    for chance, size in itertools.product([0.05, 0.3, 0.5], [2, 4]):
        expected = np.zeros(2)
        for row in itertools.product([0.0, 1.0], repeat=5):
            weight = np.prod([chance if right else 1 - chance for right in row])
            expected += weight * np.array(group_signal(row, size))
        assert expected == pytest.approx(binary_signal(chance, size))


def test_closed_form_of_the_signal_against_simulation() -> None:
    groups = np.random.default_rng(0).random((100_000, 8)) < 0.1
    share, variance = binary_signal(0.1, 8, weight=0.35)
    assert (groups.any(axis=1) & ~groups.all(axis=1)).mean() == pytest.approx(share, abs=0.005)
    assert (0.35 * groups).var(axis=1).mean() == pytest.approx(variance, rel=0.02)


# --- probes ---------------------------------------------------------------------------------------------------------


def test_rates_are_what_the_rollouts_say(sandbox: Sandbox, tmp_path: Path) -> None:
    profile = estimate(Parrot(), PROBLEMS, sandbox, samples=4, folder=tmp_path, progress=False)
    truth = {p.problem_id: {v.body: parts for v, parts in toyworld.parts_of(p).variants()} for p in PROBLEMS}
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == len(PROBLEMS) * 4
    whole = [not truth[row["problem_id"]][row["completion"]] for row in rows]
    filters = ["filter" not in truth[row["problem_id"]][row["completion"]] for row in rows]
    assert profile.rate("suite").estimate == pytest.approx(np.mean(whole))
    assert profile.rate("intermediate").estimate == pytest.approx(np.mean(filters))
    assert profile.rate("basic").estimate == 1.0
    rates = profile.table((1, 2)).set_index(["measure", "k"])["rate"]
    assert rates["basic", 1] >= rates["intermediate", 1] >= rates["complex", 1] >= rates["edge", 1] == rates["suite", 1]
    assert rates["suite", 2] >= rates["suite", 1]
    costs = profile.costs()
    assert costs["tokens"] == 12 * len(rows)
    assert (costs["truncated"], costs["no_code"], costs["well_formed"]) == (0.0, 0.0, 0.0)
    assert profile.verdicts.set_index("verdict").loc["passed", "basic"] == 1.0


def test_shares_of_truncated_codeless_and_well_formed_completions(sandbox: Sandbox) -> None:
    reference = str(PROBLEMS[0].reference)
    whole = f"<think>\nEasy.\n</think>\n<answer>\n```python\n{reference}\n```\n</answer>"
    texts = [whole, f"```python\n{reference}\n```", "I would", whole]

    class Chatty(Parrot):
        def code(self, problem: Problem, completion: str) -> str | None:
            return extract_code(completion)

        def generate(self, *arguments: object) -> list[list[Completion]]:  # type: ignore[override]
            return [[Completion(text, 9, text == "I would") for text in texts]]

    profile = estimate(Chatty(), PROBLEMS[:1], sandbox, samples=4, progress=False)
    assert (profile.truncated, profile.no_code, profile.well_formed) == (0.25, 0.25, 0.5)
    assert profile.rate("basic").estimate == 0.75


def test_same_seed_same_outcomes_other_seed_others(sandbox: Sandbox) -> None:
    first, second, other = (
        estimate(Parrot(), PROBLEMS, sandbox, samples=4, seed=seed, progress=False).outcomes for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_ROUND", 2)
    monkeypatch.setattr(probing, "_BATCH", 3)


@pytest.mark.usefixtures("small_batches")
def test_a_student_that_dies_loses_nothing_and_the_probe_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    options = {"samples": 4, "progress": False}
    undisturbed = estimate(Parrot(), PROBLEMS, sandbox, **options).outcomes
    with pytest.raises(ProbeError, match=f"student 'parrot' failed \\(the line is dead\\); 18 completions {KEPT}"):
        estimate(Parrot(dies_after=3), PROBLEMS, sandbox, folder=tmp_path, **options)
    second = Parrot()
    resumed = estimate(second, PROBLEMS, sandbox, folder=tmp_path, **options).outcomes
    assert second.calls == 1  # of four batches three were there
    pd.testing.assert_frame_equal(resumed, undisturbed)


@pytest.mark.usefixtures("small_batches")
def test_a_line_cut_short_by_a_kill_is_sampled_again(sandbox: Sandbox, tmp_path: Path) -> None:
    options = {"samples": 2, "progress": False}
    whole = estimate(Parrot(), PROBLEMS, sandbox, folder=tmp_path, **options).outcomes
    for name in ("samples.jsonl", "scores.jsonl"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-20])
    student = Parrot()
    pd.testing.assert_frame_equal(estimate(student, PROBLEMS, sandbox, folder=tmp_path, **options).outcomes, whole)
    assert student.calls == 1
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)


def test_a_finished_probe_is_neither_sampled_nor_scored_again(sandbox: Sandbox, tmp_path: Path) -> None:
    estimate(Parrot(), PROBLEMS, sandbox, samples=2, folder=tmp_path, progress=False)
    with Sandbox(workers=1) as closed:
        pass
    again = Parrot(dies_after=0)
    assert estimate(again, PROBLEMS, closed, samples=2, folder=tmp_path, progress=False).samples == 2


def test_rollouts_of_another_probe_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    estimate(Parrot(), PROBLEMS, sandbox, samples=1, folder=tmp_path, progress=False)
    with pytest.raises(ProbeError, match=r"holds another probe, different in temperature \(1.0 there, 0.5 now\)"):
        estimate(Parrot(), PROBLEMS, sandbox, samples=1, temperature=0.5, folder=tmp_path, progress=False)
    with pytest.raises(ProbeError, match="different in student"):
        estimate(Parrot(name="cockatoo"), PROBLEMS, sandbox, samples=1, folder=tmp_path, progress=False)


def test_another_probe_is_set_aside_where_that_is_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    options = {"samples": 1, "progress": False, "set_aside": True}
    for temperature in (1.0, 0.5, 0.7, 0.7):  # the last one is the same again
        estimate(Parrot(), PROBLEMS, sandbox, temperature=temperature, folder=tmp_path / "probe", **options)
    kept = {path.name: json.loads((path / "probe.json").read_text())["temperature"] for path in tmp_path.iterdir()}
    assert kept == {"probe.old1": 1.0, "probe.old2": 0.5, "probe": 0.7}
    assert all(len((path / "samples.jsonl").read_text().splitlines()) == len(PROBLEMS) for path in tmp_path.iterdir())


def test_verdicts_are_never_those_of_other_tests_limits_extraction_or_judges(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(problems: Sequence[Problem] = PROBLEMS, sandbox: Sandbox = sandbox) -> tuple[float, list[str]]:
        profile = estimate(Parrot(dies_after=0), problems, sandbox, samples=2, folder=tmp_path, progress=False)
        keys = [json.loads(line)["key"] for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
        assert len(keys) == 2 * len(PROBLEMS)  # what is stale is not kept beside what is not
        return profile.rate("suite").estimate, keys

    estimate(Parrot(0.9), PROBLEMS, sandbox, samples=2, folder=tmp_path, progress=False)
    rate, keys = again()
    assert again() == (rate, keys) and 0 < rate < 1
    other = [
        p.with_tests(dataclasses.replace(t, output="no") for t in p.tests) for p in PROBLEMS
    ]  # as many, of the same ids
    assert again(other)[0] == 0 and again()[0] == rate
    loose = [dataclasses.replace(p, comparison=Comparison(float_tolerance=1e-6)) for p in PROBLEMS]
    assert not {*again(loose)[1]} & {*keys} and {*again()[1]} == {*keys}
    with Sandbox(workers=1, limits=Limits(cpu_seconds=1)) as short:
        assert not {*again(sandbox=short)[1]} & {*keys} and {*again()[1]} == {*keys}
    with monkeypatch.context() as changed:
        changed.setattr(origins, "modules_hash", lambda *modules: "another judge")
        assert not {*again()[1]} & {*keys}
    assert {*again()[1]} == {*keys}
    monkeypatch.setattr(Parrot, "code", lambda self, problem, completion: problem.reference)
    assert again()[0] == 1.0
    codes = [json.loads(line)["code"] for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert sorted(codes) == sorted(2 * [str(p.reference) for p in PROBLEMS])


@pytest.mark.usefixtures("small_batches")
def test_a_batch_is_scored_while_the_next_is_written(sandbox: Sandbox) -> None:
    """The second batch is only written once the scoring of the first has begun: sequential code would hang here."""
    begun = threading.Event()

    class Watched(Parrot):
        def generate(self, *arguments: object) -> list[list[Completion]]:  # type: ignore[override]
            if self.calls:
                assert begun.wait(20), "the first batch is not being scored"
            return super().generate(*arguments)  # type: ignore[arg-type]

    class Watching:
        limits = sandbox.limits

        def judge_many(self, pairs: object) -> object:
            begun.set()
            return sandbox.judge_many(pairs)  # type: ignore[arg-type]

    profile = estimate(Watched(), PROBLEMS, Watching(), samples=1, progress=False)  # type: ignore[arg-type]
    assert profile.problems == 6


@pytest.mark.parametrize(
    ("problems", "options", "message"),
    [
        ([], {}, "the probe has no problem"),
        ([Problem("p", "?")], {}, "none of the 1 problems has a test in a tier; build their suites first"),
        ([PROBLEMS[0], PROBLEMS[0]], {}, "repeats 1 problem ids"),
        (PROBLEMS, {"samples": 0}, "samples is 0"),
    ],
)
def test_bad_probes_say_what_to_change(
    sandbox: Sandbox, problems: list[Problem], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ProbeError, match=message):
        estimate(Parrot(), problems, sandbox, progress=False, **options)  # type: ignore[arg-type]


def test_a_missing_tier_is_reported_not_invented(sandbox: Sandbox) -> None:
    part = [problem.with_tests(t for t in problem.tests if t.tier is not Tier.EDGE) for problem in PROBLEMS]
    profile = estimate(Parrot(), part, sandbox, samples=2, progress=False)
    row = profile.table().set_index("measure").loc["edge"]
    assert row["problems"] == 0
    assert np.isnan(row["rate"])
    assert profile.rate("suite").estimate == profile.rate("complex").estimate
    assert 0 < profile.capability().estimate <= 1
    assert choose(profile, "signal").policy in PORTFOLIO


def test_k_larger_than_the_samples_is_named() -> None:
    with pytest.raises(ValueError, match="k is 9 with 8 samples a problem; draw at least k samples"):
        profile_of({Tier.BASIC: 0.5}).rate("basic", k=9)


def test_budget_table_holds_the_whole_probe_and_narrower_intervals() -> None:
    profile = profile_of(dict.fromkeys(Tier, 0.5), problems=40)
    table = profile.budget("basic", sizes=(10, 20, 100))
    assert sorted(set(table["problems"])) == [10, 20, 40]
    assert sorted(set(table["samples"])) == [1, 2, 4, 8]
    last = table[(table["problems"] == 40) & (table["samples"] == 8)].iloc[0]
    assert last["rate"] == profile.rate("basic").estimate
    assert last["tokens"] == profile.tokens
    assert last["width"] < table[(table["problems"] == 10) & (table["samples"] == 1)].iloc[0]["width"]


# --- choosers -------------------------------------------------------------------------------------------------------

WEAK = dict(zip(Tier, (0.4, 0.2, 0.03, 0.01), strict=True))
STRONG = dict(zip(Tier, (0.95, 0.6, 0.3, 0.1), strict=True))


def test_threshold_follows_the_papers_law() -> None:
    weak, strong = (choose(profile_of(rates), "threshold") for rates in (WEAK, STRONG))
    assert (weak.policy, strong.policy) == ("uni", "var_asce_rev")
    assert "less than 30 %, so easy to hard" in weak.why
    assert "hard first" in strong.why
    assert list(strong.table.columns) == ["policy", "score", "why"]
    assert choose(profile_of(STRONG), "threshold", at=0.9).policy == "uni"
    near = choose(profile_of(STRONG), "threshold", at=0.49)
    assert "a larger probe could turn this" in near.why


def test_signal_against_the_closed_form_of_independent_tiers() -> None:
    profile = profile_of(STRONG, problems=3000)
    table = signal_of_phases(profile, ["basic_only", "complex_only", "edge_only"], group_size=8).set_index("policy")
    for name, tier in [("basic_only", Tier.BASIC), ("complex_only", Tier.COMPLEX), ("edge_only", Tier.EDGE)]:
        share, variance = binary_signal(STRONG[tier], 8)
        assert table.loc[name, "signal"] == pytest.approx(share, abs=0.03)
        assert table.loc[name, "variance"] == pytest.approx(variance, rel=0.05)
        assert table.loc[name, "low"] <= table.loc[name, "signal"] <= table.loc[name, "high"]


def test_signal_prefers_what_the_student_can_tell_apart() -> None:
    weak, strong = profile_of(WEAK, problems=200), profile_of(STRONG, problems=200)
    names = ["basic_only", "edge_only"]
    assert choose(weak, "signal", names).policy == "basic_only"
    assert choose(strong, "signal", names).policy == "edge_only"
    phases = signal_of_phases(weak, ["uni"])
    assert list(phases["phase"]) == [0, 1, 2, 3]
    assert phases["share_of_training"].sum() == pytest.approx(1)
    assert phases["tiers"].iloc[1] == "basic intermediate"


def test_signal_says_when_another_policy_has_as_much() -> None:
    choice = choose(profile_of(WEAK), "signal", ["basic_only", "complex_only", "flat", "binary"])
    score = choice.table.set_index("policy")["score"]
    assert score["flat"] == score["binary"] and choice.policy == "flat"
    assert "as under binary; no other has more" in choice.why
    assert "more than under any other" in choose(profile_of(WEAK), "signal", ["basic_only", "edge_only"]).why


def test_signal_says_when_the_probe_is_smaller_than_a_group() -> None:
    assert "only 4 samples a problem, so too low" in choose(profile_of(WEAK, samples=4), "signal").why


def test_pilot_halves_and_doubles() -> None:
    worth = {"uni": 0.1, "var": 0.2, "flat": 0.4, "var_asce_rev": 0.3}
    calls: list[tuple[str, int]] = []

    def train(policy: Policy, steps: int) -> float:
        calls.append((policy.name, steps))
        return worth[policy.name] * steps

    choice = pilot(list(worth), train, steps=5)
    assert choice.policy == "flat"
    assert calls == [("uni", 5), ("var", 5), ("flat", 5), ("var_asce_rev", 5), ("flat", 10), ("var_asce_rev", 10)]
    assert list(choice.table["policy"]) == ["flat", "var_asce_rev", "var", "uni"]
    assert choice.table["why"].iloc[0] == "4.000 after 10 steps (round 2)"
    assert pilot(["uni"], train).policy == "uni"
    assert pilot(list(worth), train, rounds=1).policy == "flat"


def ablation() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    gains = {"uni": 0.1, "flat": 0.4, "var_asce_rev": 0.3}
    rows = [
        {"student": "strong", "policy": policy, "measure": "suite", "seed": seed, "problem_id": f"p{i}", "before": 0.1}
        | {"after": 0.1 + gain + 0.05 * rng.standard_normal()}
        for policy, gain in gains.items()
        for seed in (0, 1)
        for i in range(50)
    ]
    return pd.DataFrame(rows)


def test_oracle_and_regret() -> None:
    heldout = ablation()
    best = oracle(heldout, "strong")
    assert best.policy == "flat"
    assert best.table["score"].iloc[0] == pytest.approx(0.4, abs=0.02)
    choices = {"oracle": best}
    for name in ("uni", "var_asce_rev", "binary"):
        choices[name] = Choice(name, "test", "because", pd.DataFrame())
    table = agreement(choices, heldout, "strong").set_index("rule")
    assert bool(table.loc["oracle", "agrees"])
    assert table.loc["oracle", "regret"] == 0
    assert not table.loc["uni", "agrees"]
    assert table.loc["uni", "low"] < 0.3 < table.loc["uni", "high"]
    assert np.isnan(table.loc["binary", "regret"])  # the ablation never trained it


def test_regret_is_paired_by_seed_and_a_policy_with_other_seeds_still_compares() -> None:
    heldout = ablation()
    late = heldout[(heldout["policy"] == "uni") & (heldout["seed"] == 1)].assign(seed=7)
    heldout = pd.concat([heldout[heldout["policy"] != "uni"], late])
    table = agreement({"other": Choice("uni", "test", "because", pd.DataFrame())}, heldout, "strong")
    assert table["regret"].iloc[0] == pytest.approx(0.3, abs=0.02)


def test_all_rules_behind_one_interface_and_a_report_of_their_regret() -> None:
    profiles = {"strong": dataclasses.replace(profile_of(STRONG), student="strong")}
    profiles["weak"] = dataclasses.replace(profile_of(WEAK), student="weak")
    weak = ablation().assign(student="weak")
    weak["after"] += weak["policy"].map({"uni": 0.5, "flat": 0.0, "var_asce_rev": 0.0})
    heldout = pd.concat([ablation(), weak])
    names = ["uni", "flat", "var_asce_rev"]
    assert choose(profiles["weak"], "oracle", names, heldout=heldout).policy == "uni"
    assert choose(profiles["weak"], "oracle", names[1:], heldout=heldout).policy == "flat"
    piloted = choose(profiles["weak"], "pilot", names, train=lambda policy, steps: len(policy.name))
    assert (piloted.rule, piloted.policy) == ("pilot", "var_asce_rev")
    table = report(heldout, profiles, more={"weak": {"pilot": piloted}}).set_index(["student", "rule"])
    assert table.loc[("weak", "threshold"), "regret"] == 0
    assert table.loc[("weak", "threshold"), "agrees"] == 1
    assert table.loc[("strong", "threshold"), "policy"] == "var_asce_rev"  # flat was best by a tenth
    assert table.loc[("strong", "threshold"), "regret"] == pytest.approx(0.1, abs=0.02)
    assert table.loc[("all", "threshold"), "agrees"] == 0.5
    assert table.loc[("all", "threshold"), "regret"] == pytest.approx(0.05, abs=0.02)
    assert table.loc[("all", "threshold"), "low"] < 0.05 < table.loc[("all", "threshold"), "high"]
    assert table.loc[("strong", "chance"), "regret"] == pytest.approx((0.3 + 0.0 + 0.1) / 3, abs=0.02)
    assert table.loc[("weak", "pilot"), "regret"] == pytest.approx(0.3, abs=0.03)  # uni gained .6, this .3
    assert ("strong", "pilot") not in table.index

    better = ablation().assign(policy="frontier")
    better = better[better["problem_id"].duplicated()].drop_duplicates(["seed", "problem_id"]).assign(after=0.7)
    told = report(pd.concat([ablation(), better]), {"strong": profiles["strong"]}).set_index(["student", "rule"])
    always = told.loc[("strong", "always frontier")]  # gained .6, where the best fixed choice gained .4
    assert (always["policy"], always["best"]) == ("frontier", "flat")
    assert always["regret"] == pytest.approx(-0.2, abs=0.02) and always["high"] < 0
    assert told.loc[("strong", "chance"), "regret"] == table.loc[("strong", "chance"), "regret"]


def test_the_signal_of_a_policy_that_adapts_is_that_of_its_groups() -> None:
    """With groups as large as the sample every group is the sample: some tier must tell it apart."""
    profile = profile_of(WEAK)
    by_problem = profile.outcomes.groupby("problem_id")[[tier.value for tier in Tier]].mean().astype(float)
    differs = ((by_problem > 0) & (by_problem < 1)).any(axis=1).mean()
    names = ["frontier", "standardized", "likelihood", "signal_weighted", "bandit", "edge_only"]
    table = signal_of_phases(profile, names, group_size=profile.samples).set_index("policy")["signal"]
    assert table[["frontier", "standardized", "likelihood"]].tolist() == pytest.approx([differs] * 3)
    assert table["edge_only"] < table["bandit"] < table["frontier"]
    assert 0 < signal_of_phases(profile, ["frontier"], group_size=2)["signal"].iloc[0] < differs
    assert choose(profile, "signal", ["edge_only", "frontier"]).policy == "frontier"
    assert "adaptive, so neither" in set(choose(profile, "threshold", ["uni", "frontier"]).table["why"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: choose(p, "guess"), "rule 'guess' is unknown; use one of threshold, signal, pilot, oracle"),
        (lambda p: choose(p, policies=[]), "no policy to choose from"),
        (lambda p: choose(p, policies=["unni"]), "did you mean 'uni'"),
        (lambda p: choose(p, at=1.5), "threshold is 1.5; give a share"),
        (lambda p: choose(p, "signal", by="luck"), "by is 'luck'"),
        (lambda p: p.rate("hardness"), "measure 'hardness' is unknown"),
        (lambda p: oracle(ablation(), "weak"), "no suite of student 'weak'; it has students strong"),
        (lambda p: pilot(["uni"], lambda policy, steps: 0.0, keep=1.0), "keep 1.0"),
    ],
)
def test_bad_choices_say_what_to_change(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(profile_of(WEAK))  # type: ignore[operator]
