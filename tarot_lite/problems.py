"""Problems with tiered tests: the objects that every stage passes on, and their files.

A problem carries one of three forms of program under test (`Form`).  All of them become an ordinary program
that reads standard input and writes standard output (`Problem.program`), so one sandbox and one judge serve
TAROT rows, HumanEval-style functions and the tiny student alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines
from tarot_lite.fences import program
from tarot_lite.judging import EXACT, Comparison, same_output, same_value
from tarot_lite.literals import plain, source, written

BODY = "{{body}}"
"""Where a scaffold takes the function body."""

HELD = "all assertions held"
"""What an assertion test wants on standard output."""


class ProblemError(ValueError):
    """A problem, row or file that cannot be used; the message names the place, the value and the remedy."""


class Tier(StrEnum):
    """Difficulty tier of a test, in the paper's order: ``list(Tier)`` runs from easy to hard.

    The published data says ``medium`` and ``high`` where the paper says intermediate and complex.

    Examples
    --------
    >>> Tier.from_label("high"), Tier.COMPLEX.label, Tier.from_label(None)
    (<Tier.COMPLEX: 'complex'>, 'high', None)
    """

    BASIC = "basic"
    INTERMEDIATE = "intermediate"
    COMPLEX = "complex"
    EDGE = "edge"

    @property
    def label(self) -> str:
        """The name that the published data uses."""
        return {"intermediate": "medium", "complex": "high"}.get(self.value, self.value)

    @property
    def rank(self) -> int:
        """Position from easy (0) to hard (3)."""
        return list(Tier).index(self)

    @classmethod
    def from_label(cls, label: str | None) -> Tier | None:
        """Read a label, published or the paper's; None is a test without a tier."""
        if label is None:
            return None
        for tier in cls:
            if label in (tier.value, tier.label):
                return tier
        known = ", ".join(dict.fromkeys(name for tier in cls for name in (tier.value, tier.label)))
        raise ProblemError(f"tier label {label!r} is unknown; use one of {known}, or null for a test without a tier")


class Form(StrEnum):
    """How a candidate's code becomes a program.

    ``stdin_stdout`` -- it is one already; ``function`` -- it defines `Problem.entry_point`, a function or LeetCode's
    ``Solution().method``, each test's input is a
    literal list of arguments and its output the result as a literal (see `tarot_lite.literals`); ``scaffold`` -- it is
    the body of a function and `Problem.scaffold` makes the program; ``assertion`` -- each test's input is Python source
    that runs in the candidate's namespace and raises if it is wrong, and its output is `HELD`.

    With ``assertion`` the test shares a process with the program, so a hostile program can forge the verdict.  Use it
    only for checks that cannot be put as calls, and not as a reward.
    """

    STDIN_STDOUT = "stdin_stdout"
    FUNCTION = "function"
    SCAFFOLD = "scaffold"
    ASSERTION = "assertion"


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test: an input, the output that it wants, and the tier it belongs to.

    Parameters
    ----------
    input, output
        Text for standard input and text expected on standard output (arguments and result for functions).
    tier
        None for a test without a tier (the data set's original test); it is run, never rewarded.
    reason
        Why the test belongs to its tier, in words, if anybody said so.
    """

    __test__ = False  # pytest: not a test class

    input: str
    output: str
    tier: Tier | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Problem:
    """A programming problem with its tests.

    Parameters
    ----------
    problem_id
        Unique in its file.
    statement
        What the model is asked (for a scaffold: the line it continues).
    tests
        In order; any number per tier.
    reference
        A right answer in the problem's own form (program, function or body); None if unknown.
    form, scaffold, entry_point
        See `Form`.  `scaffold` holds ``{{body}}`` once, indented as the body shall be.
    comparison
        How outputs are compared; exact unless the problem says otherwise.
    extra
        Whatever else the row held, kept so that it can be written back.

    Raises
    ------
    ProblemError
        If a field that the form needs is missing.

    Examples
    --------
    >>> double = Problem("double", "Print twice the number.", (TestCase("4\\n", "8\\n", Tier.BASIC),))
    >>> double.tiers, double.answers(double.tests[0], "8")
    ((<Tier.BASIC: 'basic'>,), True)
    >>> body = replace(double, form=Form.SCAFFOLD, scaffold="x = int(input())\\ndef f(x):\\n    {{body}}\\nprint(f(x))")
    >>> print(body.program("return 2 * x"))
    x = int(input())
    def f(x):
        return 2 * x
    print(f(x))
    """

    problem_id: str
    statement: str
    tests: tuple[TestCase, ...] = ()
    reference: str | None = None
    form: Form = Form.STDIN_STDOUT
    scaffold: str | None = None
    entry_point: str | None = None
    comparison: Comparison = EXACT
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        where = f"problem {self.problem_id!r}"
        if not self.problem_id or not isinstance(self.problem_id, str):
            raise ProblemError(f"{where}: problem_id must be a non-empty text")
        if self.form is Form.SCAFFOLD and (self.scaffold or "").count(BODY) != 1:
            raise ProblemError(
                f"{where}: form 'scaffold' needs a scaffold that holds {BODY} once, got {self.scaffold!r}"
            )
        if self.form is Form.FUNCTION and not self.entry_name.isidentifier():
            raise ProblemError(
                f"{where}: form 'function' needs entry_point, the function's name or Solution().method, got "
                f"{self.entry_point!r}"
            )

    @property
    def entry_name(self) -> str:
        """Name of the function or method that the tests call; empty if the form has none."""
        return (self.entry_point or "").removeprefix(_METHOD)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that have a test, easy to hard."""
        return tuple(tier for tier in Tier if any(test.tier is tier for test in self.tests))

    def program(self, code: str) -> str:
        """Make the program that the sandbox runs from a candidate's code."""
        if self.form is Form.SCAFFOLD:
            assert self.scaffold is not None
            line = next(line for line in self.scaffold.splitlines() if BODY in line)
            indent = line[: len(line) - len(line.lstrip())]
            return self.scaffold.replace(BODY, code.strip("\n").replace("\n", "\n" + indent))
        if self.form is Form.FUNCTION:
            *_, start = [0, *(match.end() for match in _FUTURE.finditer(code))]
            after = _AFTER.replace("__entry_point__", self.entry_point or "")
            before = _BEFORE + (_LEETCODE if (self.entry_point or "").startswith(_METHOD) else "")
            return f"{code[:start]}{before}{code[start:]}\n{after}"
        if self.form is Form.ASSERTION:
            return f"_candidate = {code!r}\n{_ASSERT}"
        return code

    def answers(self, test: TestCase, output: str) -> bool:
        """Whether `output`, the program's whole standard output, is what `test` wants."""
        same = same_value if self.form is Form.FUNCTION else same_output
        return same(output, test.output, self.comparison)

    def with_tests(self, tests: Iterable[TestCase]) -> Problem:
        """A copy with other tests."""
        return replace(self, tests=tuple(tests))


# Around a function's source, inside the sandbox.  It is loaded as the benchmarks' own checkers load it: a main block does
# not run, and what it prints is not its answer.  Arguments come on stdin.  A program may have functions named like
# builtins, so these are taken from a module; to load `ast` would make every fork slower.
_BEFORE = 'import io as _tarot_io, sys as _tarot_sys; __name__ = "builtins"; _tarot_sys.stdout = _tarot_io.StringIO()\n'
_METHOD = "Solution()."
_LEETCODE = (  # what LeetCode has imported before such a class is read
    "import bisect, collections, functools, heapq, itertools, math, string; from typing import *; "
    "from bisect import *; from collections import *; from functools import *; from heapq import *; from itertools import *\n"
)
_FUTURE = re.compile(r"^from __future__ import (?:\([^)]*\)|[^\n]*)\n", re.MULTILINE)
_AFTER = f"""
if True:
    _tarot = {{"__builtins__": _tarot_io.__dict__["__builtins__"]}}
    _tarot_own = _tarot["__builtins__"]
    _tarot_type, _tarot_set = _tarot_own["type"], _tarot_own["set"]
    _tarot_plain = {{_tarot_own[_tarot_x] for _tarot_x in ("int", "str", "bool", "float", "bytes")}} | {{_tarot_type(None)}}
    _tarot_x = _tarot_own["eval"](_tarot_sys.stdin.read(), {{"__builtins__": {{"set": _tarot_set}}}})
    _tarot_x = __entry_point__(*_tarot_x)
    try:
        _tarot_left = [[_tarot_x]]
        while _tarot_left:
            _tarot_each = _tarot_left.pop()
            if not _tarot_set(_tarot_own["map"](_tarot_type, _tarot_each)) <= _tarot_plain:
                for _tarot_each in _tarot_each:
                    if _tarot_type(_tarot_each) in (_tarot_own["list"], _tarot_own["tuple"], _tarot_set):
                        _tarot_left.append(_tarot_each)
                    elif _tarot_type(_tarot_each) is _tarot_own["dict"]:
                        _tarot_left += [_tarot_own["list"](_tarot_each), _tarot_own["list"](_tarot_each.values())]
                    elif _tarot_type(_tarot_each) not in _tarot_plain:
                        raise _tarot_own["ValueError"]
        _tarot_x = _tarot_own["repr"](_tarot_x)
    except _tarot_own["ValueError"]:  # not plain already, or an int of more digits than repr writes: our functions are compiled
        _tarot_own["exec"]({source(plain, written)!r}, _tarot)
        _tarot_x = _tarot["written"](_tarot_x)
    _tarot_own["print"](_tarot_x, file=_tarot_sys.__stdout__)
"""

# Runs an assertion test: what program and test print does not count, only that both come to their end.
_ASSERT = f"""
import contextlib, io, sys, types
_test, _module = sys.stdin.read(), types.ModuleType("solution")
sys.modules["solution"] = _module
with contextlib.redirect_stdout(io.StringIO()):
    exec(compile(_candidate, "solution.py", "exec"), _module.__dict__)
    exec(compile(_test, "test.py", "exec"), _module.__dict__)
print({HELD!r})
"""

_PUBLISHED_ORDER = ("source", "task_type", "in_source_id", "problem", "gold_standard_solution", "verification_info",
                    "metadata", "problem_id", "custom_id", "tarot_lite")  # fmt: skip
_ROW_FIELDS = ("problem", "gold_standard_solution", "verification_info", "problem_id")


def from_row(row: Mapping[str, Any], place: str = "row") -> Problem:
    """Read one row of the published TAROT schema, or of our own files (the same schema and a few fields more).

    Examples
    --------
    >>> test = {"input": "1\\n", "output": "2\\n", "type": "stdin_stdout", "label": "high", "reason": None}
    >>> problem = from_row({"problem_id": "p", "problem": "Add one.", "verification_info": {"test_cases": [test]}})
    >>> problem.tests[0].tier
    <Tier.COMPLEX: 'complex'>
    """
    if not isinstance(row, Mapping):
        raise ProblemError(f"{place}: expected an object with the fields of a problem, got {type(row).__name__}")
    place = f"{place}, problem {row['problem_id']!r}" if row.get("problem_id") else place
    info = _required(row, "verification_info", place)
    if isinstance(info, str):
        info = _parse_json(info, f"{place}, verification_info")
    if not isinstance(info, Mapping):
        raise ProblemError(f"{place}: verification_info is {type(info).__name__}; expected an object with 'test_cases'")
    tests = []
    cases = _required(info, "test_cases", f"{place}, verification_info") or ()
    if not isinstance(cases, list | tuple):
        raise ProblemError(f"{place}: test_cases is {type(cases).__name__} ({cases!r:.60}); expected a list of tests")
    for number, case in enumerate(cases):
        here = f"{place}, test {number}"
        if not isinstance(case, Mapping):
            raise ProblemError(
                f"{here}: is {type(case).__name__} ({case!r:.60}); expected an object with input and output"
            )
        try:
            tier = Tier.from_label(case.get("label"))
        except ProblemError as error:
            raise ProblemError(f"{here}: {error}") from None
        given, expected = (_text(case, name, here) for name in ("input", "output"))
        tests.append(TestCase(given, expected, tier, _text_or_none(case, "reason", here)))
    gold = _text_or_none(row, "gold_standard_solution", place)
    fenced = program(gold) if gold else None
    ours = row.get("tarot_lite") or {}
    if not isinstance(ours, Mapping):
        raise ProblemError(f"{place}: field 'tarot_lite' is {type(ours).__name__} ({ours!r:.60}); expected an object")
    try:
        form = Form(ours.get("form", "stdin_stdout"))
    except ValueError:
        raise ProblemError(f"{place}: form {ours['form']!r} is unknown; use one of {', '.join(Form)}") from None
    try:
        comparison = Comparison(**ours.get("comparison", {}))
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"{place}: comparison is {ours['comparison']!r:.80} ({error}); it may hold float_tolerance and unordered_lines"
        ) from None
    return Problem(
        problem_id=_text(row, "problem_id", place),
        statement=_text(row, "problem", place),
        tests=tuple(tests),
        reference=gold if fenced is None else fenced.removesuffix("\n"),
        form=form,
        scaffold=_text_or_none(ours, "scaffold", place),
        entry_point=_text_or_none(ours, "entry_point", place),
        comparison=comparison,
        extra={key: value for key, value in row.items() if key not in _ROW_FIELDS and key != "tarot_lite"}
        | {
            "_gold": gold,
            "_info": {key: value for key, value in info.items() if key != "test_cases"},
            "_order": tuple(row),
        },
    )


def to_row(problem: Problem) -> dict[str, Any]:
    """Write a problem in the published schema.  ``from_row`` and back gives the row again, fields in the same order.

    What the schema has no place for (form, scaffold, comparison) goes into one more field, ``tarot_lite``,
    which is absent for an ordinary stdin/stdout problem.
    """
    row = {key: value for key, value in problem.extra.items() if not key.startswith("_")}
    gold = problem.extra.get("_gold")
    if problem.reference is not None and (gold is None or problem.reference not in gold):
        gold = f"```python\n{problem.reference}\n```"
    row |= {
        "problem": problem.statement,
        "gold_standard_solution": gold,
        "verification_info": {
            **(problem.extra.get("_info") or {"language": "python"}),
            "test_cases": [
                {
                    "input": test.input,
                    "output": test.output,
                    "type": "stdin_stdout",
                    "label": test.tier.label if test.tier else None,
                    "reason": test.reason,
                }
                for test in problem.tests
            ],
        },
        "problem_id": problem.problem_id,
    }
    ours: dict[str, Any] = {}
    if problem.form is not Form.STDIN_STDOUT:
        ours["form"] = problem.form.value
    for name in ("scaffold", "entry_point"):
        if getattr(problem, name) is not None:
            ours[name] = getattr(problem, name)
    if problem.comparison != EXACT:
        ours["comparison"] = {
            "float_tolerance": problem.comparison.float_tolerance,
            "unordered_lines": problem.comparison.unordered_lines,
        }
    if ours:
        row["tarot_lite"] = ours
    order = [name for name in problem.extra.get("_order", _PUBLISHED_ORDER) if name in row]
    return {name: row[name] for name in dict.fromkeys([*order, *row])}


def read_problems(path: str | Path) -> list[Problem]:
    """Read a JSONL file of problems, one row a line (see `from_row`); blank lines are skipped."""
    path = Path(path)
    if not path.is_file():
        raise ProblemError(f"{path}: no such file; give a JSONL file with one problem a line")
    problems: dict[str, Problem] = {}
    for place, row in jsonlines.read(path, ProblemError):
        problem = from_row(row, place)
        if problem.problem_id in problems:
            raise ProblemError(f"{place}: problem id {problem.problem_id!r} was used before; ids must be unique")
        problems[problem.problem_id] = problem
    if not problems:
        raise ProblemError(f"{path}: the file holds no problem; each line must be one JSON object")
    return list(problems.values())


def _parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ProblemError(f"{place}: not JSON ({error}); the text begins {text[:60]!r}") from None


def _required(row: Mapping[str, Any], name: str, place: str) -> Any:
    if name not in row:
        raise ProblemError(f"{place}: field {name!r} is missing; the row has {', '.join(sorted(row)) or 'no fields'}")
    return row[name]


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = _required(row, name, place)
    if not isinstance(value, str):
        raise ProblemError(f"{place}: field {name!r} is {type(value).__name__} ({value!r:.60}); expected text")
    return value


def _text_or_none(row: Mapping[str, Any], name: str, place: str) -> str | None:
    return None if row.get(name) is None else _text(row, name, place)
