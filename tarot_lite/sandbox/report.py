"""Which walls this machine gives, and what each is good for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEVELS = ("rlimits", "seccomp", "landlock", "namespaces")
"""From weak to strong; each holds what stands before it, but for Landlock, which namespaces can do without.

``rlimits`` -- limits alone: not isolated.  ``seccomp`` -- no processes, no network, no signals, no writing, but
files that anybody may read can be read.  ``landlock`` -- of files only the Python library.  ``namespaces`` --
besides, nothing else of the machine can even be named.
"""

_PROTECTS = {
    "rlimits": "processor time, memory, output size, open files",
    "user namespace": "lets an ordinary user build the walls; the program is nobody",
    "pid namespace": "no other process can be seen or signalled; all die with the worker",
    "mount namespace": "mounts are the worker's own",
    "network namespace": "no network, not even localhost; no abstract sockets",
    "ipc namespace": "no shared memory or queues of others",
    "hostname namespace": "the machine's name cannot be changed",
    "root of its own": "only the Python library exists, and it cannot be written",
    "user of its own": "not your user: your files, processes and limits are somebody else's",
    "no new privileges": "set-user-id programs give nothing",
    "no capabilities": "not even as root could anything special be done",
    "landlock": "of all files only the Python library can be read; no TCP; no signals out",
    "seccomp": "no new processes, no exec, no signals, no sockets, no tracing, no file changed by name",
}
_NOT_NEEDED = "not needed by root"
_NAMESPACES = ("pid namespace", "mount namespace", "network namespace", "ipc namespace", "root of its own")


@dataclass(frozen=True, slots=True)
class Layer:
    """One wall: its name, whether it stands, what it protects, and a detail or the reason why it does not stand."""

    name: str
    present: bool
    protects: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SandboxReport:
    """All layers of a sandbox on this machine, as tried when its worker started.

    Examples
    --------
    >>> report = SandboxReport.from_layers([("rlimits", True, ""), ("seccomp", False, "no table for riscv64")])
    >>> report.level, report.reaches("seccomp"), report.missing[0].detail
    ('rlimits', False, 'no table for riscv64')
    """

    layers: tuple[Layer, ...]

    @classmethod
    def from_layers(cls, layers: Iterable[tuple[str, bool, str]]) -> SandboxReport:
        """Make a report from what a worker says (name, present, detail)."""
        return cls(tuple(Layer(name, present, _PROTECTS.get(name, ""), detail) for name, present, detail in layers))

    @property
    def level(self) -> str:
        """The strongest of `LEVELS` that this machine gives."""
        have = {layer.name for layer in self.layers if layer.present}
        if "seccomp" not in have:
            return "rlimits"
        if have.issuperset(_NAMESPACES):
            return "namespaces"
        return "landlock" if "landlock" in have else "seccomp"

    @property
    def missing(self) -> tuple[Layer, ...]:
        """The layers that could not be had (a user namespace is no loss to root)."""
        return tuple(layer for layer in self.layers if not layer.present and layer.detail != _NOT_NEEDED)

    def reaches(self, level: str) -> bool:
        """Whether this is at least `level`."""
        return level_rank(self.level) >= level_rank(level)

    def table(self) -> list[dict[str, str]]:
        """Rows for a data frame: layer, stands, protects, detail."""
        return [
            {
                "layer": layer.name,
                "stands": "yes" if layer.present else "not needed" if layer.detail == _NOT_NEEDED else "no",
                "protects": layer.protects,
                "detail": layer.detail,
            }
            for layer in self.layers
        ]

    def __str__(self) -> str:
        warning = "  (NOT ISOLATED: run nothing hostile here)" if self.level == "rlimits" else ""
        lines = [f"level: {self.level}{warning}"]
        for layer in self.layers:
            lines.append(f"  {'+' if layer.present else '-'} {layer.name}: {layer.detail or layer.protects}")
        return "\n".join(lines)


def level_rank(level: str) -> int:
    """Position in `LEVELS`; raises ValueError with the names there are."""
    if level not in LEVELS:
        raise ValueError(f"sandbox level {level!r} is unknown; use one of {', '.join(LEVELS)}")
    return LEVELS.index(level)
