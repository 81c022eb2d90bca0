"""What can be measured: anything that writes completions, whether its weights are here or behind an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tarot_lite.problems import Problem


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


class Unfinished(StudentError):
    """A student that stopped half-way; what it wrote until then comes along.

    Parameters
    ----------
    message
        What happened, and the remedy.
    found
        Completions by prompt, in the order asked; a list may be shorter than asked, or empty.
    """

    def __init__(self, message: str, found: list[list[Completion]]) -> None:
        super().__init__(message)
        self.found = found


class Writer(Protocol):
    """What a probe needs of a student.

    A writer whose completions do not depend on one another (each is a request of its own) may say so by an attribute
    ``independent = True``; a probe that was broken off then asks for the missing ones alone.
    """

    name: str

    def prompt(self, problem: Problem) -> str:
        """The text that is sent."""

    def code(self, problem: Problem, completion: str) -> str | None:
        """The candidate's code in a completion; None if there is none."""

    def generate(
        self, prompts: Sequence[str], samples: int, temperature: float, max_new_tokens: int, seed: int
    ) -> list[list[Completion]]:
        """`samples` completions per prompt, in the order of the prompts.

        Raises
        ------
        Unfinished
            If some were written and the others cannot be.
        """
