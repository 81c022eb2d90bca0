"""The golden trajectory: a training of seconds, seeded, whose every number is kept.

``python tests/golden.py`` prints it; ``make golden`` records it anew into ``tests/golden/trajectory.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "golden/trajectory.json"


def measure() -> dict[str, Any]:
    """Warm a student up, train it for three steps; every metric of every step, a hash of its weights, and how it computed."""
    from tarot_lite import exact, origins, students, toyworld
    from tarot_lite.curriculum import get_policy
    from tarot_lite.sandbox import Sandbox
    from tarot_lite.settings import Settings
    from tarot_lite.training import MACHINE_COLUMNS, train

    settings = Settings(
        threads=1,
        seed=0,
        students={"golden": 100},
        warmup_problems=120,
        grpo_steps=3,
        prompts_per_step=2,
        generations=4,
        save_steps=3,
    )
    problems = toyworld.problems("train", 12, seed=0, tests_per_tier=1)
    with tempfile.TemporaryDirectory() as folder, Sandbox(workers=1) as sandbox:
        student = students.tiny("golden", settings, Path(folder) / "students", students.Recipe(batch=16))
        result = train(student, problems, get_policy("var"), settings, Path(folder) / "training", sandbox)
        digest = hashlib.sha256()
        for name, tensor in sorted(student.model.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
    machine = [name for name in result.history if any(fnmatch(name, pattern) for pattern in MACHINE_COLUMNS)]
    history = result.history.drop(columns=machine)
    steps = json.loads(history.to_json(orient="records", double_precision=15))
    how = exact.arithmetic(settings.threads, False, origins.versions(), gpu=False)
    return {"steps": steps, "weights": digest.hexdigest(), "why_not": how["why_not"]}


if __name__ == "__main__":
    found = json.dumps(measure(), indent=1) + "\n"
    if "--record" in sys.argv:
        FILE.write_text(found, encoding="utf-8")
    else:
        print(found)
