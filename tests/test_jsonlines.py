"""JSON lines: whatever a text holds comes back, and no row that was written is ever lost."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

from tarot_lite import jsonlines
from tarot_lite.capability.rollouts import Rollouts, Sample
from tarot_lite.problems import Problem, read_problems, to_row
from tarot_lite.suites.sources import write_rows
from tarot_lite.training.records import Lines

SEPARATORS = [chr(n) for n in range(sys.maxunicode) if len(f"a{chr(n)}b".splitlines()) > 1]
ODD = [*SEPARATORS, "\r\n", "\0", "\ud800", "\udfff", "\ufeff", "\N{GRINNING FACE}", '"', "\\", ""]


def test_every_separator_that_python_knows_is_tried() -> None:
    assert {"\n", "\x85", "\u2028", "\u2029"} < set(SEPARATORS) and len(SEPARATORS) >= 10


def test_texts_come_back_from_a_journal_and_other_readers_see_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"step": n, f"key{text}": f"before{text}after"} for n, text in enumerate(ODD)]
    for row in rows:
        jsonlines.append(path, [row])
    assert jsonlines.read_journal(path) == [row for _, row in jsonlines.read(path)] == rows
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(rows)
    lines = Lines(path)
    lines.keep(below=len(rows))  # every resume does
    assert lines.read() == rows
    lines.keep(below=3)
    assert lines.read() == rows[:3]


def test_rows_written_raw_by_an_older_version_are_read(tmp_path: Path) -> None:
    """Seen: of four rows one was read, and the file was written back without the rest."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes("".join(f'{{"step": {n}, "completion": "a{chr(0x2028)}b"}}\n' for n in range(4)).encode())
    lines = Lines(path)
    assert len(lines.read()) == 4
    lines.keep(below=9)
    assert [row["completion"] for row in lines.read()] == ["a\u2028b"] * 4


def test_a_probe_with_such_completions_opens_again(tmp_path: Path) -> None:
    samples = [Sample("0.1.0", "p", n, text, text, 1, False) for n, text in enumerate(ODD)]
    Rollouts(tmp_path, {"student": "s"}).add_samples(samples)
    assert list(Rollouts(tmp_path, {"student": "s"}).samples.values()) == samples


def test_problems_with_such_statements_come_back(tmp_path: Path) -> None:
    problems = [Problem(f"p{n}", f"say{text}it", ()) for n, text in enumerate(ODD)]
    write_rows(tmp_path / "p.jsonl", map(to_row, problems))
    assert [p.statement for p in read_problems(tmp_path / "p.jsonl")] == [p.statement for p in problems]


def test_a_journal_cut_at_every_byte_loses_its_last_row_at_most(tmp_path: Path) -> None:
    rows = [{"n": 1, "text": "é\u2028"}, {"n": 22, "nested": {"x": "}"}}]
    whole = "".join(map(jsonlines.write, rows)).encode()
    first = len(jsonlines.write(rows[0]).encode())
    path = tmp_path / "cut.jsonl"
    for at in range(len(whole) + 1):
        path.write_bytes(whole[:at])
        kept = rows[: (at >= first - 1) + (at >= len(whole) - 1)]  # a row that lacks nothing but its line feed is whole
        assert jsonlines.read_journal(path) == kept, at
        assert path.read_bytes() == whole[:at]  # reading changes nothing
        jsonlines.append(path, [{"n": 3}])
        assert jsonlines.read_journal(path) == [*kept, {"n": 3}], at


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"a": 1}\n{"a": \n{"a": 3}\n', "line 2: not JSON"),
        (b'{"a": 1}\n\0\0\0\0{"a": 2}\n{"a": 3}\n', "line 2: not JSON"),
        (b'{"a": "\xed\xa0\x80"}\n{"a": 3}\n', "line 1: not JSON"),
        (b'{"a": 1}\n[2]\n{"a": 3}\n', "line 2: holds list"),
        (b'{"a": 1}\n\n' + b"[" * 100_000 + b'\n{"a": 3}\n', "line 3: not JSON"),
    ],
)
def test_what_cannot_be_read_is_named_and_stays(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    for broken in (lambda: jsonlines.read_journal(path), lambda: Lines(path).keep(below=1)):
        with pytest.raises(jsonlines.JsonLinesError, match=f"rows.jsonl, {place}"):
            broken()
    assert path.read_bytes() == content


def test_zeros_that_a_power_cut_left_go_with_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"\0" * 512)
    jsonlines.append(path, [{"a": 2}])
    assert jsonlines.read_journal(path) == [{"a": 1}, {"a": 2}]


def test_files_that_somebody_gave(tmp_path: Path) -> None:
    content = '{"a": 1}\r\n\r\n{"a": 2}'.encode("utf-8-sig")  # Windows, blank line, no end of the last
    (tmp_path / "a.jsonl").write_bytes(content)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert [row["a"] for _, row in jsonlines.read(tmp_path / name)] == [1, 2]
    (tmp_path / "half.jsonl.gz").write_bytes(gzip.compress(content)[:-9])
    (tmp_path / "half.jsonl").write_bytes(content[:-1])
    for name, why in (
        ("half.jsonl.gz", "is it whole"),
        ("half.jsonl", "line 3: not JSON"),
        ("no.jsonl", "no such file"),
    ):
        with pytest.raises(jsonlines.JsonLinesError, match=why):
            list(jsonlines.read(tmp_path / name))
