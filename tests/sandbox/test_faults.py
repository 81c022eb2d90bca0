"""Workers that die or stop, owners that die, and long use."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sandbox_helpers import descendants, is_running, wait_until

from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, TestCase
from tarot_lite.sandbox import Limits, Sandbox, SandboxError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture(autouse=True)
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that other tests have started, and keep, are none of those looked at here."""
    others, everything = set(descendants()), descendants
    monkeypatch.setitem(
        globals(), "descendants", lambda *owner: [pid for pid in everything(*owner) if pid not in others]
    )


@pytest.mark.parametrize("target", ["guard", "zygote", "child"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV])
def test_a_worker_that_is_killed_or_stopped_costs_no_verdict(target: str, number: int) -> None:
    depth = {"guard": 0, "zygote": 1, "child": 2}[target]
    with Sandbox(workers=1, limits=Limits(wall_seconds=4)) as box:
        box.run("pass", [""])

        def disturb() -> None:
            chain = []
            while len(chain) < 3:
                chain = [pid for pid in descendants() if is_running(pid)]
            os.kill(chain[depth], number)

        timer = threading.Timer(0.3, disturb)
        timer.start()
        runs = box.run("import time\ntime.sleep(1)\nprint(input())", ["a", "b"])
        timer.join()
        if target == "child" and number != signal.SIGKILL:  # then it is the program that ends, or sleeps
            ended = Verdict.SIGNAL if number == signal.SIGSEGV else Verdict.TIMEOUT
            assert [run.verdict for run in runs] == [ended, Verdict.PASSED]
        else:
            assert [run.stdout for run in runs] == ["a\n", "b\n"], runs
        assert box.run("print('later')", [""])[0].stdout == "later\n"
    assert wait_until(lambda: not descendants())


def test_killing_workers_at_random_moments_changes_nothing() -> None:
    chance = random.Random(0)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(chance.uniform(0.15, 0.3)):
            alive = descendants()
            if alive:
                try:
                    os.kill(chance.choice(alive), signal.SIGKILL)
                except ProcessLookupError:
                    continue

    jobs = [(f"print({number}, input())", ["a", "b", "c"]) for number in range(600)]
    thread = threading.Thread(target=disturb)
    with Sandbox(workers=2) as box:
        thread.start()
        try:
            while True:  # a job whose worker was killed twice is reported, with all the others kept: try again
                try:
                    runs = box.run_many(jobs)
                    break
                except SandboxError as error:
                    finished = [result for result in error.results if result[0].verdict is Verdict.PASSED]
                    assert len(finished) > len(jobs) / 2
        finally:
            stop.set()
            thread.join()
    assert [[run.stdout for run in result] for result in runs] == [
        [f"{number} {text}\n" for text in "abc"] for number in range(600)
    ]


def test_a_sandbox_that_fails_twice_says_so_and_keeps_what_was_done() -> None:
    problem = Problem("p", "", (TestCase("a", "a"), TestCase("b", "b")))
    with Sandbox(workers=1) as box:
        stop = threading.Event()

        def disturb() -> None:
            while not stop.wait(0.05):
                for pid in descendants():
                    try:
                        if b"\0" in Path(f"/proc/{pid}/cmdline").read_bytes() and time.monotonic() > begin:
                            os.kill(pid, signal.SIGKILL)
                    except OSError:
                        continue

        assert box.judge(problem, "print(input())")[0].passed
        begin = time.monotonic() + 0.2
        thread = threading.Thread(target=disturb)
        thread.start()
        slow = "import time\ntime.sleep(1)\nprint(input())"
        try:
            with pytest.raises(SandboxError, match="failed twice") as caught:
                box.judge_many([(problem, None), (problem, slow)])
        finally:
            stop.set()
            thread.join()
        assert caught.value.__cause__ is not None
        [nothing, failed] = caught.value.results
        assert [result.verdict for result in nothing] == [Verdict.WRONG_ANSWER] * 2
        assert [result.verdict for result in failed] == [Verdict.SANDBOX_FAILURE] * 2
        assert box.judge(problem, "print(input())")[0].passed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_is_left_when_the_owner_ends(number: int, repository: Path) -> None:
    program = (
        "from tarot_lite.sandbox import Sandbox\nimport threading\nbox = Sandbox(workers=2)\nbox.run('pass', [''])\n"
        "threading.Timer(0.5, print, ('running',), {'flush': True}).start()\n"
        "box.run_many([(f'import time\\nwhile True: time.sleep({n})', ['']) for n in (1, 2)])\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=repository, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        # guard, zygote and child of two workers; a child that has ended may wait to be reaped
        assert wait_until(lambda: sum(map(is_running, descendants(owner.pid))) == 6)
        inside = descendants(owner.pid)
        owner.send_signal(number)
        if number == signal.SIGINT:
            time.sleep(0.2)
            owner.kill()
    assert wait_until(lambda: not any(is_running(pid) for pid in inside))


def test_close_and_garbage_collection_end_the_workers() -> None:
    box = Sandbox(workers=2)
    box.run_many([("print(1)", [""]), ("print(2)", [""])])
    assert descendants()
    box.close()
    assert wait_until(lambda: not descendants())
    assert box.run("print('again')", [""])[0].stdout == "again\n"
    del box
    gc.collect()
    assert wait_until(lambda: not descendants())


def test_ten_thousand_runs_grow_nothing() -> None:
    def used(pid: int) -> tuple[int, int]:
        memory = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4
        return memory, len(os.listdir(f"/proc/{pid}/fd"))

    with Sandbox(workers=1) as box:
        program = "print(int(input()) * 2)"
        box.run(program, ["1"] * 500)
        for number in range(200):
            box.run(f"{program}  # {number}", ["1", "2"])
        assert wait_until(lambda: len(descendants()) == 2)  # guard and zygote
        processes = descendants()
        before = [used(pid) for pid in [*processes, os.getpid()]]
        for number in range(1000):
            runs = box.run(f"{program}  # {number}", ["1", "x"] + ["3"] * 8)
            assert runs[9].stdout == "6\n"
        assert wait_until(lambda: descendants() == processes)
        after = [used(pid) for pid in [*processes, os.getpid()]]
    for (memory, descriptors), (memory_after, descriptors_after) in zip(before, after, strict=True):
        assert memory_after < memory + 3000  # KiB
        assert descriptors_after == descriptors
