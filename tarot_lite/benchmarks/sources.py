"""Where a benchmark's rows come from: the Hub (through `datasets`), a local file, or this package."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import jsonlines
from tarot_lite.benchmarks.registry import Benchmark, get_benchmark
from tarot_lite.benchmarks.tasks import BenchmarkError, Task, UnreachableError

if TYPE_CHECKING:
    from datasets import Dataset


from tarot_lite.benchmarks.expectations import Call, Expectation
from tarot_lite.benchmarks.tasks import CallTests


@dataclass(frozen=True, slots=True)
class Source:
    """What exactly was scored against.

    Parameters
    ----------
    where
        Data set and revision, file, or ``embedded``.
    fingerprint
        SHA-256 over the rows.
    notes
        What a reader of the numbers must know: fewer tasks than published, text that differs from the published one.
    """

    where: str
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A benchmark with its tasks; pending tests are completed by `tasks.prepare`."""

    benchmark: Benchmark
    tasks: tuple[Task, ...]
    source: Source


def load(
    name: str,
    data: str | Path | None = None,
    revision: str | None = None,
    hub: str | None = None,
    limit: int | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Loaded:
    """Load a benchmark.

    Parameters
    ----------
    name
        A key of `BENCHMARKS`.
    data
        Local file (.jsonl, .jsonl.gz, .json, .parquet) in the published schema; None loads from the Hub.
    revision, hub
        Instead of the pinned commit, and of the data set's name (such as a mirror, or a local folder in its layout).
    limit
        Only the first so many tasks, at least 1.
    since, until
        Contamination window for benchmarks whose tasks have dates: only tasks from `since` on and before `until`
        (ISO dates).

    Raises
    ------
    BenchmarkError
        If the data cannot be reached or read, an id occurs twice, the window is no date or leaves nothing.
    """
    benchmark = get_benchmark(name)
    if limit is not None and limit < 1:
        raise BenchmarkError(f"{name}: limit is {limit}; give a whole number of at least 1, or None")
    if not benchmark.hub:
        if data is not None:
            raise BenchmarkError(f"{name} is embedded in the package and takes no file; leave `data` out")
        tasks = embedded_tasks()
        print_of = hashlib.sha256(
            repr([(task.task_id, task.prompt, task.tests) for task in tasks]).encode()
        ).hexdigest()
        return Loaded(benchmark, tuple(tasks[:limit]), Source("embedded", print_of))
    window = _Window(since, until, name)
    if data is not None:
        where, rows = str(data), _read_file(Path(data))
    else:
        where, rows = _read_hub(benchmark, hub or benchmark.hub, revision or benchmark.revision)
    digest, seen, held, tasks = hashlib.sha256(), set[str](), 0, list[Task]()
    # One by one, and only what is asked for kept: the tests of all of LiveCodeBench need more memory than people have.
    for number, row in enumerate(rows):
        _add(digest, row)
        task = benchmark.reader(row, f"{where}, row {number}")
        if task.task_id in seen:
            raise BenchmarkError(
                f"{where}, row {number}: task id {task.task_id!r} was used before; take the published file again"
            )
        seen.add(task.task_id)
        if window.holds(task):
            held += 1
            if limit is None or held <= limit:
                tasks.append(task)
    notes = _notes(benchmark, len(seen), digest.hexdigest(), is_file=data is not None)
    if window.is_asked_for:
        window.check(held)
        notes.append(f"only tasks {window}")
    if limit is not None and limit < held:
        notes.append(f"only the first {limit} tasks")
    return Loaded(benchmark, tuple(tasks), Source(where, digest.hexdigest(), tuple(notes)))


def fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over rows, whatever their order of fields.

    >>> fingerprint([{"a": 1, "b": 2}]) == fingerprint([{"b": 2, "a": 1}])
    True
    """
    digest = hashlib.sha256()
    for row in rows:
        _add(digest, row)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, row: Mapping[str, Any]) -> None:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str) + "\n"
    digest.update(text.encode("utf-8", "surrogatepass"))


def _read_file(path: Path) -> Iterator[dict[str, Any]]:
    number = -1
    for number, row in enumerate(_parse(path)):
        if not isinstance(row, dict):
            raise BenchmarkError(f"{path}, row {number}: is {str(row)[:60]!r}; expected an object, one for each task")
        yield row
    if number < 0:
        raise BenchmarkError(f"{path}: holds no rows; expected objects, one for each task")


def _parse(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        from datasets import Dataset

        if not path.is_file():
            raise BenchmarkError(f"{path}: no such file")
        yield from Dataset.from_parquet(str(path))
    elif path.suffix == ".json":
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"{path}: cannot be read ({error}); expected a JSON list of rows") from None
        if not isinstance(rows, list):
            raise BenchmarkError(f"{path}: holds {type(rows).__name__}; expected a JSON list of rows")
        yield from rows
    else:
        yield from (row for _, row in jsonlines.read(path, BenchmarkError))


def _read_hub(benchmark: Benchmark, hub: str, revision: str) -> tuple[str, Iterator[dict[str, Any]]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise BenchmarkError(
            f"{benchmark.name}: loading from the Hub needs the package datasets; pip install datasets"
        ) from None
    local = Path(hub).is_dir()
    where = f"{hub}@{'local' if local else revision}"
    try:
        if benchmark.files:
            root = hub if local else f"hf://datasets/{hub}@{revision}"
            files = [f"{root}/{file}" for file in benchmark.files if not local or Path(hub, file).is_file()]
            found = load_dataset("json", data_files={benchmark.split: files}, split=benchmark.split)
        elif local:
            found = load_dataset(hub, split=benchmark.split)
        else:
            found = load_dataset(hub, benchmark.config, split=benchmark.split, revision=revision)
    except Exception as error:  # the Hub's libraries raise many kinds
        raise UnreachableError(
            f"{benchmark.name}: {where} cannot be loaded ({type(error).__name__}: {str(error)[:200]}). Without the Hub, give "
            "a local file (data=..., --data, benchmark_data); if the revision has vanished, name another (revision=..., "
            "--revision, benchmark_revisions), such as main"
        ) from error
    if not local and (commit := _commit(found)):
        if _COMMIT.fullmatch(revision) and commit != revision:
            raise UnreachableError(
                f"{benchmark.name}: the Hub does not give {where}, and the cache of datasets holds {commit} instead; go online, "
                "or name that commit (revision=..., --revision, benchmark_revisions)"
            )
        where = f"{hub}@{commit}"
    return where, (dict(row) for row in found)


_COMMIT = re.compile("[0-9a-f]{40}")


def _commit(found: Dataset) -> str | None:
    """The commit that the rows are from, as the cache names its folder: without the Hub `datasets` takes any that it has."""
    names = {Path(file["filename"]).parent.name for file in found.cache_files}
    return next((name for name in names if _COMMIT.fullmatch(name)), None)


def _notes(benchmark: Benchmark, count: int, digest: str, is_file: bool) -> list[str]:
    published = dict(benchmark.published)
    if digest in published:
        return [f"the rows are those of {published[digest]}"]
    notes = []
    if benchmark.tasks is not None and count != benchmark.tasks:
        notes.append(f"{count} tasks; the published data has {benchmark.tasks}")
    if is_file and published:
        known = ", ".join(published.values())
        notes.append(
            f"the file is none of the published ones that this version knows ({known}); was it edited by hand?"
        )
    elif is_file:
        notes.append(
            "this version knows no published file of this benchmark: whether it was edited by hand cannot be told"
        )
    if not is_file:
        notes.append(
            "the rows are vouched for by their revision on the Hub alone: this version knows no fingerprint of them"
        )
    return notes


class _Window:
    """Which tasks are wanted by their dates, and which dates there were."""

    def __init__(self, since: str | None, until: str | None, name: str) -> None:
        for value in (since, until):
            try:
                date.fromisoformat(value or "2000-01-01")
            except ValueError:
                raise BenchmarkError(f"{name}: {value!r} is no date; write it as 2024-08-01") from None
        self._since, self._until, self._name = since, until, name
        self.is_asked_for = since is not None or until is not None
        self._dates: list[str] = []
        self._undated: list[str] = []

    def __str__(self) -> str:
        return f"from {self._since or 'the beginning'} until before {self._until or 'now'}"

    def holds(self, task: Task) -> bool:
        if not self.is_asked_for:
            return True
        day = task.tags.get("date")
        if day is None:
            self._undated.append(task.task_id)
            return False
        self._dates.append(day)
        return (self._since or "") <= day and (self._until is None or day < self._until)

    def check(self, held: int) -> None:
        """Whether its tasks can be told from the others, and there are any."""
        if self._undated:
            raise BenchmarkError(
                f"{self._name}: tasks without a date: {len(self._undated)} (the first: {self._undated[0]}); leave since and "
                "until out"
            )
        if not held and self._dates:
            raise BenchmarkError(
                f"{self._name}: no task {self}; the data runs from {min(self._dates)} to {max(self._dates)}"
            )


def with_tasks(loaded: Loaded, tasks: Sequence[Task]) -> Loaded:
    """A copy with other tasks, such as those that `tasks.prepare` made."""
    return replace(loaded, tasks=tuple(tasks))


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
