"""Watching a training from a notebook: a table and a figure that follow it, and nothing at all where nobody looks."""

from __future__ import annotations

import time
from typing import Any

from tarot_lite import runs
from tarot_lite.curriculum import Policy
from tarot_lite.problems import Tier
from tarot_lite.training.signals import alarms, history_of

_ROWS = 6
_COLUMNS = {
    "reward": "reward",
    "suite": "whole suite",
    "signal/reward": "groups with signal",
    "truncated": "cut",
    "completions/mean_length": "tokens",
    "kl": "KL",
    "entropy": "entropy",
    "tokens_per_second": "tokens/s",
    "seconds/step": "s/step",
    "seconds/waiting": "s waiting",
    "gpu_memory_gib": "GPU GiB",
}


def last_steps(history: Any) -> Any:
    """The numbers that matter of the last steps, newest first; a table of ``step``, tiers and `signals`.

    Parameters
    ----------
    history
        As in `TrainingResult`.
    """
    tiers = {f"tier/{tier.value}": tier.value for tier in Tier}
    names = {"step": "step", **tiers, **_COLUMNS}
    present = [name for name in names if name in history and history[name].notna().any()]
    table = history[present].tail(_ROWS).iloc[::-1].round(3)
    return table.rename(columns=names).reset_index(drop=True)


class LiveView:
    """Shows a training while it goes on; give it to `train` as ``watch``.

    Parameters
    ----------
    policy
        The curriculum in force.
    steps
        Of the whole training.
    every
        Seconds between two pictures, at least.

    Notes
    -----
    Under papermill, nbconvert and nbval, where nobody looks, it shows nothing, so nothing of it is stored; the same
    numbers are in ``signals.jsonl`` of the training's folder as they come.  In the end it takes its picture away: the
    notebook's own figures follow.
    """

    def __init__(self, policy: Policy, steps: int, every: float = 5.0) -> None:
        self.policy = policy
        self.steps = steps
        self.every = every
        self._shown = 0.0
        self._place: Any = None

    def __call__(self, log: list[dict[str, Any]]) -> None:
        """Take the log of a step."""
        rows = [row for row in log if "reward" in row]
        last = bool(rows) and rows[-1]["step"] == self.steps
        if not runs.watched() or not rows or (not last and time.monotonic() - self._shown < self.every):
            return
        from IPython.display import HTML, display

        self._shown = time.monotonic()
        content = HTML("" if last else self.html(rows))
        if self._place is None:
            self._place = display(content, display_id=True)
        else:
            self._place.update(content)

    def html(self, rows: list[dict[str, Any]]) -> str:
        """What is shown after some steps: table, learning curves, alarms."""
        import base64
        import io

        from tarot_lite.figures.training import learning_curves
        from tarot_lite.widgets import as_html

        history = history_of(rows, self.steps)
        buffer = io.BytesIO()
        learning_curves(history, self.policy).savefig(buffer, format="png", dpi=90, bbox_inches="tight")
        picture = base64.b64encode(buffer.getvalue()).decode()
        warnings = "".join(f"<p><b>Look out:</b> {alarm}</p>" for alarm in alarms(history))
        image = f'<img alt="Pass rates of the tiers up to now" src="data:image/png;base64,{picture}">'
        return as_html(last_steps(history)) + image + warnings
