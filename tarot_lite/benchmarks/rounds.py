"""Run solutions round by round, and each only until something settles it: one failure makes a solution wrong.

The first round gives every solution one test and little time: most are right or wrong within milliseconds, and wrong
ones need not be waited for.  What ran out of that time is asked anew, with the time that is due to it; what has more
tests gets them in portions that double.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tarot_lite.benchmarks.tasks import Job, Judgement, Tests
from tarot_lite.judging import Verdict
from tarot_lite.sandbox import Execution, Limits, Sandbox

_FIRST_CPU_SECONDS, _FIRST_WALL_SECONDS = 0.02, 2.0


@dataclass
class Trial:
    """One solution before its tests.

    Parameters
    ----------
    tests
        Judge it.
    job
        Its program and inputs, from `tests`.
    limits
        Due to every test.
    runs
        Those that count, for the first inputs in order.
    judged
        From them; None before the first.
    cpu_seconds
        Spent on all its runs, with those that did not count.
    """

    tests: Tests
    job: Job
    limits: Limits
    runs: list[Execution] = field(default_factory=list)
    judged: Judgement | None = None
    cpu_seconds: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether no further run could change the judgement."""
        if self.judged is None:
            return False
        return self.judged.verdict is not Verdict.PASSED or len(self.runs) == len(self.job[1])

    def next_job(self, portion: int) -> Job:
        """The program with the next `portion` of its inputs."""
        program, inputs = self.job
        return program, inputs[len(self.runs) : len(self.runs) + portion]

    def take(self, runs: list[Execution], is_first: bool) -> None:
        """Judge with these runs as well; a time limit of the first round settles nothing."""
        self.cpu_seconds += sum(run.cpu_seconds for run in runs)
        judged = self.tests.judge([*self.runs, *runs])
        if not (is_first and judged.verdict is Verdict.TIMEOUT):
            self.runs += runs
            self.judged = judged


def settle(trials: Iterable[Trial], sandbox: Sandbox, progress: bool = False) -> None:
    """Run trials until each is settled.

    Examples
    --------
    >>> from tarot_lite.benchmarks.tasks import StdioTests
    >>> from tarot_lite.problems import TestCase
    >>> tests = StdioTests(tuple(TestCase(str(n), str(n % 3)) for n in range(100)))
    >>> trial = Trial(tests, tests.job("print(input())"), Limits())
    >>> with Sandbox(workers=1) as sandbox:
    ...     settle([trial], sandbox)
    >>> len(trial.runs), trial.judged.detail
    (7, "test 3: got '3\\\\n', expected '0'")
    """
    waiting, portion, is_first = list(trials), 1, True
    while waiting:
        jobs = [trial.next_job(portion) for trial in waiting]
        limits = [_short(trial.limits) if is_first else trial.limits for trial in waiting]
        for trial, runs in zip(waiting, sandbox.run_many(jobs, progress, limits), strict=True):
            trial.take(runs, is_first)
        waiting = [trial for trial in waiting if not trial.settled]
        portion, is_first = 2 * portion, False


def _short(limits: Limits) -> Limits:
    cpu, wall = min(_FIRST_CPU_SECONDS, limits.cpu_seconds), min(_FIRST_WALL_SECONDS, limits.wall_seconds)
    return replace(limits, cpu_seconds=cpu, wall_seconds=wall)
