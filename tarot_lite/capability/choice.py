"""What every rule returns: the policy it chose, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

__all__ = ["Choice", "best"]


@dataclass(frozen=True)
class Choice:
    """A chosen policy and the reasons.

    Parameters
    ----------
    policy
        Name of the policy.
    rule
        Which chooser.
    why
        One sentence.
    table
        ``policy``, ``score`` (higher is better), ``why``; best first.
    """

    policy: str
    rule: str
    why: str
    table: pd.DataFrame = field(repr=False)


def best(rule: str, rows: Sequence[dict[str, Any]], why: str) -> Choice:
    """The choice of the row with the highest ``score``; of equal ones the first.

    Examples
    --------
    >>> best("luck", [{"policy": "uni", "score": 1, "why": "-"}, {"policy": "flat", "score": 2, "why": "-"}], "?").policy
    'flat'
    """
    table = pd.DataFrame(rows).sort_values("score", ascending=False, kind="stable", ignore_index=True)
    return Choice(str(table["policy"].iloc[0]), rule, why, table)
