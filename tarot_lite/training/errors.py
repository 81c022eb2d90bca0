"""The one error of a training."""

from __future__ import annotations

__all__ = ["TrainingError"]


class TrainingError(RuntimeError):
    """A training that cannot start or go on; the message says what to change."""
