"""Proven tests: every expected output comes from running the reference, twice, in the sandbox.

The second run happens in *another world*: the random generator is seeded differently and the clock is more than a
year ahead (only for programs that name them).  So a reference that prints the date or a random choice is found out
although two runs a moment apart might agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tarot_lite.judging import Verdict
from tarot_lite.problems import Form, Problem, TestCase
from tarot_lite.sandbox import Execution
from tarot_lite.suites.proposers import Proposal

CLAIM_DIFFERS = "claimed output differs"
"""Reason of a `Rejection`: the reference answers otherwise."""

_MOST_KB = 256


@dataclass(frozen=True, slots=True)
class Proven:
    """A proposal that became a test."""

    test: TestCase
    source: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A proposal that did not, and why."""

    source: str
    reason: str  # one of a few phrases, so that reasons can be counted
    detail: str  # the case at hand: the error, the sizes, the two outputs
    input: str  # its beginning

    @staticmethod
    def of(proposal: Proposal, reason: str, detail: str) -> Rejection:
        """The rejection of a proposal, with what is worth keeping of it."""
        return Rejection(proposal.source, reason, detail[:300], proposal.input[:120])


def screen(proposals: Iterable[Proposal]) -> tuple[list[Proposal], list[Rejection]]:
    """Drop duplicates and inputs that are too large, before anything runs; the first of equal inputs stays.

    Examples
    --------
    >>> kept, rejections = screen([Proposal("1", "given"), Proposal("1\\n", "mutation"), Proposal("9" * 300_000, "x")])
    >>> len(kept), [rejection.reason for rejection in rejections]
    (1, ['duplicate', 'too large'])
    """
    kept: dict[str, Proposal] = {}
    rejections = []
    for proposal in proposals:
        size = len(proposal.input.encode("utf-8", "surrogatepass")) / 1024
        key = proposal.input.rstrip("\n")
        if size > _MOST_KB:
            detail = f"{size:,.0f} KiB of input, the limit is {_MOST_KB}"
            rejections.append(Rejection.of(proposal, "too large", detail))
        elif key in kept:
            rejections.append(
                Rejection.of(proposal, "duplicate", f"the same input came from {kept[key].source} before")
            )
        else:
            kept[key] = proposal
    return list(kept.values()), rejections


def prove(problem: Problem, proposal: Proposal, first: Execution, second: Execution) -> TestCase | Rejection:
    """The test that a proposal becomes by what two runs of the reference gave."""
    one, two = first.stdout, second.stdout
    for run in (first, second):
        if run.verdict is not Verdict.PASSED:
            return Rejection.of(proposal, f"reference: {run.verdict.value.replace('_', ' ')}", run.error)
    if not one.strip():
        return Rejection.of(proposal, "no output", "the reference printed nothing")
    test = TestCase(proposal.input, one, proposal.tier, proposal.reason)
    if not problem.answers(test, two):
        return Rejection.of(proposal, "not deterministic", f"two runs gave {one[:60]!r} and {two[:60]!r}")
    if problem.form is Form.FUNCTION and re.search(r"<.* at 0x[0-9a-f]+>", one):
        return Rejection.of(proposal, "not a value", f"the result cannot be written down: {one[:60]!r}")
    if proposal.output:
        test = replace(test, output=proposal.output)
        if not problem.answers(test, one):
            return Rejection.of(proposal, CLAIM_DIFFERS, f"claimed {proposal.output[:60]!r}, got {one[:60]!r}")
    return test


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
