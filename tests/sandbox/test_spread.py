"""Programs sent to the worker processes of an executor: the same results, and no silent loss when a process dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
from distributed import LocalCluster

from tarot_lite import toyworld
from tarot_lite.judging import Verdict
from tarot_lite.sandbox import Limits, Sandbox, SandboxError, SpreadSandbox

JOBS = [
    *((f"print(int(input()) + {at})", ("1", "2")) for at in range(150)),
    ("print(int(input()) + 3)", ("1", "2")),  # once more
    ("while True: pass", ("",)),
    ("raise ValueError('no')", ("",)),
]


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


def told(runs: list[list]) -> list[list[tuple[Verdict, str, str]]]:
    return [[(run.verdict, run.stdout, run.error) for run in one] for one in runs]


def test_processes_and_dask_workers_give_what_one_sandbox_gives(processes: ProcessPoolExecutor) -> None:
    limits = Limits(cpu_seconds=1)
    problems = toyworld.problems("train", 3, seed=0)
    pairs = [(problem, problem.reference) for problem in problems] + [(problems[0], "print()"), (problems[0], None)]
    with Sandbox(2, limits) as sandbox:
        expected = told(sandbox.run_many(JOBS))
        judged = [[result.verdict for result in results] for results in sandbox.judge_many(pairs)]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        cluster.get_client() as client,
    ):
        for executor in (processes, client.get_executor()):
            spread = SpreadSandbox(executor, limits=limits)
            assert told(spread.run_many(JOBS)) == expected
            assert [[result.verdict for result in results] for results in spread.judge_many(pairs)] == judged
            assert spread.report().level and spread.run("print(1)", [""])[0].stdout == "1\n"


def test_each_job_keeps_its_own_limits_elsewhere_too(processes: ProcessPoolExecutor) -> None:
    busy = "for _ in range(10_000_000):\n    pass\nprint('end')"
    limits = [Limits(cpu_seconds=0.05), Limits(cpu_seconds=20)] * 20
    runs = SpreadSandbox(processes).run_many([(busy, [""])] * 40, limits=limits)
    assert [run[0].verdict for run in runs] == [Verdict.TIMEOUT, Verdict.PASSED] * 20


def test_a_process_that_dies_is_no_wrong_answer(processes: ProcessPoolExecutor) -> None:
    # Both processes are there before one is killed: a pool that breaks while it grows may never shut down (CPython).
    list(processes.map(time.sleep, [0.1, 0.1]))
    sandbox, victim = SpreadSandbox(processes), processes.submit(os.getpid).result()
    sleepers = [("import time; time.sleep(2); print('done')", (str(at),)) for at in range(65)]
    processes.submit(os.kill, victim, signal.SIGKILL)
    with pytest.raises(SandboxError, match=r"\d+ of 65 programs could not be run; the first failure: ") as caught:
        sandbox.run_many(sleepers)
    assert len(caught.value.results) == 65
    assert {run.verdict for [run] in caught.value.results} <= {Verdict.SANDBOX_FAILURE, Verdict.PASSED}
    with pytest.raises(SandboxError, match=r"2 of 2 programs .* takes no more programs"):  # a broken pool says so
        sandbox.run_many([("print(1)", ("",)), ("print(2)", ("",))])


def test_each_machine_must_give_the_level_that_is_required(processes: ProcessPoolExecutor) -> None:
    assert SpreadSandbox(processes, require="rlimits").run("print(1)", [""])[0].stdout == "1\n"
    with pytest.raises(ValueError, match="unknown"):
        SpreadSandbox(processes, require="moon").run("print(1)", [""])
