"""Trackers that get the signals beside the local files: TensorBoard, Trackio, Weights & Biases.

TensorBoard's curves lie in ``tensorboard/`` of the training's folder (``tensorboard --logdir`` shows those of a whole run
folder), and a training that goes on draws them on.  The other two are TRL's; each training is a run named after student,
curriculum and seed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from tarot_lite.training.errors import TrainingError

__all__ = ["TRACKERS", "check_tracker", "of_trl", "tensorboard"]

TRACKERS = ("tensorboard", "trackio", "wandb")
"""Names of trackers, which are those of their packages too."""


def check_tracker(asked: str) -> None:
    """Raise a `TrainingError` if a tracker is asked for that is not installed."""
    if asked in TRACKERS and importlib.util.find_spec(asked) is None:
        raise TrainingError(
            f"parameter report_to is {asked}, but the package {asked} is not installed; pip install {asked}, or set "
            "report_to to none: signals.jsonl in the training's folder holds the same numbers"
        )


def of_trl(asked: str) -> str:
    """What TRL is told: TensorBoard is ours (`tensorboard`)."""
    return "none" if asked == "tensorboard" else asked


def tensorboard(folder: Path, done: int) -> Any:
    """Callback that draws TensorBoard's curves.

    Parameters
    ----------
    folder
        Of the training.
    done
        Steps behind the checkpoint that the training goes on from: what a lost run drew beyond them is taken back.
    """
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1 if done else None))
