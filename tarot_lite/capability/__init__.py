"""Stage 3: how capable is a model, tier by tier, and which curriculum should train it.

`estimate` samples completions and runs them (`tarot_lite.capability.rollouts` keeps every one on disk); the
`Profile` turns them into pass rates with honest intervals; the choosers turn a profile into a policy and say why.

>>> pass_at_k(n=4, c=1, k=2)
0.5
"""

from tarot_lite.capability.choose import (
    Choice,
    agreement,
    choose,
    oracle,
    pilot,
    report,
    signal,
    signal_of_phases,
    threshold,
)
from tarot_lite.capability.probing import estimate
from tarot_lite.capability.profile import MEASURES, Comparison, Profile, binary_signal, compare, ladder
from tarot_lite.capability.rollouts import ProbeError
from tarot_lite.statistics import pass_at_k, share_interval

__all__ = [
    "MEASURES",
    "Choice",
    "Comparison",
    "ProbeError",
    "Profile",
    "agreement",
    "binary_signal",
    "choose",
    "compare",
    "estimate",
    "ladder",
    "oracle",
    "pass_at_k",
    "pilot",
    "report",
    "share_interval",
    "signal",
    "signal_of_phases",
    "threshold",
]
