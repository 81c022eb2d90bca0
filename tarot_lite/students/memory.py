"""How much memory a training takes: an estimate per part, from the model's shape and the settings, before anything is loaded.

Rounded in the safe direction.  The parts and their formulas:

* weights: 2 bytes each, 4 in float32; with 4 bits the layers' matrices take 4.5 bits each (values and their scales), and
  the embeddings stay at 2 bytes;
* adapters: rank × (inputs + outputs) of every adapted matrix, in float32; gradients as large; Adam's two moments twice that;
  without LoRA, gradients and moments are those of all weights;
* reference: with ``beta`` > 0 a second copy of the weights, unless there are adapters that can be switched off;
* activations: with checkpointing one hidden state per layer and token, and one layer's inside; without, all layers' inside;
* logits: vocabulary × tokens of a micro-batch, in the computing type and once in float32;
* cache: keys and values of the completions that are generated together;
* overhead: CUDA's context and kernels.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tarot_lite.students.models import Model

if TYPE_CHECKING:
    from tarot_lite.settings import Settings

PARTS = ("weights", "adapters", "gradients", "optimizer", "reference", "activations", "logits", "cache", "overhead")
"""What memory goes to, in the order of the table."""

SAFE = 0.92
"""Share of a card that an estimate may reach: the rest is fragmentation, and what else uses the card."""

_GIB = 2**30
_LAYER_INSIDE = 34  # bytes per token and hidden unit inside a layer at 16 bits, attention without its score matrix
_KEPT = 0.4  # of activations and logits
_OVERHEAD = 1.2  # GiB


def adapter_parameters(model: Model, rank: int, targets: list[str]) -> int:
    """Weights of the LoRA adapters.

    Examples
    --------
    >>> from tarot_lite.students.models import find
    >>> adapter_parameters(find("smollm2"), 8, ["q_proj", "v_proj"])
    460800
    """
    shapes = [model.projections[name] for name in targets if name in model.projections]
    return model.layers * rank * sum(inputs + outputs for inputs, outputs in shapes)


def estimate(model: Model, settings: Settings, precision: str) -> dict[str, float]:
    """Memory of one training by part, in GiB.

    Parameters
    ----------
    model
        Which.
    settings
        Uses ``load_in_4bit``, ``lora_rank``, ``lora_targets``, ``gradient_checkpointing``, ``beta``, ``generations``,
        ``prompts_per_step``, ``generation_batch``, ``micro_batch``, ``max_prompt_tokens`` and ``max_completion_tokens``.
    precision
        Number type that it computes in, as `backends.precision` says.

    Returns
    -------
    dict of str to float
        A value for each of `PARTS`.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> from tarot_lite.students.models import find
    >>> parts = estimate(find("Qwen/Qwen2.5-7B-Instruct"), Settings(lora_rank=16, load_in_4bit=True), "bfloat16")
    >>> list(parts) == list(PARTS), 5 < parts["weights"] < 6.5, parts["reference"]
    (True, True, 0.0)
    """
    width = 4 if precision == "float32" or (precision == "float16" and not settings.lora_rank) else 2
    compute = 4 if precision == "float32" else 2
    matrices, others = model.layer_parameters, model.parameters - model.layer_parameters
    weights = matrices * (4.5 / 8 if settings.load_in_4bit else width) + others * width
    adapters = adapter_parameters(model, settings.lora_rank, settings.lora_targets) if settings.lora_rank else 0
    trained, trained_width = (adapters, 4) if settings.lora_rank else (model.parameters, width)
    tokens = micro_batch(settings) * sequence(settings)
    inside = tokens * model.hidden * _LAYER_INSIDE * compute / 2
    outside = model.layers * tokens * model.hidden * compute
    parts = {
        "weights": weights,
        "adapters": 4 * adapters,
        "gradients": trained * trained_width,
        "optimizer": 2 * trained * trained_width,
        "reference": weights if settings.beta > 0 and not settings.lora_rank else 0,
        "activations": outside + inside if settings.gradient_checkpointing else model.layers * inside,
        "logits": micro_batch(settings) * settings.max_completion_tokens * model.vocabulary * (compute + 4),
        "cache": completions_at_a_time(settings) * cache_per_completion(model, settings, compute),
    }
    return {**{name: size / _GIB for name, size in parts.items()}, "overhead": _OVERHEAD}


def total(parts: dict[str, float], reserved: bool = False) -> float:
    """Peak of a training step in GiB: cache and activations are never there together, the larger counts.

    With `reserved` also what the allocator keeps, and gives up when a card is full: the smaller of the two, since their blocks
    have other sizes, and a share of the step's own.  An H100 reserved 8.0 GiB for ``colab-t4``, where 6.1 were allocated.
    """
    step = parts["activations"] + parts["logits"]
    return sum(parts.values()) + (_KEPT * step if reserved else -min(step, parts["cache"]))


def sequence(settings: Settings) -> int:
    """Longest prompt and completion together, in tokens."""
    return settings.max_prompt_tokens + settings.max_completion_tokens


def micro_batch(settings: Settings) -> int:
    """Completions in one forward and backward pass."""
    together = completions_at_a_time(settings)
    return min(settings.micro_batch or together, together)


def completions_at_a_time(settings: Settings) -> int:
    """Completions that are generated together: ``generation_batch``, or all of an optimizer step."""
    return settings.generation_batch or settings.prompts_per_step * settings.generations


def cache_per_completion(model: Model, settings: Settings, width: int = 2) -> float:
    """Bytes of keys and values of one completion at its longest."""
    return 2.0 * model.layers * model.kv_heads * model.head_size * width * sequence(settings)


def least_for_vllm(model: Model, settings: Settings) -> float:
    """What vLLM must have to generate at all, in GiB: weights in 16 bits, keys and values of one group, and its own overhead."""
    return (2 * model.parameters + settings.generations * cache_per_completion(model, settings)) / _GIB + _OVERHEAD


def beside_vllm(model: Model, settings: Settings, precision: str, memory: float) -> tuple[float, float]:
    """What a training takes whose completions vLLM generates on the same card, and what it may take, both in GiB.

    Keys and values are in vLLM's share then.
    """
    parts = estimate(model, settings, precision)
    return total(parts | {"cache": 0.0}), SAFE * memory - settings.vllm_memory * memory


def generation_batch(model: Model, settings: Settings, memory: float) -> int:
    """Completions to generate at a time when measuring: a quarter of the card for their keys and values; 1 to 256.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> from tarot_lite.students.models import find
    >>> long = Settings(max_prompt_tokens=1024, max_completion_tokens=3072)
    >>> generation_batch(find("Qwen/Qwen2.5-7B-Instruct"), long, 24.0)
    27
    """
    return int(max(1, min(256, memory * _GIB / 4 // cache_per_completion(model, settings))))


def nearest_fit(model: Model, settings: Settings, precision: str, room: float) -> dict[str, Any] | None:
    """The fewest changes of settings that make a training fit.

    Examples
    --------
    >>> from tarot_lite.settings import Settings
    >>> from tarot_lite.students.models import find
    >>> qwen = find("Qwen/Qwen2.5-1.5B-Instruct")
    >>> wide = Settings(lora_rank=16, prompts_per_step=4, generations=8, max_completion_tokens=512)
    >>> nearest_fit(qwen, wide, "float16", 15.0)
    {'micro_batch': 4}
    """
    count = completions_at_a_time(settings)
    smaller = [n for n in range(micro_batch(settings) - 1, 0, -1) if count % n == 0]
    choices: dict[str, list[Any]] = {
        "gradient_checkpointing": [] if settings.gradient_checkpointing else [True],
        "micro_batch": smaller,
        "lora_rank": [] if settings.lora_rank else [16],
        "load_in_4bit": [] if settings.load_in_4bit else [True],
        "prompts_per_step": [n for n in (4, 2, 1) if n < settings.prompts_per_step],
        "max_completion_tokens": [n for n in (2048, 1024, 512, 256) if n < settings.max_completion_tokens],
    }
    for changes in range(1, len(choices) + 1):
        for names in itertools.combinations(choices, changes):
            for values in itertools.product(*(choices[name] for name in names)):
                try:
                    changed = replace(settings, **dict(zip(names, values, strict=True)))
                except ValueError:  # a micro-batch that does not divide the smaller step
                    continue
                if changed.load_in_4bit and not changed.lora_rank:
                    continue  # weights of 4 bits cannot be trained themselves
                if total(estimate(model, changed, precision)) <= room:
                    return dict(zip(names, values, strict=True))
    return None
