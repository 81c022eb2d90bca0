"""What happens between steps: the progress bar, the file of signals, what watches them, and alarms.

Trackers get the signals beside the local files.  TensorBoard's curves lie in ``tensorboard/`` of the training's folder
(``tensorboard --logdir`` shows those of a whole run folder), and a training that goes on draws them on.  The other two are TRL's;
each training is a run of the project ``tarot_lite``, named after student, curriculum and seed.  Both can do without an account:
Trackio keeps its runs on the machine (``TRACKIO_DIR``), and with ``WANDB_MODE=offline`` those of Weights & Biases lie in
``wandb/`` of the training's folder until ``wandb sync`` takes them.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from transformers import TrainerCallback

from tarot_lite import runs
from tarot_lite.settings import Settings
from tarot_lite.training.errors import TrainingError
from tarot_lite.training.records import Lines
from tarot_lite.training.signals import alarms_by_kind, nothing_whole

_EARLY = 5  # scored steps after which a training is judged


class Progress(TrainerCallback):
    """One quiet progress bar with the numbers that matter, of the first process."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar, at more than 0 when a run goes on."""
        if state.is_world_process_zero:
            self.bar = runs.progress(total=state.max_steps, desc=self.title)
            self.bar.update(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the last reward and the share of whole suites passed."""
        if self.bar is not None and logs and "reward" in logs:
            self.bar.set_postfix(reward=f"{logs['reward']:.3f}", suite=f"{logs.get('suite', 0):.2f}", refresh=False)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One step more."""
        if self.bar is not None:
            self.bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class WriteSignals(TrainerCallback):
    """Appends every step's signals to ``signals.jsonl`` as they come, and hands the log to whoever watches."""

    def __init__(self, path: Path, watch: Callable[[list[dict[str, Any]]], None] | None = None) -> None:
        self.lines = Lines(path)
        self.watch = watch

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Keep a step's row."""
        if logs and "loss" in logs and state.is_world_process_zero:
            self.lines.add([{"step": state.global_step, **logs}])
            if self.watch is not None:
                self.watch(state.log_history)


class Alarms(TrainerCallback):
    """Says early, and once, what is wrong with a training, and stops one that cannot learn.

    Parameters
    ----------
    settings
        Of the training.

    Raises
    ------
    TrainingError
        In a step, if every completion of the last five steps (of all, in a shorter training) was cut and they left nothing
        to learn from.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._told: set[str] = set()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Look at the last scored steps; a step that learns again from the completions before it has no score."""
        if not logs or logs.get("reward") is None:
            return
        last = [row for row in state.log_history if row.get("reward") is not None][-_EARLY:]
        if len(last) < _EARLY and state.global_step < state.max_steps:
            return
        if nothing_whole(last, self.settings.mask_truncated):
            raise TrainingError(
                f"every completion of the last {len(last)} steps was cut at max_completion_tokens = "
                f"{self.settings.max_completion_tokens}, and there was nothing to learn from them: stopped at step "
                f"{state.global_step} of {state.max_steps}. Raise it, ask for shorter answers, or take a student that ends its "
                "answers (what it writes is in rollouts.jsonl of the training's folder)"
            )
        if len(last) == _EARLY and state.is_world_process_zero:
            for kind, text in alarms_by_kind(pd.DataFrame(last)).items():
                if kind not in self._told:
                    self._told.add(kind)
                    logging.getLogger("tarot_lite").warning(
                        f"after step {state.global_step} of {state.max_steps}: {text}"
                    )


TRACKERS = ("tensorboard", "trackio", "wandb")
"""Names of trackers, which are those of their packages too."""


def check_tracker(asked: str) -> None:
    """Raise a `TrainingError` if a tracker is asked for that is not installed."""
    if asked not in TRACKERS:
        return
    found = importlib.util.find_spec(asked)
    if found is None or found.origin is None:  # a folder of that name in the current one is no package
        raise TrainingError(
            f"parameter report_to is {asked}, but the package {asked} is not installed; pip install {asked}, or set "
            "report_to to none: signals.jsonl in the training's folder holds the same numbers"
        )


def tensorboard(folder: Path, done: int) -> Any:
    """Callback that draws TensorBoard's curves."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1 if done else None))


@contextmanager
def one_run(asked: str, folder: Path, name: str) -> Iterator[None]:
    """One run of Weights & Biases for what is trained inside; nothing for the other trackers, which part trainings themselves.

    Its callback opens a run only if there is none and never ends one, so that the trainings of a process would all draw on
    the first one's curves.  A training that begins again with smaller pieces stays in its run.
    """
    if asked != "wandb":
        yield
        return
    import wandb

    with wandb.init(project="tarot_lite", name=name, dir=str(folder), reinit="finish_previous"):
        yield
