"""Syntax trees, made by one thread at a time: suites are built by two.

CPython before 3.11.8 and 3.12.2 counts the depth of all trees that are being made in one place, and fails with SystemError
("AST constructor recursion depth mismatch", gh-106905) where the garbage collector lets another thread go on in between.
"""

from __future__ import annotations

import ast
import threading
import warnings
from types import CodeType
from typing import Any

_PARSING = threading.Lock()


def module(source: str) -> ast.Module:
    """`ast.parse`, safe in threads.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        As `ast.parse`.

    Examples
    --------
    >>> [type(statement).__name__ for statement in module("x = 1; f(x)").body]
    ['Assign', 'Expr']
    """
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what somebody else wrote, such as "\\d" in a text
        return ast.parse(source)


def expression(source: str) -> ast.expr:
    """The same for an expression.

    >>> type(expression("1 + x")).__name__
    'BinOp'
    """
    with _PARSING:
        return ast.parse(source, mode="eval").body


def code(source: str) -> CodeType:
    """`compile`, safe in threads.

    >>> code("x = 1").co_names
    ('x',)
    """
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(source, "<reference>", "exec")


def literal(source: str | ast.expr) -> Any:
    """`ast.literal_eval`, safe in threads.

    >>> literal("[1, 2]")
    [1, 2]
    """
    with _PARSING:
        return ast.literal_eval(source)
