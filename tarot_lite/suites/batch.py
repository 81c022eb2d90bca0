"""Many runs in one sandboxed process: cheap, and good enough where nobody cheats.

The proof of a test never uses this: there each run is a test of the sandbox.  Mutants of a proven reference have no
interest in the other runs of their process, and there are hundreds a problem; what a run leaves behind in the
interpreter is watched by running the reference itself the same way (see `build`).  A run that kills the process
(time, memory, a crash) counts as failed, and the rest goes on in a new one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from types import CodeType

from tarot_lite import literals
from tarot_lite.problems import BODY, Form, Problem
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.sandbox.prelude import prelude

TRACED = "<traced>"
"""File name under which traced programs are compiled."""

_DEATHS = 3
_ENDLESS = 1 << 62

_INSIDE = prelude(files("tarot_lite.suites").joinpath("inside.py").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Batch:
    """Programs that share a process, and the inputs that each of them runs on.

    Parameters
    ----------
    programs, inputs
        At least one of each.
    fuel
        For every input the steps that a program with a budget (`candidates.fuelled`) may make; None sets no bound.
    lines
        For every input the lines that a traced run may take; None does not trace.
    all_lines
        What all traced runs may take together; the runs after that are not started.
    """

    programs: tuple[str, ...]
    inputs: tuple[str, ...]
    fuel: tuple[int, ...] | None = None
    lines: tuple[int, ...] | None = None
    all_lines: int = _ENDLESS


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a batch.

    Parameters
    ----------
    error
        Empty if the program ended by itself with exit code 0, else why not.
    raised
        Whether the error was raised in the program, rather than the process killed.
    stdout
        What it printed.
    steps
        Lines executed, 0 if not traced.
    reached
        Which lines; empty if not traced.
    stopped
        Whether the run was ended at the limit of lines, or not started for lack of them.
    seconds
        Processor time.
    """

    error: str
    stdout: str = ""
    steps: int = 0
    reached: frozenset[int] = frozenset()
    stopped: bool = False
    raised: bool = False
    seconds: float = field(default=0.0, compare=False)


def run_batches(sandbox: Sandbox, batches: Sequence[Batch], limits: Limits) -> list[list[list[Outcome]]]:
    """Run every batch in a process of its own.

    Examples
    --------
    >>> with Sandbox(workers=1) as sandbox:
    ...     (((three, error, two),),) = run_batches(
    ...         sandbox, [Batch(("print(6 // int(input()))",), ("2", "0", "3"))], Limits())
    >>> three.stdout, error.error, two.stdout
    ('3\\n', 'ZeroDivisionError: integer division or modulo by zero', '2\\n')
    """
    results: list[list[Outcome]] = [[] for _ in batches]
    deaths: list[Counter[int]] = [Counter() for _ in batches]
    while True:
        going = [at for at, batch in enumerate(batches) if len(results[at]) < len(batch.programs) * len(batch.inputs)]
        if not going:
            break
        jobs = [_job(batches[at], len(results[at])) for at in going]
        for at, (run,) in zip(going, sandbox.run_many(jobs, limits=limits), strict=True):
            count = len(batches[at].inputs)
            results[at] += _read(run.stdout)
            if len(results[at]) < len(batches[at].programs) * count:
                # the run after the last one that reported killed the process
                program, place = divmod(len(results[at]), count)
                deaths[at][program] += 1
                failed = Outcome(run.error or "the process ended early")
                results[at] += [failed] * (count - place if deaths[at][program] == _DEATHS else 1)
    return [
        [runs[start : start + len(batch.inputs)] for start in range(0, len(runs), len(batch.inputs))]
        for batch, runs in zip(batches, results, strict=True)
    ]


def _job(batch: Batch, first: int) -> tuple[str, list[str]]:
    """The job that goes on with run number `first`."""
    count = len(batch.inputs)
    order = {
        "inputs": batch.inputs,
        "fuel": batch.fuel or [_ENDLESS] * count,
        "lines": batch.lines or [0] * count,
        "all_lines": batch.all_lines,
        "from": first,
    }
    name = TRACED if batch.lines else "program.py"
    call = f"run_all({list(batch.programs)!r}, {name!r})"
    return f"{_INSIDE}{call}\n", [json.dumps(order)]


def _read(stdout: str) -> list[Outcome]:
    """Read the reports; a last one that was cut off is left out."""
    outcomes = []
    for line in stdout.splitlines():
        try:
            error, output, steps, reached, stopped, seconds = json.loads(line)
        except ValueError:
            break
        outcomes.append(Outcome(error, output, steps, frozenset(reached), stopped, bool(error), seconds))
    return outcomes


def all_lines(problem: Problem) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that can be executed at all.

    Examples
    --------
    >>> sorted(all_lines(Problem("p", "Sign.", reference="# a comment\\nn = int(input())\\nif n < 0:\\n    n = 0\\nprint(n)")))
    [2, 3, 4, 5]
    """
    own = _own_lines(problem)
    lines = _lines(literals.code(problem.program(problem.reference or "")))
    return frozenset(line - own.start + 1 for line in lines if line in own)


def _lines(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def reached_lines(problem: Problem, runs: Iterable[Outcome]) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that some run executed.

    Examples
    --------
    >>> scaffold = "def f(x):\\n    {{body}}\\nprint(f(2))"
    >>> problem = Problem("p", "Double.", form=Form.SCAFFOLD, scaffold=scaffold, reference="return 2 * x")
    >>> reached_lines(problem, [Outcome("", "4", 3, frozenset({1, 2, 3}))])
    frozenset({1})
    """
    own = _own_lines(problem)
    return frozenset(line - own.start + 1 for run in runs for line in run.reached if line in own)


def _own_lines(problem: Problem) -> range:
    """The lines of the program that are the reference's, not the scaffold's or ours."""
    reference = problem.reference or ""
    if problem.form is Form.SCAFFOLD:
        first = (problem.scaffold or "").partition(BODY)[0].count("\n") + 1
        return range(first, first + reference.strip("\n").count("\n") + 1)
    first = 2 if problem.form is Form.FUNCTION else 1  # a line of ours stands before a function's
    return range(first, first + reference.count("\n") + 1)
