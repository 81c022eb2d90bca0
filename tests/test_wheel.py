"""A wheel alone, in an empty folder, without the repository, has all it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path


def test_wheel_holds_notebooks_profiles_and_template(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"tarot_lite/{path.relative_to(repository)}" for path in (repository / "notebooks").rglob("*.yaml")}
    expected |= {f"tarot_lite/notebooks/{path.name}" for path in (repository / "notebooks").glob("*.ipynb")}
    package = repository / "tarot_lite"  # its link to the notebooks is not followed
    expected |= {
        str(path.relative_to(repository)) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    assert {"tarot_lite/py.typed", "tarot_lite/benchmarks/functions.jsonl"} <= expected
    assert expected <= names
    assert not [name for name in names if name.startswith("tests")]


def test_wheel_works_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    script = (
        "import tarot_lite, tarot_lite.report as report; from tarot_lite import runs; from tarot_lite.settings import *;"
        "print(tarot_lite.__file__); print(profile_names()); print(notebook_folder());"
        "stage = runs.start('01_tiered_suites', {'profile': 'smoke'}); stage.finish(); print(report.build(stage.run_folder))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    file, profiles, notebooks, page = result.stdout.splitlines()
    site = str(tmp_path / "site/tarot_lite")
    assert file.startswith(site) and notebooks == f"{site}/notebooks" and "cpu" in profiles
    assert page == "reports/smoke/index.html" and (tmp_path / page).is_file()
    assert '"git": null' in (tmp_path / "reports/smoke/manifest.json").read_text()
