"""How a model of ours writes, in training, probing and benchmarks alike: the parameter ``generation``.

``plain`` -- ``generate`` of transformers, except that a beginning which all prompts share is computed once;
``static`` -- a cache of fixed size, so that on a GPU transformers compiles the decoding into CUDA graphs;
``continuous`` -- ``generate_batch`` of transformers: a paged cache, and completions that ended make room for others.

``benchmarks/generation.py`` measures them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, DynamicCache, GenerationConfig

_BLOCK = 32  # tokens of a page
_AT_ONCE = 1024  # tokens read in a pass: their mask is as wide as the whole cache
_LONG = 64  # tokens from which a shared beginning is worth a pass of its own


def plain(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    generate: Callable[..., torch.Tensor] | None = None,
    **options: Any,
) -> torch.Tensor:
    """Prompts, padded on the left, and what the model writes behind them; takes what ``model.generate`` takes, or `generate`.

    The worked examples of a few-shot prompt are most of it, and the same for all: they are computed once.
    """
    generate = generate or model.generate
    rows = [row[kept].tolist() for row, kept in zip(input_ids, attention_mask.bool(), strict=True)]
    shared = _shared(rows)
    if not shared or hasattr(model, "for_inference"):  # Unsloth keeps keys and values in a form of its own
        return generate(input_ids=input_ids, attention_mask=attention_mask, **options)
    width = input_ids.shape[1]
    gaps = [width - len(row) for row in rows]  # padding behind what is shared, not before it
    ids = [row[:shared] + [0] * gap + row[shared:] for row, gap in zip(rows, gaps, strict=True)]
    mask = [[1] * shared + [0] * gap + [1] * (width - shared - gap) for gap in gaps]
    tokens, attention = (torch.tensor(table, device=input_ids.device) for table in (ids, mask))  # (prompts, width)
    cache = DynamicCache(config=model.config)
    model(tokens[:1, :shared], past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.batch_repeat_interleave(len(rows))
    return generate(input_ids=tokens, attention_mask=attention, past_key_values=cache, **options)


def continuous(model: Any, rows: Sequence[list[int]], **options: Any) -> list[list[int]]:
    """What the model writes behind each row of tokens, its end mark included."""
    given = GenerationConfig(eos_token_id=model.generation_config.eos_token_id, **options)
    room = ContinuousBatchingConfig(**paged(len(rows), max(map(len, rows)) + options["max_new_tokens"]))
    found = model.generate_batch(
        list(rows), generation_config=given, continuous_batching_config=room, progress_bar=False
    )
    by_number = sorted(found.values(), key=lambda result: int(str(result.request_id).rsplit("_", 1)[-1]))
    return [list(result.generated_tokens) for result in by_number]


def paged(completions: int, tokens: int, share: float = 0.3) -> dict[str, Any]:
    """Size of the paged cache: a `share` of a GPU's free memory; on a CPU what so many completions of so many tokens take."""
    if torch.cuda.is_available():
        return {"max_memory_percent": share}
    blocks = completions * -(-tokens // _BLOCK) + 1
    return {"block_size": _BLOCK, "num_blocks": blocks, "max_batch_tokens": min(completions * tokens, _AT_ONCE)}


def _shared(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with, the last of a row never counted; 0 if they are few."""
    shortest = min(map(len, rows)) - 1
    same = next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)
    return same if same >= _LONG else 0
