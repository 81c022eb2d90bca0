"""Values as Python literals: what a function returned leaves the sandbox as the literal that equals it, and is judged outside.

The first two functions also run inside, beside the program under test: they import nothing and know no expected value.
A program that bends them tells no more than it could by returning another value.
"""

from __future__ import annotations

import ast
import inspect
import warnings
from functools import lru_cache
from typing import Any


def plain(value):  # type: ignore[no-untyped-def]
    """Write a value as a literal that equals it: subclasses, numpy's scalars and whole fractions become plain.

    Examples
    --------
    >>> import collections, fractions
    >>> plain([collections.Counter("aab"), {2, 1}, float("inf"), fractions.Fraction(6, 2)])
    "[{'a': 2, 'b': 1}, {1, 2}, 1e999, 3]"
    """
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is bytes:
        return repr(value)
    if isinstance(value, int):
        value = int(value)
        return repr(value) if -(1 << 9999) < value < 1 << 9999 else hex(value)  # no limit on digits in hexadecimal
    if isinstance(value, float):
        value = float(value)
        if value != value:
            raise ValueError("NaN equals nothing")
        return repr(value).replace("inf", "1e999")
    if isinstance(value, complex):
        if value.real != value.real or value.imag != value.imag or "inf" in repr(value):
            raise TypeError("no literal")
        return repr(complex(value))
    if isinstance(value, str):
        return repr(str.__str__(value))
    if isinstance(value, (bytes, bytearray)):
        return repr(bytes(value))
    if (kind is list or kind is tuple) and value:
        kinds = set(map(type, value))  # repr is much faster for long lists
        if kinds <= {str, bool, type(None)} or (kinds == {int} and min(value) > -(1 << 64) and max(value) < 1 << 64):
            return repr(value)
        if kinds <= {int, float} and min(value) > -(1 << 64) and max(value) < 1 << 64 and sum(value) - sum(value) == 0:
            return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join([plain(item) for item in value]) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join([plain(item) for item in value]) + (",)" if len(value) == 1 else ")")
    if isinstance(value, (set, frozenset, type({}.keys()), type({}.items()))):
        return "{" + ", ".join(sorted([plain(item) for item in value])) + "}" if value else "set()"
    if isinstance(value, dict):
        return "{" + ", ".join([plain(key) + ": " + plain(item) for key, item in value.items()]) + "}"
    # numpy's scalars, fractions, decimals; by what they can do, as the sandbox loads modules that a program's text names
    if getattr(value, "ndim", None) == 0:
        return plain(value.item())
    if hasattr(value, "as_integer_ratio"):
        for like in (int, float):
            if like(value) == value:
                return plain(like(value))
    raise TypeError("no literal")


def written(value):  # type: ignore[no-untyped-def]
    """`plain`, or what a value is that no literal equals: ``<type: repr>``, and bare builtins that hold NaN as they are.

    Examples
    --------
    >>> written([1.0, float("nan")]), written(range(3))
    ('[1.0, nan]', '<range: range(0, 3)>')
    """
    try:
        return plain(value)
    except ValueError:
        return repr(value)
    except TypeError:
        return "<" + type(value).__name__ + ": " + repr(value) + ">"


def source(*functions: Any) -> str:
    """The functions' source without docstrings, for programs that run in the sandbox."""
    trees: list[Any] = [ast.parse(inspect.getsource(function)).body[0] for function in functions]
    for tree in trees:
        del tree.body[0]
    return "\n".join(map(ast.unparse, trees))


@lru_cache(maxsize=1 << 16)
def value_of(text: str) -> Any:
    """Read a literal.  The object is shared between calls: do not change it."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a literal: {text[:60]!r} ({error})") from None


def module(source: str) -> ast.Module:
    """`ast.parse` of what somebody else wrote: SyntaxError whatever is wrong, no warnings such as of ``"\\d"`` in a text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes, absurd nesting
            raise SyntaxError(str(error)) from None
