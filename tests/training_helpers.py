"""What the tests of the training share: a small recipe, a few problems, and a student that is the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tarot_lite import students, toyworld
from tarot_lite.settings import load_profile
from tarot_lite.students import Student
from tarot_lite.training import TrainingResult

SETTINGS = replace(
    load_profile("smoke"), students={"strong": 60}, grpo_steps=5, save_steps=2, prompts_per_step=2, generations=4
)
PROBLEMS = toyworld.problems("train", 12, seed=0, tests_per_tier=1)
CLOCKS = ("step_time", "runtime", "samples_per_second", "steps_per_second", "num_tokens", "tokens_per_second")


def fresh(home: Path, adapted: bool = False) -> Student:
    """The warmed-up student from its cache: the same weights, and the same first adapters, every time."""
    student = students.tiny("strong", SETTINGS, home)
    if adapted:
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(1)
        targets = ["q_proj", "v_proj"]
        student.model = get_peft_model(student.model, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    return student


def weights(student: Student) -> dict[str, Any]:
    """A copy of all weights."""
    return {name: weight.detach().clone() for name, weight in student.model.named_parameters()}


def assert_same_run(result: TrainingResult, other: TrainingResult) -> None:
    """Weights, signals and completions agree to the last digit; only clocks may differ."""
    for name, tensor in result.student.model.state_dict().items():
        assert torch.equal(tensor, other.student.model.state_dict()[name]), name
    columns = [name for name in result.history if not name.endswith(CLOCKS) and not name.startswith("seconds/")]
    pd.testing.assert_frame_equal(result.history[columns], other.history[columns])
    assert result.rollouts.read_text() == other.rollouts.read_text()
