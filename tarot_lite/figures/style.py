"""One look for all figures: colour-blind safe, readable in print, the same colour for the same thing everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tarot_lite.curriculum import Policy
from tarot_lite.problems import Tier

# Okabe-Ito, chosen to stay distinct in greyscale too.
TIER_COLOURS: Mapping[Tier, str] = {
    Tier.BASIC: "#56B4E9",
    Tier.INTERMEDIATE: "#009E73",
    Tier.COMPLEX: "#E69F00",
    Tier.EDGE: "#D55E00",
}
"""Cool to warm, from easy to hard."""

STUDENT_COLOURS: Mapping[str, str] = {
    "weak": "#56B4E9",
    "low": "#E69F00",
    "middle": "#009E73",
    "strong": "#0072B2",
    "top": "#CC79A7",
}

_RC: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "tarot_lite",  # the same table gives the same bytes
}


def new_figure(width: float = 7.0, height: float = 3.6, **subplots: Any) -> tuple[Figure, Any]:
    """Make a figure in the package's style.

    Examples
    --------
    >>> figure, axes = new_figure(ncols=2)
    >>> len(axes)
    2
    """
    with sns.axes_style("whitegrid", rc=_RC), matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=_RC["figure.dpi"])
        return figure, figure.subplots(**subplots)


def note(axes: Axes, text: str) -> None:
    """Write a small grey remark under the plot, such as what the bars mean."""
    width = axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    text = fill(text, int(17 * width))
    axes.figure.supxlabel(text, fontsize=8, color="#555555", x=0.01, ha="left")


def legend_below(axes: Axes, columns: int = 4, **options: Any) -> None:
    """Put the legend under the axes, where it hides no data."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns, frameon=False, **options)


def bars(axes: Axes, places: Sequence[float], rates: pd.DataFrame, width: float, **options: Any) -> None:
    """Bars of shares in per cent (`rate`, with `low` and `high` as lines), each with its number above."""
    rate, low, high = (100 * rates[name] for name in ("rate", "low", "high"))
    axes.bar(places, rate, width=0.92 * width, **options)
    axes.errorbar(places, rate, yerr=[rate - low, high - rate], fmt="none", ecolor="black", elinewidth=1, capsize=2)
    for place, number, top in zip(places, rate, high, strict=True):
        axes.text(place, top + 1.5, f"{number:.0f}", ha="center", fontsize=8)
    axes.set_ylim(0, 108)
    axes.grid(False, axis="x")


def phases(axes: Axes, policy: Policy, steps: int) -> None:
    """Shade every other phase of a training of so many steps, and write above each the tiers that it pays for."""
    ends = [phase.start for phase in policy.phases[1:]] + [1.0]
    for number, (phase, end) in enumerate(zip(policy.phases, ends, strict=True)):
        left, right = phase.start * steps + 0.5, end * steps + 0.5  # step s is scored at progress (s - 1) / steps
        axes.axvspan(left, right, color="black", alpha=0.06 if number % 2 else 0.0, linewidth=0)
        letters = "".join(tier.value[0].upper() for tier in Tier if tier in phase.tiers)
        place, above = ((left + right) / 2, 1.01), axes.get_xaxis_transform()
        axes.text(*place, letters, fontsize=8, color="#555555", ha="center", va="bottom", transform=above)


def one_line(text: str, longest: int) -> str:
    """A text's lines divided by bars, cut where they are too long."""
    shown = " | ".join(line or "(empty)" for line in text.rstrip("\n").split("\n"))
    return shown if len(shown) <= longest else f"{shown[: longest - 2]} …"
