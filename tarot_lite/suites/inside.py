"""Runs inside the sandbox: some programs, each on many inputs, one run after another in this one process.

Compiled, this file goes into every job that `batch` makes, followed by one line that calls `run_all`.  It imports the
standard library only, and it knows no expected output.
"""

import io
import json
import sys
import time
from typing import Any

TICK = "_tarot_lite_tick"
"""What programs with a step budget call in loops and recursive functions (`candidates.fuelled`)."""


class _Stop(BaseException):
    """Ends a traced run at its limit."""


def run_all(programs: list[str], name: str) -> None:
    """Run every program on every input, and write one line of JSON for each run."""
    out, order = sys.stdout, json.loads(sys.stdin.read())
    inputs, left = order["inputs"], order["all_lines"]
    code: Any = None
    for at in range(order["from"], len(programs) * len(inputs)):
        number, place = divmod(at, len(inputs))
        if code is None or place == 0:
            code = _compiled(programs[number], name)
        most = order["lines"][place]
        if most and left <= 0:
            report: list[Any] = ["not run: the other runs took all lines", "", 0, [], True, 0.0]
        elif isinstance(code, str):
            report = [code, "", 0, [], False, 0.0]
        else:
            report = _run(code, inputs[place], order["fuel"][place], min(most, left) if most else 0)
            left -= report[2]
        out.write(json.dumps(report) + "\n")
        out.flush()
    sys.stdout = out


def _compiled(program: str, name: str) -> Any:
    try:
        return compile(program, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"[:200]


def _run(code: Any, text: str, fuel: int, most: int) -> list[Any]:
    """One run: [error, output, number of lines, which, whether it was stopped, processor seconds]."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), "utf-8")
    written = io.BytesIO()
    sys.stdout = io.TextIOWrapper(written, "utf-8", "surrogatepass", newline="\n", write_through=True)
    sys.__stdout__ = sys.stdout  # type: ignore[misc]  # where a function's answer goes
    reached: set[int] = set()
    lines = 0

    def tick() -> None:
        nonlocal fuel
        fuel -= 1
        if fuel < 0:
            raise SystemExit(3)

    def enter(frame: Any, event: str, arg: Any) -> Any:
        return inside if frame.f_code.co_filename == code.co_filename else None

    def inside(frame: Any, event: str, arg: Any) -> Any:
        nonlocal lines
        if event == "line":
            reached.add(frame.f_lineno)
            lines += 1
            if lines >= most:
                raise _Stop
        return inside

    error, started = "", time.process_time()
    if most:
        sys.settrace(enter)
    try:
        exec(code, {"__name__": "__main__", TICK: tick})
    except SystemExit as stop:
        error = "" if stop.code in (None, 0) else f"SystemExit: {stop.code}"
    except BaseException as problem:
        error = f"{type(problem).__name__}: {problem}"
    sys.settrace(None)
    seconds = time.process_time() - started
    try:
        sys.stdout.flush()
        output = written.getvalue().decode("utf-8", "replace")
    except ValueError:
        output, error = "", error or "standard output was closed"
    return [error[:200], output, lines, sorted(reached), 0 < most <= lines, round(seconds, 6)]
