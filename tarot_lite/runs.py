"""The run folder: where the five stages meet.

``reports/<run>/manifest.json`` says what ran on what; each stage has a folder with its tables, ``figures/*.png``,
``summary.json`` and, written last, ``done.json`` with all that the stage was made from (`tarot_lite.origins`) and the
digests of its files.  A stage that was interrupted has no ``done.json``; one made from something else is stale; of one
whose files are gone or changed nothing is known; all three are made anew.

Every file is written whole or not at all, and a stage has one writer at a time.  The lock is the kernel's, so that of
a dead process is free at once.  On file systems without locks (some network drives) a second writer is not noticed.

Pandas and matplotlib are imported when a table or figure is saved.
"""

from __future__ import annotations

import ast
import base64
import errno
import fcntl
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import exact, jsonlines, machine, origins
from tarot_lite.origins import fingerprint, jsonable
from tarot_lite.settings import Settings, check_names, load_profile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from tqdm import tqdm

STAGES = (
    "01_tiered_suites",
    "02_sandboxed_execution",
    "03_capability_estimation",
    "04_curriculum_grpo",
    "05_ablations",
)
"""The stages, and the names of their notebooks, in order."""

_LOCK_WAIT = 5.0  # seconds: the kernel of a killed run notices within one or two that its parent has gone
_PARAMETERS = "# Parameters"  # how papermill begins the cell that it injects
_ON_COLAB = "on_colab"  # variable of a notebook's first cell: the parameters that `tarot_lite.colab.setup` chose


class RunError(RuntimeError):
    """The run folder cannot be used; the message names the file, the cause and the remedy."""


# ----------------------------------------------------------------------------------------------------------- files


def write_atomic(path: str | Path, content: str | bytes) -> Path:
    """Write a file whole or not at all, making its folder; after a crash the old file is still there.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder, "deep", "note.txt"), "four tiers").read_text()
    'four tiers'
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise _cannot_write(path, error) from error
    return path


@lru_cache(maxsize=1)
def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _cannot_write(path: Path, error: OSError) -> RunError:
    remedy = {
        errno.ENOSPC: "free some space there",
        errno.EDQUOT: "free some of your quota there",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "you may not write there",
        errno.EPERM: "you may not write there",
        errno.ENOTDIR: "a file is in the way of a folder",
        errno.EEXIST: "a file is in the way of a folder",
    }.get(error.errno or 0, "look at the folder")
    return RunError(
        f"cannot write {path}: {error.strerror or error}; {remedy}, or name another folder by the parameter reports"
    )


def write_json(path: Path, value: Any) -> Path:
    """Write a value as JSON, whole or not at all; NumPy values and sets become lists and numbers."""
    return write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, default=jsonable) + "\n")


def read_json(path: Path) -> Any:
    """Content of a JSON file; None if it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock for the moment of a read-change-write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# ------------------------------------------------------------------------------------------------------ parameters


def parameters_in(cells: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that the cells of a notebook give: those of its own cell, then those that papermill injected.

    A parameters cell is one that assigns ``profile``, or that papermill wrote.  *Every* name in it is a parameter: that
    is how a mistyped one is found, of which papermill itself only warns.

    Examples
    --------
    >>> parameters_in(['profile = "smoke"\\nseed = None', "x = 1", "# Parameters\\nseed = 3\\n"], {})
    {'profile': 'smoke', 'seed': 3}
    """
    found: dict[str, Any] = {}
    for cell in cells:
        try:
            body = ast.parse(cell).body
        except SyntaxError:
            continue  # not Python: the kernel has complained already
        assigned = {}
        for statement in body:
            targets: list[ast.expr] = []
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                targets = [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    try:
                        assigned[target.id] = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
                    except ValueError:
                        assigned[target.id] = values.get(target.id)
        if "profile" in assigned or cell.lstrip().startswith(_PARAMETERS):
            found.update(assigned)
    return found


def _settings_of(variables: Mapping[str, Any], stage_name: str) -> Settings:
    cells = variables.get("In", ())
    given = parameters_in(cells, variables)
    if not given:  # a script: only its variables are known
        known = {item.name for item in fields(Settings)}
        given = {name: value for name, value in variables.items() if name in known}
    check_names(given)
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(on_colab := variables.get(_ON_COLAB), dict):  # what its first cell found, where nothing was chosen
        given = {**on_colab, **given}
    return load_profile(given.pop("profile", "smoke" if stage_name == STAGES[-1] else "cpu"), **given)


# ---------------------------------------------------------------------------------------------------- done or not


def _source(run_folder: str | Path, settings: Settings) -> Path:
    """Run folder that earlier stages are read from."""
    return Path(settings.parent) if settings.parent is not None else Path(run_folder)


def _origins(run_folder: str | Path, stage_name: str, settings: Settings) -> dict[str, Any]:
    before = [read_json(_source(run_folder, settings) / name / "done.json") for name in STAGES if name < stage_name]
    return origins.origins(stage_name, settings, [(done or {}).get("fingerprint") for done in before])


def why_not_done(run_folder: str | Path, stage_name: str, settings: Settings) -> list[str]:
    """What keeps a stage from being done, in words; empty if it is finished, current, and all its files are there.

    Examples
    --------
    >>> why_not_done("no/such/run", STAGES[0], Settings())
    ['it was not finished']
    """
    folder = Path(run_folder) / stage_name
    done = read_json(folder / "done.json")
    if not isinstance(done, dict):
        return ["it was not finished"]
    if "origins" not in done:
        return ["an older version of this package made it"]
    found = origins.changed(done["origins"], _origins(run_folder, stage_name, settings))
    found = [f"{each} changed" for each in found]
    for name, digest in done["digests"].items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is gone")
        elif origins.digest_of(path) != digest:
            found.append(f"{name} was changed by hand")
    return found


def is_done(run_folder: str | Path, stage_name: str, settings: Settings) -> bool:
    """Whether a stage has finished from what is there now, and left what it left."""
    return not why_not_done(run_folder, stage_name, settings)


def reports_folder(settings: Settings) -> Path:
    """Folder of all runs: the parameter ``reports``, else ``reports/`` of the repository around us, or of the current folder."""
    if settings.reports is not None:
        return Path(settings.reports).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "tarot_lite").is_dir():
            return Path(os.path.relpath(folder / "reports"))
    return Path("reports")


# ----------------------------------------------------------------------------------------------------------- stage


@dataclass(frozen=True)
class Picture:
    """A saved figure that a notebook shows with its alt text; a web view without pictures shows the text.

    Parameters
    ----------
    path
        The PNG file.
    alt
        What a reader who cannot see it needs to know.
    """

    path: Path
    alt: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        data = base64.b64encode(self.path.read_bytes()).decode()
        return {"image/png": data, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}


@dataclass
class Stage:
    """One stage of one run, as its notebook sees it; made by `start`.

    Parameters
    ----------
    name
        One of `STAGES`.
    settings
        The profile with everything that was given on top.
    run_folder
        ``reports/<run>``.
    """

    name: str
    settings: Settings
    run_folder: Path
    _origins: dict[str, Any] = field(repr=False, default_factory=dict)
    _began: float = field(repr=False, default_factory=time.monotonic)
    _claims: dict[str, dict[str, Any]] = field(repr=False, default_factory=dict)
    _figures: dict[str, dict[str, str]] = field(repr=False, default_factory=dict)
    _files: list[str] = field(repr=False, default_factory=list)
    _of_the_machine: dict[str, list[str]] = field(repr=False, default_factory=dict)

    @property
    def folder(self) -> Path:
        """Folder of this stage."""
        return self.run_folder / self.name

    def save_table(
        self, name: str, table: pd.DataFrame | Iterable[Mapping[str, Any]], machine: Iterable[str] = ()
    ) -> Path:
        """Write a tidy table as ``<name>.csv``; the index is written only if it has a name.

        Parameters
        ----------
        machine
            Columns that tell of the machine, such as seconds (``*`` stands for any text): ``verify`` does not compare them.

        Raises
        ------
        RunError
            If it cannot be written.
        """
        import pandas as pd

        frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(list(table))
        keep_index = any(level is not None for level in frame.index.names)
        self._of_the_machine[f"{name}.csv"] = list(machine)
        return self._kept(
            write_atomic(self.folder / f"{name}.csv", frame.to_csv(index=keep_index, lineterminator="\n"))
        )

    def save_rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write rows that do not fit a table (texts, nested values) as ``<name>.jsonl``."""
        lines = [jsonlines.write(row, jsonable) for row in rows]
        return self._kept(write_atomic(self.folder / f"{name}.jsonl", "".join(lines)))

    def save_json(self, name: str, content: Any) -> Path:
        """Write `content`, plain values in lists and dicts, as ``<name>.json``."""
        return self._kept(write_json(self.folder / f"{name}.json", content))

    def save_figure(
        self, figure: Figure, name: str, alt: str, caption: str | None = None, machine: bool = False
    ) -> Picture:
        """Write a figure as ``figures/<name>.png``, close it, and return it for display as the last value of a cell.

        Parameters
        ----------
        alt
            What it shows, for a reader who cannot see it.
        caption
            Line below it in the report; None: the alt text.
        machine
            Whether it shows the machine, such as seconds: ``verify`` does not compare it.

        Raises
        ------
        ValueError
            If the alt text is empty.
        RunError
            If it cannot be written.
        """
        if not alt.strip():
            raise ValueError(f"figure {name!r} has no alt text; say what it shows")
        import matplotlib.pyplot as plt

        drawn = _drawn(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
        path = self._kept(write_atomic(self.folder / "figures" / f"{name}.png", buffer.getvalue()))
        self._figures[name] = {"file": f"figures/{name}.png", "alt": alt, "caption": caption or alt, "data": drawn}
        if machine:
            self._of_the_machine.setdefault("figures.json", []).append(f"figures/{name}.png")
        self._kept(write_json(self.folder / "figures.json", list(self._figures.values())))
        return Picture(path, alt)

    def claim(
        self,
        claim: str,
        evidence: str,
        number: float | str | None,
        interval: tuple[float, float] | str | None,
        verdict: str,
        machine: bool = False,
    ) -> None:
        """Add a row to the run's claims table; the same claim again replaces its row.

        Parameters
        ----------
        claim
            What the paper, or this reproduction, says.
        evidence
            What was measured, on what.
        number
            What came out.
        interval
            Its 95 % interval, or None if it has none.
        verdict
            ``holds``, ``does not hold`` or ``undecided``, and why in a few words if needed; how many seeds may stand before it.
        machine
            Whether evidence and number tell of the machine: ``verify`` compares claim and verdict alone.

        Raises
        ------
        ValueError
            If the verdict begins otherwise.
        """
        if not verdict.split("seeds: ")[-1].split("seed: ")[-1].startswith(("holds", "does not hold", "undecided")):
            raise ValueError(
                f"claim {claim!r}: verdict is {verdict!r}; begin it with 'holds', 'does not hold' or 'undecided'"
            )
        row = {"claim": claim, "evidence": evidence, "number": number, "interval": interval, "verdict": verdict}
        self._claims[claim] = json.loads(json.dumps(row, default=jsonable))
        if machine:
            self._of_the_machine.setdefault("claims.json", []).append(claim)
        self._kept(write_json(self.folder / "claims.json", list(self._claims.values())))

    def has(self, stage_name: str, file: str) -> bool:
        """Whether an earlier stage left a file, made with these settings and this code."""
        source = _source(self.run_folder, self.settings)
        inherited = replace(self.settings, parent=None) if self.settings.parent else self.settings
        return is_done(source, stage_name, inherited) and (source / stage_name / file).is_file()

    def load(self, stage_name: str, file: str) -> Any:
        """What a stage left: CSV as a DataFrame, JSONL as a list of rows, JSON as it is, else text.

        Raises
        ------
        RunError
            If there is no such file.
        """
        source = self.run_folder if stage_name == self.name else _source(self.run_folder, self.settings)
        path = source / stage_name / file
        if not path.is_file():
            raise RunError(f"{path} is not there; run the notebook {stage_name} of this run first")
        if path.suffix == ".csv":
            import pandas as pd

            return pd.read_csv(path)
        if path.suffix == ".jsonl":
            return [row for _, row in jsonlines.read(path, RunError)]
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else text

    def record(self, **facts: Any) -> None:
        """Write facts about this stage to the run's manifest, such as how a student was loaded; the same name again replaces."""
        with _locked(self.run_folder / ".manifest.lock"):
            manifest = read_json(self.run_folder / "manifest.json") or {}
            manifest.setdefault("stages", {}).setdefault(self.name, {}).update(facts)
            write_json(self.run_folder / "manifest.json", manifest)

    def finish(self, machine: Iterable[str] = (), **summary: Any) -> None:
        """Declare the stage done: ``summary.json``, then ``done.json``, last and at once; the lock is given back.

        Parameters
        ----------
        machine
            Names out of `summary` that tell of the machine: ``verify`` does not compare them.
        **summary
            Numbers and short texts worth telling; what JSON holds.
        """
        self._kept(write_json(self.folder / "summary.json", summary))
        self._of_the_machine["summary.json"] = list(machine)
        seconds = round(time.monotonic() - self._began, 1)
        used = {"finished": _now(), "seconds": seconds, "peak_memory_mb": _peak_memory_mb()}
        self.record(**used)
        _record_arithmetic(self)
        now = _origins(self.run_folder, self.name, self.settings)
        if different := [name for name in now["inputs"] if now["inputs"][name] != self._origins["inputs"].get(name)]:
            raise RunError(
                f"{self.folder}: the input {different[0]} changed while the stage read it; leave it alone, and run it again"
            )
        done = {"fingerprint": fingerprint(self._origins), "origins": self._origins, **used}
        digests = {name: origins.digest_of(self.folder / name) for name in sorted(set(self._files))}
        write_json(self.folder / "done.json", {**done, "digests": digests, "machine": self._of_the_machine})
        release_lock(self.folder)
        global _current
        if _current is self:
            _current = None

    def _kept(self, path: Path) -> Path:
        self._files.append(path.relative_to(self.folder).as_posix())
        return path


def _drawn(figure: Figure) -> str:
    """Hash of the data that a figure shows: lines, bars, marks, areas, images and texts; fonts and pixels aside."""
    shown: list[Any] = []
    arrays: list[Any]
    for axes in figure.axes:
        shown += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
        arrays = [line.get_xydata() for line in axes.lines]
        arrays += [patch.get_patch_transform().transform(patch.get_path().vertices) for patch in axes.patches]
        for marks in axes.collections:
            arrays += [marks.get_offsets(), marks.get_array(), *(path.vertices for path in marks.get_paths())]
        arrays += [image.get_array() for image in axes.images]
        values = [[] if array is None else array.ravel().tolist() for array in arrays]
        shown += [[f"{x:.9g}" if isinstance(x, int | float) else str(x) for x in row] for row in values]
    return fingerprint(shown)


def _peak_memory_mb() -> int:
    """The most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def start(stage_name: str, variables: MutableMapping[str, Any] | None = None) -> Stage:
    """Begin a stage; the first call of its notebook, right after the parameters.

    Checks the parameters, makes the run folder, takes the stage's lock, writes the manifest, seeds ``random`` and NumPy
    (and torch, if it is imported already).  An older result of the stage counts as not done from here on.

    Parameters
    ----------
    stage_name
        One of `STAGES`.
    variables
        ``globals()`` of the notebook.  Where they choose no profile it is ``cpu``; for the last stage, whose trainings
        take minutes, ``smoke``.

    Raises
    ------
    ValueError
        If a parameter is unknown, mistyped or out of range; the message names it, its value and a near name.
    RunError
        If another process is at work on this stage, or the folder cannot be written.
    """
    settings = _settings_of(variables or {}, stage_name)
    run_folder = reports_folder(settings) / settings.run_name
    stage = Stage(stage_name, settings, run_folder)
    folder = stage.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        take_lock(folder, f"stage {stage_name} in {folder}")
        for name in ("done.json", "summary.json", "figures.json", "claims.json", "progress.log"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    stage._origins = _origins(run_folder, stage_name, settings)
    with _locked(run_folder / ".manifest.lock"):
        manifest = read_json(run_folder / "manifest.json") or {"run": settings.run_name, "created": _now()}
        manifest.update(
            profile=settings.profile,
            settings=asdict(settings),
            versions=origins.versions(),
            machine=machine.facts(),
            git=machine.commit(),
        )
        manifest["settings"].update(
            reports=None, parent=None, scheduler=None
        )  # places on this machine, of no use on another
        manifest.setdefault("stages", {})[stage_name] = {"started": _now(), "fingerprint": fingerprint(stage._origins)}
        write_json(run_folder / "manifest.json", manifest)
    exact.hold(settings.threads, pretrained=bool(settings.models))
    _record_arithmetic(stage)
    _seed(settings.seed)
    global _current
    _current = stage
    return stage


def _record_arithmetic(stage: Stage) -> None:
    """Note in the manifest how this process computes, and how the cells did.

    Nothing is ever taken out: students, probes and checkpoints of an earlier attempt are used again.
    """
    settings, path = stage.settings, stage.run_folder / "manifest.json"
    here = exact.arithmetic(settings.threads, bool(settings.models), origins.versions(), gpu=machine.gpu() is not None)
    entries = [{"processor": machine.processor(), **here}]
    for cell in sorted(stage.run_folder.glob("cells/*/manifest.json")):
        entries += ((read_json(cell) or {}).get("arithmetic") or {}).get("ways", [])
    with _locked(stage.run_folder / ".manifest.lock"):
        manifest = read_json(path) or {}
        ways = (manifest.get("arithmetic") or {}).get("ways", [])
        ways += [way for i, way in enumerate(entries) if way not in ways and way not in entries[:i]]
        why_not = list(dict.fromkeys(reason for way in ways for reason in way["why_not"]))
        manifest["arithmetic"] = {"exact": not why_not, "why_not": why_not, "ways": ways}
        write_json(path, manifest)


def _seed(seed: int) -> None:
    random.seed(seed)
    import numpy as np

    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def shared_folder(stage: Stage, name: str) -> Path:
    """A folder for what the stages of a run and its cells share, such as students; made if it is not there.

    Its content is a cache: the module that fills it checks that it fits the settings.
    """
    folder = _source(stage.run_folder, stage.settings) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder


# ------------------------------------------------------------------------------------------------------------ lock

_held: dict[Path, io.TextIOWrapper] = {}


def take_lock(folder: Path, what: str, wait: float | None = None) -> None:
    """Make this process the only one that writes to a folder, until it ends or calls `release_lock`.

    A POSIX record lock: it ends with its process, and forked children, which may outlive it, do not share it.
    """
    key = folder.resolve()
    file = _held.pop(key, None) or (folder / ".lock").open("a+")
    deadline = time.monotonic() + (_LOCK_WAIT if wait is None else wait)
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                break  # a file system without locks
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise RunError(
                f"{what} is being written by {holder}; wait for it, stop it, "
                "or give this run another name by the parameter run"
            ) from None
        break
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()} since {_now()}")
    file.flush()
    _held[key] = file


def release_lock(folder: Path) -> None:
    """Give back what `take_lock` took; nothing if it did not."""
    file = _held.pop(folder.resolve(), None)
    if file is not None:
        file.close()  # closing gives a record lock back


# -------------------------------------------------------------------------------------------------------- progress

_current: Stage | None = None


def watched() -> bool:
    """Whether a person looks at this process: Jupyter's server names its kernels' session, papermill and nbval do not."""
    return "JPY_SESSION_NAME" in os.environ or "google.colab" in sys.modules or sys.stderr.isatty()


def progress(
    iterable: Iterable[Any] | None = None, desc: str = "", total: int | None = None, initial: int = 0
) -> tqdm[Any]:
    """A tqdm bar where somebody looks; elsewhere one that writes to the stage's ``progress.log``.

    So nothing of it gets into a stored notebook, and ``python -m tarot_lite run`` can still show it.

    Parameters
    ----------
    iterable
        What to go through; None: call ``update`` yourself.
    desc
        A few words on what is being done.
    total
        Number of steps, if the iterable does not know it.
    initial
        Steps that are done already.

    Examples
    --------
    >>> [2 * n for n in progress([1, 2, 3], "doubling")]
    [2, 4, 6]
    """
    from tqdm import tqdm

    if total == 0 or (isinstance(iterable, Sized) and not len(iterable)):
        return tqdm(iterable, disable=True)  # "0it" tells nobody anything
    if watched():
        from tqdm.auto import tqdm as shown

        return shown(iterable, desc=desc, total=total, initial=initial, leave=False)
    if _current is None:
        return tqdm(iterable, desc=desc, total=total, disable=True)
    try:
        log = (_current.folder / "progress.log").open("a", encoding="utf-8")
    except OSError:  # a bar is not worth stopping for
        return tqdm(iterable, desc=desc, total=total, initial=initial, disable=True)
    return tqdm(iterable, desc=desc, total=total, initial=initial, file=log, mininterval=1.0, ncols=90, ascii=" =")


def note(text: str) -> None:
    """Say in one line what goes on: on the screen where somebody looks, else in the stage's ``progress.log``."""
    if watched():
        print(text)
    elif _current is not None and _current.folder.is_dir():
        with (_current.folder / "progress.log").open("a", encoding="utf-8") as log:
            log.write(text + "\n")
