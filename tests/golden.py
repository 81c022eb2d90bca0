"""The golden trajectory: a training of seconds, seeded, whose every number is kept.

``python tests/golden.py`` records it anew into ``tests/golden/trajectory.json`` (``make golden``).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "golden/trajectory.json"
_COMPUTE = ("numpy", "torch", "transformers", "tokenizers", "trl", "datasets", "accelerate")
_CLOCKS = ("seconds", "time", "runtime", "per_second", "num_tokens")


def environment() -> dict[str, dict[str, str]]:
    """What the numbers depend on beside our code: versions of what computes, and the processor."""
    import torch

    from tarot_lite import runs

    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in _COMPUTE}
    versions["python"] = ".".join(platform.python_version_tuple()[:2])
    machine = {"system": platform.system(), "architecture": platform.machine()}
    machine |= {"processor": runs._processor(), "instructions": torch.backends.cpu.get_cpu_capability()}
    return {"versions": versions, "machine": machine}


def measure() -> dict[str, Any]:
    """Warm a student up, train it for four steps, and return every metric of every step, and a hash of its weights."""
    from tarot_lite import students, toyworld
    from tarot_lite.curriculum import get_policy
    from tarot_lite.sandbox import Sandbox
    from tarot_lite.settings import Settings
    from tarot_lite.training import train

    settings = Settings(
        threads=1,
        seed=0,
        students={"golden": 60},
        warmup_problems=120,
        grpo_steps=4,
        prompts_per_step=2,
        generations=4,
        save_steps=4,
    )
    problems = toyworld.problems("train", 12, seed=0, tests_per_tier=1)
    with tempfile.TemporaryDirectory() as folder, Sandbox(workers=1) as sandbox:
        student = students.tiny("golden", settings, Path(folder) / "students")
        result = train(student, problems, get_policy("var"), settings, Path(folder) / "training", sandbox)
        digest = hashlib.sha256()
        for name, tensor in sorted(student.model.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    history = result.history.drop(columns=[name for name in result.history if any(clock in name for clock in _CLOCKS)])
    return {"steps": json.loads(history.to_json(orient="records", double_precision=15)), "weights": digest.hexdigest()}


def record() -> None:
    """Write the golden file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps({**environment(), **measure()}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
    print(f"recorded {FILE.relative_to(Path.cwd()) if FILE.is_relative_to(Path.cwd()) else FILE.name}")
