"""Helpers of the sandbox's tests."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from tarot_lite.sandbox import Limits

QUICK = Limits(cpu_seconds=0.5, wall_seconds=60, memory_mb=256, output_kb=64)
"""A short limit on CPU time alone: a short one on the clock would make verdicts depend on how busy the machine is."""
BRIEF = replace(QUICK, wall_seconds=2)
"""For programs that sleep."""


def descendants(pid: int | None = None) -> list[int]:
    """Process ids of everything that this process, or another, has started and that still runs.

    But for the resource tracker that `multiprocessing` starts once and keeps.
    """
    found, stack = [], [os.getpid() if pid is None else pid]
    while stack:
        parent = stack.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            try:
                children = [int(word) for word in Path(f"/proc/{parent}/task/{task}/children").read_text().split()]
            except OSError:
                continue
            children = [child for child in children if not _is_resource_tracker(child)]
            found += children
            stack += children
    return found


def _is_resource_tracker(pid: int) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 10.0) -> bool:
    """Poll a function until it is true; False if it is not in time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
