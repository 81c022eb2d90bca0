"""From assertions to calls: ``assert f(2) == 4`` needs no assertion inside the sandbox.

A check is read, never trusted to a process that runs the program.  Assertions of literals become calls at once.
Where arguments or expected values are computed (loops, helper functions, random strings), the check itself is run
*once*, in the sandbox and without any candidate, with each assertion replaced by a note of its arguments and its
expected value.  A check that asks for more than that (an answer used in a later statement, arguments that no literal
equals) is not converted: it stays an assertion test (`Form.ASSERTION`), which a hostile program can forge.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from tarot_lite.benchmarks.calls import literal
from tarot_lite.benchmarks.expectations import WRAPPERS, Call, Expectation
from tarot_lite.literals import value_of

_NOTE = "__note__"


@dataclass(frozen=True, slots=True)
class Notes:
    """A program that writes one line for each assertion; `read` makes calls of them."""

    program: str

    def read(self, stdout: str) -> list[Call] | None:
        """Read the notes; None if the program did not come to its end or an argument is no literal."""
        lines = stdout.split("\n")
        if lines[-2:] != ["end", ""]:
            return None
        try:
            return [_call(*value_of(line)) for line in lines[:-2]]
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class _Assertion:
    """One assertion, taken apart."""

    rule: str
    call: ast.Call
    expected: ast.expr | None = None
    tolerance: ast.expr | None = None
    wrapper: str = ""


def convert(statements: Sequence[ast.stmt], names: frozenset[str], setup: str = "") -> list[Call] | Notes | None:
    """Turn the statements of a check into calls.

    Examples
    --------
    >>> body = ast.parse("assert f(1, [2]) == 3\\nassert f(0, []), 'empty'").body
    >>> [(call.arguments, call.expected.rule) for call in convert(body, frozenset({"f"}))]
    [('[1, [2]]', 'equal'), ('[0, []]', 'true')]
    >>> type(convert(ast.parse("for i in range(3):\\n    assert f(i) == i * i").body, frozenset({"f"}))).__name__
    'Notes'
    >>> convert(ast.parse("y = f(2)\\nassert y > 1").body, frozenset({"f"})) is None
    True
    """
    calls: list[Call] = []
    for statement in statements:
        if _is_idle(statement):
            continue
        found = _take_apart(statement.test, names) if isinstance(statement, ast.Assert) else None
        direct = _direct(found) if found else None
        if direct is None:
            return _notes(statements, names, setup)
        calls.append(direct)
    return calls


def _is_idle(statement: ast.stmt) -> bool:
    """Docstrings, a bare name, ``assert True``."""
    value = statement.test if isinstance(statement, ast.Assert) else getattr(statement, "value", None)
    if isinstance(statement, ast.Assert):
        return isinstance(value, ast.Constant) and bool(value.value)
    return isinstance(statement, ast.Expr) and isinstance(value, ast.Constant | ast.Name)


def _take_apart(test: ast.expr, names: frozenset[str]) -> _Assertion | None:
    """Recognise one form of assertion about one call."""
    if call := _candidate_call(test, names):
        return _Assertion("true", call)
    if (
        isinstance(test, ast.UnaryOp)
        and isinstance(test.op, ast.Not)
        and (call := _candidate_call(test.operand, names))
    ):
        return _Assertion("false", call)
    if isinstance(test, ast.Call):
        return _take_isclose_apart(test, names)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    operator, left, right = test.ops[0], test.left, test.comparators[0]
    if isinstance(operator, ast.Is) and (call := _candidate_call(left, names)) and isinstance(right, ast.Constant):
        return _Assertion("identical", call, right)
    if isinstance(operator, ast.Eq):
        return _take_equality_apart(left, right, names) or _take_equality_apart(right, left, names)
    if isinstance(operator, ast.Lt):
        return _take_difference_apart(left, right, names)
    return None


def _take_equality_apart(left: ast.expr, right: ast.expr, names: frozenset[str]) -> _Assertion | None:
    wrapper, inner = "", left
    if (
        isinstance(left, ast.Call)
        and isinstance(left.func, ast.Name)
        and left.func.id in WRAPPERS
        and len(left.args) == 1
    ):
        wrapper, inner = left.func.id, left.args[0]
    call = _candidate_call(inner, names)
    if call is None:
        return None
    if _mentions(right, names):  # the answer is compared with itself: HumanEval/33
        same = isinstance(right, ast.Call) and _renamed(left, names) == _renamed(right, names)
        return _Assertion("applies", call, wrapper=wrapper) if same else None
    return _Assertion("wrapped" if wrapper else "equal", call, right, wrapper=wrapper)


def _take_difference_apart(left: ast.expr, right: ast.expr, names: frozenset[str]) -> _Assertion | None:
    """``abs(f(x) - y) < tolerance``."""
    is_abs = isinstance(left, ast.Call) and ast.unparse(left.func) in ("abs", "math.fabs") and len(left.args) == 1
    if not is_abs or not isinstance(left, ast.Call) or not isinstance(left.args[0], ast.BinOp):
        return None
    difference = left.args[0]
    call = _candidate_call(difference.left, names)
    if (
        call is None
        or not isinstance(difference.op, ast.Sub)
        or _mentions(difference.right, names)
        or _mentions(right, names)
    ):
        return None
    return _Assertion("near", call, difference.right, right)


def _take_isclose_apart(test: ast.Call, names: frozenset[str]) -> _Assertion | None:
    """``math.isclose(f(x), y, rel_tol=tolerance)``."""
    if ast.unparse(test.func) not in ("math.isclose", "isclose") or len(test.args) != 2:
        return None
    call = _candidate_call(test.args[0], names)
    options = {keyword.arg: keyword.value for keyword in test.keywords}
    if call is None or _mentions(test.args[1], names) or not set(options) <= {"rel_tol"}:
        return None
    return _Assertion("close", call, test.args[1], options.get("rel_tol", ast.Constant(1e-9)))


def _candidate_call(node: ast.expr, names: frozenset[str]) -> ast.Call | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in names:
        return None
    plain = not node.keywords and not any(isinstance(each, ast.Starred) or _mentions(each, names) for each in node.args)
    return node if plain else None


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _renamed(node: ast.expr, names: frozenset[str]) -> str:
    copy = ast.parse(ast.unparse(node), mode="eval")
    for each in ast.walk(copy):
        if isinstance(each, ast.Name) and each.id in names:
            each.id = "candidate"
    return ast.dump(copy)


def _direct(found: _Assertion) -> Call | None:
    """The call, if everything about it is a literal."""
    try:
        arguments = [ast.literal_eval(each) for each in found.call.args]
        expected = () if found.expected is None else (ast.literal_eval(found.expected),)
        tolerance = 0.0 if found.tolerance is None else ast.literal_eval(found.tolerance)
        return _call(found.rule, arguments, expected, tolerance, found.wrapper)
    except (ValueError, TypeError, SyntaxError):
        return None


def _call(rule: str, arguments: list[object], expected: tuple[object, ...], tolerance: float, wrapper: str) -> Call:
    value = literal(expected[0]) if expected else ""
    return Call(literal(arguments), Expectation(rule, value, float(tolerance), wrapper))


class _NoteTaker(ast.NodeTransformer):
    """Replaces assertions by notes; `failed` says that one could not be."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.failed = False

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        if _is_idle(node):
            return ast.Pass()
        found = _take_apart(node.test, self.names)
        if found is None:
            self.failed = True
            return node
        expected = ast.Tuple([found.expected] if found.expected is not None else [], ast.Load())
        tolerance = found.tolerance or ast.Constant(0.0)
        arguments = ast.List(list(found.call.args), ast.Load())
        note = [ast.Constant(found.rule), arguments, expected, tolerance, ast.Constant(found.wrapper)]
        return ast.Expr(ast.Call(ast.Name(_NOTE, ast.Load()), note, []))


def _notes(statements: Sequence[ast.stmt], names: frozenset[str], setup: str) -> Notes | None:
    taker = _NoteTaker(names)
    body = [
        taker.visit(ast.parse(ast.unparse(statement)).body[0]) for statement in statements if not _is_idle(statement)
    ]
    if taker.failed or any(_mentions(statement, names) for statement in body):
        return None
    check = "\n".join(ast.unparse(ast.fix_missing_locations(statement)) for statement in body)
    indented = "\n".join("    " + line for line in (check or "pass").split("\n"))
    header = f"{setup}\n\ndef {_NOTE}(*note):\n    print(repr(note))\n\n"
    return Notes(f"{header}def __check__():\n{indented}\n\n__check__()\nprint('end')\n")
