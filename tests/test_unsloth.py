"""The Unsloth path, really run: on a GPU if there is one, else by Unsloth's own fallback to the CPU (``make test-unsloth``)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("unsloth") is None, reason="Unsloth is not installed; make test-unsloth installs it"
)


def python(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, since Unsloth must be imported before everything that it changes."""
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def report(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("gpu")
    ran = python(repository, str(repository / "benchmarks/gpu_check.py"), "--tiny", "--out", str(out))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(next(out.glob("*.json")).read_text())
    return found


def test_both_backends_train_the_same_adapters(report: dict[str, Any]) -> None:
    """Load, adapt, train, stop half-way, go on: all asserted by the check itself, for each backend."""
    rows = {row["backend"]: row for row in report["rows"]}
    assert set(rows) == {"unsloth", "transformers"} and report["not run"] == {}
    assert rows["unsloth"]["moved"] == pytest.approx(rows["transformers"]["moved"], rel=0.2)
    if report["card"].startswith("none"):  # its fallback is the same computation
        assert rows["unsloth"]["last loss"] == rows["transformers"]["last loss"]
        assert rows["unsloth"]["resumed apart"] == 0


_TOO_LATE = """
import trl
from tarot_lite.settings import Settings
from tarot_lite.students import StudentError, make
try:
    make("m", Settings(models={"m": "."}, backend="unsloth"), ".")
except StudentError as error:
    print(error)
"""


def test_unsloth_after_trl_is_refused(repository: Path) -> None:
    ran = python(repository, "-c", _TOO_LATE)
    assert "was imported before Unsloth, which must come first; restart the kernel" in ran.stdout, ran.stderr


def test_an_unsloth_that_cannot_be_imported_is_told_with_the_remedy(repository: Path) -> None:
    script = _TOO_LATE.replace("import trl", "")
    ran = python(repository, "-c", script, UNSLOTH_DISABLE_CPU_FALLBACK="1", CUDA_VISIBLE_DEVICES="")
    assert "Unsloth cannot be imported (" in ran.stdout and "set backend to transformers" in ran.stdout, ran.stderr
