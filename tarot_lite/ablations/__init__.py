"""Stage 5: train every student under every curriculum, and compare what came out.

A *cell* is one training: student x policy x seed, and one value of every further axis.  Each cell is a papermill run of
notebook 04 in a run folder of its own; cells share their parent run's students, suites and probes, a finished cell is
never run again, and a cell that fails is reported with its traceback while the others go on.

`cells` says which there are, `plan` what they cost, `engine` runs them on `executors` (this machine or a Dask cluster),
`collect` reads what they left, `analysis` and `study` compare the curricula, `variants` the further axes, `lengths` the code.
"""

from tarot_lite.ablations.analysis import claims, contrast, contrasts, gains, summary_text
from tarot_lite.ablations.cells import Cell, grid
from tarot_lite.ablations.collect import collect_heldout, collect_histories, collect_lengths
from tarot_lite.ablations.engine import STAGE, Outcome, run_cells
from tarot_lite.ablations.lengths import length_claims, length_correlation
from tarot_lite.ablations.plan import Plan, plan
from tarot_lite.ablations.study import MEASURES, capability_law, correlation, learning_speed, power, stability
from tarot_lite.ablations.variants import base_variant, of_base, order_by_variant, variant_contrasts

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
    "run_cells",
    "stability",
    "summary_text",
    "variant_contrasts",
]
