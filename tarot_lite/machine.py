"""What this machine is, and what it has: processor, memory, NVIDIA card, packages, the commit of this code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version


@dataclass(frozen=True, slots=True)
class Card:
    """An NVIDIA GPU.

    Parameters
    ----------
    name
        As its driver says.
    memory
        In GiB.
    capability
        CUDA compute capability; 8.0 (Ampere) and later compute in bfloat16.
    """

    name: str
    memory: float
    capability: float

    @property
    def bf16(self) -> bool:
        """Whether it computes in bfloat16; a T4 does not."""
        return self.capability >= 8.0

    @property
    def dtype(self) -> str:
        """Type that weights and gradients are held in."""
        return "bfloat16" if self.bf16 else "float16"


def card() -> Card | None:
    """The first GPU that this process may use (``CUDA_VISIBLE_DEVICES`` is respected); None if there is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip(" -1"):
        return None
    number = (visible or "0").split(",")[0].strip()
    said = said_by(
        "nvidia-smi", "-i", number, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"
    )
    return parse_card(said) if said else None


def parse_card(line: str) -> Card | None:
    """Read a line of ``nvidia-smi``: name, memory in MiB, compute capability; None if it is no such line.

    Examples
    --------
    >>> parse_card("Tesla T4, 15360, 7.5").bf16, parse_card("NVIDIA GeForce RTX 4090, 24564, 8.9").bf16
    (False, True)
    >>> parse_card("Tesla T4, [N/A], 7.5") is None
    True
    """
    try:
        name, memory, capability = (part.strip() for part in line.splitlines()[0].rsplit(",", 2))
        return Card(name, float(memory) / 1024, float(capability))
    except (ValueError, IndexError):
        return None


def missing(extras: Iterable[str] = ()) -> dict[str, str | None]:
    """Requirements of this package that are not met, each with the version that is there; None: none is."""
    wanted = ["", *extras]
    found: dict[str, str | None] = {}
    for text in importlib.metadata.requires("tarot-lite") or ():
        need = Requirement(text)
        if need.marker is not None and not any(need.marker.evaluate({"extra": extra}) for extra in wanted):
            continue
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            found[f"{need.name}{need.specifier}"] = None
            continue
        if not need.specifier.contains(Version(version).public, prereleases=True):
            found[f"{need.name}{need.specifier}"] = version
    return found


def facts() -> dict[str, Any]:
    """What a run is on, for its manifest; nothing that names the machine or its user."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gb": memory_gb(),
        "gpu": gpu(),
    }


def memory_gb() -> float:
    """Memory of the machine, in GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def processor() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def gpu() -> str | None:
    """Names and memory of all GPUs, as their driver says; None without any."""
    return said_by("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")


def commit() -> dict[str, Any] | None:
    """Commit of the repository that the package is run from; None if it is installed."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    git = "git", "-C", str(root)
    head = said_by(*git, "rev-parse", "HEAD")
    changed = said_by(*git, "status", "--porcelain", "--untracked-files=no", "--", "tarot_lite", "notebooks")
    return {"commit": head, "changed_since": bool(changed)} if head else None


def said_by(*command: str) -> str | None:
    """What a program prints; None if it is not there, fails or says nothing within 20 seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None
