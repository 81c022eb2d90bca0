"""The attack zoo on every level of isolation that this machine can give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sandbox_helpers import descendants, wait_until

from tarot_lite.judging import Verdict
from tarot_lite.sandbox import LEVELS, Limits, Sandbox
from tarot_lite.sandbox.zoo import ATTACKS, Attack, Stage

BRIEF = Limits(cpu_seconds=0.8, wall_seconds=1.5, memory_mb=256, output_kb=64)
LIMITS = replace(BRIEF, wall_seconds=60)  # on a busy machine the clock would end attacks that fail for other reasons
SLEEPERS = {
    "sleep",
    "all exceptions caught",
    "threads left running",
    "writing to the sandbox's channel",
    "exit handler that sleeps",
}


def resources() -> tuple[int, set[str], set[int]]:
    places = ["/tmp", "/dev/shm"]
    files = {f"{place}/{name}" for place in places if os.path.isdir(place) for name in os.listdir(place)}
    return len(os.listdir("/proc/self/fd")), files, set(descendants())


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox with all that the machine gives; skipped without seccomp, where hostile programs must not run."""
    with Sandbox(workers=1, limits=LIMITS) as sandbox:
        if not sandbox.report().reaches("seccomp"):
            pytest.skip(f"this machine only gives the level {sandbox.report().level}")
        sandbox.run("import json", [""])  # starts the worker of the other kind
        yield sandbox


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.group}: {attack.name}")
def test_attack_fails_and_leaves_nothing(box: Sandbox, stage: Stage, attack: Attack) -> None:
    if not box.report().reaches(attack.level):
        pytest.skip(f"needs the level {attack.level}")
    problem = stage.problem()
    [before] = box.judge(problem, f"print({stage.answer!r})")
    assert before.passed
    assert wait_until(lambda: len(descendants()) == 4)  # two guards, two zygotes
    descriptors, files, processes = resources()
    box.limits = BRIEF if attack.name in SLEEPERS else LIMITS
    [result] = box.judge(problem, attack.program(stage))
    box.limits = LIMITS
    assert result.verdict in attack.verdicts, result.execution
    assert "LEAK" not in result.execution.stdout, result.execution
    assert stage.answer not in result.execution.stdout
    [after] = box.judge(problem, f"print({stage.answer!r})")
    assert after.passed, "a later program is judged wrong"
    assert resources()[0] == descriptors
    left = "a process was left behind, or a worker had to be replaced"
    assert wait_until(lambda: set(descendants()) == processes), left
    assert not {name for name in resources()[1] - files if Path(name).name.startswith(("fill", "owned", "link"))}


def test_the_zoo_is_large_and_its_names_are_unique() -> None:
    assert len(ATTACKS) >= 40
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert {attack.level for attack in ATTACKS} <= set(LEVELS)
    assert all(Verdict.PASSED not in attack.verdicts for attack in ATTACKS)


def _attack_then_honest(source: str) -> str:
    return f"text = input()\nif text == 'attack':\n    exec({source!r}, globals())\nelse:\n    print(text)"


def test_attacks_on_one_test_leave_the_next_test_right(stage: Stage) -> None:
    """Each attack runs on the first of two tests; on the second the program is honest, and must be judged right."""
    wrong = []
    with Sandbox(workers=2) as box:
        if not box.report().reaches("landlock"):
            pytest.skip(f"this machine only gives the level {box.report().level}")
        done = []
        for limits, asleep in ((LIMITS, False), (BRIEF, True)):
            attacks = [attack for attack in ATTACKS if (attack.name in SLEEPERS) is asleep]
            jobs = [(_attack_then_honest(attack.program(stage)), ["attack", "x"]) for attack in attacks]
            done += zip(attacks, box.run_many(jobs, limits=limits), strict=True)
        for attack, runs in done:
            if "range(3, 300)" in attack.source or "os.write(5" in attack.source:
                assert runs[1].verdict is not Verdict.SANDBOX_FAILURE
                continue  # it lies on the sandbox's own channel, and may harm its own next test
            if (runs[1].verdict, runs[1].stdout) != (Verdict.PASSED, "x\n"):
                wrong.append((attack.name, runs[1]))
    assert not wrong


# What a container, or a kernel without Landlock, would leave of a full sandbox.
@pytest.mark.parametrize("left_out", [["namespaces"], ["landlock"], ["namespaces", "landlock", "user"]], ids=" ".join)
def test_the_zoo_fails_with_fewer_layers(stage: Stage, left_out: list[str]) -> None:
    problem = stage.problem()
    with Sandbox(workers=2, limits=LIMITS, without=left_out) as box:
        report = box.report()
        if not report.reaches("seccomp"):
            pytest.skip(f"this machine only gives the level {report.level}")
        attacks = [attack for attack in ATTACKS if report.reaches(attack.level)]
        attacks.sort(key=lambda attack: attack.name in SLEEPERS)
        awake = [attack for attack in attacks if attack.name not in SLEEPERS]
        results = box.judge_many((problem, attack.program(stage)) for attack in awake)
        box.limits = BRIEF
        results += box.judge_many((problem, attack.program(stage)) for attack in attacks[len(awake) :])
        box.limits = LIMITS
        assert box.judge(problem, f"print({stage.answer!r})")[0].passed
    for attack, [result] in zip(attacks, results, strict=True):
        assert result.verdict in attack.verdicts, (attack.name, result.execution)
        assert "LEAK" not in result.execution.stdout, (attack.name, result.execution)
