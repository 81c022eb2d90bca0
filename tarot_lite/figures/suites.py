"""Figures of stage 1: what each tier catches, how hard tests are, and what was thrown away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from tarot_lite.figures.style import TIER_COLOURS, new_figure, note, one_line
from tarot_lite.problems import Problem, Tier
from tarot_lite.widgets import Folded, browse

if TYPE_CHECKING:
    from ipywidgets import Widget

    from tarot_lite.suites import SuiteReport

_UNTIERED = "#BBBBBB"


def _colour(tier: str | None) -> str:
    return TIER_COLOURS[Tier(tier)] if isinstance(tier, str) else _UNTIERED


def ladder(rungs: pd.DataFrame, title: str) -> Figure:
    """One problem's suite from easy to hard: how many wrong programs each test rejects, and how many no easier one did.

    Parameters
    ----------
    rungs
        `SuiteReport.ladder`: ``tier``, ``input``, ``rejects``, ``new``.
    title
        What problem it is.
    """
    figure, axes = new_figure(6.4, 1.1 + 0.42 * max(len(rungs), 1))
    for place, (_, rung) in enumerate(rungs.iterrows()):
        colour = _colour(rung["tier"])
        axes.barh(place, rung["rejects"], color=colour, alpha=0.35, height=0.7)
        axes.barh(place, rung["new"], color=colour, height=0.7)
    labels = [f"{rung['tier'] or 'no tier'}: {one_line(rung['input'], 34)}" for _, rung in rungs.iterrows()]
    axes.set_yticks(range(len(rungs)), labels, fontsize=8)
    axes.set(title=one_line(title, 70), xlabel="wrong programs rejected")
    axes.grid(False, axis="y")
    note(axes, "full colour: rejected by no easier test (below it)")
    return figure


def difficulty_by_tier(tests: pd.DataFrame) -> Figure:
    """Difficulty of every test in the suites, by tier, with the tier's mean.

    Parameters
    ----------
    tests
        `SuiteReport.tests_table`; the kept and measured tests with a tier are drawn.
    """
    figure, axes = new_figure(6.5, 3.4)
    shown = tests[tests["kept"].astype(bool) & tests["difficulty"].notna()]
    for tier in Tier:
        values = shown.loc[shown["tier"] == tier.value, "difficulty"].astype(float).to_numpy()
        if not len(values):
            continue
        spread = (np.argsort(np.argsort(values, kind="stable"), kind="stable") * 0.618) % 1 - 0.5
        axes.scatter(tier.rank + 0.5 * spread, values, s=14, color=TIER_COLOURS[tier], alpha=0.6, linewidth=0)
        axes.hlines(values.mean(), tier.rank - 0.35, tier.rank + 0.35, color="black", linewidth=2)
        axes.text(tier.rank + 0.38, values.mean(), f"{values.mean():.2f}", va="center", fontsize=9)
    axes.set_xticks(range(4), [tier.value for tier in Tier])
    axes.set(
        title="Difficulty by tier", ylabel="share of wrong programs rejected", ylim=(-0.03, 1.06), xlim=(-0.6, 3.8)
    )
    axes.grid(False, axis="x")
    note(axes, "a dot: one test of one suite; line: mean of the tier")
    return figure


def kill_matrix(record: Mapping[str, Any], title: str) -> Figure:
    """Which test rejects which candidate; suites keep the coloured rows.

    Parameters
    ----------
    record
        `SuiteReport.record` of a calibrated problem.
    title
        What problem it is.
    """
    rows = np.array([[mark == "#" for mark in row] for row in record["matrix"]], dtype=int).reshape(
        len(record["matrix"]), -1
    )
    tests = sorted(range(len(rows)), key=lambda test: (rows[test].sum(), test))
    columns = sorted(range(rows.shape[1]), key=lambda column: (-rows[:, column].sum(), column))
    shades = np.zeros_like(rows)
    for at, test in enumerate(tests):
        kept = test in record["kept"]
        tier = record["tests"][test]["tier"]
        shade = 2 + Tier(tier).rank if kept and tier else 1
        shades[at] = rows[test][columns] * shade
    colours = ListedColormap(["#FFFFFF", "#D0D0D0", *TIER_COLOURS.values()])
    figure, axes = new_figure(6.4, 1.5 + 0.13 * len(tests))
    axes.pcolormesh(shades, cmap=colours, vmin=0, vmax=5, edgecolors="#F0F0F0", linewidth=0.3)
    axes.set(title=one_line(title, 70), xlabel="candidates, most rejected first", ylabel="tests, easiest first")
    axes.set(xticks=[], yticks=[])
    for tier in Tier:
        axes.plot([], [], "s", color=TIER_COLOURS[tier], label=tier.value)
    axes.plot([], [], "s", color="#D0D0D0", label="not kept")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    note(axes, "a filled cell: the test rejects the candidate")
    return figure


def agreement(tests: pd.DataFrame, title: str = "Labels that came with the tests, and measured difficulty") -> Figure:
    """Measured difficulty of the labelled tests against their label; a line joins the tests of one problem.

    Parameters
    ----------
    tests
        `SuiteReport.tests_table`; tests with a label of their own (``given``) are drawn.
    title
        Of the plot.
    """
    figure, axes = new_figure(6.5, 3.4)
    shown = tests[tests["given"].notna() & tests["difficulty"].notna()]
    means = shown.assign(difficulty=shown["difficulty"].astype(float)).pivot_table("difficulty", "problem_id", "given")
    ladder_tiers = [tier.value for tier in list(Tier)[:3] if tier.value in means]
    for _, line in means[ladder_tiers].iterrows():
        axes.plot([Tier(name).rank for name in ladder_tiers], line, color="#999999", linewidth=0.8, alpha=0.6)
    for tier in Tier:
        if tier.value in means:
            values = means[tier.value].dropna()
            axes.scatter([tier.rank] * len(values), values, s=22, color=TIER_COLOURS[tier], zorder=3)
    axes.set_xticks(range(4), [tier.value for tier in Tier])
    axes.set(title=title, ylabel="share of wrong programs rejected", ylim=(-0.03, 1.06))
    axes.grid(False, axis="x")
    note(axes, "a line: one problem; it should rise from basic to complex (edge stands apart)")
    return figure


def rejections(rejected: pd.DataFrame) -> Figure:
    """How many proposals became no test, by reason and proposer.

    Parameters
    ----------
    rejected
        `SuiteReport.rejections_table`: ``source``, ``reason``.
    """
    counts = rejected.groupby(["reason", "source"]).size().unstack(fill_value=0) if len(rejected) else pd.DataFrame()
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable").index] if len(counts) else counts
    figure, axes = new_figure(6.5, 1.4 + 0.35 * max(len(counts), 1))
    left = np.zeros(len(counts))
    for source, colour in zip(counts.columns, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=False):
        axes.barh(list(counts.index), counts[source], left=left, color=colour, label=source)
        left += counts[source].to_numpy()
    if len(counts):
        axes.legend(loc="lower right")
    else:
        axes.text(0.5, 0.5, "nothing was rejected", ha="center", va="center", transform=axes.transAxes)
        axes.set(yticks=[])
    axes.set(title="Proposals that became no test", xlabel="proposals")
    axes.grid(False, axis="y")
    return figure


def explorer(report: SuiteReport, problems: Sequence[Problem]) -> Widget | Folded:
    """Choose a problem and see its ladder: what each rung rejects, and what no easier rung did.

    Parameters
    ----------
    report
        With at least one calibrated problem.
    problems
        Those that the suites were made for; the ones that got a suite are shown.
    """
    shown = ["tier", "input", "output", "rejects", "new"]
    built = {record["problem_id"] for record in report.records if record["status"] == "built"}
    options = {f"{problem.problem_id}, {one_line(problem.statement, 60)}": problem for problem in problems}
    return browse(
        {name: problem for name, problem in options.items() if problem.problem_id in built},
        lambda problem: [problem.reference, report.ladder(problem.problem_id)[shown]],
        "problem",
    )
