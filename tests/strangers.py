"""Other users and lesser machines, to run the sandbox on."""

from __future__ import annotations

import os
import subprocess
import sys

STRANGER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")


def strangers_interpreter() -> str | None:
    """A Python that a user other than us can start, and start again."""
    again = (
        "import subprocess, sys; assert sys.version_info >= (3, 11); subprocess.check_call([sys.executable, '-c', ''])"
    )
    for path in (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3.11", "/usr/bin/python3"):
        command = [*STRANGER, path, "-c", again]
        if os.path.exists(path) and subprocess.run(command, check=False, cwd="/", capture_output=True).returncode == 0:
            return path
    return None


def forbid_unshare() -> str:
    """Source that makes unshare and mount fail for this process and all that it starts."""
    numbers = {"x86_64": (0xC000003E, 272, 165), "aarch64": (0xC00000B7, 97, 40)}
    return f"""
import ctypes, os, struct
audit, unshare, mount = {numbers!r}[os.uname().machine]
code = [(0x20, 0, 0, 0), (0x15, 2, 0, unshare), (0x15, 1, 0, mount), (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x50001)]
data = b"".join(struct.pack("<HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(data, len(data))
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_ulong(ctypes.addressof(header)), 0, 0) == 0
"""
