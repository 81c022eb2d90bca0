"""Pretrained students, with LoRA adapters: through Unsloth where it is to be used, through transformers and PEFT elsewhere.

Both ways give a `Student` whose model TRL trains: weights in 4 or 16 bits, adapters in 32, gradient checkpointing as asked,
the number type that the card is good at.  What was chosen is in `Student.origin`, for the manifest.

The setting ``vllm`` is about the completions of a training.  A probe or benchmark is written by the model itself, with
Unsloth's kernels where Unsloth loaded it; to measure a large model by vLLM, serve it and give the server's address
(`tarot_lite.students.endpoint`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import machine
from tarot_lite.machine import Card
from tarot_lite.students import backends, memory, models
from tarot_lite.students.writer import StudentError

if TYPE_CHECKING:
    from tarot_lite.settings import Settings
    from tarot_lite.students.student import Student


def load(name: str, source: str, settings: Settings) -> Student:
    """Load a pretrained model and put LoRA adapters on it.

    Parameters
    ----------
    name
        Of the student.
    source
        Hub id of `models.MODELS`, ``@commit`` may follow, or a folder that ``transformers`` wrote.
    settings
        Uses ``backend``, ``dtype``, ``load_in_4bit``, ``lora_rank`` (0: no adapters, all weights are trained),
        ``lora_alpha``, ``lora_dropout``, ``lora_targets``, ``gradient_checkpointing``, ``vllm``, ``vllm_memory``,
        ``max_prompt_tokens``, ``max_completion_tokens`` and ``seed``.

    Raises
    ------
    StudentError
        If the model is unknown or cannot be loaded, or something that the settings ask for is not installed.
    """
    backend = backends.enter(settings)  # first: Unsloth comes before transformers and TRL
    try:
        facts = models.find(source)
    except ValueError as error:
        raise StudentError(str(error)) from None
    found = machine.card()
    loaded = _with_unsloth if backend.name == "unsloth" else _with_transformers
    try:
        model, tokenizer = loaded(source, facts, settings, found)
    except (
        OSError,
        ImportError,
        ValueError,
    ) as error:  # what transformers raises for a missing, gated or damaged model
        raise StudentError(
            f"student {name!r}: {source} cannot be loaded ({type(error).__name__}: {error!s:.300}); check name and network, "
            "log in with `hf auth login` if it is gated, or give the folder of a downloaded model"
        ) from error
    from tarot_lite.students.student import Student

    student = Student(name, model, tokenizer, "chat" if tokenizer.chat_template else "line", facts=facts)
    if found is not None:
        student.batch = memory.generation_batch(facts, settings, found.memory)
    student.origin = {
        "source": source,
        "commit": getattr(model.config, "_commit_hash", None),
        "backend": backend.name,
        "why": backend.why,
        "dtype": backends.precision(settings, found),
        "load_in_4bit": settings.load_in_4bit,
        "lora_rank": settings.lora_rank,
        "trainable": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "vllm": backends.vllm_mode(settings, found, facts),
    }
    return student


def adapt(model: Any, settings: Settings) -> Any:
    """Put LoRA adapters on a model of ``transformers``, by PEFT; without a rank, give it back as it is."""
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if not settings.lora_rank:
        return model
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if settings.load_in_4bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=settings.gradient_checkpointing)
    elif settings.gradient_checkpointing:
        model.enable_input_require_grads()  # else nothing before the first adapter has a gradient to checkpoint
    config = LoraConfig(**_lora(settings), task_type="CAUSAL_LM")
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise StudentError(
            f"parameter lora_targets is {settings.lora_targets!r}: {error!s:.200}; give names of the model's linear layers"
        ) from error


def _lora(settings: Settings) -> dict[str, Any]:
    return {
        "r": settings.lora_rank,
        "lora_alpha": settings.lora_alpha,
        "lora_dropout": settings.lora_dropout,
        "target_modules": settings.lora_targets,
        "bias": "none",
    }


def _with_unsloth(source: str, facts: models.Model, settings: Settings, found: Card | None) -> tuple[Any, Any]:
    import torch
    from unsloth import FastLanguageModel

    fast = backends.vllm_mode(settings, found, facts) == "colocate"
    name, revision = models.split_revision(source)
    options: dict[str, Any] = {"fast_inference": True, "gpu_memory_utilization": settings.vllm_memory} if fast else {}
    if not settings.lora_rank:
        options["full_finetuning"] = True
    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=name,
        revision=revision or facts.revision,
        max_seq_length=settings.max_prompt_tokens + settings.max_completion_tokens,
        dtype=getattr(torch, backends.precision(settings, found)),
        load_in_4bit=settings.load_in_4bit,
        use_gradient_checkpointing="unsloth" if settings.gradient_checkpointing else False,
        max_lora_rank=max(settings.lora_rank, 8),
        random_state=settings.seed,
        **options,
    )
    if settings.lora_rank:
        model = FastLanguageModel.get_peft_model(
            model,
            **_lora(settings),
            use_gradient_checkpointing="unsloth" if settings.gradient_checkpointing else False,
            random_state=settings.seed,
        )
    return model, tokenizer


def _with_transformers(source: str, facts: models.Model, settings: Settings, found: Card | None) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tarot_lite.students.student import seeded

    name, revision = models.split_revision(source)
    place: Mapping[str, Any] = {"local_files_only": True} if Path(name).is_dir() else {"revision": revision}
    precision = backends.precision(settings, found)
    if precision == "float16" and not settings.lora_rank:
        precision = "float32"  # float16 gradients need weights of 32 bits: the trainer's mixed precision does the rest
    options: dict[str, Any] = {"dtype": getattr(torch, precision)}
    if attention := models.FAMILIES[facts.family].attention:
        options["attn_implementation"] = attention
    if settings.load_in_4bit:
        options["quantization_config"] = _four_bits(options["dtype"])
    if found is not None:
        options["device_map"] = {"": torch.cuda.current_device()}
    model = AutoModelForCausalLM.from_pretrained(name, **place, **options)
    tokenizer = AutoTokenizer.from_pretrained(name, **place)
    with seeded(settings.seed):  # adapters begin at random
        return adapt(model, settings), tokenizer


def _four_bits(dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise StudentError(
            "parameter load_in_4bit is True, but bitsandbytes is not installed; pip install bitsandbytes, or set it to False"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
