"""Problems from files and from the Hub, one at a time, in any of the published row forms (`forms`); and rows into a file.

`import_problems` makes tiered problems that a run takes of them: ``python -m tarot_lite import``.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines
from tarot_lite.problems import Problem, ProblemError, Tier, to_row
from tarot_lite.runs import write_atomic
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites.build import build
from tarot_lite.suites.forms import from_any_row
from tarot_lite.suites.proposers import Proposer

_SUFFIXES = (".jsonl", ".json", ".parquet", ".gz")


def is_file(name: str) -> bool:
    """Whether a name means a file, not a data set for ``datasets``."""
    return Path(name).is_file() or name.endswith(_SUFFIXES)


def find(name: str) -> Iterator[Problem | ProblemError]:
    """Problems of a file, or of a data set of the Hub or a folder (its split ``train``); `ProblemError` if there is none."""
    try:
        yield from read(name) if is_file(name) else _hub(name)
    except ProblemError:
        raise
    except (OSError, ValueError) as error:  # what `datasets` raises for a name it does not find, offline or gated
        raise ProblemError(
            f"{name}: no file, and cannot be read as a data set of the Hub ({type(error).__name__}: {error!s:.300}); "
            "check the name and the network, log in with `hf auth login` if it is gated, or give a JSONL file"
        ) from error


def read(path: str | Path) -> Iterator[Problem | ProblemError]:
    """Read a file of problems: JSON lines or one JSON array (``.gz`` too), or parquet.

    A broken line or row is given back as an error and does not end it; `ProblemError` is raised if there is no file.
    """
    path = Path(path)
    if not path.is_file():
        raise ProblemError(f"{path}: no such file; give a JSONL file with one problem a line")
    return _parsed(_rows(path))


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        try:
            batches = parquet.ParquetFile(path).iter_batches(batch_size=256)
            found = (row for batch in batches for row in batch.to_pylist())
            yield from ((f"{path}, row {number}", row) for number, row in enumerate(found, start=1))
        except pyarrow.ArrowException as error:
            raise ProblemError(f"{path}: cannot be read as parquet ({error}); is it whole?") from None
    elif (rows := _whole(path)) is not None:
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))
    else:
        yield from jsonlines.raw_lines(path, ProblemError)


def _whole(path: Path) -> list[Any] | None:
    """Rows of a file that is one JSON value over several lines; None if its first line is a row, or it is no JSON."""
    for _, line in islice(jsonlines.raw_lines(path, ProblemError), 1):
        with contextlib.suppress(ValueError):
            if not isinstance(json.loads(line), list):
                return None
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as file:
            value = json.load(file)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else [value]


def _hub(name: str) -> Iterator[Problem | ProblemError]:
    """Stream a data set of the Hub (``@commit`` may follow its name), or a local folder of `datasets`."""
    from datasets import load_dataset

    repository, _, revision = name.partition("@")
    rows = load_dataset(repository, split="train", streaming=True, revision=revision or None)
    return _parsed((f"{name}[train], row {number}", row) for number, row in enumerate(rows))


def _parsed(items: Iterable[tuple[str, Any]]) -> Iterator[Problem | ProblemError]:
    seen: set[str] = set()
    for place, item in items:
        try:
            row = jsonlines.parse(item, place, ProblemError) if isinstance(item, bytes) else item
            problem = from_any_row(row, place)
            if problem.problem_id in seen:
                raise ProblemError(f"{place}: problem id {problem.problem_id!r} was used before; ids must be unique")
            seen.add(problem.problem_id)
            yield problem
        except ProblemError as error:
            yield error


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    r"""Write rows byte for byte as the published JSONL has them: compact, ASCII, slashes escaped.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.jsonl"
    >>> write_rows(path, [{"problem": "a/b é"}])
    >>> print(path.read_text(), end="")
    {"problem":"a\/b \u00e9"}
    """
    lines = (json.dumps(row, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/") + "\n" for row in rows)
    write_atomic(path, "".join(lines))


# ----------------------------------------------------------------------------------------------------- importing


def import_problems(
    source: str, out: Path, sandbox: Sandbox, limit: int | None = None, proposers: Sequence[Proposer] | None = None
) -> list[str]:
    """Read rows of any form in `forms.FORMS`, give those without four tiers a calibrated suite, and write `out`.

    Returns what a person is told: how many can be used, every broken row, and what else was left out by its reason.
    """
    asked: list[Problem] = []
    broken: list[str] = []
    left_out: dict[str, list[str]] = {}
    for item in islice(find(source), limit):
        if isinstance(item, ProblemError):
            broken.append(str(item))
        elif not item.statement.strip():
            left_out.setdefault("no statement", []).append(item.problem_id)
        else:
            asked.append(item)
    parts = out.with_name(f"{out.name}.parts")
    report = build([problem for problem in asked if len(problem.tiers) < len(Tier)], sandbox, proposers, folder=parts)
    reasons = {record["problem_id"]: record["reason"] for record in report.records}
    made = {problem.problem_id: problem for problem in report.problems}
    usable = []
    for problem in (made.get(each.problem_id, each) for each in asked):
        if problem.tiers and (problem.problem_id in made or problem.problem_id not in reasons):
            usable.append(problem)
        else:
            reason = reasons[problem.problem_id] or "no test tells a wrong program from the reference"
            left_out.setdefault(reason, []).append(problem.problem_id)
    told = list(_usable(usable, len(usable) + len(broken) + sum(map(len, left_out.values()))))
    told += [f"  broken row: {row}" for row in broken]
    for reason, which in sorted(left_out.items(), key=lambda item: -len(item[1])):
        more = ", …" if len(which) > 3 else ""
        told.append(f"  left out: {len(which)} × {reason} ({', '.join(which[:3])}{more})")
    rejections = [each for record in report.records for each in record["rejections"] if each["source"] == "given"]
    for reason, count in Counter(each["reason"] for each in rejections).most_common():
        told.append(f"  tests left out: {count} × {reason}")
    if not usable:
        raise ProblemError(f"{source}: no problem can be used.\n" + "\n".join(told))
    write_rows(out, map(to_row, usable))
    shutil.rmtree(parts, ignore_errors=True)
    return told


def _usable(problems: Sequence[Problem], total: int) -> Iterator[str]:
    whole = sum(len(problem.tiers) == len(Tier) for problem in problems)
    tests = sum(len(problem.tests) for problem in problems)
    yield f"{len(problems)} of {total} problems can be used, with {tests} tests: {whole} have all four tiers"
    for tier in Tier:
        if without := sum(tier not in problem.tiers for problem in problems):
            yield f"  {without} have no {tier.value} test: that tier does not count for them"
