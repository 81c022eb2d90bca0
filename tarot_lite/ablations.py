"""Stage 5: train every student under every curriculum, and compare what came out.

A *cell* is one training: student x policy x seed.  Each cell is a papermill run of notebook 04 in a run folder of its
own; cells share their parent run's students, suites and probes, a finished cell is never run again, and a cell that
fails is reported with its traceback while the others go on.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tarot_lite import runs
from tarot_lite.curriculum import PORTFOLIO, get_policy
from tarot_lite.settings import Settings, load_profile, notebook_folder
from tarot_lite.statistics import Interval, holm, mean_interval, permutation_p, verdict_of

__all__ = [
    "Cell",
    "Outcome",
    "claims",
    "collect_heldout",
    "collect_histories",
    "contrast",
    "contrasts",
    "gains",
    "grid",
    "run_cells",
    "summary_text",
]

STAGE = "04_curriculum_grpo"
_ORDER = ("hard first", "no schedule", "easy to hard")  # a difference is told as the former minus the latter


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


def grid(settings: Settings) -> list[Cell]:
    """All cells of a profile: its students x policies x seeds.

    Seeds come last in turn, so that a grid which was stopped early has the same cells for every seed that it finished;
    students from last to first (the strong are slower to judge).

    Examples
    --------
    >>> from tarot_lite.settings import load_profile
    >>> [cell.name for cell in grid(load_profile("smoke"))][:2]
    ['strong-uni-0', 'strong-var_asce_rev-0']
    """
    whole = [*settings.policies, *(name for name in PORTFOLIO if name not in settings.policies)]
    return [
        Cell(student, policy, seed)
        for seed in settings.seeds
        for student in reversed(settings.students)
        for policy in (whole if student in settings.portfolio_students else settings.policies)
    ]


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


def contrasts(heldout: pd.DataFrame) -> pd.DataFrame:
    """Every pair of curricula of every student, paired by problem and seed.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``first``, ``second``, ``label``, ``estimate``, ``low``, ``high`` (shares in [-1, 1]), ``p``, and
        ``p_holm``, corrected for the number of comparisons (Holm).
    """
    rows = []
    for student in dict.fromkeys(heldout["student"]):
        policies = list(dict.fromkeys(heldout.loc[heldout["student"] == student, "policy"]))
        ordered = sorted(policies, key=lambda policy: _ORDER.index(get_policy(policy).direction))
        for first, second in itertools.combinations(ordered, 2):
            interval, p = contrast(heldout, student, first, second)
            row = {"student": student, "first": first, "second": second, "label": f"{student}: {first} − {second}"}
            rows.append(row | {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "p": p})
    table = pd.DataFrame(rows)
    if not table.empty:
        table["p_holm"] = holm(table["p"].to_numpy())
    return table


def claims(gains: pd.DataFrame, contrasts: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of the claims table that the grid can speak to, each with what was measured and its verdict."""
    rows = []
    strongest = gains["student"].iloc[0]
    for row in gains[gains["student"] == strongest].itertuples():
        interval = Interval(row.gain, row.low, row.high)
        rows.append(
            _claim(
                f"GRPO raises held-out full-suite pass@1 of the {strongest} student by 10 points or more, under {row.policy}",
                f"{100 * row.before:.1f} % before, {100 * row.after:.1f} % after, {row.seeds} seed(s)",
                interval,
                verdict_of(interval, at_least=0.10),
            )
        )
    for row in contrasts.itertuples():
        kinds = get_policy(row.first).direction, get_policy(row.second).direction
        if kinds != ("hard first", "easy to hard"):
            continue
        interval = Interval(row.estimate, row.low, row.high)
        if row.student == strongest:
            claim, verdict = f"The more capable student gains more from {row.first} than from {row.second}", interval
        else:
            claim = f"The less capable student ({row.student}) gains more from {row.second} than from {row.first}"
            verdict = Interval(-row.estimate, -row.high, -row.low)
        rows.append(_claim(claim, f"{row.first} minus {row.second}, paired by problem", interval, verdict_of(verdict)))
    return rows


def summary_text(gains: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    """What came out, in Markdown, every number taken from the tables."""
    lines = []
    for student, part in gains.groupby("student", sort=False):
        best = part.loc[part["after"].idxmax()]
        rivals = contrasts[(contrasts["student"] == student) & (contrasts["p_holm"] < 0.05)]
        clear = ", ".join(
            f"{r.first} − {r.second} = {Interval(r.estimate, r.low, r.high)}" for r in rivals.itertuples()
        )
        lines.append(
            f"* **{student}**: {100 * best['before']:.1f} % before; best after `{best['policy']}`, "
            f"{100 * best['after']:.1f} % (gain {Interval(best['gain'], best['low'], best['high'])} points). "
            + (f"Differences beyond the noise: {clear}." if clear else "No two curricula differ beyond the noise.")
        )
    return "\n".join(lines)


def _claim(claim: str, evidence: str, interval: Interval, verdict: str) -> dict[str, str]:
    return {
        "claim": claim,
        "evidence": evidence,
        "number": f"{100 * interval.estimate:+.1f} points",
        "interval": f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}",
        "verdict": verdict,
    }


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
