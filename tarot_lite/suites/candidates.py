"""Wrong programs to calibrate tests with: mutants of the reference, made on its syntax tree.

Each mutant carries one slip of a kind that people and models make: a limit off by one, a comparison turned, a filter
or clamp forgotten, `min` for `max`, a statement left out.  A mutant may happen to be right; it is then rejected by no
test and left out of every share.

Mutants may loop for ever, and a CPU limit would make verdicts depend on the machine.  `fuelled` therefore lets loops
and recursive functions count their steps: the usual endless mutant ends after the same number of steps everywhere.
"""

from __future__ import annotations

import ast
import copy
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tarot_lite import literals
from tarot_lite.problems import Form, Problem
from tarot_lite.suites.inside import TICK


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program in the problem's own form, right or wrong, that tests are measured on."""

    name: str  # unique for its problem, such as "compare 3"
    kind: str  # operator that made it
    code: str


class Pool(Protocol):
    """Anything that gives candidates for a problem."""

    def candidates(self, problem: Problem, seed: int, reached: frozenset[int] | None = None) -> list[Candidate]:
        """Candidates, the same for the same seed.

        `reached` are the lines of the reference that the tests execute (from 1), None if that is not known.
        """
        ...


@dataclass(frozen=True)
class Mutants:
    """At most `count` mutants of the reference, spread evenly over the operators.

    Examples
    --------
    >>> reference = "print(sum(x for x in map(int, input().split()) if x > 0))"
    >>> problem = Problem("p", "Sum of the positive numbers.", reference=reference)
    >>> [mutant.code for mutant in Mutants(3).candidates(problem, seed=0) if mutant.kind == "filter"]
    ['print(sum((x for x in map(int, input().split()))))']
    """

    count: int = 24

    def candidates(self, problem: Problem, seed: int, reached: frozenset[int] | None = None) -> list[Candidate]:
        """Mutants of the reference's reached lines; none without a reference that parses.

        Where one slip gives too few, mutants with two are added.
        """
        try:
            tree = parse_code(problem.reference or "", problem.form)
        except SyntaxError:
            return []
        rng = random.Random(f"mutants {seed} {problem.problem_id}")
        if reached is not None and problem.form is Form.SCAFFOLD:
            reached = frozenset(line + 1 for line in reached)  # below the line `def _body():`
        edits = list(_edits(tree, reached))
        found: dict[str, Candidate] = {}
        original = _unparse(tree, problem.form)

        def consider(kind: str, code: str) -> None:
            if code not in found and code != original and _compiles(code, problem.form):
                found[code] = Candidate(f"{kind} {len(found) + 1}", kind, code)

        for edit in _in_turn(edits, rng):
            if len(found) >= self.count:
                break
            consider(edit.kind, edit.apply(lambda: _unparse(tree, problem.form)))
        for _ in range(4 * self.count if len(edits) > 1 else 0):
            if len(found) >= self.count:
                break
            one, two = rng.sample(edits, 2)
            if one.owner is not two.owner:
                consider("two slips", one.apply(lambda two=two: two.apply(lambda: _unparse(tree, problem.form))))  # type: ignore[misc]
        return list(found.values())


def _in_turn(edits: Sequence[_Edit], rng: random.Random) -> Iterator[_Edit]:
    """All edits in random order, the operators taking turns."""
    queues: dict[str, list[_Edit]] = {}
    for edit in edits:
        queues.setdefault(edit.kind, []).append(edit)
    for queue in queues.values():
        rng.shuffle(queue)
    for layer in itertools.zip_longest(*queues.values()):
        yield from (edit for edit in layer if edit is not None)


@dataclass(frozen=True)
class Stubs:
    """Programs that know nothing: the `count` most frequent answers of the known tests, whatever is asked, and the input.

    A test that such a program passes can be guessed.

    Examples
    --------
    >>> from tarot_lite.problems import TestCase
    >>> problem = Problem("p", "Is it even?", (TestCase("4", "yes"), TestCase("2", "yes"), TestCase("3", "no")))
    >>> [stub.code for stub in Stubs(1).candidates(problem, seed=0)]
    ["print('yes')", 'print(input())']
    """

    count: int = 3

    def candidates(self, problem: Problem, seed: int, reached: frozenset[int] | None = None) -> list[Candidate]:
        """Constant programs and an echo, in the problem's own form."""
        answers = Counter(test.output.strip() for test in problem.tests if 0 < len(test.output) <= 200)
        stubs = [_constant_program(problem, answer) for answer, _ in answers.most_common(self.count)]
        if problem.form is Form.FUNCTION:
            stubs.append(_function(problem, "arguments[0]"))
        elif problem.form is Form.STDIN_STDOUT:
            stubs.append("print(input())")
        return [Candidate(f"stub {at}", "stub", code) for at, code in enumerate(stubs, start=1) if code]


def _constant_program(problem: Problem, answer: str) -> str | None:
    if problem.form is Form.STDIN_STDOUT:
        return f"print({answer!r})"
    try:
        ast.parse(answer, mode="eval")
    except (SyntaxError, ValueError):
        return None
    if problem.form is Form.FUNCTION:
        return _function(problem, answer)
    lines = answer.split("\n")
    return f"return {lines[0]}" if len(set(lines)) == 1 else None


def _function(problem: Problem, result: str) -> str:
    """A function or method that returns `result` whatever it is given."""
    if problem.entry_name == problem.entry_point:
        return f"def {problem.entry_name}(*arguments):\n    return {result}"
    return f"class Solution:\n    def {problem.entry_name}(self, *arguments):\n        return {result}"


def parse_code(code: str, form: Form) -> ast.Module:
    """Parse code in its form; a scaffold's body is parsed as the body of a function."""
    if form is Form.SCAFFOLD:
        code = "def _body():\n" + "\n".join("    " + line for line in code.splitlines())
    return literals.module(code)


def _unparse(tree: ast.Module, form: Form) -> str:
    body: list[ast.AST] = tree.body[0].body if form is Form.SCAFFOLD else [tree]  # type: ignore[attr-defined]
    return "\n".join(map(ast.unparse, body))


def _compiles(code: str, form: Form) -> bool:
    try:
        compile(parse_code(code, form), "<mutant>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def constants(code: str, form: Form) -> list[Any]:
    """The numbers and short words that a program names: good values for inputs."""
    try:
        tree = parse_code(code, form)
    except SyntaxError:
        return []
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    numbers_and_words = [
        value for value in values if type(value) in (int, float) or type(value) is str and len(value) <= 8
    ]
    return list({repr(value): value for value in numbers_and_words}.values())


# --- the operators --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Edit:
    """Put `new` where `owner.field` (or one item of it) is."""

    kind: str
    owner: ast.AST
    field: str
    at: int | None
    new: Any

    def apply(self, read: Callable[[], str]) -> str:
        """Make the change, read the result, and take the change back."""
        old = getattr(self.owner, self.field)
        if self.at is None:
            setattr(self.owner, self.field, self.new)
        else:
            setattr(self.owner, self.field, [*old[: self.at], self.new, *old[self.at + 1 :]])
        try:
            return read()
        finally:
            setattr(self.owner, self.field, old)


def _edits(tree: ast.Module, reached: frozenset[int] | None) -> Iterator[_Edit]:
    """Every change that an operator proposes on the reached lines, in the order of the program."""
    for owner, function, unreached in _walk(tree, None, reached):
        if unreached:
            continue
        yield from _own_edits(owner)
        for name, value in ast.iter_fields(owner):
            if _is_scenery(owner, name):
                continue
            for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST) and not _is_unreached(child, reached):
                    for kind, new in _replacements(child, function):
                        yield _Edit(kind, owner, name, at, new)


def _walk(
    node: ast.AST, function: ast.AST | None, reached: frozenset[int] | None, unreached: bool = False
) -> Iterator[tuple[ast.AST, ast.AST, bool]]:
    """Every node with the function (or module) that it stands in, and whether no test reaches its statement."""
    unreached = unreached or _is_unreached(node, reached)
    yield node, function or node, unreached
    inner = node if isinstance(node, ast.FunctionDef) else function or node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, inner, reached, unreached)


def _is_unreached(node: ast.AST, reached: frozenset[int] | None) -> bool:
    if reached is None or not isinstance(node, ast.stmt):
        return False
    return reached.isdisjoint(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _is_scenery(owner: ast.AST, field: str) -> bool:
    """Parts whose mutation only breaks the program: imports, signatures, decorators, docstrings, f-string formats."""
    return isinstance(owner, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.FormattedValue) or field in (
        "args" if isinstance(owner, ast.FunctionDef) else "",
        "decorator_list",
        "returns",
        "annotation",
    )


_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE),
    ast.NotEq: (ast.Eq, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitXor: ast.BitOr,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "len", "ord": "len", "set": "list"}
_UNWRAP = ("sorted", "abs", "reversed", "round", "set", "int", "list")
_METHODS = {"lower": "upper", "upper": "lower", "find": "rfind", "index": "count", "startswith": "endswith"}


def _own_edits(owner: ast.AST) -> Iterator[_Edit]:
    """Changes to a list or flag inside a node rather than to a child of it."""
    if isinstance(owner, ast.Compare):
        for at, operator in enumerate(owner.ops):
            for new in _COMPARE.get(type(operator), ()):
                yield _Edit("compare", owner, "ops", at, new())
    if isinstance(owner, ast.BinOp | ast.AugAssign) and type(owner.op) in _ARITHMETIC:
        yield _Edit("arithmetic", owner, "op", None, _ARITHMETIC[type(owner.op)]())
    if isinstance(owner, ast.BoolOp):
        yield _Edit("logic", owner, "op", None, ast.Or() if isinstance(owner.op, ast.And) else ast.And())
        for rest in _without_one(owner.values):
            yield _Edit("logic", owner, "values", None, rest if len(rest) > 1 else rest * 2)
    if isinstance(owner, ast.comprehension):
        yield from (_Edit("filter", owner, "ifs", None, rest) for rest in _without_one(owner.ifs))
    if isinstance(owner, ast.Call):
        yield from (_Edit("keyword", owner, "keywords", None, rest) for rest in _without_one(owner.keywords))
    if isinstance(owner, ast.Slice) and owner.step is not None:
        yield _Edit("slice", owner, "step", None, None)
    if isinstance(owner, ast.If) and owner.orelse:
        yield _Edit("branch", owner, "orelse", None, [])


def _without_one(items: list[Any]) -> list[list[Any]]:
    return [items[:at] + items[at + 1 :] for at in range(len(items))]


def _replacements(node: ast.AST, function: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in a node's place, with the operator's name."""
    if isinstance(node, ast.For | ast.comprehension) and not _reads_or_writes(node.iter):
        minus_one = ast.UnaryOp(ast.USub(), ast.Constant(1))
        yield from (
            ("iteration", _with_iter(node, cut)) for cut in (ast.Slice(ast.Constant(1)), ast.Slice(None, minus_one))
        )
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        others = sorted(_assigned(function) - {node.id})
        yield from (("variable", ast.Name(other, ast.Load())) for other in others[:4])
    if isinstance(node, ast.BinOp):
        yield from (("operand", node.left), ("operand", node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not _reads_or_writes(node):
        yield "operand", node.func.value
    if isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.IfExp):
        yield from (("branch", node.body), ("branch", node.orelse))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield "unary", node.operand
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.If):
        yield "branch", ast.If(test=ast.UnaryOp(ast.Not(), node.test), body=node.body, orelse=node.orelse)
        yield "branch", ast.If(test=ast.Constant(True), body=node.body, orelse=[])
    elif isinstance(node, ast.Break):
        yield "statement", ast.Pass()
    elif isinstance(node, ast.Continue):
        yield from (("statement", ast.Pass()), ("statement", ast.Break()))
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and not _reads_or_writes(node):
        yield "statement", ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "statement", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield "slice", node.value


def _with_iter(node: ast.For | ast.comprehension, cut: ast.Slice) -> ast.AST:
    """The same loop without its first or its last item."""
    new = copy.copy(node)
    new.iter = ast.Subscript(ast.Call(ast.Name("list", ast.Load()), [node.iter], []), cut, ast.Load())
    return new


def _assigned(function: ast.AST) -> set[str]:
    """Names that a function (or the module) binds: parameters and assigned variables."""
    names = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return names | {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield from (("constant", ast.Constant(new)) for new in (value + 1, value - 1, -value) if new != value)
    elif isinstance(value, str) and value:
        yield "constant", ast.Constant("")


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name in _CALLS:
        yield "call", _with_function(node, ast.Name(_CALLS[name], ast.Load()))
    if name in _UNWRAP and len(node.args) == 1 and not _reads_or_writes(node):
        yield "call", node.args[0] if name != "reversed" else _with_function(node, ast.Name("list", ast.Load()))
    if name in ("min", "max") and len(node.args) == 2:
        yield from (("clamp", argument) for argument in node.args)
    if name == "range":
        for at, argument in enumerate(node.args[:2]):
            for sign in (ast.Add(), ast.Sub()):
                shifted = ast.BinOp(argument, sign, ast.Constant(1))
                yield "range", ast.Call(node.func, [*node.args[:at], shifted, *node.args[at + 1 :]], [])
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        yield "call", _with_function(node, ast.Attribute(node.func.value, _METHODS[node.func.attr], ast.Load()))


def _with_function(node: ast.Call, function: ast.expr) -> ast.Call:
    return ast.Call(function, node.args, node.keywords)


def _reads_or_writes(node: ast.AST) -> bool:
    """Whether a part reads the input, prints, or is a docstring: without it nothing works, which teaches nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
    return bool(names & {"input", "print", "sys", "exit", "quit", "open"})


# --- counting steps -------------------------------------------------------------------------------------------


def fuelled(program: str) -> str:
    """The same program, counting its steps: loops and recursive functions call `TICK`, which whoever runs it supplies.

    Examples
    --------
    >>> steps = []
    >>> exec(fuelled("n = 0\\nwhile n < 5:\\n    n += 1"), {TICK: lambda: steps.append(1)})
    >>> len(steps)
    5
    """
    try:
        tree = literals.module(program)
    except SyntaxError:  # a candidate of another pool may be no Python at all
        return program
    loops: list[Any] = [node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For) or _is_recursive(node)]
    if not loops:
        return program
    call = ast.fix_missing_locations(ast.Expr(ast.Call(ast.Name(TICK, ast.Load()), [], [])))
    for loop in loops:
        loop.body = [call, *loop.body]
    return ast.unparse(tree)


def _is_recursive(node: ast.AST) -> bool:
    """Whether a function's body names the function (or, for a method, an attribute of that name)."""
    if not isinstance(node, ast.FunctionDef):
        return False
    inner = [child for statement in node.body for child in ast.walk(statement)]
    names = {child.id for child in inner if isinstance(child, ast.Name)}
    return node.name in names | {child.attr for child in inner if isinstance(child, ast.Attribute)}
