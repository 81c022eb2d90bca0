"""The figure of the benchmarks: scores of several students."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tarot_lite.figures.style import STUDENT_COLOURS, bars, legend_below, new_figure, note

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
        own = (
            rows[rows["student"] == student]
            .set_index("benchmark")
            .reindex(benchmarks)
            .rename(columns={"score": "rate"})
        )
        x = np.arange(len(benchmarks)) + (place - (len(students) - 1) / 2) * width
        colour = STUDENT_COLOURS.get(student, _OTHERS[place % len(_OTHERS)])
        bars(axes, x.tolist(), own, width, color=colour, label=student)
    sizes = rows.groupby("benchmark")["tasks"].max()
    labels = [f"{name}\n({sizes[name]} tasks)" for name in benchmarks]
    axes.set(ylabel=f"{metric} (%)", xticks=range(len(benchmarks)), xticklabels=labels)
    axes.set_title("Benchmarks")
    legend_below(axes, columns=min(4, len(students)))
    note(axes, "bars: share of tasks solved; lines: 95 % bootstrap interval over tasks")
    return figure
