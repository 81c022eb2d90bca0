"""Figures of stage 4: the curriculum as a plan, and what a training under it did."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tarot_lite.curriculum import Policy
from tarot_lite.figures.style import TIER_COLOURS, bars, legend_below, new_figure, note, phases
from tarot_lite.problems import Tier

_SMOOTHING = 5  # steps; batches are small, and the eye wants the trend


def curriculum_plan(*policies: Policy) -> Figure:
    """Draw policies as timetables: a bar where a tier is active, its weight written into it; pale where each group decides."""
    figure, axes = new_figure(5.0, 2.1 * len(policies), nrows=len(policies), squeeze=False)
    for plot, policy in zip(axes[:, 0], policies, strict=True):
        ends = [phase.start for phase in policy.phases[1:]] + [1.0]
        for phase, end in zip(policy.phases, ends, strict=True):
            for tier in sorted(phase.tiers, key=list(Tier).index):  # a set has no order of its own
                plot.barh(
                    tier.rank,
                    end - phase.start,
                    left=phase.start,
                    color=TIER_COLOURS[tier],
                    edgecolor="white",
                    height=0.8,
                    alpha=1.0 if policy.rule is None else 0.45,
                )
                first = phase.start == 0 or tier not in policy.at(phase.start - 1e-9)
                if policy.rule is None and first:
                    plot.text(phase.start + 0.02, tier.rank, f"{policy.weights[tier]:g}", va="center", fontsize=9)
        plot.set(title=policy.name, xlim=(0, 1), yticks=range(4), yticklabels=[tier.value for tier in Tier])
        plot.set_xlabel("share of the training done")
        plot.grid(False, axis="y")
    return figure


def learning_curves(history: pd.DataFrame, policy: Policy) -> Figure:
    """Pass rate of every tier, and of the whole suite, on the training prompts, with the curriculum's phases behind.

    Parameters
    ----------
    history
        `TrainingResult.history`.
    policy
        The curriculum that was in force.
    """
    figure, axes = new_figure(6.4, 3.8)
    phases(axes, policy, _length(history))
    for tier in Tier:
        axes.plot(history["step"], _smooth(history[f"tier/{tier.value}"]), color=TIER_COLOURS[tier], label=tier.value)
    axes.plot(
        history["step"], _smooth(history["suite"]), color="black", linewidth=2, linestyle="--", label="whole suite"
    )
    axes.set(xlabel="GRPO step", ylabel="share passed", ylim=(0, 1))
    axes.set_title("What the sampled programs pass while training", pad=16)
    legend_below(axes, columns=5)
    note(axes, f"training prompts, running mean of {_SMOOTHING} steps; above: the tiers that earn reward in each phase")
    return figure


def signal_curves(history: pd.DataFrame, policy: Policy) -> Figure:
    """Share of groups that give a gradient, for the reward in force and for each tier by itself."""
    figure, axes = new_figure(6.4, 3.4)
    phases(axes, policy, _length(history))
    for tier in Tier:
        axes.plot(
            history["step"],
            _smooth(history[f"signal/{tier.value}"]),
            color=TIER_COLOURS[tier],
            alpha=0.8,
            label=tier.value,
        )
    axes.plot(history["step"], _smooth(history["signal/reward"]), color="black", linewidth=2.2, label="reward in force")
    axes.set(xlabel="GRPO step", ylabel="groups with differing values", ylim=(0, 1.02))
    axes.set_title("Where a gradient comes from", pad=16)
    legend_below(axes, columns=5)
    note(axes, "a group whose completions all earn the same teaches GRPO nothing")
    return figure


def paying_tiers(history: pd.DataFrame) -> Figure:
    """What the reward was, step by step: which tier paid in which share of the groups."""
    figure, axes = new_figure(6.4, 3.4)
    shares = [_smooth(history[f"paid/{tier.value}"]) for tier in Tier]
    axes.stackplot(history["step"], *shares, colors=TIER_COLOURS.values(), labels=[tier.value for tier in Tier])
    axes.set(xlabel="GRPO step", ylabel="share of the groups", ylim=(0, 1))
    axes.set_title("Which tier paid")
    legend_below(axes)
    note(axes, "a group that several tiers told apart is shared out by their prices; white: no gradient")
    return figure


def before_after(heldout: pd.DataFrame, title: str = "Held-out problems, before and after") -> Figure:
    """Pass rates per tier before and after training, with their intervals.

    Parameters
    ----------
    heldout
        Rows with ``measure`` (a tier or ``suite``), ``when`` (``before`` / ``after``), ``rate``, ``low``, ``high``,
        all shares in [0, 1].
    title
        Of the plot.
    """
    measures = [*(tier.value for tier in Tier), "suite"]
    colours = [*TIER_COLOURS.values(), "#4D4D4D"]
    figure, axes = new_figure(6.5, 3.5)
    for offset, when, alpha in ((-0.2, "before", 0.4), (0.2, "after", 1.0)):
        rows = heldout[heldout["when"] == when].set_index("measure").loc[measures]
        bars(axes, [i + offset for i in range(len(measures))], rows, 0.4, color=colours, alpha=alpha)
    axes.set_xticks(range(len(measures)), [*measures[:-1], "whole suite"])
    axes.set(title=title, ylabel="pass@1 (%)")
    note(axes, "pale: before, full: after; lines: 95 % intervals over problems")
    return figure


def gradient_sources(table: pd.DataFrame) -> Figure:
    """What became of the groups in each phase: all failed, told apart, or all passed, per tier and for the reward in force.

    Parameters
    ----------
    table
        `training.gradient_table`.
    """
    phases = sorted(table["phase"].unique())
    figure, axes = new_figure(5.4, 1.9 * len(phases) + 0.4, nrows=len(phases), sharex=True, squeeze=False)
    parts = {
        "all_fail": ("#BBBBBB", "all fail"),
        "differ": ("#0072B2", "differ: a gradient"),
        "all_pass": ("#E5E5E5", "all pass"),
    }
    for plot, phase in zip(axes[:, 0], phases, strict=True):
        rows = table[table["phase"] == phase].iloc[::-1]
        left = pd.Series(0.0, index=rows.index)
        for column, (colour, label) in parts.items():
            plot.barh(rows["tier"], rows[column], left=left, color=colour, edgecolor="white", label=label)
            left = left + rows[column]
        for place, (tier, active) in enumerate(zip(rows["tier"], rows["active"], strict=True)):
            if active and tier != "reward":
                plot.text(1.01, place, "●", va="center", fontsize=8)
        plot.set(title=f"phase {phase}", xlim=(0, 1.08))
        plot.grid(False, axis="y")
    plot.set_xlabel("share of groups")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=3, frameon=False, fontsize=8)
    note(axes[0][0], "●: the tier earns reward in this phase")
    return figure


def time_shares(history: pd.DataFrame) -> Figure:
    """Seconds of every step, by what they were spent on, and the sandbox's own time as a line.

    Parameters
    ----------
    history
        `TrainingResult.history`.
    """
    parts = {
        "generation": ("#56B4E9", "generation"),
        "reference": ("#009E73", "reference log-probabilities"),
        "waiting": ("#D55E00", "waiting for the sandbox"),
        "update": ("#999999", "update"),
    }
    figure, axes = new_figure(6.4, 3.2)
    columns = [_smooth(history[f"seconds/{part}"]) for part in parts]
    axes.stackplot(
        history["step"],
        *columns,
        colors=[colour for colour, _ in parts.values()],
        labels=[text for _, text in parts.values()],
    )
    axes.plot(
        history["step"], _smooth(history["seconds/scoring"]), color="black", linestyle="--", label="sandbox at work"
    )
    axes.set(xlabel="GRPO step", ylabel="seconds", ylim=(0, None))
    axes.set_title("Where the time of a step goes")
    legend_below(axes, columns=3)
    note(
        axes,
        f"running mean of {_SMOOTHING} steps; only the red part of the sandbox's work holds a step up",
    )
    return figure


def _smooth(values: pd.Series) -> pd.Series:
    return values.rolling(_SMOOTHING, min_periods=1, center=True).mean()


def _length(history: pd.DataFrame) -> int:
    """Steps of the whole training, of which these may be the first."""
    last = history.iloc[-1]
    return round((last["step"] - 1) / last["progress"]) if last["progress"] > 0 else int(last["step"])
