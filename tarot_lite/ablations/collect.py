"""Read what the finished cells of a grid left, as tidy tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tarot_lite.ablations.cells import Cell
from tarot_lite.ablations.engine import STAGE

__all__ = ["collect_heldout", "collect_histories"]


def collect_heldout(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Held-out results of the finished cells, one row per cell, problem and measure.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seed``, ``variant`` (see `Cell.variant`), ``problem_id``, ``measure`` (a tier or
        ``suite``), ``before`` and ``after``: share of the samples that passed, in [0, 1].  Empty if no cell is finished.
    """
    return _collect(parent, cells, "heldout_problems.csv")


def collect_histories(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Training histories of the finished cells, one row per cell and step (see `training.TrainingResult.history`)."""
    return _collect(parent, cells, "history.csv")


def _collect(parent: Path, cells: Iterable[Cell], file: str) -> pd.DataFrame:
    frames = []
    for cell in cells:
        path = parent / "cells" / cell.name / STAGE / file
        if (path.parent / "done.json").exists():
            names = {"student": cell.student, "policy": cell.policy, "seed": cell.seed, "variant": cell.variant}
            frames.append(pd.read_csv(path).assign(**names))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
