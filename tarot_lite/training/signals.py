"""What a training says of itself: one tidy row per step, tables of it, and alarms in words.

Where a step's time goes, in seconds of one process: ``generation`` (the student writes), ``reference`` (log-probabilities of the
first weights for the KL term; the sandbox works behind it), ``waiting`` (for verdicts that are not there yet), ``update`` (the
rest: forward, backward, optimizer).  ``seconds/scoring`` is the sandbox's
own time; only what is left of it as ``waiting`` holds a step up, and `reward_share` is that part of the step.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from tarot_lite.curriculum import Policy
from tarot_lite.problems import Tier

PARTS = ("generation", "reference", "waiting", "update")
"""Parts of a step's time, columns ``seconds/<part>`` of the history."""

MACHINE_COLUMNS = ("seconds/*", "step_time", "tokens_per_second", "gpu_memory_gib")
"""Columns of the history that tell of the machine and not of the training: they never repeat."""


def history_of(log: list[dict[str, Any]], steps: int) -> pd.DataFrame:
    """TRL's log as one tidy row per optimizer step; the rewards' own columns keep their names."""
    frame = pd.DataFrame([row for row in log if "loss" in row])
    if "gpu_memory_gib" not in frame:
        frame["gpu_memory_gib"] = None
    frame.insert(0, "progress", (frame["step"] - 1) / steps)  # a step is scored before it is counted
    return frame


def alarms(history: pd.DataFrame, window: int = 10) -> list[str]:
    """Say what is wrong with a training, in words, from its history.

    Parameters
    ----------
    history
        As in `TrainingResult`.
    window
        Steps at the end that are looked at.

    Returns
    -------
    list of str
        Empty when nothing is wrong.

    Examples
    --------
    >>> alarms(pd.DataFrame({"truncated": [0.6, 0.8], "signal/reward": [0.5, 0.5]}))
    ['70 % of the last completions were cut at max_completion_tokens: raise it, or ask for shorter answers']
    """
    return list(alarms_by_kind(history.tail(window)).values())


def alarms_by_kind(last: pd.DataFrame) -> dict[str, str]:
    """`alarms` of some steps, with a name for each: ``truncated``, ``signal`` or ``format``."""
    mean = last.mean(numeric_only=True)
    found = {}
    if mean["truncated"] > 0.25:
        found["truncated"] = (
            f"{100 * mean['truncated']:.0f} % of the last completions were cut at max_completion_tokens: "
            "raise it, or ask for shorter answers"
        )
    if mean["signal/reward"] < 0.1:
        found["signal"] = (
            f"only {100 * mean['signal/reward']:.0f} % of the last groups had rewards that differ, so there is almost no "
            "gradient: choose a policy whose tiers this student passes sometimes (notebook 03), or more generations"
        )
    if mean.get("rewards/format_reward/mean", 1.0) == 0:
        found["format"] = (
            "none of the last completions had the published form, so the format reward told nothing: look at one in "
            "rollouts.jsonl (a template that opens the first tag itself, CRLF, a line end after the last tag?), or set "
            "format_weight 0"
        )
    return found


def nothing_whole(rows: list[dict[str, Any]], masked: bool) -> bool:
    """Whether every completion of some steps was cut, and nothing can be learnt from them.

    Completions that were cut may still earn rewards that differ, which teach something; not if they are left out of the loss.

    Examples
    --------
    >>> nothing_whole([{"truncated": 1.0, "signal/reward": 0.5}], masked=False)
    False
    """
    return all(row["truncated"] == 1 and (masked or row["signal/reward"] == 0) for row in rows)


def gradient_table(history: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Why there is a gradient, or none: in each phase and tier, what became of the groups.

    A group teaches only if some of its completions pass and some fail.  Where all fail the tier is too hard for this
    student; where all pass it is too easy.

    Parameters
    ----------
    history
        As in `TrainingResult`.
    policy
        The curriculum in force.

    Returns
    -------
    pandas.DataFrame
        One row per phase that was reached and per tier, and one with tier ``reward`` for the reward in force: ``phase``
        (from 1), ``steps``, ``tier``, ``active`` (whether it earned reward), and the shares of groups that ``all_fail``,
        ``differ`` and ``all_pass``.  For the reward the last two mean: the group's rewards differ, or are equal and not 0.
    """
    rows: list[dict[str, Any]] = []
    scored = history.dropna(subset=["phase"])
    for number, part in scored.groupby(scored["phase"].round().astype(int)):
        phase = policy.phases[int(number)]
        for name in (*(tier.value for tier in Tier), "reward"):
            differ, all_fail = float(part[f"signal/{name}"].mean()), float(part[f"all_fail/{name}"].mean())
            active = name == "reward" or Tier(name) in phase.tiers
            shares = {"all_fail": all_fail, "differ": differ, "all_pass": max(0.0, 1 - differ - all_fail)}
            rows.append({"phase": int(number) + 1, "steps": len(part), "tier": name, "active": active, **shares})
    return pd.DataFrame(rows)


def reward_share(history: pd.DataFrame) -> float:
    """Share of the steps' time, in [0, 1], in which the trainer did nothing but wait for the sandbox.

    Examples
    --------
    >>> reward_share(pd.DataFrame({"seconds/waiting": [0.1, 0.1], "seconds/step": [1.0, 3.0]}))
    0.05
    """
    return float(history["seconds/waiting"].sum() / history["seconds/step"].sum())


def time_table(history: pd.DataFrame) -> pd.DataFrame:
    """Where the time of a training went: per part its ``seconds`` per step (mean) and its ``share`` of the step.

    The last row, ``scoring``, is the sandbox's work, most of it behind other parts: it is no part of the sum.
    """
    steps = history["seconds/step"].sum()
    rows = [
        {
            "part": part,
            "seconds": history[f"seconds/{part}"].sum() / len(history),
            "share": history[f"seconds/{part}"].sum() / steps,
        }
        for part in (*PARTS, "scoring")
    ]
    return pd.DataFrame(rows)
