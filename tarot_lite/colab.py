"""What the first cell of a notebook does on Google Colab: install, look at the machine, choose a profile.

The cell itself (`cell` is its one source, ``make colab`` writes it into the notebooks) installs nothing but this
package, without dependencies; `setup` adds what is missing.  Colab's own packages stay as they are: those that its
kernel has loaded, those that Colab needs, and torch with all that must fit its CUDA are held at their versions.  Only
if pip finds no answer that way may they change, and only if a loaded one did is a restart needed, which is then said.

Floor: above the sandbox and the settings; nothing but the notebooks' first cell uses it.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tarot_lite import __version__, machine
from tarot_lite.machine import Card
from tarot_lite.sandbox import Sandbox

_CELL = """\
import sys

if "google.colab" in sys.modules:  # Google Colab alone; elsewhere this cell does nothing
    import importlib.util
    import subprocess

    wheel = "{repository}/releases/download/v{version}/tarot_lite-{version}-py3-none-any.whl"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", wheel]
    if importlib.util.find_spec("tarot_lite") is None and subprocess.run(pip).returncode:
        hint = "is the address yours (make colab REPO=owner/name), and the wheel (make wheel) in that release?"
        raise RuntimeError(f"cannot install {{wheel}}: {{hint}}")
    from tarot_lite import colab

    on_colab = colab.setup(drive=False)  # True keeps the runs in your Google Drive
"""
_CUDA = ("torch", "torchvision", "torchaudio", "torchcodec", "triton")
_DATA_ONLY = ("certifi", "tzdata")  # files alone: a newer one serves a kernel that has loaded the older


def cell(repository: str, version: str = __version__) -> str:
    """Source of the first code cell, the same in all notebooks.

    Parameters
    ----------
    repository
        Address of the repository, as in ``pyproject.toml``; the wheel is an asset of its release ``v<version>``.
    version
        Of the package that the notebook belongs to.

    Examples
    --------
    >>> "owner/name/releases/download/v1.2.0/tarot_lite-1.2.0" in cell("https://github.com/owner/name", "1.2.0")
    True
    """
    return _CELL.format(repository=repository, version=version).rstrip()


def badge(repository: str, notebook: str) -> str:
    """Markdown of the badge that opens a notebook of the repository in Colab; empty as long as OWNER stands in the address.

    Examples
    --------
    >>> badge("https://github.com/owner/name", "notebooks/a.ipynb").endswith("/owner/name/blob/main/notebooks/a.ipynb)")
    True
    """
    if "/OWNER/" in repository:
        return ""
    place = repository.removeprefix("https://")
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({picture})](https://colab.research.google.com/{place.replace('.com', '', 1)}/blob/main/{notebook})"


def fitting_profile(card: Card | None) -> str:
    """The profile for a card.

    Examples
    --------
    >>> fitting_profile(Card("Tesla T4", 15.0, 7.5)), fitting_profile(Card("NVIDIA L4", 22.5, 8.9)), fitting_profile(None)
    ('colab-t4', 'gpu-24gb', 'cpu')
    """
    if card is None or card.capability < 7 or card.memory < 14:  # what the GPU extra, and colab-t4, need
        return "cpu"
    return "gpu-24gb" if card.memory > 20 else "colab-t4"


def setup(drive: bool = False) -> dict[str, str]:
    """Make this Colab machine ready, say what it is, and return the parameters that fit it.

    Parameters
    ----------
    drive
        Mount Google Drive and keep the runs there, so that they outlive the machine.

    Returns
    -------
    dict
        ``profile``, and ``reports`` if Drive is used: what `tarot_lite.runs.start` takes where the notebook's
        parameters were left as they are.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot install what is missing; its own words are above.
    """
    card = machine.card()
    parameters = {"profile": fitting_profile(card)}
    _install(
        list(machine.missing(["gpu"] if card else [])), alone=card is None
    )  # Unsloth's own ranges are not ours to stretch
    if drive:
        parameters["reports"] = _mount()
    with Sandbox(workers=1) as sandbox:
        level = sandbox.report().level
    told = f"{card.name}, {card.memory:.1f} GB · dtype: {card.dtype}" if card else "none · dtype: float32"
    print(f"tarot_lite {__version__} on Colab")
    print(f"card: {told}")
    print(f"memory: {machine.memory_gb()} GB · cores: {os.cpu_count()} · sandbox: {level}")
    print(f"profile: {parameters['profile']} (another that you write into the next cell wins)")
    return parameters


def _mount() -> str:
    from google.colab import drive

    drive.mount("/content/drive")
    return "/content/drive/MyDrive/tarot_lite/reports"


def _install(needs: list[str], alone: bool = False) -> None:
    """Install `needs` beside what is there; end the kernel, and say so, only if a package that it has loaded changed.

    Where pip finds no way that leaves the loaded packages as they are, and `alone` allows it, what is absent is added
    without its dependencies' ranges: they are narrower than what works.
    """
    if not needs:
        return
    print(f"installing {', '.join(needs)}", flush=True)
    before, loaded = _installed(), _loaded()
    held = {name: version for name, version in before.items() if name in loaded | _colabs_own() | set(_CUDA)}
    if not _pip(needs, held) and not (alone and _add(needs)):
        print("some of Colab's own packages have to change", flush=True)
        if not _pip(needs, {name: version for name, version in held.items() if name in _CUDA}):
            _pip(needs, {}, check=True)
    after = _installed()
    changed = sorted(name for name in loaded if before.get(name) != after.get(name))
    if changed:
        print(f"{', '.join(changed)} changed after being loaded, so Python restarts now: choose 'Run all' once more")
        sys.stdout.flush()
        time.sleep(1)  # the line has to reach the page
        os._exit(0)


def _add(needs: list[str]) -> bool:
    """Install what is absent, and what that needs and is absent; nothing that is there changes."""
    seen: set[str] = set()
    left = needs
    while left:
        if any(canonicalize_name(Requirement(need).name) in _installed() for need in left):
            return False  # it is there in a version that does not fit
        if not _pip(["--no-deps", *left], {}):
            return False
        seen.update(str(canonicalize_name(Requirement(need).name)) for need in left)
        texts = [text for name in seen for text in importlib.metadata.requires(name) or ()]
        wanted = [
            need for need in map(Requirement, texts) if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
        left = [f"{need.name}{need.specifier}" for need in wanted if canonicalize_name(need.name) not in _installed()]
    return True


def _pip(needs: list[str], held: Mapping[str, str], check: bool = False) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "held.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in held.items()))
        command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(constraints), *needs]
        result = subprocess.run(command, capture_output=not check, check=check)
    return result.returncode == 0


def _installed() -> dict[str, str]:
    return {str(canonicalize_name(item.metadata["Name"])): item.version for item in importlib.metadata.distributions()}


def _loaded() -> set[str]:
    """Installed packages of which a module is loaded in this process."""
    owners = importlib.metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in sys.modules}
    return {str(canonicalize_name(owner)) for module in modules for owner in owners.get(module, ())} - set(_DATA_ONLY)


def _colabs_own() -> set[str]:
    """What the google-colab package needs."""
    try:
        texts = importlib.metadata.requires("google-colab") or ()
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {str(canonicalize_name(Requirement(text).name)) for text in texts} - set(_DATA_ONLY)
