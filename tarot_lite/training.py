"""Stage 4: GRPO (TRL) under a curriculum.

How this differs from the published runs (PAPER.md has their recipe):

* one device and micro-batches of any size instead of 8 x 80 GB with vLLM and DeepSpeed;
* rewards from our own sandbox instead of a paid cloud, every test of a tier instead of one, and compared whole;
* progress is measured in optimizer steps, not epochs: the published phase edges are the same shares of training;
* the ``dr_grpo`` or ``dapo`` loss of current TRL by profile; the published runs predate that choice;
* the tiny student of the CPU profiles has no chat format: the format reward's weight is 0 there (`format_weight`),
  and its learning rate fits 0.7 million parameters trained from scratch, not 1.5 to 30 billion pretrained ones.

The published arithmetic of tiers, phases and weights is unchanged (`tarot_lite.curriculum`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import GRPOConfig, GRPOTrainer

from tarot_lite import runs
from tarot_lite.curriculum import Policy
from tarot_lite.problems import Problem
from tarot_lite.rewards import FormatReward, Rollout, TierReward
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.students.backends import card, precision

__all__ = ["TrainingError", "TrainingResult", "alarms", "read_rollouts", "train"]

_COMPLETE = "complete.json"
_IDENTITY = "training.json"
_ADAPTERS = "adapter_model.safetensors"
_RECIPE = (
    "grpo_steps",
    "prompts_per_step",
    "generations",
    "learning_rate",
    "beta",
    "loss_type",
    "temperature",
    "training_temperature",
    "tier_weights",
    "max_completion_tokens",
    "format_weight",
    "normalize_reward",
)


class TrainingError(RuntimeError):
    """A training that cannot start or go on; the message says what to change."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    Parameters
    ----------
    student
        The trained student (the same object that was given, its weights changed).
    history
        One row per optimizer step: ``step``, ``progress``, ``reward``, ``tier/*``, ``signal/*``, ``suite``,
        ``truncated``, ``kl``, ``entropy``, ``loss``, ``seconds/scoring``, ``step_time`` [s], ...
    rollouts
        JSONL file with every `completions_every`-th step's completions and their verdict per tier.
    resumed_from
        Step of the checkpoint that this call went on from; None if it began at 0.
    seconds
        Wall time of this call.
    dropped_prompts
        Ids of problems whose prompt left no room for a completion.
    """

    student: Student
    history: pd.DataFrame
    rollouts: Path
    resumed_from: int | None
    seconds: float
    dropped_prompts: tuple[str, ...] = ()


def train(
    student: Student,
    problems: Sequence[Problem],
    policy: Policy,
    settings: Settings,
    folder: str | Path,
    sandbox: Sandbox,
    seed: int | None = None,
    resume: bool = True,
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
        Uses ``grpo_steps``, ``prompts_per_step``, ``generations``, ``learning_rate``, ``beta``, ``loss_type``,
        ``temperature``, ``training_temperature``, ``max_completion_tokens``, ``format_weight``, ``normalize_reward``,
        ``save_steps``, ``completions_every`` and ``threads``.
    folder
        Holds ``checkpoints/``, ``rollouts.jsonl`` and the identity of the training.  A second call with the same
        arguments goes on from the last complete checkpoint, and on a CPU ends with the same weights as an
        undisturbed run.
    sandbox
        Runs the completions.
    seed
        Order of prompts and sampling; None takes ``settings.seed``.
    resume
        False forgets what the folder holds.

    Raises
    ------
    TrainingError
        If the folder holds a different training, no problem has an active tier, or no prompt fits.
    tarot_lite.sandbox.SandboxError
        If the sandbox failed; the last checkpoint stays.
    """
    folder = Path(folder)
    seed = settings.seed if seed is None else seed
    started = time.perf_counter()
    torch.set_num_threads(settings.threads)
    if not resume and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check_identity(folder, _identity(student, problems, policy, settings, seed))
    checkpoint = _last_complete(folder / "checkpoints")
    resumed_from = _step(checkpoint) if checkpoint else None
    rows, dropped = _prompt_rows(student, problems, policy, settings)
    recorder = _Recorder(folder / "rollouts.jsonl", settings.completions_every)
    reward = TierReward(
        {problem.problem_id: problem for problem in problems},
        policy,
        sandbox,
        student.code,
        settings.generations,
        normalize=settings.normalize_reward,
        max_tokens=settings.max_completion_tokens,
        on_rollouts=recorder,
    )
    scorers: list[Any] = [reward, FormatReward(*student.tags)] if settings.format_weight else [reward]
    trainer = GRPOTrainer(
        model=student.model,
        processing_class=student.tokenizer,
        reward_funcs=scorers,
        args=_config(settings, folder / "checkpoints", seed, student.origin.get("vllm")),
        train_dataset=Dataset.from_list(rows),
        callbacks=[_MarkComplete(), _Progress(f"GRPO {student.name} · {policy.name}")],
    )
    for noisy in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(noisy)
    recorder.forget_from(resumed_from or 0)
    if checkpoint and resumed_from == settings.grpo_steps:  # the trainer would take one step more
        log = _take_over(checkpoint, student)
    else:
        if checkpoint and (checkpoint / _ADAPTERS).is_file():
            _load_adapters(checkpoint, student)  # beside a reference adapter the trainer would leave them as they began
        with _only_errors():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        log = trainer.state.log_history
    return TrainingResult(
        student=student,
        history=_history(log, settings.grpo_steps),
        rollouts=recorder.path,
        resumed_from=resumed_from,
        seconds=time.perf_counter() - started,
        dropped_prompts=dropped,
    )


def alarms(history: pd.DataFrame, window: int = 10) -> list[str]:
    """Say what is wrong with a training, in words, from its history.

    Parameters
    ----------
    history
        As in `TrainingResult`.
    window
        Steps at the end that are looked at.

    Returns
    -------
    list of str
        Empty when nothing is wrong.

    Examples
    --------
    >>> alarms(pd.DataFrame({"truncated": [0.6, 0.8], "signal/reward": [0.5, 0.5]}))
    ['70 % of the last completions were cut at max_completion_tokens: raise it, or ask for shorter answers']
    """
    last = history.tail(window).mean(numeric_only=True)
    found = []
    if last["truncated"] > 0.25:
        found.append(
            f"{100 * last['truncated']:.0f} % of the last completions were cut at max_completion_tokens: "
            "raise it, or ask for shorter answers"
        )
    if last["signal/reward"] < 0.1:
        found.append(
            f"only {100 * last['signal/reward']:.0f} % of the last groups had rewards that differ, so there is almost no "
            "gradient: choose a policy whose tiers this student passes sometimes (notebook 03), or more generations"
        )
    return found


def read_rollouts(path: str | Path) -> pd.DataFrame:
    """Read ``rollouts.jsonl``: one row per completion, with a column per tier that holds its verdict."""
    with Path(path).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return pd.DataFrame([{**row, **row.pop("verdicts")} for row in rows])


def _config(settings: Settings, checkpoints: Path, seed: int, vllm: str | None = None) -> GRPOConfig:
    on_gpu = torch.cuda.is_available()
    number_type = (
        precision(settings, card()) if on_gpu else "float32"
    )  # torch says that a T4 has bfloat16: it emulates it
    completions = settings.prompts_per_step * settings.generations
    together = settings.micro_batch or completions
    return GRPOConfig(
        output_dir=str(checkpoints),
        max_steps=settings.grpo_steps,
        per_device_train_batch_size=together,
        gradient_accumulation_steps=completions // together,
        num_generations=settings.generations,
        max_completion_length=settings.max_completion_tokens,
        temperature=settings.training_temperature or settings.temperature,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        beta=settings.beta,
        loss_type=settings.loss_type,
        reward_weights=[1.0, settings.format_weight] if settings.format_weight else [1.0],
        use_cpu=not on_gpu,
        bf16=number_type == "bfloat16",
        fp16=number_type == "float16",
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        use_vllm=vllm is not None,
        vllm_mode=vllm or "colocate",
        vllm_gpu_memory_utilization=settings.vllm_memory,
        logging_steps=1,
        save_steps=settings.save_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        seed=seed,
        data_seed=seed,
    )


def _prompt_rows(
    student: Student, problems: Sequence[Problem], policy: Policy, settings: Settings
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """Rows for the trainer; prompts that leave no room for a completion are dropped (TRL no longer does it)."""
    ever_active = frozenset().union(*(phase.tiers for phase in policy.phases))
    if not any(ever_active & set(problem.tiers) for problem in problems):
        raise TrainingError(
            f"policy {policy.name!r} rewards {', '.join(sorted(ever_active))}, but none of the {len(problems)} problems "
            "has a test in those tiers; build their suites first (notebook 01) or choose another policy"
        )
    context = getattr(student.model.config, "max_position_embeddings", None)
    room = settings.max_prompt_tokens
    if context is not None:
        room = min(room, context - settings.max_completion_tokens)
    rows, dropped = [], []
    for problem in problems:
        prompt = student.prompt(problem)
        if len(student.tokenizer(prompt)["input_ids"]) > room:
            dropped.append(problem.problem_id)
        else:
            rows.append({"prompt": prompt, "problem_id": problem.problem_id})
    if not rows:
        raise TrainingError(
            f"all {len(dropped)} prompts are too long: there is room for {room} tokens, by max_prompt_tokens = "
            f"{settings.max_prompt_tokens}, max_completion_tokens = {settings.max_completion_tokens} and the model's context "
            f"of {context} tokens; raise the first, lower the second, or give shorter problems"
        )
    return rows, tuple(dropped)


def _identity(
    student: Student, problems: Sequence[Problem], policy: Policy, settings: Settings, seed: int
) -> dict[str, Any]:
    """What must agree for a checkpoint to belong to this training."""
    return {
        "student": student.name,
        "weights": _digest(float(sum(p.detach().double().abs().sum() for p in student.model.parameters()))),
        "problems": _digest([[p.problem_id, p.statement, [asdict(t) for t in p.tests]] for p in problems]),
        "policy": policy.name,
        "seed": seed,
        **{name: getattr(settings, name) for name in _RECIPE},
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _check_identity(folder: Path, identity: dict[str, Any]) -> None:
    path = folder / _IDENTITY
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        different = [f"{k} ({old.get(k)!r} there, {v!r} now)" for k, v in identity.items() if old.get(k) != v]
        if different:
            raise TrainingError(
                f"{folder} holds another training, different in {', '.join(different)}; "
                "choose another run folder, or delete this one to train anew"
            )
    else:
        runs.write_atomic(path, json.dumps(identity, indent=1))


class _Recorder:
    """Appends every n-th step's completions to a JSONL file."""

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every

    def __call__(self, rollouts: list[Rollout]) -> None:
        if rollouts and rollouts[0].step % self.every == 0:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(asdict(rollout), ensure_ascii=False) + "\n" for rollout in rollouts))

    def forget_from(self, step: int) -> None:
        """Drop what a killed run wrote beyond its last checkpoint, a half-written line too."""
        kept = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] < step:
                        kept.append(line + "\n")
                except json.JSONDecodeError:
                    break
        runs.write_atomic(self.path, "".join(kept))


class _MarkComplete(TrainerCallback):
    """Writes a marker last, so that a checkpoint cut short by a kill is never resumed from."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        runs.write_atomic(folder / _COMPLETE, json.dumps({"step": state.global_step}))


class _Progress(TrainerCallback):
    """One quiet progress bar with the numbers that matter."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = runs.progress(total=state.max_steps, desc=self.title)
        self.bar.update(state.global_step)  # more than 0 when a run goes on

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if self.bar is not None and logs and "reward" in logs:
            self.bar.set_postfix(reward=f"{logs['reward']:.3f}", suite=f"{logs.get('suite', 0):.2f}", refresh=False)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _last_complete(checkpoints: Path) -> Path | None:
    """The newest checkpoint that was written to its end; broken ones are removed."""
    found = sorted(checkpoints.glob("checkpoint-*"), key=_step)
    for broken in [folder for folder in found if not (folder / _COMPLETE).exists()]:
        shutil.rmtree(broken)
        found.remove(broken)
    return found[-1] if found else None


def _load_adapters(checkpoint: Path, student: Student) -> None:
    set_peft_model_state_dict(student.model, load_file(checkpoint / _ADAPTERS))


def _take_over(checkpoint: Path, student: Student) -> list[dict[str, Any]]:
    """Give the student the weights of a finished training; returns its log."""
    if (checkpoint / _ADAPTERS).is_file():
        _load_adapters(checkpoint, student)
    else:
        student.model.load_state_dict(load_file(checkpoint / "model.safetensors"), strict=False)
    student.model.tie_weights()  # a tied head is not in the file
    log: list[dict[str, Any]] = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))[
        "log_history"
    ]
    return log


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


def _history(log: list[dict[str, Any]], steps: int) -> pd.DataFrame:
    """TRL's log as one tidy row per step; the rewards' own columns keep their names."""
    frame = pd.DataFrame([row for row in log if "reward" in row])
    frame.insert(0, "progress", (frame["step"] - 1) / steps)  # a step is scored before it is counted
    return frame
