"""What a group of completions can teach GRPO."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np


def group_signal(rewards: Sequence[float], size: int) -> tuple[float, float]:
    """What groups of `size` completions of one problem hold for GRPO, from a sample of its rewards.

    Averages over *all* groups that can be drawn from the sample, which is the limit of resampling them and, for a
    sample of at least `size`, free of bias.  A smaller sample is drawn from with replacement (then the share is too low).

    Examples
    --------
    >>> group_signal([0.0, 1.0], 2)
    (1.0, 0.25)
    >>> group_signal([1.0, 1.0, 1.0], 2)
    (0.0, 0.0)
    """
    n = len(rewards)
    if not n or size < 1:
        raise ValueError(f"group_signal: {n} rewards, groups of {size}; give at least one reward and a size of 1")
    counts = Counter(round(reward, 9) for reward in rewards)
    if n >= size:
        constant = sum(math.comb(count, size) for count in counts.values()) / math.comb(n, size)
        spread = float(np.var(rewards, ddof=1)) if n > 1 else 0.0
    else:
        constant = sum((count / n) ** size for count in counts.values())
        spread = float(np.var(rewards))
    return 1.0 - constant, spread * (size - 1) / size


def binary_signal(p: float, size: int, weight: float = 1.0) -> tuple[float, float]:
    """The same in closed form for a reward of `weight` that comes with chance `p`, independently each time.

    Examples
    --------
    >>> binary_signal(0.5, 2)
    (0.5, 0.125)
    """
    return 1.0 - p**size - (1.0 - p) ** size, weight**2 * p * (1.0 - p) * (size - 1) / size
