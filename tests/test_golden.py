"""A seeded tiny training gives the recorded numbers: exactly where versions and processor are the recorded ones."""

from __future__ import annotations

import json
import math
from typing import Any

import golden
import pytest


def differences(expected: list[dict[str, Any]], found: list[dict[str, Any]], tolerance: float) -> list[str]:
    """Recorded metrics that came out otherwise; new ones do not count."""
    unlike = []
    for number, (row, other) in enumerate(zip(expected, found, strict=True), 1):
        for name, value in row.items():
            got = other.get(name)
            if value is None or got is None:
                same = value is got
            else:
                same = value == got or math.isclose(value, got, rel_tol=tolerance, abs_tol=tolerance)
            if not same:
                unlike.append(f"step {number}: {name} is {got}, was {value}")
    return unlike


def test_the_golden_trajectory() -> None:
    recorded = json.loads(golden.FILE.read_text(encoding="utf-8"))
    here = golden.environment()
    if here["versions"] != recorded["versions"]:
        changed = sorted(n for n, v in recorded["versions"].items() if here["versions"].get(n) != v)
        pytest.skip(f"recorded with other versions of {', '.join(changed)}; `make golden` records it anew")
    found = golden.measure()
    if here["machine"] == recorded["machine"]:
        assert differences(recorded["steps"], found["steps"], tolerance=0.0) == []
        assert found["weights"] == recorded["weights"]
    else:  # another processor rounds otherwise, and a sampled token may differ after the first step
        assert differences(recorded["steps"][:1], found["steps"][:1], tolerance=1e-3) == []


def test_a_difference_would_be_noticed() -> None:
    recorded = json.loads(golden.FILE.read_text(encoding="utf-8"))["steps"]
    changed = [dict(row) for row in recorded]
    changed[2]["loss"] = math.nextafter(changed[2]["loss"], 1)
    del changed[3]["reward"]
    [loss, reward] = differences(recorded, changed, tolerance=0.0)
    assert loss.startswith("step 3: loss is") and reward.startswith("step 4: reward is None")
    assert len(recorded) == 4 and {"reward", "kl", "loss", "grad_norm", "entropy"} <= set(recorded[0])
