"""Rows of published data sets, told apart by their fields, and plain rows of one's own.

Tests that are Python code are read, never executed: calls whose arguments are literals become known inputs, the literal
that one is compared with becomes the claimed output.  A row's own time limits are not used; the run's count.  Of several
solutions the first that is Python 3 is the reference.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tarot_lite import literals
from tarot_lite.fences import program
from tarot_lite.problems import Form, Problem, ProblemError, TestCase, Tier, from_row

_Call = tuple[str, str]  # literal list of arguments, claimed result ('' if none)


@dataclass(frozen=True)
class _Row:
    """A row and its place; what is asked of it is there and of the right kind, or the error names it."""

    fields: Mapping[str, Any]
    place: str

    def text(self, name: str, default: str | None = None) -> str:
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, str):
            return value
        raise self.wrong(name, "text")

    def json(self, name: str, kind: type, default: Any = None) -> Any:
        """A value of that kind, or JSON text of one."""
        value = self.fields.get(name)
        if (value is None or value == "") and default is not None:
            return default
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise self.wrong(name, f"JSON of a {kind.__name__}") from None
        if isinstance(value, kind):
            return value
        raise self.wrong(name, f"a {kind.__name__}, or JSON of one")

    def texts(self, name: str) -> list[str]:
        value = self.fields.get(name)
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return list(value)
        raise self.wrong(name, "a list of texts")

    def id(self, *names: str) -> str:
        """The first id that the row has; without one a hash of the row."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        return hashlib.sha256(repr(sorted(self.fields.items())).encode()).hexdigest()[:12]

    def within(self, name: str, value: Any) -> _Row:
        if not isinstance(value, Mapping):
            raise ProblemError(f"{self.place}: {name} is {value!r:.60}; expected an object")
        return _Row(value, f"{self.place}, {name}")

    def wrong(self, name: str, expected: str) -> ProblemError:
        if name not in self.fields:
            has = ", ".join(sorted(map(str, self.fields))) or "no fields"
            return ProblemError(f"{self.place}: field {name!r} is missing; expected {expected}; the row has {has}")
        return ProblemError(f"{self.place}: field {name!r} is {self.fields[name]!r:.60}; expected {expected}")


# --------------------------------------------------------------------------------------------------- the forms


def _verifiable(row: _Row) -> Problem:
    """TAROT and open-r1 (``problem``); PrimeIntellect's raw rows (``prompt``, tests by call as well)."""
    cases = row.json("verification_info", dict).get("test_cases")
    calls = [case for case in cases if _is_call(case)] if isinstance(cases, list) else []
    if not calls:
        if "problem" in row.fields:
            return from_row(row.fields, row.place)
        others = {name: value for name, value in row.fields.items() if name != "prompt"}
        return from_row(others | {"problem": row.text("prompt")}, row.place)
    names = {row.within("test", case).text("fn_name") for case in calls}
    if len(names) > 1 or len(calls) < len(cases):
        raise ProblemError(f"{row.place}: its tests are of several functions or kinds ({', '.join(sorted(names))})")
    gold = row.text("gold_standard_solution", "")
    statement = row.text("problem" if "problem" in row.fields else "prompt")
    tests = [_called(case.get("input"), case.get("output")) for case in calls]
    return _of_calls(row, row.id("problem_id"), statement, program(gold) or gold, names.pop(), tests)


def _is_call(case: Any) -> bool:
    return isinstance(case, Mapping) and (case.get("type") == "function_call" or bool(case.get("fn_name")))


def _apps(row: _Row) -> Problem:
    """APPS and TACO: ``question``, ``solutions`` and ``input_output`` as JSON, by call where ``fn_name`` is given."""
    cases = row.within("input_output", row.json("input_output", dict, default={}))
    inputs, outputs = (cases.json(name, list, default=[]) for name in ("inputs", "outputs"))
    if len(inputs) != len(outputs):
        raise ProblemError(f"{row.place}: input_output has {len(inputs)} inputs and {len(outputs)} outputs")
    starter = row.text("starter_code", "")
    statement, reference = row.text("question"), _python3(row.json("solutions", list, default=[]))
    key = row.id("problem_id", "id", "name", "url")
    if name := cases.fields.get("fn_name"):
        if all(isinstance(output, list) and len(output) == 1 for output in outputs):
            outputs = [output[0] for output in outputs]  # they wrap what is returned
        method = "class Solution" in (reference or starter)
        calls = [_called(given, output) for given, output in zip(inputs, outputs, strict=True)]
        entry = f"Solution().{name}" if method else str(name)
        return _of_calls(row, key, _starting(statement, starter), reference, entry, calls)
    tests = tuple(TestCase(_lines(given), _lines(output)) for given, output in zip(inputs, outputs, strict=True))
    return Problem(key, statement, tests, reference)


def _code_contests(row: _Row) -> Problem:
    """CodeContests: ``name``, ``description``, ``public_tests`` and others, ``solutions`` with their language."""
    tests = []
    for name in ("public_tests", "private_tests", "generated_tests"):
        cases = row.within(name, row.json(name, dict, default={}))
        inputs, outputs = (cases.json(part, list, default=[]) for part in ("input", "output"))
        tests += [TestCase(_lines(given), _lines(output)) for given, output in zip(inputs, outputs, strict=False)]
    solutions = row.json("solutions", dict, default={})
    pairs = zip(solutions.get("language") or (), solutions.get("solution") or (), strict=False)
    reference = _python3([code for language, code in pairs if language in (3, "PYTHON3")])
    return Problem(row.text("name"), row.text("description"), tuple(dict.fromkeys(tests)), reference)


def _leetcode(row: _Row) -> Problem:
    """LeetCodeDataset: ``completion`` is a ``class Solution``, ``test`` calls its method by keyword."""
    reference = _joined(row.text("prompt", ""), row.text("completion"))
    statement = _starting(row.text("problem_description"), row.text("starter_code", ""))
    entry = row.text("entry_point")
    calls = _calls(row.text("test"), {"candidate"}, _parameters(reference, entry))
    return _of_calls(row, row.id("task_id", "question_id"), statement, reference, entry, calls)


def _kodcode(row: _Row) -> Problem:
    """KodCode: ``question``, ``solution``, and pytest functions in ``test``; ``test_info`` names what they call."""
    reference, tests = row.text("solution"), row.text("test")
    named = row.json("test_info", list, default=[])
    first = row.within("test_info", named[0]) if named else row
    entry = first.text("function_name") if named else _defined(row, reference, tests)
    start = first.text("function_declaration", "") if named else ""
    calls = _calls(tests, {entry}, _parameters(reference, entry))
    return _of_calls(row, row.id("question_id"), _starting(row.text("question"), start), reference, entry, calls)


def _humaneval(row: _Row) -> Problem:
    """HumanEval, HumanEval+ (``base_input``), and mxeval's MBPP."""
    prompt, entry, test = row.text("prompt"), row.text("entry_point"), row.text("test", "")
    inputs = row.fields.get("base_input")
    inputs = _literal(inputs) if isinstance(inputs, str) else inputs
    if not isinstance(inputs or [], list | tuple) or not all(isinstance(each, list | tuple) for each in inputs or ()):
        raise ProblemError(f"{row.place}: field 'base_input' is {inputs!r:.60}; expected a list of lists of arguments")
    reference = prompt + row.text("canonical_solution")
    order = _parameters(reference, entry)
    calls = [(repr(list(arguments)), "") for arguments in inputs or ()]
    calls += [*_calls(test, {"candidate", entry}, order), *_calls(_docstring_calls(prompt), {entry}, order)]
    return _of_calls(row, row.text("task_id"), prompt, reference, entry, calls)


def _mbpp(row: _Row) -> Problem:
    """MBPP as first published: ``text`` or ``prompt``, ``code``, and assertions in ``test_list``."""
    code, tests = row.text("code"), "\n".join(row.texts("test_list"))
    statement = row.text("text" if row.fields.get("text") else "prompt", "")
    entry = _defined(row, code, tests)
    calls = _calls(tests, {entry}, _parameters(code, entry))
    return _of_calls(row, row.id("task_id"), statement, code, entry, calls)


def _plain(row: _Row) -> Problem:
    """One's own: ``statement``, ``tests`` of ``input`` and ``output`` (and ``tier``), ``solution``; calls of ``entry_point``."""
    tests = [row.within(f"test {number}", each) for number, each in enumerate(row.json("tests", list))]
    tiers = []
    for test in tests:
        try:
            tiers.append(Tier.from_label(test.fields.get("tier")))
        except ProblemError as error:
            raise ProblemError(f"{test.place}: {error}") from None
    statement, key = row.text("statement"), row.id("problem_id", "id", "name")
    solution = row.text("solution", "") or None
    if entry := row.text("entry_point", ""):
        calls = [_called(test.fields.get("input"), test.fields.get("output")) for test in tests]
        made = _of_calls(row, key, _starting(statement, row.text("starter_code", "")), solution, entry, calls)
        of_call = dict(zip((call for call, _ in calls), tiers, strict=True))
        return made.with_tests(TestCase(test.input, test.output, of_call[test.input]) for test in made.tests)
    cases = [(test.text("input"), test.text("output", "")) for test in tests]
    return Problem(
        key, statement, tuple(TestCase(*case, tier) for case, tier in zip(cases, tiers, strict=True)), solution
    )


FORMS: tuple[tuple[str, tuple[str, ...], Callable[[_Row], Problem]], ...] = (
    ("TAROT, open-r1, PrimeIntellect", ("verification_info",), _verifiable),
    ("LeetCodeDataset", ("problem_description", "completion", "entry_point", "test"), _leetcode),
    ("HumanEval", ("task_id", "canonical_solution"), _humaneval),
    ("MBPP", ("task_id", "test_list"), _mbpp),
    ("APPS, TACO", ("question", "input_output"), _apps),
    ("KodCode", ("question", "solution", "test"), _kodcode),
    ("CodeContests", ("description", "public_tests"), _code_contests),
    (  # it publishes no solution, so that nothing more of it is read
        "LiveCodeBench",
        ("question_content", "public_test_cases"),
        lambda row: Problem(row.id("question_id"), row.text("question_content")),
    ),
    ("plain", ("statement", "tests"), _plain),
)
"""Name, the fields that it is known by, and reader of each form; the first that fits counts."""


def from_any_row(row: Any, place: str = "row") -> Problem:
    """Read a row of any form in `FORMS`, told apart by its fields.

    Examples
    --------
    >>> tests = [{"input": "4", "output": "8"}, {"input": "0", "output": "0", "tier": "edge"}]
    >>> problem = from_any_row({"id": "double", "statement": "Print twice the number.", "tests": tests})
    >>> [(test.input, test.tier and test.tier.value) for test in problem.tests]
    [('4', None), ('0', 'edge')]
    """
    if not isinstance(row, Mapping):
        raise ProblemError(f"{place}: expected an object with the fields of a problem, got {type(row).__name__}")
    for _, fields, reader in FORMS:
        if all(name in row for name in fields):
            return reader(_Row(row, place))
    known = "; ".join(f"{' and '.join(fields)} ({name})" for name, fields, _ in FORMS)
    raise ProblemError(
        f"{place}: no known form; the row has {', '.join(sorted(map(str, row))) or 'no fields'}; expected one of: {known}"
    )


# ------------------------------------------------------------------------------------------------------- calls


def _of_calls(
    row: _Row, key: str, statement: str, reference: str | None, entry: str, calls: Iterable[_Call]
) -> Problem:
    """A problem whose tests are calls; of one call the first claimed result counts.

    A statement that does not call the function by its name gets its first line: nobody could answer it else.
    """
    name = entry.rpartition(".")[2]
    if not re.search(rf"\b{re.escape(name)}\s*\(", statement):
        order = ", ".join(_parameters(reference or "", entry)) or "..."
        first = f"class Solution:\n    def {name}(self, {order}):" if "." in entry else f"def {name}({order}):"
        statement = _starting(statement, first)
    found: dict[str, str] = {}
    for call, result in calls:
        if not found.get(call):
            found[call] = result
    tests = tuple(TestCase(call, result) for call, result in found.items())
    try:
        return Problem(key, statement, tests, reference or None, Form.FUNCTION, entry_point=entry)
    except ProblemError as error:
        raise ProblemError(f"{row.place}: {error}") from None


def _called(arguments: Any, result: Any) -> _Call:
    """A call by the values of its arguments, or by JSON or Python text of them."""
    given = _json(arguments) if isinstance(arguments, str) else arguments
    given = given if isinstance(given, list | tuple) else [given]
    return repr(list(given)), "" if result is None else repr(_json(result) if isinstance(result, str) else result)


def _json(text: str) -> Any:
    """The value of JSON text or of a Python literal; a text that is neither is itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        found = _literal(text)
        return text if found is None else found


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _docstring_calls(statement: str) -> str:
    lines = [line.strip()[3:].strip() for line in statement.splitlines() if line.strip().startswith(">>>")]
    return "\n".join(line for line in lines if _tree(line) is not None)


def _tree(text: str) -> ast.Module | None:
    try:
        return literals.module(text)
    except SyntaxError:
        return None


def _calls(text: str, names: set[str], order: Sequence[str] = ()) -> Iterator[_Call]:
    """Literal calls in code, in order, with the literal that they are compared with; keywords by the function's `order`."""
    tree = _tree(text)
    if tree is None:
        return
    results = {
        id(node.left): _constant(node.comparators[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node.func, ast.Name) and node.func.id in names:
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            rest = order[len(node.args) : len(node.args) + len(named)]
            if set(rest) != set(named):
                continue  # it leaves out one that has a default, or is no plain call
            arguments = [_constant(argument) for argument in [*node.args, *(named[name] for name in rest)]]
            if all(arguments):
                yield f"[{', '.join(arguments)}]", results.get(id(node), "")


def _constant(node: ast.expr) -> str:
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ""


def _parameters(code: str, entry: str) -> list[str]:
    """Names of the parameters of a function, or of a method less ``self``; none if it is not there."""
    name, method = entry.rpartition(".")[2], "." in entry
    for node in ast.walk(_tree(code) or ast.Module([], [])):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
            return names[1:] if method else names
    return []


def _defined(row: _Row, code: str, tests: str) -> str:
    """The last function of the code that the tests call."""
    defined = re.findall(r"^def (\w+)", code, re.MULTILINE)
    name = next((name for name in reversed(defined) if re.search(rf"\b{name}\(", tests)), None)
    if name is None:
        named = re.search(r"assert\s+\(*\s*(?:\w+\()*?(\w+)\(", tests)
        called = named.group(1) if named else "nothing"
        raise ProblemError(f"{row.place}: the tests call {called}, the code defines {', '.join(defined) or 'nothing'}")
    return name


# -------------------------------------------------------------------------------------------------- statements


def _python3(solutions: Iterable[Any]) -> str | None:
    return next((code for code in solutions if isinstance(code, str) and code.strip() and _tree(code)), None)


def _joined(before: str, code: str) -> str:
    """A completion with the imports that its prompt has; alone if the prompt is no code."""
    whole = f"{before.rstrip()}\n{code}" if before.strip() else code
    return whole if _tree(whole) is not None else code


def _starting(statement: str, starter: str) -> str:
    """The statement with the code that an answer begins with, unless it shows it already."""
    if not starter.strip() or starter.strip() in statement:
        return statement
    return f"{statement.rstrip()}\n\nStart from:\n```python\n{starter.strip()}\n```"


def _lines(value: Any) -> str:
    """A text, or the lines of one."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
