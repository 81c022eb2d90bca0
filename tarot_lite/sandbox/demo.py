"""What notebook 2 shows of the sandbox: the zoo's verdicts, what a run costs, and what a weaker comparison lets through."""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, TestCase
from tarot_lite.sandbox.pool import Sandbox
from tarot_lite.sandbox.zoo import ATTACKS, Stage

_BY_ERROR = {  # what the kernel answers tells which layer it was
    "Operation not permitted": "the system-call filter",
    "OSError: 1 ": "the system-call filter",
    "name resolution": "the system-call filter",
    "No such file": "its own root: the file is not there",
    "Permission denied": "file permissions and Landlock",
    "MemoryError": "the limits of its process",
    "Cannot allocate memory": "the limits of its process",
    "start new thread": "the limits of its process",
    "Too many open files": "the limits of its process",
    "maximum limit": "the limits of its process",
    "own channel": "the pool, which believes nothing written there",
}
_BY_VERDICT = {
    Verdict.TIMEOUT: "the limits of time",
    Verdict.OUTPUT_EXCEEDED: "the limit of output",
    Verdict.MEMORY_EXCEEDED: "the limits of its process",
    Verdict.WRONG_ANSWER: "the judge: the answer is nowhere in its reach",
    Verdict.SIGNAL: "the kernel, which ends this process alone",
}


def run_zoo(sandbox: Sandbox) -> list[dict[str, str | bool]]:
    """Run every attack that this machine's level stops; one row an attack.

    An attack is ``stopped`` if its verdict is one of those that it must get, nothing shows that its trick worked,
    and an honest program on the same workers is judged right after all of them.

    Raises
    ------
    ValueError
        If the machine does not give seccomp: then hostile programs must not run at all.
    """
    report = sandbox.report()
    if not report.reaches("seccomp"):
        raise ValueError(f"this machine only gives the level {report.level!r}; run no hostile program on it")
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("a secret", encoding="utf-8")
        stage = Stage("answer-" + secrets.token_hex(8), str(secret), folder, 9, str(Path(folder, "socket")), 1)
        attacks = [attack for attack in ATTACKS if report.reaches(attack.level)]
        problem = stage.problem()
        results = sandbox.judge_many((problem, attack.program(stage)) for attack in attacks)
        honest = sandbox.judge(problem, f"print({stage.answer!r})")[0].passed
        untouched = [path.name for path in Path(folder).iterdir()] == ["secret"] and secret.read_text() == "a secret"
    return [
        {
            "group": attack.group,
            "attack": attack.name,
            "verdict": result.verdict.value,
            "stopped": honest
            and untouched
            and result.verdict in attack.verdicts
            and "LEAK" not in result.execution.stdout,
            "error": result.execution.error.replace(folder, "<folder>").replace(sys.base_prefix, "<python>")[:60],
        }
        for attack, [result] in zip(attacks, results, strict=True)
    ]


def stopped_by(verdict: str, error: str) -> str:
    """Which layer ended an attack, as far as its verdict and its last line of traceback tell.

    Examples
    --------
    >>> stopped_by("exception", "PermissionError: [Errno 1] Operation not permitted (line 3)")
    'the system-call filter'
    >>> stopped_by("exception", "RecursionError: maximum recursion depth exceeded (line 2)")
    'Python itself'
    """
    layers = [layer for said, layer in _BY_ERROR.items() if said in error]
    return layers[0] if layers else _BY_VERDICT.get(Verdict(verdict), "Python itself")


def costs(sandbox: Sandbox, repeats: int = 15) -> list[dict[str, str | float]]:
    """Milliseconds that one test takes when it is run in different ways, in turns; medians, one program at a time."""
    fresh = Sandbox(1, sandbox.limits, fresh_process=True)
    interpreter = [getattr(sys, "_base_executable", sys.executable), "-I", "-S", "-c"]
    program = "print(int(input()) * 2)"

    def start_python(number: int) -> None:
        subprocess.run([*interpreter, f"{program}  # {number}"], input="1", text=True, capture_output=True, check=True)

    ways: dict[str, tuple[Callable[[int], object], int]] = {
        "python -c, an interpreter for every test": (start_python, 1),
        "sandbox, one test": (lambda n: sandbox.run(f"{program}  # {n}", ["1"]), 1),
        "sandbox, 16 tests, a process for each": (lambda n: fresh.run(f"{program}  # {n}", ["1"] * 16), 16),
        "sandbox, 16 tests": (lambda n: sandbox.run(f"{program}  # {n}", ["1"] * 16), 16),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for number in range(repeats + 1):
            for name, (run, tests) in ways.items():
                started = time.perf_counter()
                run(number)
                if number:  # the first starts the workers
                    times[name].append((time.perf_counter() - started) / tests * 1000)
    finally:
        fresh.close()
    return [{"setup": name, "milliseconds": round(statistics.median(values), 2)} for name, values in times.items()]


def published_rule(got: str, want: str) -> bool:
    """The comparison of the published reward: line by line, as far as the *shorter* text goes.

    Examples
    --------
    >>> published_rule("1\\n", "1\\n2\\n3\\n"), published_rule("1\\n2\\nrubbish", "1\\n2")
    (True, True)
    """
    pairs = zip(got.splitlines(), want.splitlines(), strict=False)
    return all(a.strip() == b.strip() for a, b in pairs)


def cheats(sandbox: Sandbox) -> list[dict[str, str | bool]]:
    """Programs that do not solve "print the numbers from 1 to n", and who accepts them."""
    problem = Problem(
        "count", "Print the numbers from 1 to n.", (TestCase("3\n", "1\n2\n3\n"), TestCase("5\n", "1\n2\n3\n4\n5\n"))
    )
    programs = {
        "an honest answer": "for i in range(int(input())): print(i + 1)",
        "print the first line alone": "print(1)",
        "count to a thousand whatever was asked": "for i in range(1000): print(i + 1)",
        "add rubbish": "for i in range(int(input())): print(i + 1)\nprint('and more')",
        "an off-by-one error": "for i in range(int(input())): print(i)",
    }
    rows: list[dict[str, str | bool]] = []
    for name, code in programs.items():
        results = sandbox.judge(problem, code)
        published = all(published_rule(result.execution.stdout, result.test.output) for result in results)
        ours = all(result.verdict is Verdict.PASSED for result in results)
        rows.append({"program": name, "published rule": published, "whole outputs": ours})
    return rows
