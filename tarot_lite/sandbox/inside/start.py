"""Entry point of a worker process: forks the zygote, builds the walls around it, and stays as its guard.

The guard waits for two things alone: its zygote's end, upon which it exits, and the end of whoever started it,
upon which it kills the zygote (and with it, through the pid namespace, everything inside).
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import select
import signal
import site
import socket
import sys
import traceback
from typing import Any

__all__ = ["main"]

# What contest programs import: loaded once, shared by every fork.
PRELOADED = (
    "array ast bisect cmath collections.abc contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq io itertools json math numbers operator os queue random re statistics string struct textwrap "
    "threading time typing unicodedata "
    "binascii zlib"  # of `prelude`
).split()

_LAZY = {"numpy": ("numpy.random", "numpy.linalg", "numpy.fft")}  # what a package loads at its first use alone


def main(control_fd: int, configuration: str) -> None:
    """Set up and serve; never returns.

    Parameters
    ----------
    control_fd
        Number of the socket to the `Worker`.
    configuration
        JSON: ``without`` (names of layers to leave out) and ``packages`` (what to import beyond the standard
        library: name -> folder).
    """
    control = socket.socket(fileno=_move(control_fd))
    setup = json.loads(configuration)
    os.environ.clear()
    sys.stderr = open(_move(2), "w", buffering=1)  # noqa: SIM115 - the log of this process, for ever
    if sys.platform == "linux":
        from .walls import LinuxWalls as Walls
    else:
        from .walls import Walls  # type: ignore[assignment]
    walls = Walls(setup["without"])
    walls.before_fork()
    alive_read, alive_write = (_move(number) for number in os.pipe())
    pid = os.fork()
    if pid:
        os.close(alive_write)
        _guard(pid, control, alive_read)
    os.close(alive_read)
    try:
        _become_zygote(control, setup, walls)
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
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os._exit(0)


def _address_space() -> int:
    """Bytes of address space that this process takes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def _import_alone(name: str, folder: str) -> None:
    """Import an installed package and nothing else that lies beside it; with one thread, as a fork keeps only one."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    os.environ.update(dict.fromkeys(threads, "1"))
    sys.path.append(os.path.dirname(folder))
    try:
        for module in (name, *_LAZY.get(name, ())):
            importlib.import_module(module)
    finally:
        sys.path.pop()
        for variable in threads:
            del os.environ[variable]


def _become_zygote(control: socket.socket, setup: dict[str, Any], walls: Any) -> None:
    from .zygote import Zygote

    sys.path[:] = [path for path in sys.path if os.path.isdir(path)][1:]  # not ours
    site.setquit()  # exit() and quit(), which contest programs call
    for name in PRELOADED:
        importlib.import_module(name)
    for name, folder in setup["packages"].items():
        _import_alone(name, folder)
    own_memory = _address_space()
    confine_child = walls.build(setup["packages"].values())
    zygote = Zygote(control, confine_child, walls.own_user, own_memory, walls.sweep)
    hello = json.dumps({"layers": walls.layers}).encode()
    control.sendall(len(hello).to_bytes(8, "little") + hello)
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    zygote.serve()
