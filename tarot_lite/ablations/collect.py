"""Read what the finished cells of a grid left, as tidy tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import pandas as pd

from tarot_lite import jsonlines
from tarot_lite.ablations.cells import Cell
from tarot_lite.ablations.engine import STAGE

_NAMES = ("student", "policy", "seed", "variant")
_WHEN = ("before", "after")


def collect_heldout(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Held-out results of the finished cells, one row per cell, problem and measure.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seed``, ``variant`` (see `Cell.variant`), ``problem_id``, ``measure`` (a tier or
        ``suite``), ``before`` and ``after``: share of the samples that passed, in [0, 1].  Empty if no cell is finished.
    """
    return _collect(parent, cells, "heldout_problems.csv", ["problem_id", "measure", "before", "after"])


def collect_histories(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Training histories of the finished cells, one row per cell and step (see `training.TrainingResult.history`)."""
    return _collect(parent, cells, "history.csv", ["step", "progress", "suite", "signal/reward"])


def collect_lengths(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Length and success of the programs that the finished cells wrote for the held-out problems, one row per cell.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seed``, ``variant``, ``characters_before``, ``characters_after`` (mean length of a
        program, without the white space around it) and ``passed_before``, ``passed_after`` (share that passed the whole
        suite).  Empty if no cell has kept its samples.
    """
    rows = []
    before: dict[str, tuple[float, float]] = {}
    for cell in cells:
        start, end = (parent / "probes" / f"{cell.student}-heldout", _folder(parent, cell) / "probes" / "after")
        needed = (_folder(parent, cell) / "done.json", start / "scores.jsonl", end / "scores.jsonl")
        if not all(path.exists() for path in needed):
            continue
        before.setdefault(cell.student, _length_and_success(start))
        row = dict(zip(("characters_before", "passed_before"), before[cell.student], strict=True))
        row |= dict(zip(("characters_after", "passed_after"), _length_and_success(end), strict=True))
        rows.append(_names(cell) | row)
    return pd.DataFrame(
        rows, columns=[*_NAMES, *(f"{what}_{when}" for when in _WHEN for what in ("characters", "passed"))]
    )


def _length_and_success(rollouts: Path) -> tuple[float, float]:
    samples, scores = (jsonlines.read_journal(rollouts / f"{name}.jsonl") for name in ("samples", "scores"))
    characters = fmean(len((sample["code"] or "").strip()) for sample in samples)
    return characters, fmean(all(verdict == "passed" for verdict in score["verdicts"]) for score in scores)


def _folder(parent: Path, cell: Cell) -> Path:
    return parent / "cells" / cell.name / STAGE


def _names(cell: Cell) -> dict[str, str | int]:
    return {"student": cell.student, "policy": cell.policy, "seed": cell.seed, "variant": cell.variant}


def _collect(parent: Path, cells: Iterable[Cell], file: str, columns: Sequence[str]) -> pd.DataFrame:
    folders = {cell: _folder(parent, cell) for cell in cells}
    frames = [
        pd.read_csv(folder / file).assign(**_names(cell))
        for cell, folder in folders.items()
        if (folder / "done.json").exists()
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, *_NAMES])
