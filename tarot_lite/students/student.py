"""A student: a causal language model with a way to ask it and to read its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from tarot_lite import runs, toyworld
from tarot_lite.problems import Form, Problem
from tarot_lite.rewards import extract_code
from tarot_lite.students.cards import new_folder
from tarot_lite.students.models import Model
from tarot_lite.students.writer import Completion, StudentError

__all__ = ["Student", "seeded"]

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
        ``"line"`` -- the prompt is the toy world's line, the answer the line that follows; ``"chat"`` -- the problem
        in the tokenizer's chat template, the answer the last Python fence.
    facts
        What is known of the model: in the style ``"chat"`` its system prompt, roles and tags are used; None: the problem
        alone is sent.

    Raises
    ------
    StudentError
        If the style is ``"chat"`` and the tokenizer has no chat template, or the tokenizer has neither pad nor end mark.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, style: str = "line", facts: Model | None = None) -> None:
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
        self.facts = facts
        self.batch = 256
        """Completions generated at a time, unless a call says otherwise."""
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
        if self.style == "line":
            return toyworld.prompt(problem)
        ask = problem.statement + "\n\n" + _ASK[problem.form]
        chat = self.facts.messages(ask) if self.facts is not None else [{"role": "user", "content": ask}]
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    def code(self, problem: Problem, completion: str) -> str | None:
        """The candidate's code in a completion, in the problem's form; None if there is none."""
        if self.style == "chat":
            return extract_code(completion, self.tags[1])
        return completion.partition("\n")[0].strip() or None

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

    def save(self, folder: str | Path) -> Path:
        """Write weights, tokenizer and a card with checksums to `folder`, all or nothing; returns it."""
        with new_folder(Path(folder), {"name": self.name, "style": self.style}) as aside:
            self.model.save_pretrained(aside)
            self.tokenizer.save_pretrained(aside)
        return Path(folder)

    def _generate(self, prompts: list[str], temperature: float, max_new_tokens: int) -> list[Completion]:
        encoded = self.tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=self.style != "chat")
        encoded = {key: encoded[key].to(self.model.device) for key in ("input_ids", "attention_mask")}
        sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        with _inference(self.model):
            output = self.model.generate(
                **encoded,
                **sampling,
                top_k=0,
                top_p=1.0,
                max_new_tokens=max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
            )
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
