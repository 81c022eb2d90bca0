"""The shape of a problem's inputs, learned from the inputs that are known.

A mutated input is of use only if it still keeps the format that the statement promises.  A reference often
accepts one that does not (it ignores the count it was given), so the proof alone would let it through.  Here the
text becomes a tree of Python values -- counts left out, because `Format.render` works them out again:

* ``list`` -- any number of like things (a row of numbers, test cases);
* ``tuple`` -- a fixed number of things, each with its own meaning (a header, one line of an edge list);
* numbers and words.

`learn` tries the shapes that most contest problems have, and takes the first that explains **every** known input:
one block (``n``, then ``n`` numbers / ``n`` lines / an ``n`` x ``n`` grid), a count of such blocks, blocks up to a
line of zeros; else line by line.  Function tests need no guess: their input is a literal already.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any
"""A tree of list, tuple, set, frozenset, dict, int, float, complex, bool, str, bytes and None."""


class FormatError(ValueError):
    """A text that does not have the format."""


@dataclass(frozen=True)
class Format:
    """How an input's text becomes a tree of values (`FormatError` if it does not have the format), and back.

    Examples
    --------
    >>> numbers = learn(["3\\n5 1 2\\n", "2\\n7 7\\n"])
    >>> numbers.name
    'n, then a row of n'
    >>> numbers.parse("2\\n7 8\\n"), numbers.render(((), [7, 8, 9]))
    (((), [7, 8]), '3\\n7 8 9\\n')
    """

    name: str
    parse: Callable[[str], Value]
    render: Callable[[Value], str]


def learn(texts: Sequence[str], function: bool = False) -> Format:
    """Find the format that explains every text; of a function's tests they are literal lists of arguments.

    `FormatError` if there is no text, or a function's is no such list.
    """
    if not texts:
        raise FormatError("no known input to learn the format from; give the problem at least one test")
    if function:
        for text in texts:
            _arguments(text)
        return Format("a literal list of arguments", _arguments, lambda value: repr(list(value)))
    return next((form for form in _shapes() if _explains(form, texts)), None) or _line_by_line(texts)


def _arguments(text: str) -> Value:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise FormatError(f"not a literal ({error}): {text[:60]!r}") from None
    if not isinstance(value, list | tuple):
        raise FormatError(f"expected a literal list of arguments, got {type(value).__name__}: {text[:60]!r}")
    return tuple(value)


def _explains(form: Format, texts: Sequence[str]) -> bool:
    """Whether the shape fits every text, gives it back, and is no coincidence (some count is above one)."""
    sizes = set()
    for text in texts:
        try:
            value = form.parse(text)
        except FormatError:
            return False
        if _tokens(form.render(value)) != _tokens(text):
            return False
        sizes |= set(_lengths(value))
    return max(sizes, default=0) > 1


def _lengths(value: Value) -> Iterator[int]:
    if isinstance(value, list | str):
        yield len(value)
    if isinstance(value, list | tuple):
        for item in value:
            yield from _lengths(item)


def _tokens(text: str) -> list[list[str]]:
    return [line.split() for line in _split(text)]


# --- scalars and lines -----------------------------------------------------------------------------------------


def scalar(token: str) -> Value:
    """A token as an int or float if writing it again gives the same text, else as a word."""
    if re.fullmatch(r"-?\d{1,400}", token) and str(int(token)) == token:
        return int(token)
    if re.fullmatch(r"-?\d+\.\d+", token) and repr(float(token)) == token:
        return float(token)
    return token


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _line(values: Sequence[Value]) -> str:
    return " ".join(str(value) for value in values)


def _line_by_line(texts: Sequence[str]) -> Format:
    """The fallback.  The same number of lines everywhere: each has its own meaning; else they are a list of like ones.

    A line with the same number of tokens everywhere is a record, else a list; one that single blanks do not divide
    stays one text.
    """
    pages = [_exact_lines(text) for text in texts]
    counts = {len(page) for page in pages}
    if len(counts) > 1:
        every = {line for page in pages for line in page}
        kind = _line_kind(every)
        return _lines_format("lines of one kind", list, lambda at: kind)
    kinds = [_line_kind({page[at] for page in pages}) for at in range(counts.pop())]
    return _lines_format("lines", tuple, lambda at: kinds[min(at, len(kinds) - 1)])


def _lines_format(name: str, many: type, kind: Callable[[int], str]) -> Format:
    def parse(text: str) -> Value:
        return many(_read_line(line, kind(at)) for at, line in enumerate(_exact_lines(text)))

    def render(value: Value) -> str:
        return "".join((_line(line) if isinstance(line, list | tuple) else str(line)) + "\n" for line in value)

    return Format(name, parse, render)


def _exact_lines(text: str) -> list[str]:
    """Here an empty line at the end counts: it may be an empty list."""
    return [line.rstrip() for line in text.removesuffix("\n").split("\n")]


def _line_kind(lines: set[str]) -> str:
    tokens = [line.split(" ") if line else [] for line in lines]
    if not all(all(line) for line in tokens):
        return "text"
    numbers = all(isinstance(scalar(token), int | float) for line in tokens for token in line)
    widths = {len(line) for line in tokens}
    if widths == {1}:
        return "scalar"
    if len(widths) == 1 and len(lines) > 1:
        return "record"
    return "list" if numbers or widths != {0, 1} else "scalar"


def _read_line(line: str, kind: str) -> Value:
    if kind == "text":
        return line
    tokens = [scalar(token) for token in line.split()]
    if kind == "scalar":
        return tokens[0] if len(tokens) == 1 else line
    return tuple(tokens) if kind == "record" else tokens


# --- blocks: a header that holds a count, and a body that obeys it --------------------------------------------


class _Cursor:
    """Reads lines one after another."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 0

    def next(self) -> list[Value]:
        _need(self.at < len(self.lines), "more lines")
        self.at += 1
        return [scalar(token) for token in self.lines[self.at - 1].split()]


def _need(is_so: bool, what: str) -> None:
    if not is_so:
        raise FormatError(f"expected {what}")


def _read_row(cursor: _Cursor, count: int, others: list[int]) -> Value:
    row = cursor.next()
    _need(len(row) == count and len({type(item) for item in row}) <= 1, "a row of that length")
    return row


def _read_two_rows(cursor: _Cursor, count: int, others: list[int]) -> Value:
    return list(zip(_read_row(cursor, count, others), _read_row(cursor, count, others), strict=True))


def _read_records(cursor: _Cursor, count: int, others: list[int]) -> Value:
    rows = [tuple(cursor.next()) for _ in range(count)]
    _need(len({tuple(type(item) for item in row) for row in rows}) <= 1, "lines of one kind")
    return rows


def _read_matrix(cursor: _Cursor, count: int, others: list[int]) -> Value:
    rows = [cursor.next() for _ in range(count)]
    width = others[0] if others else count
    _need(all(len(row) == width for row in rows), "a matrix of that width")
    return rows


def _read_word(cursor: _Cursor, count: int, others: list[int]) -> str:
    row = cursor.next()
    _need(len(row) == 1 and len(str(row[0])) == count, "a word of that length")
    return str(row[0])


def _read_grid(cursor: _Cursor, count: int, others: list[int]) -> Value:
    return [list(_read_word(cursor, count, others)) for _ in range(count)]


def _padded(rows: list[list[Value]], width: int) -> list[list[Value]]:
    """Rows of one width, each filled up with its own items (a neighbour's if it has none)."""
    spare = next((row for row in rows if row), [0])
    return [((row or spare) * width)[:width] for row in rows]


def _write_lines(body: Value) -> list[str]:
    return [_line(row) for row in body]


@dataclass(frozen=True)
class _Body:
    """What follows a header with a count n; `single` if the count is the header's only number."""

    words: str
    read: Callable[[_Cursor, int, list[int]], Value]
    write: Callable[[Value], list[str]]
    single: bool = False


_MATRIX = _Body("a matrix", _read_matrix, _write_lines)
_BODIES = (  # most telling first; lines of free form come last because nearly anything is n lines
    _Body("an n x n grid of characters", _read_grid, lambda body: list(map("".join, _padded(body, len(body)))), True),
    _Body("a word of n characters", _read_word, lambda body: [body], True),
    _Body("a row of n", _read_row, lambda body: [_line(body)]),
    _Body("two rows of n", _read_two_rows, lambda body: [_line([item[row] for item in body]) for row in (0, 1)]),
    _MATRIX,
    _Body("n lines", _read_records, _write_lines),
)


@dataclass(frozen=True)
class _Block:
    """``header`` numbers of which number ``position`` is the count, then a body."""

    header: int
    position: int
    body: _Body

    def read(self, cursor: _Cursor) -> Value:
        header = cursor.next()
        _need(len(header) == self.header and all(isinstance(token, int) for token in header), "this header")
        count = header.pop(self.position)
        _need(0 <= count <= 100_000, "a count")
        return tuple(header), self.body.read(cursor, count, header)

    def write(self, block: Value) -> list[str]:
        others, body = block
        header = list(others)
        if self.body is _MATRIX:
            body = _padded(body, max(1, len(body[0])) if header and body else len(body))
            if header and body:
                header[0] = len(body[0])
        header.insert(self.position, len(body))
        return [_line(header), *self.body.write(body)]


def _shapes() -> Iterator[Format]:
    """One block, a count of blocks, blocks up to a line of zeros: of every body with every header."""
    headers = ((1, 0, "n"), (2, 0, "n and another number"), (2, 1, "a number and n"))
    for body in _BODIES:
        for header, position, words in headers:
            if not (body.single and header > 1 or body is _MATRIX and position == 1):
                block = _Block(header, position, body)
                for frame in ("", "t, then t times: ", "up to a line of zeros: "):
                    yield _framed(block, frame, f"{frame}{words}, then {body.words}")


def _framed(block: _Block, frame: str, name: str) -> Format:
    counted, until = frame.startswith("t,"), frame.startswith("up to")
    stop = ["0"] * block.header

    def parse(text: str) -> Value:
        lines = _split(text)
        if until:
            _need(bool(lines) and lines.pop().split() == stop, "zeros at the end")
        cursor = _Cursor(lines)
        if counted:
            head = cursor.next()
            _need(len(head) == 1 and isinstance(head[0], int) and 1 <= head[0] <= 100_000, "a count of test cases")
            value = [block.read(cursor) for _ in range(head[0])]
        elif until:
            value = []
            while cursor.at < len(lines):
                value.append(block.read(cursor))
        else:
            value = block.read(cursor)
        _need(cursor.at == len(lines), "no more lines")
        return value

    def render(value: Value) -> str:
        lines = [line for item in (value if frame else [value]) for line in block.write(item)]
        lines = [str(len(value)), *lines] if counted else [*lines, " ".join(stop)] if until else lines
        return "\n".join(lines) + "\n"

    return Format(name, parse, render)
