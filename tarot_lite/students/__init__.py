"""Students: the models that are measured and trained.

`make` gives the run's student of a name.  The CPU profiles make their own, tiny and from scratch (`tiny`); `load` takes a
folder that `Student.save` or ``transformers`` wrote.

Names are imported when they are first used: `tarot_lite.students.models` and other tables can be read without torch, and
Unsloth can come before transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tarot_lite.students.making import make, measured
    from tarot_lite.students.student import Student, load
    from tarot_lite.students.warmup import Recipe, tiny
    from tarot_lite.students.writer import Completion, StudentError, Unfinished, Writer

_HOMES = {
    "making": ("make", "measured"),
    "student": ("Student", "load"),
    "warmup": ("Recipe", "tiny"),
    "writer": ("Completion", "StudentError", "Unfinished", "Writer"),
}

__all__ = [
    "Completion",
    "Recipe",
    "Student",
    "StudentError",
    "Unfinished",
    "Writer",
    "load",
    "make",
    "measured",
    "tiny",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
