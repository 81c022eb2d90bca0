"""A benchmark's problem (`Task`) and the forms of test that it may have.

Every form does two things: ``job(solution)`` makes the program and inputs for the sandbox (None: nothing to run), and
``judge(runs)`` turns what came back into a `Judgement`.  Tests that are not known yet -- expected values that the
reference has to compute, assertions that have to be noted down -- are `Pending` until `prepare` ran them, once.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tarot_lite.benchmarks import calls as _calls
from tarot_lite.benchmarks.asserts import Notes
from tarot_lite.benchmarks.expectations import DIGEST, Call, Expectation
from tarot_lite.judging import Verdict, same_output
from tarot_lite.problems import HELD, Form, Problem, TestCase
from tarot_lite.runs import write_atomic
from tarot_lite.sandbox import Execution, Limits, Sandbox

Job = tuple[str, tuple[str, ...]]

_EVALPLUS_SECONDS = 60.0  # for all calls of a function, at most
_TIME_UP = "killed by SIGPROF"  # what the sandbox says of a program that the timer in `inside` ended


class BenchmarkError(ValueError):
    """A data set, sample file or request that cannot be used; the message names the place, the value and the remedy."""


class UnreachableError(BenchmarkError):
    """Data that could not be had from the Hub: no network, no such data set, or a revision that has vanished."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one solution.

    Parameters
    ----------
    verdict
        The first thing that went wrong, or passed.
    detail
        In words: which call or test, what it gave.
    base
        For EvalPlus: whether the original benchmark's tests alone passed; None elsewhere.
    """

    verdict: Verdict
    detail: str = ""
    base: bool | None = None


class Tests(Protocol):
    """What every form of test can do."""

    def job(self, solution: str) -> Job | None:
        """Program and inputs for the sandbox."""
        ...

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """Judge the runs of the first inputs of `job`; empty if there was nothing to run."""
        ...


@dataclass(frozen=True)
class CallTests:
    """Calls of a function, judged outside the process that runs it.

    Parameters
    ----------
    entry
        Expression for what is called, such as ``"add"`` or ``"Solution().add"``.
    calls
        In order.
    base
        How many of them, from the front, are the original benchmark's; None if all are.
    before
        Source put in front of every solution (the imports that a benchmark grants).
    seconds
        CPU time that each call may take; 0 if only all of them together are limited.
    """

    entry: str
    calls: tuple[Call, ...]
    base: int | None = None
    before: str = ""
    seconds: float = 0.0

    def job(self, solution: str) -> Job:
        """One program, one input with all calls."""
        source = self.before + solution
        program = _calls.program(source, self.entry, self.seconds)
        return program, (_calls.request([call.arguments for call in self.calls]),)

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """Every call must be accepted; those before a limit or crash count."""
        run = runs[0]
        outcomes = _calls.read_outcomes(run.stdout, len(self.calls))
        for number, (call, outcome) in enumerate(zip(self.calls, outcomes, strict=True)):
            if call.expected.accepts(outcome, call.arguments):
                continue
            base_only = None if self.base is None else number >= self.base
            if outcome.kind != "missing" or run.verdict is Verdict.PASSED:
                verdict = Verdict.EXCEPTION if outcome.kind == "raised" else Verdict.WRONG_ANSWER
                return Judgement(verdict, _explain(number, call, outcome), base_only)
            if self.seconds and run.error == _TIME_UP:
                text = f"call {number} with {call.arguments[:80]}: used more than {self.seconds:g} s of CPU time"
                return Judgement(Verdict.TIMEOUT, text, base_only)
            return Judgement(run.verdict, run.error, base_only)
        return Judgement(run.verdict, run.error, None if self.base is None else True)


def _explain(number: int, call: Call, outcome: _calls.Outcome) -> str:
    gave = outcome.text if outcome.kind != "opaque" else f"an object of type {outcome.type}"
    wanted = call.expected.value or call.expected.rule
    return f"call {number} with {call.arguments[:80]}: got {gave[:80]}, expected {wanted[:80]}"


@dataclass(frozen=True)
class StdioTests:
    """Programs that read standard input and write standard output; `same` compares with what is right.

    `before` as in `CallTests`.
    """

    tests: tuple[TestCase, ...]
    same: Callable[[str, str], bool] = same_output
    before: str = ""

    def job(self, solution: str) -> Job:
        """The solution itself, one input for each test."""
        return self.before + solution, tuple(test.input for test in self.tests)

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """Every output must be the expected one."""
        for number, (test, run) in enumerate(zip(self.tests, runs, strict=False)):
            if run.verdict is not Verdict.PASSED:
                return Judgement(run.verdict, f"test {number}: {run.error}")
            if not self.same(run.stdout, test.output):
                return Judgement(
                    Verdict.WRONG_ANSWER, f"test {number}: got {run.stdout[:80]!r}, expected {test.output[:80]!r}"
                )
        return Judgement(Verdict.PASSED)


@dataclass(frozen=True)
class AssertionTests:
    """A check that cannot be put as calls; it shares a process with the program, so it can be forged."""

    source: str
    entry_point: str

    def job(self, solution: str) -> Job:
        """The program of `Form.ASSERTION`."""
        problem = Problem("check", "", form=Form.ASSERTION, entry_point=self.entry_point)
        return problem.program(solution), (self.source,)

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """The check must come to its end."""
        run = runs[0]
        if run.verdict is Verdict.EXCEPTION and run.error.startswith("AssertionError"):
            return Judgement(Verdict.WRONG_ANSWER, run.error)
        if run.verdict is not Verdict.PASSED:
            return Judgement(run.verdict, run.error)
        if not same_output(run.stdout, HELD):
            return Judgement(Verdict.WRONG_ANSWER, "the program ended before its check did")
        return Judgement(Verdict.PASSED)


_SAFE_CALLS = frozenset(
    "list tuple set dict frozenset range str int float complex bool bytes bytearray chr ord len sorted reversed enumerate zip "
    "map filter iter next min max sum abs round divmod pow any all hash repr slice object isinstance".split()
)
_SAFE_METHODS = frozenset(
    name
    for kind in (str, bytes, bytearray, list, tuple, set, frozenset, dict, int, float, complex)
    for name in dir(kind)
    if not name.startswith("_")
)


@dataclass(frozen=True)
class GuessTests:
    """CRUXEval: the "solution" is a value that the model predicts, not a program.

    Expressions of literals, operators, lambdas, comprehensions, harmless builtins, methods of builtin values and what `code`
    itself defines or imports by name are run, so that an answer can state a value but do nothing; anything else is a wrong
    answer.

    Parameters
    ----------
    code
        Source of ``f``; empty when the output is predicted (then ``f`` is not there to be asked).
    expected
        The value wanted, as a literal.
    """

    code: str
    expected: str

    def job(self, solution: str) -> Job | None:
        """Evaluate ``f(prediction)`` or ``prediction``."""
        function = "f" if self.code else "__value__"
        try:
            tree = ast.parse(f"{function}({solution.strip()})", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.func.id != function:
            return None
        if not _is_harmless([*tree.args, *tree.keywords], self.code):
            return None
        source = self.code or "def __value__(value):\n    return value\n"
        return _calls.program(f"{source}\ndef __answer__():\n    return {ast.unparse(tree)}\n", "__answer__"), ("[[]]",)

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """The value must equal the expected one."""
        if not runs:
            return Judgement(
                Verdict.WRONG_ANSWER, "the prediction is no expression, or one that does more than state a value"
            )
        return CallTests("f", (Call("[]", Expectation("equal", self.expected)),)).judge(runs)


def _is_harmless(nodes: Sequence[ast.AST], code: str) -> bool:
    """Whether nothing but values can come of it: no attribute leads to a frame, a module or a hidden name."""
    every = [each for node in nodes for each in ast.walk(node)]
    known = set(_SAFE_CALLS) | {each.arg for each in every if isinstance(each, ast.arg)}
    known |= {each.id for each in every if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            known |= {statement.name}
        elif isinstance(statement, ast.ImportFrom):
            known |= {alias.asname or alias.name for alias in statement.names}
    known -= {"f"}
    return all(
        isinstance(each, _VALUES)
        and (not isinstance(each, ast.Name) or each.id in known)
        and (not isinstance(each, ast.Attribute) or each.attr in _SAFE_METHODS)
        for each in every
    )


_VALUES = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context, ast.Call, ast.keyword, ast.Name, ast.Starred,
    ast.Attribute, ast.Subscript, ast.Slice, ast.Lambda, ast.arguments, ast.arg, ast.JoinedStr, ast.FormattedValue,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension,
)  # fmt: skip


@dataclass(frozen=True)
class ReferenceTests:
    """Inputs whose expected values the reference solution computes (EvalPlus).

    Parameters
    ----------
    entry, reference
        Function and source of the reference solution.
    arguments
        One literal list for each call, the original benchmark's first.
    rule, tolerance
        See `Expectation`.
    base
        See `CallTests`.
    """

    entry: str
    reference: str
    arguments: tuple[str, ...]
    rule: str
    tolerance: float
    base: int | None = None

    def preparation(self) -> Job:
        """Ask the reference for every call."""
        return _calls.program(self.reference, self.entry), (_calls.request(self.arguments),)

    def complete(self, run: Execution, task_id: str) -> CallTests:
        """Take the reference's answers as expected values; a call may take four times what it took, or a second."""
        if run.verdict is not Verdict.PASSED:
            raise BenchmarkError(f"{task_id}: the reference solution ended with {run.verdict.value} ({run.error})")
        found = []
        outcomes = _calls.read_outcomes(run.stdout, len(self.arguments))
        for number, (arguments, outcome) in enumerate(zip(self.arguments, outcomes, strict=True)):
            if self.rule == "evalplus:not_none" and outcome.kind in ("value", "opaque"):
                value = str(outcome.type != "NoneType")
            elif outcome.kind == "value":
                value = outcome.text
            elif outcome.kind == "digest":
                value = DIGEST + outcome.text
            elif self.rule == "evalplus:root":
                value = "0"
            else:
                raise BenchmarkError(
                    f"{task_id}: the reference solution gives no usable value for input {number}, {arguments[:60]} "
                    f"({outcome.kind} {outcome.text or outcome.type})"
                )
            found.append(Call(arguments, Expectation(self.rule, value, self.tolerance)))
        return CallTests(self.entry, tuple(found), self.base, seconds=float(max(1, math.ceil(4 * run.cpu_seconds))))


@dataclass(frozen=True)
class NotedTests:
    """Assertions that are noted down (`asserts.convert`), with the assertion test to fall back on."""

    entry: str
    notes: Notes
    otherwise: AssertionTests

    def preparation(self) -> Job:
        """Run the check without a candidate."""
        return self.notes.program, ("",)

    def complete(self, run: Execution, task_id: str) -> Tests:
        """Make calls of the notes; the assertion test if that is not possible."""
        found = self.notes.read(run.stdout) if run.verdict is Verdict.PASSED else None
        return CallTests(self.entry, tuple(found)) if found else self.otherwise


Pending = ReferenceTests | NotedTests
"""Tests that one trusted run in the sandbox has to complete."""


@dataclass(frozen=True)
class Task:
    """One problem of a benchmark.

    Parameters
    ----------
    task_id
        As published.
    prompt
        As published: code to continue, or a statement.
    tests
        How a solution is judged; None if it cannot be, then `unsupported` says why.
    entry_point
        Name of the function asked for; None for whole programs.
    reference
        A right solution, whole; None if the data has none.
    tags
        What results may be broken down by: ``difficulty``, ``date`` (ISO), ``platform``.
    cpu_seconds, memory_mb
        Limits of its own; None takes the benchmark's.
    unsupported
        Why it is counted apart: needs a special checker, interactive, ...

    Examples
    --------
    >>> task = Task("t", "def f(x):\\n", CallTests("f", ()), entry_point="f")
    >>> task.whole("    return x\\n")
    'def f(x):\\n    return x\\n'
    """

    task_id: str
    prompt: str
    tests: Tests | Pending | None
    entry_point: str | None = None
    reference: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    cpu_seconds: float | None = None
    memory_mb: int | None = None
    unsupported: str = ""

    def whole(self, completion: str) -> str:
        """The solution that a `completion` of the prompt makes."""
        return self.prompt + completion

    @property
    def prelude(self) -> str:
        """What comes before the function in the prompt, imports and helpers."""
        found = (
            re.search(rf"^def {re.escape(self.entry_point)}\b", self.prompt, re.MULTILINE) if self.entry_point else None
        )
        return self.prompt[: found.start()] if found else ""

    @property
    def forgeable(self) -> bool:
        """Whether a hostile program could forge its verdict (assertion tests)."""
        return isinstance(self.tests, AssertionTests)


def default_cache() -> Path:
    """Folder for prepared tests: ``tarot_lite/benchmarks`` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tarot_lite" / "benchmarks"


def prepare(tasks: Sequence[Task], sandbox: Sandbox, cache: str | Path | None = None) -> list[Task]:
    """Complete all pending tests: reference outputs are computed once, in the sandbox, and kept."""
    pending = [(task, task.tests) for task in tasks if isinstance(task.tests, Pending)]
    jobs = {task.task_id: tests.preparation() for task, tests in pending}
    path = Path(cache) / f"prepared-{_digest(jobs)[:24]}.json" if cache is not None and jobs else None
    runs = _read_cache(path)
    if runs is None or runs.keys() != jobs.keys():
        limits = Limits(cpu_seconds=60, wall_seconds=240, memory_mb=2048, output_kb=1 << 16)
        found = sandbox.run_many(list(jobs.values()), limits=limits)
        runs = {task_id: run[0] for task_id, run in zip(jobs, found, strict=True)}
        _write_cache(path, runs)
    ready = {task.task_id: _completed(task, tests, runs[task.task_id]) for task, tests in pending}
    if ready and all(task.unsupported for task in ready.values()):
        raise BenchmarkError(f"{next(iter(ready.values())).unsupported}, and so all {len(ready)}; is the file whole?")
    return [ready.get(task.task_id, task) for task in tasks]


def _completed(task: Task, tests: Pending, run: Execution) -> Task:
    """With the limits of EvalPlus, where the reference was timed: for each call, and for all of them."""
    try:
        ready = tests.complete(run, task.task_id)
    except BenchmarkError as error:
        return replace(task, unsupported=str(error))
    if isinstance(ready, CallTests) and ready.seconds:
        return replace(task, tests=ready, cpu_seconds=1.0 + min(_EVALPLUS_SECONDS, len(ready.calls) * ready.seconds))
    return replace(task, tests=ready)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _read_cache(path: Path | None) -> dict[str, Execution] | None:
    if path is None or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["sha256"] != _digest(content["runs"]):
            return None
        return {task_id: Execution(Verdict(run[0]), *run[1:]) for task_id, run in content["runs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _write_cache(path: Path | None, runs: Mapping[str, Execution]) -> None:
    if path is None:
        return
    content = {task_id: [run.verdict.value, run.stdout, run.error, run.cpu_seconds] for task_id, run in runs.items()}
    write_atomic(path, json.dumps({"sha256": _digest(content), "runs": content}))
