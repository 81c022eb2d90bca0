"""Problems from anywhere: TAROT and open-r1 rows, HumanEval and MBPP forms, our own files, the Hub; one at a time.

Function problems carry their tests as Python code.  The calls in it whose arguments are literals become known inputs
(``assert candidate([1, 2], 3) == 4``, or ``>>> f([1, 2], 3)`` in the docstring), the compared literal becomes the
claimed output.  Nothing of it is executed here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines
from tarot_lite.problems import Form, Problem, ProblemError, TestCase, from_row
from tarot_lite.suites import trees

__all__ = ["from_any_row", "function_problem", "hub", "read"]


def read(path: str | Path) -> Iterator[Problem | ProblemError]:
    """Read a JSONL file (``.gz`` too) line by line; a broken line is given back as an error and does not end it.

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
    return _parsed(jsonlines.raw_lines(path, ProblemError))


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


def from_any_row(row: Any, place: str = "row") -> Problem:
    """Read a row of any known form, told apart by its fields.

    Raises
    ------
    ProblemError
        If the row has no known form, or a field is missing or broken.

    Examples
    --------
    >>> row = {"task_id": "X/1", "prompt": "def f(x):\\n", "canonical_solution": "    return x + 1\\n",
    ...        "entry_point": "f", "test": "def check(candidate):\\n    assert candidate(1) == 2\\n"}
    >>> problem = from_any_row(row)
    >>> problem.form.value, problem.tests[0].input, problem.tests[0].output
    ('function', '[1]', '2')
    """
    if not isinstance(row, Mapping):
        raise ProblemError(f"{place}: expected an object with the fields of a problem, got {type(row).__name__}")
    if "verification_info" in row:
        return from_row(row, place)
    if "task_id" in row and "canonical_solution" in row:  # HumanEval, HumanEval+, mxeval's MBPP
        _need(row, ("prompt", "entry_point", "canonical_solution", *(("test",) if row.get("test") else ())), place)
        inputs = row.get("base_input")
        inputs = _literal(inputs) if isinstance(inputs, str) else inputs
        if not isinstance(inputs or [], list | tuple) or not all(
            isinstance(each, list | tuple) for each in inputs or ()
        ):
            raise ProblemError(f"{place}: field 'base_input' is {inputs!r:.60}; expected a list of lists of arguments")
        return function_problem(
            str(row["task_id"]),
            row["prompt"],
            row["prompt"] + row["canonical_solution"],
            row["entry_point"],
            tests=row.get("test") or "",
            inputs=inputs,
        )
    if "task_id" in row and "test_list" in row:  # MBPP as first published
        statement = "text" if row.get("text") else "prompt"
        _need(row, ("code", *((statement,) if statement in row else ())), place)
        if not isinstance(row["test_list"], list | tuple) or not all(
            isinstance(each, str) for each in row["test_list"]
        ):
            raise ProblemError(f"{place}: field 'test_list' is {row['test_list']!r:.60}; expected a list of texts")
        tests = "\n".join(row["test_list"])
        named = re.search(r"assert\s+\(*\s*(?:\w+\()*?(\w+)\(", tests)
        defined = re.findall(r"^def (\w+)", row["code"], re.MULTILINE)
        name = next((name for name in reversed(defined) if re.search(rf"\b{name}\(", tests)), None)
        if name is None:
            called = named.group(1) if named else "nothing"
            raise ProblemError(f"{place}: the tests call {called}, the code defines {', '.join(defined) or 'nothing'}")
        return function_problem(str(row["task_id"]), row.get(statement, ""), row["code"], name, tests)
    raise ProblemError(
        f"{place}: no known form; the row has {', '.join(sorted(map(str, row))) or 'no fields'}; expected verification_info "
        "(TAROT, open-r1), task_id and canonical_solution (HumanEval), or task_id and test_list (MBPP)"
    )


def _need(row: Mapping[str, Any], names: Iterable[str], place: str) -> None:
    for name in names:
        if not isinstance(row.get(name), str):
            raise ProblemError(f"{place}: field {name!r} is {row.get(name)!r:.60}; expected text")


def function_problem(
    problem_id: str, statement: str, reference: str, entry_point: str, tests: str = "", inputs: Any = None
) -> Problem:
    """Make a problem of form ``function`` from tests that are Python code.

    Parameters
    ----------
    problem_id, statement, reference, entry_point
        As in `Problem`; the reference defines the function.
    tests
        Code with assertions on ``candidate(...)`` or on the function's own name.
    inputs
        List of lists of arguments, as in EvalPlus; None if there is none.
    """
    found: dict[str, str] = {}
    for arguments in inputs or ():
        found.setdefault(repr(list(arguments)), "")
    for text, names in ((tests, {"candidate", entry_point}), (_docstring_calls(statement), {entry_point})):
        for call, result in _calls(text, names):
            if not found.get(call):
                found[call] = result
    cases = tuple(TestCase(call, result) for call, result in found.items())
    return Problem(problem_id, statement, cases, reference, Form.FUNCTION, entry_point=entry_point)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _docstring_calls(statement: str) -> str:
    lines = [line.strip()[3:].strip() for line in statement.splitlines() if line.strip().startswith(">>>")]
    return "\n".join(line for line in lines if _parses(line))


def _parses(text: str) -> bool:
    try:
        trees.module(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _calls(text: str, names: set[str]) -> Iterator[tuple[str, str]]:
    """Literal calls in code, in order, with the literal that they are compared with ('' if there is none)."""
    if not _parses(text):
        return
    tree = trees.module(text)
    results = {
        id(node.left): _constant(node.comparators[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and not node.keywords]
    for node in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node.func, ast.Name) and node.func.id in names:
            arguments = [_constant(argument) for argument in node.args]
            if all(arguments):
                yield f"[{', '.join(arguments)}]", results.get(id(node), "")


def _constant(node: ast.expr) -> str:
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ""
