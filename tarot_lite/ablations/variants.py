"""The further axes of a grid: what another KL weight, loss or schedule length does to the same training."""

from __future__ import annotations

import pandas as pd

from tarot_lite.ablations.study import capability_law
from tarot_lite.statistics import holm, mean_interval, permutation_p

__all__ = ["base_variant", "of_base", "order_by_variant", "variant_contrasts"]


def base_variant(table: pd.DataFrame) -> str:
    """The variant that the others are compared with: the run's own settings, else the first of the grid.

    Examples
    --------
    >>> base_variant(pd.DataFrame({"variant": ["beta=0.0", ""]}))
    ''
    """
    variants = list(dict.fromkeys(table["variant"]))
    return "" if "" in variants or not variants else variants[0]


def of_base(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the base variant alone: the plain grid of students x policies x seeds.

    Parameters
    ----------
    table
        With a column ``variant``, as `collect_heldout` and its like return.
    """
    return table[table["variant"] == base_variant(table)] if len(table) else table


def variant_contrasts(heldout: pd.DataFrame, measure: str = "suite") -> pd.DataFrame:
    """Every variant against the base, student by student and policy by policy, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``variant``, ``label``, ``seeds``, ``estimate``, ``low``, ``high`` (variant minus base,
        shares in [-1, 1]), ``p`` and ``p_holm``.  Empty if the grid has no further axes.
    """
    base = base_variant(heldout)
    rows = []
    table = heldout[heldout["measure"] == measure]
    for (student, policy), part in table.groupby(["student", "policy"], sort=False):
        wide = {
            variant: rows_of.pivot(index="seed", columns="problem_id", values="after")
            for variant, rows_of in part.groupby("variant", sort=False)
        }
        for variant in [name for name in wide if name != base and base in wide]:
            difference = (wide[variant] - wide[base]).dropna(how="any").to_numpy()
            if not difference.size:
                continue  # no seed was finished in both
            interval = mean_interval(difference)
            row = {"student": student, "policy": policy, "variant": variant, "label": f"{student}, {policy}: {variant}"}
            row |= {"seeds": len(difference), "estimate": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append(row | {"p": permutation_p(difference)})
    found = pd.DataFrame(rows)
    if not found.empty:
        found["p_holm"] = holm(found["p"].to_numpy())
    return found


def order_by_variant(heldout: pd.DataFrame) -> pd.DataFrame:
    """Hard first minus easy to hard under every variant: on which settings does it depend who gains from which order?

    Returns
    -------
    pandas.DataFrame
        As `ablations.capability_law`, with ``variant`` in front, a ``label`` that names student and variant, ``estimate``
        instead of ``contrast``, and ``p_holm``, corrected for the number of rows.  Empty if the grid has no further axes.
    """
    base = base_variant(heldout)
    names = [base, *(name for name in dict.fromkeys(heldout["variant"]) if name != base)]
    if len(names) < 2:
        return pd.DataFrame()
    tables = [
        capability_law(heldout[heldout["variant"] == name]).assign(variant=name or "own settings") for name in names
    ]
    found = pd.concat(tables, ignore_index=True).rename(columns={"contrast": "estimate"})
    found = found.sort_values(["measure", "capability"], kind="stable", ignore_index=True)
    found["label"] = found["student"] + ", " + found["variant"] + ": " + found["label"]
    found["p_holm"] = holm(found["p"].to_numpy())
    return found[["variant", *(name for name in found.columns if name != "variant")]]
