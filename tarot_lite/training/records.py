"""What a training writes down line by line while it goes on, and how to read it: completions and signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from tarot_lite import jsonlines, runs
from tarot_lite.judging import Verdict
from tarot_lite.problems import Tier
from tarot_lite.rewards import Rollout


class Lines:
    """A JSONL file whose rows have a ``step``; what a killed run wrote beyond its last checkpoint can be taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        jsonlines.append(self.path, rows)

    def read(self) -> list[dict[str, Any]]:
        """All whole rows."""
        return jsonlines.read_journal(self.path)

    def keep(self, below: float) -> None:
        """Keep rows of steps below a number; a half-written line goes too."""
        runs.write_atomic(self.path, "".join(jsonlines.write(row) for row in self.read() if row["step"] < below))


class Recorder(Lines):
    """Writes down every n-th step's completions."""

    def __init__(self, path: Path, every: int) -> None:
        super().__init__(path)
        self.every = every

    def __call__(self, rollouts: list[Rollout]) -> None:
        """Take the scored completions of a step."""
        if rollouts and rollouts[0].step % self.every == 0:
            self.add(asdict(rollout) for rollout in rollouts)


def read_rollouts(path: str | Path) -> pd.DataFrame:
    """Read ``rollouts.jsonl``: one row per completion, with a column per tier that holds its verdict.

    Of a training by several processes each wrote a file of its own beside it (``rollouts.1.jsonl``, ...); all are read.
    """
    path = Path(path)
    rows = [row for file in [path, *sorted(path.parent.glob(f"{path.stem}.*.jsonl"))] for row in Lines(file).read()]
    frame = pd.DataFrame([{**row, **row.pop("verdicts")} for row in rows])
    return frame.sort_values("step", kind="stable", ignore_index=True) if len(frame) else frame


def completions_at(rollouts: pd.DataFrame, step: int) -> pd.DataFrame:
    """The completions of one step, best first, to look through.

    Parameters
    ----------
    rollouts
        As `read_rollouts` gives them.
    step
        One of its steps.

    Returns
    -------
    pandas.DataFrame
        ``problem_id``, ``code``, one column per tier (``✓``, or why not), ``reward``, and ``cut`` if one was truncated;
        equal completions of a problem once, with their number under ``times``.

    Raises
    ------
    ValueError
        If no completion of the step was kept.

    Examples
    --------
    >>> row = {"step": 0, "problem_id": "p", "code": "return 1", "reward": 0.25, "truncated": False}
    >>> tiers = {tier.value: "passed" if tier is Tier.BASIC else "wrong_answer" for tier in Tier}
    >>> completions_at(pd.DataFrame([row | tiers, row | tiers]), 0).iloc[0].to_dict()["times"]
    2
    """
    rows = rollouts[rollouts["step"] == step]
    if rows.empty:
        kept = ", ".join(map(str, sorted(rollouts["step"].unique())))
        raise ValueError(
            f"no completion of step {step} was kept; there are those of {kept} (completions_every says so)"
        )
    rows = rows.fillna({"code": "(no code)"})
    tiers = [tier.value for tier in Tier]
    keys = ["problem_id", "code", *tiers, "reward", "truncated"]
    table = rows.groupby(keys, sort=False, dropna=False).size().reset_index(name="times")
    table[tiers] = table[tiers].map(_mark)
    table = table.rename(columns={"truncated": "cut"})
    table = table if table["cut"].any() else table.drop(columns="cut")
    return table.sort_values(["problem_id", "reward"], ascending=[True, False], kind="stable", ignore_index=True)


def _mark(verdict: Any) -> str:
    if verdict == Verdict.PASSED.value:
        return "✓"
    return verdict.replace("_", " ") if isinstance(verdict, str) else "–"  # a problem may lack a tier
