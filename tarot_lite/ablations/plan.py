"""What a grid would cost, before it runs: its cells, which of them are finished, and the time of the others."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

from tarot_lite import runs
from tarot_lite.ablations.cells import Cell
from tarot_lite.ablations.engine import STAGE, is_finished
from tarot_lite.settings import Settings

SECONDS_PER_STEP = 1.2
"""Guess for a cell of which nothing is known: a tiny student, two trainings at a time on two cores."""


@dataclass(frozen=True)
class Plan:
    """Cells of a grid with their state and time.

    Parameters
    ----------
    table
        One row per cell: ``cell``, ``state`` (``"finished"`` or ``"to run"``), ``seconds``
        (measured if finished, else estimated) and ``basis`` of that number.
    width
        Cells that run at the same time.
    seconds
        Estimated wall time of what is left.
    """

    table: pd.DataFrame
    width: int
    seconds: float

    def __str__(self) -> str:
        lines = [
            f"{row.cell:<40} {row.state:<14} {row.seconds:>7.0f} s  {row.basis}" for row in self.table.itertuples()
        ]
        left = int((self.table["state"] == "to run").sum())
        total = f"{len(self.table)} cells, {left} to run, {self.width} at a time: about {_clock(self.seconds)}"
        return "\n".join([*lines, total])


def plan(cells: Sequence[Cell], settings: Settings, parent: Path, width: int | None = None) -> Plan:
    """Estimate a grid without running or writing anything.

    The time of a cell is its number of steps times the median time per step of the finished cells of its student,
    else of all finished cells, else `SECONDS_PER_STEP`.

    Parameters
    ----------
    parent
        The run's folder; it need not exist.
    width
        Cells that run at the same time; None: ``settings.jobs``.
    """
    measured: dict[Cell, float] = {}
    for cell in cells:
        if is_finished(cell, settings, parent):
            measured[cell] = float(runs.read_json(parent / "cells" / cell.name / STAGE / "done.json")["seconds"])
    rates = {cell: seconds / _steps(cell, settings) for cell, seconds in measured.items()}
    rows, left = [], []
    for cell in cells:
        kin = [rate for other, rate in rates.items() if other.student == cell.student]
        if cell in measured:
            seconds, basis = measured[cell], "measured"
        elif kin:
            seconds, basis = median(kin) * _steps(cell, settings), f"as {len(kin)} finished of this student"
        elif rates:
            seconds, basis = median(rates.values()) * _steps(cell, settings), f"as {len(rates)} finished"
        else:
            seconds, basis = SECONDS_PER_STEP * _steps(cell, settings), f"guess, {SECONDS_PER_STEP} s per step"
        state = "finished" if cell in measured else "to run"
        rows.append({"cell": cell.name, "state": state, "seconds": seconds, "basis": basis})
        if cell not in measured:
            left.append(seconds)
    width = max(1, settings.jobs if width is None else width)
    return Plan(pd.DataFrame(rows), width, _wall_time(left, width))


def _steps(cell: Cell, settings: Settings) -> int:
    return int(cell.parameters.get("grpo_steps", settings.grpo_steps))


def _wall_time(seconds: Sequence[float], width: int) -> float:
    """When the last of these ends, if each begins, in turn, as soon as one of `width` places is free.

    Examples
    --------
    >>> _wall_time([3, 1, 1, 1], 2)
    3.0
    """
    ends = [0.0] * width
    for duration in seconds:
        heapq.heappush(ends, heapq.heappop(ends) + duration)
    return max(ends)


def _clock(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
