"""Versions are decided in requirements/reference.in; whatever else names one must agree."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


def pins(path: Path) -> dict[str, Version]:
    """Package -> version of a requirements file, every line of which must be an exact pin."""
    found = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, equals, version = line.partition("==")
            assert equals and not re.search(r"[*,;\s]", version), f"{path.name}: {line!r} is no exact pin"
            assert canonicalize_name(name) not in found, f"{path.name}: {name} is there twice"
            found[canonicalize_name(name)] = Version(version)
    return found


@pytest.fixture(scope="module")
def reference(repository: Path) -> dict[str, Version]:
    return pins(repository / "requirements/reference.in")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, object]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def test_the_reference_environment_is_the_documented_one(reference: dict[str, Version]) -> None:
    documented = {
        "torch": "2.13.0",
        "transformers": "5.17.0",
        "trl": "1.14.2",
        "datasets": "4.8.5",
        "peft": "0.21.2",
        "accelerate": "1.15.0",
        "papermill": "2.7.0",
        "nbval": "0.11.0",
        "jupyterlab": "4.6.6",
        "pytest": "9.2.0",
        "seaborn": "0.13.2",
    }
    assert {name: str(reference[name]) for name in documented} == documented


def test_the_lock_holds_every_pin_and_more(repository: Path, reference: dict[str, Version]) -> None:
    lock = pins(repository / "requirements/reference.txt")
    assert {name: lock.get(name) for name in reference} == reference
    assert len(lock) > 2 * len(reference)


def test_the_lock_is_closed(repository: Path) -> None:
    """Everything that a locked package needs here is locked as well."""
    lock = pins(repository / "requirements/reference.txt")
    missing = set()
    for name in lock:
        for text in importlib.metadata.requires(name) or ():
            need = Requirement(text)
            if (need.marker is None or need.marker.evaluate({"extra": ""})) and canonicalize_name(
                need.name
            ) not in lock:
                missing.add((name, need.name))
    # CUDA's packages come with torch's build for it; they are torch's own exact pins
    assert {pair for pair in missing if not pair[1].startswith(("nvidia-", "cuda-", "triton"))} == set()


def test_the_ranges_of_the_package_admit_the_pins(project: dict[str, list[str]], reference: dict[str, Version]) -> None:
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    everything = project["dependencies"] + [text for name, texts in extras.items() if name != "gpu" for text in texts]
    for text in everything:
        need = Requirement(text)
        assert reference[canonicalize_name(need.name)] in need.specifier, text
    named = {canonicalize_name(Requirement(text).name) for text in everything}
    assert set(reference) - named == {"build", "setuptools"}  # what builds is no dependency


def test_conda_takes_its_versions_from_the_same_files(repository: Path, project: dict[str, str]) -> None:
    dependencies = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    python = next(item for item in dependencies if str(item).startswith("python="))
    assert Version(python.partition("=")[2] + ".7") in Requirement("python" + project["requires-python"]).specifier
    assert [item for item in dependencies if isinstance(item, str) and "=" in item] == [python]
    named = next(item["pip"] for item in dependencies if isinstance(item, dict))
    assert named == ["-r requirements/reference.in", "-c requirements/reference.txt"]


def test_what_is_installed_is_what_is_pinned(reference: dict[str, Version]) -> None:
    installed = {name: Version(Version(importlib.metadata.version(name)).public) for name in reference}
    assert installed == reference


def test_no_other_file_decides_a_version(repository: Path) -> None:
    texts = {path: path.read_text() for path in [repository / "Makefile", *(repository / "notebooks").glob("*.ipynb")]}
    assert not [path.name for path, text in texts.items() if re.search(r"[a-z]==\d", text)]


def test_ci_runs_the_command_of_the_readme(repository: Path) -> None:
    readme, script = (repository / "README.md").read_text(), (repository / ".ci/run").read_text()
    assert "\nmake test" in readme and script.rstrip().endswith("make test")
    assert (repository / ".ci/run").stat().st_mode & 0o111
