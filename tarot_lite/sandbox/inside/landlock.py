"""Landlock: the kernel's own list of files that may be read; everything else, and all of TCP, is refused."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from . import libc

_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_PATH_BENEATH = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many file rights each version of the interface knows
_RIGHTS_OF_A_FILE = _READ_FILE | _WRITE_FILE


class Ruleset:
    """The rules, made while paths can still be opened; `restrict` makes them hold for this process and its forks.

    Parameters
    ----------
    readable
        Directories and files that may be read; those that do not exist are left out.
    writable
        Files that may be written too.

    Raises
    ------
    OSError
        If the kernel has no Landlock.
    """

    def __init__(self, readable: Iterable[str], writable: Iterable[str]) -> None:
        version = libc.syscall("landlock_create_ruleset", None, 0, 1)
        files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
        fields = [files]
        if version >= 4:
            fields.append(0b11)  # bind and connect TCP
        if version >= 6:
            fields.append(0b11)  # abstract sockets and signals beyond this domain
        attributes = struct.pack(f"<{len(fields)}Q", *fields)
        self.version = version
        self._ruleset = libc.syscall("landlock_create_ruleset", _buffer(attributes), len(attributes), 0)
        for path in readable:
            self._allow(path, _READ_FILE | _READ_DIR)
        for path in writable:
            self._allow(path, _READ_FILE | _WRITE_FILE)

    def restrict(self) -> None:
        """Apply; needs no-new-privileges."""
        libc.syscall("landlock_restrict_self", self._ruleset, 0)
        os.close(self._ruleset)

    def _allow(self, path: str, rights: int) -> None:
        try:
            number = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not os.path.isdir(path):
                rights &= _RIGHTS_OF_A_FILE
            rule = struct.pack("<Qi", rights, number)
            libc.syscall("landlock_add_rule", self._ruleset, _PATH_BENEATH, _buffer(rule), 0)
        finally:
            os.close(number)


def _buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))
