"""Wrong programs to calibrate tests with: mutants of the reference, made on its syntax tree.

Each mutant carries one slip of a kind that people and models make: a limit off by one, a comparison turned, a filter
or clamp forgotten, `min` for `max`, a statement left out.  A mutant may happen to be right; it is then rejected by no
test and left out of every share.

Mutants may loop for ever, and a CPU limit would make verdicts depend on the machine.  `fuelled` therefore puts a step
budget into ``while`` loops and recursive functions: the usual endless mutant ends after the same number of steps
everywhere.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tarot_lite.problems import Form, Problem

__all__ = ["Candidate", "Mutants", "Pool", "Programs", "fuelled", "literals", "parse_code"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, right or wrong, that tests are measured on.

    Parameters
    ----------
    name
        Unique for its problem, such as ``"compare 3"``.
    kind
        Operator that made it, or where it comes from.
    code
        In the problem's own form (program, function or body).
    """

    name: str
    kind: str
    code: str


class Pool(Protocol):
    """Anything that gives candidates for a problem."""

    def candidates(self, problem: Problem, seed: int) -> list[Candidate]:
        """Candidates, the same for the same seed."""
        ...


@dataclass(frozen=True)
class Programs:
    """Given programs: wrong submissions, or samples of students.

    Parameters
    ----------
    programs
        Codes by problem id, each in the problem's own form.
    kind
        Where they come from.

    Examples
    --------
    >>> problem = Problem("p", "Print 1.")
    >>> Programs({"p": ["print(2)", "print(2)", "print(3)"]}, "student").candidates(problem, seed=0)[1].name
    'student 2'
    """

    programs: Mapping[str, Sequence[str]]
    kind: str = "given program"

    def candidates(self, problem: Problem, seed: int) -> list[Candidate]:
        """The problem's programs without repetition, in order; no program if the problem has none."""
        distinct = dict.fromkeys(self.programs.get(problem.problem_id, ()))
        return [Candidate(f"{self.kind} {number}", self.kind, code) for number, code in enumerate(distinct, start=1)]


@dataclass(frozen=True)
class Mutants:
    """Mutants of the reference, spread evenly over the operators.

    Parameters
    ----------
    count
        At most so many for a problem, > 0.

    Examples
    --------
    >>> problem = Problem("p", "Sum of the positive numbers.", reference="print(sum(x for x in map(int, input().split()) if x > 0))")
    >>> [mutant.code for mutant in Mutants(3).candidates(problem, seed=0) if mutant.kind == "filter"]
    ['print(sum((x for x in map(int, input().split()))))']
    """

    count: int = 24

    def candidates(self, problem: Problem, seed: int) -> list[Candidate]:
        """Mutants of the problem's reference; none without a reference that parses."""
        if problem.reference is None:
            return []
        try:
            tree = parse_code(problem.reference, problem.form)
        except SyntaxError:
            return []
        rng = random.Random(f"mutants {seed} {problem.problem_id}")
        queues: dict[str, list[_Edit]] = {}
        for edit in _edits(tree):
            queues.setdefault(edit.kind, []).append(edit)
        for queue in queues.values():
            rng.shuffle(queue)
        found: dict[str, Candidate] = {}
        original = _unparse(tree, problem.form)
        while any(queues.values()) and len(found) < self.count:
            for kind, queue in queues.items():
                if queue and len(found) < self.count:
                    code = queue.pop().apply(lambda: _unparse(tree, problem.form))
                    if code not in found and code != original and _compiles(code, problem.form):
                        found[code] = Candidate(f"{kind} {len(found) + 1}", kind, code)
        return list(found.values())


def parse_code(code: str, form: Form) -> ast.Module:
    """Parse code in its form; a scaffold's body is parsed as the body of a function.

    Raises
    ------
    SyntaxError
        If it is no Python.
    """
    if form is Form.SCAFFOLD:
        code = "def _body():\n" + "\n".join("    " + line for line in code.splitlines())
    try:
        return ast.parse(code)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, absurd nesting
        raise SyntaxError(str(error)) from None


def _unparse(tree: ast.Module, form: Form) -> str:
    if form is Form.SCAFFOLD:
        body = tree.body[0]
        assert isinstance(body, ast.FunctionDef)
        return "\n".join(ast.unparse(statement) for statement in body.body)
    return ast.unparse(tree)


def _compiles(code: str, form: Form) -> bool:
    try:
        compile(parse_code(code, form), "<mutant>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def literals(code: str, form: Form = Form.STDIN_STDOUT) -> list[Any]:
    """The numbers and short words that a program names: good values for inputs.

    Examples
    --------
    >>> literals("if n > 10 and word == 'end': print(2.5)")
    [10, 'end', 2.5]
    """
    try:
        tree = parse_code(code, form)
    except SyntaxError:
        return []
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    kept = [
        value
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool) or isinstance(value, str) and len(value) <= 8
    ]
    return list({repr(value): value for value in kept}.values())


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


def _edits(tree: ast.Module) -> Iterator[_Edit]:
    """Every change that an operator proposes, in the order of the program."""
    for owner in ast.walk(tree):
        yield from _own_edits(owner)
        for name, value in ast.iter_fields(owner):
            if _is_scenery(owner, name):
                continue
            for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    for kind, new in _replacements(child, tree):
                        yield _Edit(kind, owner, name, at, new)


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
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitXor: (ast.BitOr,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "len", "ord": "len", "set": "list"}
_UNWRAP = ("sorted", "abs", "reversed", "round", "set", "int", "list")
_METHODS = {"append": None, "lower": "upper", "upper": "lower", "find": "rfind", "index": "count", "startswith": "endswith"}


def _own_edits(owner: ast.AST) -> Iterator[_Edit]:
    """Changes to a list or flag inside a node rather than to a child of it."""
    if isinstance(owner, ast.Compare):
        for at, operator in enumerate(owner.ops):
            for new in _COMPARE.get(type(operator), ()):
                yield _Edit("compare", owner, "ops", at, new())
    if isinstance(owner, ast.BinOp | ast.AugAssign):
        for operator in _ARITHMETIC.get(type(owner.op), ()):
            yield _Edit("arithmetic", owner, "op", None, operator())
    if isinstance(owner, ast.BoolOp):
        yield _Edit("logic", owner, "op", None, ast.Or() if isinstance(owner.op, ast.And) else ast.And())
        for at in range(len(owner.values)):
            rest = owner.values[:at] + owner.values[at + 1 :]
            yield _Edit("logic", owner, "values", None, rest if len(rest) > 1 else [rest[0], rest[0]])
    if isinstance(owner, ast.comprehension) and owner.ifs:
        for at in range(len(owner.ifs)):
            yield _Edit("filter", owner, "ifs", None, owner.ifs[:at] + owner.ifs[at + 1 :])
    if isinstance(owner, ast.Call) and owner.keywords:
        for at in range(len(owner.keywords)):
            yield _Edit("keyword", owner, "keywords", None, owner.keywords[:at] + owner.keywords[at + 1 :])
    if isinstance(owner, ast.Slice) and owner.step is not None:
        yield _Edit("slice", owner, "step", None, None)
    if isinstance(owner, ast.If) and owner.orelse:
        yield _Edit("branch", owner, "orelse", None, [])


def _replacements(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in a node's place, with the operator's name."""
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


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield from (("constant", ast.Constant(value + step)) for step in (1, -1))
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
    if isinstance(node.func, ast.Attribute):
        new = _METHODS.get(node.func.attr)
        if new:
            yield "call", _with_function(node, ast.Attribute(node.func.value, new, ast.Load()))


def _with_function(node: ast.Call, function: ast.expr) -> ast.Call:
    return ast.Call(function, node.args, node.keywords)


def _reads_or_writes(node: ast.AST) -> bool:
    """Whether a part reads the input, prints, or is a docstring: without it nothing works, which teaches nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    names = {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}
    return bool(names & {"input", "print", "sys", "exit", "quit", "open"})


# --- a step budget for loops ----------------------------------------------------------------------------------

_TICK = "_tarot_lite_tick"


def fuelled(program: str, steps: int) -> str:
    """The same program, ending with a failure once ``while`` loops and recursive calls have made `steps` steps.

    Parameters
    ----------
    program
        A whole program that parses.
    steps
        Budget, > 0.

    Returns
    -------
    str
        The program as it was if it has neither.

    Examples
    --------
    >>> fuelled("print(1)", 10)
    'print(1)'
    >>> exec(fuelled("n = 0\\nwhile n < 5:\\n    n += 1", 10))
    >>> exec(fuelled("while True: pass", 10))
    Traceback (most recent call last):
    SystemExit: 3
    """
    tree = ast.parse(program)
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.While) or _is_recursive(node)]
    if not loops:
        return program
    call = ast.Expr(ast.Call(ast.Name(_TICK, ast.Load()), [], []))
    for loop in loops:
        assert isinstance(loop, ast.While | ast.FunctionDef)
        loop.body = [copy.deepcopy(call), *loop.body]
    source = f"def {_TICK}(left=[{int(steps)}]):\n    left[0] -= 1\n    if left[0] < 0:\n        raise SystemExit(3)"
    head = 0  # after the docstring and the imports from the future, which must stay first
    while head < len(tree.body) and _must_be_first(tree.body[head]):
        head += 1
    tree.body[head:head] = ast.parse(source).body
    return ast.unparse(ast.fix_missing_locations(tree))


def _is_recursive(node: ast.AST) -> bool:
    """Whether a function's body names the function (or, for a method, an attribute of that name)."""
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(child, ast.Name) and child.id == node.name
        or isinstance(child, ast.Attribute) and child.attr == node.name
        for statement in node.body
        for child in ast.walk(statement)
    )


def _must_be_first(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.ImportFrom) and node.module == "__future__"
