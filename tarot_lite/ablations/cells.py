"""Which trainings make up an ablation: the cells of its grid."""

from __future__ import annotations

from dataclasses import dataclass

from tarot_lite.curriculum import PORTFOLIO
from tarot_lite.settings import Settings

__all__ = ["Cell", "grid"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the grid.

    Examples
    --------
    >>> Cell("weak", "var", 3).name
    'weak-var-3'
    """

    student: str
    policy: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the cell's run folder."""
        return f"{self.student}-{self.policy}-{self.seed}"


def grid(settings: Settings) -> list[Cell]:
    """All cells of a profile: its students x policies x seeds.

    Seeds come last in turn, so that a grid which was stopped early has the same cells for every seed that it finished;
    students from last to first (the strong are slower to judge).

    Examples
    --------
    >>> from tarot_lite.settings import load_profile
    >>> [cell.name for cell in grid(load_profile("smoke"))][:2]
    ['strong-uni-0', 'strong-var_asce_rev-0']
    """
    whole = [*settings.policies, *(name for name in PORTFOLIO if name not in settings.policies)]
    return [
        Cell(student, policy, seed)
        for seed in settings.seeds
        for student in reversed(settings.student_names)
        for policy in (whole if student in settings.portfolio_students else settings.policies)
    ]
