"""The run's student of a name, however it is got."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tarot_lite.settings import Settings
from tarot_lite.students.writer import StudentError

if TYPE_CHECKING:
    from tarot_lite.students.student import Student

__all__ = ["make"]


def make(name: str, settings: Settings, folder: str | Path) -> Student:
    """Make, load or take from the cache the student of a name.

    Parameters
    ----------
    name
        One of ``settings.student_names``.
    settings
        ``models`` says where a pretrained student comes from; without any, ``students`` says how long a tiny one is
        warmed up.
    folder
        The cache of the run's students.

    Raises
    ------
    StudentError
        If the name is unknown, or the student cannot be made or loaded.
    """
    if name not in settings.student_names:
        raise StudentError(f"student {name!r} is unknown; this run has {', '.join(settings.student_names)}")
    if name not in settings.models:
        from tarot_lite.students.warmup import tiny

        return tiny(name, settings, folder)
    from tarot_lite.students import accelerated

    return accelerated.load(name, settings.models[name], settings)
