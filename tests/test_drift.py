"""What we take from other libraries is still as we take it: fails when an update changed it, and says where we use it."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import drift
import pytest


@pytest.mark.parametrize("library", ["trl", "transformers", "peft", "datasets", "tokenizers", "papermill", "nbconvert"])
def test_every_call_into_a_library_is_accepted_by_it(library: str) -> None:
    count, found = drift.faults(library)
    assert count > 0 and found == []


def test_every_call_into_unsloth_is_accepted_by_it(repository: Path) -> None:
    if importlib.util.find_spec("unsloth") is None:
        pytest.skip("unsloth is not installed (extra: gpu)")
    command = [sys.executable, str(repository / "tests/drift.py"), "unsloth"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    last = result.stdout.rstrip().splitlines()
    assert re.fullmatch(r"[1-9]\d* calls", last[-1]), result.stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from trl import GRPOConfig\nGRPOConfig(max_steps=3, max_steps_ever=4)", "max_steps_ever"),
        ("import papermill\npapermill.execute_notebok('a', 'b')", "execute_notebok"),
        ("def late():\n    from trl import NoSuchTrainer\n    NoSuchTrainer()", "NoSuchTrainer"),
    ],
)
def test_a_change_would_be_noticed(source: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/uses.py").write_text(source)
    found = [fault for library in ("trl", "papermill") for fault in drift.faults(library, tmp_path / "package")[1]]
    assert len(found) == 1 and said in found[0] and found[0].startswith("package/uses.py:")


def test_defaults_of_grpo_that_our_numbers_rest_on() -> None:
    from trl import GRPOConfig

    expected: dict[str, Any] = {
        "num_iterations": 1,
        "epsilon": 0.2,
        "scale_rewards": "group",
        "mask_truncated_completions": False,
        "steps_per_generation": None,
        "shuffle_dataset": True,
        "top_p": 1.0,
        "top_k": 0,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "gradient_accumulation_steps": 1,
    }
    parameters = inspect.signature(GRPOConfig).parameters
    assert {name: parameters[name].default for name in expected if name in parameters} == expected


def test_trl_hands_a_reward_function_what_ours_takes() -> None:
    from trl import GRPOTrainer

    from tarot_lite.rewards import FormatReward, TierReward

    given = inspect.getsource(GRPOTrainer._calculate_rewards)
    for reward in (TierReward, FormatReward):
        for name in set(inspect.signature(reward.__call__).parameters) - {"self", "problem_id", "columns"}:
            assert re.search(rf"\b{name}\b", given), f"{reward.__name__} takes {name}, which TRL no longer gives"


def test_trl_has_the_steps_that_our_trainer_times_and_begins_to_score_in() -> None:
    from trl import GRPOTrainer

    for step in ("_generate", "_generate_single_turn", "_generate_and_score_completions", "_calculate_rewards"):
        assert callable(getattr(GRPOTrainer, step, None)), step
    assert ".generate(" in inspect.getsource(GRPOTrainer._generate_single_turn)
    assert "self.eos_token_ids" in inspect.getsource(GRPOTrainer)


def test_transformers_has_the_events_and_the_state_that_our_callbacks_use() -> None:
    from transformers import TrainerCallback, TrainerState

    events = {"on_save", "on_train_begin", "on_step_begin", "on_log", "on_step_end", "on_train_end"}
    assert events <= set(dir(TrainerCallback))
    assert {"global_step", "max_steps", "log_history"} <= set(inspect.signature(TrainerState).parameters)


def test_papermill_takes_the_options_of_the_readme() -> None:
    from papermill.cli import papermill

    options = {option for parameter in papermill.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {"-p", "-f", "--no-progress-bar"} <= options
    from papermill.exceptions import PapermillExecutionError

    assert {"cell_index", "ename", "evalue"} <= set(inspect.signature(PapermillExecutionError).parameters)


def test_nbval_takes_the_options_of_the_makefile_and_the_tags_of_the_notebooks(repository: Path) -> None:
    from nbval import plugin

    taken = set(re.findall(r"(--nbval-[\w-]+)", (repository / "Makefile").read_text()))
    known = inspect.getsource(plugin.pytest_addoption)
    assert {"--nbval-lax", "--nbval-cell-timeout"} <= taken and all(f"'{option}'" in known for option in taken)
    tagged = {**plugin.comment_markers, **plugin.metadata_tags} if hasattr(plugin, "comment_markers") else {}
    assert "nbval-check-output" in str(tagged).lower().replace("_", "-")
