"""Trackers that get the signals beside the local files: TensorBoard, Trackio, Weights & Biases.

TensorBoard's curves lie in ``tensorboard/`` of the training's folder (``tensorboard --logdir`` shows those of a whole run
folder), and a training that goes on draws them on.  The other two are TRL's; each training is a run of the project
``tarot_lite``, named after student, curriculum and seed.  Both can do without an account: Trackio keeps its runs on the machine
(``TRACKIO_DIR``), and with ``WANDB_MODE=offline`` those of Weights & Biases lie in ``wandb/`` of the training's folder until
``wandb sync`` takes them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tarot_lite.training.errors import TrainingError

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


def of_trl(asked: str) -> str:
    """What TRL is told: TensorBoard is ours (`tensorboard`)."""
    return "none" if asked == "tensorboard" else asked


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
