"""Problems from files and from the Hub, one at a time, in any of the published row forms (`forms`); and rows into a file."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines
from tarot_lite.problems import Problem, ProblemError
from tarot_lite.runs import write_atomic
from tarot_lite.suites.forms import from_any_row

_SUFFIXES = (".jsonl", ".json", ".parquet", ".gz")


def is_file(name: str) -> bool:
    """Whether a name means a file, not a data set for ``datasets``."""
    return Path(name).is_file() or name.endswith(_SUFFIXES)


def find(name: str) -> Iterator[Problem | ProblemError]:
    """Problems of a file, or of a data set of the Hub or a folder (its split ``train``).

    Raises
    ------
    ProblemError
        If it cannot be had at all.
    """
    try:
        yield from read(name) if is_file(name) else hub(name)
    except ProblemError:
        raise
    except (OSError, ValueError) as error:  # what `datasets` raises for a name it does not find, offline or gated
        raise ProblemError(
            f"{name}: no file, and cannot be read as a data set of the Hub ({type(error).__name__}: {error!s:.300}); "
            "check the name and the network, log in with `hf auth login` if it is gated, or give a JSONL file"
        ) from error


def read(path: str | Path) -> Iterator[Problem | ProblemError]:
    """Read a file of problems: JSON lines or one JSON array (``.gz`` too), or parquet.

    A broken line or row is given back as an error and does not end it.

    Raises
    ------
    ProblemError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "p.jsonl"
    >>> path.write_text('{"problem_id": "p"}\\n')
    20
    >>> [type(problem).__name__ for problem in read(path)]
    ['ProblemError']
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


def hub(name: str, split: str = "train", **options: Any) -> Iterator[Problem | ProblemError]:
    """Stream a data set of the Hub (or a local `datasets` folder), such as the published tiers.

    Parameters
    ----------
    name
        ``"chansung/verifiable-coding-problems-python-v2"``, ``"open-r1/verifiable-coding-problems-python"``, a path …;
        ``@commit`` may follow a name.
    split
        Which split.
    options
        Passed on to ``datasets.load_dataset``.
    """
    from datasets import load_dataset

    repository, _, revision = name.partition("@")
    if revision:
        options["revision"] = revision
    rows = load_dataset(repository, split=split, streaming=True, **options)
    return _parsed((f"{name}[{split}], row {number}", row) for number, row in enumerate(rows))


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
