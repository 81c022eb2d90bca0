"""Syntax trees, made by one thread at a time: suites are built by two.

CPython before 3.11.8 and 3.12.2 counts the depth of all trees that are being made in one place, and fails with SystemError
("AST constructor recursion depth mismatch", gh-106905) where the garbage collector lets another thread go on in between.
"""

from __future__ import annotations

import ast
import threading
import warnings

__all__ = ["PARSING", "expression", "module"]

PARSING = threading.Lock()
"""To be held while other code, such as coverage.py, parses."""


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
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what somebody else wrote, such as "\\d" in a text
        return ast.parse(source)


def expression(source: str) -> ast.expr:
    """The same for an expression.

    >>> type(expression("1 + x")).__name__
    'BinOp'
    """
    with PARSING:
        return ast.parse(source, mode="eval").body
