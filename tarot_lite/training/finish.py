"""After a training: merge the adapters, save, describe the model in a card, and put it on the Hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from huggingface_hub import HfApi, ModelCardData
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from tarot_lite import runs
from tarot_lite.curriculum import Policy
from tarot_lite.problems import Tier
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.checkpoints import RECIPE, is_adapted
from tarot_lite.training.errors import TrainingError, said

if TYPE_CHECKING:
    import pandas as pd

    from tarot_lite.training.loop import TrainingResult

FORMS = ("adapters", "merged", "gguf")
"""What `save` can write."""


def merge(student: Student) -> Student:
    """Fold a student's adapters into its weights; the same object, which then is an ordinary model.

    Raises
    ------
    TrainingError
        If it has none.
    """
    if not is_adapted(student.model):
        raise TrainingError(
            f"student {student.name!r} has no adapters to merge: all its weights were trained; save it as it is "
            "(save_model adapters does that too)"
        )
    student.model = student.model.merge_and_unload()
    return student


def save(student: Student, folder: str | Path, form: str, card: str | None = None) -> Path:
    """Write a trained student to a folder.

    Parameters
    ----------
    form
        ``adapters`` -- its adapters, or all its weights if it has none; ``merged`` -- whole weights with the adapters
        folded in, which any program for ``transformers`` loads; ``gguf`` -- the merged model in 4 bits for llama.cpp,
        made by Unsloth.
    card
        Text of its ``README.md``; None: none.

    Raises
    ------
    TrainingError
        If the form is unknown, there is nothing to merge, GGUF is asked of a student that Unsloth did not load, or llama.cpp,
        which Unsloth fetches and builds for it, cannot be had.
    """
    folder = Path(folder)
    if form not in FORMS:
        raise TrainingError(f"form is {form!r}; give one of {', '.join(FORMS)}")
    if form == "gguf":
        if not hasattr(student.model, "save_pretrained_gguf"):
            raise TrainingError(
                f"student {student.name!r} was not loaded by Unsloth, which makes the GGUF file; set backend to unsloth "
                "before training, or save_model to merged and convert that folder with llama.cpp"
            )
        _gguf(student, folder)
    else:
        (merge(student) if form == "merged" and is_adapted(student.model) else student).save(folder)
    if card is not None:
        runs.write_atomic(folder / "README.md", card)
    return folder


def _gguf(student: Student, folder: Path) -> None:
    """The GGUF files alone: Unsloth lays whole 16-bit weights into the folder it is given, and GGUF in another beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".gguf-") as aside:
        try:
            made = student.model.save_pretrained_gguf(
                str(Path(aside, "merged")), student.tokenizer, quantization_method="q4_k_m"
            )
        except (RuntimeError, OSError) as error:
            raise TrainingError(
                f"student {student.name!r}: Unsloth could not make the GGUF file ({type(error).__name__}: {error!s:.300}); "
                "the training is safe: set save_model to merged, run this again, and convert that folder with llama.cpp"
            ) from error
        folder.mkdir(exist_ok=True)
        for file in (*made["gguf_files"], made.get("modelfile_location")):
            if file is not None:
                shutil.move(file, folder / Path(file).name)


def model_card(
    student: Student,
    policy: Policy,
    settings: Settings,
    result: TrainingResult,
    heldout: pd.DataFrame,
    manifest: Mapping[str, Any],
) -> str:
    """Card of a trained model, from what its run measured and wrote down; nothing in it is typed by hand.

    Parameters
    ----------
    heldout
        `capability.Comparison.summary`: rows ``measure``, ``when``, ``rate``, ``low``, ``high``.
    manifest
        ``manifest.json`` of the run.

    Returns
    -------
    str
        Markdown with a YAML head, as the Hub reads it.
    """
    source = student.origin.get("source")
    data = ModelCardData(
        library_name="peft" if is_adapted(student.model) else "transformers",
        base_model=source if source and "/" in str(source) and not Path(str(source)).exists() else None,
        tags=["grpo", "curriculum-learning", "code", "tarot_lite"],
        pipeline_tag="text-generation",
    )
    rates = heldout.set_index(["measure", "when"])
    measures = [*(tier.value for tier in Tier), "suite"]
    lines = [
        f"| {measure} | {_interval(rates.loc[(measure, 'before')])} | {_interval(rates.loc[(measure, 'after')])} |"
        for measure in measures
    ]
    recipe = {name: getattr(settings, name) for name in (*RECIPE, "lora_rank", "seed")}
    made = {**student.origin, **{key: value for key, value in manifest.get("versions", {}).items() if value}}
    return "\n".join(
        [
            "---",
            data.to_yaml(),
            "---",
            "",
            f"# {student.name}, trained under the curriculum {policy.name}",
            "",
            f"GRPO with a reward by test tiers; curriculum **{policy.name}**: {policy.summary}. "
            f"{student.parameters / 1e6:.1f} million parameters, {len(result.history)} steps.",
            "",
            "## Held-out problems",
            "",
            "Pass@1 with 95 % intervals over problems, the same problems before and after:",
            "",
            "| tier | before | after |",
            "|---|---|---|",
            *lines,
            "",
            "## Recipe",
            "",
            "| parameter | value |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in recipe.items()),
            "",
            "## Made with",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in made.items()),
            "",
            "## Limits",
            "",
            f"Measured on {settings.heldout_problems} held-out problems of the same source as the training, with one seed. "
            "Programs that it writes are untrusted code: run them in a sandbox.",
            "",
        ]
    )


def _interval(row: Any) -> str:
    return f"{100 * row['rate']:.1f} % ({100 * row['low']:.1f}–{100 * row['high']:.1f})"


def push(
    folder: str | Path, repository: str, private: bool = True, endpoint: str | None = None, token: str | None = None
) -> str:
    """Upload a saved model to the Hub, in one commit; returns its address.

    Parameters
    ----------
    repository
        ``owner/name``; made if it is not there.
    private
        Whether a new repository is private.
    endpoint, token
        Of the Hub; None: the public one, and the login of ``hf auth login``.

    Raises
    ------
    TrainingError
        If the folder holds no model, the name is no repository, or the Hub refuses; the folder stays as it is.
    """
    folder = Path(folder)
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.gguf")):
        raise TrainingError(f"{folder} holds no weights; save the model there first (parameter save_model)")
    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Trained with tarot_lite")
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        raise TrainingError(
            f"{repository} could not be uploaded ({said(error)}); check the name and the network, "
            f"log in by `hf auth login` with a token that may write, and call push again: the model is safe in {folder}"
        ) from error
    return f"{api.endpoint}/{repository}"
