"""Stage 5: train every student under every curriculum, and compare what came out.

A *cell* is one training: student x policy x seed.  Each cell is a papermill run of notebook 04 in a run folder of its
own; cells share their parent run's students, suites and probes, a finished cell is never run again, and a cell that
fails is reported with its traceback while the others go on.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tarot_lite import runs
from tarot_lite.settings import Settings, notebook_folder
from tarot_lite.statistics import Interval, mean_interval, permutation_p

__all__ = ["Cell", "Outcome", "collect_heldout", "collect_histories", "contrast", "gains", "grid", "run_cells"]

STAGE = "04_curriculum_grpo"


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell.

    Parameters
    ----------
    cell
        Which.
    status
        ``"done"``, ``"kept"`` (it had been finished before) or ``"failed"``.
    seconds
        Wall time of this call.
    error
        Traceback of a failed cell; empty otherwise.
    """

    cell: Cell
    status: str
    seconds: float
    error: str = ""


def grid(settings: Settings) -> list[Cell]:
    """All cells of a profile: its students x policies x seeds, students last to first (the strong are slower to judge).

    Examples
    --------
    >>> from tarot_lite.settings import load_profile
    >>> [cell.name for cell in grid(load_profile("smoke"))][:2]
    ['strong-uni-0', 'strong-var_asce_rev-0']
    """
    return list(
        itertools.starmap(Cell, itertools.product(reversed(settings.students), settings.policies, settings.seeds))
    )


def run_cells(
    cells: Sequence[Cell],
    settings: Settings,
    parent: Path,
    executor: Executor | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run the cells that are not finished yet.

    Parameters
    ----------
    cells
        What to run.
    settings
        Of the run; a cell differs from it in student, policy and training seed alone.
    parent
        The run's folder; cells go to ``cells/<name>/`` below it.
    executor
        Any `concurrent.futures.Executor`; None starts ``settings.jobs`` processes, one thread each.
    on_outcome
        Called in this process as each cell ends.

    Returns
    -------
    list of Outcome
        In the order of `cells`.
    """
    overrides = {f.name: getattr(settings, f.name) for f in dataclasses.fields(Settings)}
    overrides |= {"reports": str(parent / "cells"), "parent": str(parent)}
    own = executor is None
    pool = executor or ProcessPoolExecutor(
        settings.jobs, multiprocessing.get_context("spawn"), initializer=_follow_parent, initargs=(os.getpid(),)
    )
    outcomes: dict[Cell, Outcome] = {}
    try:
        futures = {pool.submit(_run_cell, cell, overrides): cell for cell in cells}
        for future in as_completed(futures):
            outcome = future.result()
            outcomes[futures[future]] = outcome
            if on_outcome is not None:
                on_outcome(outcome)
    finally:
        if own:
            pool.shutdown(cancel_futures=True)
    return [outcomes[cell] for cell in cells]


def collect_heldout(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Held-out results of the finished cells, one row per cell, problem and measure.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seed``, ``problem_id``, ``measure`` (a tier or ``suite``), ``before`` and ``after``:
        share of the samples that passed, in [0, 1].  Empty if no cell is finished.
    """
    return _collect(parent, cells, "heldout_problems.csv")


def collect_histories(parent: Path, cells: Iterable[Cell]) -> pd.DataFrame:
    """Training histories of the finished cells, one row per cell and step (see `training.TrainingResult.history`)."""
    return _collect(parent, cells, "history.csv")


def gains(heldout: pd.DataFrame, measure: str = "suite") -> pd.DataFrame:
    """Gain in held-out pass@1 per student and policy, paired by problem.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``policy``, ``seeds`` (count), ``before``, ``after``, ``gain`` with ``low`` and ``high`` (95 %
        interval over problems and seeds); shares in [-1, 1].
    """
    rows = []
    for (student, policy), part in heldout[heldout["measure"] == measure].groupby(["student", "policy"], sort=False):
        interval = mean_interval(_table(part.assign(gain=part["after"] - part["before"]), "gain"))
        rows.append(
            {
                "student": student,
                "policy": policy,
                "seeds": part["seed"].nunique(),
                "before": part["before"].mean(),
                "after": part["after"].mean(),
                "gain": interval.estimate,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame(rows)


def contrast(
    heldout: pd.DataFrame, student: str, first: str, second: str, measure: str = "suite"
) -> tuple[Interval, float]:
    """How much better `student` is after `first` than after `second`, paired by problem and seed.

    Returns
    -------
    tuple
        Difference in pass@1 (share in [-1, 1]) with its 95 % interval, and a two-sided permutation p-value.

    Raises
    ------
    ValueError
        If one of the two has no finished cell for this student.
    """
    tables = []
    of_student = heldout[(heldout["student"] == student) & (heldout["measure"] == measure)]
    for policy in (first, second):
        part = of_student[of_student["policy"] == policy]
        if part.empty:
            raise ValueError(
                f"no finished cell of student {student!r} with policy {policy!r}; add it to the grid, or mend it"
            )
        tables.append(part.pivot(index="seed", columns="problem_id", values="after"))
    difference = (tables[0] - tables[1]).dropna(how="any")
    return mean_interval(difference.to_numpy()), permutation_p(difference.to_numpy())


def _table(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """Seeds x problems."""
    return part.pivot(index="seed", columns="problem_id", values=column)


def _collect(parent: Path, cells: Iterable[Cell], file: str) -> pd.DataFrame:
    frames = []
    for cell in cells:
        path = parent / "cells" / cell.name / STAGE / file
        if (path.parent / "done.json").exists():
            frames.append(pd.read_csv(path).assign(student=cell.student, policy=cell.policy, seed=cell.seed))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _run_cell(cell: Cell, overrides: dict[str, object]) -> Outcome:
    """Run one cell in this process; what goes wrong in it is returned, not raised."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    started = time.perf_counter()
    folder = Path(str(overrides["reports"])) / cell.name
    parameters = overrides | {
        "run": cell.name,
        "student": cell.student,
        "policy": cell.policy,
        "training_seed": cell.seed,
    }
    if runs.is_done(folder, STAGE, Settings(**parameters)):  # type: ignore[arg-type]
        return Outcome(cell, "kept", 0.0)
    output = folder / STAGE / "notebook.ipynb"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook_folder() / f"{STAGE}.ipynb", output, json.loads(json.dumps(parameters)), progress_bar=False
        )
    except PapermillExecutionError as error:
        return Outcome(cell, "failed", time.perf_counter() - started, str(error))
    return Outcome(cell, "done", time.perf_counter() - started)


def _follow_parent(parent: int) -> None:
    """End this worker when the process that started it is gone, so that a killed run leaves nothing behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
