"""Proven tests: every expected output comes from running the reference, twice, in the sandbox.

The second run happens in *another world*: the random generator is seeded differently and the clock is more than a
year ahead (only for programs that name them).  So a reference that prints the date or a random choice is found out
although two runs a moment apart might agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tarot_lite.judging import Verdict
from tarot_lite.problems import Form, Problem, TestCase
from tarot_lite.sandbox import Execution
from tarot_lite.suites.proposers import Proposal

CLAIM_DIFFERS = "claimed output differs"
"""Reason of a `Rejection`: the reference answers otherwise."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A proposal that became a test."""

    test: TestCase
    source: str
    what: str | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A proposal that did not, and why.

    Parameters
    ----------
    source
        The proposer.
    reason
        One of a few phrases, so that reasons can be counted.
    detail
        The case at hand: the error, the sizes, the two outputs.
    input
        The beginning of the input.
    """

    source: str
    reason: str
    detail: str
    input: str


def screen(proposals: Iterable[Proposal], max_input_kb: float) -> tuple[list[Proposal], list[Rejection]]:
    """Drop duplicates and inputs that are too large, before anything runs; the first of equal inputs stays.

    Examples
    --------
    >>> kept, rejections = screen([Proposal("1", "given"), Proposal("1\\n", "mutation"), Proposal("9" * 3000, "x")], 1)
    >>> len(kept), [rejection.reason for rejection in rejections]
    (1, ['duplicate', 'too large'])
    """
    kept: dict[str, Proposal] = {}
    rejections = []
    for proposal in proposals:
        size = len(proposal.input.encode("utf-8", "surrogatepass"))
        key = proposal.input.rstrip("\n")
        if size > max_input_kb * 1024:
            detail = f"{size / 1024:,.0f} KiB of input, the limit is {max_input_kb:g}"
            rejections.append(_rejection(proposal, "too large", detail))
        elif key in kept:
            rejections.append(_rejection(proposal, "duplicate", f"the same input came from {kept[key].source} before"))
        else:
            kept[key] = proposal
    return list(kept.values()), rejections


def prove(
    problem: Problem, proposals: Sequence[Proposal], first: Sequence[Execution], second: Sequence[Execution]
) -> tuple[list[Proven], list[Rejection]]:
    """Judge what the two runs of the reference gave."""
    proven, rejections = [], []
    for proposal, one, two in zip(proposals, first, second, strict=True):
        test, why = _judge(problem, proposal, one, two)
        if test is not None:
            proven.append(Proven(test, proposal.source, proposal.reason))
        else:
            rejections.append(_rejection(proposal, *why))
    return proven, rejections


def _judge(
    problem: Problem, proposal: Proposal, one: Execution, two: Execution
) -> tuple[TestCase | None, tuple[str, str]]:
    for run in (one, two):
        if run.verdict is not Verdict.PASSED:
            return None, (f"reference: {run.verdict.value.replace('_', ' ')}", run.error)
    if not one.stdout.strip():
        return None, ("no output", "the reference printed nothing")
    test = TestCase(proposal.input, one.stdout, proposal.tier, proposal.reason)
    if not problem.answers(test, two.stdout):
        return None, ("not deterministic", f"two runs gave {one.stdout[:60]!r} and {two.stdout[:60]!r}")
    if problem.form is Form.FUNCTION and re.search(r"<.* at 0x[0-9a-f]+>", one.stdout):
        return None, ("not a value", f"the result cannot be written down: {one.stdout[:60]!r}")
    if proposal.output:
        if not problem.answers(replace(test, output=proposal.output), one.stdout):
            return None, (CLAIM_DIFFERS, f"claimed {proposal.output[:60]!r}, got {one.stdout[:60]!r}")
        test = replace(test, output=proposal.output)
    return test, ("", "")


def _rejection(proposal: Proposal, reason: str, detail: str) -> Rejection:
    return Rejection(proposal.source, reason, detail[:300], proposal.input[:120])


# --- another world --------------------------------------------------------------------------------------------

_WORLD = {
    "random": "import random\nrandom.seed(20260217)",
    "numpy": "import numpy\nnumpy.random.seed(20260217)",
    "time": """\
import time
for name in ("time", "monotonic", "perf_counter", "process_time"):
    setattr(time, name, lambda clock=getattr(time, name): clock() + 4e7)
    setattr(time, name + "_ns", lambda clock=getattr(time, name + "_ns"): clock() + 40_000_000_000_000_000)
for name in ("localtime", "gmtime", "ctime"):
    setattr(time, name, lambda at=None, read=getattr(time, name): read(time.time() if at is None else at))
strftime = time.strftime
time.strftime = lambda form, at=None: strftime(form, time.localtime() if at is None else at)""",
    "datetime": """\
import datetime
later = datetime.timedelta(days=463)
class Date(datetime.date):
    @classmethod
    def today(cls):
        return datetime.date.today.__func__(cls) + later
class DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(real_now(tz).timestamp() + later.total_seconds(), tz)
    @classmethod
    def utcnow(cls):
        return cls.now()
    @classmethod
    def today(cls):
        return cls.now()
real_now = datetime.datetime.now
real_date = datetime.date
Date.today = classmethod(lambda cls: cls.fromordinal(real_date.today().toordinal() + later.days))
datetime.date, datetime.datetime = Date, DateTime""",
}


def other_world(program: str) -> str:
    """The same program with other random numbers and a later clock, where it names them.

    Hash values stay the same (the sandbox fixes them), so the order of a set of words is not found out.

    Examples
    --------
    >>> other_world("print(1)")
    '# second run\\nprint(1)'
    >>> exec(other_world("import random; print(random.random())"))
    0.0010598210806135322
    """
    setup = "\n".join(code for name, code in _WORLD.items() if re.search(rf"\b{name}\b", program))
    if not setup:
        return f"# second run\n{program}"  # not the same text: equal jobs run once
    return (
        f"exec(compile({setup!r}, '<world>', 'exec'), {{}})\n"
        f"exec(compile({program!r}, '<reference>', 'exec'), {{'__name__': '__main__'}})"
    )
