"""Nothing is ever stale: of everything that a stage's results come from, each is changed in turn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tarot_lite
from tarot_lite import batch, origins, runs
from tarot_lite.origins import content, digest_of

STAGES = runs.STAGES
PACKAGE = Path(tarot_lite.__file__).parent


class Run:
    """A copy of the package with its notebooks, inputs of every kind, and a run whose stages can be finished in no time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.package = folder / "package"
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(origins, "__file__", str(self.package / "origins.py"))
        monkeypatch.setattr(origins, "notebook_folder", lambda: self.package / "notebooks")
        monkeypatch.setattr(origins, "_commit", lambda name: "c1")
        for name in (
            "problems.jsonl",
            "suites.jsonl",
            "humaneval.jsonl",
            "model/config.json",
            "model/model.safetensors",
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"the first {name}")
        self.parameters: dict[str, Any] = {
            "profile": "smoke",
            "problems_data": str(folder / "problems.jsonl"),
            "suites_data": str(folder / "suites.jsonl"),
            "benchmarks": ["humaneval"],
            "benchmark_data": {"humaneval": str(folder / "humaneval.jsonl")},
            "models": {"own": str(folder / "model"), "hub": "org/name"},
        }

    def made(self) -> list[str]:
        """Finish what is not done, stage by stage, as a run does; which stages these were."""
        origins.modules_hash.cache_clear()
        origins._module.cache_clear()
        found = []
        for name in STAGES:
            given = {"reports": str(self.folder / "reports"), **self.parameters}
            settings = runs._settings_of(given, name)
            if not runs.is_done(runs.reports_folder(settings) / settings.run_name, name, settings):
                stage = runs.start(name, dict(given))
                stage.save_table("numbers", [{"stage": name}])
                stage.finish()
                found.append(name)
        return found

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change a file and hide it: as many bytes, and a clock that went backwards."""
        path = self.folder / name
        before, text = path.stat(), path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        os.utime(path, (before.st_atime - 60, before.st_mtime - 60))

    def cell(self, stage: str, kind: str, text: str) -> None:
        """Add a line to the first cell of a kind behind the parameters of a notebook."""
        path = self.package / "notebooks" / f"{stage}.ipynb"
        notebook = json.loads(path.read_text())
        cells = [each for each in notebook["cells"][4:] if each["cell_type"] == kind]
        cells[0]["source"] = ["".join(cells[0]["source"]), f"\n{text}"]
        path.write_text(json.dumps(notebook))


def setting(name: str, value: Any) -> Callable[[Run], None]:
    return lambda run: run.parameters.update({name: value})


def rewritten(name: str, old: str, new: str) -> Callable[[Run], None]:
    return lambda run: run.rewrite(name, old, new)


def cell(stage: str, kind: str, text: str) -> Callable[[Run], None]:
    return lambda run: run.cell(stage, kind, text)


def patched(name: str, value: Any) -> Callable[[Run], None]:
    return lambda run: run.monkeypatch.setattr(origins, name, value)


def removed(name: str) -> Callable[[Run], None]:
    return lambda run: (run.folder / "reports/smoke" / name).unlink()


def made_by_an_older_version(run: Run) -> None:
    path = run.folder / "reports/smoke" / STAGES[2] / "done.json"
    runs.write_json(path, {"fingerprint": "0123456789abcdef", "asked": "x", "files": ["numbers.csv"]})


def on_the_hub(run: Run) -> None:
    """Problems from the Hub, and then another commit there."""
    run.parameters["problems_data"] = "org/data"
    assert tuple(run.made()) == STAGES and run.made() == []
    run.monkeypatch.setattr(origins, "_commit", lambda name: "c2")


CHANGES: dict[str, tuple[Callable[[Run], None], tuple[str, ...]]] = {
    "nothing": (lambda run: None, ()),
    "a setting of every stage": (setting("seed", 7), STAGES),
    "a setting of the trainings": (setting("grpo_steps", 77), STAGES[3:]),
    "a setting that changes no result": (setting("sandbox_workers", 1), ()),
    "the problems": (rewritten("problems.jsonl", "first", "other"), STAGES),
    "problems to make suites for": (rewritten("suites.jsonl", "first", "other"), STAGES),
    "a benchmark's file": (rewritten("humaneval.jsonl", "first", "other"), STAGES[4:]),
    "weights of a model's folder": (rewritten("model/model.safetensors", "first", "other"), STAGES),
    "a commit on the Hub": (on_the_hub, STAGES),
    "a judge": (rewritten("package/judging.py", "line.rstrip()", "line.strip()"), STAGES),
    "the programs of the zoo": (rewritten("package/sandbox/zoo.toml", "fork bomb", "other bomb"), STAGES[1:]),
    "what runs inside the sandbox": (rewritten("package/sandbox/inside/child.py", "0xFF", "0x7F"), STAGES),
    "a figure of the last chapter": (rewritten("package/figures/ablations.py", "import ", "import os, "), STAGES[4:]),
    "a comment": (rewritten("package/judging.py", "from __future__", "# so\nfrom __future__"), ()),
    "a docstring": (rewritten("package/judging.py", "Does this output answer", "Does this text answer"), ()),
    "a notebook's code": (cell(STAGES[2], "code", "x = 1"), STAGES[2:]),
    "a comment in it": (cell(STAGES[2], "code", "# so"), ()),
    "its prose": (cell(STAGES[2], "markdown", "More."), ()),
    "a version": (patched("versions", lambda: {"numpy": "9.9"}), STAGES),
    "a table that is gone": (removed(f"{STAGES[2]}/numbers.csv"), STAGES[2:3]),
    "a table changed by hand": (
        rewritten(f"reports/smoke/{STAGES[2]}/numbers.csv", "capability", "Capability"),
        STAGES[2:3],
    ),
    "a stage that was not finished": (removed(f"{STAGES[3]}/done.json"), STAGES[3:4]),
    "a run of an older version": (made_by_an_older_version, STAGES[2:3]),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    yield Run(tmp_path, monkeypatch)
    origins.modules_hash.cache_clear()
    origins._module.cache_clear()


@pytest.mark.parametrize("name", CHANGES)
def test_exactly_the_stages_after_a_change_are_made_anew(name: str, run: Run) -> None:
    change, stale = CHANGES[name]
    assert tuple(run.made()) == STAGES
    change(run)
    assert tuple(run.made()) == stale
    assert run.made() == []


def test_every_kind_of_origin_is_changed_above_and_told_in_words(run: Run) -> None:
    run.made()
    then = runs.read_json(run.folder / "reports/smoke" / STAGES[4] / "done.json")["origins"]
    assert set(then) == {"settings", "inputs", "notebook", "code", "versions", "before"}
    assert set(then["inputs"]) == {
        "problems_data",
        "suites_data",
        "benchmark_data humaneval",
        "models own",
        "models hub",
    }
    now = json.loads(json.dumps(then))
    now["settings"]["seed"] = now["inputs"]["problems_data"] = now["versions"]["numpy"] = now["code"] = "x"
    assert origins.changed(then, now) == ["setting seed", "input problems_data", "version of numpy", "the code"]


def test_an_input_that_changes_while_a_stage_reads_it_is_an_error(run: Run) -> None:
    stage = runs.start(STAGES[0], {"reports": str(run.folder / "reports"), **run.parameters})
    run.rewrite("problems.jsonl", "first", "other")
    with pytest.raises(runs.RunError, match="the input problems_data changed while the stage read it"):
        stage.finish()
    assert not (stage.folder / "done.json").exists()


def test_a_run_copied_to_another_place_is_current_there(run: Run) -> None:
    run.made()
    shutil.copytree(run.folder / "reports", run.folder / "elsewhere")
    run.parameters["reports"] = str(run.folder / "elsewhere")
    assert run.made() == []


def test_a_large_file_is_known_by_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "_WHOLE", 1 << 21)
    file = tmp_path / "weights"
    file.write_bytes(b"0" * (5 << 20))
    before = digest_of(file)
    for place in (0, 3 << 20, (5 << 20) - 1):
        with file.open("r+b") as opened:
            opened.seek(place)
            opened.write(b"1")
        before, last = digest_of(file), before
        assert before != last


def test_a_repository_is_known_by_its_commit_or_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", lambda *arguments, **options: 1 / 0)
    for named in (
        "org/name",
        "http://localhost:8000/v1#org/model",
    ):  # a model's, which this package pins, or a server's
        assert content(named) == named
    assert content("org/name@abc", is_data_set=True) == "org/name@abc"
    assert content("org/name-without-network", is_data_set=True) == "unknown"
    reference = tmp_path / "datasets--org--cached" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("c0ffee")
    assert content("org/cached", is_data_set=True) == "c0ffee"


def test_a_second_run_says_why_it_makes_a_stage_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_notebooks import all_stages

    notebooks, said = all_stages(tmp_path / "notebooks"), []
    parameters = {"reports": str(tmp_path / "reports"), "seed": 1}

    def again(**other: Any) -> list[str]:
        said.clear()
        batch.run(STAGES[:2], "smoke", parameters | other, notebooks, say=said.append, pages=False)
        return [line for line in said if "kept" in line or "anew" in line]

    assert again() == []
    assert [line.partition(": ")[2] for line in again()] == ["done before, kept"] * 2
    (tmp_path / "reports/smoke" / STAGES[1] / "numbers.csv").unlink()
    assert [line.partition(": ")[2] for line in again()] == [
        "done before, kept",
        "made anew, because numbers.csv is gone",
    ]
    assert again(seed=2)[0].endswith("made anew, because setting seed changed")
