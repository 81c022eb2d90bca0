"""Run notebooks without looking at them: a thin layer over papermill.

What it adds to ``papermill notebook.ipynb out.ipynb``: parameters are checked before anything starts, stages run in
order and those that are done are skipped, progress is shown, a notebook that ends without finishing its stage counts as
failed (papermill takes ``sys.exit(0)`` for success), and every notebook gets its HTML.

Floor: imports `tarot_lite.runs` and `tarot_lite.report`; no stage module.
"""

from __future__ import annotations

import html
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil

from tarot_lite import runs
from tarot_lite.settings import load_profile, notebook_folder

_NEWS = 10.0  # seconds between lines of progress where there is no terminal


class StageFailed(RuntimeError):
    """A notebook raised, or ended without finishing its stage; the message says where and what."""


def stage_names(wanted: Sequence[str] = ()) -> list[str]:
    """Stages by number or by name, in order; none wanted means all.

    Examples
    --------
    >>> stage_names(["3", "01_tiered_suites"])
    ['01_tiered_suites', '03_capability_estimation']
    """
    chosen = set()
    for text in wanted:
        found = [name for name in runs.STAGES if text in (name, name[:2], name[1:2])]
        if not found:
            raise ValueError(
                f"stage {text!r} is unknown; choose 1 to {len(runs.STAGES)}, or one of {', '.join(runs.STAGES)}"
            )
        chosen.update(found)
    return sorted(chosen) or list(runs.STAGES)


def run(
    stages: Sequence[str],
    profile: str = "cpu",
    parameters: Mapping[str, Any] | None = None,
    notebooks: Path | None = None,
    again: bool = False,
    say: Callable[[str], None] = print,
    pages: bool = True,
) -> Path:
    """Run stages in order and leave their notebooks, HTML and results in the run folder.

    Parameters
    ----------
    stages
        Names out of `tarot_lite.runs.STAGES`.
    profile
        Name of a profile, or path of a YAML file.
    parameters
        Fields of `tarot_lite.settings.Settings` on top of the profile.
    notebooks
        Folder of the notebooks; None: the package's.
    again
        Run stages that are done too.
    say
        Where lines for the reader go.
    pages
        Make the HTML of each notebook.

    Returns
    -------
    pathlib.Path
        The run folder.

    Raises
    ------
    ValueError
        If a parameter is wrong; nothing has been run or written then.
    tarot_lite.runs.RunError
        If the run folder cannot be written, or another process is at work in it.
    StageFailed
        If a notebook fails; its executed copy shows where.
    """
    given = {name: value for name, value in (parameters or {}).items() if value is not None}
    settings = load_profile(profile, **given)
    notebooks = notebooks or notebook_folder()
    for name in stages:
        if not (notebooks / f"{name}.ipynb").is_file():
            raise ValueError(f"notebook {notebooks / name}.ipynb is not there")
    run_folder = runs.reports_folder(settings) / settings.run_name
    runs.write_atomic(run_folder / ".probe", "").unlink()  # tells at once if the folder cannot be written
    runs.take_lock(run_folder, f"run {settings.run_name!r} in {run_folder}")
    try:
        for name in stages:
            number = f"stage {runs.STAGES.index(name) + 1} of {len(runs.STAGES)} · {name}"
            source, folder = notebooks / f"{name}.ipynb", run_folder / name
            output = folder / "notebook.ipynb"
            why = runs.why_not_done(run_folder, name, settings)
            if not why and not _same_cells(source, output):
                why = ["its notebook changed"]
            if not why and not again:
                say(f"{number}: done before, kept")
            else:
                if why and (folder / "done.json").exists():
                    say(f"{number}: made anew, because {', '.join(why[:4])}{' …' if len(why) > 4 else ''}")
                _run_stage(source, output, {**given, "profile": profile}, number, say)
                if not runs.is_done(run_folder, name, settings):
                    raise StageFailed(f"{number}: the notebook ended without finishing its stage; see {output}")
            if pages and (not (folder / "notebook.html").is_file() or _older(folder / "notebook.html", output)):
                to_html(output)
    finally:
        runs.release_lock(run_folder)
    return run_folder


def _older(path: Path, other: Path) -> bool:
    return path.stat().st_mtime < other.stat().st_mtime


def _run_stage(source: Path, output: Path, parameters: dict[str, Any], title: str, say: Callable[[str], None]) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    folder = output.parent
    runs.write_atomic(folder / ".probe", "").unlink()
    runs.take_lock(folder, title)  # papermill would overwrite the notebook of a process that is at work there
    runs.release_lock(folder)
    (folder / "progress.log").unlink(missing_ok=True)
    say(title)
    began = time.monotonic()
    with _Watch(folder, title, sys.stderr) as watch:
        try:
            papermill.execute_notebook(
                str(source),
                str(output),
                parameters,
                progress_bar=False,
                log_output=True,
                kernel_name="python3",
                extra_arguments=["--log-level=CRITICAL"],  # the kernel's own remarks on its transport
            )
        except PapermillExecutionError as error:
            _forget_places(output, source)
            raise StageFailed(
                f"{title}: cell {error.cell_index + 1} raised {error.ename}: {error.evalue}\n"
                f"  the executed notebook shows where: {output}"
            ) from error
        except DeadKernelError as error:
            raise StageFailed(
                f"{title}: the kernel died in cell {watch.cell}, perhaps for want of memory; see {output}"
            ) from error
        except OSError as error:
            raise runs.RunError(
                f"{title}: {error}; look at {folder}, or name another folder by the parameter reports"
            ) from error
    _forget_places(output, source)
    runs.write_json(
        folder / "batch.json", {"seconds": round(time.monotonic() - began, 1), "peak_memory_mb": watch.peak_mb}
    )
    say(f"  done in {_clock(time.monotonic() - began)}, at most {watch.peak_mb} MB of memory")


def _same_cells(source: Path, executed: Path) -> bool:
    """Whether an executed notebook has the cells of its source, less those that papermill injected."""

    def cells(path: Path) -> list[str] | None:
        notebook = runs.read_json(path)
        if not isinstance(notebook, dict) or "cells" not in notebook:
            return None
        kept = [cell for cell in notebook["cells"] if "injected-parameters" not in cell["metadata"].get("tags", ())]
        return ["".join(cell["source"]) for cell in kept]

    return cells(source) is not None and cells(source) == cells(executed)


def tidy(output: Path, source: Path) -> None:
    """Make an executed notebook speak of the repository, not of this machine, and write its HTML beside it."""
    _forget_places(output, source)
    to_html(output)


def _forget_places(output: Path, source: Path) -> None:
    notebook = runs.read_json(output)
    if isinstance(notebook, dict) and "papermill" in notebook.get("metadata", {}):
        notebook["metadata"]["papermill"].update(input_path=f"notebooks/{source.name}", output_path=output.name)
        runs.write_json(output, notebook)


def to_html(notebook: Path) -> Path:
    """Write ``<notebook>.html`` beside an executed notebook: one page with its figures inside, that needs no network."""
    import jinja2
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter

    try:
        exporter = HTMLExporter(template_name="basic")  # the usual one brings 280 kB of style and scripts
        exporter.log.setLevel(logging.ERROR)
        body, _ = exporter.from_filename(str(notebook))
    except ValueError as error:  # templates that are not where they were installed, a notebook that is none
        raise StageFailed(
            f"{notebook}: nbconvert cannot make a page of it: {error}; install nbconvert again"
        ) from error
    run = "../../.." if notebook.parents[2].name == "cells" else ".."
    body = re.sub(r'href="(\d\d_\w+)\.ipynb', rf'href="{run}/\1/notebook.html', body)  # chapters name one another
    body = re.sub(r'<img[^>]*src="https?:[^>]*>', _alt, body)  # the badge of Colab: its text will do
    page = jinja2.Environment(loader=jinja2.PackageLoader("tarot_lite")).get_template("notebook.html.j2")
    styles = {name: HtmlFormatter(style=style) for name, style in (("light", "friendly"), ("dark", "github-dark"))}
    colours = {
        name: "\n".join(line for line in style.get_style_defs(".highlight").splitlines() if "background" not in line)
        for name, style in styles.items()
    }
    title = html.escape(notebook.parent.name.replace("_", " "))
    return runs.write_atomic(notebook.with_suffix(".html"), page.render(title=title, body=body, **colours))


def _alt(picture: re.Match[str]) -> str:
    """The alt text of a picture that is elsewhere."""
    found = re.search(r'alt="([^"]*)"', picture[0])
    return found[1] if found else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class _Watch(logging.Handler):
    """Shows how far a notebook is: on a terminal one line that changes, elsewhere a line when there is news.

    The cell comes from papermill's log, what the cell is doing from the stage's ``progress.log`` (and those of the cells
    of stage 5 below it).  It also measures the memory of all processes of the run, shared pages counted once.
    """

    def __init__(self, folder: Path, title: str, screen: TextIO) -> None:
        super().__init__(logging.INFO)
        self.folder, self.title, self.screen = folder, title, screen
        self.cell, self.peak_mb = 0, 0
        self._began, self._since = time.monotonic(), time.time()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> _Watch:
        self._logger = logging.getLogger("papermill")
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False  # its own lines, among them warnings of parameters that we have checked
        self._logger.addHandler(self)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.match(r"Executing Cell (\d+)", record.getMessage()):
            self.cell = int(found[1])

    def _loop(self) -> None:
        terminal = self.screen.isatty()
        said, said_at, measured_at = "", 0.0, 0.0
        while not self._over.wait(0.3):
            now = time.monotonic()
            if now - measured_at > 2:
                measured_at = now
                self.peak_mb = max(self.peak_mb, _memory_mb())
            if not self.cell:
                continue  # the kernel is starting
            line = f"  cell {self.cell} · {self._doing()}".rstrip(" ·")
            if terminal:
                width = shutil.get_terminal_size().columns - 1
                self._show(f"\r{f'{line} · {_clock(now - self._began)}'[:width]:<{width}}")
            elif now - said_at > (_NEWS if line != said else 6 * _NEWS):
                self._show(f"{line} · {_clock(now - self._began)}\n")
                said, said_at = line, now
        if terminal:
            self._show("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")

    def _show(self, text: str) -> None:
        try:
            self.screen.write(text)
            self.screen.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; the run goes on

    def _doing(self) -> str:
        logs = [self.folder / "progress.log", *self.folder.parent.glob("cells/*/*/progress.log")]
        times = {log: log.stat().st_mtime for log in logs if log.exists()}
        times = {log: at for log, at in times.items() if at >= self._since}  # others tell of a run that was stopped
        if not times:
            return ""
        newest = max(times, key=lambda log: times[log])
        with newest.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
            tail = file.read().decode(errors="replace")
        lines = [line.strip() for line in re.split(r"[\r\n]", tail) if line.strip()]
        return lines[-1] if lines else ""


def _memory_mb() -> int:
    """Memory of this process and all below it, in MiB; proportional share of shared pages where the system tells it."""
    total = 0
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        try:
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
        except (psutil.Error, OSError):
            continue  # it has ended, or is not ours to look at (the sandbox drops its user)
    return total // 2**20
