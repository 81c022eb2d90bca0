"""Checkpoints: a marker written last says which are whole; ``training.json``, what must agree for them to belong to a
training; weights of the start and of the end."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from tarot_lite import runs
from tarot_lite.curriculum import PORTFOLIO, Policy
from tarot_lite.problems import Problem
from tarot_lite.rewards import TierReward
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.errors import TrainingError

_COMPLETE = "complete.json"
_POLICY = "policy.json"
_REFERENCE = "ref"  # TRL keeps the adapters of the start under this name, to measure the KL against


class MarkComplete(TrainerCallback):
    """Writes a marker last, so that a checkpoint cut short by a kill is never resumed from; before it what the policy learnt."""

    def __init__(self, reward: TierReward) -> None:
        self.reward = reward

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """All processes have written their random state before the first one writes the marker."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            # where there is a second set of adapters, the trainer would go on from that alone, and TRL makes it anew anyway
            shutil.rmtree(folder / _REFERENCE, ignore_errors=True)
            runs.write_atomic(folder / _POLICY, json.dumps(self.reward.state))
            runs.write_atomic(folder / _COMPLETE, json.dumps({"step": state.global_step}))


class Start:
    """The trainable weights of the start, kept aside, so that a training can begin anew after it ran out of memory."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._weights = {
            name: w.detach().to("cpu", copy=True) for name, w in model.named_parameters() if w.requires_grad
        }

    def restore(self) -> None:
        """Give the model its first weights again, and free what a stopped trainer left on it."""
        drop_reference(self._model)
        with torch.no_grad():
            for name, weight in self._model.named_parameters():
                weight.grad = None
                if name in self._weights:
                    weight.copy_(self._weights[name])


def drop_reference(model: Any) -> None:
    """Take away the copy of the adapters that TRL made for the KL term."""
    if is_adapted(model) and _REFERENCE in model.peft_config:
        model.delete_adapter(_REFERENCE)


def step_of(checkpoint: Path) -> int:
    """Optimizer steps that a checkpoint has behind it.

    Examples
    --------
    >>> step_of(Path("checkpoints/checkpoint-40"))
    40
    """
    return int(checkpoint.name.rpartition("-")[2])


def last_complete(checkpoints: Path, clean: bool = True) -> Path | None:
    """The newest checkpoint that was written to its end; broken ones are removed if `clean`."""
    whole = []
    for folder in sorted(checkpoints.glob("checkpoint-*"), key=step_of):
        if (folder / _COMPLETE).exists():
            whole.append(folder)
        elif clean:
            shutil.rmtree(folder)
    return whole[-1] if whole else None


def learnt_by_policy(checkpoint: Path | None) -> dict[str, float]:
    """What an adaptive policy had learnt when a checkpoint was written; nothing at the start."""
    return (runs.read_json(checkpoint / _POLICY) or {}) if checkpoint else {}


def take_over(checkpoint: Path, student: Student) -> list[dict[str, Any]]:
    """Give the student the weights of a finished training; returns its log."""
    take_weights(checkpoint, student)
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    log: list[dict[str, Any]] = state["log_history"]
    return log


def take_weights(folder: Path, student: Student) -> None:
    """Give the student the weights of a folder: all of them, or its adapters alone if it is trained by adapters."""
    if is_adapted(student.model):
        from peft import load_peft_weights, set_peft_model_state_dict

        set_peft_model_state_dict(student.model, load_peft_weights(str(folder), device="cpu"))
    else:
        student.model.load_state_dict(_weights(folder), strict=False)
        student.model.tie_weights()  # a tied head is not in the file


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All weights of a checkpoint, in however many files they are."""
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(checkpoint.glob("model*.safetensors")):
        weights |= load_file(path)
    if not weights:  # loading nothing would pass without a word
        raise TrainingError(
            f"{checkpoint} holds no weights (model*.safetensors); delete it, and the one before it is used"
        )
    return weights


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
