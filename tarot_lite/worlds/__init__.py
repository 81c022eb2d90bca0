"""The miniature worlds: families of problems by construction, small enough for a student that is trained on the spot.

``lists`` -- `tarot_lite.toyworld`: one family, tiers that are nested;
``mixed`` -- `tarot_lite.worlds.mixed`: four families, an edge tier that does not contain the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tarot_lite import toyworld
from tarot_lite.problems import Problem
from tarot_lite.worlds import mixed

__all__ = ["WORLDS", "World", "get", "name_of"]


class World(Protocol):
    """What a miniature world offers; a module of this package is one."""

    SUMMARY: str
    RIGHT: Mapping[str, float]

    def problems(self, split: str, count: int, seed: int = 0, tests_per_tier: int = 2) -> list[Problem]:
        """Problems of a split, with proven tests in each tier."""

    def corpus(self, count: int, seed: int = 0, problem_count: int = 1200) -> list[tuple[str, str]]:
        """Noisy solutions for a warm-up."""

    def wrong_programs(self, problem: Problem) -> dict[str, list[str]]:
        """Programs with one part wrong, by part."""

    def parts_of(self, problem: Problem) -> Any:
        """What the problem asks for; ValueError for a problem of another world."""


WORLDS: dict[str, World] = {"lists": toyworld, "mixed": mixed}


def get(name: str) -> World:
    """A world by its name, the value of the parameter ``world``."""
    if name not in WORLDS:
        raise ValueError(f"world {name!r} is unknown; give one of {', '.join(WORLDS)}")
    return WORLDS[name]


def name_of(problem: Problem) -> str:
    """The world that a problem is from; ``lists`` if it is from none."""
    return "mixed" if "mixed" in problem.extra else "lists"
