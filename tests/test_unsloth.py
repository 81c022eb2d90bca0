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
        assert rows["unsloth"]["moved"] == pytest.approx(
            rows["transformers"]["moved"], rel=1e-3
        )  # the loss itself is about 0
        assert rows["unsloth"]["resumed apart"] == 0


_SAVE = """
import sys
from pathlib import Path
sys.path.insert(0, "benchmarks")
from gpu_check import length_problems, make_model, settings_for
from dataclasses import replace
from tarot_lite import students

place, backend = Path(sys.argv[1]), sys.argv[2]
model = place / "model"
settings = replace(settings_for(str(model), backend, True), seed=3)
if backend == "unsloth":
    from tarot_lite.students import backends
    backends.enter(settings)
    make_model(model, True, 0)
student = students.make("checked", settings, place)
student.style = "line"
import torch
from tarot_lite.training import finish

prompts = [student.prompt(problem) for problem in length_problems(4)]
def written(some):
    return [group[0].text for group in some.generate(prompts, 1, temperature=0.0, max_new_tokens=24)]
if backend == "unsloth":
    plain = written(student)
    with torch.no_grad():  # as if it were trained: new adapters begin without any effect
        for name, weight in student.model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    adapted = written(student)
    assert adapted != plain
    finish.save(student, place / "adapters", "adapters")
    finish.save(student, place / "merged", "merged")
    (place / "written").write_text(repr(adapted))
else:
    from tarot_lite.training.checkpoints import take_weights
    take_weights(place / "adapters", student)
    assert repr(written(student)) == (place / "written").read_text(), "adapters"
    merged = students.load(place / "merged")
    merged.style = "line"
    assert repr(written(merged)) == (place / "written").read_text(), "merged"
print("SAME", backend)
"""


def test_what_unsloth_saves_is_read_without_it(repository: Path, tmp_path: Path) -> None:
    """Adapters by PEFT, merged weights by transformers alone: both write what the student in memory wrote."""
    for backend in ("unsloth", "transformers"):
        ran = subprocess.run(
            [sys.executable, "-c", _SAVE, str(tmp_path), backend],
            capture_output=True,
            text=True,
            cwd=repository,
            env=os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        )
        assert f"SAME {backend}" in ran.stdout, ran.stdout + ran.stderr


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
