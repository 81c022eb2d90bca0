"""A training without a notebook, for one process or several.

One process::

    python -m tarot_lite.training --profile gpu-24gb --folder runs/first --policy var

Several on one machine, each with its own GPU::

    accelerate launch --num_processes 2 -m tarot_lite.training --profile paper --folder runs/first

On CPUs, over gloo, ``accelerate launch`` would need MPI; what it starts on GPUs does without::

    torchrun --nproc_per_node 2 --standalone -m tarot_lite.training --profile smoke --folder runs/first

``prompts_per_step`` is that of all processes together, so the training is the same one, only faster.  Every process runs the
programs of its own completions in a sandbox of its own; the rewards meet before advantages are made.

DeepSpeed ZeRO, as TRL documents it: ``accelerate config`` writes a file that names the stage, and ``accelerate launch
--config_file that.yaml`` takes it; nothing here changes.  The published runs used ZeRO-2; ZeRO-3 is refused, since no process
then holds whole weights.

vLLM on a GPU of its own, as TRL documents it: ``CUDA_VISIBLE_DEVICES=0 trl vllm-serve --model <the student's source>``, then
the training on the others, with ``-p vllm server``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tarot_lite import preflight
from tarot_lite.curriculum import get_policy
from tarot_lite.problems import ProblemError
from tarot_lite.sandbox import Limits, Sandbox, SandboxError
from tarot_lite.settings import Settings, load_profile
from tarot_lite.students import StudentError, make
from tarot_lite.suites import splits

if TYPE_CHECKING:
    from tarot_lite.students import Student


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a training; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tarot_lite.training", description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", default="smoke", help="name of a profile, or path of a YAML file")
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoints, signals and the trained student")
    parser.add_argument("--policy", help="curriculum (default: the parameter policy, else var)")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter")
    given = parser.parse_args(arguments)
    try:
        settings = load_profile(given.profile, **dict(given.p))
        if given.policy and settings.policy not in (None, given.policy):
            raise ValueError(
                f"parameter policy is given twice: -p policy {settings.policy} and --policy {given.policy}"
            )
        policy = get_policy(given.policy or settings.policy or "var", settings.tier_weights)
        settings.check_trainable([settings.student or settings.student_names[-1]])
    except ValueError as error:
        parser.error(str(error))
    try:
        _train(settings, policy.name, given.folder)
    except (StudentError, ProblemError, SandboxError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _share(settings: Settings, processes: int) -> Settings:
    """What one of several processes has to hold: its part of a step's completions, if they can be parted."""
    if settings.prompts_per_step % processes:
        return settings  # `Batches` says what can
    prompts, together = settings.prompts_per_step // processes, settings.generation_batch
    try:
        return replace(
            settings,
            prompts_per_step=prompts,
            generation_batch=together and max(2, together // processes),
            micro_batch=settings.micro_batch and min(settings.micro_batch, prompts * settings.generations),
        )
    except ValueError:
        return settings


def _train(settings: Settings, policy: str, folder: Path) -> None:
    import torch
    from accelerate import PartialState

    name = settings.student or settings.student_names[-1]
    processes = PartialState(cpu=not torch.cuda.is_available())
    if processes.is_main_process:
        preflight.check(_share(settings, processes.num_processes))
    with processes.main_process_first():  # so that one makes the student, and the others find it
        student = cast("Student", make(name, settings, folder / "students"))
    from tarot_lite.training.loop import train  # after the student: Unsloth comes before TRL

    limits = Limits(cpu_seconds=settings.cpu_seconds, memory_mb=settings.memory_mb)
    with Sandbox(settings.sandbox_workers, limits) as sandbox:
        result = train(
            student,
            splits.of_run(settings, "train"),
            get_policy(policy, settings.tier_weights),
            settings,
            folder / "training",
            sandbox,
            seed=settings.training_seed,
            tuning=splits.of_run(settings, "tuning"),
        )
    if processes.is_main_process:
        result.history.to_csv(folder / "history.csv", index=False)
        student.save(folder / "student")
        print(
            f"{student.name}: {len(result.history)} steps under {policy}, last reward {result.history['reward'].iloc[-1]:.3f}"
        )


if __name__ == "__main__":
    sys.exit(main())
