"""Splits of a data set of tiered problems: which problem is trained on and which is held out, decided by its id alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

from tarot_lite import origins, worlds
from tarot_lite.problems import Problem, ProblemError
from tarot_lite.settings import Settings
from tarot_lite.suites import sources

_ORDER = ("heldout", "tuning", "probe", "train")
_SHARES = {"heldout": 0.3, "tuning": 0.1, "probe": 0.15}  # the rest is trained on


def of_data(name: str, sizes: Mapping[str, int]) -> dict[str, list[Problem]]:
    """Split a data set into problems to train on, to probe, to tune on and to hold out.

    Problems are put in the order of a hash of their id; the held-out ones are the first, those to train on the last.
    So a split does not depend on the order of the file, and more problems to train on never move a held-out one.
    """
    found, dropped = usable(name)
    wanted = sum(sizes.values())
    if len(found) < wanted:
        why = "; ".join(f"{count} × {reason}" for reason, count in Counter(dict(dropped)).most_common(3))
        asked = ", ".join(f"{split}_problems {sizes[split]}" for split in _ORDER if split in sizes)
        raise ProblemError(
            f"parameter problems_data: {name} has {len(found)} usable problems, but the splits ask for {wanted} "
            f"({asked}); give more, or for these: {sized(len(found))}" + (f".  Left out: {why}" if why else "")
        )
    rest = iter(found)
    return {split: list(islice(rest, sizes.get(split, 0))) for split in _ORDER}


def sized(count: int) -> str:
    """Parameters for splits that so many problems suffice for, as the command line takes them.

    Examples
    --------
    >>> sized(30)
    '-p train_problems 13 -p probe_problems 4 -p tuning_problems 4 -p heldout_problems 9'
    """
    sizes = {split: max(4, int(share * count)) for split, share in _SHARES.items()}
    sizes["train"] = max(4, count - sum(sizes.values()))
    return " ".join(f"-p {split}_problems {sizes[split]}" for split in reversed(_ORDER))


def of_run(settings: Settings, split: str) -> list[Problem]:
    """Problems of one split of a run: of its ``problems_data``, or of its ``world``."""
    if settings.problems_data is not None:
        sizes = {name: getattr(settings, f"{name}_problems") for name in _ORDER}
        return of_data(settings.problems_data, sizes)[split]
    count = getattr(settings, f"{split}_problems")
    return worlds.get(settings.world).problems(split, count, settings.seed, settings.tests_per_tier)


def usable(name: str) -> tuple[tuple[Problem, ...], tuple[tuple[str, int], ...]]:
    """Problems of a data set with a statement and a test in some tier, in the order of the hash of their id; and why others not.

    Of those that ask the same, but for case, blanks and punctuation, the first is taken: else one split would hold the answers
    to another.
    """
    return _usable(name, origins.content(name))


@lru_cache(maxsize=2)
def _usable(name: str, content: str) -> tuple[tuple[Problem, ...], tuple[tuple[str, int], ...]]:
    """`usable`, read once as long as its content stays the same."""
    kept: list[Problem] = []
    dropped: Counter[str] = Counter()
    try:
        for problem in sources.find(name):
            if isinstance(problem, ProblemError):
                dropped["broken row"] += 1
            elif not problem.statement.strip():
                dropped["no statement"] += 1
            elif not problem.tiers:
                dropped["no test with a tier"] += 1
            else:
                kept.append(problem)
    except ProblemError as error:
        raise ProblemError(f"parameter problems_data: {error}") from error
    kept.sort(key=lambda problem: hashlib.sha256(problem.problem_id.encode()).digest())
    distinct: dict[str, Problem] = {}
    for problem in kept:
        distinct.setdefault(" ".join(re.findall(r"\w+", problem.statement.casefold())) or problem.statement, problem)
    if joined := len(kept) - len(distinct):
        dropped["same statement as another"] = joined
    return tuple(distinct.values()), tuple(dropped.items())
