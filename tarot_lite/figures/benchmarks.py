"""Figures of the benchmarks: scores of several students, and what training gained."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tarot_lite.figures.style import STUDENT_COLOURS, legend_below, new_figure, note

_OTHERS = ("#999999", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#0072B2")


def scores(table: pd.DataFrame, metric: str = "pass@1") -> Figure:
    """Bars of a metric with 95 % intervals, one group for each benchmark, one bar for each student.

    Parameters
    ----------
    table
        `tarot_lite.benchmarks.table`: columns benchmark, student, metric, score, low, high, tasks (shares in [0, 1]).
    metric
        Which rows to draw.

    Raises
    ------
    ValueError
        If the table has no such metric.
    """
    rows = table[table["metric"] == metric]
    if rows.empty:
        raise ValueError(f"metric {metric!r} is not in the table; it has {', '.join(sorted(set(table['metric'])))}")
    benchmarks, students = list(dict.fromkeys(rows["benchmark"])), list(dict.fromkeys(rows["student"]))
    figure, axes = new_figure(max(5.0, 1.3 + 1.4 * len(benchmarks)), 3.4)
    width = 0.8 / len(students)
    for place, student in enumerate(students):
        own = rows[rows["student"] == student].set_index("benchmark").reindex(benchmarks)
        x = np.arange(len(benchmarks)) + (place - (len(students) - 1) / 2) * width
        colour = STUDENT_COLOURS.get(student, _OTHERS[place % len(_OTHERS)])
        axes.bar(x, own["score"], width * 0.92, color=colour, label=student)
        spread = [own["score"] - own["low"], own["high"] - own["score"]]
        axes.errorbar(x, own["score"], yerr=spread, fmt="none", ecolor="black", capsize=3, linewidth=1)
    sizes = rows.groupby("benchmark")["tasks"].max()
    labels = [f"{name}\n({sizes[name]} tasks)" for name in benchmarks]
    axes.set(ylim=(0, 1), ylabel=metric, xticks=range(len(benchmarks)), xticklabels=labels)
    axes.grid(False, axis="x")
    axes.set_title("Benchmarks")
    legend_below(axes, columns=min(4, len(students)))
    note(axes, "bars: share of tasks solved; lines: 95 % bootstrap interval over tasks")
    return figure


def gains(comparison: pd.DataFrame) -> Figure:
    """Gain of the trained student over its base on each benchmark, with its paired interval.

    Parameters
    ----------
    comparison
        `tarot_lite.benchmarks.compare`: columns benchmark, gain, low, high, metric, tasks.
    """
    figure, axes = new_figure(6.0, 1.4 + 0.45 * len(comparison))
    places = np.arange(len(comparison))[::-1]
    for place, row in zip(places, comparison.to_dict("records"), strict=True):
        colour = "#009E73" if row["low"] > 0 else "#D55E00" if row["high"] < 0 else "#777777"
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=2.5)
        axes.plot(100 * row["gain"], place, "o", color=colour)
    axes.axvline(0, color="black", linewidth=0.8)
    metric = comparison["metric"].iloc[0]
    labels = [f"{name} ({tasks})" for name, tasks in zip(comparison["benchmark"], comparison["tasks"], strict=True)]
    axes.set(yticks=places, yticklabels=labels, xlabel=f"gain in {metric}, points", ylim=(-0.6, len(comparison) - 0.4))
    axes.set_title("Trained minus base")
    note(axes, "paired by task; lines: 95 % bootstrap interval over tasks; grey: the interval holds zero")
    return figure
