"""The five notebooks keep the rules, and every kind of broken notebook is caught by one of our checks.

That they run is shown by nbval (`make test` runs it over notebooks/) and, under papermill, below.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from notebook_rules import CHECKED, faults
from small_notebooks import PARAMETERS, code, stage, write

from tarot_lite import batch, runs
from tarot_lite.settings import notebook_folder

NAME = "01_tiered_suites"


def nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    """Run the check of `make test` on a notebook."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider", notebook.name]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, env=environment)


def papermill(notebook: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", notebook.name, "out.ipynb", *arguments]
    return subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True)


def test_there_are_five() -> None:
    assert tuple(path.stem for path in sorted(notebook_folder().glob("*.ipynb"))) == runs.STAGES


@pytest.mark.parametrize("name", runs.STAGES)
def test_notebook_keeps_the_rules(name: str) -> None:
    assert faults(notebook_folder() / f"{name}.ipynb") == []


def test_start_cell_is_the_same_in_all(repository: Path) -> None:
    """Apart from what a notebook imports, its own name, and whether preflight is asked at once or shown later."""
    starts = set()
    for name in runs.STAGES:
        cells = [c for c in nbformat.read(notebook_folder() / f"{name}.ipynb", 4).cells if c.cell_type == "code"]
        others = ("import ", "from ", "ready = preflight.check(")
        lines = [line for line in cells[2].source.splitlines() if line and not line.startswith(others)]
        asked = any("preflight.check(stage.settings)" in cell.source for cell in cells[2:4])
        assert asked or name == "02_sandboxed_execution"  # which needs neither model nor problems
        starts.add("\n".join(lines).replace(name, "NAME"))
    assert starts == {'stage = runs.start("NAME", globals())'}


# ------------------------------------------------------------------------------------------- what a good one looks like


def good(folder: Path, **changed: nbformat.NotebookNode) -> Path:
    """A notebook that passes every check; `changed` replaces its working cell or its last one."""
    path = stage(folder, NAME, changed.get("work", code("assert 1 + 1 == 2\n1 + 1", CHECKED, stored="2")))
    notebook = nbformat.read(path, 4)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.source = cell.source.replace(f"{NAME!r}", f'"{NAME}"')
            cell.execution_count = number
    if "last" in changed:
        notebook.cells[-1] = changed["last"]
        notebook.cells[-1]["id"] = "cell-last"
    nbformat.write(notebook, path)
    return path


def test_a_good_notebook_passes_every_check(tmp_path: Path) -> None:
    path = good(tmp_path)
    assert faults(path) == []
    checked = nbval(path)
    assert checked.returncode == 0 and "5 passed" in checked.stdout, checked.stdout
    assert papermill(path).returncode == 0


# ------------------------------------------------------------------------------------------------ the zoo: nbval fails


ZOO = {
    "wrong stored output": code("assert 1 + 1 == 2\n1 + 1", CHECKED, stored="3"),
    "raising cell": code("raise RuntimeError('broken')"),
    "failed assertion": code("assert 1 + 1 == 3"),
    "sys.exit(0)": code("import sys\nsys.exit(0)"),
}


@pytest.mark.parametrize("kind", ZOO)
def test_nbval_fails_on(kind: str, tmp_path: Path) -> None:
    result = nbval(good(tmp_path, work=ZOO[kind]))
    assert result.returncode == 1, f"{kind} was not caught:\n{result.stdout}"


@pytest.mark.parametrize(
    ("kind", "cell", "said"),
    [
        ("raising cell", ZOO["raising cell"], "RuntimeError: broken"),
        ("sys.exit(0)", ZOO["sys.exit(0)"], "01_tiered_suites"),
        ("dead kernel", code("import os\nos._exit(0)"), "the kernel died in cell 6"),
        ("forgets to finish", code("1"), "ended without finishing its stage"),
    ],
)
def test_our_command_line_fails_on(kind: str, cell: nbformat.NotebookNode, said: str, in_empty_folder: Path) -> None:
    changed = {"last" if kind == "forgets to finish" else "work": cell}
    good(in_empty_folder / "nb", **changed)
    with pytest.raises(batch.StageFailed, match=said):
        batch.run([NAME], "smoke", notebooks=in_empty_folder / "nb", say=lambda _: None)


@pytest.mark.parametrize(
    ("injected", "said"),
    [
        (("policyy", "uni"), "parameter policyy (value 'uni') is unknown (did you mean 'policy'?)"),
        (("policy", "unii"), "did you mean 'uni'?"),
        (("grpo_steps", "few"), "parameter grpo_steps is 'few'"),
        (("profile", "smok"), "did you mean 'smoke'?"),
    ],
)
def test_plain_papermill_fails_on_a_wrong_parameter(injected: tuple[str, str], said: str, tmp_path: Path) -> None:
    result = papermill(good(tmp_path), "-p", *injected)
    assert result.returncode != 0 and said in result.stderr
    assert not (tmp_path / "reports").exists()


def test_plain_papermill_takes_profile_and_profile_file(tmp_path: Path) -> None:
    path = good(tmp_path)
    assert papermill(path, "-p", "profile", "cpu", "-p", "seed", "5").returncode == 0
    assert runs.read_json(tmp_path / "reports/cpu/manifest.json")["settings"]["seed"] == 5
    profile = notebook_folder() / "profiles/cpu.yaml"
    assert papermill(path, "-f", str(profile), "-p", "run", "file").returncode == 0
    settings = runs.read_json(tmp_path / "reports/file/manifest.json")["settings"]
    assert settings["profile"] == "cpu" and settings["seed"] == 0


# ------------------------------------------------------------------------------------ the zoo: the rules are not kept


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (code("assert True\n1 + 1", CHECKED), f"a cell tagged {CHECKED} has no stored output"),
        (code("assert True"), "comparing it would be vacuous"),
        (code("1 + 1", CHECKED, stored="2"), "no cell asserts"),
        (code("\n".join(["assert 1"] * 16), CHECKED, stored="2"), "16 lines"),
        (code("def helper():\n    assert 1", CHECKED, stored="2"), "defines helper"),
        (code("!false", CHECKED, stored="2"), "no plain Python"),
        (code("assert 1", CHECKED, stored="/home/me/x"), "a place on somebody's machine"),
    ],
)
def test_rules_tell_of(work: nbformat.NotebookNode, said: str, tmp_path: Path) -> None:
    assert any(said in fault for fault in faults(good(tmp_path, work=work)))


def test_rules_tell_of_stderr_errors_and_figures_without_alt_text(tmp_path: Path) -> None:
    cell = code("assert 1", CHECKED, stored="1")
    cell.outputs += [
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
        nbformat.v4.new_output("error", ename="KeyError", evalue="x", traceback=[]),
        nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="}),
        nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}),
    ]
    found = " ".join(faults(good(tmp_path, work=cell)))
    assert "stored stderr" in found and "stored error KeyError" in found and "without alt text" in found
    assert "a stored widget" in found


def test_rules_tell_of_a_notebook_that_never_ran_or_lacks_its_frame(tmp_path: Path) -> None:
    path = write(tmp_path / f"{NAME}.ipynb", code(PARAMETERS), code("x = 1"))
    found = " ".join(faults(path))
    for said in ("begins with no title", "tagged 'parameters'", "runs.start", "stage.finish", "was never run"):
        assert said in found
