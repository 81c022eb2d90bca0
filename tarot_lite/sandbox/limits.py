"""What one test of one program may use."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST = {"cpu_seconds": 0.0, "wall_seconds": 0.0, "memory_mb": 16, "output_kb": 1, "processes": 1}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one test.

    Parameters
    ----------
    cpu_seconds
        Processor time (user and system) that a test may use; > 0.  A busy machine does not change it.
    wall_seconds
        Time by the clock, a back-stop for programs that sleep; > 0 and not below `cpu_seconds`.
    memory_mb
        Address space in MiB, at least 16, that the program may take beyond the interpreter's own; Linux alone can limit it.
    output_kb
        Size of standard output in KiB, at least 1; the same limit holds for any file, if one can be written.
    processes
        Threads that the program may have, its first included (new processes it may not have at all where
        seccomp works); at least 1.

    Raises
    ------
    ValueError
        If a limit is not a number or too low; the message names it.

    Examples
    --------
    >>> Limits(cpu_seconds=0)
    Traceback (most recent call last):
    ValueError: Limits.cpu_seconds is 0; give a number above 0
    >>> Limits(cpu_seconds=1.5).memory_mb
    512
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 30.0
    memory_mb: int = 512
    output_kb: int = 1024
    processes: int = 32

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            whole = isinstance(least, int)
            is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value):
                raise ValueError(f"Limits.{name} is {value!r}; give a {'whole' if whole else 'finite'} number")
            if value < least or value <= 0:
                wanted = f"of at least {least}" if whole else "above 0"
                raise ValueError(f"Limits.{name} is {value!r}; give a number {wanted}")
        if self.wall_seconds < self.cpu_seconds:
            raise ValueError(
                f"Limits.wall_seconds is {self.wall_seconds!r}, below cpu_seconds {self.cpu_seconds!r}; "
                "the clock is the back-stop, so give it at least as much"
            )
