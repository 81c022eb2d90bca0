"""Run the cells of a grid, each a papermill run of notebook 04 in a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarot_lite import batch, runs
from tarot_lite.ablations.cells import Cell
from tarot_lite.ablations.executors import open_executor
from tarot_lite.settings import Settings, load_profile, notebook_folder

STAGE = "04_curriculum_grpo"
"""The stage that a cell runs."""

_LOCK_WAIT = 30.0  # seconds


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


def run_cells(
    cells: Sequence[Cell],
    settings: Settings,
    parent: Path,
    executor: Executor | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    notebook: Path | None = None,
) -> list[Outcome]:
    """Run the cells that are not finished yet."""
    elsewhere = executor is not None or settings.scheduler is not None  # workers may have another current folder
    overrides = _overrides(settings, parent.resolve() if elsewhere else parent)
    source = notebook or notebook_folder() / f"{STAGE}.ipynb"
    outcomes: dict[Cell, Outcome] = {}
    with contextlib.nullcontext(executor) if executor is not None else open_executor(settings) as pool:
        futures = {pool.submit(_run_cell, cell, overrides, notebook and source.resolve()): cell for cell in cells}
        for future in as_completed(futures):
            cell = futures[future]
            try:
                outcome = _confirmed(future.result(), overrides)
            except Exception as error:  # its worker or the way to it; what is finished stays on disk
                outcome = Outcome(cell, "failed", 0.0, f"its worker died: {type(error).__name__}: {error}")
            outcomes[cell] = outcome
            if on_outcome is not None:
                on_outcome(outcome)
    return [outcomes[cell] for cell in cells]


def require_finished(outcomes: Sequence[Outcome]) -> None:
    """Raise with the first failure if not one cell is finished: there is nothing to compare then.

    Raises
    ------
    RuntimeError
        Naming the cell that failed first, and its error.
    """
    if outcomes and all(outcome.status == "failed" for outcome in outcomes):
        first = outcomes[0]
        raise RuntimeError(f"all {len(outcomes)} trainings failed; the first, {first.cell.name}:\n{first.error}")


def is_finished(cell: Cell, settings: Settings, parent: Path) -> bool:
    """Whether `run_cells` would keep it; nothing is changed."""
    return runs.is_done(parent / "cells" / cell.name, STAGE, _settings_of(cell, _overrides(settings, parent)))


def _overrides(settings: Settings, parent: Path) -> dict[str, Any]:
    """What every cell of a run is given on top of its profile."""
    plain = load_profile(settings.profile)
    changed = {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(Settings)
        if getattr(settings, field.name) != getattr(plain, field.name)
    }
    return changed | {"profile": settings.profile, "reports": str(parent / "cells"), "parent": str(parent)}


def _settings_of(cell: Cell, overrides: dict[str, Any]) -> Settings:
    given = json.loads(json.dumps(overrides | cell.parameters))
    return load_profile(given.pop("profile"), **given)


def _confirmed(outcome: Outcome, overrides: dict[str, Any]) -> Outcome:
    """The outcome, unless a worker says done and this process cannot see it, or would not call it so."""
    folder = Path(str(overrides["reports"])) / outcome.cell.name
    if outcome.status != "done" or runs.is_done(folder, STAGE, _settings_of(outcome.cell, overrides)):
        return outcome
    if not (folder / STAGE / "done.json").exists():
        reason = f"its worker finished it, but {folder} is empty here: put the run on storage that all machines share"
    else:
        reason = "its worker has other code or versions than this machine: install the same there, and run it again"
    return dataclasses.replace(outcome, status="failed", error=reason)


def _run_cell(cell: Cell, overrides: dict[str, Any], notebook: Path | None = None) -> Outcome:
    """Run one cell in this process; what goes wrong in it is returned, not raised."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of every parameter that has no default there
    started = time.perf_counter()
    folder = Path(str(overrides["reports"])) / cell.name
    source = notebook or notebook_folder() / f"{STAGE}.ipynb"
    output = folder / STAGE / "notebook.ipynb"
    try:
        settings = _settings_of(cell, overrides)
        if runs.is_done(folder, STAGE, settings):
            return Outcome(cell, "kept", 0.0)
        output.parent.mkdir(parents=True, exist_ok=True)
        # papermill would overwrite the notebook of one at work; the kernel of a killed worker needs a while to notice
        runs.take_lock(output.parent, f"cell {cell.name}", wait=_LOCK_WAIT)
        runs.release_lock(output.parent)
        parameters = json.loads(json.dumps(overrides | cell.parameters))
        try:
            papermill.execute_notebook(source, output, parameters, progress_bar=False)
        except PapermillExecutionError:
            with contextlib.suppress(batch.StageFailed):
                batch.tidy(output, source)  # a failed notebook is the one to read
            raise
        with contextlib.suppress(batch.StageFailed):  # a training is not worth less without its page
            batch.tidy(output, source)
        if not (output.parent / "done.json").exists():
            raise RuntimeError(f"the notebook ended without finishing its stage; see {output}")
    except Exception as error:  # whatever it is, the other cells go on
        return Outcome(cell, "failed", time.perf_counter() - started, f"{type(error).__name__}: {error}")
    return Outcome(cell, "done", time.perf_counter() - started)
