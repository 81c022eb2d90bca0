"""The Colab cell: the address in one place, what it picks, and each notebook alone on an imitated Colab.

The imitation: a new virtual environment in which the other libraries are there but tarot_lite is not; the wheel in a
folder that pip is told of; a `google.colab` that IPython loads, as Colab's does.  The network and a card are missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from notebook_rules import ADDRESS
from packaging.requirements import Requirement

from tarot_lite import __version__, colab, runs
from tarot_lite.machine import Card
from tarot_lite.settings import notebook_folder, profile_names

T4 = Card("Tesla T4", 15.0, 7.5)
COLABS_OWN = {  # of its image of June 2026: what the google-colab package and CUDA hold fast
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
    "matplotlib": "3.10.0",
    "numpy": "2.0.2",
    "pandas": "2.2.2",
    "psutil": "5.9.5",
    "torch": "2.11.0",
    "tqdm": "4.67.3",
}


def test_the_address_stands_in_one_place_and_everything_else_agrees(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert citation["repository-code"] == ADDRESS
    place = ADDRESS.removeprefix("https://github.com/")
    found = []
    for name in ("README.md", "CONTRIBUTING.md", *(f"notebooks/{stage}.ipynb" for stage in runs.STAGES)):
        text = (repository / name).read_text()
        found += re.findall(r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/", text)
        found += re.findall(rf"//github\.com/([\w.-]+/{re.escape(place.rpartition('/')[2])})\b", text)
    assert len(found) >= 5 and set(found) == {place}


def test_another_address_is_written_everywhere(repository: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "CONTRIBUTING.md", ".ci/colab.py"):
        (copy / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(repository / name, copy / name)
    shutil.copytree(repository / "notebooks", copy / "notebooks")
    tool = [sys.executable, str(copy / ".ci/colab.py")]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    assert subprocess.run([*tool, "--repo", "no repository"], env=environment, capture_output=True).returncode == 2
    subprocess.run([*tool, "--repo", "someone/fork.of_it"], env=environment, check=True)
    for path in [path for path in copy.rglob("*") if path.is_file() and path.name != "colab.py"]:
        assert ADDRESS.removeprefix("https://github.com/") not in path.read_text(), path.name
    for name in runs.STAGES:  # a badge for each, where there is an address
        badge = colab.badge("https://github.com/someone/fork.of_it", f"notebooks/{name}.ipynb")
        assert re.search(rf"^\| \[{name}\].*\? {re.escape(badge)} \|$", (copy / "README.md").read_text(), re.MULTILINE)
        assert json.loads((copy / f"notebooks/{name}.ipynb").read_text())["cells"][1]["source"] == [badge]
    subprocess.run([*tool, "--repo", ADDRESS.removeprefix("https://github.com/")], env=environment, check=True)
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        before = (repository / path.relative_to(copy)).read_text()
        assert path.read_text().rstrip() == before.rstrip(), path.name


def test_picked_profiles_exist_and_fit() -> None:
    cards = {None: "cpu", T4: "colab-t4", Card("NVIDIA A100", 40.0, 8.0): "gpu-24gb"}
    assert {card: colab.fitting_profile(card) for card in cards} == cards
    assert {colab.fitting_profile(Card(*of)) for of in (("Tesla K80", 11, 3.7), ("Quadro T1000", 4, 7.5))} == {"cpu"}
    assert set(cards.values()) <= set(profile_names())
    assert T4.dtype == "float16" and Card("NVIDIA L4", 22.5, 8.9).dtype == "bfloat16"


def test_colabs_own_packages_may_stay(repository: Path) -> None:
    needs = {need.name: need.specifier for need in map(Requirement, _requirements())}
    assert not [f"{name} {version}" for name, version in COLABS_OWN.items() if version not in needs[name]]


def _requirements() -> list[str]:
    import tomllib

    return tomllib.loads((notebook_folder().parent / "pyproject.toml").read_text())["project"]["dependencies"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["profile = None"], "colab-t4"),  # nothing edited
        (['profile = "smoke"'], "smoke"),  # edited
        (["profile = None", '# Parameters\nprofile = "cpu"\n'], "cpu"),  # asked for
        (["profile = None", "# Parameters\nseed = 3\n"], "colab-t4"),
    ],
)
def test_the_picked_profile_wins_over_what_nobody_edited(
    cells: list[str], expected: str, in_empty_folder: Path
) -> None:
    stage = runs.start(runs.STAGES[0], {"In": cells, "on_colab": {"profile": "colab-t4", "reports": "drive"}})
    assert stage.settings.profile == expected
    assert stage.run_folder == Path("drive") / expected


# ------------------------------------------------------------------------------------------------ an imitation of Colab


@pytest.fixture(scope="module")
def imitation(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    return imitate(tmp_path_factory.mktemp("colab"), wheel)


def imitate(folder: Path, wheel: Path) -> tuple[Path, dict[str, str]]:
    """Python of an imitated machine, and its environment variables.

    Its libraries are those of this environment, or of the one that ``COLAB`` names (`make test-colab`).
    """
    folder.mkdir(exist_ok=True)
    base = Path(os.environ["COLAB"]) / "bin/python" if "COLAB" in os.environ else Path(sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    there = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site, libraries = (
        Path(subprocess.run([each, "-c", there], check=True, capture_output=True, text=True).stdout.strip())
        for each in (folder / "venv/bin/python", base)
    )
    others = folder / "others"  # the libraries that are there, without us and without links to the repository
    others.mkdir()
    for path in libraries.iterdir():
        if not path.name.startswith(("tarot_lite", "__editable__")) and path.suffix != ".pth":
            (others / path.name).symlink_to(path)
    (site / "others.pth").write_text(f"{others}\n")
    (site / "google/colab").mkdir(parents=True)
    (site / "google/__init__.py").write_text("")
    (site / "google/colab/__init__.py").write_text("def load_ipython_extension(ipython): pass\n")
    (site / "google/colab/drive.py").write_text("def mount(place): print('mounted', place)\n")
    (folder / "ipython/profile_default").mkdir(parents=True)
    config = "c = get_config()\nc.InteractiveShellApp.extensions = ['google.colab']\n"
    (folder / "ipython/profile_default/ipython_config.py").write_text(config)
    (folder / "data").mkdir()
    (folder / "data/nbconvert").symlink_to(base.parent.parent / "share/jupyter/nbconvert")
    kernels = folder / "data/kernels/python3"
    kernels.mkdir(parents=True)
    python = folder / "venv/bin/python"
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
    )
    dropped = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PATH": str(folder / "data"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "WHEEL": wheel.as_uri(),  # instead of the one of the release
        "PIP_RETRIES": "0",
        "PATH": f"{folder / 'venv/bin'}{os.pathsep}{environment['PATH']}",
    }
    return python, environment


def run_alone(name: str, folder: Path, imitation: tuple[Path, dict[str, str]], *arguments: str) -> str:
    """Run a downloaded copy of a notebook in an empty folder; returns what its first code cell printed."""
    python, environment = imitation
    folder.mkdir()
    text = (notebook_folder() / f"{name}.ipynb").read_text(encoding="utf-8")
    address = f"{ADDRESS}/releases/download/v{__version__}/tarot_lite-{__version__}-py3-none-any.whl"
    assert address in text
    (folder / f"{name}.ipynb").write_text(text.replace(address, environment["WHEEL"]), encoding="utf-8")
    command = [str(python), "-m", "papermill", "--no-progress-bar", f"{name}.ipynb", "out.ipynb", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    first = next(cell for cell in nbformat.read(folder / "out.ipynb", 4).cells if cell.cell_type == "code")
    return "".join(output.get("text", "") for output in first.outputs)


def test_the_imitation_lacks_us(imitation: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    python, environment = imitation
    command = [str(python), "-c", "import torch, tarot_lite"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "No module named 'tarot_lite'" in result.stderr


def test_the_cell_says_what_to_do_where_there_is_no_wheel(
    imitation: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    python, environment = imitation
    cell = colab.cell(f"{tmp_path.as_uri()}/OWNER/tarot_lite")
    command = [str(python), "-c", f"import google.colab\n{cell}"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.rstrip().splitlines()[-1].startswith("RuntimeError: cannot install file:///")
    assert "make colab REPO=owner/name" in result.stderr and "make wheel" in result.stderr


@pytest.mark.skipif("COLAB" not in os.environ, reason="Colab's own versions are tried by `make test-colab`")
@pytest.mark.parametrize("loaded", ["", "import pandas\n"])
@pytest.mark.parametrize("card", ["", "Tesla T4, 15360, 7.5"])
def test_beside_colabs_own_versions_nothing_that_is_loaded_changes(
    card: str, loaded: str, wheel: Path, tmp_path: Path
) -> None:
    """With a stand-in for the card's driver, Unsloth is installed as well."""
    python, environment = imitate(tmp_path / "machine", wheel)
    if card:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{card}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        environment = environment | {"PATH": f"{tmp_path}{os.pathsep}{environment['PATH']}"}
    cell = colab.cell(ADDRESS).replace(
        f"{ADDRESS}/releases/download/v{__version__}", environment["WHEEL"].rpartition("/")[0]
    )
    versions = f"import importlib.metadata as m; print([m.version(name) for name in {list(COLABS_OWN)}])"
    before, after = (
        subprocess.run([python, "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True)
        for text in (versions, f"import google.colab\n{loaded}{cell}\n{versions}")
    )
    assert after.returncode == 0 and "Python restarts" not in after.stdout, after.stdout + after.stderr
    assert after.stdout.splitlines()[-1] == before.stdout.strip() and "WARNING" not in after.stderr
    assert f"profile: {'colab-t4' if card else 'cpu'} " in after.stdout
    assert ("unsloth" in after.stdout) == bool(card)


@pytest.mark.parametrize("name", runs.STAGES)
def test_a_downloaded_notebook_runs_alone_on_an_imitated_colab(
    name: str, imitation: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    printed = run_alone(name, tmp_path / "empty", imitation, "-p", "profile", "smoke")
    assert f"tarot_lite {__version__} on Colab" in printed and "card: none · dtype: float32" in printed
    assert re.search(r"memory: [\d.]+ GB · cores: \d+ · sandbox: \w+", printed) and "profile: cpu" in printed
    manifest = runs.read_json(tmp_path / "empty/reports/smoke/manifest.json")
    assert manifest["git"] is None and list(manifest["stages"]) == [name]


def write_wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """A wheel of one empty module."""
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": head + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)


@pytest.mark.parametrize(
    ("need", "alone", "installed", "restarted"),
    [
        ("newcomer", False, {"old": "1.0", "newcomer": "1.0"}, False),
        ("newcomer==2.0", False, {"old": "2.0", "newcomer": "2.0"}, True),
        ("newcomer==2.0", True, {"old": "1.0", "newcomer": "2.0"}, False),  # though it asks for another
        ("guest", True, {"old": "1.0", "newcomer": "2.0"}, False),  # and needs the newcomer
    ],
)
def test_a_loaded_package_changes_only_if_it_must_and_then_python_restarts(
    need: str, alone: bool, installed: dict[str, str], restarted: bool, repository: Path, tmp_path: Path
) -> None:
    for name, version, *needs in (("old", "1.0"), ("old", "2.0"), ("newcomer", "1.0"), ("newcomer", "2.0", "old>=2"),
                                 ("guest", "1.0", "newcomer==2.0")):  # fmt: skip
        write_wheel(tmp_path, name, version, *needs)
    venv.create(tmp_path / "venv", symlinks=True, system_site_packages=False)
    python = str(tmp_path / "venv/bin/python")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n{repository}\n")
    environment = {**os.environ, "PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    subprocess.run([python, "-m", "pip", "install", "-q", "old==1.0"], env=environment, check=True, cwd=tmp_path)
    script = f"import old; from tarot_lite import colab; colab._install([{need!r}], {alone}); print('goes on')"
    result = subprocess.run([python, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert ("old changed after being loaded" in result.stdout) == restarted == ("goes on" not in result.stdout)
    ask = "import importlib.metadata as m; print(m.version('old'), m.version('newcomer'))"
    found = subprocess.run([python, "-c", ask], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.split() == list(installed.values())
