"""`Sandbox`: a pool of workers, the one object that the rest of the package talks to."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem
from tarot_lite.sandbox.inside import wire
from tarot_lite.sandbox.inside.modules import LIBRARY
from tarot_lite.sandbox.limits import Limits
from tarot_lite.sandbox.report import SandboxReport, level_rank
from tarot_lite.sandbox.results import Execution, SandboxError, TestResult
from tarot_lite.sandbox.worker import LEAVABLE, Worker, WorkerFailure, find_packages

_LONGEST_PROGRAM = 1 << 22
_LONGEST_INPUT = 1 << 26
_LONGEST_BATCH, _LARGEST_BATCH = 8, 1 << 15

Job = tuple[str, tuple[str, ...]]
LimitedJob = tuple[str, tuple[str, ...], Limits]


def _any_of(names: Iterable[str]) -> str:
    return rf"\b(?:{'|'.join(map(re.escape, names))})\b"


_RARE = re.compile(_any_of(LIBRARY))
_KINDS = ("packages", "library", "common")
"""Of workers: with installed packages loaded, with much of the standard library, with what most programs import.

In the order in which programs run: what is likely to take long comes first, so that all workers end together.
"""


class Sandbox:
    """Runs untrusted Python programs, many at a time.

    Usable as a context manager or without; workers start at the first use and end with `close`, with the
    interpreter, or with the process that owns them, however it ends.  Safe to share between threads.

    Parameters
    ----------
    workers
        Programs that run at the same time, at least 1; None takes one per usable processor.
    limits
        What every test may use, unless a call says otherwise.
    require
        The weakest acceptable level of isolation (`LEVELS`); None takes what the machine gives (see `report`).
    packages
        Installed packages that programs may import besides the standard library; programs that mention one
        run on workers that have loaded them.  None is numpy, where installed.
    fresh_process
        Give every *test* a process of its own, even where a program leaves no trace between its tests.  Slower.
    without
        Layers to leave out, to measure what they cost: ``namespaces``, ``landlock``, ``user``, ``seccomp``.

    Raises
    ------
    ValueError
        If an argument is out of range.
    SandboxError
        If the machine cannot give the level required.

    Examples
    --------
    >>> with Sandbox(workers=1) as sandbox:
    ...     runs = sandbox.run("print(int(input()) * 2)", ["4", "x"])
    >>> runs[0].stdout, runs[1].verdict, runs[1].error
    ('8\\n', <Verdict.EXCEPTION: 'exception'>, "ValueError: invalid literal for int() with base 10: 'x' (line 1)")
    """

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        require: str | None = None,
        *,
        packages: Sequence[str] | None = None,
        fresh_process: bool = False,
        without: Collection[str] = (),
    ) -> None:
        if workers is None:
            workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ValueError(f"Sandbox(workers={workers!r}): give a whole number of at least 1, or None")
        if limits is not None and not isinstance(limits, Limits):
            raise ValueError(f"Sandbox(limits={limits!r}): give a Limits object, or None")
        unknown = sorted(set(without) - LEAVABLE)
        if unknown:
            known = ", ".join(sorted(LEAVABLE))
            raise ValueError(f"Sandbox(without=...): {unknown[0]!r} is unknown; use some of {known}")
        self.workers = workers
        self.limits = limits or Limits()
        self.require = require
        self._without = frozenset(without)
        self._fresh = fresh_process
        self._packages = find_packages(packages)
        self._mention = re.compile(_any_of(self._packages)) if self._packages else None
        self._report: SandboxReport | None = None
        self._lock = threading.Lock()
        self._reset()
        if require is not None:
            level_rank(require)
            self.report()

    def run(self, program: str, inputs: Sequence[str], limits: Limits | None = None) -> list[Execution]:
        """Run one program on all its inputs.

        Parameters
        ----------
        program
            Python source that reads standard input and writes standard output.
        inputs
            Text for standard input, one a test; at least one.
        limits
            Instead of the sandbox's own.

        Returns
        -------
        list of Execution
            One for each input, in order.

        Raises
        ------
        TypeError, ValueError
            If an argument is not text, too long, or there are no inputs.
        SandboxError
            If the sandbox failed, on a fresh worker too.
        """
        return self._execute((*checked_job(program, inputs), limits or self.limits))

    def run_many(
        self,
        jobs: Iterable[tuple[str, Sequence[str]]],
        progress: bool = False,
        limits: Limits | Sequence[Limits] | None = None,
    ) -> list[list[Execution]]:
        """Run many programs, each as `run` does, on all workers; identical jobs run once."""
        checked = limited_jobs(jobs, limits or self.limits)
        distinct = list(dict.fromkeys(checked))
        done: dict[LimitedJob, list[Execution]] = {}
        failures: list[SandboxError] = []

        def work(batch: Sequence[LimitedJob]) -> None:
            if len(batch) > 1:
                done.update(zip(batch, self._try_batch(batch), strict=False))
            for job in batch:
                if job not in done:
                    try:
                        done[job] = self._execute(job)
                    except SandboxError as failure:
                        done[job] = failure.results
                        failures.append(failure)

        kinds = {job: self._kind(job[0]) for job in distinct}
        self._spread(work, sorted(distinct, key=lambda job: _KINDS.index(kinds[job])), kinds, progress)
        results = [done[job] for job in checked]
        if failures:
            message = f"{len(failures)} of {len(distinct)} programs could not be run; the first: {failures[0]}"
            raise SandboxError(message, results) from failures[0]
        return results

    def judge(self, problem: Problem, code: str | None) -> list[TestResult]:
        """Run a candidate's code on all tests of a problem and judge its outputs.

        Parameters
        ----------
        problem
            Makes the program from the code, and knows what is right.
        code
            None, for a completion without code, is a wrong answer on every test and runs nothing.
        """
        return self.judge_many([(problem, code)])[0]

    def judge_many(self, pairs: Iterable[tuple[Problem, str | None]], progress: bool = False) -> list[list[TestResult]]:
        """Judge many candidates on all workers; what is the same program with the same inputs runs once."""
        pairs = list(pairs)
        jobs: list[tuple[str, Sequence[str]]] = []
        for problem, code in pairs:
            if not problem.tests:
                raise ValueError(f"problem {problem.problem_id!r} has no tests to judge by; give it at least one")
            if code is not None:
                if not isinstance(code, str):
                    raise TypeError(f"problem {problem.problem_id!r}: code is {type(code).__name__}; give text or None")
                jobs.append((problem.program(code), [test.input for test in problem.tests]))
        failure = None
        try:
            runs = iter(self.run_many(jobs, progress))
        except SandboxError as error:
            failure, runs = error, iter(error.results)
        results = [_judged(problem, next(runs) if code is not None else None) for problem, code in pairs]
        if failure is not None:
            raise SandboxError(str(failure), results) from failure
        return results

    def report(self) -> SandboxReport:
        """Which layers hold on this machine; starts a worker if none has run yet."""
        if self._report is None:
            self.run("pass", [""])
        assert self._report is not None
        return self._report

    def close(self) -> None:
        """End all workers.  The sandbox may be used again; it then starts new ones."""
        with self._lock:
            pool = self._reset()
        _close_all(pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reset(self) -> list[Worker]:
        """Forget all workers; returns those that were alive."""
        old = getattr(self, "_alive", [])
        self._owner = os.getpid()
        self._alive: list[Worker] = []
        self._idle: dict[str, queue.LifoQueue[Worker | None]] = {kind: queue.LifoQueue() for kind in _KINDS}
        for places in self._idle.values():
            for _ in range(self.workers):
                places.put(None)  # a place for a worker that is not started yet
        self._finalizer = weakref.finalize(self, _close_all, self._alive)
        return old

    def _execute(self, job: LimitedJob) -> list[Execution]:
        """Run a job, on a second worker if the first one fails."""
        self._forget_after_fork()
        program, inputs, limits = job
        kind = self._kind(program)
        places = self._idle[kind]
        done: list[wire.Outcome] = []
        failures: list[WorkerFailure] = []
        while len(failures) < 2:
            worker = places.get()
            try:
                if worker is None:
                    worker = self._start(kind)
                [answer] = worker.execute([_request(program, inputs[len(done) :], limits, self._fresh)])
                done += answer
                return [_execution(outcome) for outcome in done]
            except WorkerFailure as failure:
                done += failure.done
                failures.append(failure)
                self._discard(worker)
                worker = None
            except BaseException:  # such as KeyboardInterrupt in the middle of an answer
                self._discard(worker)
                worker = None
                raise
            finally:
                places.put(worker)
        cause = failures[-1]
        missing = Execution(Verdict.SANDBOX_FAILURE, error=str(cause))
        results = [*map(_execution, done), *[missing] * (len(inputs) - len(done))]
        raise SandboxError(f"the sandbox failed twice on one program: {failures[0]}; then: {cause}", results) from cause

    def _try_batch(self, batch: Sequence[LimitedJob]) -> list[list[Execution]]:
        """Run jobs of one kind on one worker; returns what was finished if the worker fails."""
        self._forget_after_fork()
        kind = self._kind(batch[0][0])
        places = self._idle[kind]
        worker = places.get()
        try:
            if worker is None:
                worker = self._start(kind)
            answers = worker.execute([_request(*job, self._fresh) for job in batch])
        except WorkerFailure as failure:
            self._discard(worker)
            worker, answers = None, list(map(list, failure.finished))
        except BaseException:
            self._discard(worker)
            worker = None
            raise
        finally:
            places.put(worker)
        return [list(map(_execution, answer)) for answer in answers]

    def _kind(self, program: str) -> str:
        """Which kind of worker has loaded what a program mentions (packages) or imports (the library)."""
        named = self._mention is not None and any(name in program for name in self._packages)  # quicker than to search
        if named and self._mention is not None and self._mention.search(program):
            return "packages"
        imports = (line for line in program.split("\n") if "import" in line)
        return "library" if any(map(_RARE.search, imports)) else "common"

    def _forget_after_fork(self) -> None:
        """After a fork of the owner, its workers are not ours to use."""
        if os.getpid() != self._owner:
            self._lock = threading.Lock()
            self._finalizer.detach()
            self._alive = []
            self._reset()

    def _start(self, kind: str) -> Worker:
        worker = Worker(self._without, kind != "common", self._packages if kind == "packages" else {})
        self._alive.append(worker)
        worker.wait_until_ready()
        report = SandboxReport.from_layers(worker.layers)
        if self.require is not None and not report.reaches(self.require):
            self._discard(worker)
            reasons = "; ".join(f"{layer.name}: {layer.detail}" for layer in report.missing)
            raise SandboxError(
                f"this machine gives the level {report.level!r}, but {self.require!r} is required ({reasons}); "
                f"change the machine, or accept less with require={report.level!r}"
            )
        self._report = report
        return worker

    def _discard(self, worker: Worker | None) -> None:
        if worker is not None:
            if worker in self._alive:
                self._alive.remove(worker)
            worker.close()

    def _spread(
        self,
        work: Callable[[Sequence[LimitedJob]], None],
        jobs: Sequence[LimitedJob],
        kinds: Mapping[LimitedJob, str],
        progress: bool,
    ) -> None:
        """Call `work` for small batches of jobs, each of one kind, on as many threads as there are workers."""
        if not jobs:
            return
        waiting = deque(jobs)
        lock = threading.Lock()

        def drain() -> None:
            while True:
                with lock:
                    batch = _next_batch(waiting, kinds, self.workers)
                if not batch:
                    return
                work(batch)
                count(len(batch))

        with counted(len(jobs), progress) as count:
            if self.workers == 1 or len(jobs) == 1:
                drain()
                return
            with ThreadPoolExecutor(min(self.workers, len(jobs)), thread_name_prefix="sandbox") as pool:
                try:
                    for thread in [pool.submit(drain) for _ in range(self.workers)]:
                        thread.result()
                except BaseException:
                    waiting.clear()
                    raise


@contextmanager
def counted(total: int, progress: bool) -> Iterator[Callable[[int], Any]]:
    """A bar of `total` programs; what comes back is called with how many more are done."""
    if not progress:
        yield lambda more: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, desc="sandbox", unit="program", disable=None, file=sys.stderr) as bar:
        yield bar.update


def _next_batch(waiting: deque[LimitedJob], kinds: Mapping[LimitedJob, str], workers: int) -> list[LimitedJob]:
    """Take some jobs of one kind from the front: fewer towards the end, so that all workers end together, and little text."""
    batch: list[LimitedJob] = []
    size = 0
    count = max(1, min(_LONGEST_BATCH, len(waiting) // (4 * workers)))
    while waiting and len(batch) < count:
        program, inputs, _ = job = waiting[0]
        if batch and kinds[job] != kinds[batch[0]]:
            break
        size += 4 * (len(program) + sum(map(len, inputs)))  # at most four bytes a character
        if batch and size > _LARGEST_BATCH:
            break
        batch.append(waiting.popleft())
    return batch


def checked_job(program: str, inputs: Sequence[str]) -> Job:
    """A program with its inputs; raises what `Sandbox.run` tells of."""
    if not isinstance(program, str):
        raise TypeError(f"program is {type(program).__name__}; give Python source as text")
    if len(program) > _LONGEST_PROGRAM:
        raise ValueError(f"program has {len(program)} characters; the longest allowed has {_LONGEST_PROGRAM}")
    if isinstance(inputs, str):
        raise TypeError("inputs is one text; give a sequence of texts, one a test")
    inputs = tuple(inputs)
    if not inputs:
        raise ValueError("inputs is empty; give at least one text for standard input (it may be '')")
    for number, text in enumerate(inputs):
        if not isinstance(text, str):
            raise TypeError(f"input {number} is {type(text).__name__}; give text")
        if len(text) > _LONGEST_INPUT:
            raise ValueError(f"input {number} has {len(text)} characters; the longest allowed has {_LONGEST_INPUT}")
    return program, inputs


def limited_jobs(jobs: Iterable[tuple[str, Sequence[str]]], limits: Limits | Sequence[Limits]) -> list[LimitedJob]:
    """Programs with their inputs and limits, the same for all or one for each; raises what `Sandbox.run_many` tells of."""
    checked = [checked_job(program, inputs) for program, inputs in jobs]
    each = [limits] * len(checked) if isinstance(limits, Limits) else limits
    if len(each) != len(checked):
        raise ValueError(f"run_many: {len(each)} limits for {len(checked)} jobs; give one for all, or one for each")
    return [(*job, own) for job, own in zip(checked, each, strict=True)]


def _request(program: str, inputs: Sequence[str], limits: Limits, fresh: bool) -> wire.Request:
    return wire.Request(
        program.encode("utf-8", "surrogatepass"),
        [text.encode("utf-8", "surrogatepass") for text in inputs],
        float(limits.cpu_seconds),
        float(limits.wall_seconds),
        limits.memory_mb << 20,
        limits.output_kb << 10,
        limits.processes,
        fresh,
    )


def _execution(outcome: wire.Outcome) -> Execution:
    return Execution(
        Verdict(outcome.status),
        outcome.stdout.decode("utf-8", "replace"),
        outcome.error.decode("utf-8", "replace"),
        outcome.cpu_seconds,
        outcome.wall_seconds,
    )


_NO_CODE = Execution(Verdict.WRONG_ANSWER, error="no code was given")


def _judged(problem: Problem, runs: Sequence[Execution] | None) -> list[TestResult]:
    if runs is None:
        return [TestResult(test, Verdict.WRONG_ANSWER, _NO_CODE) for test in problem.tests]
    results = []
    for test, run in zip(problem.tests, runs, strict=True):
        verdict = run.verdict
        if verdict is Verdict.PASSED and not problem.answers(test, run.stdout):
            verdict = Verdict.WRONG_ANSWER
        results.append(TestResult(test, verdict, run))
    return results


def _close_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().close()
