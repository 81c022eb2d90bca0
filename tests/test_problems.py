"""Problems: forms, files, and errors that say where and what to do."""

import copy
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarot_lite.judging import Comparison
from tarot_lite.problems import (
    HELD,
    Form,
    Problem,
    ProblemError,
    TestCase,
    Tier,
    from_row,
    read_problems,
    to_row,
)
from tarot_lite.suites.sources import write_rows

ROW = {
    "source": "made",
    "problem": "Add one.",
    "gold_standard_solution": "```python\nprint(int(input()) + 1)\n```",
    "verification_info": {
        "language": "python",
        "test_cases": [
            {"input": "1\n", "output": "2\n", "type": "stdin_stdout", "label": label, "reason": "why"}
            for label in (None, "basic", "medium", "high", "edge")
        ],
    },
    "metadata": {"difficulty": "1"},
    "problem_id": "one",
}


def without(name):
    return {key: value for key, value in ROW.items() if key != name}


def with_test(**changes):
    row = json.loads(json.dumps(ROW))
    row["verification_info"]["test_cases"][2] |= changes
    return row


def test_published_labels_become_the_papers_tiers_in_order():
    problem = from_row(ROW)
    assert [test.tier for test in problem.tests] == [None, *Tier]
    assert problem.reference == "print(int(input()) + 1)"
    assert problem.tiers == tuple(Tier)


def test_reading_never_changes_the_row_and_writing_gives_it_back():
    before = json.dumps(ROW)
    assert to_row(from_row(ROW)) == ROW
    assert json.dumps(ROW) == before


def test_verification_info_may_be_json_text():
    row = {**ROW, "verification_info": json.dumps(ROW["verification_info"])}
    assert from_row(row).tests == from_row(ROW).tests


def test_published_rows_come_back_field_by_field(shared_data):
    for line in (shared_data / "tarot_sample.jsonl").read_text(encoding="utf-8").splitlines():
        assert to_row(from_row(json.loads(line))) == json.loads(line)


def test_every_form_survives_a_file(tmp_path):
    tests = (TestCase("[1]", "2", Tier.EDGE),)
    problems = [
        from_row(ROW),
        Problem("f", "Add one.", tests, "def add(x):\n    return x + 1", Form.FUNCTION, entry_point="add"),
        Problem("s", "Add one.", tests, "return x + 1", Form.SCAFFOLD, scaffold="def f(x):\n    {{body}}\n"),
        Problem("a", "Add one.", tests, "def add(x):\n    return x + 1", Form.ASSERTION, entry_point="add"),
        Problem("c", "Third.", tests, "print(1/3)", comparison=Comparison(float_tolerance=1e-9)),
        Problem("n", "No reference, no tests."),
    ]
    write_rows(tmp_path / "p.jsonl", map(to_row, problems))
    assert read_problems(tmp_path / "p.jsonl") == problems


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1], "row: expected an object with the fields of a problem, got list"),
        (without("problem"), "problem 'one': field 'problem' is missing; the row has"),
        (without("problem_id"), "row: field 'problem_id' is missing"),
        (without("verification_info"), "field 'verification_info' is missing"),
        ({**ROW, "problem": 7}, "field 'problem' is int"),
        ({**ROW, "verification_info": "{"}, "verification_info: not JSON"),
        ({**ROW, "verification_info": [1]}, "verification_info is list"),
        (with_test(label="hard"), "test 2: tier label 'hard' is unknown; use one of basic, intermediate, medium"),
        (with_test(output=None), "test 2: field 'output' is NoneType"),
        ({**ROW, "tarot_lite": {"form": "poem"}}, "form 'poem' is unknown"),
        ({**ROW, "tarot_lite": {"form": "scaffold"}}, "needs a scaffold that holds"),
        ({**ROW, "tarot_lite": {"form": "function", "entry_point": "a b"}}, "needs entry_point"),
    ],
)
def test_a_broken_row_says_where_and_what(row, message):
    with pytest.raises(ProblemError) as error:
        from_row(row)
    assert message in str(error.value)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.just({"a": 1})
WHOLE = {
    **ROW,
    "tarot_lite": {"form": "scaffold", "scaffold": "{{body}}", "comparison": {"float_tolerance": 0.1}},
}


def places(value, path=()):
    """Every place in a nested value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


@given(st.data())
def test_one_wrong_value_anywhere_is_told_as_a_broken_row_or_does_no_harm(data):
    row = copy.deepcopy(WHOLE)
    *way, last = data.draw(st.sampled_from([place for place in places(row) if place]))
    inside = row
    for key in way:
        inside = inside[key]
    inside[last] = data.draw(JUNK)
    try:
        problem = from_row(row, "file.jsonl, line 3")
    except ProblemError as error:
        assert str(error).startswith("file.jsonl, line 3") or "problem " in str(error)
    else:
        to_row(problem)
        problem.program("return 1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gold_standard_solution": 5}, "problem 'one': field 'gold_standard_solution' is int (5); expected text"),
        ({"verification_info": {"test_cases": "[]"}}, "test_cases is str ('[]'); expected a list of tests"),
        ({"verification_info": {"test_cases": [["1", "2"]]}}, "test 0: is list (['1', '2']); expected an object"),
        ({"tarot_lite": ["function"]}, "field 'tarot_lite' is list (['function']); expected an object"),
        ({"tarot_lite": {"comparison": {"tolerance": 1}}}, "comparison is {'tolerance': 1} ("),
        ({"tarot_lite": {"comparison": {"float_tolerance": "1"}}}, "Comparison.float_tolerance is '1'; give a finite"),
        ({"tarot_lite": {"form": "scaffold", "scaffold": 3}}, "field 'scaffold' is int (3); expected text"),
    ],
)
def test_values_of_a_wrong_kind_are_named(changes, message):
    with pytest.raises(ProblemError) as error:
        from_row({**ROW, **changes})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no problem"),
        ("\n\n", "holds no problem"),
        (json.dumps(ROW) + "\n{oops\n", "line 2: not JSON"),
        (json.dumps(ROW) + "\n" + json.dumps(ROW), "line 2: problem id 'one' was used before"),
        (json.dumps(without("problem")), "line 1, problem 'one': field 'problem'"),
    ],
)
def test_a_broken_file_says_which_line(tmp_path, text, message):
    path = tmp_path / "broken.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProblemError) as error:
        read_problems(path)
    assert str(path) in str(error.value) and message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ProblemError, match="no such file"):
        read_problems(tmp_path / "nowhere.jsonl")


def test_a_scaffold_indents_every_line_of_the_body():
    problem = Problem("s", "", form=Form.SCAFFOLD, scaffold="def f(x):\n    {{body}}\nprint(f(3))")
    assert problem.program("if x:\n    return 1\nreturn 2\n") == (
        "def f(x):\n    if x:\n        return 1\n    return 2\nprint(f(3))"
    )


def test_with_tests_leaves_the_original_alone():
    problem = from_row(ROW)
    fewer = problem.with_tests(problem.tests[:1])
    assert len(problem.tests) == 5 and fewer == replace(problem, tests=problem.tests[:1])


@pytest.mark.parametrize(
    ("code", "held"),
    [
        ("def add(x):\n    print('noise')\n    return x + 1", True),
        ("def add(x):\n    return x", False),
        ("def add(x):\n    raise SystemExit(0)", False),
        ("x = 1", False),
    ],
)
def test_an_assertion_test_holds_only_if_the_check_comes_to_its_end(code, held):
    problem = Problem("a", "Add one.", (TestCase("assert add(1) == 2", HELD),), form=Form.ASSERTION)
    run = subprocess.run(
        [sys.executable, "-c", problem.program(code)], input=problem.tests[0].input, capture_output=True, text=True
    )
    assert problem.answers(problem.tests[0], run.stdout) is held and run.stdout.strip() == HELD * held


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (
            "def back(*given):\n    print('noise')\n    return given",
            "(3, set(), {1: -2.5}, 'x\\n', [True, None, b'a', (1+2j)])",
        ),
        ("def back(*_):\n    return 1\ndef eval(_): raise ValueError\nset = print = repr = type = eval", "1"),
    ],
    ids=["every kind of argument", "names of builtins"],
)
def test_a_function_test_gives_arguments_and_prints_the_answer_alone(code, answer):
    given = "(3, set(), {1: -2.5}, 'x\\n', [True, None, b'a', 1+2j])"
    problem = Problem("f", "Give it back.", (TestCase(given, answer),), form=Form.FUNCTION, entry_point="back")
    run = subprocess.run([sys.executable, "-c", problem.program(code)], input=given, capture_output=True, text=True)
    assert problem.answers(problem.tests[0], run.stdout), run.stderr
    assert run.stdout == answer + "\n"
