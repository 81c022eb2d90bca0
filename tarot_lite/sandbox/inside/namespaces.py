"""Namespaces and a root of our own: a tmpfs that holds the Python library, read-only, and three device files."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from . import libc

FLAGS = {"mount": 0x20000, "pid": 0x20000000, "network": 0x40000000, "ipc": 0x8000000, "hostname": 0x4000000}
"""Namespaces besides that of users, by the names used in reports."""

_NEWUSER = 0x10000000
_NOBODY = 65534
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
# flags of statvfs -> flags of mount: what a bind mount may not drop
_KEPT_FLAGS = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
_DETACH = 2
_PLACES = ("/mnt", "/media", "/srv", "/tmp", "/var/tmp", "/var", "/opt", "/usr")


def enter(name: str) -> str:
    """Enter one new namespace; returns "" or why not."""
    try:
        libc.unshare(FLAGS[name])
    except OSError as error:
        return str(error)
    return ""


def enter_user() -> None:
    """Enter a new user namespace in which we are nobody, yet hold all capabilities until they are dropped."""
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_NOBODY} {uid} 1"), ("gid_map", f"{_NOBODY} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def try_user_namespace(uid: int | None) -> str:
    """Whether a process (of user `uid`, if given) can enter a user namespace and mount in it; returns "" or why not."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                libc.prctl(4, 1)  # dumpable again, or /proc/self belongs to root
            enter_user()
            libc.unshare(FLAGS["mount"])
            libc.mount(None, "/", None, _REC | _PRIVATE)
        except BaseException as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        reason = answer.read().decode()
    os.waitpid(pid, 0)
    return reason


def counts_processes_of_its_own() -> bool:
    """Whether the kernel counts a user's processes per user namespace (Linux 5.14)."""
    numbers = [int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit()]
    return numbers >= [5, 14]


def pivot(readable: Sequence[str], devices: Sequence[str]) -> None:
    """Make a new root that holds `readable` (directories or files, at their own paths) and `devices`, and nothing else.

    Needs a new mount namespace.
    """
    libc.mount(None, "/", None, _REC | _PRIVATE)
    place = next(
        path for path in _PLACES if os.path.isdir(path) and not any(_is_beneath(wanted, path) for wanted in readable)
    )
    libc.mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, "size=256k,mode=755")
    for path in sorted({*readable, *devices}):
        target = place + path
        if os.path.exists(target):  # beneath another one, already there
            continue
        if os.path.isdir(path):
            os.makedirs(target, 0o755)
        else:
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        libc.mount(path, target, None, _BIND | _REC)
        flags = _RDONLY | _NOSUID | (0 if path in devices else _NODEV)
        existing = os.statvfs(target).f_flag
        flags |= sum(wanted for have, wanted in _KEPT_FLAGS.items() if existing & have)
        libc.mount(None, target, None, _BIND | _REMOUNT | flags)
    for link in ("/lib", "/lib64"):
        if os.path.islink(link) and not os.path.exists(place + link):
            os.symlink(os.readlink(link), place + link)
    _add_own_processes(place)
    os.chdir(place)
    libc.syscall("pivot_root", b".", b".")
    libc.unmount(".", _DETACH)
    os.chdir("/")
    libc.mount(None, "/", None, _BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _add_own_processes(place: str) -> None:
    """Add a /proc that shows a program itself alone (for /dev/stdin), where the kernel lets us; needs a pid namespace."""
    os.mkdir(place + "/proc")
    try:
        libc.mount("proc", place + "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, "hidepid=2,subset=pid")
    except OSError:  # a container that masks parts of its own /proc may not have another
        return
    for name, target in (("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("fd", "fd")):
        os.symlink(f"/proc/self/{target}", f"{place}/dev/{name}")


def _is_beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
