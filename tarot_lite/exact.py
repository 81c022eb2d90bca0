"""How numbers are computed on a CPU: one place decides, so that every x86-64 machine with AVX2 gives the same ones.

Sums of floating-point numbers depend on the instruction set and on the number of threads.  ``import tarot_lite`` calls
`settle` before anything numerical is imported; child processes inherit what it sets.  `hold` gives torch its threads and
lets a pretrained student have the machine's own speed.  `arithmetic` says whether the numbers of this process are
exact, and if not, why: never different in silence.

A variable that the user has set stays as it is, and the run is told as not exact.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

VARIABLES = {
    "ATEN_CPU_CAPABILITY": ("avx2", "torch"),
    "ONEDNN_MAX_CPU_ISA": ("AVX2", "torch"),
    "MKL_ENABLE_INSTRUCTIONS": ("AVX2", "torch"),
    "MKL_CBWR": ("AVX2", "torch"),
    "OPENBLAS_CORETYPE": ("Haswell", "numpy"),  # numpy's and scipy's; Haswell was the first with AVX2
    "OPENBLAS_NUM_THREADS": ("1", "numpy"),
    "NPY_DISABLE_CPU_FEATURES": ("X86_V4 AVX512_ICL AVX512_SPR", "numpy"),  # set where the processor has AVX-512
}
"""What is set, and the library that reads it when it is loaded or first used."""

_OURS = "TAROT_LITE_HAS_SET"  # names of those that this package set, here or in a parent process
_PYTHON = "3.11"
_COMPUTE = ("numpy", "pandas", "scipy", "torch", "transformers", "tokenizers", "trl", "datasets", "peft", "accelerate")
_late: list[str] = []  # a fact about this process: libraries that were loaded before `settle`


def settle() -> None:
    """Set what is not set yet, if this processor has AVX2; the first thing that ``import tarot_lite`` does."""
    if _obstacle() is not None:
        return
    missing = [name for name in _wanted() if name not in os.environ]
    _late.extend(sorted({VARIABLES[name][1] for name in missing} & set(sys.modules)))
    os.environ.update({name: VARIABLES[name][0] for name in missing})
    if missing:
        os.environ[_OURS] = ",".join([*filter(None, [os.environ.get(_OURS)]), *missing])


def hold(threads: int, pretrained: bool) -> None:
    """Let this process compute with `threads`; a pretrained student may use what the machine has.

    Call it when a run starts and again before torch computes: torch keeps the number of threads to itself, whatever
    ``OMP_NUM_THREADS`` says.
    """
    torch = sys.modules.get("torch")
    if pretrained and torch is None:
        for name in filter(None, os.environ.pop(_OURS, "").split(",")):
            os.environ.pop(name, None)
    if torch is not None:
        torch.set_num_threads(threads)
        if threads == 1 and not pretrained and not torch.cuda.is_available():
            torch.use_deterministic_algorithms(True, warn_only=True)


def arithmetic(threads: int, pretrained: bool, versions: Mapping[str, str], gpu: bool) -> dict[str, Any]:
    """What the numbers of this process depend on, and whether they are exact.

    Examples
    --------
    >>> arithmetic(threads=2, pretrained=False, versions={}, gpu=False)["exact"]
    False
    """
    asked = None if pretrained or _obstacle() else "AVX2"
    reasons = [_obstacle()]
    if pretrained:
        reasons.append("a pretrained student computes with all that the machine has, for speed")
    elif asked:
        for name in _wanted():
            if (value := os.environ.get(name)) != VARIABLES[name][0]:
                reasons.append(f"the variable {name} is {value!r} instead of {VARIABLES[name][0]!r}")
        reasons += [f"{name} was loaded before tarot_lite" for name in _late]
        if _in_force() != asked:
            reasons.append(f"torch computes with {_in_force()} instead of {asked}")
    if _gpu_is_used(gpu):
        reasons.append("torch computes on a GPU")
    if threads != 1:
        reasons.append(f"threads is {threads}, not 1")
    pins = {"python": _PYTHON, **_pins()}
    for name, version in versions.items():
        if name in pins and re.split(r"\+", version)[0] != pins[name] and not _is_python(name, version):
            reasons.append(f"{name} is {version}, not {pins[name]}")
    why_not = [reason for reason in reasons if reason]
    return {
        "asked": asked,
        "in_force": _in_force(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "threads": threads,
        "exact": not why_not,
        "why_not": why_not,
    }


def _gpu_is_used(there: bool) -> bool:
    if (torch := sys.modules.get("torch")) is not None:
        return bool(torch.cuda.is_available())
    return there and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


def _is_python(name: str, version: str) -> bool:
    return name == "python" and version.startswith(f"{_PYTHON}.")


def _wanted() -> list[str]:
    return [name for name in VARIABLES if name != "NPY_DISABLE_CPU_FEATURES" or "avx512f" in _flags()]


@lru_cache(maxsize=1)
def _obstacle() -> str | None:
    """Why no process of this machine can be exact."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        return f"this machine is {platform.system()} on {platform.machine()}, not Linux on x86-64"
    if not {"avx2", "fma"} <= _flags():
        return "this processor has no AVX2"
    if (libc := platform.libc_ver()[0]) != "glibc":
        return f"the C library is {libc or 'unknown'}, not glibc"
    return None


@lru_cache(maxsize=1)
def _flags() -> frozenset[str]:
    """What the processor can do, as Linux names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return frozenset(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()


def _in_force() -> str:
    """The instruction set that torch uses; as long as it is not loaded, the one that it would choose."""
    if (torch := sys.modules.get("torch")) is not None:
        return str(torch.backends.cpu.get_cpu_capability())
    if value := os.environ.get("ATEN_CPU_CAPABILITY"):
        return value.upper()
    return "AVX512" if "avx512f" in _flags() else "AVX2" if "avx2" in _flags() else "DEFAULT"


@lru_cache(maxsize=1)
def _pins() -> dict[str, str]:
    """Versions that the committed numbers come from; the file is a link to ``requirements/reference.in``."""
    lines = Path(__file__).with_name("reference.in").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name: pins[name].strip() for name in _COMPUTE}
