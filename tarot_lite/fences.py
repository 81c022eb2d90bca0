"""The program in a text: fences by Markdown's own rules, and which of them is meant.

Chat models put sample outputs behind the program, indent a fence in a list, hold one in a docstring, or close one at
the end of the last line of code.  Markdown says where a fence begins and ends; where what it holds is no program,
Python's compiler may find a better end.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_PYTHON = re.compile(r"(?:python|py)[\d.]*")
_LANGUAGE = re.compile(r"[\s{.]*([\w.+#-]*)")
_TAGGED = re.compile(r"(`{3,}|~{3,})[\s{.]*((?:python|py)[\d.]*)\s*}?\s*$", re.IGNORECASE)
_MOST_TRIES = 64  # other ends than Markdown's that are tried in one text
_PLACE = "<reply>"
warnings.filterwarnings("ignore", module=_PLACE)  # what the compiler remarks on is the model's matter


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: the first word of its info string in lower case (empty: there is none), and its dedented text."""

    language: str
    code: str

    @property
    def is_python(self) -> bool:
        """Whether the language is a Python, such as ``py``, ``Python3`` or ``{.python3.11}``."""
        return _PYTHON.fullmatch(self.language) is not None


def fences(text: str, unclosed: bool = False) -> list[Fence]:
    r"""Read the fenced blocks of a text, in order.

    Examples
    --------
    >>> fences("1. Run\n\n   ~~~py\n   print(1)\n   ~~~\n")
    [Fence(language='py', code='print(1)\n')]
    """
    lines = _lines(text)
    tries = iter(range(_MOST_TRIES))
    found: list[Fence] = []
    start: int | None = 0
    while start is not None:
        start = _read(lines, start, found, unclosed, tries)
    return found


def program(text: str, wanted: Callable[[str], bool] = bool, unclosed: bool = False) -> str | None:
    r"""Find the program in a text: the last of the best Python or untagged fences.

    Parameters
    ----------
    text
        What a model or an author wrote.
    wanted
        A fence for which this is true beats one for which it is not, such as one that defines a function.
    unclosed
        As in `fences`.

    Returns
    -------
    str or None
        A fence that holds something beats an empty one, then a tagged one an untagged one, then a wanted one the
        others, then one that compiles one that does not.  None if there is no fence in Python or without a language.

    Examples
    --------
    >>> program("```py\nprint(int(input()) + 1)\n```\nFor 1 it prints\n```\n2\n```")
    'print(int(input()) + 1)\n'
    """
    best: tuple[tuple[bool, ...], str] | None = None
    for fence in fences(text, unclosed):
        if fence.is_python or not fence.language:
            rank = _rank(fence, wanted)
            if best is None or rank >= best[0]:
                best = rank, fence.code
    if best is None or not all(best[0]):  # perhaps Markdown sees no fence where everybody else sees one
        for fence in _tagged(_lines(text)):
            rank = _rank(fence, wanted)
            if best is None or rank > best[0]:
                best = rank, fence.code
    return best[1] if best is not None else None


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _rank(fence: Fence, wanted: Callable[[str], bool]) -> tuple[bool, ...]:
    return bool(fence.code.strip()), fence.is_python, wanted(fence.code), compiles(fence.code)


def _read(lines: list[str], start: int, found: list[Fence], unclosed: bool, tries: Iterator[int]) -> int | None:
    """Add the fences from line `start` on; gives the line to go on from if one did not end where Markdown ends it."""
    for token in _markdown().parse("\n".join(lines[start:])):
        if token.type != "fence":
            continue
        first, after = start + token.map[0], start + token.map[1]
        language = _LANGUAGE.match(token.info)[1].lower()  # type: ignore[index]
        fence = Fence(language, token.content)
        is_closed = after - 1 > first and re.fullmatch(rf"[ \t>]*{token.markup[0]}+[ \t]*", lines[after - 1])
        if (fence.is_python or not language) and not (is_closed and compiles(fence.code)):
            for (end, code), _ in zip(_ends(lines, first, token.markup), tries, strict=False):
                if code.strip() and compiles(code):
                    found.append(Fence(language, code))
                    return end
        if is_closed or unclosed:
            found.append(fence)
    return None


def _tagged(lines: list[str]) -> Iterator[Fence]:
    """Fences that begin with a Python tag anywhere in any line, the last first, each up to where it is a program."""
    tries = iter(range(_MOST_TRIES))
    for number in range(len(lines) - 1, -1, -1):
        if opening := _TAGGED.search(lines[number]):
            for (_, code), _ in zip(_ends(lines, number, opening[1]), tries, strict=False):
                if code.strip() and compiles(code):
                    yield Fence(opening[2].lower(), code)
                    break


def _mark(line: str) -> re.Match[str] | None:
    """A fence mark at the beginning or the end of a line."""
    return re.search(r"^[ \t>]*(`{3,}|~{3,})|(`{3,}|~{3,})[ \t]*$", line)


def _ends(lines: list[str], first: int, markup: str) -> Iterator[tuple[int, str]]:
    """Every later mark of the kind: the line behind it, and the text up to it without the opening's indentation."""
    indentation = lines[first].index(markup)
    for number in range(first + 1, len(lines)):
        mark = _mark(lines[number])
        if mark and (mark[1] or mark[2]).startswith(markup):
            held = lines[first + 1 : number] + ([lines[number][: mark.start(2)]] if mark[2] else [])
            margin = min([indentation, *(len(line) - len(line.lstrip(" \t")) for line in held if line.strip())])
            yield number + 1, "".join(f"{line[margin:]}\n" for line in held)


def compiles(code: str) -> bool:
    """Whether Python takes it as a program or as a function's body, which may return.

    Examples
    --------
    >>> compiles("return x + 1"), compiles("So, x + 1 it is")
    (True, False)
    """
    # not ast.parse, which before 3.11.8 is not safe in two threads
    try:
        compile(code, _PLACE, "exec", dont_inherit=True)
    except SyntaxError as error:
        return "outside function" in str(error.msg)
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


@functools.cache
def _markdown() -> Any:
    """Markdown's blocks and nothing else; imported late, for programs are found in few of the processes."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("zero").enable(["fence", "list", "blockquote", "code"])
    reader.core.ruler.enableOnly(["normalize", "block"])
    return reader
