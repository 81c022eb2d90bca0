"""The check of a GPU, in its tiny form: adapters trained on a CPU, stopped half-way and gone on with."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(repository / "benchmarks/gpu_check.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def report(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("gpu")
    ran = run(repository, "--tiny", "--out", str(out))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads((out / "cpu.json").read_text())
    return found


def test_plain_transformers_learns_and_goes_on_exactly(report: dict[str, Any]) -> None:
    row = next(row for row in report["rows"] if row["backend"] == "transformers")
    assert row["resumed apart"] == 0 and row["moved"] > 0 and row["groups that differ"] > 0
    assert 0 < row["waiting share"] < row["scoring share"] < 1 and row["tokens a second"] > 0
    assert row["estimate holds"] and 0 < row["reserved GiB"] < row["estimated GiB"]
    assert 0 < row["generation share"] < 1 and row["first step s"] > 0
    assert {"torch", "transformers", "trl", "peft", "python"} <= set(report["versions"])


def test_it_ends_in_time_and_still_writes_its_table(repository: Path, tmp_path: Path) -> None:
    """No time at all: every backend is given up, and told."""
    ran = run(repository, "--tiny", "--limit", "0", "--out", str(tmp_path))
    report = json.loads((tmp_path / "cpu.json").read_text())
    assert ran.returncode == 1 and report["rows"] == []
    assert report["not run"]["transformers"] == "failed: not done after 1 s"


@pytest.mark.skipif(importlib.util.find_spec("unsloth") is not None, reason="Unsloth is installed: see test_unsloth.py")
def test_without_unsloth_it_says_so(report: dict[str, Any]) -> None:
    assert report["not run"]["unsloth"].startswith("left out: Unsloth is not installed (pip install unsloth==")
