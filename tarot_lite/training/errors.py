"""The one error of a training, and how an error of others is quoted in it."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A training that cannot start or go on; the message says what to change."""


def said(error: BaseException) -> str:
    """Kind and text of an error in one line of at most 300 characters or so.

    Examples
    --------
    >>> said(ValueError("401\\nUnauthorized"))
    'ValueError: 401 Unauthorized'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
