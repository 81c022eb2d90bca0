"""The same sandbox on many machines: programs go wherever an executor's workers are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from typing import Any

from tarot_lite.judging import Verdict
from tarot_lite.sandbox.limits import Limits
from tarot_lite.sandbox.pool import LimitedJob, Sandbox, counted, limited_jobs
from tarot_lite.sandbox.report import SandboxReport
from tarot_lite.sandbox.results import Execution, SandboxError

_CHUNK = 64  # programs: a fraction of a second of work for each trip


class SpreadSandbox(Sandbox):
    """Runs programs as `Sandbox` does, in the worker processes of an executor, each of which keeps a sandbox of its own.

    Takes the place of a `Sandbox` wherever one is asked for: same calls, same results, same verdicts.  Worth it from
    some thousands of programs on, for instance to score a benchmark's samples.

    Parameters
    ----------
    executor
        Any `concurrent.futures.Executor` whose workers have this package at the same version: a process pool, or
        ``distributed.Client(address).get_executor()`` for the machines of a Dask cluster.  It stays yours to shut down.
    workers
        Programs that run at the same time in each of the executor's processes; None takes one per usable processor.
    limits, require
        As for `Sandbox`; `require` is asked of every machine.

    Raises
    ------
    ValueError
        If an argument is out of range.
    SandboxError
        From any call, if a machine cannot give the level required.

    Examples
    --------
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> from multiprocessing import get_context
    >>> with ProcessPoolExecutor(1, get_context("spawn")) as pool, SpreadSandbox(pool, workers=1) as sandbox:
    ...     [[run]] = sandbox.run_many([("print(int(input()) * 2)", ["4"])])
    >>> run.stdout
    '8\\n'
    """

    def __init__(
        self, executor: Executor, workers: int | None = 1, limits: Limits | None = None, require: str | None = None
    ) -> None:
        super().__init__(workers, limits)  # checks them; starts nothing
        self.require = require
        self._executor = executor
        self._each = workers

    def run(self, program: str, inputs: Sequence[str], limits: Limits | None = None) -> list[Execution]:
        """Run one program on all its inputs, on one of the machines; see `Sandbox.run`."""
        return self.run_many([(program, inputs)], limits=limits)[0]

    def run_many(
        self,
        jobs: Iterable[tuple[str, Sequence[str]]],
        progress: bool = False,
        limits: Limits | Sequence[Limits] | None = None,
    ) -> list[list[Execution]]:
        """Run many programs on all machines; identical jobs run once; see `Sandbox.run_many`."""
        checked = limited_jobs(jobs, limits or self.limits)
        distinct = list(dict.fromkeys(checked))
        chunks = [distinct[at : at + _CHUNK] for at in range(0, len(distinct), _CHUNK)]
        done: dict[LimitedJob, list[Execution]] = {}
        failures: list[BaseException] = []
        with counted(len(distinct), progress) as count:
            futures = {self._submit(_run_here, chunk, self._each, self.require): chunk for chunk in chunks}
            for future in as_completed(futures):
                chunk, failure = futures[future], future.exception()
                if failure is None:
                    found = future.result()
                elif not _of_the_sandbox(failure):
                    raise failure
                else:
                    failures.append(failure)
                    lost = [Execution(Verdict.SANDBOX_FAILURE, error=str(failure))]
                    found = getattr(failure, "results", None) or [lost * len(inputs) for _, inputs, _ in chunk]
                done.update(zip(chunk, found, strict=True))
                count(len(chunk))
        results = [done[job] for job in checked]
        if failures:
            bad = sum(any(run.verdict is Verdict.SANDBOX_FAILURE for run in runs) for runs in done.values())
            message = f"{bad} of {len(distinct)} programs could not be run; the first failure: {failures[0]}"
            raise SandboxError(message, results) from failures[0]
        return results

    def report(self) -> SandboxReport:
        """Which layers hold on the machine of one of the executor's workers."""
        return self._submit(_report_here, self._each, self.require).result()

    def _submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """A task of the executor; one that is broken or shut down gives a task that failed, like any other."""
        try:
            return self._executor.submit(work, *arguments)
        except RuntimeError as error:
            failed: Future[Any] = Future()
            failed.set_exception(BrokenExecutor(f"the executor takes no more programs: {error}"))
            return failed


_here: dict[tuple[int | None, str | None], Sandbox] = {}
_lock = threading.Lock()


def _sandbox(workers: int | None, require: str | None) -> Sandbox:
    """This process's own sandbox, started once and kept; it ends with the process."""
    with _lock:
        if (workers, require) not in _here:
            _here[workers, require] = Sandbox(workers, require=require)
        return _here[workers, require]


def _run_here(jobs: Sequence[LimitedJob], workers: int | None, require: str | None) -> list[list[Execution]]:
    limits = [limits for _, _, limits in jobs]
    return _sandbox(workers, require).run_many([job[:2] for job in jobs], limits=limits)


def _report_here(workers: int | None, require: str | None) -> SandboxReport:
    return _sandbox(workers, require).report()


def _of_the_sandbox(failure: BaseException) -> bool:
    """Whether a machine failed, not the caller: Dask's own errors are no class that is known without Dask."""
    known = isinstance(failure, SandboxError | OSError | BrokenExecutor | CancelledError)
    return known or type(failure).__module__.startswith("distributed.")
