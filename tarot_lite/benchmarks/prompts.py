"""From a task to a prompt, and from what the model wrote to a solution."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from tarot_lite.benchmarks.registry import Benchmark
from tarot_lite.benchmarks.tasks import BenchmarkError, Task
from tarot_lite.fences import compiles, program
from tarot_lite.problems import BODY, Form, Problem

STYLES = ("complete", "chat", "own")
"""``complete``: a base model continues the prompt.  ``chat``: an instruct model is sent the benchmark's instruction and
the prompt as a user's message, in its chat template.  ``own``: the student's own prompt and extraction (the tiny students
know one-line comments and bodies only)."""

_ASSERTION = "[PYTHON]\n{}\n[/PYTHON]\n[ANSWER]\n"
_SHOT = "[PYTHON]\n{}\nassert {} == {}\n[/PYTHON]\n[ANSWER]\nassert {} == {}\n[/ANSWER]\n\n"
_SHOT_INPUT = _SHOT.format("def f(a, b):\n    return a * b", "f(??)", "12", "f(3, 4)", "12")
_SHOT_OUTPUT = _SHOT.format("def f(s):\n    return s[::-1]", 'f("ab")', "??", 'f("ab")', '"ba"')


def default_style(benchmark: Benchmark, asked: str) -> str:
    """How a student is asked that is otherwise `asked` in one of `tarot_lite.students.prompting.STYLES`.

    The tokenizer does not decide: those of many base models have a chat template that no training went with.

    Examples
    --------
    >>> from tarot_lite.benchmarks.registry import get_benchmark
    >>> [default_style(get_benchmark("functions"), asked) for asked in ("chat", "fewshot", "line")]
    ['chat', 'complete', 'own']
    >>> default_style(get_benchmark("humaneval"), "line")
    'complete'
    """
    if asked == "chat":
        return "chat"
    return "own" if asked == "line" and not benchmark.hub else "complete"


def render(task: Task, benchmark: Benchmark, style: str, tokenizer: Any = None) -> str:
    """Write the prompt of a task.

    Examples
    --------
    >>> from tarot_lite.benchmarks.registry import get_benchmark
    >>> render(Task("t", "Print 1.", None), get_benchmark("codeforces"), "complete")
    '\"\"\"\\nPrint 1.\\n\"\"\"\\n'
    """
    prompt = task.prompt
    if style == "complete":
        if benchmark.prompt == "statement":
            return f'"""\n{prompt}\n"""\n'
        return _shot(benchmark) + _ASSERTION.format(prompt) if benchmark.prompt == "assertion" else prompt
    if style != "chat":
        raise BenchmarkError(f"prompt style {style!r} is unknown; use one of {', '.join(STYLES)}")
    if benchmark.prompt == "code":
        prompt = f"```python\n{prompt.strip()}\n```"
    elif benchmark.prompt == "assertion":
        prompt = _shot(benchmark) + f"[PYTHON]\n{prompt}\n[/PYTHON]"
    message = f"{benchmark.instruction}\n\n{prompt}"
    if tokenizer is None:
        return message
    messages = [{"role": "user", "content": message}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def solution(task: Task, benchmark: Benchmark, style: str, text: str) -> str | None:
    """Find the solution in what a model wrote after the prompt.

    Parameters
    ----------
    text
        The completion, without the prompt.

    Returns
    -------
    str or None
        A whole program (for CRUXEval: the predicted expression); None if there is none.

    Examples
    --------
    >>> from tarot_lite.benchmarks.registry import get_benchmark
    >>> task = Task("t", "def f(x):\\n", None, entry_point="f")
    >>> solution(task, get_benchmark("humaneval"), "complete", "    return x\\n\\nprint(f(1))")
    'def f(x):\\n    return x\\n'
    >>> solution(task, get_benchmark("humaneval"), "chat", "Sure:\\n```python\\ndef f(x):\\n    return x\\n```")
    'def f(x):\\n    return x\\n'
    """
    if benchmark.prompt == "assertion":
        return _prediction(text, benchmark.name.endswith("-i"))
    if style == "complete":
        completion = cut(text, benchmark.stops)
        return completion if benchmark.prompt == "statement" else task.whole(completion)
    # an example of use often follows the answer, and a base model often does not close its fence
    code = program(text, lambda code: _defines(code, task.entry_point), unclosed=True)
    if code is None:
        code = _without_prose(text) or (text if _defines(text, task.entry_point) else "")
    if not code.strip():
        return None
    if benchmark.prompt == "statement" or task.entry_point is None:
        return code
    return task.prelude + code if _defines(code, task.entry_point) else task.whole(code)


def cut(text: str, stops: Sequence[str]) -> str:
    """What comes before the first of the stop texts.

    >>> cut("    return 1\\ndef g():", ["\\ndef "])
    '    return 1'
    """
    ends = [found for stop in stops if (found := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def own_problem(task: Task) -> Problem:
    """A task as the student's own kind of problem: its docstring as a comment, its function as the scaffold.

    >>> own_problem(Task("t", 'def f(xs):\\n    \"\"\"add them up\"\"\"\\n', None, entry_point="f")).statement
    '# add them up'
    """
    doc = ast.get_docstring(ast.parse(task.prompt).body[-1]) or ""  # type: ignore[arg-type]
    return Problem(task.task_id, f"# {doc}", form=Form.SCAFFOLD, scaffold=f"{task.prompt}    {BODY}\n")


def _without_prose(text: str) -> str | None:
    """Behind a text that is no program, the lines that are one; None if there are none, or nothing stands before them."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if re.match(r"(?:from|import|def|class|async|@)\b", line)]
    if not starts or compiles("\n".join(lines[: starts[0]])):
        return None
    ends = [len(lines), *(number for number in range(len(lines) - 1, -1, -1) if not lines[number].strip())]
    tries = [(start, end) for start in starts[:4] for end in ends[:8] if end > start]
    return next((code for start, end in tries if compiles(code := "\n".join(lines[start:end]) + "\n")), None)


def is_wrapped(text: str) -> bool:
    r"""Whether a text is no program as it is, but holds one between marks or prose.

    >>> is_wrapped("```python\nprint(1)\n```"), is_wrapped("print(1)"), is_wrapped("Sure!\n\nimport os\n")
    (True, False, True)
    """
    return not compiles(text) and (program(text, unclosed=True) is not None or _without_prose(text) is not None)


def _defines(code: str, entry: str | None) -> bool:
    return (
        entry is not None and re.search(rf"^\s*(?:async\s+)?def {re.escape(entry)}\b", code, re.MULTILINE) is not None
    )


def _shot(benchmark: Benchmark) -> str:
    return _SHOT_INPUT if benchmark.name.endswith("-i") else _SHOT_OUTPUT


def _prediction(text: str, is_input: bool) -> str | None:
    """The arguments or the value in ``assert f(<arguments>) == <value>``, or the bare answer."""
    _, tag, answer = text.rpartition("[ANSWER]")
    answer = cut(answer if tag else text, ["[/ANSWER]", "\n[PYTHON]"]).strip().strip("`").removeprefix("python").strip()
    try:
        tree = ast.parse(answer.removeprefix("assert").strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return answer if is_input else answer or None  # a function may take no arguments
    is_assertion = isinstance(tree, ast.Compare) and len(tree.ops) == 1 and _is_call_of_f(tree.left)
    if is_input:
        call = tree.left if is_assertion and isinstance(tree, ast.Compare) else tree
        if not isinstance(call, ast.Call) or not _is_call_of_f(call):
            return answer or None
        return ", ".join([ast.unparse(each) for each in call.args] + [ast.unparse(each) for each in call.keywords])
    return ast.unparse(tree.comparators[0]) if is_assertion and isinstance(tree, ast.Compare) else answer or None


def _is_call_of_f(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"
