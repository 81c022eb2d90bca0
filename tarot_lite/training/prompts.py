"""The rows that the trainer goes through, and the prompts that do not fit: TRL cuts none and drops none."""

from __future__ import annotations

from collections.abc import Sequence

from tarot_lite.curriculum import Policy
from tarot_lite.problems import Problem
from tarot_lite.settings import Settings
from tarot_lite.students import Student
from tarot_lite.training.errors import TrainingError

__all__ = ["prompt_rows"]


def prompt_rows(
    student: Student, problems: Sequence[Problem], policy: Policy, settings: Settings
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """Rows for the trainer, and the ids of problems that were left out because their prompt is too long.

    A prompt is too long if it has more than ``max_prompt_tokens`` tokens, or leaves no room in the model's context for
    ``max_completion_tokens`` more.

    Raises
    ------
    TrainingError
        If no problem has a tier that the policy rewards, or every prompt is too long.
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
    return rows, tuple(dropped)
