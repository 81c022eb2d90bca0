"""How a student is asked, and where its program is in what it writes: three styles, without any model.

``line`` -- the miniature worlds' own: one comment, continued by one line of Python;
``chat`` -- the problem as a user's message; the answer is the last Python fence of the reply;
``fewshot`` -- worked examples in front of the problem, as a text to be continued; the answer ends where the model
begins the next example.  A small model that never closes a fence can still copy a pattern: see notebook 03.
"""

from __future__ import annotations

from functools import cache

from tarot_lite import toyworld, worlds
from tarot_lite.problems import Form, Problem
from tarot_lite.rewards import extract_code

STYLES = ("line", "chat", "fewshot")
NEXT = "\n# Task:"
"""Begins the next example; generation that can stop at a text stops here."""

_EXAMPLES = 6  # of a world: what they cost is paid at every token, on a CPU by the memory of attention


def ask(problem: Problem, style: str, end: str = "") -> str:
    """The text that a student is sent.

    Examples
    --------
    >>> problem = toyworld.problems("probe", 1)[0]
    >>> print(ask(problem, "fewshot").splitlines()[-2])
    # Task: items at least 2, plus two, take the first, at most 22, 100 if none
    """
    if style == "line":
        return toyworld.prompt(problem)
    if style == "chat":
        return problem.statement + "\n\n" + _WANTED[problem.form]
    shown = [*_worked(problem), (problem.statement, None)]
    return "\n\n".join(_task(statement) + _begin(problem.form, program, end) for statement, program in shown)


def read(problem: Problem, completion: str, style: str, answer_tag: str = "answer") -> str | None:
    """The program in a completion, in the problem's form; None if there is none.

    `answer_tag` is the tag that a chat model puts around its answer, see `tarot_lite.rewards.extract_code`.

    Examples
    --------
    >>> problem = toyworld.problems("probe", 1)[0]
    >>> read(problem, " = xs; return sum(ys)\\n\\n# Task: all items", "fewshot")
    'ys = xs; return sum(ys)'
    >>> read(problem, "I would add them up.", "chat") is None
    True
    """
    if style == "chat":
        return extract_code(completion, answer_tag)
    if style == "line":
        return completion.partition("\n")[0].strip() or None
    answer = completion.partition(NEXT)[0].rstrip()
    if not answer.strip():
        return None
    return (_STEM + answer).partition("\n")[0] if problem.form is Form.SCAFFOLD else answer.lstrip("\n") + "\n"


def answer(problem: Problem, style: str) -> str:
    """A problem's reference as a student should write it: what `read` takes apart."""
    program = (problem.reference or "").strip("\n")
    if style == "chat":
        return f"```python\n{program}\n```"
    return program.removeprefix(_STEM) if style == "fewshot" and problem.form is Form.SCAFFOLD else program


_STEM = "ys"  # every body of both worlds begins so; given away, because a first token lost loses all
_WANTED = {
    Form.STDIN_STDOUT: "Write a Python program that reads standard input and prints the answer, in a ```python fence.",
    Form.FUNCTION: "Complete the Python function and give it whole, in a ```python fence.",
    Form.SCAFFOLD: "Write the body of the Python function solve(xs), where xs is a list of int, in a ```python fence.",
}
_PROGRAMS = (
    (
        "Read one line with integers and print their sum.",
        "numbers = [int(word) for word in input().split()]\nprint(sum(numbers))",
    ),
    (
        "The first line holds n. Then come n lines with a word each. Print the words in reverse order, one a line.",
        "n = int(input())\nwords = [input() for _ in range(n)]\nfor word in reversed(words):\n    print(word)",
    ),
    (
        "Read an integer n. Print YES if it is even and above 10, else NO.",
        "n = int(input())\nif n % 2 == 0 and n > 10:\n    print('YES')\nelse:\n    print('NO')",
    ),
)
_FUNCTIONS = (
    ("Write a function total(numbers) that adds up a list.", "def total(numbers):\n    return sum(numbers)"),
    (
        "Write a function vowels(text) that counts the vowels in a text.",
        "def vowels(text):\n    return sum(letter in 'aeiou' for letter in text.lower())",
    ),
    (
        "Write a function largest(numbers) that returns the largest number, or None for an empty list.",
        "def largest(numbers):\n    if not numbers:\n        return None\n    return max(numbers)",
    ),
)


def _worked(problem: Problem) -> list[tuple[str, str | None]]:
    """Statement and program of the worked examples."""
    if problem.form is Form.SCAFFOLD:
        return [(shown.statement, shown.reference) for shown in _world_examples(worlds.name_of(problem))]
    return list(_PROGRAMS if problem.form is Form.STDIN_STDOUT else _FUNCTIONS)


@cache
def _world_examples(name: str) -> list[Problem]:
    """Those of the warm-up split, which no measured problem is from, that show most phrases of a world."""
    world = worlds.get(name)
    pool = world.problems("warmup", 60, tests_per_tier=1)
    chosen, shown = [], set[str]()
    for _ in range(_EXAMPLES):
        best = max(pool, key=lambda problem: len(world.parts_of(problem).phrases - shown))
        chosen.append(best)
        shown |= world.parts_of(best).phrases
    return chosen


def _task(statement: str) -> str:
    lines = statement.removeprefix("# ").splitlines()
    return "# Task: " + "\n# ".join(lines) + "\n"


def _begin(form: Form, program: str | None, end: str) -> str:
    if program is not None:
        return program + end
    return _STEM if form is Form.SCAFFOLD else ""
