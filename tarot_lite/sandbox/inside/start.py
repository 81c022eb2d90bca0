"""Entry point of a worker process: forks the zygote, builds the walls around it, and stays as its guard.

The guard waits for two things alone: its zygote's end, upon which it exits, and the end of whoever started it,
upon which it kills the zygote (and with it, through the pid namespace, everything inside).
"""

from __future__ import annotations

import _sitebuiltins
import _socket
import builtins
import contextlib
import fcntl
import importlib
import os
import select
import signal
import sys
from collections.abc import Mapping
from typing import Any

from . import wire
from .modules import COMMON, LIBRARY

_LAZY = {"numpy": ("numpy.random", "numpy.linalg", "numpy.fft")}  # what a package loads at its first use alone


def main(control_fd: int, without: str, library: str, *packages: str) -> None:
    """Set up and serve; never returns."""
    control = _socket.socket(fileno=_move(control_fd))
    os.environ.clear()
    os.umask(0o022)  # whatever the caller's: what is made here must be readable to the user that a program becomes
    sys.stderr = open(_move(2), "w", buffering=1)  # noqa: SIM115 - the log of this process, for ever
    if sys.platform == "linux":
        from .walls import LinuxWalls as Walls
    else:
        from .walls import Walls  # type: ignore[assignment]
    walls = Walls(without.split(","))
    walls.before_fork()
    alive_read, alive_write = (_move(number) for number in os.pipe())
    pid = os.fork()
    if pid:
        os.close(alive_write)
        _guard(pid, control, alive_read)
    os.close(alive_read)
    try:
        names = [*COMMON, *(LIBRARY if library else ())]
        _become_zygote(control, names, dict(package.split("=", 1) for package in packages), walls)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    os._exit(1)


def _move(number: int) -> int:
    """Give a descriptor a number out of the way of those that the children use."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(number)
    return moved


def _guard(pid: int, control: _socket.socket, alive: int) -> None:
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


def _become_zygote(control: _socket.socket, names: list[str], packages: Mapping[str, str], walls: Any) -> None:
    from .zygote import Zygote

    sys.path[:] = [path for path in sys.path if os.path.isdir(path)][1:]  # not ours
    for name in ("exit", "quit"):  # contest programs call them; the module `site`, left out, would add them
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    for name in names:
        importlib.import_module(name)
    for name, folder in packages.items():
        _import_alone(name, folder)
    own_memory = _address_space()
    confine_child = walls.build(packages.values())
    zygote = Zygote(control, confine_child, walls.own_user, own_memory, walls.sweep, walls.rehearse)
    control.sendall(wire.pack_layers(walls.layers))
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]
    zygote.serve()
