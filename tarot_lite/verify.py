"""Run a committed run again in a scratch folder and compare: ``python -m tarot_lite verify reports/example``.

Every table, claim, summary and the data of every figure must come out the same.  What tells of the machine (seconds,
memory) is declared where a table is saved (`tarot_lite.runs.Stage.save_table`) and is not compared.  A machine that cannot
be exact compares the trainings within the spread between their seeds instead.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from statistics import fmean, variance
from typing import Any

from tarot_lite import batch, report, runs

SAME, DIFFERENT, NOT_EXACT = 0, 1, 3
_NOT_RESULTS = ("done.json", "batch.json", "batches.json")
_WAIT = 20.0  # seconds that stopped kernels have to let go of the scratch folder
_QUIET = 2.5  # seconds without a new file after which they have: they look for their parent once a second


def verify(
    folder: Path,
    stages: Sequence[str] = (),
    notebooks: Path | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Run the stages of `folder` again with its settings, and compare stage by stage; the scratch folder is removed.

    Parameters
    ----------
    folder
        A run, such as ``reports/example``.
    stages
        Names out of `tarot_lite.runs.STAGES`; none: all that the run has finished.

    Returns
    -------
    int
        0: all is the same. 1: something differs. 3: not exact here, and within the spread between seeds.

    Raises
    ------
    ValueError
        If the run has not finished one of the stages.
    tarot_lite.runs.RunError
        If `folder` holds no run.
    tarot_lite.batch.StageFailed
        If a notebook fails.
    """
    manifest = runs.read_json(folder / "manifest.json")
    if not isinstance(manifest, dict):
        raise runs.RunError(f"{folder} holds no run (no readable manifest.json); give one such as reports/example")
    finished = [name for name in runs.STAGES if (folder / name / "done.json").is_file()]
    if missing := [name for name in stages if name not in finished]:
        raise ValueError(f"{folder} has not finished {', '.join(missing)}; it has {', '.join(finished) or 'no stage'}")
    stages = [name for name in finished if name in stages] or finished
    seconds = sum((runs.read_json(folder / name / "batch.json") or {}).get("seconds") or 0 for name in stages)
    say(f"{folder}: stage {', '.join(name[1] for name in stages)} again, which took {seconds:.0f} s when it was made")
    settings = manifest.get("settings", {})
    compared = differ = 0
    with _scratch() as scratch:
        for name in stages:
            profile = settings.get("profile", "cpu")
            parameters = {**report.given(settings), "reports": str(scratch)}
            again = batch.run([name], profile, parameters, notebooks, say=say, pages=False)
            why_not = _why_not_exact(manifest, runs.read_json(again / "manifest.json"))
            if not why_not:
                for file, difference in _compare(folder / name, again / name):
                    compared, differ = compared + 1, differ + bool(difference)
                    say(
                        f"  {'DIFFERS' if difference else 'same   '}  {name}/{file}"
                        + f": {difference}" * bool(difference)
                    )
        if why_not:
            say("not exact: " + "; ".join(why_not))
            return _within_spread(folder, again, say) if stages[-1] == runs.STAGES[-1] else NOT_EXACT
    say(
        f"{differ} of {compared} tables differ"
        if differ
        else f"all {compared} tables agree with {folder}, byte for byte"
    )
    return DIFFERENT if differ else SAME


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, also when kernels that were stopped still write to it for a moment."""
    folder, quiet = Path(tempfile.mkdtemp(prefix="tarot-verify-")), 0.0
    try:
        yield folder
    except BaseException:
        quiet = _QUIET
        raise
    finally:
        end, seen = time.monotonic() + _WAIT, time.monotonic()
        while (folder.exists() or time.monotonic() < seen + quiet) and time.monotonic() < end:
            if folder.exists():
                seen = time.monotonic()
                shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.1)


def _why_not_exact(committed: dict[str, Any], here: Any) -> list[str]:
    """Reasons of either run; one from before exactness was recorded is taken for exact."""
    found = [("the committed run: ", committed), ("", here or {})]
    return [prefix + why for prefix, manifest in found for why in (manifest.get("arithmetic") or {}).get("why_not", [])]


def _compare(committed: Path, here: Path) -> Iterator[tuple[str, str]]:
    """Each file that holds results, and the first difference in it; empty: none."""
    machine = (runs.read_json(here / "done.json") or {}).get("machine", {})
    files = [
        {path.name for path in folder.iterdir() if path.suffix in (".csv", ".json") and path.name not in _NOT_RESULTS}
        for folder in (committed, here)
    ]
    for file in sorted(files[0] | files[1]):
        if file not in files[1]:
            yield file, "only in the committed run"
        elif file not in files[0]:
            yield file, "only in the new run"
        else:
            ours = machine.get(file, [])
            if file.endswith(".csv"):
                yield file, _table_difference(*(_rows(folder / file, ours) for folder in (committed, here)))
            else:
                was, now = (_plain(folder / file, ours) for folder in (committed, here))
                if file == "figures.json" and any(
                    "alt" in row and "data" not in row for row in was
                ):  # made before it was kept
                    was, now = ([{**row, "data": None} for row in rows] for rows in (was, now))
                yield file, _difference(was, now)


def _rows(path: Path, machine: list[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not any(fnmatch(k, pattern) for pattern in machine)} for row in rows]


def _table_difference(committed: list[dict[str, str]], here: list[dict[str, str]]) -> str:
    columns = [list(rows[0]) if rows else [] for rows in (committed, here)]
    if columns[0] != columns[1]:
        return f"its columns are {', '.join(columns[1])}, were {', '.join(columns[0])}"
    for number, (was, row) in enumerate(zip(committed, here, strict=False), 1):
        for column in row:
            if row[column] != was[column]:
                return f"row {number}, column {column} is {row[column]!r}, was {was[column]!r}"
    return f"{len(here)} rows, were {len(committed)}" if len(here) != len(committed) else ""


def _plain(path: Path, machine: list[str]) -> Any:
    """Content of a JSON file without what tells of the machine: keys of a dict, or all but the names of claims and figures."""
    content = runs.read_json(path)
    if isinstance(content, dict):
        return {key: value for key, value in content.items() if key not in machine}
    if path.name not in ("claims.json", "figures.json"):
        return content
    keep = ("claim", "verdict", "file")
    short = [{name: row[name] for name in keep if name in row} for row in content or []]
    return [less if set(less.values()) & set(machine) else row for row, less in zip(content or [], short, strict=True)]


def _difference(committed: Any, here: Any, place: str = "") -> str:
    """The first value in which two JSON values differ, with its place."""
    if isinstance(committed, dict) and isinstance(here, dict) and list(committed) == list(here):
        pairs = [(f"{place}.{key}".lstrip("."), committed[key], here[key]) for key in here]
    elif isinstance(committed, list) and isinstance(here, list) and len(committed) == len(here):
        pairs = [(f"{place}[{i}]", was, value) for i, (was, value) in enumerate(zip(committed, here, strict=True))]
    else:
        was, value = (json.dumps(each, ensure_ascii=False) for each in (committed, here))
        return "" if was == value else f"{place or 'it'} is {value[:200]}, was {was[:200]}"
    return next(filter(None, (_difference(was, value, where) for where, was, value in pairs)), "")


def _within_spread(committed: Path, here: Path, say: Callable[[str], None]) -> int:
    """Compare what each student reached under each policy: means over seeds, against the spread between seeds."""
    from scipy.stats import t

    table = f"{runs.STAGES[-1]}/heldout.csv"
    was, now = _by_seed(committed / table), _by_seed(here / table)
    freedom = {student: 0 for student, _ in was}
    squares = dict.fromkeys(freedom, 0.0)
    for (student, _), seeds in was.items():
        if len(seeds) > 1:
            freedom[student] += len(seeds) - 1
            squares[student] += (len(seeds) - 1) * variance(seeds)
    outside = 0
    for (student, policy), seeds in was.items():
        new = now.get((student, policy), [])
        if not freedom[student] or not new:
            say(f"  {student} under {policy}: nothing to compare with ({len(seeds)} seeds, {len(new)} here)")
            continue
        error = math.sqrt(squares[student] / freedom[student] * (1 / len(seeds) + 1 / len(new)))
        allowed = error * float(t.ppf(1 - 0.025 / len(was), freedom[student]))
        difference = fmean(new) - fmean(seeds)
        outside += abs(difference) > allowed
        say(
            f"  {'OUTSIDE' if abs(difference) > allowed else 'within '}  {student} under {policy}: whole suite "
            f"{100 * fmean(new):.1f} %, was {100 * fmean(seeds):.1f} %, the seeds' spread allows ±{100 * allowed:.1f}"
        )
    return DIFFERENT if outside else NOT_EXACT


def _by_seed(path: Path) -> dict[tuple[str, str], list[float]]:
    """Held-out pass rate of the whole suite after training: student and policy -> one number per seed."""
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(path, []):
        if row["measure"] == "suite" and not row.get("variant", "").strip("-"):
            values[row["student"], row["policy"]][row["seed"]].append(float(row["after"]))
    return {cell: [fmean(problems) for problems in seeds.values()] for cell, seeds in values.items()}
