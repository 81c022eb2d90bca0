"""What comes out of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tarot_lite.judging import Verdict
from tarot_lite.problems import TestCase


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one program on one input, before anybody judged its output.

    Parameters
    ----------
    verdict
        `Verdict.PASSED` means here that the program ended by itself with exit code 0, within its limits.
    stdout
        What it printed; bytes that are not UTF-8 become U+FFFD.  Cut short if the output was over its limit.
    error
        Last line of the traceback, or which limit or signal ended the program; empty if none.
    cpu_seconds, wall_seconds
        Time used (compiling included, in a program's first test).

    Raises
    ------
    ValueError
        If `verdict` is not the name of a `Verdict`.
    """

    verdict: Verdict
    stdout: str = ""
    error: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    def __post_init__(self) -> None:
        if type(self.verdict) is not Verdict:
            try:
                object.__setattr__(self, "verdict", Verdict(self.verdict))
            except ValueError:
                raise ValueError(f"verdict {self.verdict!r} is unknown; use one of {', '.join(Verdict)}") from None


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test, the judged verdict, and the run behind it (a wrong answer is an `Execution` that passed)."""

    __test__ = False  # pytest: not a test class

    test: TestCase
    verdict: Verdict
    execution: Execution = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether the test earns its reward."""
        return self.verdict is Verdict.PASSED


class SandboxError(RuntimeError):
    """The sandbox itself failed, twice, on fresh workers; no program is to blame.

    Parameters
    ----------
    message
        What happened and where.
    results
        For calls with many programs: everything that was finished, in order; a program that could not be
        run has `Verdict.SANDBOX_FAILURE` on every test that it did not finish.
    """

    def __init__(self, message: str, results: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.results = list(results)
