"""From our settings to TRL's arguments: how a step is cut into passes, and everything else that a recipe names.

A step always learns from ``prompts_per_step × generations`` completions.  How many of them are generated at once and how
many go through one forward and backward pass is a matter of memory alone (`Batches`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig

from tarot_lite import machine
from tarot_lite.settings import Settings
from tarot_lite.students import backends
from tarot_lite.students.generation import paged
from tarot_lite.training.errors import TrainingError

_TECHNICAL = ("output_dir", "run_name", "project", "report_to", "gradient_checkpointing_kwargs", "disable_tqdm")
_COPIED = (  # which the trainer keeps under the same name, but for epsilon
    "beta epsilon_high loss_type scale_rewards mask_truncated_completions num_generations num_iterations temperature"
).split()


@dataclass(frozen=True, slots=True)
class Batches:
    """How the completions of a step are generated and learnt from, piece by piece.

    Parameters
    ----------
    step
        Completions of an optimizer step, over all processes.
    group
        Completions per prompt.
    processes
        How many share a step.
    generated
        Completions generated at once, over all processes; divides `step`, and is made of whole groups.
    micro
        Completions in one forward and backward pass of one process; divides its share of `generated`.
    """

    step: int
    group: int
    processes: int
    generated: int
    micro: int

    @classmethod
    def of(cls, settings: Settings, processes: int = 1) -> Batches:
        """Batches as the settings ask for: ``prompts_per_step``, ``generations``, ``generation_batch``, ``micro_batch``.

        Raises
        ------
        TrainingError
            If they do not divide; the message offers what does.

        Examples
        --------
        >>> Batches.of(Settings(prompts_per_step=8, generations=8, micro_batch=16)).accumulated
        4
        """
        step = settings.prompts_per_step * settings.generations
        if settings.prompts_per_step % processes:
            raise TrainingError(
                f"prompts_per_step is {settings.prompts_per_step}, which {processes} processes cannot share evenly; "
                f"give a multiple of {processes}"
            )
        whole = [n for n in _divisors(step) if n % (settings.generations * processes) == 0]
        generated = settings.generation_batch or step
        if generated not in whole:
            raise TrainingError(
                f"generation_batch is {generated}; a step has {step} completions in groups of {settings.generations}, so "
                f"give one of {', '.join(map(str, whole))}"
            )
        share = generated // processes
        micro = min(settings.micro_batch or share, share)
        if share % micro:
            raise TrainingError(
                f"micro_batch is {micro}, which does not divide the {share} completions that a process generates at once; "
                f"give one of {', '.join(map(str, _divisors(share)))}"
            )
        return cls(step, settings.generations, processes, generated, micro)

    @property
    def accumulated(self) -> int:
        """Passes whose gradients make one optimizer step."""
        return self.step // (self.micro * self.processes)

    @property
    def passes_per_generation(self) -> int:
        """Passes that learn from one round of generation."""
        return self.generated // (self.micro * self.processes)

    def whole_steps(self, steps: int, iterations: int) -> int:
        """The first number of steps, from `steps` on, after which every round of generation was learnt from to its end.

        Between them a checkpoint would lack the completions that are still to be learnt from.

        Examples
        --------
        >>> Batches.of(Settings(prompts_per_step=2, generations=4)).whole_steps(5, iterations=2)
        6
        """
        rounds = self.step // self.generated
        unit = iterations // math.gcd(rounds, iterations)
        return -(-steps // unit) * unit

    def smaller(self, generating: bool) -> Batches | None:
        """The next smaller batches that keep the step as it is; None if there are none.

        Examples
        --------
        >>> whole = Batches.of(Settings(prompts_per_step=2, generations=4))
        >>> whole.smaller(generating=False).micro, whole.smaller(generating=True).generated
        (4, 4)
        >>> whole.smaller(generating=True).smaller(generating=True) is None
        True
        """
        if generating:
            fits = [
                n for n in _divisors(self.step) if n <= self.generated // 2 and n % (self.group * self.processes) == 0
            ]
            if not fits:
                return None
            share = fits[-1] // self.processes
            micro = max(n for n in _divisors(share) if n <= self.micro)
            return Batches(self.step, self.group, self.processes, fits[-1], micro)
        fits = [n for n in _divisors(self.generated // self.processes) if n <= self.micro // 2]
        return Batches(self.step, self.group, self.processes, self.generated, fits[-1]) if fits else None


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def asked(
    settings: Settings, batches: Batches, folder: Path, seed: int, vllm: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """What TRL is asked for, by TRL's names.

    Parameters
    ----------
    settings
        Uses everything from ``grpo_steps`` to ``report_to``.
    batches
        See `Batches`.
    folder
        For checkpoints.
    seed
        Order of prompts, and sampling.
    vllm
        How vLLM generates, ``colocate`` or ``server``; None: the model itself does.
    name
        Of the training, for a tracker.
    """
    card = machine.card() if torch.cuda.is_available() else None
    number = backends.precision(settings, card)
    return {
        "output_dir": str(folder),
        "max_steps": settings.grpo_steps,
        "per_device_train_batch_size": batches.micro,
        "gradient_accumulation_steps": batches.accumulated,
        "steps_per_generation": batches.passes_per_generation,
        "num_generations": settings.generations,
        "num_iterations": settings.num_iterations,
        "max_completion_length": settings.max_completion_tokens,
        "temperature": settings.training_temperature or settings.temperature,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": _schedule(settings),
        "warmup_steps": settings.lr_warmup_steps,
        "beta": settings.beta,
        "epsilon": settings.epsilon,
        "epsilon_high": settings.epsilon if settings.epsilon_high is None else settings.epsilon_high,
        "loss_type": settings.loss_type,
        "scale_rewards": settings.scale_rewards,
        "mask_truncated_completions": settings.mask_truncated,
        "reward_weights": [1.0, settings.format_weight] if settings.format_weight else [1.0],
        "use_cpu": card is None,
        "bf16": card is not None and number == "bfloat16",
        "fp16": card is not None and number == "float16",
        "gradient_checkpointing": settings.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "logging_steps": 1,
        "save_steps": batches.whole_steps(settings.save_steps, settings.num_iterations),
        "save_total_limit": 2,
        "report_to": "none" if settings.report_to == "tensorboard" else settings.report_to,  # TensorBoard is ours
        "run_name": name,
        "project": "tarot_lite",
        "disable_tqdm": True,
        "dataloader_pin_memory": card is not None,
        "seed": seed,
        "data_seed": seed,
        "cache_implementation": "static" if settings.generation == "static" else None,
        "use_transformers_continuous_batching": settings.generation == "continuous",
        "transformers_continuous_batching_config": paged(
            batches.generated, settings.max_prompt_tokens + settings.max_completion_tokens, settings.vllm_memory
        ),
        "use_vllm": vllm is not None,
        "vllm_mode": vllm or "colocate",
        "vllm_gpu_memory_utilization": settings.vllm_memory,
    }


def arguments(asked: Mapping[str, Any]) -> GRPOConfig:
    """TRL's arguments as they were `asked` for, by Unsloth's version of them too.

    That one scales no rewards under ``dr_grpo``, unless it is told None.
    """
    given = dict(asked)
    is_unsloths = "Unsloth" in GRPOConfig.__name__
    if is_unsloths and given["loss_type"] == "dr_grpo" and given["scale_rewards"] == "group":
        given["scale_rewards"] = None
    return GRPOConfig(**given)


def effective(asked: Mapping[str, Any], trainer: Any) -> dict[str, Any]:
    """The arguments in force, for the record."""
    found = {name: _plain(getattr(trainer.args, name)) for name in asked}
    found |= {name: _plain(getattr(trainer, name, found[name])) for name in _COPIED}
    found["epsilon"] = getattr(trainer, "epsilon_low", found["epsilon"])
    told = [
        f"{name} ({found[name]!r} in force, {wanted!r} asked for)"
        for name, wanted in asked.items()
        if name not in _TECHNICAL and found[name] != wanted
    ]
    if told:
        raise TrainingError(
            f"the trainer learns with other arguments than it was given: {', '.join(told)}; change the settings to what is in "
            "force, or set backend to transformers"
        )
    return found


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)  # an enumeration's


def _schedule(settings: Settings) -> str:
    """Name of the schedule for ``transformers``, whose ``constant`` would ignore a warm-up."""
    return (
        "constant_with_warmup"
        if settings.lr_schedule == "constant" and settings.lr_warmup_steps
        else settings.lr_schedule
    )
