"""Run the cells of a grid, each a papermill run of notebook 04 in a folder of its own."""

from __future__ import annotations

import dataclasses
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarot_lite import runs
from tarot_lite.ablations.cells import Cell
from tarot_lite.settings import Settings, load_profile, notebook_folder

__all__ = ["STAGE", "Outcome", "run_cells"]

STAGE = "04_curriculum_grpo"
"""The stage that a cell runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell.

    Parameters
    ----------
    cell
        Which.
    status
        ``"done"``, ``"kept"`` (it had been finished before), ``"other version"`` (kept too, but other code or versions
        made it) or ``"failed"``.
    seconds
        Wall time of this call.
    error
        Traceback of a failed cell; empty otherwise.
    """

    cell: Cell
    status: str
    seconds: float
    error: str = ""


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
    plain = load_profile(settings.profile)
    overrides = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(Settings)
        if getattr(settings, field.name) != getattr(plain, field.name)
    }
    overrides |= {"profile": settings.profile, "reports": str(parent / "cells"), "parent": str(parent)}
    own = executor is None
    pool = executor or ProcessPoolExecutor(
        settings.jobs, multiprocessing.get_context("spawn"), initializer=_follow_parent, initargs=(os.getpid(),)
    )
    outcomes: dict[Cell, Outcome] = {}
    try:
        futures = {pool.submit(_run_cell, cell, overrides): cell for cell in cells}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except BrokenExecutor as error:  # a worker was killed, for memory say; what is finished stays on disk
                outcome = Outcome(futures[future], "failed", 0.0, f"its worker died: {error}")
            outcomes[futures[future]] = outcome
            if on_outcome is not None:
                on_outcome(outcome)
    finally:
        if own:
            pool.shutdown(cancel_futures=True)
    return [outcomes[cell] for cell in cells]


def _run_cell(cell: Cell, overrides: dict[str, Any]) -> Outcome:
    """Run one cell in this process; what goes wrong in it is returned, not raised."""
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of every parameter that has no default there
    started = time.perf_counter()
    folder = Path(str(overrides["reports"])) / cell.name
    own = {"run": cell.name, "student": cell.student, "policy": cell.policy, "training_seed": cell.seed}
    parameters = json.loads(json.dumps(overrides | own))
    try:
        given = {name: value for name, value in parameters.items() if name != "profile"}
        settings = load_profile(parameters["profile"], **given)
        if runs.is_done(folder, STAGE, settings):
            return Outcome(cell, "kept", 0.0)
        if settings.keep_other_cells and runs.is_done_otherwise(folder, STAGE, settings):
            return Outcome(cell, "other version", 0.0)
        output = folder / STAGE / "notebook.ipynb"
        output.parent.mkdir(parents=True, exist_ok=True)
        papermill.execute_notebook(notebook_folder() / f"{STAGE}.ipynb", output, parameters, progress_bar=False)
        if not (output.parent / "done.json").exists():
            raise RuntimeError(f"the notebook ended without finishing its stage; see {output}")
    except Exception as error:  # whatever it is, the other cells go on
        return Outcome(cell, "failed", time.perf_counter() - started, f"{type(error).__name__}: {error}")
    return Outcome(cell, "done", time.perf_counter() - started)


def _follow_parent(parent: int) -> None:
    """Make this worker quiet, and end it when the process that started it is gone: a killed run leaves nothing behind.

    What its kernels say on stderr would land in the notebook that started them; errors come back as outcomes.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
