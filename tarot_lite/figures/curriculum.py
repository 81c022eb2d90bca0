"""A curriculum to look at: which tiers pay in which stretch of the training, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from tarot_lite.curriculum import PORTFOLIO, Policy, get_policy
from tarot_lite.problems import Tier
from tarot_lite.widgets import Folded, browse

if TYPE_CHECKING:
    from ipywidgets import Widget

_WORTH = {"tier": "{:.2f}", "test": "share of tests", "suite": "1 if all pass"}


def timetable(policy: Policy) -> pd.DataFrame:
    """Worth of each tier, a row per phase; a dash where passing the tier earns nothing, words where no tier has a price.

    Examples
    --------
    >>> timetable(get_policy("var_asce_rev")).loc["0–20 %"].to_list()
    ['–', '–', '0.35', '–']
    """
    ends = [*(phase.start for phase in policy.phases), 1.0]
    worth = _WORTH[policy.unit] if policy.rule is None else "each group decides"
    rows = [
        {tier.value: worth.format(policy.weights[tier]) if tier in phase.tiers else "–" for tier in Tier}
        for phase in policy.phases
    ]
    stretches = [f"{100 * start:.0f}–{100 * end:.0f} %" for start, end in pairwise(ends)]
    return pd.DataFrame(rows, index=pd.Index(stretches, name="training"))


def choose_policy(names: Sequence[str] = tuple(PORTFOLIO)) -> Widget | Folded:
    """Choose a curriculum and see what it does and its timetable.

    Parameters
    ----------
    names
        Keys of the portfolio, at least one.

    Raises
    ------
    ValueError
        If a name is not in the portfolio.
    """
    policies = {name: get_policy(name) for name in names}
    return browse(policies, lambda policy: [_about(policy), timetable(policy)], "policy")


def _about(policy: Policy) -> str:
    return policy.summary + (f" (source: {policy.source})" if policy.source else "")
