"""From published rows to tasks, one reader per schema; field names are those of the data cards.

Every reader takes ``(row, place)`` and raises `BenchmarkError` with place, field and remedy if the row is not what
the data card says.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import pickle
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tarot_lite.benchmarks.asserts import Notes, convert
from tarot_lite.benchmarks.calls import literal
from tarot_lite.benchmarks.expectations import Call, Expectation
from tarot_lite.benchmarks.outputs import CheckedTests, same_numbers, same_words
from tarot_lite.benchmarks.tasks import (
    AssertionTests,
    BenchmarkError,
    CallTests,
    GuessTests,
    NotedTests,
    Pending,
    ReferenceTests,
    StdioTests,
    Task,
    Tests,
)
from tarot_lite.problems import TestCase

Row = Mapping[str, Any]
Reader = Callable[[Row, str], Task]


def humaneval(row: Row, place: str) -> Task:
    """``openai/openai_humaneval`` and openai/human-eval: task_id, prompt, canonical_solution, test, entry_point.

    MBPP in function form (amazon-science/mxeval) has the same fields.
    """
    task_id, prompt, test, entry = (_text(row, name, place) for name in ("task_id", "prompt", "test", "entry_point"))
    canonical = row.get("canonical_solution")
    tests = _check_tests(test, entry, prompt, place)
    return Task(task_id, prompt, tests, entry, prompt + canonical if canonical else None)


def mbpp(row: Row, place: str) -> Task:
    """``google-research-datasets/mbpp``: task_id, text, code, test_list, test_setup_code (config ``full``), or task_id,
    prompt, code, test_list, test_imports (config ``sanitized``); or the function form that `humaneval` reads."""
    if "test" in row and "entry_point" in row:
        return humaneval(row, place)
    statement = _text(row, "text" if "text" in row or "test_setup_code" in row else "prompt", place)
    asserts = _texts(row, "test_list", place)
    setup = row.get("test_setup_code") or "\n".join(_texts(row, "test_imports", place) if "test_imports" in row else [])
    statements = _parse("\n".join(asserts), f"{place}, test_list")
    entry = _called(statements, place)
    code = _text(row, "code", place)
    names = frozenset({entry})
    whole = "\n".join([setup, *asserts])
    tests = _converted(convert(statements, names, setup), entry, AssertionTests(whole, entry))
    return Task(f"MBPP/{_key(row, place)}", _mbpp_prompt(statement, asserts), tests, entry, f"{setup}\n{code}")


def humaneval_plus(row: Row, place: str) -> Task:
    """HumanEval+: the EvalPlus release (base_input, plus_input, atol, contract) or ``evalplus/humanevalplus`` (test)."""
    return (
        _evalplus(row, place, _HUMANEVAL_RULES, {})
        if "base_input" in row
        else _evalplus_hub(row, place, _HUMANEVAL_RULES)
    )


def mbpp_plus(row: Row, place: str) -> Task:
    """MBPP+: the EvalPlus release, or ``evalplus/mbppplus`` (task_id, code, prompt, test_imports, test_list, test)."""
    if "base_input" in row:
        return _evalplus(row, place, _MBPP_RULES, _MBPP_TYPES)
    asserts = _texts(row, "test_list", place)
    entry = _called(_parse("\n".join(asserts), f"{place}, test_list"), place)
    row = {**row, "entry_point": entry, "canonical_solution": _text(row, "code", place)}
    row["prompt"] = _mbpp_prompt(_text(row, "prompt", place), asserts)
    row["task_id"] = f"Mbpp/{_key(row, place)}"
    return _evalplus_hub(row, place, _MBPP_RULES, whole=True)


def cruxeval_input(row: Row, place: str) -> Task:
    """``cruxeval-org/cruxeval`` (code, input, output, id): predict an input that gives the output."""
    code, output = _text(row, "code", place), _literal(row, "output", place)
    prompt = f"{code}\nassert f(??) == {_text(row, 'output', place)}"
    return _cruxeval(row, place, prompt, GuessTests(code, output), _text(row, "input", place))


def cruxeval_output(row: Row, place: str) -> Task:
    """``cruxeval-org/cruxeval``: predict the output for the input."""
    code, given = _text(row, "code", place), _text(row, "input", place)
    output = _literal(row, "output", place)
    return _cruxeval(row, place, f"{code}\nassert f({given}) == ??", GuessTests("", output), output)


def livecodebench(row: Row, place: str) -> Task:
    """``livecodebench/code_generation_lite``: question_title, question_content, platform, question_id, contest_id,
    contest_date, starter_code, difficulty, public_test_cases, private_test_cases, metadata."""
    task_id = _text(row, "question_id", place)
    cases = _json(row, "public_test_cases", place) + _private_tests(_text(row, "private_test_cases", place), place)
    starter = _text(row, "starter_code", place)
    prompt = _text(row, "question_content", place) + (f"\n\nStart from:\n{starter}" if starter else "")
    tags = {
        "difficulty": _text(row, "difficulty", place),
        "platform": _text(row, "platform", place),
        "date": _date(_field(row, "contest_date", place), place),
    }
    kinds = {case.get("testtype") for case in cases}
    if kinds == {"stdin"}:
        tests: Tests = StdioTests(
            tuple(TestCase(case["input"], case["output"]) for case in cases), same_numbers, _LIVE_IMPORTS
        )
        return Task(task_id, prompt, tests, tags=tags)
    if kinds != {"functional"}:
        raise BenchmarkError(
            f"{place}: testtype is {sorted(map(str, kinds))}; expected stdin or functional in every test"
        )
    name = _json(row, "metadata", place).get("func_name")
    if not name:
        raise BenchmarkError(f"{place}: metadata has no func_name, but the tests are functional")
    entry = f"(Solution().{name} if 'Solution' in globals() else {name})"  # a bare function counts as well, as there
    calls = tuple(_functional(case, place) for case in cases)
    tests = CallTests(entry, calls, before=_LIVE_IMPORTS, seconds=_LIVE_SECONDS)
    return Task(task_id, prompt, tests, name, tags=tags, cpu_seconds=len(calls) * _LIVE_SECONDS)


def codeforces(row: Row, place: str) -> Task:
    """``open-r1/codeforces``: id, title, description, input_format, output_format, time_limit (s), memory_limit (MB),
    examples, official_tests, official_tests_complete, input_mode, interaction_format, generated_checker, rating, ...

    Where several answers are right the data has a checker, which then judges.  What cannot be judged by what the row
    holds (interactive, files, tests cut short) is counted apart.  Most official tests are cut short; the data set has others
    in separate files (``generated_tests/``, by problem_id), and where the field ``generated_tests``, their number as
    published, is the list of them instead, they are used as well, as in open-r1's own scoring.
    """
    task_id = _text(row, "id", place)
    generated = row.get("generated_tests")
    generated = generated if isinstance(generated, list) else []
    tests = [*(row.get("official_tests") or []), *generated]
    parts = [
        _text(row, "title", place),
        row.get("description"),
        row.get("input_format"),
        row.get("output_format"),
        row.get("note"),
    ]
    samples = [f"Input:\n{each['input']}\nOutput:\n{each['output']}" for each in row.get("examples") or []]
    prompt = "\n\n".join(part for part in [*parts, *samples] if part)
    start, rating = row.get("contest_start"), row.get("rating")
    tags = {"platform": "codeforces"}
    if start:
        tags["date"] = datetime.fromtimestamp(int(start), UTC).date().isoformat()
    if rating:
        tags["difficulty"] = f"{int(rating) // 400 * 400}-{int(rating) // 400 * 400 + 399}"
    reason = (
        "interactive"
        if row.get("interaction_format")
        else f"reads {row.get('input_mode')!r}, not standard input"
        if row.get("input_mode") not in (None, "stdio", "stdin")
        else "tests are cut short in the data"
        if row.get("official_tests_complete") is False and not generated
        else "no tests in the data"
        if not tests
        else ""
    )
    cases = tuple(TestCase(_unix(each, "input", place), _unix(each, "output", place)) for each in tests)
    checker = row.get("generated_checker")
    return Task(
        task_id,
        prompt,
        None if reason else CheckedTests(cases, checker) if checker else StdioTests(cases, same_words),
        tags=tags,
        cpu_seconds=float(row["time_limit"]) if row.get("time_limit") else None,
        memory_mb=max(256, int(row["memory_limit"])) if row.get("memory_limit") else None,
        unsupported=reason,
    )


def _unix(case: Row, name: str, place: str) -> str:
    """Text of a test with the line ends that programs here read and write; CodeForces publishes those of Windows."""
    return _text(case, name, place).replace("\r\n", "\n")


def _check_tests(test: str, entry: str, prompt: str, place: str) -> Tests | Pending:
    """Tests of a ``check(candidate)`` function."""
    tree = _parse(test, f"{place}, test")
    check = next((node for node in tree if isinstance(node, ast.FunctionDef) and node.name == "check"), None)
    if check is None:
        raise BenchmarkError(
            f"{place}: field 'test' defines no function check(candidate); is it a HumanEval-style row?"
        )
    others = "\n".join(ast.unparse(node) for node in tree if node is not check)
    names = frozenset({"candidate", entry})
    otherwise = AssertionTests(f"{test}\n\ncheck({entry})\n", entry)
    return _converted(convert(check.body, names, f"{prompt}\n{others}"), entry, otherwise)


def _converted(found: list[Call] | Notes | None, entry: str, otherwise: AssertionTests) -> Tests | Pending:
    if isinstance(found, Notes):
        return NotedTests(entry, found, otherwise)
    return CallTests(entry, tuple(found)) if found else otherwise


def _evalplus(row: Row, place: str, rules: Mapping[str, str], types: Mapping[int, str]) -> Task:
    """One row of an EvalPlus release file."""
    task_id, prompt, entry, canonical = (
        _text(row, name, place) for name in ("task_id", "prompt", "entry_point", "canonical_solution")
    )
    number = task_id.rpartition("/")[2]
    if not number.isdecimal():
        raise BenchmarkError(f"{place}: task_id is {task_id!r}; expected a name such as HumanEval/12")
    base, plus = (_inputs(row, name, place, types.get(int(number), "")) for name in ("base_input", "plus_input"))
    tolerance = row.get("atol")
    if not isinstance(tolerance, int | float):
        raise BenchmarkError(f"{place}: field 'atol' is {tolerance!r}; expected a number")
    rule = "evalplus" + (":" + rules[entry] if entry in rules else "")
    reference = prompt + canonical
    tests = ReferenceTests(entry, reference, (*base, *plus), rule, float(tolerance), len(base))
    return Task(task_id, prompt, tests, entry, reference)


def _evalplus_hub(row: Row, place: str, rules: Mapping[str, str], whole: bool = False) -> Task:
    """One row of the Hub's form: inputs and results are lists inside the source of ``test``."""
    task_id, prompt, entry, canonical, test = (
        _text(row, name, place) for name in ("task_id", "prompt", "entry_point", "canonical_solution", "test")
    )
    found: dict[str, ast.expr] = {}
    for node in ast.walk(ast.Module(_parse(test, f"{place}, test"), [])):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, node.value)
    reference = canonical if whole else prompt + canonical
    try:
        inputs = [literal(list(each)) for each in _evaluate(found["inputs"])]
        results = [literal(each) for each in _evaluate(found["results"])] if "results" in found else None
    except (KeyError, ValueError, TypeError):
        return Task(
            task_id,
            prompt,
            AssertionTests(f"{test}\n\ncheck({entry})\n" if not whole else test, entry),
            entry,
            reference,
        )
    rule = "evalplus" + (":" + rules[entry] if entry in rules else "")
    tolerance = 1e-4 if rule == "evalplus:root" else 0.0
    if results is None or len(results) != len(inputs):  # the reference is in the row: it computes what is not
        return Task(task_id, prompt, ReferenceTests(entry, reference, tuple(inputs), rule, tolerance), entry, reference)
    calls = tuple(Call(each, Expectation(rule, want, tolerance)) for each, want in zip(inputs, results, strict=True))
    return Task(task_id, prompt, CallTests(entry, calls), entry, reference)


def _evaluate(node: ast.expr) -> Any:
    """A literal in which ``set()``, ``inf`` and ``complex("1j")`` may occur as well."""
    text = ast.unparse(node).replace("float('inf')", "1e999").replace("-inf", "-1e999")
    return ast.literal_eval(text)


# What LiveCodeBench's runner grants every solution: names of these modules, the modules, and deep recursion.  The builtins
# that differ from such names come back, as there.
_LIVE_MODULES = (
    "string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json"
).split()
_LIVE_IMPORTS = (
    "".join(f"from {module} import *\n" for module in _LIVE_MODULES)
    + "del abs, compile, pow\n"
    + f"from typing import *\nimport {', '.join(_LIVE_MODULES)}\nsys.setrecursionlimit(50000)\n"
)

# For each call of a function.
_LIVE_SECONDS = 6.0

# Which EvalPlus oracle judges a function (others: equality, with a tolerance for floats).
_HUMANEVAL_RULES = {"find_zero": "root"}
_MBPP_RULES = {
    "are_equivalent": "anything",  # Mbpp/164: the published reference is wrong, so EvalPlus accepts every answer
    "sum_div": "zero",
    "surface_Area": "pyramid",
    "digit_distance_nums": "digit_distance",
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "not_none"),
    **dict.fromkeys(
        ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
         "intersection_array", "find_dissimilar", "Diff"), "set",
    ),
}  # fmt: skip

# JSON has no tuples, sets or complex numbers: how the inputs of an Mbpp task are turned back, by the task's number.
_MBPP_TYPES: dict[int, str] = {
    **dict.fromkeys((2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744,
                     809), "tuple each"),
    **dict.fromkeys((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), "tuples in each"),
    **dict.fromkeys((75, 413, 444, 753), "tuples in first"),
    **dict.fromkeys((106, 750), "tuple second"),
    115: "sets in first",
    124: "float and complex",
    **dict.fromkeys((250, 405, 446, 617, 720, 763, 808, 307), "tuple first"),
    **dict.fromkeys((259, 401, 445), "tuple each, tuples in each"),
    278: "tuple each, some tuples in first",
    722: "tuple values in first",
    252: "complex first",
    **dict.fromkeys((580, 615, 791), "tuples all the way"),
}  # fmt: skip

_RESTORE: dict[str, Callable[[list[Any]], Sequence[Any]]] = {
    "": lambda given: given,
    "tuple each": lambda given: [tuple(each) for each in given],
    "tuples in each": lambda given: [[tuple(item) for item in each] for each in given],
    "tuples in first": lambda given: [[tuple(item) for item in given[0]], *given[1:]],
    "tuple second": lambda given: [given[0], tuple(given[1])],
    # the empty one becomes a dict, as in EvalPlus
    "sets in first": lambda given: [[set(item) if isinstance(item, list) and item else {} for item in given[0]]],
    "float and complex": lambda given: [float(given[0]), complex(given[1])],
    "tuple first": lambda given: [tuple(given[0]), *given[1:]],
    "tuple each, tuples in each": lambda given: [tuple(tuple(item) for item in each) for each in given],
    "tuple each, some tuples in first": lambda given: [
        tuple(tuple(item) if isinstance(item, list) else item for item in given[0])
    ],
    "tuple values in first": lambda given: [{key: tuple(value) for key, value in given[0].items()}, *given[1:]],
    "complex first": lambda given: [complex(given[0])],
    "tuples all the way": lambda given: [_tuples(each) for each in given],
}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _inputs(row: Row, name: str, place: str, types: str) -> list[str]:
    given = row.get(name)
    if isinstance(given, str):  # a Hub column may hold them as text
        given = json.loads(given)
    if not isinstance(given, list | dict):
        raise BenchmarkError(f"{place}: field {name!r} is {type(given).__name__}; expected a list of argument lists")
    restore = _RESTORE[types]
    try:
        return [literal(list(restore(list(each)))) for each in given]
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise BenchmarkError(f"{place}: field {name!r} holds arguments that cannot be used ({error})") from None


def _cruxeval(row: Row, place: str, prompt: str, tests: GuessTests, reference: str) -> Task:
    return Task(str(_key(row, place, "id")), prompt, tests, None, reference)


def _mbpp_prompt(statement: str, asserts: Sequence[str]) -> str:
    """The usual MBPP prompt: a docstring with statement and tests."""
    return '"""\n' + "\n".join([statement.strip(), *asserts]) + '\n"""\n'


def _functional(case: Row, place: str) -> Call:
    try:
        arguments = [json.loads(line) for line in str(case["input"]).split("\n") if line.strip()]
        return Call(literal(arguments), Expectation("json", literal(json.loads(case["output"]))))
    except (ValueError, KeyError) as error:
        raise BenchmarkError(f"{place}: a functional test is not JSON, argument by argument ({error})") from None


def _private_tests(text: str, place: str) -> list[dict[str, Any]]:
    """LiveCodeBench's hidden tests: JSON, or base64 of zlib of a pickle that holds nothing but JSON text."""
    try:
        return list(json.loads(text))
    except ValueError:
        pass
    try:
        found = _TextOnly(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()
        return list(json.loads(found))
    except Exception as error:  # a pickle may fail in any way
        raise BenchmarkError(f"{place}: private_test_cases cannot be read ({error})") from None


class _TextOnly(pickle.Unpickler):
    """A pickle from the Hub must not be able to import anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, but must hold text only")


def _called(statements: Sequence[ast.stmt], place: str) -> str:
    """The function that MBPP's assertions are about: the innermost called name that is no builtin wrapper."""
    ignore = frozenset("set sorted list tuple abs round len str int float all any isclose math".split())
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in ignore:
                return node.func.id
    raise BenchmarkError(f"{place}: field 'test_list' calls no function; expected lines such as 'assert f(1) == 2'")


def _parse(source: str, place: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise BenchmarkError(f"{place}: is not Python ({error}); take the published file again") from None


def _field(row: Row, name: str, place: str) -> Any:
    if name not in row:
        raise BenchmarkError(
            f"{place}: field {name!r} is missing; the row has {', '.join(sorted(map(str, row))) or 'none'}"
        )
    return row[name]


def _text(row: Row, name: str, place: str) -> str:
    value = _field(row, name, place)
    if not isinstance(value, str):
        raise BenchmarkError(f"{place}: field {name!r} is {type(value).__name__} ({value!r:.60}); expected text")
    return value


def _texts(row: Row, name: str, place: str) -> list[str]:
    value = _field(row, name, place)
    if isinstance(value, str) or not all(isinstance(each, str) for each in value):
        raise BenchmarkError(f"{place}: field {name!r} is {value!r:.60}; expected a list of texts")
    return list(value)


def _literal(row: Row, name: str, place: str) -> str:
    text = _text(row, name, place)
    try:
        return literal(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        raise BenchmarkError(f"{place}: field {name!r} is {text!r:.60}; expected a Python literal") from None


def _json(row: Row, name: str, place: str) -> Any:
    text = _text(row, name, place)
    try:
        return json.loads(text)
    except ValueError:
        raise BenchmarkError(f"{place}: field {name!r} is not JSON: {text[:60]!r}") from None


def _key(row: Row, place: str, name: str = "task_id") -> str:
    value = _field(row, name, place)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BenchmarkError(f"{place}: field {name!r} is {value!r}; expected the task's id")
    return str(value)


def _date(value: Any, place: str) -> str:
    """A date as text or, from `datasets`, as a time stamp."""
    try:
        return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).date().isoformat()
    except (ValueError, TypeError):
        raise BenchmarkError(
            f"{place}: contest_date is {value!r}; expected a date such as 2024-10-05T00:00:00"
        ) from None
