"""Numbers are exact, or the run says that they are not: each time in a process of its own, as a user starts one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import golden
import pytest

from tarot_lite import exact, machine, report, runs

ROOT = Path(golden.FILE).parents[2]
needs_avx2 = pytest.mark.skipif(exact._obstacle() is not None, reason=f"no exact numbers here: {exact._obstacle()}")

RUN = """
from tarot_lite import runs
stage = runs.start("04_curriculum_grpo", {settings})
import torch
stage.finish()
"""


def run(script: list[str], folder: Path, **variables: str) -> str:
    """What a process prints that knows nothing of this one's variables but those that are given."""
    ours = {*exact.VARIABLES, exact._OURS, "OMP_NUM_THREADS", "MKL_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"PYTHONPATH": str(ROOT), **variables}
    result = subprocess.run([sys.executable, *script], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@needs_avx2
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OMP_NUM_THREADS": "8"},
        {"MKL_NUM_THREADS": "8"},
        {"LC_ALL": "C", "LANG": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "random"},
    ],
    ids=lambda variables: "-".join(variables) or "as found",
)
def test_the_golden_trajectory(variables: dict[str, str], tmp_path: Path) -> None:
    """The first runs in the repository, the others in another folder."""
    found = json.loads(run([str(ROOT / "tests/golden.py")], tmp_path if variables else ROOT, **variables))
    if found["why_not"] and all(" is " in reason for reason in found["why_not"]):
        pytest.skip(f"other versions: {'; '.join(found['why_not'])}; `make golden` records it anew")
    assert found == json.loads(golden.FILE.read_text(encoding="utf-8"))
    assert found["why_not"] == []


@needs_avx2
@pytest.mark.parametrize(
    ("before", "settings", "variables", "reason"),
    [
        ("", {}, {}, None),
        ("", {}, {"OMP_NUM_THREADS": "8"}, None),
        ("", {}, {"ATEN_CPU_CAPABILITY": "default"}, "the variable ATEN_CPU_CAPABILITY is 'default' instead of 'avx2'"),
        ("", {}, {"OPENBLAS_CORETYPE": "Sandybridge"}, "the variable OPENBLAS_CORETYPE is 'Sandybridge' instead of"),
        ("import torch; torch.ones(9).sum()", {}, {}, "torch was loaded before tarot_lite"),
        ("import numpy", {}, {}, "numpy was loaded before tarot_lite"),
        ("", {"threads": 2}, {}, "threads is 2, not 1"),
        ("", {"models": "a=b/c"}, {}, "a pretrained student computes with all that the machine has"),
    ],
)
def test_a_run_says_whether_it_is_exact(
    before: str, settings: dict[str, object], variables: dict[str, str], reason: str | None, tmp_path: Path
) -> None:
    script = before + RUN.format(settings=settings)
    run(["-c", script], tmp_path, **variables)
    manifest = runs.read_json(tmp_path / "reports/cpu/manifest.json")
    told = manifest["arithmetic"]
    page = report.build(tmp_path / "reports/cpu").read_text(encoding="utf-8").replace("&#39;", "'")
    if reason is None:
        assert told["exact"] and told["why_not"] == [] and "exact: AVX2, one thread per process" in page
        assert [(way["asked"], way["in_force"]) for way in told["ways"]] == [("AVX2", "AVX2")]
    else:
        assert not told["exact"] and any(why.startswith(reason) for why in told["why_not"])
        assert f"not exact: {told['why_not'][0]}" in page
    if "models" in settings:
        assert told["ways"][0]["variables"] == {}  # it keeps its speed


def test_a_stage_resumed_elsewhere_lists_both_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for processor in ("one", "another", "another"):
        monkeypatch.setattr(machine, "processor", lambda processor=processor: processor)
        runs.start("02_sandboxed_execution").finish()
    manifest = runs.read_json(tmp_path / "reports/cpu/manifest.json")
    assert [way["processor"] for way in manifest["arithmetic"]["ways"]] == ["one", "another"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("_flags", frozenset({"sse2"}), "this processor has no AVX2"),
        ("platform.libc_ver", ("", ""), "the C library is unknown, not glibc"),
        ("platform.machine", "aarch64", "this machine is Linux on aarch64, not Linux on x86-64"),
    ],
)
def test_a_machine_that_cannot_be_exact_says_why(
    name: str, value: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"tarot_lite.exact.{name}", lambda: value)
    monkeypatch.setattr(exact, "_obstacle", exact._obstacle.__wrapped__)
    assert exact.arithmetic(1, False, {}, gpu=False)["why_not"][0] == reason
