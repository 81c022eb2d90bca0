"""Before anything is downloaded: does this run fit this machine, and is everything there that it needs?

`table` shows every check and never raises; `check` raises if one of them stops the run, with all remedies; `memory_table`
shows what the memory of a training goes to, for a card or for a range of cards.  The formulas are in
`tarot_lite.students.memory`; `benchmarks/gpu_check.py` measures real peaks to hold them against.

Floor: above the students, whose table of models it reads; imports neither torch nor transformers.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tarot_lite import machine
from tarot_lite.endpoints import split_address
from tarot_lite.machine import Card
from tarot_lite.problems import Form, ProblemError
from tarot_lite.runs import reports_folder
from tarot_lite.sandbox import Sandbox, SandboxError
from tarot_lite.settings import Settings
from tarot_lite.students import backends, memory, models
from tarot_lite.students.writer import StudentError
from tarot_lite.suites import sources, splits

if TYPE_CHECKING:
    import pandas as pd

_CHARACTERS = 8  # a token of any tokenizer here is no longer than that on average, so this never condemns too early
_PATIENCE = 4.0  # seconds for the Hub's answer


class PreflightError(RuntimeError):
    """The run cannot work on this machine; the message lists every reason with its remedy."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Parameters
    ----------
    item
        What was looked at.
    state
        ``"ok"``, ``"look"`` (it will work, but not as well as it could) or ``"stop"``.
    found
        What is there.
    remedy
        What to do; empty if nothing needs to be done.
    """

    item: str
    state: str
    found: str
    remedy: str = ""


def checks(settings: Settings, card: Card | None = None) -> list[Check]:
    """Run all checks; nothing is downloaded, and none of them raises."""
    found = card or machine.card()
    done: list[Check] = []
    for look in (
        _versions,
        _gpu,
        _backend,
        _number_type,
        _memory,
        _model,
        _disk,
        _problems,
        _sandbox,
        _benchmarks,
        _keeping,
    ):
        try:
            done += look(settings, found)
        except Exception as error:  # a check that fails itself must not hide the others
            done.append(Check(look.__name__.strip("_"), "look", f"the check failed: {type(error).__name__}: {error}"))
    return done


def table(settings: Settings, card: Card | None = None) -> pd.DataFrame:
    """All checks as a data frame: ``item``, ``state``, ``found``, ``remedy``; never raises."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in checks(settings, card)])


def check(settings: Settings, card: Card | None = None) -> list[Check]:
    """Run all checks, and stop if one of them says so.

    Raises
    ------
    PreflightError
        With every reason and its remedy.

    Examples
    --------
    >>> from tarot_lite.settings import load_profile
    >>> all(row.state != "stop" for row in check(load_profile("smoke")))
    True
    """
    done = checks(settings, card)
    stops = [
        f"* {row.item}: {row.found}" + (f" -- {row.remedy}" if row.remedy else "")
        for row in done
        if row.state == "stop"
    ]
    if stops:
        raise PreflightError("\n".join(["this run cannot work here:", *stops]))
    return done


def memory_table(settings: Settings, cards: dict[str, Card | None] | None = None) -> pd.DataFrame:
    """What the memory of one training goes to: a row per student and card, a column per part, in GiB.

    Parameters
    ----------
    settings
        With pretrained students in ``models``; without any, the table is empty.
    cards
        Name -> card; None: the one that is plugged in.

    Returns
    -------
    pandas.DataFrame
        ``student``, ``card``, the parts of `memory.PARTS`, ``total``, ``room`` (what may be used of the card; NaN without
        one) and ``fits``.
    """
    import pandas as pd

    rows = []
    for name, model in _known(settings):
        for label, card in (cards or {"this machine": machine.card()}).items():
            parts = memory.estimate(model, settings, backends.precision(settings, card))
            room = memory.SAFE * card.memory if card is not None else float("nan")
            total = memory.total(parts)
            rows.append({"student": name, "card": label, **parts, "total": total, "room": room, "fits": total <= room})
    return pd.DataFrame(rows)


def _known(settings: Settings) -> Iterator[tuple[str, models.Model]]:
    for name, source in settings.models.items():
        try:
            yield name, models.find(source)
        except ValueError:
            continue  # `_model` says so


def _versions(settings: Settings, card: Card | None) -> Iterator[Check]:
    try:
        wrong = machine.missing()
    except importlib.metadata.PackageNotFoundError:
        yield Check("versions", "look", "tarot_lite is not installed, only on the path", "pip install -e .")
        return
    if wrong:
        told = "; ".join(f"{need} is wanted, {version or 'none'} is there" for need, version in wrong.items())
        yield Check("versions", "look", told, "make environment, or pip install -r requirements/reference.in")
    else:
        yield Check("versions", "ok", "every package is in its tested range")


def _gpu(settings: Settings, card: Card | None) -> Iterator[Check]:
    said = f"{card.name}, {card.memory:.0f} GiB, {'bfloat16' if card.bf16 else 'no bfloat16'}" if card else "none"
    wanted = settings.gpu_memory
    if wanted is not None and card is None:
        remedy = "choose a GPU runtime (Colab: Runtime, Change runtime type), or profile smollm2-cpu or cpu"
        yield Check(
            "GPU", "stop", f"none, and the profile {settings.profile} is made for one of {wanted:.0f} GiB", remedy
        )
    elif wanted is not None and card is not None and card.memory < 0.93 * wanted:  # drivers keep some for themselves
        yield Check("GPU", "look", f"{said}; the profile {settings.profile} is made for {wanted:.0f} GiB", "see memory")
    else:
        yield Check("GPU", "ok", said)


def _backend(settings: Settings, card: Card | None) -> Iterator[Check]:
    if not settings.models:
        yield Check("backend", "ok", "transformers: the tiny students need nothing else")
        return
    obstacle = backends.unsloth_obstacle()
    try:
        backend = backends.choose(settings, card)
        known = [model for _, model in _known(settings)]
        mode = backends.vllm_mode(settings, card, known[0] if known else None)
    except StudentError as error:
        yield Check("backend", "stop", str(error))
        return
    wished = card is not None and settings.backend == "auto" and obstacle is not None
    yield Check(
        "backend", "look" if wished else "ok", f"{backend.name}: {backend.why}", obstacle or "" if wished else ""
    )
    if settings.generation != "plain" and (mode or backend.name == "unsloth"):
        other = "vLLM" if mode else "Unsloth"
        remedy = "leave it plain" + ("" if mode else ", or set backend to transformers")
        yield Check(
            "generation", "stop", f"generation is {settings.generation}, but {other} writes in its own way", remedy
        )
        return
    why = backends.vllm_obstacle(settings, card, known[0] if known else None) if settings.vllm == "auto" else None
    yield Check("generation", "ok", f"vLLM, {mode}" if mode else "by the model itself" + (f": {why}" if why else ""))


def _number_type(settings: Settings, card: Card | None) -> Iterator[Check]:
    if not settings.models:
        return
    chosen = backends.precision(settings, card)
    if chosen == "bfloat16" and card is not None and not card.bf16:
        yield Check(
            "number type", "stop", f"bfloat16, which {card.name} cannot compute in", "set dtype to auto or float16"
        )
    elif chosen == "float16" and card is None:
        yield Check("number type", "stop", "float16, which no CPU trains in", "set dtype to auto or float32")
    else:
        yield Check("number type", "ok", chosen)
    if settings.load_in_4bit and (card is None or not _installed("bitsandbytes")):
        lack = "there is no GPU" if card is None else "bitsandbytes is not installed"
        yield Check(
            "4 bits", "stop", f"load_in_4bit is set, but {lack}", "pip install bitsandbytes, or set it to False"
        )
    if settings.load_in_4bit and not settings.lora_rank:
        yield Check("4 bits", "stop", "weights of 4 bits cannot be trained themselves", "set lora_rank to 16 or so")


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _memory(settings: Settings, card: Card | None) -> Iterator[Check]:
    precision = backends.precision(settings, card)
    for name, model in _known(settings):
        item = f"memory for {name}"
        parts = memory.estimate(model, settings, precision)
        if card is None:
            yield Check(item, "ok", f"about {memory.total(parts):.1f} GiB of the machine's own")
            continue
        room = memory.SAFE * card.memory
        if settings.vllm == "colocate" or (
            settings.vllm == "auto" and backends.vllm_mode(settings, card, model) == "colocate"
        ):
            parts["cache"], room = 0.0, room - settings.vllm_memory * card.memory
        need, kept = memory.total(parts), memory.total(parts, reserved=True)
        said = f"about {need:.1f} of {room:.1f} GiB"
        if need <= room:
            remedy = "if it runs out, set PYTORCH_ALLOC_CONF=expandable_segments:True or lower micro_batch"
            more = f"{said}, {kept:.1f} with what the allocator keeps"
            yield Check(item, "ok", more) if kept <= room else Check(item, "look", more, remedy)
            continue
        near = memory.nearest_fit(model, settings, precision, room)
        remedy = (
            "it fits with " + ", ".join(f"{key} = {value}" for key, value in near.items())
            if near
            else "choose a smaller model or a larger card"
        )
        yield Check(item, "stop", said, remedy)


def _model(settings: Settings, card: Card | None) -> Iterator[Check]:
    for name, source in settings.models.items():
        item = f"model of {name}"
        if split_address(source) is not None:
            yield Check(item, "look", f"{source}, which can be measured and not trained", "stages 1 to 3 alone")
            continue
        try:
            model = models.find(source)
        except ValueError as error:
            yield Check(item, "stop", str(error))
            continue
        if memory.sequence(settings) > model.context:
            yield Check(
                item,
                "stop",
                f"{model.source} reads {model.context} tokens, but max_prompt_tokens + max_completion_tokens = "
                f"{memory.sequence(settings)}",
                "lower one of them",
            )
        elif source == "smollm2":
            yield Check(item, "ok", "SmolLM2-135M, from its wheel or the Hub")
        elif Path(source).expanduser().is_dir():
            yield Check(item, "ok", f"the folder {source}")
        else:
            yield _on_hub(item, model)


def _on_hub(item: str, model: models.Model) -> Check:
    """Whether a model can be had: it is in the cache, or the Hub says yes to a request for its smallest file."""
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url, try_to_load_from_cache

    name, revision = models.split_revision(model.source)[0], model.revision
    if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
        return Check(item, "ok", f"{name}, in the cache")
    if model.gated and get_token() is None:
        return Check(
            item,
            "stop",
            f"{name} is gated, and there is no token",
            f"accept its licence on https://huggingface.co/{name}, then `hf auth login` (Colab: the secret HF_TOKEN)",
        )
    return _reach(
        item, name, lambda: get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision), timeout=_PATIENCE)
    )


def _reach(item: str, name: str, ask: Callable[[], object]) -> Check:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Check(
            item, "stop", f"{name} is not in the cache, and HF_HUB_OFFLINE is set", "unset it, or give a folder"
        )
    try:
        ask()
    except Exception as error:  # no network, no such name, no right to it: many kinds, one remedy
        said = " ".join(str(error).split())[:160]
        return Check(
            item,
            "stop",
            f"{name} cannot be had from the Hub ({type(error).__name__}: {said})",
            "check network and name, `hf auth login` if it is gated, or give a local folder or file",
        )
    return Check(item, "ok", f"{name}, on the Hub")


def _disk(settings: Settings, card: Card | None) -> Iterator[Check]:
    known = dict(_known(settings))
    checkpoints = 0.0
    for (
        model
    ) in known.values():  # two are kept while the third is written: what was trained, and the optimizer's moments
        parts = memory.estimate(model, settings, backends.precision(settings, card))
        checkpoints += (
            3 * 2**30 * (parts["optimizer"] + (parts["adapters"] if settings.lora_rank else parts["weights"]))
        )
    downloads = sum(2 * model.parameters for model in known.values() if not Path(model.source).is_dir())
    cache = os.environ.get("HF_HOME", "~/.cache/huggingface")
    for item, place, need in (
        ("disk for the run", reports_folder(settings), checkpoints + 2**28),
        ("disk for models", Path(cache), downloads),
    ):
        if not need:
            continue
        free = shutil.disk_usage(_existing(place)).free
        said = f"{free / 2**30:.0f} GiB free, about {need / 2**30:.1f} GiB wanted"
        if free >= need:
            yield Check(item, "ok", said)
        else:
            remedy = (
                "free some, or set HF_HOME"
                if item.endswith("models")
                else "free some, or name another folder by reports"
            )
            yield Check(item, "stop", said, remedy)


def _existing(place: Path) -> Path:
    place = place.expanduser().absolute()
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _problems(settings: Settings, card: Card | None) -> Iterator[Check]:
    name = settings.problems_data
    if name is None:
        yield Check("problems", "ok", "the toy world, made here")
        return
    if not sources.is_file(name) and not Path(name).is_dir():
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(name, "README.md", repo_type="dataset")
        yield _reach("problems", name, lambda: get_hf_file_metadata(url, timeout=_PATIENCE))
        return
    sizes = {split: getattr(settings, f"{split}_problems") for split in ("train", "probe", "tuning", "heldout")}
    try:
        train = splits.of_data(name, sizes)["train"]
    except ProblemError as error:
        yield Check("problems", "stop", str(error))
        return
    if not settings.models and any(problem.form is not Form.SCAFFOLD for problem in train):
        told = f"{name}: the tiny students can write nothing but one line about the toy world"
        yield Check("problems", "stop", told, "name a model that knows Python, such as -p models m=smollm2")
        return
    long = sum(len(problem.statement) > _CHARACTERS * settings.max_prompt_tokens for problem in train)
    if long == len(train):
        longest = max(len(problem.statement) for problem in train)
        yield Check(
            "problems",
            "stop",
            f"all {long} statements are longer than max_prompt_tokens = {settings.max_prompt_tokens} can hold",
            f"raise it to {longest // 3} or so, or give shorter problems",
        )
    else:
        dropped = splits.usable(name)[1]
        left_out = "".join(f", left out: {count} × {reason}" for reason, count in dropped)
        told = f"{name}: {sum(sizes.values())} problems" + (f", {long} too long" if long else "") + left_out
        remedy = "`python -m tarot_lite import` tells what is wrong, and makes missing tiers" if dropped else ""
        yield Check("problems", "look" if dropped else "ok", told, remedy)


def _sandbox(settings: Settings, card: Card | None) -> Iterator[Check]:
    try:
        with Sandbox(workers=1) as sandbox:
            level = sandbox.report().level
    except SandboxError as error:
        yield Check("sandbox", "stop", str(error))
        return
    weak = level == "rlimits"
    remedy = "run it on Linux with seccomp; here a hostile program reaches your files" if weak else ""
    yield Check("sandbox", "look" if weak else "ok", f"level {level}", remedy)


def _benchmarks(settings: Settings, card: Card | None) -> Iterator[Check]:
    from tarot_lite.benchmarks import BENCHMARKS

    if unknown := [name for name in settings.benchmarks if name not in BENCHMARKS]:
        yield Check("benchmarks", "stop", f"{', '.join(unknown)} is unknown", f"give some of {', '.join(BENCHMARKS)}")


def _keeping(settings: Settings, card: Card | None) -> Iterator[Check]:
    """Whether what the training leaves can be saved and uploaded as asked: hours later is too late to find out."""
    if settings.save_model == "gguf":
        backend = backends.choose(settings, card) if settings.models else backends.Backend("transformers", "it is tiny")
        if backend.name == "unsloth":
            yield Check("saving", "ok", "GGUF, by Unsloth")
        else:
            yield Check(
                "saving",
                "stop",
                f"save_model is gguf, which Unsloth makes, but transformers loads the student ({backend.why})",
                "set backend to unsloth, or save_model to merged and convert that folder with llama.cpp",
            )
    if settings.save_model == "merged" and settings.load_in_4bit:
        yield Check(
            "saving",
            "look",
            "merged weights of a student in 4 bits stay in 4 bits, rounded once more",
            "set save_model to adapters, and merge them into the 16-bit model afterwards",
        )
    names = dict.fromkeys(name for name in (settings.hub_checkpoints, settings.hub_model) if name is not None)
    if names:
        yield _may_upload(", ".join(names))


def _may_upload(names: str) -> Check:
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        return Check(
            "upload", "stop", f"{names}: there is no token", "`hf auth login` with one that may write (Colab: HF_TOKEN)"
        )
    found: list[str] = []

    def ask() -> None:
        found.append(HfApi().whoami()["auth"]["accessToken"]["role"])

    reached = _reach("upload", names, ask)
    if reached.state == "ok" and found == ["read"]:
        return Check("upload", "stop", f"{names}: the token may only read", "`hf auth login` with one that may write")
    return reached
