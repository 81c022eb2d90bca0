"""Stage 5: train every student under every curriculum, and compare what came out.

A *cell* is one training: student x policy x seed, and one value of every further axis.  Each cell is a papermill run of
notebook 04 in a run folder of its own; cells share their parent run's students, suites and probes, a finished cell is
never run again, and a cell that fails is reported with its traceback while the others go on.

`cells` says which there are, `plan` what they cost, `engine` runs them on `executors` (this machine or a Dask cluster),
`collect` reads what they left, `study` compares the curricula and the other settings, `claims` gives the verdicts.
"""

from tarot_lite.ablations.cells import Cell, grid
from tarot_lite.ablations.claims import claims, length_claims, summary_text
from tarot_lite.ablations.collect import collect_heldout, collect_histories, collect_lengths
from tarot_lite.ablations.engine import STAGE, Outcome, require_finished, run_cells
from tarot_lite.ablations.plan import Plan, plan
from tarot_lite.ablations.study import (
    MEASURES,
    base_variant,
    capability_law,
    contrast,
    contrasts,
    correlation,
    gains,
    learning_speed,
    length_correlation,
    of_base,
    order_by_variant,
    power,
    regret,
    stability,
    variant_contrasts,
)

__all__ = [
    "MEASURES",
    "STAGE",
    "Cell",
    "Outcome",
    "Plan",
    "base_variant",
    "capability_law",
    "claims",
    "collect_heldout",
    "collect_histories",
    "collect_lengths",
    "contrast",
    "contrasts",
    "correlation",
    "gains",
    "grid",
    "learning_speed",
    "length_claims",
    "length_correlation",
    "of_base",
    "order_by_variant",
    "plan",
    "power",
    "regret",
    "require_finished",
    "run_cells",
    "stability",
    "summary_text",
    "variant_contrasts",
]
