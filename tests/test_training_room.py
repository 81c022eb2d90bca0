"""Steps in pieces, memory that runs out, adapters, the best weights, several processes: the step stays what it is."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import training_helpers
from training_helpers import PROBLEMS, fresh, weights

from tarot_lite import students, toyworld
from tarot_lite.curriculum import get_policy
from tarot_lite.students import Student
from tarot_lite.training import Batches, TrainingError, best_weights, read_rollouts, train
from tarot_lite.training.__main__ import _share, main
from tarot_lite.training.best import best_folder
from tarot_lite.training.callbacks import Alarms
from tarot_lite.training.finish import merge, model_card, push, save

SETTINGS = replace(training_helpers.SETTINGS, grpo_steps=3)
FLAT = get_policy("flat")


@pytest.fixture(scope="module")
def whole(home, sandbox, tmp_path_factory):
    return train(fresh(home), PROBLEMS, FLAT, SETTINGS, tmp_path_factory.mktemp("whole"), sandbox)


def test_batches_that_do_not_divide_are_refused_with_those_that_do():
    with pytest.raises(TrainingError, match=r"micro_batch is 3.*give one of 1, 2, 4, 8"):
        Batches.of(replace(SETTINGS, prompts_per_step=6, generation_batch=8, micro_batch=3))
    with pytest.raises(TrainingError, match=r"generation_batch is 6.*give one of 4, 8"):
        Batches.of(replace(SETTINGS, generation_batch=6))
    with pytest.raises(TrainingError, match="prompts_per_step is 2, which 3 processes"):
        Batches.of(SETTINGS, processes=3)
    assert Batches.of(replace(SETTINGS, micro_batch=2), processes=2).accumulated == 2


class Crowded:
    """A model whose device has no room for more than `most` rows with gradients, or to generate from: it really asks
    the allocator for a petabyte then."""

    def __init__(self, model, most, generating=False):
        self.most, self.generating = most, generating
        self.hook = model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, module, arguments, keywords):
        rows = (arguments[0] if arguments else keywords["input_ids"]).shape[0]
        generating = not torch.is_grad_enabled() and keywords.get("past_key_values") is not None
        if rows > self.most and (generating if self.generating else torch.is_grad_enabled()):
            torch.empty(2**50)


def test_when_memory_runs_out_the_passes_get_smaller_and_the_step_stays(whole, home, sandbox, tmp_path):
    student = fresh(home)
    Crowded(student.model, most=2)
    result = train(student, PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox)
    assert (result.batches.micro, result.batches.accumulated, result.batches.generated) == (2, 4, 8)
    assert len(result.made_room) == 2 and "8 a step as before" in result.made_room[-1]
    assert result.rollouts.read_text() == whole.rollouts.read_text()
    after = weights(student)
    for name, weight in weights(whole.student).items():
        torch.testing.assert_close(
            after[name], weight, rtol=0, atol=2e-3
        )  # Adam scales rounding up where gradients vanish
    assert json.loads((tmp_path / "batches.json").read_text()) == {"generated": 8, "micro": 2}


def test_when_memory_runs_out_in_generation_fewer_are_generated_at_once(home, sandbox, tmp_path):
    student = fresh(home)
    Crowded(student.model, most=4, generating=True)
    result = train(student, PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox)
    assert (result.batches.generated, result.batches.micro, result.batches.accumulated) == (4, 4, 2)
    assert read_rollouts(result.rollouts).groupby("step").size().tolist() == [8, 8, 8]


def test_no_room_for_a_single_completion_is_told(home, sandbox, tmp_path):
    student = fresh(home)
    Crowded(student.model, most=0)
    with pytest.raises(TrainingError, match=r"learning from 1 completions at once.*lower max_completion_tokens"):
        train(student, PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox)


def test_every_completion_cut_is_told(home, sandbox, tmp_path):
    short = replace(SETTINGS, max_completion_tokens=4, grpo_steps=1)
    told = (
        r"every completion of the last 1 steps was cut at max_completion_tokens = 4.*stopped at step 1 of 1\. Raise it"
    )
    with pytest.raises(TrainingError, match=told):
        train(fresh(home), PROBLEMS, FLAT, short, tmp_path, sandbox)


def test_a_training_that_only_writes_cut_completions_is_stopped_early(home, sandbox, tmp_path):
    long = replace(SETTINGS, max_completion_tokens=4, grpo_steps=40, save_steps=40)
    with pytest.raises(TrainingError, match=r"every completion of the last 5 steps was cut.*stopped at step 5 of 40"):
        train(fresh(home), PROBLEMS, FLAT, long, tmp_path, sandbox)
    assert {row["step"] for row in map(json.loads, (tmp_path / "signals.jsonl").read_text().splitlines())} <= set(
        range(6)
    )


def step(**row):
    return {"reward": 0.1, "truncated": 1.0, "signal/reward": 0.5, **row}


def tell(rows, settings, steps=40):
    """What is told of a training with these rows, one after the other."""
    watcher = Alarms(settings)
    for number in range(1, len(rows) + 1):
        state = SimpleNamespace(
            log_history=rows[:number], global_step=number, max_steps=steps, is_world_process_zero=True
        )
        watcher.on_log(None, state, None, logs=rows[number - 1])


def test_cut_completions_whose_rewards_differ_are_an_alarm_told_once(caplog):
    tell([step()] * 12, SETTINGS)
    assert [record.getMessage() for record in caplog.records] == [
        "after step 5 of 40: 100 % of the last completions were cut at max_completion_tokens: raise it, or ask for shorter "
        "answers"
    ]
    with pytest.raises(TrainingError, match="the last 5 steps"):  # left out of the loss, they teach nothing
        tell([step()] * 12, replace(SETTINGS, mask_truncated=True))


def test_one_whole_completion_or_a_step_that_learns_again_does_not_stop_a_training(caplog):
    cut, again = step(**{"signal/reward": 0.0}), {"loss": 0.0}
    tell([cut, cut, cut, cut, step(truncated=0.9, **{"signal/reward": 0.0})] * 3, SETTINGS)
    with pytest.raises(TrainingError, match="stopped at step 9 of 40"):  # every second step has no score of its own
        tell([cut, again] * 12, SETTINGS)
    assert {record.getMessage().partition(" of the last")[0] for record in caplog.records} == {
        "after step 5 of 40: 98 %",
        "after step 5 of 40: only 0 %",
    }


def test_a_missing_tracker_and_too_long_prompts_are_told(home, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])  # nothing can be found
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(TrainingError, match=r"the package trackio is not installed; pip install trackio"):
        train(fresh(home), PROBLEMS, FLAT, replace(SETTINGS, report_to="trackio"), tmp_path / "a", sandbox)
    with pytest.raises(TrainingError, match=r"all 12 prompts are too long.*by max_prompt_tokens = 4; raise it"):
        train(fresh(home), PROBLEMS, FLAT, replace(SETTINGS, max_prompt_tokens=4), tmp_path / "b", sandbox)


def test_a_folder_named_like_a_tracker_is_not_taken_for_it(home, sandbox, tmp_path, monkeypatch):
    (tmp_path / "here" / "wandb").mkdir(parents=True)  # as wandb itself leaves one in the current folder
    monkeypatch.setattr(sys, "path", [str(tmp_path / "here")])
    with pytest.raises(TrainingError, match="the package wandb is not installed"):
        train(fresh(home), PROBLEMS, FLAT, replace(SETTINGS, report_to="wandb"), tmp_path / "a", sandbox)


def test_tensorboard_gets_every_signal_and_a_resumed_training_draws_on(whole, home, sandbox, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    class Lost(Exception):
        pass

    def lose(log):
        if log[-1]["step"] == 3:
            raise Lost

    drawn = replace(SETTINGS, report_to="tensorboard")
    with pytest.raises(Lost):
        train(fresh(home), PROBLEMS, FLAT, drawn, tmp_path, sandbox, watch=lose)
    train(fresh(home), PROBLEMS, FLAT, drawn, tmp_path, sandbox)
    curves = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for name in ("reward", "tier/basic", "signal/reward", "kl", "loss", "truncated"):
        points = [(point.step, point.value) for point in curves.Scalars(f"train/{name}")]
        rows = zip([1, 2, 3], whole.history[name], strict=True)
        assert points == [(step, pytest.approx(value, abs=1e-6)) for step, value in rows], name


def test_options_of_the_recipe_reach_the_trainer(home, sandbox, tmp_path):
    recipe = replace(
        SETTINGS,
        grpo_steps=4,
        num_iterations=2,
        lr_schedule="linear",
        lr_warmup_steps=2,
        scale_rewards="none",
        beta=0.0,
    )
    history = train(fresh(home), PROBLEMS, FLAT, recipe, tmp_path, sandbox).history
    assert history["reward"].isna().tolist() == [
        False,
        True,
        False,
        True,
    ]  # every second step learns from the same again
    assert history["learning_rate"].tolist() == pytest.approx([0, 1.5e-4, 3e-4, 1.5e-4])
    assert "kl" not in history


@pytest.fixture(scope="module")
def adapted(home, sandbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapted")
    return train(fresh(home, adapted=True), PROBLEMS, FLAT, SETTINGS, folder, sandbox)


def test_adapters_alone_are_trained_and_resume_exactly(adapted, home, sandbox, tmp_path):
    before, after = weights(fresh(home, adapted=True)), weights(adapted.student)
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert moved and all("lora_" in name for name in moved) and set(before) == set(after)

    class Stopped(Exception):
        pass

    def stop(log):
        if log[-1]["step"] == 3:
            raise Stopped

    student = fresh(home, adapted=True)
    with pytest.raises(Stopped):
        train(student, PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox, watch=stop)
    resumed = train(fresh(home, adapted=True), PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox)
    assert resumed.resumed_from == 2
    for name, weight in weights(resumed.student).items():
        assert torch.equal(weight, after[name]), name
    again = train(fresh(home, adapted=True), PROBLEMS, FLAT, SETTINGS, tmp_path, sandbox)  # finished: taken over
    assert again.resumed_from == 3
    assert all(torch.equal(weight, after[name]) for name, weight in weights(again.student).items())


def test_merged_adapters_write_the_same_and_whole_weights_have_nothing_to_merge(adapted, whole, home, tmp_path):
    prompts = [adapted.student.prompt(problem) for problem in PROBLEMS[:4]]
    student = fresh(home, adapted=True)
    student.model.load_state_dict(adapted.student.model.state_dict())
    wanted = student.generate(prompts, 1, temperature=0.0, max_new_tokens=16)
    save(student, tmp_path / "merged", "merged")
    assert students.load(tmp_path / "merged").generate(prompts, 1, temperature=0.0, max_new_tokens=16) == wanted
    with pytest.raises(TrainingError, match="has no adapters to merge"):
        merge(whole.student)
    with pytest.raises(TrainingError, match="not loaded by Unsloth"):
        save(whole.student, tmp_path / "gguf", "gguf")


def test_gguf_is_gathered_from_where_unsloth_leaves_it(whole, tmp_path):
    """llama.cpp cannot be built here; Unsloth's way of laying out files is played, and its refusal."""

    class Exporting:
        def save_pretrained_gguf(self, folder, tokenizer, quantization_method):
            if not tokenizer:
                raise RuntimeError("llama.cpp cannot be fetched")
            merged, beside = Path(folder), Path(folder + "_gguf")
            for place, name in ((merged, "model.safetensors"), (beside, "m.Q4_K_M.gguf"), (beside, "Modelfile")):
                place.mkdir(exist_ok=True)
                (place / name).write_text(quantization_method)
            return {"gguf_files": [str(beside / "m.Q4_K_M.gguf")], "modelfile_location": str(beside / "Modelfile")}

    student = Student("s", whole.student.model, whole.student.tokenizer)
    student.model = Exporting()
    save(student, tmp_path / "model", "gguf", card="# card")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["Modelfile", "README.md", "m.Q4_K_M.gguf"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # no half-made weights are left
    student.tokenizer = None
    with pytest.raises(
        TrainingError, match=r"llama.cpp cannot be fetched\); the training is safe: set save_model to merged"
    ):
        save(student, tmp_path / "again", "gguf")


def test_the_best_weights_are_kept_and_measuring_disturbs_nothing(whole, home, sandbox, tmp_path):
    tuning = toyworld.problems("tuning", 4, seed=0, tests_per_tier=1)
    measured = replace(SETTINGS, keep_best_every=1, eval_samples=2)
    result = train(fresh(home), PROBLEMS, FLAT, measured, tmp_path, sandbox, tuning=tuning)
    after = weights(result.student)
    assert all(torch.equal(weight, after[name]) for name, weight in weights(whole.student).items())
    rows = [json.loads(line) for line in (tmp_path / "tuning.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    best = best_weights(tmp_path, result.student)
    assert best == max(rows, key=lambda row: (row["suite"], row["tiers"], -row["step"]))
    kept = students.load(best_folder(tmp_path, best["step"])).model.state_dict()
    assert all(torch.equal(weight, kept[name]) for name, weight in weights(result.student).items())
    with pytest.raises(TrainingError, match="keep_best_every"):
        best_weights(whole.rollouts.parent, whole.student)


def test_a_checkpoint_without_weights_is_not_taken_over_in_silence(home, sandbox, tmp_path):
    train(fresh(home), PROBLEMS, FLAT, replace(SETTINGS, grpo_steps=1), tmp_path, sandbox)
    (tmp_path / "checkpoints/checkpoint-1/model.safetensors").unlink()
    with pytest.raises(TrainingError, match="checkpoint-1 holds no weights"):
        train(fresh(home), PROBLEMS, FLAT, replace(SETTINGS, grpo_steps=1), tmp_path, sandbox)


def test_the_card_holds_the_numbers_of_the_run(whole, tmp_path):
    rows = [
        {"measure": measure, "when": when, "rate": 0.25 if when == "before" else 0.5, "low": 0.125, "high": 0.625}
        for measure in ("basic", "intermediate", "complex", "edge", "suite")
        for when in ("before", "after")
    ]
    card = model_card(
        whole.student, FLAT, SETTINGS, whole, pd.DataFrame(rows), {"versions": {"trl": "1.14.2", "unsloth": None}}
    )
    assert "| suite | 25.0 % (12.5–62.5) | 50.0 % (12.5–62.5) |" in card and "| trl | 1.14.2 |" in card
    assert card.startswith("---\n") and "unsloth" not in card and "| grpo_steps | 3 |" in card


def test_an_upload_needs_weights_and_a_hub_that_answers(whole, tmp_path):
    with pytest.raises(TrainingError, match="holds no weights"):
        push(tmp_path, "somebody/model")
    save(whole.student, tmp_path / "model", "adapters", card="# card")
    with pytest.raises(TrainingError, match=r"call push again: the model is safe in"):
        push(tmp_path / "model", "somebody/model", endpoint="http://127.0.0.1:9", token="none")


def test_a_training_of_the_command_line_is_looked_at_before_anything_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["--profile", "colab-t4", "--folder", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "GPU: none, and the profile colab-t4 is made for one of 15 GiB -- choose a GPU runtime" in said
    assert "HF_HUB_OFFLINE is set" in said and not (tmp_path / "run").exists()


def test_a_process_is_judged_by_its_share_of_a_step():
    four = replace(SETTINGS, prompts_per_step=8, generations=4, generation_batch=16, micro_batch=16)
    share = _share(four, 4)
    assert (share.prompts_per_step, share.generation_batch, share.micro_batch) == (2, 4, 8)
    assert (
        _share(four, 3) == four
        and _share(replace(four, generation_batch=None, micro_batch=None), 8).prompts_per_step == 1
    )


def test_two_processes_share_a_training(tmp_path):
    """Over gloo on CPUs: the same curriculum in both, each scoring its own completions, and the same training twice."""
    root = Path(__file__).parent.parent
    run = ["-m", "tarot_lite.training", "--profile", "smoke", "--policy", "var", "--folder", str(tmp_path)]
    run += [
        "-p",
        "students",
        "strong=10",
        "-p",
        "grpo_steps",
        "5",
        "-p",
        "save_steps",
        "5",
        "-p",
        "sandbox_workers",
        "1",
    ]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*launch, *run]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    shares = [
        [json.loads(line) for line in (tmp_path / "training" / name).read_text().splitlines()]
        for name in ("rollouts.jsonl", "rollouts.1.jsonl")
    ]
    positions = [[(row["step"], row["progress"], row["phase"]) for row in share] for share in shares]
    assert positions[0] == positions[1] and sorted(set(positions[0])) == [
        (step, step / 5, phase) for step, phase in zip(range(5), (0, 1, 2, 3, 3), strict=True)
    ]
    for step in range(5):
        asked = [{row["problem_id"] for row in share if row["step"] == step} for share in shares]
        assert len(asked[0]) == len(asked[1]) == 1 and not asked[0] & asked[1]  # a whole group each
    history = pd.read_csv(tmp_path / "history.csv").set_index("step")
    for row in shares[0] + shares[1]:
        passed = {tier: [verdict == "passed"] for tier, verdict in row["verdicts"].items()}
        assert row["reward"] == get_policy("var").reward(passed, row["progress"])
    rewards = pd.DataFrame(shares[0] + shares[1]).groupby("step")["reward"].mean()
    assert history["reward"].tolist() == pytest.approx(rewards.tolist(), abs=1e-6)
    assert (tmp_path / "training/checkpoints/checkpoint-5/complete.json").exists()
