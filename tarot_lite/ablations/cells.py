"""Which trainings make up an ablation: the cells of its grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarot_lite.curriculum import PORTFOLIO, get_policy
from tarot_lite.settings import Settings

_OF_GRADED_REWARDS = ("tier_weights", "normalize_reward")  # a share of tests, or all or nothing, has no use for them


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the grid.

    Parameters
    ----------
    student, policy, seed
        Who is trained, under which curriculum, with which training seed.
    changes
        Training parameters that differ from the run's, as pairs of name and value; none for most cells.

    Examples
    --------
    >>> Cell("weak", "var", 3).name
    'weak-var-3'
    >>> Cell("weak", "var", 3, (("beta", 0.0), ("tier_weights", (1, 1, 2, 2)))).name
    'weak-var-3-beta=0.0-tier_weights=1,1,2,2'
    """

    student: str
    policy: str
    seed: int
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Name of the cell's run folder."""
        try:
            policy = get_policy(self.policy).name
        except ValueError:  # the training itself tells what is wrong with it
            policy = Path(self.policy).name
        parts = [self.student, policy, str(self.seed), self.variant.replace(" ", "-")]
        return "-".join(part for part in parts if part)

    @property
    def variant(self) -> str:
        """What the cell changes, such as ``"beta=0.0 loss_type=grpo"``; empty if nothing."""
        return " ".join(f"{name}={_text(value)}" for name, value in self.changes)

    @property
    def parameters(self) -> dict[str, Any]:
        """What notebook 04 is given on top of the run's settings."""
        own = {"run": self.name, "student": self.student, "policy": self.policy, "training_seed": self.seed}
        return own | {name: list(value) if isinstance(value, tuple) else value for name, value in self.changes}


def grid(settings: Settings) -> list[Cell]:
    """All cells of a profile: its students x policies x seeds x `settings.axes`.

    Seeds come last in turn, so that a grid which was stopped early has the same cells for every seed that it finished;
    students from last to first (the strong are slower to judge).  Axes are crossed, or changed one at a time beside the
    run's own settings (`settings.cross_axes`).  A value that the run has anyway is no change: the
    cells of a plain grid are found again when axes are added to it.  Baselines whose reward has no tiers are not
    repeated for other tier weights.

    Raises
    ------
    ValueError
        If no cell is left, or a student is behind an endpoint.

    Examples
    --------
    >>> from tarot_lite.settings import load_profile
    >>> [cell.name for cell in grid(load_profile("smoke"))][:2]
    ['strong-uni-0', 'strong-var_asce_rev-0']
    >>> [cell.name for cell in grid(load_profile("smoke", axes="beta=0.01|0; grpo_steps=3|9"))][:4]
    ['strong-uni-0', 'strong-uni-0-grpo_steps=9', 'strong-uni-0-beta=0.0', 'strong-uni-0-beta=0.0-grpo_steps=9']
    >>> alone = load_profile("smoke", axes="beta=0; grpo_steps=9", cross_axes=False)
    >>> [cell.name for cell in grid(alone)][:3]
    ['strong-uni-0', 'strong-uni-0-beta=0.0', 'strong-uni-0-grpo_steps=9']
    """
    settings.check_trainable(settings.student_names)
    whole = [*settings.policies, *(name for name in PORTFOLIO if name not in settings.policies)]
    variants = [
        tuple(
            (name, tuple(value) if isinstance(value, list) else value)
            for name, value in zip(settings.axes, values, strict=True)
            if value is not None and value != getattr(settings, name)
        )
        for values in _combinations(settings)
    ]
    cells = [
        Cell(student, policy, seed, changes)
        for seed in settings.seeds
        for student in reversed(settings.student_names)
        for policy in (whole if student in settings.portfolio_students else settings.policies)
        for changes in variants
        if get_policy(policy).unit == "tier" or not any(name in _OF_GRADED_REWARDS for name, _ in changes)
    ]
    if not cells:
        raise ValueError(
            f"the grid has no cell: policies {', '.join(settings.policies)} are not rewarded by tier, so "
            f"{' and '.join(settings.axes)} change nothing; add other policies, or the value none"
        )
    return list(dict.fromkeys(cells))


def _combinations(settings: Settings) -> Iterator[tuple[Any, ...]]:
    """Values of the axes, one per axis; None is the run's own."""
    if settings.cross_axes:
        yield from itertools.product(*settings.axes.values())
        return
    yield (None,) * len(settings.axes)
    for at, values in enumerate(settings.axes.values()):
        yield from ((None,) * at + (value,) + (None,) * (len(settings.axes) - at - 1) for value in values)


def _text(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, tuple) else str(value)
