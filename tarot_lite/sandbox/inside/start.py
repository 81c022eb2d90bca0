"""Entry point of a worker process: builds the walls, forks the zygote behind them, and stays as its guard.

The guard waits for two things alone: its zygote's end, upon which it exits, and the end of whoever started it,
upon which it kills the zygote (and with it, through the pid namespace, everything inside).
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback

__all__ = ["main"]

# What contest programs import: loaded once, shared by every fork.
PRELOADED = (
    "array ast bisect cmath collections.abc contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq io itertools json math numbers operator os queue random re statistics string struct textwrap "
    "threading time typing unicodedata"
).split()


def main(control_fd: int, configuration: str) -> None:
    """Set up and serve; does not return in the zygote.

    Parameters
    ----------
    control_fd
        Number of the socket to the `Worker`.
    configuration
        JSON: ``without`` (names of layers to leave out), ``packages`` (importable beyond the standard library).
    """
    control = socket.socket(fileno=_move(control_fd))
    setup = json.loads(configuration)
    os.environ.clear()
    sys.stderr = open(_move(2), "w", buffering=1)  # noqa: SIM115 - the log of this process, for ever
    alive_read, alive_write = (_move(number) for number in os.pipe())
    pid = os.fork()
    if pid:
        os.close(alive_write)
        _guard(pid, control, alive_read)
    os.close(alive_read)
    try:
        _become_zygote(control, setup)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _move(number: int) -> int:
    """Give a descriptor a number out of the way of those that the children use."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(number)
    return moved


def _guard(pid: int, control: socket.socket, alive: int) -> None:
    poll = select.poll()
    poll.register(control.fileno(), 0)
    poll.register(alive, 0)
    while not poll.poll():
        pass
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _, status = os.waitpid(pid, 0)
    os._exit(0 if status == 0 else 1)


def _become_zygote(control: socket.socket, setup: dict[str, list[str]]) -> None:
    from .zygote import Zygote

    for name in (*PRELOADED, *setup.get("packages", ())):
        importlib.import_module(name)
    layers: list[tuple[str, bool, str]] = [("rlimits", True, "")]
    zygote = Zygote(control, lambda: None, own_uid=False)
    hello = json.dumps({"pid": os.getpid(), "layers": layers}).encode()
    control.sendall(len(hello).to_bytes(8, "little") + hello)
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    os.chdir("/")
    zygote.serve()
