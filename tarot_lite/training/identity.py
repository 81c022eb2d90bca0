"""What must agree for a folder's checkpoints to belong to a training, and its file ``training.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tarot_lite import runs
from tarot_lite.curriculum import PORTFOLIO, Policy
from tarot_lite.problems import Problem
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.errors import TrainingError

_FILE = "training.json"
_LOOKED_AT = 4096  # values of a weight that tell it from another
RECIPE = (
    "grpo_steps",
    "prompts_per_step",
    "generations",
    "num_iterations",
    "learning_rate",
    "lr_schedule",
    "lr_warmup_steps",
    "beta",
    "epsilon",
    "epsilon_high",
    "loss_type",
    "scale_rewards",
    "mask_truncated",
    "temperature",
    "training_temperature",
    "tier_weights",
    "max_completion_tokens",
    "max_prompt_tokens",
    "format_weight",
    "normalize_reward",
)


def is_adapted(model: Any) -> bool:
    """Whether a model is trained by adapters (PEFT) alone."""
    return hasattr(model, "peft_config")


def identity(
    student: Student, problems: Sequence[Problem], policy: Policy, settings: Settings, seed: int
) -> dict[str, Any]:
    """What must agree.

    Of a model with adapters these are its frozen weights, the adapters' shape and their supervised warm-up: the adapters
    themselves come from the checkpoint, and how they were drawn at first is no matter.
    """
    found: dict[str, Any] = {
        "student": student.name,
        "weights": _weights_digest(student.model),
        "problems": _digest([[p.problem_id, p.statement, [asdict(t) for t in p.tests]] for p in problems]),
        "policy": policy.name,
        "seed": seed,
        **{name: getattr(settings, name) for name in RECIPE},
    }
    if policy.name not in PORTFOLIO:
        found["policy of one's own"] = policy.digest
    if is_adapted(student.model):
        shape = student.model.peft_config["default"]
        targets = shape.target_modules
        found["adapters"] = [shape.r, shape.lora_alpha, sorted(targets) if isinstance(targets, set) else str(targets)]
    if "warm-up" in student.origin:
        found["warm-up"] = student.origin["warm-up"]
    return found


def _given(model: Any) -> Iterator[Any]:
    """The weights that a training begins with."""
    adapted = is_adapted(model)
    return (weight for name, weight in model.named_parameters() if not (adapted and "lora_" in name))


def _weights_digest(model: Any) -> str:
    """Of some values of every weight, spread over it: a sum of all would depend on the processor that adds them up."""
    found = hashlib.sha256()
    for weight in _given(model):
        values = weight.detach().flatten()
        found.update(values[:: max(1, len(values) // _LOOKED_AT)].float().cpu().numpy().tobytes())
    return found.hexdigest()[:16]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def check_identity(folder: Path, now: dict[str, Any]) -> None:
    """Write the identity into a new folder, or compare it with the one that is there."""
    path = folder / _FILE
    if not path.exists():
        runs.write_atomic(path, json.dumps(now, indent=1))
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    different = [f"{k} ({there.get(k)!r} there, {v!r} now)" for k, v in now.items() if there.get(k) != v]
    if different:
        raise TrainingError(
            f"{folder} holds another training, different in {', '.join(different)}; "
            "choose another run folder, or delete this one to train anew"
        )
