"""The rows that the trainer goes through, in which order, and the prompts that do not fit: TRL cuts none and drops none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from tarot_lite.curriculum import Policy
from tarot_lite.problems import Problem
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.errors import TrainingError


class Order(Sampler[int]):
    """Which row each completion of a whole training is of: a pure function of seed and step.

    Pass after pass over the rows, each in a new order, of which only whole steps are used.  TRL's own sampler knows one pass
    and goes on from where its generator stands, so that a training resumed in its second pass would see the first again.

    Parameters
    ----------
    rows
        How many there are; at least `per_step`.
    per_step
        Prompts of an optimizer step.
    per_generation
        Prompts that are written to at once; divides `per_step`.
    group
        Completions of a prompt.
    repeated
        How often a round of generation is handed over, each time for one of its pieces.
    length
        Completions of the whole training, so repeated.
    seed
        Of the order.

    Examples
    --------
    >>> order = list(Order(rows=5, per_step=2, per_generation=2, group=2, repeated=1, length=16, seed=0))
    >>> order[::2], sorted(order[:8:2]) == sorted(set(order[:8]))
    ([4, 0, 1, 3, 3, 4, 0, 1], True)
    >>> order == list(Order(rows=5, per_step=2, per_generation=1, group=2, repeated=1, length=16, seed=0))
    True
    """

    def __init__(
        self, rows: int, per_step: int, per_generation: int, group: int, repeated: int, length: int, seed: int
    ) -> None:
        self.rows, self.per_step, self.per_generation = rows, per_step, per_generation
        self.group, self.repeated, self.length, self.seed = group, repeated, length, seed

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed)
        left = self.length
        while left:
            order = torch.randperm(self.rows, generator=generator).tolist()
            for start in range(0, self.rows - self.rows % self.per_step, self.per_generation):
                rows = [row for row in order[start : start + self.per_generation] for _ in range(self.group)]
                taken = (rows * self.repeated)[:left]
                left -= len(taken)
                yield from taken


def prompt_rows(
    student: Student, problems: Sequence[Problem], policy: Policy, settings: Settings
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """Rows for the trainer, and the ids of problems that were left out because their prompt is too long.

    A prompt is too long if it has more than ``max_prompt_tokens`` tokens, or leaves no room in the model's context for
    ``max_completion_tokens`` more.
    """
    ever_active = frozenset().union(*(phase.tiers for phase in policy.phases))
    if not any(ever_active & set(problem.tiers) for problem in problems):
        raise TrainingError(
            f"policy {policy.name!r} rewards {', '.join(sorted(ever_active))}, but none of the {len(problems)} problems "
            "has a test in those tiers; build their suites first (notebook 01) or choose another policy"
        )
    room = getattr(student.model.config, "max_position_embeddings", None)
    answer = settings.max_completion_tokens
    most = min(settings.max_prompt_tokens, settings.max_prompt_tokens if room is None else room - answer)
    rows, dropped, shortest = [], [], 10**9
    for problem in problems:
        prompt = student.prompt(problem)
        length = len(student.tokenizer(prompt)["input_ids"])
        if length > most:
            dropped.append(problem.problem_id)
            shortest = min(shortest, length)
        else:
            rows.append({"prompt": prompt, "problem_id": problem.problem_id})
    if not rows:
        if settings.max_prompt_tokens == most:
            why = f"max_prompt_tokens = {most}; raise it"
        else:
            why = f"the model's context of {room} tokens less max_completion_tokens = {answer}; lower max_completion_tokens"
        raise TrainingError(
            f"all {len(dropped)} prompts are too long: the shortest has {shortest} tokens, and allowed are {most}, by {why} "
            "or give shorter problems"
        )
    if len(rows) < settings.prompts_per_step:
        without = f" ({len(dropped)} more are too long: {', '.join(dropped[:3])})" if dropped else ""
        raise TrainingError(
            f"{len(rows)} problems fit{without}, and a step takes prompts_per_step = {settings.prompts_per_step}; give more "
            f"problems, or set prompts_per_step to {len(rows)} or less"
        )
    return rows, tuple(dropped)
