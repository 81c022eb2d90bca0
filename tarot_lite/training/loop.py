"""One training from its first step to its last: resume, run, make room when memory runs out, and give the result."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import Dataset
from huggingface_hub import HfApi
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from tarot_lite import exact, runs
from tarot_lite.curriculum import Policy
from tarot_lite.problems import Problem
from tarot_lite.rewards import FormatReward, TierReward
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.arguments import Batches, arguments, asked, effective
from tarot_lite.training.best import KeepBest
from tarot_lite.training.callbacks import Alarms, Progress, WriteSignals, check_tracker, one_run, tensorboard
from tarot_lite.training.checkpoints import (
    MarkComplete,
    Start,
    check_identity,
    drop_reference,
    identity,
    is_adapted,
    last_complete,
    learnt_by_policy,
    step_of,
    take_over,
    take_weights,
)
from tarot_lite.training.errors import TrainingError
from tarot_lite.training.prompts import prompt_rows
from tarot_lite.training.records import Lines, Recorder
from tarot_lite.training.remote import Remote, UploadCheckpoints, remote_name
from tarot_lite.training.signals import history_of
from tarot_lite.training.trainer import CurriculumTrainer

_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")  # how allocators say it on CPU and GPU
_FITS = "batches.json"


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    Parameters
    ----------
    student
        The trained student (the same object that was given, its weights changed).
    history
        One row per optimizer step: ``step``, ``progress``, ``reward``, ``part/*``, ``tier/*``, ``signal/*``, ``suite``,
        ``truncated``, ``kl``, ``entropy``, ``loss``, ``seconds/*``, ``tokens_per_second``, ``gpu_memory_gib`` (None on a
        CPU), ...
    rollouts
        JSONL file with every `completions_every`-th step's completions and their verdict per tier.
    resumed_from
        Step of the checkpoint that this call went on from; None if it began at 0.
    seconds
        Wall time of this call.
    dropped_prompts
        Ids of problems whose prompt was too long.
    batches
        How the completions of a step were cut into pieces in the end.
    made_room
        One sentence for each time that memory ran out and the pieces were made smaller.
    """

    student: Student
    history: pd.DataFrame
    rollouts: Path
    resumed_from: int | None
    seconds: float
    dropped_prompts: tuple[str, ...] = ()
    batches: Batches | None = None
    made_room: tuple[str, ...] = ()


def train(
    student: Student,
    problems: Sequence[Problem],
    policy: Policy,
    settings: Settings,
    folder: str | Path,
    sandbox: Sandbox,
    seed: int | None = None,
    resume: bool = True,
    tuning: Sequence[Problem] = (),
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
    hub: HfApi | None = None,
) -> TrainingResult:
    """Train `student` by GRPO on `problems` under `policy`.

    Parameters
    ----------
    student
        Changed in place.
    problems
        Each with tests in the tiers that the policy rewards.
    policy
        See `tarot_lite.curriculum`.
    settings
        Uses the parameters of the training (``grpo_steps`` to ``report_to``), ``temperature``, ``max_prompt_tokens``,
        ``max_completion_tokens``, ``dtype``, ``vllm``, ``threads`` and ``hub_checkpoints``.
    folder
        Holds ``checkpoints/``, ``rollouts.jsonl``, ``signals.jsonl`` and the identity of the training.  A second call
        with the same arguments goes on from the last complete checkpoint, and on a CPU ends with the same weights as
        an undisturbed run.  A folder without a checkpoint first takes the one of ``hub_checkpoints``, if it has one.
    sandbox
        Runs the completions.
    seed
        Order of prompts and sampling; None takes ``settings.seed``.
    resume
        False forgets what the folder holds.
    tuning
        Problems that the best weights are chosen by, if ``settings.keep_best_every`` is set.
    watch
        Called with the log, a list of rows, after every step.
    hub
        Client for ``hub_checkpoints``; None: of the public Hub, with your login.

    Raises
    ------
    TrainingError
        If the folder holds a different training, no problem has an active tier, no prompt fits, batches do not divide,
        a tracker is missing, ``hub_checkpoints`` cannot be used, DeepSpeed is set to ZeRO-3, memory runs out with the smallest
        pieces, or for some steps every completion was cut so that there was nothing to learn from.
    tarot_lite.sandbox.SandboxError
        If the sandbox failed; the last checkpoint stays.

    Notes
    -----
    When memory runs out in a forward or backward pass, ``micro_batch`` is halved and gradients are accumulated over twice
    as many; when it runs out while completions are generated, fewer are generated at once.  The step learns from the same
    number of completions.  The training goes on from its last checkpoint, and the sizes that fit are kept in the folder.
    """
    folder = Path(folder)
    seed = settings.seed if seed is None else seed
    started = time.perf_counter()
    exact.hold(settings.threads, pretrained=bool(settings.models))
    processes = PartialState(cpu=not torch.cuda.is_available())
    batches = Batches.of(settings, processes.num_processes)
    check_tracker(settings.report_to)
    rows, dropped = prompt_rows(student, problems, policy, settings)
    uploads: UploadCheckpoints | None = None
    if processes.is_main_process:
        if not resume and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        this = identity(student, problems, policy, settings, seed)
        check_identity(folder, this)
        newest = last_complete(folder / "checkpoints")  # removes broken ones
        finished = newest is not None and step_of(newest) == settings.grpo_steps
        if settings.hub_checkpoints is not None and not finished:
            remote = Remote(settings.hub_checkpoints, remote_name(this), hub)
            if resume and newest is None and (step := remote.fetch(folder)) is not None:
                runs.note(f"{student.name}: goes on from step {step}, as {settings.hub_checkpoints} has it")
            uploads = UploadCheckpoints(remote, folder)
    processes.wait_for_everyone()
    batches = _that_fitted(folder, batches)
    written = "rollouts.jsonl" if processes.is_main_process else f"rollouts.{processes.process_index}.jsonl"
    recorder = Recorder(folder / written, settings.completions_every)
    name = f"{student.name} {policy.name} seed {seed}"
    reward = TierReward(
        {problem.problem_id: problem for problem in problems},
        policy,
        sandbox,
        student.code,
        settings.generations,
        normalize=settings.normalize_reward,
        max_tokens=settings.max_completion_tokens,
        on_rollouts=recorder,
        gather=gather_object if processes.num_processes > 1 else None,
    )
    scorers: list[Any] = [reward, FormatReward(*student.tags)] if settings.format_weight else [reward]
    start = Start(student.model)
    first = last_complete(folder / "checkpoints", clean=False)
    resumed_from = step_of(first) if first else None
    made_room: list[str] = []

    def attempt(batches: Batches) -> list[dict[str, Any]] | _NoRoom:
        checkpoint = last_complete(folder / "checkpoints", clean=False)
        done = step_of(checkpoint) if checkpoint else 0
        reward.state = learnt_by_policy(checkpoint)
        callbacks: list[Any] = [
            MarkComplete(reward),
            Progress(f"GRPO {student.name} · {policy.name}"),
            Alarms(settings),
        ]
        files: list[Lines] = [recorder]
        if processes.is_main_process:
            callbacks.append(WriteSignals(folder / "signals.jsonl", watch))
            files.append(callbacks[-1].lines)
            if settings.keep_best_every is not None:
                callbacks.append(KeepBest(student, tuning, settings, sandbox, folder))
                Lines(folder / "tuning.jsonl").keep(done + 1)
            if settings.report_to == "tensorboard":
                callbacks.append(tensorboard(folder, done))
            if uploads is not None:
                callbacks.append(uploads)  # after the marker and the best weights, which go with it
        if checkpoint and done == settings.grpo_steps:  # the trainer would take one step more
            return take_over(checkpoint, student)
        recorder.keep(done)
        for lines in files[1:]:
            lines.keep(done + 1)  # signals are numbered from 1
        wanted = asked(settings, batches, folder / "checkpoints", seed, student.origin.get("vllm"), name)
        args = arguments(wanted)
        _check_zero(args)
        trainer = CurriculumTrainer(
            model=student.model,
            processing_class=student.tokenizer,
            reward_funcs=list(scorers),
            args=args,
            train_dataset=Dataset.from_list(rows),
            callbacks=callbacks,
        )
        for noisy in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(noisy)
        in_force = effective(wanted, trainer)
        if processes.is_main_process:
            runs.write_json(folder / "arguments.json", in_force | {"output_dir": "checkpoints"})
        if checkpoint and is_adapted(student.model):
            take_weights(checkpoint, student)  # beside a reference adapter the trainer would leave them as they began
        try:
            with _only_errors():
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except (RuntimeError, MemoryError) as error:
            if not _is_no_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold the tensors that filled the memory
            return _NoRoom(trainer.clock.now == "generation", trainer.state.global_step, str(error))
        log: list[dict[str, Any]] = trainer.state.log_history
        return log

    tracked = processes.is_main_process and resumed_from != settings.grpo_steps  # else nothing is left to draw
    with one_run(settings.report_to if tracked else "none", folder, name):
        while isinstance(outcome := attempt(batches), _NoRoom):
            batches, told = _make_room(batches, outcome)
            made_room.append(told)
            logging.getLogger("tarot_lite").warning(told)
            runs.write_atomic(folder / _FITS, json.dumps({"generated": batches.generated, "micro": batches.micro}))
            gc.collect()
            start.restore()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    drop_reference(student.model)
    history = history_of(outcome, settings.grpo_steps)
    return TrainingResult(
        student=student,
        history=history,
        rollouts=folder / "rollouts.jsonl",
        resumed_from=resumed_from,
        seconds=time.perf_counter() - started,
        dropped_prompts=dropped,
        batches=batches,
        made_room=tuple(made_room),
    )


@dataclass(frozen=True)
class _NoRoom:
    """Memory ran out: while completions were generated or not, after how many steps, and what the allocator said."""

    generating: bool
    step: int
    said: str


def _check_zero(args: Any) -> None:
    """Refuse ZeRO-3: no process then holds the whole weights that measuring, keeping the best and saving need."""
    plugin = args.deepspeed_plugin
    if plugin is not None and plugin.zero_stage == 3:
        raise TrainingError(
            "DeepSpeed is set to ZeRO-3, which leaves no process with whole weights to generate from and to save; "
            "set zero_stage to 2, as the published runs did (or lora_rank to 16, where the weights are too large for that)"
        )


def _is_no_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(text in str(error).lower() for text in _NO_MEMORY)


def _make_room(batches: Batches, failure: _NoRoom) -> tuple[Batches, str]:
    """Smaller batches, and what happened in words."""
    smaller = batches.smaller(failure.generating) if batches.processes == 1 else None
    what = "generating" if failure.generating else "learning from"
    count = batches.generated if failure.generating else batches.micro
    if smaller is None:
        remedy = "lower max_completion_tokens or generations, use load_in_4bit, or take a smaller model"
        if batches.processes > 1:
            remedy = "lower micro_batch or generation_batch: with several processes they are not lowered for you"
        raise TrainingError(
            f"memory ran out {what} {count} completions at once (after step {failure.step}: {failure.said:.200}); {remedy}"
        )
    told = (
        f"memory ran out {what} {count} completions at once (after step {failure.step}); now {smaller.generated} are "
        f"generated at once and {smaller.micro} learnt from in one pass, {smaller.step} a step as before"
    )
    return smaller, told


def _that_fitted(folder: Path, asked: Batches) -> Batches:
    """The smaller batches that an earlier call found to fit, if they suit this one."""
    kept = runs.read_json(folder / _FITS)
    if kept is None or kept["generated"] > asked.generated or kept["micro"] > asked.micro:
        return asked
    return Batches(**{**asdict(asked), **kept})


@contextmanager
def _only_errors() -> Iterator[None]:
    """The trainer warns of a tied head missing from its checkpoint, as it must be, and of files of the same age."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
