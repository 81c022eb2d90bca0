"""Figures of stage 5: what the curricula did to the students, with intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tarot_lite.curriculum import get_policy
from tarot_lite.figures.style import STUDENT_COLOURS, TIER_COLOURS, new_figure, note, one_line, phases
from tarot_lite.problems import Problem, Tier

_SMOOTHING = 9  # steps
_CLEAR, _NOISE = "#0072B2", "#999999"
_ORDER = ("hard first", "easy to hard", "adaptive", "no schedule")
_MARKS = {"hard first": "s", "easy to hard": "o", "adaptive": "^", "no schedule": "D"}
_LINES = {"hard first": "-", "easy to hard": "--", "adaptive": "-.", "no schedule": ":"}
_BINS = 10  # of the training, in the signal map


def gain_forest(gains: pd.DataFrame) -> Figure:
    """Gain in held-out pass@1 of the whole suite: a row per curriculum, a panel per student, with intervals.

    Parameters
    ----------
    gains
        As `ablations.gains` returns: shares in [-1, 1].
    """
    policies = _by_direction(gains["policy"])
    figure, panels = _by_student(gains, 0.95 + 0.26 * len(policies), sharey=True, sharex=True)
    for plot, student, rows in panels:
        _intervals(plot, rows, policies, "gain")
        plot.axvline(0, color="black", linewidth=1)
        plot.set(title=f"{student} ({100 * rows['before'].mean():.0f} % before)", xlabel="points gained")
    _reach(panels[0][0])
    note(
        panels[0][0],
        "held-out pass@1, whole suite; 95 % intervals; □ hard first, ○ easy to hard, △ adaptive, ◇ no schedule",
    )
    return figure


def forest(contrasts: pd.DataFrame, title: str = "Difference in held-out pass@1") -> Figure:
    """Differences with their intervals, a row each; an interval across zero is inside the noise.

    Parameters
    ----------
    contrasts
        ``label``, ``seeds``, ``estimate``, ``low``, ``high`` (shares in [-1, 1]), ``by_seed`` (points), one row per comparison,
        in order from above.  With a column ``student``, the rows of each student stand together.
    title
        Of the plot.
    """
    students = contrasts["student"] if "student" in contrasts else pd.Series("", index=contrasts.index)
    gaps = (students != students.shift()).cumsum() - 1
    places = np.arange(len(contrasts)) + 0.8 * gaps.to_numpy()
    last = places[-1] if len(places) else 0
    figure, axes = new_figure(7.0, 1.1 + 0.26 * (last + 1))
    for place, row in zip(places, contrasts.itertuples(), strict=True):
        colour = _CLEAR if _clear(row) else _NOISE
        axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2)
        by_seed = [float(value) for value in row.by_seed.split()]
        axes.plot(by_seed, [place] * len(by_seed), "|", color="black", markersize=7)
        axes.plot(100 * row.estimate, place, "o", color=colour, markersize=6)
    axes.axvline(0, color="black", linewidth=1)
    _reach(axes)
    axes.set_yticks(places, contrasts["label"])
    axes.set(title=title, xlabel="percentage points (95 % interval)", ylim=(last + 0.6, -0.6))
    note(axes, "blue: the interval excludes zero, with three seeds or more; grey: not so; strokes: the single seeds")
    return figure


def contrast_by_capability(law: pd.DataFrame) -> Figure:
    """The paper's law in one picture: hard first minus easy to hard, against what the student could do before.

    Parameters
    ----------
    law
        ``label`` of the measure, ``student``, ``capability`` (share), ``contrast``, ``low``, ``high`` (shares in [-1, 1]), as
        `ablations.capability_law` returns; a panel per measure.
    """
    labels = list(dict.fromkeys(law["label"]))
    figure, panels = _panels(labels, 3.6, sharey=True, sharex=True)
    reach = 1.25 * max(2.0, *(100 * law[["low", "high"]].abs().max()))
    width = max(5.0, 100 * (law["capability"].max() - law["capability"].min()))
    middle = 50 * (law["capability"].max() + law["capability"].min())
    panels[0].set(ylim=(-reach, reach), xlim=(middle - 0.65 * width, middle + 0.65 * width))
    panels[0].set_ylabel("hard first − easy to hard (points)")
    for plot, label in zip(panels, labels, strict=True):
        plot.axhspan(0, 200, color="#CC79A7", alpha=0.08, linewidth=0)
        plot.axhspan(-200, 0, color="#66C2A5", alpha=0.10, linewidth=0)
        plot.axhline(0, color="black", linewidth=1)
        for row in law[law["label"] == label].itertuples():
            x, colour = 100 * row.capability, STUDENT_COLOURS.get(row.student, "#4D4D4D")
            plot.plot([x, x], [100 * row.low, 100 * row.high], color=colour, linewidth=2)
            fill = colour if _clear(row) else "white"
            plot.plot(x, 100 * row.contrast, "o", color=fill, markeredgecolor=colour, markersize=9)
            plot.annotate(row.student, (x, 100 * row.high), (0, 5), textcoords="offset points", ha="center", fontsize=9)
        plot.set(title=label, xlabel="capability before training (%)")
        for y, text, valign in ((0.97, "hard first is better", "top"), (0.03, "easy to hard is better", "bottom")):
            plot.text(0.01, y, text, transform=plot.transAxes, fontsize=9, color="#555555", va=valign)
    note(
        panels[0],
        "held-out pass@1; capability is its mean over the tiers; full: the 95 % interval excludes zero, with three seeds or more",
    )
    return figure


def regret(table: pd.DataFrame) -> Figure:
    """What each curriculum cost each student against the best fixed one: a panel per student, the worst of all first.

    Parameters
    ----------
    table
        As `ablations.regret` returns; a column of panels per measure.
    """
    labels, students = list(dict.fromkeys(table["label"])), list(dict.fromkeys(table["student"]))[::-1]
    policies = _by_direction(table["policy"])
    names = [f"{student}, {label}" for student in students for label in labels]
    figure, panels = _panels(names, 0.95 + 0.26 * len(policies), columns=len(labels), sharey=True, sharex=True)
    for plot, (student, label) in zip(panels, itertools.product(students, labels), strict=True):
        _intervals(plot, table[(table["label"] == label) & (table["student"] == student)], policies, "regret")
        plot.axvline(0, color="black", linewidth=1)
        plot.set(title=f"{'worst student' if student == 'worst' else student}\n{label}", xlabel="points lost")
    _reach(panels[0])
    note(
        panels[0],
        "held-out pass@1, against the best curriculum that does not adapt, chosen in hindsight; 95 % intervals over seeds",
    )
    return figure


def idea(problem: Problem, histories: pd.DataFrame, student: str) -> Figure:
    """The whole method in one picture: a problem's four tests, which of them pay when, and what the student learns.

    Parameters
    ----------
    problem
        With tests in its tiers.
    histories
        As `ablations.collect_histories` returns; its first two curricula with a direction are shown.
    student
        Whose.
    """
    rows = histories[histories["student"] == student]
    trained = list(dict.fromkeys(rows["policy"]))
    policies = ([name for name in trained if "hard" in get_policy(name).direction] or trained)[:2]
    figure, (tests, pays, learns) = new_figure(6.4, 6.6, nrows=3, height_ratios=[1.2, 0.4 + 0.45 * len(policies), 1.7])
    tests.set(xlim=(0, 1), ylim=(3.6, -1.7))
    tests.set_title("1 · A problem has tests in four tiers", loc="left")
    tests.text(0.0, -1, f"“{one_line(problem.statement.lstrip('# '), 80)}”", style="italic")
    tests.axis("off")
    for place, tier in enumerate(problem.tiers):
        test = next(test for test in problem.tests if test.tier is tier)
        tests.text(0.0, place, tier.value, color=TIER_COLOURS[tier], weight="bold")
        for column, text in ((0.22, one_line(test.input, 26)), (0.66, f"→ {one_line(test.output, 26)}")):
            tests.text(column, place, text, family="monospace", size=8)
    pays.set(xlim=(0, 100), xlabel="training done (%)", ylim=(4.6 * len(policies) - 0.4, -0.2))
    pays.set_title("2 · A curriculum says which tiers pay, and when", loc="left")
    for at, name in enumerate(policies):
        policy = get_policy(name)
        for phase, end in zip(policy.phases, [*(phase.start for phase in policy.phases[1:]), 1.0], strict=True):
            for tier in sorted(phase.tiers, key=list(Tier).index):  # a set has no order of its own
                span = (100 * phase.start, 100 * (end - phase.start))
                pays.broken_barh([span], (4.6 * at + tier.rank, 0.9), color=TIER_COLOURS[tier])
    pays.set_yticks([4.6 * at + 2 for at, _ in enumerate(policies)], [get_policy(name).direction for name in policies])
    pays.tick_params(axis="y", length=0)
    learns.set_title(f"3 · The {student} student learns from it", loc="left")
    learns.set(xlabel="GRPO step", ylabel="passes all four tiers (%)")
    for name in policies:
        smooth = 100 * _smooth_by_seed(rows[rows["policy"] == name], "suite")
        policy = get_policy(name)
        learns.plot(smooth, color=policy.colour, linewidth=0.7, alpha=0.5)  # a thin line per seed
        mean = smooth.mean(axis=1)
        learns.plot(mean, color=policy.colour, linewidth=2.2)
        learns.annotate(
            policy.direction, (mean.index[-1], mean.iloc[-1]), (4, 0), textcoords="offset points", va="center"
        )
    learns.set_ylim(0, None)
    learns.margins(x=0.12)
    return figure


def suite_curves(histories: pd.DataFrame) -> Figure:
    """Share of sampled programs that pass the whole suite while training: a panel per student, a line per curriculum.

    Parameters
    ----------
    histories
        As `ablations.collect_histories` returns; lines are means over seeds, bands go from the lowest seed to the highest.
    """
    figure, panels = _by_student(histories, 3.2, sharey=True)
    for plot, _, part in panels:
        for policy in _by_direction(part["policy"]):
            smooth = 100 * _smooth_by_seed(part[part["policy"] == policy], "suite")
            colour = get_policy(policy).colour
            style = _LINES[get_policy(policy).direction]
            plot.plot(smooth.mean(axis=1), color=colour, linestyle=style, linewidth=1.8, label=policy)
            if smooth.shape[1] > 1:
                plot.fill_between(
                    smooth.index, smooth.min(axis=1), smooth.max(axis=1), color=colour, alpha=0.12, linewidth=0
                )
        plot.set_xlabel("GRPO step")
    plots = [plot for plot, *_ in panels]
    plots[0].set_ylabel("whole suite passed (%)")
    plots[0].set_ylim(0, max(5.0, *(plot.get_ylim()[1] for plot in plots)))  # next to nothing looks like it
    _legend(figure, plots)
    note(
        plots[0],
        "mean over seeds, band: lowest to highest; ── hard first, -- easy to hard, -· adaptive, ·· no schedule",
    )
    return figure


def tier_curves(histories: pd.DataFrame, student: str) -> Figure:
    """Learning curves per tier of one student, a panel per curriculum, with the curriculum's phases behind.

    Parameters
    ----------
    histories
        As `ablations.collect_histories` returns.
    student
        Whose.
    """
    of_student = histories[histories["student"] == student]
    policies = _by_direction(of_student["policy"])
    figure, panels = _panels(policies, 2.5, columns=2, sharey=True, sharex=True)
    for plot, policy in zip(panels, policies, strict=True):
        part = of_student[of_student["policy"] == policy]
        for tier in Tier:
            curve = _smooth_by_seed(part, f"tier/{tier.value}").mean(axis=1)
            plot.plot(100 * curve, color=TIER_COLOURS[tier], linewidth=1.6, label=tier.value)
        curve = _smooth_by_seed(part, "suite").mean(axis=1)
        plot.plot(100 * curve, color="black", linestyle="--", linewidth=1.8, label="whole suite")
        phases(plot, get_policy(policy), int(part["step"].max()))
        plot.set_title(policy, pad=14)
        plot.set(xlabel="GRPO step", ylim=(0, 100))
    panels[0].set_ylabel(f"passed by the {student} student (%)")
    _legend(figure, panels)
    note(panels[0], "mean over seeds; letters: the tiers that earn reward in each phase")
    return figure


def tier_table(heldout: pd.DataFrame) -> Figure:
    """Held-out pass@1 per tier, as numbers on colour: a panel per student, a row per curriculum, the first before training."""
    measures = [*(tier.value for tier in Tier), "suite"]
    means = heldout.groupby(["student", "policy", "measure"], sort=False)[["before", "after"]].mean().reset_index()
    policies = _by_direction(means["policy"])
    figure, panels = _by_student(means, 1.0 + 0.27 * (len(policies) + 1), sharey=True)
    for plot, _, rows in panels:
        table = rows.pivot(index="policy", columns="measure", values="after").reindex(policies)[measures]
        start = rows.groupby("measure")["before"].mean()[measures].to_frame("before training").T
        _heatmap(plot, 100 * pd.concat([start, table]).rename(columns={"intermediate": "interm."}), (0, 100))
        plot.axhline(1, color="black", linewidth=1)
    note(panels[0][0], "held-out pass@1 in per cent, mean over seeds and problems")
    return figure


def signal_map(histories: pd.DataFrame) -> Figure:
    """Where the reward in force gave a gradient: share of groups whose rewards differ, over the course of the training.

    Parameters
    ----------
    histories
        As `ablations.collect_histories` returns.
    """
    policies = _by_direction(histories["policy"])
    tenth = (histories["progress"] * _BINS).clip(upper=_BINS - 1).astype(int)
    figure, panels = _by_student(histories.assign(tenth=tenth), 1.0 + 0.25 * len(policies), sharey=True)
    for plot, _, part in panels:
        table = part.pivot_table(index="policy", columns="tenth", values="signal/reward").reindex(policies)
        table.columns = [f"{100 * column // _BINS}" for column in table.columns]
        _heatmap(plot, 100 * table, (0, 100), size=7, colours="cividis")  # dark is no gradient, as in stage 3
        plot.set_xlabel("% of the training done")
    note(panels[0][0], "groups with differing rewards in per cent: what GRPO can learn from; dark is wasted sampling")
    return figure


def code_length(lengths: pd.DataFrame) -> Figure:
    """Length of the written programs against how many of them are right, before and after training.

    Parameters
    ----------
    lengths
        As `ablations.collect_lengths` returns, one row per cell: ``student``, ``policy``, ``characters_before``,
        ``characters_after`` (means) and ``passed_before``, ``passed_after`` (shares of the whole suite).
    """
    figure, panels = _by_student(lengths, 3.0, sharey=True, sharex=True)
    for plot, _, rows in panels:
        before = rows["characters_before"].mean(), 100 * rows["passed_before"].mean()
        plot.plot(*before, "X", color="black", markersize=10, zorder=5)
        for policy in map(get_policy, _by_direction(rows["policy"])):
            part = rows[rows["policy"].map(get_policy) == policy]
            after = part["characters_after"], 100 * part["passed_after"]
            look: dict[str, Any] = {
                "color": policy.colour,
                "markeredgecolor": "white",
                "markersize": 7,
                "label": policy.name,
            }
            plot.plot(*after, _MARKS[policy.direction], **look)
        plot.set_xlabel("characters per program")
    plots = [plot for plot, *_ in panels]
    plots[0].set_ylabel("whole suite passed (%)")
    _legend(figure, plots)
    note(plots[0], "held-out problems; one mark per training; black cross: the student before training")
    return figure


def learning_speed(speed: pd.DataFrame) -> Figure:
    """Mean pass rate over the course of the training (area under the curve), a row per curriculum, a panel per student.

    Parameters
    ----------
    speed
        ``student``, ``policy``, ``area``, ``low``, ``high`` (shares), ``reached`` (share of seeds that came to the target)
        and ``steps`` (median steps to it), as `ablations.learning_speed` returns.
    """
    policies = _by_direction(speed["policy"])
    figure, panels = _by_student(speed, 0.95 + 0.26 * len(policies), sharey=True, sharex=True)
    for plot, _, rows in panels:
        _intervals(plot, rows, policies, "area")
        for row in rows[np.isfinite(rows["steps"])].itertuples():
            place = 100 * max(row.area, row.high), policies.index(row.policy)
            text = f"step {row.steps:.0f}"
            plot.annotate(text, place, (5, 0), textcoords="offset points", va="center", fontsize=7)
        plot.set_xlabel("mean pass rate (%)")
        plot.margins(x=0.15)
    note(
        panels[0][0],
        "whole suite, mean over all steps, 95 % interval over seeds; number: median step at which the target is met",
    )
    return figure


# ---------------------------------------------------------------------------------------------------------- helpers


def _panels(names: Sequence[str], height: float, columns: int = 1, **subplots: Any) -> tuple[Figure, list[Axes]]:
    """One panel per name, under one another, so that a phone can show them; no empty axes."""
    rows = math.ceil(len(names) / columns)
    figure, axes = new_figure(6.2, 0.4 + height * rows, nrows=rows, ncols=columns, squeeze=False, **subplots)
    panels = list(axes.flat)
    for empty in panels[len(names) :]:
        empty.remove()
    for plot in panels[: len(names)]:
        plot.tick_params(labelbottom=True)
    return figure, panels[: len(names)]


def _by_student(
    table: pd.DataFrame, height: float, **subplots: Any
) -> tuple[Figure, list[tuple[Axes, str, pd.DataFrame]]]:
    """A panel per student, the most capable first, with the rows of each."""
    students = list(dict.fromkeys(table["student"]))[::-1]
    figure, panels = _panels(students, height, **subplots)
    for plot, student in zip(panels, students, strict=True):
        plot.set_title(f"{student} student")
    return figure, [(plot, name, table[table["student"] == name]) for plot, name in zip(panels, students, strict=True)]


def _intervals(plot: Axes, rows: pd.DataFrame, policies: Sequence[str], value: str) -> None:
    """A line per curriculum: a mark at its value, in per cent, and a stroke from `low` to `high`."""
    for row in rows.to_dict("records"):
        place, policy = policies.index(row["policy"]), get_policy(row["policy"])
        plot.plot([100 * row["low"], 100 * row["high"]], [place, place], color=policy.colour, linewidth=2.2)
        look: dict[str, Any] = {"color": policy.colour, "markeredgecolor": "black", "markersize": 6}
        plot.plot(100 * row[value], place, _MARKS[policy.direction], **look)
    plot.set(yticks=range(len(policies)), ylim=(len(policies) - 0.4, -0.6))
    plot.set_yticklabels([get_policy(policy).name for policy in policies])
    plot.grid(False, axis="y")


def _clear(row: Any) -> bool:
    """Whether a difference may be called one: three seeds or more, and an interval that excludes zero."""
    return bool(row.seeds > 2 and (row.low > 0 or row.high < 0))


def _by_direction(policies: Iterable[str]) -> list[str]:
    """Each policy once, hard first above easy to hard above adaptive above no schedule."""
    return sorted(dict.fromkeys(policies), key=lambda policy: _ORDER.index(get_policy(policy).direction))


def _smooth_by_seed(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """Steps x seeds, running mean."""
    wide = part.pivot_table(index="step", columns="seed", values=column)
    return wide.rolling(_SMOOTHING, min_periods=1, center=True).mean()


def _heatmap(
    plot: Axes, table: pd.DataFrame, limits: tuple[float, float], size: int = 8, colours: str = "cividis_r"
) -> None:
    sns.heatmap(
        table,
        ax=plot,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        annot=True,
        fmt=".0f",
        annot_kws={"size": size},
        cbar=False,
        linewidths=1,
    )
    plot.set(xlabel="", ylabel="")
    plot.grid(False)
    plot.tick_params(length=0, labelsize=8)
    plot.tick_params(rotation=0)


def _legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels, above them, each label once."""
    found: dict[str, Any] = {}
    for plot in panels:
        for handle, label in zip(*plot.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(found.values(), found.keys(), loc="outside upper center", ncols=4, frameon=False, fontsize=9)


def _reach(plot: Axes, points: float = 2.0) -> None:
    """Let an axis of differences reach some points to either side, so that next to nothing looks like it."""
    left, right = plot.get_xlim()
    plot.set_xlim(min(left, -points), max(right, points))
