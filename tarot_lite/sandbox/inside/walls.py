"""Builds every layer that the machine gives, once per zygote, and says which ones it got."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable

_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class Walls:
    """Limits only, for systems that are not Linux: a program there is *not* isolated.

    Parameters
    ----------
    without
        Names of layers to leave out (to measure what they cost): ``namespaces``, ``landlock``, ``user``, ``seccomp``.
    """

    def __init__(self, without: Collection[str] = ()) -> None:
        self._without = frozenset(without)
        self.layers: list[tuple[str, bool, str]] = []
        """Name, whether it holds, and a detail or the reason why not."""
        self.own_user = False
        """Whether the zygote runs under a user of its own."""
        self.sweep: Callable[[], None] | None = None
        """Ends what a program left running."""
        self.rehearse: Callable[[], None] = _nothing
        """Goes the way of what each child calls, and changes nothing."""

    def before_fork(self) -> None:
        """What must be done before the zygote is forked off."""

    def build(self, packages: Iterable[str]) -> Callable[[], None]:
        """Build the walls around the calling process; returns what each child has to call."""
        self._limit()
        return _lead_a_group

    def _limit(self) -> None:
        for kind, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 256)):
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
        self._note("rlimits", "", "" if sys.platform == "linux" else "memory is not among them on this system")

    def _note(self, name: str, problem: str, detail: str = "") -> bool:
        self.layers.append((name, not problem, problem or detail))
        return not problem


class LinuxWalls(Walls):
    """Namespaces, a root of our own, a spare user, no capabilities, Landlock, seccomp: as far as they can be had."""

    def __init__(self, without: Collection[str] = ()) -> None:
        super().__init__(without)
        self._is_root = os.geteuid() == 0
        self._spare_user = 0
        self._in_user_namespace = False
        self._why_not = "left out"

    def before_fork(self) -> None:
        """Enter the pid namespace (which only forks get into), and the user namespace if that needs one."""
        from . import namespaces, privileges

        self._spare_user = privileges.spare_user() if self._is_root and "user" not in self._without else 0
        if "namespaces" in self._without:
            return
        self._why_not = namespaces.enter("pid") if self._is_root else "not root"
        if self._why_not:
            self._why_not = namespaces.try_user_namespace(self._spare_user or None)
            if not self._why_not:
                if self._spare_user:
                    privileges.drop_user(self._spare_user)
                    privileges.show_memory()
                namespaces.enter_user()
                self._in_user_namespace = True
                self._why_not = namespaces.enter("pid")

    def build(self, packages: Iterable[str]) -> Callable[[], None]:
        """Build all walls from the inside, leaving the folders of `packages` readable; returns what each child calls."""
        from . import landlock, libc, privileges, seccomp

        self._limit()
        readable = readable_paths(packages)
        has_root = self._enter_namespaces(readable)
        ruleset, reason = None, "left out"
        if "landlock" not in self._without:
            try:
                ruleset = landlock.Ruleset([*readable, "/proc"] if has_root else readable, _DEVICES)
            except OSError as error:
                reason = str(error)
        self._drop_user()
        privileges.no_new_privileges()
        self._note("no new privileges", "")
        privileges.drop_capabilities()
        self._note("no capabilities", "")
        has_landlock = ruleset is not None
        if ruleset is not None:
            try:
                ruleset.restrict()
            except OSError as error:
                has_landlock, reason = False, str(error)
        self._note("landlock", "" if has_landlock else reason, f"version {ruleset.version}" if ruleset else "")
        privileges.hide_memory()
        privileges.die_with_parent(signal.SIGKILL)
        reason = "left out"
        if "seccomp" not in self._without:
            try:
                guard_server = seccomp.prepare(seccomp.build_server(libc.MACHINE))
                install = seccomp.prepare(seccomp.build_child(libc.MACHINE, read_only=not (has_root or has_landlock)))

                def confine() -> None:
                    privileges.show_memory()  # to itself: /proc/self/fd
                    install()

                reason = _try_filter(guard_server, confine)
                if not reason:
                    guard_server()
                    self.rehearse = privileges.ask_about_memory
            except KeyError:
                reason = f"no table for {libc.MACHINE}"
        if not self._note("seccomp", reason, libc.MACHINE):
            confine = _lead_a_group
            self.sweep = _sweep_namespace if os.getpid() == 1 else _sweep_children
            if os.getpid() != 1:
                privileges.adopt_orphans()
        return confine

    def _enter_namespaces(self, readable: list[str]) -> bool:
        """Returns whether we got a root of our own."""
        from . import namespaces

        self._note("user namespace", "" if self._in_user_namespace else self._why_not or "not needed by root")
        self._note("pid namespace", self._why_not)
        got = {name: self._why_not or namespaces.enter(name) for name in namespaces.FLAGS if name != "pid"}
        for name, problem in got.items():
            self._note(f"{name} namespace", problem)
        problem = got["mount"]
        if not problem:
            try:
                namespaces.pivot(readable, _DEVICES)
            except OSError as error:
                problem = str(error)
        return self._note("root of its own", problem, "read-only")

    def _drop_user(self) -> None:
        from . import namespaces, privileges

        if self._in_user_namespace:
            self._note("user of its own", "", f"nobody ({self._spare_user or 'your own user'} outside)")
            self.own_user = namespaces.counts_processes_of_its_own()
        elif self._spare_user:
            try:
                privileges.drop_user(self._spare_user)
            except PermissionError as error:  # a root without the capability to become somebody else
                self._note("user of its own", str(error))
                return
            self.own_user = True
            self._note("user of its own", "", str(self._spare_user))
        else:
            self._note("user of its own", "left out" if self._is_root else "only root can give one")


def readable_paths(packages: Iterable[str]) -> list[str]:
    """What a program must be able to read: Python's library and the folders of shared objects in use."""
    paths = {os.path.realpath(path) for path in sys.path if os.path.isdir(path)}
    paths |= {folder for package in packages for folder in (package, package + ".libs") if os.path.isdir(folder)}
    paths |= {path for path in ("/usr/share/zoneinfo", "/etc/ld.so.cache") if os.path.exists(path)}
    with open("/proc/self/maps") as maps:
        for line in maps:
            name = line.split(maxsplit=5)[5:]
            if name and ".so" in name[0]:
                paths.add(os.path.dirname(name[0].strip()))
    return sorted(paths)


def _nothing() -> None:
    pass


def _lead_a_group() -> None:
    os.setpgid(0, 0)


def _try_filter(guard_server: Callable[[], None], confine: Callable[[], None]) -> str:
    """Install the filters in a fork and make a call that it forbids; returns "" or why it does not hold."""
    pid = os.fork()
    if pid == 0:
        try:
            guard_server()
            confine()
        except OSError as error:
            os._exit(min(error.errno or 1, 100))
        try:
            os.kill(os.getpid(), 0)
        except PermissionError:
            os._exit(0)
        os._exit(101)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 101:
        return "it can be installed but has no effect"
    return "" if code == 0 else f"could not be installed ({os.strerror(code) if code > 0 else f'signal {-code}'})"


def _sweep_namespace() -> None:
    """As the first process of a pid namespace: end all others in it."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return
    _reap()


def _sweep_children() -> None:
    """As the one that orphans are given to: end them until none is left."""
    for _ in range(1000):
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            pids = file.read().split()
        if not pids:
            return
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)
        _reap()


def _reap() -> None:
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
