"""Unsloth or plain transformers with PEFT: which one loads a pretrained student here, and why.

The choice is made from what is installed and plugged in, and told in words, for the manifest.  Nothing here imports torch:
Unsloth changes transformers and TRL while it is imported, so it must come before them (`enter`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from tarot_lite import machine
from tarot_lite.machine import Card
from tarot_lite.students import memory
from tarot_lite.students.models import Model
from tarot_lite.students.writer import StudentError

if TYPE_CHECKING:
    from tarot_lite.settings import Settings

UNSLOTH = "2026.10.9"
"""The version of Unsloth that this package is tested with."""

_MATTER = ("torch", "transformers", "trl", "datasets", "peft", "accelerate")


@dataclass(frozen=True, slots=True)
class Backend:
    """How pretrained students are loaded and trained.

    Parameters
    ----------
    name
        ``"unsloth"`` or ``"transformers"`` (with PEFT for LoRA).
    why
        In a few words.
    """

    name: str
    why: str


def unsloth_obstacle() -> str | None:
    """What keeps Unsloth from being used, with the remedy; None if nothing does."""
    try:
        found = importlib.metadata.version("unsloth")
    except importlib.metadata.PackageNotFoundError:
        return f"Unsloth is not installed (pip install unsloth=={UNSLOTH})"
    for text in importlib.metadata.requires("unsloth") or ():
        need = Requirement(text)
        if need.name in _MATTER and (need.marker is None or need.marker.evaluate({"extra": ""})):
            have = importlib.metadata.version(need.name)
            if Version(Version(have).public) not in need.specifier:
                return (
                    f"Unsloth {found} needs {need.name} {need.specifier}, but {have} is installed "
                    f"(pip install unsloth=={UNSLOTH}, which fits this package's versions)"
                )
    if Version(found) > Version(UNSLOTH):
        return (
            f"Unsloth {found} is newer than {UNSLOTH}, the version this package is tested with "
            f"(pip install unsloth=={UNSLOTH}, or set backend to unsloth to try it)"
        )
    return None


def choose(settings: Settings, found: Card | None = None) -> Backend:
    """Choose how pretrained students are loaded.

    Parameters
    ----------
    settings
        Uses ``backend``: ``auto`` takes Unsloth if there is a card and nothing is in the way.
    found
        The card; None: there is none.

    Raises
    ------
    StudentError
        If ``backend`` is ``unsloth`` and it is not installed.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> choose(Settings()).name
    'transformers'
    """
    if settings.backend == "transformers":
        return Backend("transformers", "the parameter backend says so")
    obstacle = unsloth_obstacle()
    if settings.backend == "unsloth":
        if obstacle is not None and "newer" not in obstacle:
            raise StudentError(f"parameter backend is unsloth, but {obstacle}; or set it to transformers")
        return Backend("unsloth", "the parameter backend says so")
    if found is None:
        return Backend("transformers", "there is no GPU")
    if obstacle is not None:
        return Backend("transformers", obstacle)
    return Backend("unsloth", f"there is a GPU, {found.name}, and Unsloth {UNSLOTH}")


def enter(settings: Settings) -> Backend:
    """Choose how pretrained students are loaded, and import Unsloth if it is to be used.

    Call it before anything imports transformers, TRL or PEFT; `tarot_lite.students.make` does.
    """
    backend = choose(settings, machine.card())
    if backend.name == "unsloth" and "unsloth" not in sys.modules:
        late = [name for name in ("trl", "peft", "transformers") if name in sys.modules]
        if late:
            raise StudentError(
                f"{', '.join(late)} was imported before Unsloth, which must come first; restart the kernel and load the "
                "student before anything imports these, or set backend to transformers"
            )
        try:
            importlib.import_module("unsloth")
        except (
            Exception
        ) as error:  # it checks drivers, kernels and versions while it is imported, and raises many kinds
            raise StudentError(
                f"Unsloth cannot be imported ({type(error).__name__}: {error!s:.300}); reinstall it "
                f"(pip install unsloth=={UNSLOTH}), or set backend to transformers"
            ) from error
    return backend


def vllm_obstacle(settings: Settings, found: Card | None, model: Model | None = None) -> str | None:
    """What keeps vLLM from generating the completions of a training, with the remedy; None if nothing does.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> vllm_obstacle(Settings(), None)
    'there is no GPU'
    """
    if found is None:
        return "there is no GPU"
    try:
        have = importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        return "vLLM is not installed (pip install 'trl[vllm]')"
    for text in importlib.metadata.requires("trl") or ():
        need = Requirement(text)
        if need.name == "vllm" and Version(Version(have).public) not in need.specifier:
            return f"this TRL works with vLLM {need.specifier}, but {have} is installed (pip install 'trl[vllm]')"
    if settings.vllm == "server" or model is None:
        return None
    share = settings.vllm_memory * found.memory
    least = memory.least_for_vllm(model, settings)
    if least > share:
        return (
            f"vllm_memory = {settings.vllm_memory} of {found.name} is {share:.1f} GiB, and weights with the keys and values of "
            f"one group take {least:.1f} (raise it, or lower max_completion_tokens)"
        )
    need_beside, room = memory.beside_vllm(model, settings, precision(settings, found), found.memory)
    if need_beside > room:
        return (
            f"the training needs {need_beside:.1f} GiB, and vLLM beside it leaves {room:.1f} "
            "(lower vllm_memory or micro_batch)"
        )
    return None


def vllm_mode(settings: Settings, found: Card | None, model: Model | None = None) -> str | None:
    """How vLLM generates the completions of a training: ``"colocate"``, ``"server"``, or None: the model itself does.

    With ``auto`` it does where nothing is in the way (`vllm_obstacle`).

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> vllm_mode(Settings(vllm="auto"), None) is None
    True
    """
    if settings.vllm == "off":
        return None
    obstacle = vllm_obstacle(settings, found, model)
    if settings.vllm == "auto":
        return "colocate" if obstacle is None else None
    if obstacle is not None:
        raise StudentError(f"parameter vllm is {settings.vllm}, but {obstacle}; or set it to off or auto")
    return settings.vllm


def precision(settings: Settings, found: Card | None) -> str:
    """Name of the number type that a student computes in: the parameter ``dtype``, or what the card is good at.

    Returns
    -------
    str
        ``"bfloat16"``, ``"float16"`` or ``"float32"``.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> precision(Settings(), Card("Tesla T4", 15.0, 7.5)), precision(Settings(), None)
    ('float16', 'float32')
    """
    if settings.dtype != "auto":
        return settings.dtype
    if found is None:
        return "float32"
    return found.dtype
