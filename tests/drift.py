"""Finds the calls that the package makes into libraries, and asks the installed libraries whether they still accept them.

``python tests/drift.py unsloth`` prints what does not fit, one line each; Unsloth must not be imported beside the others,
since it changes them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent / "tarot_lite"


def calls(path: Path, library: str) -> Iterator[tuple[str, list[str], int, list[str], int]]:
    """Calls of a file into a library.

    Yields
    ------
    tuple
        Module, attributes from it to what is called, number of positional arguments, names of keywords, line.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known: dict[str, tuple[str, list[str]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == library:
            known |= {alias.asname or alias.name: (node.module, [alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            known |= {
                alias.asname or library: (alias.name if alias.asname else library, [])
                for alias in node.names
                if alias.name.partition(".")[0] == library
            }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "(" not in ast.unparse(node.func):  # else what was returned is called
            head, *attributes = ast.unparse(node.func).split(".")
            if head in known:
                module, path_to = known[head]
                positional = sum(not isinstance(argument, ast.Starred) for argument in node.args)
                keywords = [keyword.arg for keyword in node.keywords if keyword.arg]
                yield module, [*path_to, *attributes], positional, keywords, node.lineno


def refused(function: Any, positional: int, keywords: Iterable[str]) -> str | None:
    """Why a callable does not accept so many arguments and these keywords; None if it does."""
    try:
        inspect.signature(function).bind_partial(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        return str(error)
    return None


def faults(library: str, package: Path = PACKAGE) -> tuple[int, list[str]]:
    """Number of calls into a library, and a line for each that it would not accept."""
    count, found = 0, []
    for path in sorted(package.rglob("*.py")):
        for module, attributes, positional, keywords, line in calls(path, library):
            count += 1
            place = f"{path.relative_to(package.parent)}:{line}: {'.'.join([module, *attributes])}"
            try:
                target = importlib.import_module(module)
                for name in attributes:
                    target = getattr(target, name)
            except (ImportError, AttributeError) as error:
                found.append(f"{place}: {error}")
                continue
            if why := refused(target, positional, keywords):
                found.append(f"{place}: {why}")
    return count, found


if __name__ == "__main__":
    made, wrong = faults(sys.argv[1])
    print(f"{made} calls", *wrong, sep="\n")
