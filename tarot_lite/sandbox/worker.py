"""One worker process seen from outside: start, talk, notice its death, kill."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tarot_lite.sandbox.inside import wire

_START_SECONDS = 60.0
_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_COMMAND = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from inside.start import main; main(int(sys.argv[1]), *sys.argv[2:])"
)


LEAVABLE = frozenset({"namespaces", "landlock", "user", "seccomp"})
"""Layers that a worker can be started without."""


def find_packages(names: Sequence[str] | None) -> dict[str, str]:
    """Where packages lie that programs may import, by name, without importing them; None is numpy if installed."""
    found = {}
    for name in ("numpy",) if names is None else names:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is not None and spec.origin and spec.submodule_search_locations:
            found[name] = str(Path(spec.origin).parent)
        elif names is not None:
            raise ValueError(f"Sandbox(packages=...): {name!r} is not an installed package; install it or leave it out")
    return found


class WorkerFailure(Exception):
    """A worker died, was stopped or talks nonsense."""

    finished: Sequence[Sequence[wire.Outcome]] = ()
    """Answers to the requests that it had finished."""
    done: Sequence[wire.Outcome] = ()
    """What it had answered of the next one."""


class Worker:
    """A clean interpreter (no site packages, empty environment, fixed hash seed) that serves one request at a time."""

    def __init__(
        self, without: Collection[str] = (), library: bool = False, packages: Mapping[str, str] | None = None
    ) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        interpreter = getattr(sys, "_base_executable", None) or sys.executable
        command = [interpreter, "-S", "-s", "-P", "-B", "-c", _COMMAND]
        command += [
            str(Path(__file__).parent),
            str(theirs.fileno()),
            ",".join(sorted(without)),
            "yes" if library else "",
        ]
        command += [f"{name}={folder}" for name, folder in (packages or {}).items()]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={
                "PYTHONHASHSEED": "0",
                "LC_ALL": "C.UTF-8",  # else the interpreter is in its UTF-8 mode
                "LD_BIND_NOW": "1",
            },  # names of C functions are looked up here, not in every child
            cwd="/",
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.layers: list[tuple[str, bool, str]] = []
        """What it says it got: name, whether it stands, detail; empty until it is ready."""

    @property
    def pid(self) -> int:
        """Process id of the guard, whose end ends everything inside."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Block until the zygote has said which layers it got."""
        if not self.layers:
            self.layers = wire.unpack_layers(self._receive(time.monotonic() + _START_SECONDS))

    def execute(self, requests: Sequence[wire.Request]) -> list[list[wire.Outcome]]:
        """Run requests, sent all at once so that the worker need not wait for us between them.

        Together they should be small (some 64 KiB) if there are several: the worker may be busy answering.
        """
        self.wait_until_ready()
        finished: list[list[wire.Outcome]] = []
        try:
            self._socket.settimeout(_START_SECONDS)
            self._socket.sendall(b"".join(map(wire.pack_request, requests)))
        except OSError as error:
            raise WorkerFailure(f"the worker could not be reached: {error}{self._last_words()}") from error
        for request in requests:
            outcomes: list[wire.Outcome] = []
            while len(outcomes) < len(request.inputs):
                try:
                    body = self._receive(time.monotonic() + request.wall_seconds + _GRACE_SECONDS)
                except WorkerFailure as failure:
                    failure.finished, failure.done = finished, outcomes
                    raise
                outcomes += wire.unpack_outcomes(body)
            finished.append(outcomes)
        return finished

    def close(self) -> None:
        """End the worker and everything inside, and reap it."""
        self._socket.close()
        if self._process.poll() is None:
            try:
                self._process.wait(0.5 if self.layers else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _receive(self, deadline: float) -> bytes:
        (length,) = wire.LENGTH.unpack(self._receive_exactly(wire.LENGTH.size, deadline))
        return self._receive_exactly(length, deadline)

    def _receive_exactly(self, length: int, deadline: float) -> bytes:
        data = bytearray(length)
        view = memoryview(data)
        while view:
            self._socket.settimeout(_LOOK_SECONDS)
            try:
                count = self._socket.recv_into(view)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise WorkerFailure(f"the worker gave no answer in time{self._last_words()}") from None
                if self._is_stopped():
                    raise WorkerFailure("somebody stopped the worker (SIGSTOP)") from None
                continue
            except OSError as error:
                raise WorkerFailure(f"the worker is gone: {error}{self._last_words()}") from error
            if not count:
                raise WorkerFailure(f"the worker died{self._last_words()}")
            view = view[count:]
        return bytes(data)

    def _is_stopped(self) -> bool:
        """Whether guard or zygote is in state T (Linux; elsewhere only the deadline helps)."""
        for pid in (self.pid, *_children(self.pid)):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue
            if state in "Tt":
                return True
        return False

    def _last_words(self) -> str:
        """What the worker wrote to its standard error, for the message."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 2000))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"; its last words: {' | '.join(lines[-3:])}" if lines else ""


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
