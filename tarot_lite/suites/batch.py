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

_DEATHS = 3
_ENDLESS = 1 << 62
_INSIDE = prelude(files("tarot_lite.suites").joinpath("inside.py").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Batch:
    """Programs that share a process, and the inputs that each of them runs on; at least one of each."""

    programs: tuple[str, ...]
    inputs: tuple[str, ...]
    fuel: tuple[int, ...] | None = None  # for every input the steps that a program with a budget may make
    lines: tuple[int, ...] | None = None  # for every input the lines that a traced run may take; None does not trace
    all_lines: int = _ENDLESS  # what all traced runs may take together; the runs after that are not started


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a batch."""

    error: str  # empty if the program ended by itself with exit code 0
    stdout: str = ""
    steps: int = 0  # lines executed, and which; none if not traced
    reached: frozenset[int] = frozenset()
    stopped: bool = False  # at the limit of lines, or not started for lack of them
    raised: bool = False  # the error was raised in the program, rather than the process killed
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
    while going := [at for at, one in enumerate(batches) if len(results[at]) < len(one.programs) * len(one.inputs)]:
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
    name = "<traced>" if batch.lines else "program.py"
    return f"{_INSIDE}run_all({list(batch.programs)!r}, {name!r})\n", [json.dumps(order)]


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
    """Lines of the reference (counted from 1 in its own text) that can be executed at all."""
    program = literals.module(problem.program(problem.reference or ""))
    return _in_reference(problem, _lines(compile(program, "<reference>", "exec")))


def reached_lines(problem: Problem, runs: Iterable[Outcome]) -> frozenset[int]:
    """Lines of the reference (counted from 1 in its own text) that some run executed."""
    return _in_reference(problem, (line for run in runs for line in run.reached))


def _lines(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def _in_reference(problem: Problem, lines: Iterable[int]) -> frozenset[int]:
    """Of lines of the program those that are the reference's, not the scaffold's or ours."""
    reference = (problem.reference or "").strip("\n") if problem.form is Form.SCAFFOLD else problem.reference or ""
    first = {
        Form.SCAFFOLD: (problem.scaffold or "").partition(BODY)[0].count("\n") + 1,
        Form.FUNCTION: 2,  # a line of ours stands before it
    }.get(problem.form, 1)
    return frozenset(line - first + 1 for line in lines if first <= line <= first + reference.count("\n"))
