"""Keeping the best weights of a training, by pass@1 on problems that are neither trained on nor reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tarot_lite import runs
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem
from tarot_lite.rewards import tier_verdicts
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.checkpoints import take_weights
from tarot_lite.training.errors import TrainingError
from tarot_lite.training.records import Lines

_SEED = 20_000  # of the samples that weights are compared by: the same for all, and no other part of a run uses it


class KeepBest(TrainerCallback):
    """Measures the student every so many steps and keeps the weights that passed the most.

    Parameters
    ----------
    student
        In training.
    problems
        The tuning split: never the one that results are reported on.
    settings
        Uses ``keep_best_every`` [steps], ``eval_samples``, ``temperature``, ``max_completion_tokens``.
    sandbox
        Runs the programs.
    folder
        Gets ``tuning.jsonl`` (a row per measurement: ``step``, ``suite`` = share of completions that pass every tier,
        ``tiers`` = mean share of tiers passed), ``best-<step>/`` (weights and tokenizer) and ``best.json`` (the row of that
        step).

    Notes
    -----
    Of equal shares of whole suites the higher share of tiers wins, then the earlier step.  Sampling here leaves the
    training's random state as it was.  ``best.json`` is written after the weights that it names, and those before them go
    last, so that a kill at any moment leaves whole ones.
    """

    def __init__(
        self, student: Student, problems: Sequence[Problem], settings: Settings, sandbox: Sandbox, folder: Path
    ) -> None:
        if not problems:
            raise TrainingError(
                "keep_best_every is set, but no tuning problems were given; give some, or set it to None"
            )
        self.student = student
        self.problems = problems
        self.settings = settings
        self.sandbox = sandbox
        self.folder = folder
        self.lines = Lines(folder / "tuning.jsonl")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, when it is time to."""
        due = state.global_step % (self.settings.keep_best_every or state.max_steps) == 0
        if state.is_world_process_zero and (due or state.global_step == state.max_steps):
            self.measure(state.global_step)

    def measure(self, step: int) -> None:
        """Measure the student now, and keep its weights if none were better."""
        settings = self.settings
        groups = self.student.generate(
            [self.student.prompt(problem) for problem in self.problems],
            settings.eval_samples,
            settings.temperature,
            settings.max_completion_tokens,
            seed=_SEED,
        )
        pairs = [
            (p, self.student.code(p, c.text)) for p, group in zip(self.problems, groups, strict=True) for c in group
        ]
        verdicts = [tier_verdicts(tests) for tests in self.sandbox.judge_many(pairs)]
        passed = [[verdict is Verdict.PASSED for verdict in of.values()] for of in verdicts]
        row = {
            "step": step,
            "suite": sum(all(tiers) for tiers in passed) / len(passed),
            "tiers": sum(sum(tiers) / len(tiers) for tiers in passed) / len(passed),
        }
        before = [(other["suite"], other["tiers"]) for other in self.lines.read()]
        self.lines.add([row])
        if all((row["suite"], row["tiers"]) > other for other in before):
            self.student.save(best_folder(self.folder, step))
            runs.write_atomic(self.folder / "best.json", json.dumps(row))
            for old in self.folder.glob("best-*/"):
                if old != best_folder(self.folder, step):
                    shutil.rmtree(old)


def best_folder(folder: Path, step: int) -> Path:
    """Where a training's folder keeps the weights that were the best after a step."""
    return folder / f"best-{step}"


def best_weights(folder: str | Path, student: Student) -> dict[str, Any]:
    """Give a student the best weights that its training kept; returns their measurement (``step``, ``suite``, ``tiers``).

    Parameters
    ----------
    folder
        Of the training.
    student
        The one that was trained.

    Raises
    ------
    TrainingError
        If the training kept none.
    """
    folder = Path(folder)
    row = runs.read_json(folder / "best.json")
    if row is None:
        raise TrainingError(f"{folder} keeps no best weights; train with the parameter keep_best_every")
    take_weights(best_folder(folder, row["step"]), student)
    return dict(row)
