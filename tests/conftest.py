"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarot_lite.sandbox import Sandbox

REPOSITORY = Path(__file__).parent.parent
collect_ignore = ["cpython/programs"]  # they are run, not imported


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Each process takes whole files, and one of them all notebooks, in their order: a stage goes on from the one before."""
    from xdist.scheduler import LoadFileScheduling

    class Whole(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "notebooks" if nodeid.startswith("notebooks/") else super()._split_scope(nodeid)

    return Whole(config, log)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data rows (``TAROT_SHARED``/data, default ``../shared/data``); without it the test is skipped."""
    folder = Path(os.environ.get("TAROT_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data rows are not at {folder}; name their folder's parent by TAROT_SHARED")
    return folder


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder outside the repository, so that runs go to ``reports/`` below it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `python -m build` makes from the source archive."""
    copy, out = tmp_path_factory.mktemp("source") / "repository", tmp_path_factory.mktemp("dist")
    skipped = shutil.ignore_patterns(
        ".git", ".venv", "reports", "build", "dist", "*.egg-info", "__pycache__", ".*_cache"
    )
    shutil.copytree(repository, copy, symlinks=True, ignore=skipped)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of one worker."""
    with Sandbox(workers=1) as box:
        yield box


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache with the warmed-up student of the training's tests; `training_helpers.fresh` takes it from there."""
    from training_helpers import fresh

    folder = tmp_path_factory.mktemp("student")
    fresh(folder)
    return folder
