"""What happens between steps: the progress bar, the file of signals, and what watches them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tarot_lite import runs
from tarot_lite.training.records import Lines

__all__ = ["Progress", "WriteSignals"]


class Progress(TrainerCallback):
    """One quiet progress bar with the numbers that matter, of the first process."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar, at more than 0 when a run goes on."""
        if state.is_world_process_zero:
            self.bar = runs.progress(total=state.max_steps, desc=self.title)
            self.bar.update(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Show the last reward and the share of whole suites passed."""
        if self.bar is not None and logs and "reward" in logs:
            self.bar.set_postfix(reward=f"{logs['reward']:.3f}", suite=f"{logs.get('suite', 0):.2f}", refresh=False)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One step more."""
        if self.bar is not None:
            self.bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class WriteSignals(TrainerCallback):
    """Appends every step's signals to ``signals.jsonl`` as they come, and hands the log to whoever watches."""

    def __init__(self, path: Path, watch: Callable[[list[dict[str, Any]]], None] | None = None) -> None:
        self.lines = Lines(path)
        self.watch = watch

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Keep a step's row."""
        if logs and "loss" in logs and state.is_world_process_zero:
            self.lines.add([{"step": state.global_step, **logs}])
            if self.watch is not None:
                self.watch(state.log_history)
