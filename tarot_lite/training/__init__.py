"""Stage 4: GRPO (TRL) under a curriculum.

How this differs from the published runs (PAPER.md has their recipe):

* one device and micro-batches of any size instead of 8 x 80 GB with vLLM and DeepSpeed;
* rewards from our own sandbox instead of a paid cloud, every test of a tier instead of one, and compared whole;
* progress is measured in optimizer steps, not epochs: the published phase edges are the same shares of training;
* the ``dr_grpo`` or ``dapo`` loss of current TRL by profile; the published runs predate that choice.  Advantages are divided by
  the deviation of their group with every loss, as published (``scale_rewards``); the paper behind ``dr_grpo`` leaves that out,
  and so would Unsloth, unless it is told otherwise as here.  ``arguments.json`` of a training holds what was in force;
* the tiny student of the CPU profiles has no chat format: the format reward's weight is 0 there (`format_weight`),
  and its learning rate fits 0.7 million parameters trained from scratch, not 1.5 to 30 billion pretrained ones.

The published arithmetic of tiers, phases and weights is unchanged (`tarot_lite.curriculum`).  With ``num_iterations`` above 1
completions are scored only every so many steps, so the edges of phases move to the next such step.

`train` is in ``loop``; what a step is made of in ``arguments`` and ``trainer``; what it says of itself in ``signals`` and
``records``; where else that goes in ``callbacks``, and the checkpoints in ``remote``; what comes after in ``finish``; several
processes in ``__main__``.
"""

from tarot_lite.training.arguments import Batches
from tarot_lite.training.best import best_weights
from tarot_lite.training.errors import TrainingError
from tarot_lite.training.loop import TrainingResult, train
from tarot_lite.training.records import completions_at, read_rollouts
from tarot_lite.training.signals import MACHINE_COLUMNS, alarms, gradient_table, reward_share, time_table

__all__ = [
    "MACHINE_COLUMNS",
    "Batches",
    "TrainingError",
    "TrainingResult",
    "alarms",
    "best_weights",
    "completions_at",
    "gradient_table",
    "read_rollouts",
    "reward_share",
    "time_table",
    "train",
]
