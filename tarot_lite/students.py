"""Students: the models that are measured and trained.

The CPU profiles make their own: a Llama of 0.7 million parameters with its own tokenizer, warmed up from scratch
on noisy solutions of the toy world (`tarot_lite.toyworld.corpus`).  Students of different capability are checkpoints
of **one** seeded warm-up, so they differ in how long they learnt and in nothing else.

`load` takes a folder that `Student.save` or ``transformers`` wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from tarot_lite import runs, toyworld
from tarot_lite.problems import Form, Problem
from tarot_lite.rewards import extract_code
from tarot_lite.settings import Settings

__all__ = ["Completion", "Recipe", "Student", "StudentError", "load", "tiny"]

disable_progress_bar()  # a bar for every save and load of a model this small is noise in a notebook

_CARD = "student.json"  # written last into a student's folder; holds the checksums of the other files
_WEIGHTS = "model.safetensors"


class StudentError(RuntimeError):
    """A student that cannot be made, loaded or asked; the message names the place and the remedy."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote after a prompt.

    Parameters
    ----------
    text
        Without special tokens.
    tokens
        How many were generated, the end mark included.
    truncated
        True if it hit ``max_new_tokens`` without an end mark.
    """

    text: str
    tokens: int
    truncated: bool


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


class Student:
    """A causal language model with a way to ask it and to read its answer.

    Parameters
    ----------
    name
        For tables and folders.
    model, tokenizer
        As of ``transformers``.
    style
        ``"line"`` -- the prompt is the toy world's line, the answer the line that follows; ``"chat"`` -- the problem
        in the tokenizer's chat template, the answer the last Python fence.

    Raises
    ------
    StudentError
        If the style is ``"chat"`` and the tokenizer has no chat template, or the tokenizer has neither pad nor end mark.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, style: str = "line") -> None:
        if style not in ("line", "chat"):
            raise StudentError(f"student {name!r}: style is {style!r}; give 'line' or 'chat'")
        if style == "chat" and not getattr(tokenizer, "chat_template", None):
            raise StudentError(
                f"student {name!r}: its tokenizer has no chat template; take an instruction-tuned model or style='line'"
            )
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise StudentError(f"student {name!r}: its tokenizer has neither a pad nor an end token; set pad_token")
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.style = style

    def __repr__(self) -> str:
        return f"Student({self.name!r}, {self.parameters / 1e6:.2f} M parameters)"

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def context(self) -> int:
        """Longest prompt and completion together, in tokens."""
        return int(self.model.config.max_position_embeddings)

    def prompt(self, problem: Problem) -> str:
        """The text that the model continues."""
        if self.style == "line":
            return toyworld.prompt(problem)
        ask = problem.statement + "\n\n" + _ASK[problem.form]
        chat = [{"role": "user", "content": ask}]
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    def code(self, problem: Problem, completion: str) -> str | None:
        """The candidate's code in a completion, in the problem's form; None if there is none."""
        if self.style == "chat":
            return extract_code(completion)
        return completion.partition("\n")[0].strip() or None

    def generate(
        self,
        prompts: Sequence[str],
        samples: int = 1,
        temperature: float = 1.0,
        max_new_tokens: int = 40,
        seed: int = 0,
        batch: int = 256,
        progress: bool = False,
    ) -> list[list[Completion]]:
        """Sample completions.

        Parameters
        ----------
        prompts
            Texts, as `prompt` makes them.
        samples
            Completions per prompt, at least 1.
        temperature
            Above 0; 0 itself takes the likeliest token each time.
        max_new_tokens
            Longest completion.
        seed
            On a CPU the same seed gives the same completions; the global random state is left as it was.
        batch
            Completions generated at a time.
        progress
            Show a bar.

        Returns
        -------
        list of list of Completion
            In the order of `prompts`, `samples` each.

        Raises
        ------
        StudentError
            If a prompt leaves no room for `max_new_tokens` in the model's context; nothing is sampled then.
        """
        if samples < 1 or max_new_tokens < 1 or temperature < 0:
            raise StudentError(
                f"generate: samples {samples}, max_new_tokens {max_new_tokens}, temperature {temperature}; "
                "give at least 1, 1 and 0"
            )
        self._check_room(prompts, max_new_tokens)
        rows = [prompt for prompt in prompts for _ in range(samples)]
        found: list[Completion] = []
        starts = range(0, len(rows), batch)
        with _seeded(seed):
            for start in runs.progress(starts, f"{self.name} writes") if progress else starts:
                found += self._generate(rows[start : start + batch], temperature, max_new_tokens)
        return [found[i : i + samples] for i in range(0, len(found), samples)]

    def save(self, folder: str | Path) -> Path:
        """Write weights, tokenizer and a card with checksums to `folder`, all or nothing; returns it."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _built_aside(folder) as aside:
            self.model.save_pretrained(aside)
            self.tokenizer.save_pretrained(aside)
            files = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
            card = {"name": self.name, "style": self.style, "files": files}
            (aside / _CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
        return folder

    def _generate(self, prompts: list[str], temperature: float, max_new_tokens: int) -> list[Completion]:
        encoded = self.tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=self.style != "chat")
        encoded = {key: encoded[key].to(self.model.device) for key in ("input_ids", "attention_mask")}
        sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            output = self.model.generate(
                **encoded,
                **sampling,
                top_k=0,
                top_p=1.0,
                max_new_tokens=max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        self.model.train(was_training)
        new = output[:, encoded["input_ids"].shape[1] :].tolist()  # (prompts, at most max_new_tokens)
        ends = self.model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        completions = []
        for tokens in new:
            length = next((i + 1 for i, token in enumerate(tokens) if token in ends), None)
            text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
            completions.append(Completion(text, length or len(tokens), length is None))
        return completions

    def _check_room(self, prompts: Sequence[str], max_new_tokens: int) -> None:
        lengths = [len(ids) for ids in self.tokenizer(list(prompts))["input_ids"]] if prompts else [0]
        if max(lengths) + max_new_tokens > self.context:
            raise StudentError(
                f"student {self.name!r}: the longest of {len(prompts)} prompts has {max(lengths)} tokens; with "
                f"{max_new_tokens} new ones it exceeds the model's context of {self.context}; shorten the problem or "
                "lower max_completion_tokens"
            )


_ASK = {
    Form.STDIN_STDOUT: "Write a Python program that reads standard input and prints the answer, in a ```python fence.",
    Form.FUNCTION: "Complete the Python function and give it whole, in a ```python fence.",
    Form.SCAFFOLD: "Write the body of the Python function solve(xs), where xs is a list of int, in a ```python fence.",
}


def load(folder: str | Path) -> Student:
    """Load a student from a folder.

    Raises
    ------
    StudentError
        If the folder is missing or holds no model, or a file is not what was saved.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise StudentError(f"{folder}: no model there (config.json is missing); give a folder that Student.save wrote")
    card = _card(folder)
    if card and (broken := _broken(folder, card)):
        raise StudentError(
            f"{folder}: {', '.join(broken)} changed since it was saved; delete the folder and make it anew"
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    style = "chat" if tokenizer.chat_template else "line"
    return Student(card.get("name", folder.name), model, tokenizer, card.get("style", style))


def tiny(name: str, settings: Settings, folder: str | Path, recipe: Recipe | None = None) -> Student:
    """Make a tiny student of the toy world, or take it from the cache.

    Parameters
    ----------
    name
        Key of ``settings.students``, which gives its warm-up steps.
    settings
        Uses ``students``, ``seed``, ``warmup_problems`` and ``threads``.
    folder
        The cache.  One warm-up writes all of ``settings.students`` that are not there yet.
    recipe
        Architecture and warm-up; None takes the default.

    Raises
    ------
    StudentError
        If ``settings.students`` has no such name.
    """
    recipe = recipe or Recipe()
    folder = Path(folder)
    if name not in settings.students:
        raise StudentError(f"student {name!r} is unknown; parameter students has {', '.join(settings.students)}")
    places = {other: folder / f"{other}-{_key(steps, settings, recipe)}" for other, steps in settings.students.items()}
    for place in places.values():
        if place.exists() and (broken := _broken(place, _card(place))):
            warnings.warn(f"{place}: {', '.join(broken)} is damaged; it is made again", stacklevel=2)
            shutil.rmtree(place)
    missing = {other: settings.students[other] for other, place in places.items() if not place.exists()}
    if missing:
        for other, student in _warm_up(missing, settings, recipe):
            student.save(places[other])
    return load(places[name])


def _key(steps: int, settings: Settings, recipe: Recipe) -> str:
    world = [toyworld.corpus(8, settings.seed, settings.warmup_problems), list(toyworld.RIGHT.items())]
    text = json.dumps([steps, settings.seed, settings.warmup_problems, asdict(recipe), world])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _warm_up(steps: dict[str, int], settings: Settings, recipe: Recipe) -> Iterator[tuple[str, Student]]:
    """Supervised learning of noisy solutions; yields each student when its step is reached (the same model, going on)."""
    torch.set_num_threads(settings.threads)
    total = max(steps.values())
    pairs = toyworld.corpus(max(total, 1) * recipe.batch, settings.seed, settings.warmup_problems)
    tokenizer = _tokenizer(recipe)
    with _seeded(settings.seed):
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


def _tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """Byte-level BPE of the toy world's lines.  Numbers and list items stay tokens of their own, so that a part of the
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
    bpe.train_from_iterator((prompt + body for prompt, body in toyworld.corpus(2000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<pad>",
        eos_token="<end>",
        padding_side="left",
        model_max_length=recipe.context,
        model_input_names=["input_ids", "attention_mask"],
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch from `seed` inside, as before outside."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _built_aside(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block ends well."""
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield aside
        aside.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        try:
            os.rename(aside, folder)
        except OSError:  # somebody else made the same student meanwhile
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _card(folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return card


def _broken(folder: Path, card: dict[str, Any]) -> list[str]:
    """Names of files that are not what the card says."""
    if not card:
        return [_CARD]
    return [
        name
        for name, digest in card["files"].items()
        if not (folder / name).is_file() or _sha256(folder / name) != digest
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
