"""A small benchmark of our own, in the package: functions that the tiny student may know, and some that it cannot.

``functions.jsonl`` holds 16 problems in the language of `tarot_lite.toyworld` (difficulty ``line``; their
specifications belong to its held-out split, so no student was warmed up or trained on them) and 8 general ones
(difficulty ``general``).  All were written for this package.
"""

from __future__ import annotations

from pathlib import Path

from tarot_lite import jsonlines
from tarot_lite.benchmarks.expectations import Call, Expectation
from tarot_lite.benchmarks.tasks import CallTests, Task


def embedded_tasks() -> list[Task]:
    """The embedded problems, with their reference solutions.

    Examples
    --------
    >>> tasks = embedded_tasks()
    >>> len(tasks), tasks[16].entry_point
    (24, 'common_divisor')
    """
    return [_task(row) for _, row in jsonlines.read(Path(__file__).with_name("functions.jsonl"))]


def _task(row: dict[str, object]) -> Task:
    calls = [Call(arguments, Expectation("equal", value)) for arguments, value in row["calls"]]  # type: ignore[attr-defined]
    prompt, entry = str(row["prompt"]), str(row["entry_point"])
    return Task(
        str(row["task_id"]),
        prompt,
        CallTests(entry, tuple(calls)),
        entry,
        prompt + str(row["canonical_solution"]),
        tags={"difficulty": str(row["difficulty"])},
    )
