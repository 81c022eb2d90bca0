"""What a benchmark found: per sample, per task, as a table, as JSON; and base against trained, paired by task."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tarot_lite.benchmarks.registry import get_benchmark
from tarot_lite.benchmarks.sources import Source
from tarot_lite.benchmarks.tasks import BenchmarkError
from tarot_lite.judging import Verdict
from tarot_lite.runs import write_atomic
from tarot_lite.statistics import Interval, mean_interval, pass_at_k, permutation_p, share_interval, verdict_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What became of one sample.

    Parameters
    ----------
    task_id, sample
        Which task, and which of its samples, from 0.
    verdict, detail, base
        See `tasks.Judgement`.
    cpu_seconds
        Spent on its tests, the last of them that which settled it.
    """

    task_id: str
    sample: int
    verdict: Verdict
    detail: str = ""
    base: bool | None = None
    cpu_seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether it solves the task."""
        return self.verdict is Verdict.PASSED


@dataclass(frozen=True)
class Report:
    """One student on one benchmark.

    Parameters
    ----------
    benchmark, student, source
        What, who, and on which data exactly.
    settings
        How the samples were made.
    results
        One for each sample that was judged.
    tags
        By task: ``difficulty``, ``date``, ``platform`` where the data has them.
    missing
        Tasks without a sample: not scored, and said wherever the score is shown.
    unsupported
        Tasks that cannot be judged here, with the reason; counted apart.
    forgeable
        Tasks whose check shares a process with the program.
    """

    benchmark: str
    student: str
    source: Source
    settings: Mapping[str, Any]
    results: tuple[SampleResult, ...]
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unsupported: Mapping[str, str] = field(default_factory=dict)
    forgeable: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Samples of each task, and how many of them passed."""
        return _counts(self.results)

    def pass_at(self, k: int = 1, base: bool = False) -> Interval:
        """Mean pass@k over the tasks that have at least `k` samples, with its 95 % interval over tasks.

        Parameters
        ----------
        k
            At least 1.
        base
            For EvalPlus: the original benchmark's tests alone.

        Raises
        ------
        BenchmarkError
            If no task has `k` samples, or `base` is asked of a benchmark without.
        """
        return share_interval(list(self.per_task(k, base).values()))

    def per_task(self, k: int = 1, base: bool = False) -> dict[str, float]:
        """Unbiased pass@k of every task with at least `k` samples (Chen et al. 2021)."""
        if base and any(result.base is None for result in self.results):
            raise BenchmarkError(f"{self.benchmark}: has no base tests to score apart")
        counts = _counts(self.results, base)
        found = {task_id: float(pass_at_k(n, c, k)) for task_id, (n, c) in counts.items() if n >= k}
        if not found:
            most = max((n for n, _ in counts.values()), default=0)
            raise BenchmarkError(
                f"{self.benchmark}: pass@{k} needs {k} samples of a task, the most there are is {most}"
            )
        return found

    @property
    def ks(self) -> tuple[int, ...]:
        """The usual k (1, 5, 10, 100) that every task has samples for, and the number of samples itself."""
        least = min((n for n, _ in self.counts.values()), default=0)
        return tuple(sorted({k for k in (1, 5, 10, 100, least) if 1 <= k <= least}))

    @property
    def remarks(self) -> list[str]:
        """All that a reader of the score must know."""
        found = list(self.source.notes)
        if self.missing:
            total = len(self.missing) + len(self.counts)
            found.append(
                f"INCOMPLETE: {len(self.missing)} of {total} tasks have no sample and are not in the score "
                f"(the first: {self.missing[0]})"
            )
        sizes = Counter(n for n, _ in self.counts.values())
        if len(sizes) > 1:
            found.append(f"tasks have between {min(sizes)} and {max(sizes)} samples")
        for reason, count in Counter(self.unsupported.values()).items():
            found.append(f"{count} tasks counted apart: {reason}")
        if self.forgeable:
            found.append(f"{len(self.forgeable)} tasks are judged by assertions that a hostile program could forge")
        return found

    def table(self) -> pd.DataFrame:
        """One row for each k: the score and its interval, tasks, samples."""
        rows = [self._row(f"pass@{k}", self.pass_at(k)) for k in self.ks]
        if self.results and all(result.base is not None for result in self.results):
            rows += [self._row(f"pass@{k}, base tests", self.pass_at(k, base=True)) for k in self.ks]
        return _frame(rows)

    def breakdown(self, tag: str) -> pd.DataFrame:
        """pass@1 by ``difficulty``, ``platform``, or ``date`` (by month)."""
        values: dict[str, list[float]] = defaultdict(list)
        samples: Counter[str] = Counter()
        for task_id, value in self.per_task(1).items():
            label = self.tags.get(task_id, {}).get(tag)
            if label is not None:
                label = label[:7] if tag == "date" else label
                values[label].append(value)
                samples[label] += self.counts[task_id][0]
        if not values:
            raise BenchmarkError(f"{self.benchmark}: its tasks have no {tag!r}; leave that breakdown out")
        rows = []
        for label in sorted(values):
            row = self._row("pass@1", share_interval(values[label]))
            head = {"benchmark": row["benchmark"], "student": row["student"], tag: label}
            rows.append({**head, **row, "tasks": len(values[label]), "samples": samples[label]})
        return _frame(rows)

    def failures(self) -> pd.DataFrame:
        """How the samples ended: a count for each verdict, and an example."""
        groups: dict[str, list[SampleResult]] = defaultdict(list)
        for result in self.results:
            groups[result.verdict.value].append(result)
        return _frame(
            {
                "verdict": verdict,
                "samples": len(groups[verdict]),
                "example": next(
                    (f"{each.task_id}: {each.detail}"[:120] for each in groups[verdict] if each.detail), ""
                ),
            }
            for verdict in sorted(groups, key=lambda name: -len(groups[name]))
        )

    def to_json(self, path: str | Path) -> None:
        """Write everything; `read_report` reads it back equal."""
        write_atomic(Path(path), json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def to_dict(self) -> dict[str, Any]:
        """Everything, and the scores, as plain values."""
        return {
            "benchmark": self.benchmark,
            "student": self.student,
            "source": {
                "where": self.source.where,
                "fingerprint": self.source.fingerprint,
                "notes": list(self.source.notes),
            },
            "settings": dict(self.settings),
            "score": {
                f"pass@{k}": {"estimate": at.estimate, "low": at.low, "high": at.high}
                for k in self.ks
                for at in [self.pass_at(k)]
            },
            "remarks": self.remarks,
            "missing": list(self.missing),
            "unsupported": dict(self.unsupported),
            "forgeable": list(self.forgeable),
            "tags": {task_id: dict(tags) for task_id, tags in self.tags.items()},
            "results": [
                [each.task_id, each.sample, each.verdict.value, each.detail, each.base, each.cpu_seconds]
                for each in self.results
            ],
        }

    def _row(self, metric: str, at: Interval) -> dict[str, Any]:
        return {
            "benchmark": get_benchmark(self.benchmark).title,
            "student": self.student,
            "metric": metric,
            "score": at.estimate,
            "low": at.low,
            "high": at.high,
            "tasks": len(self.counts),
            "samples": len(self.results),
            "remarks": "; ".join(self.remarks),
        }


def read_report(path: str | Path) -> Report:
    """Read what `Report.to_json` wrote."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        source = content["source"]
        return Report(
            content["benchmark"],
            content["student"],
            Source(source["where"], source["fingerprint"], tuple(source["notes"])),
            content["settings"],
            tuple(SampleResult(row[0], row[1], Verdict(row[2]), *row[3:]) for row in content["results"]),
            content["tags"],
            tuple(content["missing"]),
            content["unsupported"],
            tuple(content["forgeable"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BenchmarkError(f"{path}: is no benchmark report ({error}); write one with Report.to_json") from None


def table(reports: Iterable[Report]) -> pd.DataFrame:
    """The rows of all reports below each other: benchmark, student, metric, score in [0, 1], low, high, tasks, ..."""
    import pandas as pd

    return pd.concat([report.table() for report in reports], ignore_index=True)


def breakdowns(reports: Iterable[Report]) -> pd.DataFrame:
    """pass@1 of all reports by everything that their data can be broken down by.

    Returns
    -------
    pandas.DataFrame
        As `table`, with the columns ``by`` (difficulty, date or platform) and ``group``; empty if no data has any.
    """
    rows: list[dict[str, Any]] = []
    for report in reports:
        judged = [report.tags.get(task_id, {}) for task_id in report.counts]
        for tag in ("difficulty", "date", "platform"):
            if any(tag in tags for tags in judged):
                parts = report.breakdown(tag).rename(columns={tag: "group"}).to_dict("records")
                rows += [
                    {"benchmark": part["benchmark"], "student": part["student"], "by": tag, **part} for part in parts
                ]
    return _frame(rows)


def compare(base: Sequence[Report], trained: Sequence[Report], k: int = 1, seed: int = 0) -> pd.DataFrame:
    """Gain in pass@k of one student over another, task by task.

    Parameters
    ----------
    base, trained
        Reports on the same benchmarks and data, such as before and after training.
    k
        Of pass@k.
    seed
        Of bootstrap and permutation.

    Returns
    -------
    pandas.DataFrame
        A row for each benchmark: ``base``, ``trained``, ``gain`` with ``low`` and ``high`` (95 %, tasks drawn anew),
        ``p`` (two-sided, signs flipped by task), ``verdict`` on "trained is better", ``tasks``.

    Raises
    ------
    BenchmarkError
        If the reports do not pair: other benchmarks, other data, or other tasks.
    """
    ours = {report.benchmark: report for report in base}
    theirs = {report.benchmark: report for report in trained}
    if ours.keys() != theirs.keys() or len(ours) != len(base) or len(theirs) != len(trained):
        raise BenchmarkError(f"the reports do not pair: {sorted(ours)} against {sorted(theirs)}, each once")
    rows = []
    for name, before in ours.items():
        after = theirs[name]
        if before.source.fingerprint != after.source.fingerprint:
            raise BenchmarkError(
                f"{name}: the two reports were made on different data ({before.source.where}, {after.source.where})"
            )
        first, second = before.per_task(k), after.per_task(k)
        if first.keys() != second.keys():
            odd = sorted(first.keys() ^ second.keys())
            raise BenchmarkError(
                f"{name}: {len(odd)} tasks have samples on one side only (the first: {odd[0]}); complete them"
            )
        gains = np.array([second[task_id] - first[task_id] for task_id in first])
        gain = mean_interval(gains, seed=seed)
        rows.append(
            {
                "benchmark": get_benchmark(name).title,
                "metric": f"pass@{k}",
                "base": float(np.mean(list(first.values()))),
                "trained": float(np.mean(list(second.values()))),
                "gain": gain.estimate,
                "low": gain.low,
                "high": gain.high,
                "p": permutation_p(gains, seed=seed),
                "verdict": verdict_of(gain),
                "tasks": len(first),
            }
        )
    return _frame(rows)


def _counts(results: Iterable[SampleResult], base: bool = False) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for result in results:
        n, c = counts.get(result.task_id, (0, 0))
        counts[result.task_id] = (n + 1, c + bool(result.base if base else result.passed))
    return counts


def _frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows))
