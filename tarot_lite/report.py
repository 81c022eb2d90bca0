"""The front page of a run: ``reports/<run>/index.html``, one file that needs nothing from the network.

It is made from what the stages left in the run folder (`tarot_lite.runs`) and from nothing else, so it can be made anew
at any time: ``python -m tarot_lite report reports/cpu``.

Floor: imports `tarot_lite.runs`; no stage module.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jinja2

from tarot_lite import runs
from tarot_lite.settings import Settings, load_profile

_WIDE = 900  # pixels: a figure of several panels gets a row of its own

QUESTIONS = {
    "01_tiered_suites": "What does a four-tier test suite look like, and is each tier harder than the one before?",
    "02_sandboxed_execution": "How are programs that a model wrote run, and what can they do to us?",
    "03_capability_estimation": "What can each student do before training, tier by tier, and which curriculum does that choose?",
    "04_curriculum_grpo": "What does training under a curriculum do, step by step?",
    "05_ablations": "Which student gains most from which curriculum?",
}
"""What each stage asks, as its notebook's title says it."""


def claims(run_folder: str | Path) -> list[dict[str, Any]]:
    """Rows of the claims table, all stages in order: stage, claim, evidence, number, interval, verdict.

    Parameters
    ----------
    run_folder
        Such as ``reports/cpu``.
    """
    rows = []
    for name in runs.STAGES:
        for row in runs.read_json(Path(run_folder) / name / "claims.json") or []:
            rows.append({"stage": name, **row})
    return rows


def command(settings: dict[str, Any], stages: Collection[str] = ()) -> str:
    """The command that repeats a run, from its manifest.

    Examples
    --------
    >>> command({"profile": "smoke", "seed": 7})
    'python -m tarot_lite run --profile smoke -p seed 7'
    >>> command({"profile": "smoke"}, ["01_tiered_suites", "03_capability_estimation", "05_ablations"])
    'python -m tarot_lite ablations --profile smoke'
    """
    verb = "ablations" if {name[:2] for name in stages} == {"01", "03", "05"} else "run"
    words = ["python", "-m", "tarot_lite", verb, "--profile", settings.get("profile", "cpu")]
    for name, value in given(settings).items():
        words += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
    return shlex.join(words)


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """What a run was given on top of its profile, from its manifest's settings."""
    try:
        base = load_profile(settings.get("profile", "cpu"))
    except ValueError:  # a profile file that is not here any more: every value is told
        base = Settings()
    known = {name: value for name, value in settings.items() if name in Settings.__dataclass_fields__}
    places = ("profile", "reports", "parent")
    return {name: value for name, value in known.items() if name not in places and value != getattr(base, name)}


def build(run_folder: str | Path) -> Path:
    """Write ``index.html`` and ``claims.csv`` of a run; stages that are missing are said to be.

    Parameters
    ----------
    run_folder
        Such as ``reports/cpu``.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    tarot_lite.runs.RunError
        If the folder holds no run, or cannot be written.
    """
    folder = Path(run_folder)
    manifest = runs.read_json(folder / "manifest.json")
    if not isinstance(manifest, dict):
        raise runs.RunError(f"{folder} holds no run (no readable manifest.json); run `python -m tarot_lite run` first")
    rows = claims(folder)
    _write_claims(folder / "claims.csv", rows)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tarot_lite"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, interval=_interval, kind=_kind, clock=_clock, words=_words)
    page = environment.get_template("report.html.j2").render(
        manifest=manifest,
        claims=rows,
        stages=[_stage(folder, name, manifest) for name in runs.STAGES],
        cells=_cells(folder),
        arithmetic=_arithmetic(manifest.get("arithmetic")),
        command=command(manifest.get("settings", {}), manifest.get("stages", {})),
    )
    return runs.write_atomic(folder / "index.html", page)


def _arithmetic(found: dict[str, Any] | None) -> str:
    """How the numbers were computed, for the front page."""
    if found is None:
        return "not exact: this run was made before it was recorded how"
    processors = " and ".join(dict.fromkeys(way["processor"] for way in found["ways"]))
    return (
        f"exact: AVX2, one thread per process, pinned versions ({processors})"
        if found["exact"]
        else (f"not exact: {'; '.join(found['why_not'])} ({processors})")
    )


def _cells(folder: Path) -> list[dict[str, Any]]:
    """The trainings of stage 5: name, status, seconds, what each gained, and where its pages are."""
    table = folder / "05_ablations" / "cells.csv"
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        place = f"cells/{row['cell']}/04_curriculum_grpo"
        pages = [f"{place}/{name}" for name in ("notebook.html", "notebook.ipynb")]
        row["link"] = next((page for page in pages if (folder / page).is_file()), None)
        done = runs.read_json(folder / place / "done.json") or {}
        row["seconds"] = done.get("seconds")
        row["gain"] = _gain(runs.read_json(folder / place / "summary.json") or {})
    return rows


def _gain(summary: dict[str, Any]) -> str | None:
    found = [summary[name] for name in ("gain", "low", "high") if isinstance(summary.get(name), int | float)]
    if len(found) < 3:
        return None
    gain, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in found)
    return f"{gain} [{low}, {high}]"


def _write_claims(path: Path, rows: list[dict[str, Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["stage", "claim", "evidence", "number", "low", "high", "verdict"])
    for row in rows:
        interval = row["interval"]
        low, high = interval if isinstance(interval, list) else [*str(interval or "").split(" to "), ""][:2]
        writer.writerow([row["stage"], row["claim"], row["evidence"], row["number"], low, high, row["verdict"]])
    runs.write_atomic(path, buffer.getvalue())


def _stage(folder: Path, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    place = folder / name
    done = runs.read_json(place / "done.json") or {}
    batch = runs.read_json(place / "batch.json") or {}
    figures = []
    for figure in runs.read_json(place / "figures.json") or []:
        png = place / figure["file"]
        if png.is_file():
            content = png.read_bytes()
            data = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            wide = int.from_bytes(content[16:20], "big") > _WIDE  # where a PNG tells its width
            figures.append({**figure, "data": data, "link": f"{name}/{figure['file']}", "wide": wide})
    tables = [
        file
        for file in done.get("digests", done.get("files", []))
        if file.endswith((".csv", ".jsonl")) and (place / file).is_file()
    ]
    return {
        "name": name,
        "number": runs.STAGES.index(name) + 1,
        "title": name[3:].replace("_", " ").capitalize().replace("grpo", "GRPO"),
        "question": QUESTIONS[name],
        "state": "done" if done else "not finished" if name in manifest.get("stages", {}) else "not run",
        "seconds": batch.get("seconds", done.get("seconds")),
        "memory": batch.get("peak_memory_mb") or done.get("peak_memory_mb"),
        "summary": runs.read_json(place / "summary.json") or {},
        "figures": figures,
        "tables": [{"name": file, "link": f"{name}/{file}"} for file in tables if (place / file).is_file()],
        "notebook": f"{name}/notebook.ipynb" if (place / "notebook.ipynb").is_file() else None,
        "html": f"{name}/notebook.html" if (place / "notebook.html").is_file() else None,
    }


# ---------------------------------------------------------------------------------------------- how values are shown


def _number(value: Any) -> str:
    """Three significant digits; text as it is; a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", "−")
    return str(value)


def _interval(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{_number(value[0])} to {_number(value[1])}"
    return _number(value)


def _kind(verdict: str) -> str:
    """Class of a verdict's badge."""
    return "yes" if verdict.startswith("holds") else "no" if verdict.startswith("does not hold") else "open"


def _clock(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _words(value: Any) -> str:
    """A value of a summary in one line, long ones cut."""
    if isinstance(value, dict):
        text = " · ".join(f"{key}: {_words(item)}" for key, item in value.items())
    elif isinstance(value, list):
        text = ", ".join(_words(item) for item in value)
    else:
        text = _number(value)
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= 300 else text[:297] + "…"
