"""Figures of stage 5: what the curricula did to the students, with intervals."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tarot_lite.figures.style import POLICY_COLOURS, TIER_COLOURS, new_figure, note
from tarot_lite.problems import Tier

__all__ = ["forest", "gain_bars", "suite_curves", "tier_table"]

_SMOOTHING = 9  # steps
_HALO = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}  # keeps a label readable on a bar


def gain_bars(gains: pd.DataFrame) -> Figure:
    """Held-out pass@1 of the whole suite, before and after each curriculum, per student.

    Parameters
    ----------
    gains
        As `ablations.gains` returns: shares in [-1, 1].
    """
    students = list(dict.fromkeys(gains["student"]))[::-1]
    figure, axes = new_figure(3.4 * len(students), 3.4, ncols=len(students), sharey=True, squeeze=False)
    for plot, student in zip(axes[0], students, strict=True):
        rows = gains[gains["student"] == student].reset_index(drop=True)
        plot.bar(rows["policy"], 100 * rows["after"], color=[POLICY_COLOURS[p] for p in rows["policy"]])
        errors = [100 * (rows["gain"] - rows["low"]), 100 * (rows["high"] - rows["gain"])]
        plot.errorbar(
            rows["policy"], 100 * rows["after"], yerr=errors, fmt="none", ecolor="black", capsize=3, elinewidth=1
        )
        plot.axhline(100 * rows["before"].mean(), color="black", linestyle=":", linewidth=1.2)
        plot.text(
            len(rows) - 0.45, 100 * rows["before"].mean(), "before", fontsize=8, ha="right", va="bottom", bbox=_HALO
        )
        plot.set_title(f"{student} student")
        plot.tick_params(axis="x", rotation=30)
        plot.grid(False, axis="x")
    axes[0][0].set(ylabel="held-out pass@1, whole suite (%)")
    _leave_room(axes[0])
    note(axes[0][0], "bars: 95 % interval of the gain, over problems and seeds")
    return figure


def forest(contrasts: pd.DataFrame) -> Figure:
    """Differences between curricula with their intervals; an interval across zero is inside the noise.

    Parameters
    ----------
    contrasts
        ``label``, ``estimate``, ``low``, ``high`` (shares in [-1, 1]), one row per comparison.
    """
    figure, axes = new_figure(7.0, 0.9 + 0.42 * len(contrasts))
    for place, row in enumerate(contrasts.iloc[::-1].itertuples()):
        clear = row.low > 0 or row.high < 0
        colour = "#0072B2" if clear else "#999999"
        axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2)
        axes.plot(100 * row.estimate, place, "o", color=colour, markersize=7)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(contrasts)), contrasts["label"].iloc[::-1])
    axes.set(
        title="Difference in held-out pass@1",
        xlabel="percentage points (95 % interval)",
        ylim=(-0.6, len(contrasts) - 0.4),
    )
    note(axes, "blue: the interval excludes zero, grey: it does not")
    return figure


def suite_curves(histories: pd.DataFrame) -> Figure:
    """Share of sampled programs that pass the whole suite while training, one panel per student, a line per curriculum."""
    students = list(dict.fromkeys(histories["student"]))[::-1]
    figure, axes = new_figure(3.9 * len(students), 3.5, ncols=len(students), sharey=True, squeeze=False)
    for plot, student in zip(axes[0], students, strict=True):
        for policy, part in histories[histories["student"] == student].groupby("policy", sort=False):
            for number, (_, run) in enumerate(part.groupby("seed")):
                smooth = run.set_index("step")["suite"].rolling(_SMOOTHING, min_periods=1, center=True).mean()
                plot.plot(100 * smooth, color=POLICY_COLOURS[policy], alpha=0.85, label=policy if number == 0 else None)
        plot.set(title=f"{student} student", xlabel="GRPO step")
    axes[0][0].set_ylabel("whole suite passed (%)")
    _leave_room(axes[0])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def tier_table(heldout: pd.DataFrame) -> Figure:
    """Held-out pass@1 per tier after training: one panel per student, tiers side by side for every curriculum."""
    measures = [*(tier.value for tier in Tier), "suite"]
    colours = [*TIER_COLOURS.values(), "#4D4D4D"]
    means = heldout.groupby(["student", "policy", "measure"], sort=False)[["before", "after"]].mean().reset_index()
    students = list(dict.fromkeys(means["student"]))[::-1]
    figure, axes = new_figure(3.9 * len(students), 3.5, ncols=len(students), sharey=True, squeeze=False)
    for plot, student in zip(axes[0], students, strict=True):
        rows = means[means["student"] == student]
        start = rows.groupby("measure")["before"].mean()
        columns = ["before training", *dict.fromkeys(rows["policy"])]
        for i, (measure, colour) in enumerate(zip(measures, colours, strict=True)):
            after = rows[rows["measure"] == measure].set_index("policy")["after"]
            heights = [start[measure], *(after[policy] for policy in columns[1:])]
            plot.bar(
                [x + (i - 2) * 0.16 for x in range(len(columns))],
                [100 * h for h in heights],
                0.15,
                color=colour,
                label=measure,
            )
        plot.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
        plot.set_title(f"{student} student")
        plot.grid(False, axis="x")
    axes[0][0].set_ylabel("held-out pass@1 (%)")
    _leave_room(axes[0])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _leave_room(panels: Iterable[Axes]) -> None:
    """Let percentages begin at 0 and end at 5 or more, so that nothing looks like something only when it is."""
    panels = list(panels)
    panels[0].set_ylim(0, max(5.0, *(panel.get_ylim()[1] for panel in panels)))
