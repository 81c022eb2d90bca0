"""The attack zoo on every level of isolation that this machine can give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_helpers import descendants, wait_until

from tarot_lite.judging import Verdict
from tarot_lite.sandbox import LEVELS, Limits, Sandbox
from tarot_lite.sandbox.zoo import ATTACKS, Attack, Stage

LIMITS = Limits(cpu_seconds=0.3, wall_seconds=0.8, memory_mb=256, output_kb=64)


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
    [result] = box.judge(problem, attack.program(stage))
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


def test_attacks_on_one_test_leave_the_next_test_right(stage: Stage) -> None:
    """Each attack runs on the first of two tests; on the second the program is honest, and must be judged right."""
    wrong = []
    with Sandbox(workers=2, limits=Limits(cpu_seconds=0.3, wall_seconds=0.6, memory_mb=256)) as box:
        if not box.report().reaches("landlock"):
            pytest.skip(f"this machine only gives the level {box.report().level}")
        jobs = []
        for attack in ATTACKS:
            body = repr(attack.program(stage))
            jobs.append(
                (
                    f"text = input()\nif text == 'attack':\n    exec({body}, globals())\nelse:\n    print(text)",
                    ["attack", "x"],
                )
            )
        for attack, runs in zip(ATTACKS, box.run_many(jobs), strict=True):
            if "import os\nfor number in range(3, 300)" in attack.source:
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
        results = box.judge_many((problem, attack.program(stage)) for attack in attacks)
        assert box.judge(problem, f"print({stage.answer!r})")[0].passed
    for attack, [result] in zip(attacks, results, strict=True):
        assert result.verdict in attack.verdicts, (attack.name, result.execution)
        assert "LEAK" not in result.execution.stdout, (attack.name, result.execution)
