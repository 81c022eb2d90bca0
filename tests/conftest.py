"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


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
