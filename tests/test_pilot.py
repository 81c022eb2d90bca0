"""The chooser ``pilot`` with real short trainings of a tiny student."""

from __future__ import annotations

import json

import pytest

from tarot_lite import runs, stages
from tarot_lite.capability import choose
from tarot_lite.curriculum import get_policy

SMALL = {
    "profile": "smoke",
    "policies": ["uni", "flat", "var_asce_rev"],
    "train_problems": 8,
    "tuning_problems": 4,
    "probe_problems": 4,
    "probe_samples": 2,
    "students": {"weak": 4},
    "warmup_problems": 40,
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> runs.Stage:
    return runs.start("03_capability_estimation", SMALL | {"reports": str(tmp_path_factory.mktemp("reports"))})


def test_pilot_trains_for_real_halves_and_keeps_what_is_done(stage: runs.Stage) -> None:
    sandbox = stages.sandbox(stage)
    probe = stages.measure(stage, stages.student(stage, "weak"), stages.problems(stage, "probe"), sandbox, "weak", 2)
    train = stages.pilot_trainer(stage, "weak", sandbox)
    choice = choose(probe, "pilot", stage.settings.policies, train=train, steps=1)
    done = sorted(path.parent.name for path in stage.folder.glob("pilot-*/training.json"))
    first = {f"pilot-weak-{name}-1" for name in stage.settings.policies}
    assert first < set(done)
    assert len(done) in (4, 5)  # of three policies two (or one) train again, twice as long
    assert all(name.endswith("-2") for name in set(done) - first)
    assert choice.policy in stage.settings.policies and choice.rule == "pilot"
    assert choice.table["score"].between(0, 1).all()
    sandbox.close()
    assert train(get_policy(choice.policy), 1) == pytest.approx(_score_of_first_round(stage, choice.policy))


def _score_of_first_round(stage: runs.Stage, policy: str) -> float:
    """From the rollouts on disk: mean over the problems of the share of right tiers."""
    folder = stage.folder / "probes" / f"pilot-weak-{policy}-1"
    problems = {problem.problem_id: problem for problem in stages.problems(stage, "tuning")}
    shares = []
    for line in (folder / "scores.jsonl").read_text().splitlines():
        row = json.loads(line)
        tests = problems[row["problem_id"]].tests
        assert len({test.tier for test in tests}) == len(tests)  # one test a tier: a verdict is a tier
        shares.append(sum(verdict == "passed" for verdict in row["verdicts"]) / len(tests))
    return sum(shares) / len(shares)
