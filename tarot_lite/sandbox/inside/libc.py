"""The few calls of the C library and the kernel that Python does not offer (Linux only)."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

MACHINE = {"arm64": "aarch64", "amd64": "x86_64"}.get(os.uname().machine, os.uname().machine)

_CALLS = {
    "x86_64": {"pivot_root": 155, "capset": 126},
    "aarch64": {"pivot_root": 41, "capset": 91},
}
NUMBERS = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446} | _CALLS.get(
    MACHINE, {}
)
"""System calls that have no function in the C library; those above 423 are the same on every machine."""


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call the kernel by the name of a call in `NUMBERS`; raises OSError, also where the number is unknown."""
    if NUMBERS.get(name, -1) < 0:
        raise OSError(38, f"{name}: no number is known for {MACHINE}")
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _check(_LIBC.syscall(ctypes.c_long(NUMBERS[name]), *converted), name)


def prctl(option: int, *arguments: int) -> int:
    """``prctl(2)``."""
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _check(_LIBC.prctl(option, *values), f"prctl({option})")


_quick_prctl = ctypes.PyDLL(
    None
).prctl  # small numbers and bytes go through it as they are, without objects around them


def fast_prctl(option: int, first: int, second: bytes | int = 0) -> None:
    """``prctl(2)`` again, touching less memory: called in every child."""
    if _quick_prctl(option, first, second, 0, 0) < 0:
        _check(_LIBC.prctl(option, first, second, 0, 0), f"prctl({option})")  # once more, for its error number


def unshare(flags: int) -> None:
    """``unshare(2)``."""
    _check(_LIBC.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """``mount(2)``."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _check(_LIBC.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount on {target}")


def unmount(target: str, flags: int) -> None:
    """``umount2(2)``."""
    _check(_LIBC.umount2(os.fsencode(target), flags), f"umount {target}")
