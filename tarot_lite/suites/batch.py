"""One program on many inputs in one sandboxed process: cheap, and good enough where nobody cheats.

The proof of a test never uses this: there each run is a test of the sandbox.  Mutants of a proven reference have no
interest in the other tests of their process, and there are hundreds of runs a problem; what a run leaves behind in
the interpreter is watched by running the reference itself the same way (see `build`).  A run that kills the process
(time, memory, a crash) counts as failed, and the rest goes on in a new one.

With `most`, runs are traced: lines and steps are counted, and a run ends at `most` lines.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tarot_lite.sandbox import Limits, Sandbox

__all__ = ["TRACED", "Outcome", "run_batches"]

TRACED = "<traced>"
"""File name under which traced programs are compiled."""

_DEATHS = 3

_HARNESS = """
def _main(source, name, most):
    import io, json, sys
    class _Stop(BaseException):
        pass
    real, texts = sys.stdout, json.loads(sys.stdin.read())
    code = compile(source, name, "exec", dont_inherit=True)
    for text in texts:
        arcs, steps, stopped = set(), 0, False
        def enter(frame, event, arg):
            if frame.f_code.co_filename != name:
                return None
            start = -frame.f_code.co_firstlineno
            last = start
            def inside(frame, event, arg):
                nonlocal last, steps, stopped
                if event == "line":
                    steps += 1
                    arcs.add((last, frame.f_lineno))
                    last = frame.f_lineno
                    if steps >= most:
                        stopped = True
                        raise _Stop
                elif event == "return":
                    arcs.add((last, start))
                return inside
            return inside
        sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8")
        written = io.BytesIO()
        sys.stdout = io.TextIOWrapper(written, "utf-8", "surrogatepass", newline="\\n", write_through=True)
        error = ""
        if most:
            sys.settrace(enter)
        try:
            exec(code, {"__name__": "__main__"})
        except SystemExit as stop:
            error = "" if stop.code in (None, 0) else f"SystemExit: {stop.code}"
        except BaseException as problem:
            error = f"{type(problem).__name__}: {problem}"
        sys.settrace(None)
        try:
            sys.stdout.flush()
            output = written.getvalue().decode("utf-8", "replace")
        except ValueError:
            output, error = "", error or "standard output was closed"
        real.write(json.dumps([error[:200], output, steps, sorted(arcs), stopped]) + "\\n")
        real.flush()
    sys.stdout = real
"""


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
    arcs
        Pairs of lines executed one after another, as coverage.py has them; empty if not traced.
    stopped
        Whether the run was ended at the limit of lines.
    """

    error: str
    stdout: str = ""
    steps: int = 0
    arcs: frozenset[tuple[int, int]] = frozenset()
    stopped: bool = False
    raised: bool = False


def run_batches(
    sandbox: Sandbox, jobs: Sequence[tuple[str, Sequence[str]]], limits: Limits, most: int = 0
) -> list[list[Outcome]]:
    """Run every program on its inputs, each program in a process of its own.

    Parameters
    ----------
    sandbox
        Where they run, on all workers.
    jobs
        Programs, each with its inputs.
    limits
        Of a whole batch.
    most
        Trace, and end a run after so many lines; 0 does not trace.

    Returns
    -------
    list of list of Outcome
        One for each input, in order.  After the third run that kills its process, the rest counts as failed too.

    Examples
    --------
    >>> with Sandbox(workers=1) as sandbox:
    ...     (runs,) = run_batches(sandbox, [("print(6 // int(input()))", ["3", "0", "2"])], Limits())
    >>> [run.stdout or run.error for run in runs]
    ['2\\n', 'ZeroDivisionError: integer division or modulo by zero', '3\\n']
    """
    results: list[list[Outcome]] = [[] for _ in jobs]
    for death in range(_DEATHS):
        open_jobs = [at for at, (_, inputs) in enumerate(jobs) if len(results[at]) < len(inputs)]
        if not open_jobs:
            break
        batches = [_batch(jobs[at][0], jobs[at][1][len(results[at]) :], most) for at in open_jobs]
        for at, (run,) in zip(open_jobs, sandbox.run_many(batches, limits=limits), strict=True):
            results[at] += _read(run.stdout)
            missing = len(jobs[at][1]) - len(results[at])
            if missing:  # the run after the last one that reported killed the process
                failed = Outcome(run.error or "the process ended early")
                results[at] += [failed] * (missing if death == _DEATHS - 1 else 1)
    return results


def _batch(program: str, inputs: Sequence[str], most: int) -> tuple[str, list[str]]:
    call = f"_main({program!r}, {TRACED if most else 'program.py'!r}, {most})"
    return f"{_HARNESS}\n{call}\n", [json.dumps(list(inputs))]


def _read(stdout: str) -> list[Outcome]:
    """Read the reports; a last one that was cut off is left out."""
    outcomes = []
    for line in stdout.splitlines():
        try:
            error, output, steps, arcs, stopped = json.loads(line)
        except ValueError:
            break
        taken = frozenset((start, end) for start, end in arcs)
        outcomes.append(Outcome(error, output, steps, taken, stopped, raised=bool(error)))
    return outcomes
