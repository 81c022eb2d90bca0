"""JSON lines, read and written in one way: one object a line, UTF-8, lines end with a line feed and nothing else.

A text may hold any character.  What other readers take for the end of a line (U+0085, U+2028, U+2029) and lone
surrogates are written as escapes.  A **journal** is a file that rows are appended to: its last line may be cut short,
since its writer may be killed, and that line alone may be dropped.  Anything else that cannot be read is an error with
file and line.

Floor: imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

_ESCAPED = re.compile("[\x85\u2028\u2029\ud800-\udfff]")


class JsonLinesError(ValueError):
    """A file, or a line of it, that cannot be read; the message names both."""


def write(row: Any, default: Callable[[Any], Any] | None = None) -> str:
    """One row as a line, with its line feed; `default` turns what JSON does not know into what it does."""
    text = json.dumps(row, ensure_ascii=False, default=default)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def parse(line: bytes, place: str, error: type[Exception] = JsonLinesError) -> Any:
    """The value of a line; `place` is named in the error."""
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as why:
        raise error(f"{place}: not JSON ({why}); the line begins {line[:60].decode('utf-8', 'replace')!r}") from None


def raw_lines(path: Path, error: type[Exception] = JsonLinesError) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place (file and number from 1); ``.gz`` is unpacked."""
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with cast(IO[bytes], opener(path, "rb")) as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")  # some editors begin a file with a mark
                if line.strip():
                    yield f"{path}, line {number}", line
    except FileNotFoundError:
        raise error(f"{path}: no such file; give a JSONL file, one object a line (.gz may follow)") from None
    except (OSError, EOFError, zlib.error) as why:
        raise error(f"{path}: cannot be read ({why}); is it whole?") from None


def read(path: str | Path, error: type[Exception] = JsonLinesError) -> Iterator[tuple[str, Any]]:
    """Rows of a file that somebody gave, each with its place; `error` is raised if the file or a line cannot be read."""
    for place, line in raw_lines(Path(path), error):
        yield place, parse(line, place, error)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Rows of a journal, none if there is no file; a last line that is cut short is left out."""
    rows = []
    for place, line in raw_lines(path) if path.is_file() else ():
        if not line.endswith(b"\n") and not _is_whole(line):
            break  # the last: a kill cut it short
        row = parse(line, place)
        if not isinstance(row, dict):
            raise JsonLinesError(f"{place}: holds {type(row).__name__}; expected an object")
        rows.append(row)
    return rows


def append(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a journal; once this returns they survive the end of the process.

    What a killed writer left of its last line goes first.
    """
    text = "".join(map(write, rows)).encode()
    if not text:
        return
    with path.open("ab+") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.lockf(file, fcntl.LOCK_EX)
        _mend(file)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _mend(file: IO[bytes]) -> None:
    """End the last line: with a line feed if the row is whole, else by taking it away."""
    end = file.seek(0, os.SEEK_END)
    if not end:
        return
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    tail = file.read().rpartition(b"\n")[2]
    if _is_whole(tail):
        file.write(b"\n")
    else:
        file.truncate(end - len(tail))


def _is_whole(line: bytes) -> bool:
    """Whether a line without its end is a row: no beginning of an object is an object."""
    try:
        return isinstance(json.loads(line.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False
