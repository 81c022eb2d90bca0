"""The tiny student: a Llama of 0.7 million parameters with its own tokenizer, warmed up from scratch.

It learns noisy solutions of a miniature world (`tarot_lite.worlds`).  Students of different capability are
checkpoints of **one** seeded warm-up, so they differ in how long they learnt and in nothing else.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tarot_lite import exact, origins, runs, worlds
from tarot_lite.settings import Settings
from tarot_lite.students.cards import damage
from tarot_lite.students.student import Student, load, seeded
from tarot_lite.students.writer import StudentError


@dataclass(frozen=True, slots=True)
class Recipe:
    """Architecture and warm-up of the tiny student.  Part of the cache key.

    Parameters
    ----------
    hidden, layers, heads, feedforward, context, vocabulary
        Shape of the Llama, in numbers of units, layers, heads, units, positions and tokens.
    batch
        Solutions per warm-up step.
    learning_rate, ramp
        Adam's rate after a linear ramp of so many steps; constant, so that a longer warm-up goes through a shorter.
    """

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    feedforward: int = 352
    context: int = 128
    vocabulary: int = 448
    batch: int = 64
    learning_rate: float = 2e-3
    ramp: int = 20


def tiny(name: str, settings: Settings, folder: str | Path, recipe: Recipe | None = None) -> Student:
    """Make a tiny student of the run's world, or take it from the cache."""
    exact.hold(settings.threads, pretrained=bool(settings.models))
    recipe = recipe or Recipe()
    folder = Path(folder)
    if name not in settings.students:
        raise StudentError(f"student {name!r} is unknown; parameter students has {', '.join(settings.students)}")
    places = {other: folder / f"{other}-{_key(steps, settings, recipe)}" for other, steps in settings.students.items()}
    for place in places.values():
        if place.exists() and (broken := damage(place)):
            warnings.warn(f"{place}: {', '.join(broken)} is damaged; it is made again", stacklevel=2)
            shutil.rmtree(place)
    missing = {other: settings.students[other] for other, place in places.items() if not place.exists()}
    if missing:
        for other, student in _warm_up(missing, settings, recipe):
            student.save(places[other])
    return load(places[name])


def _key(steps: int, settings: Settings, recipe: Recipe) -> str:
    world = worlds.get(settings.world)
    taught = [world.corpus(8, settings.seed, settings.warmup_problems), list(world.RIGHT.items())]
    made_by = [origins.module_hash("students.warmup"), origins.versions()]
    return origins.fingerprint(steps, settings.seed, settings.warmup_problems, asdict(recipe), taught, made_by)


def _warm_up(steps: dict[str, int], settings: Settings, recipe: Recipe) -> Iterator[tuple[str, Student]]:
    """Supervised learning of noisy solutions; yields each student when its step is reached (the same model, going on)."""
    total = max(steps.values())
    world = worlds.get(settings.world)
    pairs = world.corpus(max(total, 1) * recipe.batch, settings.seed, settings.warmup_problems)
    tokenizer = bpe_tokenizer(recipe, world)
    with seeded(settings.seed):
        model = _model(recipe, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
    with runs.progress(total=total, desc="warm-up of the students") as bar:
        for step in range(total + 1):
            for name in [name for name, last in steps.items() if last == step]:
                yield name, Student(name, model, tokenizer)
            if step == total:
                return
            model.train()
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * min(1.0, (step + 1) / recipe.ramp)
            loss = model(**_batch(tokenizer, pairs[step * recipe.batch : (step + 1) * recipe.batch])).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            bar.update(1)


def _batch(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """Right-padded tokens; only the body and its end mark are learnt, not the prompt."""
    rows = []
    for prompt, body in pairs:
        question = tokenizer(prompt)["input_ids"]
        answer = [*tokenizer(body)["input_ids"], tokenizer.eos_token_id]
        rows.append((question + answer, [-100] * len(question) + answer))
    width = max(len(tokens) for tokens, _ in rows)
    padded = [
        (tokens + [tokenizer.pad_token_id] * (width - len(tokens)), labels + [-100] * (width - len(labels)))
        for tokens, labels in rows
    ]
    tokens, labels = (torch.tensor(column) for column in zip(*padded, strict=True))  # both (batch, width)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in rows])
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def _model(recipe: Recipe, tokenizer: Any) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.feedforward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def bpe_tokenizer(recipe: Recipe, world: worlds.World) -> PreTrainedTokenizerFast:
    """Byte-level BPE of a world's lines.  Numbers and list items stay tokens of their own, so that a part of the
    answer can be wrong by one token; any other text still has an encoding."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"-?\d+|[\n,]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator((prompt + body for prompt, body in world.corpus(2000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        eos_token="<end>",
        padding_side="left",
        model_max_length=recipe.context,
        model_input_names=["input_ids", "attention_mask"],
    )
