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

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tarot_lite import literals

Value = Any
"""A tree of list, tuple, set, frozenset, dict, int, float, complex, bool, str, bytes and None."""


class FormatError(ValueError):
    """A text that does not have the format."""


@dataclass(frozen=True)
class Format:
    """How an input's text becomes a tree of values, and back.

    Parameters
    ----------
    name
        What was recognised, in words.
    parse, render
        Text to tree (raises `FormatError`), and tree to text.

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
    """Find the format that explains every text.

    Parameters
    ----------
    texts
        Known inputs, at least one.
    function
        True when they are literal lists of arguments.

    Raises
    ------
    FormatError
        If there is no text, or a function's input is not a literal list.

    Examples
    --------
    >>> learn(["[[1, 2], 'a']"], function=True).parse("[[3], 'b']")
    ([3], 'b')
    >>> learn(["2\\n1\\n5\\n2\\n6 7\\n", "1\\n3\\n1 1 1\\n"]).name
    't, then t times: n, then a row of n'
    """
    if not texts:
        raise FormatError("no known input to learn the format from; give the problem at least one test")
    if function:
        for text in texts:
            _arguments(text)
        return Format("a literal list of arguments", _arguments, lambda value: repr(list(value)))
    for form in _shapes():
        if _explains(form, texts):
            return form
    return _line_by_line(texts)


def _arguments(text: str) -> Value:
    try:
        value = literals.literal(text.strip())
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
    return bool(sizes) and max(sizes) > 1


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
        if self.at >= len(self.lines):
            raise FormatError("the text ends too early")
        self.at += 1
        return [scalar(token) for token in self.lines[self.at - 1].split()]

    def end(self) -> None:
        if self.at != len(self.lines):
            raise FormatError("lines are left over")


@dataclass(frozen=True)
class _Block:
    """``header`` tokens of which number ``position`` is the count, then a body of one of the kinds below."""

    header: int
    position: int
    body: str

    def read(self, cursor: _Cursor) -> Value:
        header = cursor.next()
        if len(header) != self.header or not all(isinstance(token, int) for token in header):
            raise FormatError("not this header")
        count = header.pop(self.position)
        if not 0 <= count <= 100_000:
            raise FormatError("not a count")
        return tuple(header), getattr(self, f"_read_{self.body}")(cursor, count, header)

    def write(self, block: Value) -> list[str]:
        others, body = block
        header = list(others)
        if self.body == "matrix":
            body = _padded(body, max(1, len(body[0])) if header and body else len(body))
            if header and body:
                header[0] = len(body[0])
        header.insert(self.position, len(body))
        return [_line(header), *getattr(self, f"_write_{self.body}")(body)]

    def _read_row(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        row = cursor.next()
        if len(row) != count or len({type(item) for item in row}) > 1:
            raise FormatError("not a row of that length")
        return row

    def _write_row(self, body: Value) -> list[str]:
        return [_line(body)]

    def _read_rows(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        pair = self._read_row(cursor, count, header), self._read_row(cursor, count, header)
        return list(zip(*pair, strict=True))

    def _write_rows(self, body: Value) -> list[str]:
        return [_line([item[row] for item in body]) for row in (0, 1)]

    def _read_records(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        rows = [tuple(cursor.next()) for _ in range(count)]
        if len({tuple(type(item) for item in row) for row in rows}) > 1:
            raise FormatError("lines differ in kind")
        return rows

    def _write_records(self, body: Value) -> list[str]:
        return [_line(row) for row in body]

    def _read_grid(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        rows = []
        for _ in range(count):
            row = cursor.next()
            if len(row) != 1 or len(str(row[0])) != count:
                raise FormatError("not a square of characters")
            rows.append(list(str(row[0])))
        return rows

    def _write_grid(self, body: Value) -> list[str]:
        return ["".join(row) for row in _padded(body, len(body))]

    def _read_matrix(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        width = header[0] if header else count
        rows = [cursor.next() for _ in range(count)]
        if any(len(row) != width for row in rows):
            raise FormatError("not a matrix of that width")
        return rows

    def _write_matrix(self, body: Value) -> list[str]:
        return [_line(row) for row in body]

    def _read_word(self, cursor: _Cursor, count: int, header: list[int]) -> Value:
        row = cursor.next()
        if len(row) != 1 or len(str(row[0])) != count:
            raise FormatError("not a word of that length")
        return str(row[0])

    def _write_word(self, body: Value) -> list[str]:
        return [body]


def _padded(rows: list[list[Value]], width: int) -> list[list[Value]]:
    """Rows of one width, each filled up with its own items (a neighbour's if it has none)."""
    spare = next((row for row in rows if row), [0])
    return [((row or spare) * width)[:width] for row in rows]


_BODIES = {
    "grid": "an n x n grid of characters",
    "word": "a word of n characters",
    "row": "a row of n",
    "rows": "two rows of n",
    "matrix": "a matrix",
    "records": "n lines",
}


def _shapes() -> Iterator[Format]:
    """The shapes, most telling first; lines of free form come last because nearly anything is n lines."""
    for body, words in _BODIES.items():
        for header, position in ((1, 0), (2, 0), (2, 1)):
            if body == "matrix" and position == 1 or body in ("grid", "word") and header > 1:
                continue
            block = _Block(header, position, body)
            others = {1: "n", 2: "n and another number" if position == 0 else "a number and n"}[header]
            for frame in (_single, _many, _until):
                yield frame(block, f"{others}, then {words}")


def _single(block: _Block, words: str) -> Format:
    def parse(text: str) -> Value:
        cursor = _Cursor(_split(text))
        value = block.read(cursor)
        cursor.end()
        return value

    return Format(words, parse, lambda value: "\n".join(block.write(value)) + "\n")


def _many(block: _Block, words: str) -> Format:
    def parse(text: str) -> Value:
        cursor = _Cursor(_split(text))
        head = cursor.next()
        if len(head) != 1 or not isinstance(head[0], int) or not 1 <= head[0] <= 100_000:
            raise FormatError("not a count of test cases")
        value = [block.read(cursor) for _ in range(head[0])]
        cursor.end()
        return value

    def render(value: Value) -> str:
        return "\n".join([str(len(value)), *(line for item in value for line in block.write(item))]) + "\n"

    return Format(f"t, then t times: {words}", parse, render)


def _until(block: _Block, words: str) -> Format:
    stop = ["0"] * block.header

    def parse(text: str) -> Value:
        lines = _split(text)
        if not lines or lines[-1].split() != stop:
            raise FormatError("does not end with zeros")
        cursor = _Cursor(lines[:-1])
        value = []
        while cursor.at < len(cursor.lines):
            value.append(block.read(cursor))
        return value

    def render(value: Value) -> str:
        return "\n".join([*(line for item in value for line in block.write(item)), " ".join(stop)]) + "\n"

    return Format(f"up to a line of zeros: {words}", parse, render)
