"""Styles of asking: what is sent, and where the program is in what comes back."""

from __future__ import annotations

import pytest

from tarot_lite import toyworld, worlds
from tarot_lite.problems import Form, Problem
from tarot_lite.students import prompting
from tarot_lite.worlds import mixed

TOY = toyworld.problems("probe", 1)[0]


@pytest.mark.parametrize("world", [toyworld, mixed])
def test_worked_examples_are_right_and_none_is_a_measured_problem(world) -> None:
    asked = world.problems("probe", 1)[0]
    examples = prompting._world_examples(worlds.name_of(asked))
    assert len({problem.problem_id for problem in examples}) == 6
    warm = {spec.statement for spec in world.specs("warmup")}
    assert all(problem.statement in warm for problem in examples)
    text = prompting.ask(asked, "fewshot", end="<end>")
    assert [text.count(f"{problem.reference}<end>\n\n") for problem in examples] == [1] * 6
    assert text.endswith(f"# Task: {asked.statement.removeprefix('# ')}\nys")


@pytest.mark.parametrize("form", [Form.STDIN_STDOUT, Form.FUNCTION])
def test_worked_programs_compile_and_the_task_comes_last(form: Form) -> None:
    entry = "double" if form is Form.FUNCTION else None
    problem = Problem("p", "Line one.\nLine two.", form=form, entry_point=entry)
    text = prompting.ask(problem, "fewshot")
    assert text.endswith("# Task: Line one.\n# Line two.\n")
    compile(text, "examples", "exec")  # tasks are comments, so the whole prompt is a program
    assert text.count("# Task:") == 4


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        (" = [x for x in xs]; return sum(ys)", "ys = [x for x in xs]; return sum(ys)"),
        (" = xs; return ys[0]\n\n# Task: all", "ys = xs; return ys[0]"),
        (" = xs\nreturn ys[0]", "ys = xs"),
        ("\n# Task: all", None),
        ("  \n", None),
    ],
)
def test_a_body_ends_with_its_line(completion: str, code: str | None) -> None:
    assert prompting.read(TOY, completion, "fewshot") == code


def test_a_program_ends_where_the_next_example_begins() -> None:
    problem = Problem("p", "Print one.")
    written = (
        "\nfor i in range(1):\n    # Task: a comment inside\n    print(1)\n\nx = 1\n\n# Task: Print two.\nprint(2)"
    )
    code = prompting.read(problem, written, "fewshot")
    assert code == "for i in range(1):\n    # Task: a comment inside\n    print(1)\n\nx = 1\n"


def test_chat_is_read_from_the_fence() -> None:
    assert "```python fence" in prompting.ask(Problem("p", "Print one."), "chat")
    assert prompting.read(TOY, "Sure:\n```python\nreturn 1\n```", "chat") == "return 1\n"
    assert prompting.read(TOY, "return 1", "chat") is None
