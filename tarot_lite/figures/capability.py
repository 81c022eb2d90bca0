"""Figures of stage 3: what a student can do, tier by tier, and what that means for the choice of a curriculum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tarot_lite.curriculum import get_policy
from tarot_lite.figures.style import STUDENT_COLOURS, bars, new_figure, note
from tarot_lite.problems import Tier

_MEASURES = [*(tier.value for tier in Tier), "suite"]
_SPARE = ("#E69F00", "#CC79A7", "#D55E00")  # for students without a colour of their own


def profiles(table: pd.DataFrame) -> Figure:
    """Pass rate per tier, students side by side, with 95 % intervals.

    Parameters
    ----------
    table
        `Profile.table` of one or more students: ``student``, ``measure``, ``k``, ``rate``, ``low``, ``high`` (shares).
    """
    students = list(dict.fromkeys(table["student"]))
    colours = [STUDENT_COLOURS.get(name, _SPARE[i % len(_SPARE)]) for i, name in enumerate(students)]
    width = 0.8 / len(students)
    figure, axes = new_figure(7.0, 3.5)
    for i, (student, colour) in enumerate(zip(students, colours, strict=True)):
        rows = table[(table["student"] == student) & (table["k"] == 1)].set_index("measure").loc[_MEASURES]
        places = [x + (i - (len(students) - 1) / 2) * width for x in range(len(_MEASURES))]
        bars(axes, places, rows, width, color=colour, label=student)
    axes.set_xticks(range(len(_MEASURES)), [*_MEASURES[:-1], "whole suite"])
    axes.set(title="Capability before training", ylabel="pass@1 (%)")
    axes.legend(frameon=False)
    note(axes, "lines: 95 % intervals over problems")
    return figure


def signal_map(signals: pd.DataFrame) -> Figure:
    """How much of each curriculum's schedule a student could learn from: one panel per student.

    Parameters
    ----------
    signals
        `capability.signal_of_phases` with a column ``student``: ``policy``, ``phase`` (from 0), ``signal`` (share in [0, 1]).
    """
    students = list(dict.fromkeys(signals["student"]))
    policies = list(dict.fromkeys(signals["policy"]))
    height = (0.9 + 0.42 * len(policies)) * len(students)
    figure, axes = new_figure(6.0, height, nrows=len(students), squeeze=False)
    image: Any = None
    for plot, student in zip(axes[:, 0], students, strict=True):
        rows = signals[signals["student"] == student].set_index(["policy", "phase"])["signal"]
        for y, name in enumerate(policies):
            starts = [phase.start for phase in get_policy(name).phases] + [1.0]
            for phase, (left, right) in enumerate(pairwise(starts)):
                share = float(rows[(name, phase)])
                edges = [[left, right], [y - 0.5, y + 0.5]]
                image = plot.pcolormesh(*edges, [[share]], cmap="cividis", vmin=0, vmax=1, edgecolors="white")
                colour = "black" if share > 0.55 else "white"
                plot.text(
                    (left + right) / 2, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour
                )
        plot.set(title=f"{student} student", xlabel="share of the training done", ylim=(len(policies) - 0.5, -0.5))
        plot.set_yticks(range(len(policies)), policies)
        plot.grid(False)
    figure.colorbar(image, ax=axes[:, 0].tolist(), label="groups with a gradient", shrink=0.9)
    return figure


def width_by_budget(budget: pd.DataFrame) -> Figure:
    """What more probing would buy: width of the interval against its cost in tokens; the points say how many problems.

    Parameters
    ----------
    budget
        `Profile.budget` with a column ``student``: ``problems``, ``tokens``, ``width`` (a share).
    """
    figure, axes = new_figure(6.0, 3.0)
    for i, (student, rows) in enumerate(budget.groupby("student", sort=False)):
        colour = STUDENT_COLOURS.get(student, _SPARE[i % len(_SPARE)])
        axes.plot(rows["tokens"], 100 * rows["width"], "o-", color=colour, label=student)
    for problems, rows in budget.groupby("problems"):  # one number for all students: their points lie on one another
        place = (rows["tokens"].mean(), 100 * rows["width"].max())
        axes.annotate(str(problems), place, (0, 5), textcoords="offset points", ha="center", fontsize=8)
    axes.set(title="What a larger probe would buy", xlabel="tokens written", ylabel="width of the interval (points)")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.legend(frameon=False)
    note(axes, "numbers: problems in the probe")
    return figure


def warm_up(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Loss of each supervised step in nats a token, by student."""
    figure, axes = new_figure(6.0, 2.8)
    for student, values in losses.items():
        if values:
            axes.plot(range(1, len(values) + 1), values, marker=".", label=student)
    axes.set(title="Supervised warm-up", xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
    axes.legend(frameon=False)
    return figure
