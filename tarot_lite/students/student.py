"""A student: a causal language model with a way to ask it and to read its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from tarot_lite import runs
from tarot_lite.problems import Problem
from tarot_lite.students import generation, prompting
from tarot_lite.students.cards import damage, new_folder, read_card
from tarot_lite.students.models import Model, from_config
from tarot_lite.students.writer import Completion, StudentError

disable_progress_bar()  # a bar for every save and load of a model is noise in a notebook


class Student:
    """A causal language model with a way to ask it and to read its answer.

    Parameters
    ----------
    name
        For tables and folders.
    model, tokenizer
        As of ``transformers``.
    style
        How it is asked, one of `tarot_lite.students.prompting.STYLES`: ``"line"``, ``"chat"`` (in the tokenizer's chat
        template) or ``"fewshot"``.
    facts
        What is known of the model: in the style ``"chat"`` its system prompt, roles and tags are used; None: the problem
        alone is sent.

    Raises
    ------
    StudentError
        If the style is ``"chat"`` and the tokenizer has no chat template, or the tokenizer has neither pad nor end mark.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, style: str = "line", facts: Model | None = None) -> None:
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise StudentError(f"student {name!r}: its tokenizer has neither a pad nor an end token; set pad_token")
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.style = self._checked(style)
        self.facts = facts
        self.batch = 256
        """Completions generated at a time, unless a call says otherwise."""
        self.generation = "plain"
        """How it writes: the parameter of that name."""
        self.origin: dict[str, Any] = {}
        """How a pretrained student was loaded, for the manifest."""

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

    @property
    def tags(self) -> tuple[str, str]:
        """Names of the tags that a well-formed chat answer puts around reasoning and program."""
        return self.facts.tags if self.facts is not None else ("think", "answer")

    def prompt(self, problem: Problem) -> str:
        """The text that the model continues."""
        text = prompting.ask(problem, self.style, end=self.tokenizer.eos_token or "")
        if self.style != "chat":
            return text
        chat = self.facts.messages(text) if self.facts is not None else [{"role": "user", "content": text}]
        rendered = str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        begin = self.tokenizer.bos_token_id
        if begin is not None and self.tokenizer("")["input_ids"][:1] == [begin]:
            return rendered.removeprefix(
                self.tokenizer.bos_token
            )  # Gemma's template writes what its tokenizer adds again
        return rendered

    def code(self, problem: Problem, completion: str) -> str | None:
        """The candidate's code in a completion, in the problem's form; None if there is none."""
        return prompting.read(problem, completion, self.style, self.tags[1])

    def asked(self, style: str) -> Student:
        """The same model (not a copy of it), asked in another style.

        Raises
        ------
        StudentError
            If the style is unknown, or needs a chat template that the tokenizer lacks.
        """
        other = copy(self)
        other.style = self._checked(style)
        return other

    def generate(
        self,
        prompts: Sequence[str],
        samples: int = 1,
        temperature: float = 1.0,
        max_new_tokens: int = 40,
        seed: int = 0,
        batch: int | None = None,
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
            Completions generated at a time; None: `self.batch`.
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
        batch = batch or self.batch
        starts = range(0, len(rows), batch)
        with seeded(seed):
            for start in runs.progress(starts, f"{self.name} writes") if progress else starts:
                found += self._generate(rows[start : start + batch], temperature, max_new_tokens)
        return [found[i : i + samples] for i in range(0, len(found), samples)]

    def save(self, folder: str | Path, **card: str) -> Path:
        """Write weights, tokenizer and a card with checksums to `folder`, all or nothing; returns it.

        `card` are more words for the card, such as where the weights are from.
        """
        with new_folder(Path(folder), {"name": self.name, "style": self.style, **card}) as aside:
            self.model.save_pretrained(aside)
            self.tokenizer.save_pretrained(aside)
        return Path(folder)

    def _generate(self, prompts: list[str], temperature: float, max_new_tokens: int) -> list[Completion]:
        rows = self.tokenizer(prompts)["input_ids"]  # as TRL does, so that both read the same
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "pad_token_id": self.tokenizer.pad_token_id}
        if temperature > 0:
            options |= {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        else:  # what is for sampling alone would be warned of, in the model's own settings as well
            options |= {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
        with _inference(self.model):
            if self.generation == "continuous":
                new = generation.continuous(self.model, rows, **options)
            else:
                padded = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self.model.device)
                if self.generation == "static":
                    output = self.model.generate(**padded, cache_implementation="static", **options)
                else:
                    output = generation.plain(self.model, **padded, **options)
                new = output[:, padded["input_ids"].shape[1] :].tolist()  # (prompts, at most max_new_tokens)
        ends = self.model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        completions = []
        for row in new:
            length = next((i + 1 for i, token in enumerate(row) if token in ends), None)
            text = self.tokenizer.decode(row[:length], skip_special_tokens=True)
            completions.append(Completion(text, length or len(row), length is None))
        return completions

    @property
    def can_chat(self) -> bool:
        """Whether its tokenizer has a chat template; a base model's has none."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    def _checked(self, style: str) -> str:
        if style not in prompting.STYLES:
            raise StudentError(f"student {self.name!r}: style is {style!r}; give one of {', '.join(prompting.STYLES)}")
        if style == "chat" and not self.can_chat:
            raise StudentError(
                f"student {self.name!r}: its tokenizer has no chat template; take an instruction-tuned model or "
                "style='fewshot'"
            )
        return style

    def _check_room(self, prompts: Sequence[str], max_new_tokens: int) -> None:
        lengths = [len(ids) for ids in self.tokenizer(list(prompts))["input_ids"]] if prompts else [0]
        if max(lengths) + max_new_tokens > self.context:
            raise StudentError(
                f"student {self.name!r}: the longest of {len(prompts)} prompts has {max(lengths)} tokens; with "
                f"{max_new_tokens} new ones it exceeds the model's context of {self.context}; shorten the problem or "
                "lower max_completion_tokens"
            )


@contextmanager
def _inference(model: Any) -> Iterator[None]:
    """The model without dropout and gradients inside, as it was outside; Unsloth's models have faster kernels for that."""
    was_training = model.training
    getattr(model, "for_inference", model.eval)()
    try:
        with torch.no_grad():
            yield
    finally:
        if was_training:
            getattr(model, "for_training", model.train)()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of torch from `seed` inside, as before outside."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


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
    card = read_card(folder)
    if card and (broken := damage(folder)):
        raise StudentError(
            f"{folder}: {', '.join(broken)} changed since it was saved; delete the folder and make it anew"
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    style = "chat" if tokenizer.chat_template else "line"
    facts = from_config(model.config.to_dict(), str(folder)) if style == "chat" else None
    return Student(card.get("name", folder.name), model, tokenizer, card.get("style", style), facts=facts)
