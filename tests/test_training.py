"""Curriculum GRPO on a real tiny student: it follows the policy, resumes exactly, and refuses what cannot work."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from training_helpers import PROBLEMS, SETTINGS, assert_same_run, fresh, weights

from tarot_lite.curriculum import get_policy
from tarot_lite.problems import Tier
from tarot_lite.training import (
    TrainingError,
    alarms,
    completions_at,
    gradient_table,
    read_rollouts,
    reward_share,
    train,
)
from tarot_lite.training.live import LiveView
from tarot_lite.training.signals import PARTS


@pytest.fixture(scope="module")
def undisturbed(home, sandbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(fresh(home), PROBLEMS, get_policy("var"), SETTINGS, folder, sandbox)


def test_the_history_has_a_row_per_step_with_every_signal(undisturbed):
    history = undisturbed.history
    assert history["step"].tolist() == [1, 2, 3, 4, 5]
    assert history["progress"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert history["phase"].tolist() == [0, 1, 2, 3, 3]  # 20, 40 and 60 %: the published edges
    expected = {"reward", "suite", "truncated", "no_code", "signal/reward", "seconds/scoring", "kl", "entropy"}
    expected |= {
        "code_length",
        "completions/mean_length",
        "tokens_per_second",
        "rewards/tier_reward/mean",
        "gpu_memory_gib",
    }
    assert expected | {f"tier/{tier}" for tier in Tier} | {f"signal/{tier}" for tier in Tier} <= set(history)


def test_the_rewards_are_those_of_the_policy_at_the_progress_of_the_step(undisturbed):
    rollouts = read_rollouts(undisturbed.rollouts)
    assert set(rollouts["step"]) == {0, 1, 2, 3, 4}
    for row in rollouts.to_dict("records"):
        passed = {tier: [row[tier.value] == "passed"] for tier in Tier}
        assert row["reward"] == get_policy("var").reward(passed, row["step"] / 5)
    logged = undisturbed.history.set_index("step")["reward"]
    for step, part in rollouts.groupby("step"):
        assert logged[step + 1] == pytest.approx(part["reward"].mean(), abs=1e-6)


def test_parts_of_the_reward_and_of_the_time_add_up(undisturbed):
    history = undisturbed.history
    earned = sum(history[f"part/{tier}"].to_numpy() for tier in Tier)
    assert earned == pytest.approx(history["reward"].to_numpy(), abs=1e-6)
    spent = sum(history[f"seconds/{part}"].to_numpy() for part in PARTS)
    assert spent == pytest.approx(history["seconds/step"].to_numpy())
    assert all(
        history[f"seconds/{part}"].gt(0).all() for part in PARTS
    )  # would fail if TRL renamed what the clock times
    assert 0 < reward_share(history) < 1
    assert history["gpu_memory_gib"].isna().all() or torch.cuda.is_available()


def test_the_signals_are_on_disk_line_by_line(undisturbed):
    rows = [json.loads(line) for line in (undisturbed.rollouts.parent / "signals.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["reward"] for row in rows] == undisturbed.history["reward"].tolist()


@pytest.fixture
def looking(monkeypatch):
    """An IPython where somebody looks."""
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook")
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_table_and_a_figure_follow_the_training_where_somebody_looks(undisturbed, looking):
    rows = [json.loads(line) for line in (undisturbed.rollouts.parent / "signals.jsonl").read_text().splitlines()]
    view = LiveView(get_policy("var"), steps=5, every=0)
    with capture_output() as seen:
        for done in (2, 3, 5):
            view(rows[:done])
    first, second, last = seen.outputs
    assert not first.update and second.update and last.update  # one place, shown anew
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", line) for line in second.data["text/html"].split("<tr")[1:]]
    table = pd.DataFrame(cells[1:], columns=cells[0])
    assert table["step"].tolist() == ["3", "2", "1"]  # newest first
    assert table["reward"].astype(float).tolist() == [pytest.approx(row["reward"], abs=1e-3) for row in rows[2::-1]]
    assert {*Tier, "whole suite", "groups with signal", "cut", "KL", "entropy", "tokens/s", "s/step"} <= set(table)
    picture = base64.b64decode(second.data["text/html"].partition("base64,")[2].partition('"')[0])
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000
    assert last.data["text/html"] == ""  # the notebook's own figures follow


def test_the_live_view_tells_alarms_and_is_silent_where_nobody_looks(undisturbed, monkeypatch):
    rows = [json.loads(line) for line in (undisturbed.rollouts.parent / "signals.jsonl").read_text().splitlines()]
    view = LiveView(get_policy("var"), steps=5, every=0)
    cut = [row | {"truncated": 1.0} for row in rows[:3]]
    assert "<b>Look out:</b> 100 % of the last completions were cut" in view.html(cut)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with capture_output() as seen:
        view(cut)
    assert seen.outputs == [] and seen.stdout == ""


def test_groups_without_a_gradient_are_told_apart(undisturbed):
    table = gradient_table(undisturbed.history, get_policy("var"))
    assert table["phase"].unique().tolist() == [1, 2, 3, 4] and len(table) == 20
    assert (table["all_fail"] + table["differ"] + table["all_pass"]).tolist() == pytest.approx([1] * 20)
    assert table[table["active"]].groupby("phase").size().tolist() == [2, 3, 4, 5]  # the reward row too
    rollouts = read_rollouts(undisturbed.rollouts)
    groups = rollouts[rollouts["step"] == 0].groupby("problem_id")["basic"].apply(lambda of: (of != "passed").all())
    assert table.set_index(["phase", "tier"]).loc[(1, "basic"), "all_fail"] == pytest.approx(groups.mean())


def test_completions_of_a_step_can_be_looked_through(undisturbed):
    rollouts = read_rollouts(undisturbed.rollouts)
    table = completions_at(rollouts, 3)
    assert table["times"].sum() == 8 and set(table["problem_id"]) == set(rollouts[rollouts["step"] == 3]["problem_id"])
    with pytest.raises(ValueError, match="step 7 was kept; there are those of 0, 1, 2, 3, 4"):
        completions_at(rollouts, 7)


def test_training_changes_the_weights(undisturbed, home):
    before = weights(fresh(home))
    assert any(not torch.equal(before[name], tensor) for name, tensor in weights(undisturbed.student).items())


def test_the_same_seed_repeats_exactly_and_another_does_not(undisturbed, home, sandbox, tmp_path):
    again = train(fresh(home), PROBLEMS, get_policy("var"), SETTINGS, tmp_path / "again", sandbox)
    assert_same_run(again, undisturbed)
    other = train(fresh(home), PROBLEMS, get_policy("var"), SETTINGS, tmp_path / "other", sandbox, seed=1)
    assert other.rollouts.read_text() != undisturbed.rollouts.read_text()


KILLED = """
import os, pathlib, signal, sys
import training_helpers as t
from tarot_lite.curriculum import get_policy
from tarot_lite.rewards import TierReward
from tarot_lite.sandbox import Sandbox
from tarot_lite.training import train

score = TierReward.__call__
def deadly(self, *args, trainer_state=None, **kwargs):
    if trainer_state.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(self, *args, trainer_state=trainer_state, **kwargs)
TierReward.__call__ = deadly
with Sandbox(workers=1) as sandbox:
    train(t.fresh(pathlib.Path(sys.argv[1])), t.PROBLEMS[:4], get_policy(sys.argv[3]), t.SETTINGS, sys.argv[2], sandbox)
"""


@pytest.mark.parametrize("policy", ["var", "bandit"])
def test_a_killed_training_goes_on_and_ends_as_if_undisturbed(policy, home, sandbox, tmp_path):
    few = PROBLEMS[:4]  # killed in the second pass over them; it ends in the third
    undisturbed = train(fresh(home), few, get_policy(policy), SETTINGS, tmp_path / "undisturbed", sandbox)
    if policy == "bandit":  # whose draws come from what it has learnt, which the checkpoint keeps
        learnt = json.loads((tmp_path / "undisturbed/checkpoints/checkpoint-5/policy.json").read_text())
        assert learnt and all(0 <= value <= 1 for value in learnt.values())
    root = Path(__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    command = [sys.executable, "-c", KILLED, str(home), str(tmp_path), policy]
    killed = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    assert (checkpoint / "complete.json").exists()
    half_written = tmp_path / "checkpoints" / "checkpoint-4"
    half_written.mkdir()
    (half_written / "trainer_state.json").write_text("{")
    with (tmp_path / "rollouts.jsonl").open("a") as file:
        file.write('{"step": 3, "cut')

    resumed = train(fresh(home), few, get_policy(policy), SETTINGS, tmp_path, sandbox)
    assert resumed.resumed_from == 2
    if policy == "bandit":
        assert json.loads((tmp_path / "checkpoints/checkpoint-5/policy.json").read_text()) == learnt
    assert_same_run(resumed, undisturbed)


def test_a_finished_training_is_not_done_twice(undisturbed, home, sandbox):
    started = time.perf_counter()
    again = train(fresh(home), PROBLEMS, get_policy("var"), SETTINGS, undisturbed.rollouts.parent, sandbox)
    assert again.resumed_from == SETTINGS.grpo_steps
    assert_same_run(again, undisturbed)
    assert time.perf_counter() > started


def test_a_folder_of_another_training_is_refused_and_says_how_it_differs(undisturbed, home, sandbox):
    with pytest.raises(TrainingError, match=r"policy \('var' there, 'flat' now\).*seed \(0 there, 3 now\)"):
        train(fresh(home), PROBLEMS, get_policy("flat"), SETTINGS, undisturbed.rollouts.parent, sandbox, seed=3)


def test_resume_false_forgets(home, sandbox, tmp_path):
    short = replace(SETTINGS, grpo_steps=2)
    train(fresh(home), PROBLEMS, get_policy("var"), short, tmp_path, sandbox)
    anew = train(fresh(home), PROBLEMS, get_policy("flat"), short, tmp_path, sandbox, resume=False)
    assert anew.resumed_from is None and len(anew.history) == 2
    assert json.loads((tmp_path / "training.json").read_text())["policy"] == "flat"


def test_a_policy_that_rewards_no_tier_of_the_problems_is_refused(home, sandbox, tmp_path):
    basic_only = [p.with_tests(t for t in p.tests if t.tier is Tier.BASIC) for p in PROBLEMS]
    with pytest.raises(TrainingError, match="'edge_only' rewards edge, but none of the 12 problems"):
        train(fresh(home), basic_only, get_policy("edge_only"), SETTINGS, tmp_path, sandbox)


def test_prompts_without_room_are_dropped_and_all_too_long_is_refused(home, sandbox, tmp_path):
    long = replace(PROBLEMS[0], problem_id="long", statement="# " + "even items, " * 400)
    short = replace(SETTINGS, grpo_steps=1)
    result = train(fresh(home), [long, *PROBLEMS[1:]], get_policy("flat"), short, tmp_path / "a", sandbox)
    assert result.dropped_prompts == ("long",)
    with pytest.raises(TrainingError, match="all 1 prompts are too long"):
        train(fresh(home), [long], get_policy("flat"), short, tmp_path / "b", sandbox)


def test_alarms_name_the_remedy_and_stay_silent_when_all_is_well(undisturbed):
    well = pd.DataFrame({"truncated": [0.0] * 12, "signal/reward": [0.4] * 12})
    assert alarms(well) == []
    [no_signal] = alarms(well.assign(**{"signal/reward": 0.02}))
    assert "only 2 %" in no_signal and "notebook 03" in no_signal
    [cut] = alarms(well.assign(truncated=0.5))
    [form] = alarms(well.assign(**{"rewards/format_reward/mean": 0.0}))
    assert "format_weight 0" in form and alarms(well.assign(**{"rewards/format_reward/mean": 0.1})) == []
    assert "max_completion_tokens" in cut
