"""Memory that no child inherits: for the programs, inputs and outputs that pass through the fork server.

A child is a copy of the server, down to the memory that the server no longer uses.  A program that searched it could
find what earlier programs printed, among them perhaps the right answer to its own problem.
"""

from __future__ import annotations

import _socket
import mmap
import os
import sys

from . import wire

_USUAL = 1 << 18
_WIPE_ON_FORK = 18  # MADV_WIPEONFORK, since Linux 4.14; Python has no name for it


def block(size: int = _USUAL) -> memoryview:
    """Bytes that a forked process finds wiped (on Linux; elsewhere nothing is isolated anyway)."""
    memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        memory.madvise(_WIPE_ON_FORK)
    return memoryview(memory)


class Answer:
    """Outcomes on their way to the worker; each test's output is read from its file straight into the message."""

    def __init__(self, control: _socket.socket) -> None:
        self._control = control
        self._view = block()
        self._end = wire.LENGTH.size

    def add(self, verdict: str, error: bytes | memoryview, cpu: float, wall: float, size: int) -> None:
        """Add one outcome, with the first `size` bytes of descriptor 1 as its output."""
        needed = wire.OUTCOME.size + size + len(error)
        if self._end + needed > len(self._view):
            self.send()
            if self._end + needed > len(self._view):
                self._view = block(self._end + needed)
        view, at = self._view, self._end
        wire.OUTCOME.pack_into(view, at, wire.STATUSES.index(verdict), cpu, wall, size, len(error))
        at += wire.OUTCOME.size
        if size:
            _read_file(view[at : at + size])
        view[at + size : at + size + len(error)] = error
        self._end += needed

    def send(self) -> None:
        """Send what has come together, if anything."""
        if self._end > wire.LENGTH.size:
            wire.LENGTH.pack_into(self._view, 0, self._end - wire.LENGTH.size)
            self._control.sendall(self._view[: self._end])
            self._end = wire.LENGTH.size


def _read_file(target: memoryview) -> None:
    """Fill `target` from descriptor 1; with zeros, if the file has become shorter: old text must not pass for new."""
    done = 0
    while done < len(target):
        if hasattr(os, "preadv"):
            count = os.preadv(1, [target[done:]], done)
        else:
            data = os.pread(1, len(target) - done, done)
            count = len(data)
            target[done : done + count] = data
        if not count:
            target[done:] = bytes(len(target) - done)
            return
        done += count
