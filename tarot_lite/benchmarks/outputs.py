"""Outputs of whole programs that a plain comparison does not settle: LiveCodeBench's rule, CodeForces' checkers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tarot_lite.benchmarks.tasks import Job, Judgement
from tarot_lite.judging import Verdict
from tarot_lite.problems import TestCase
from tarot_lite.sandbox import Execution


def same_numbers(actual: str, expected: str) -> bool:
    """LiveCodeBench's comparison: line by line without the blanks around them; two lines of numbers by their values.

    Examples
    --------
    >>> same_numbers("1.50 2\\n", " 1.5 2.0"), same_numbers("1.5000001", "1.5"), same_numbers("1\\n2", "1 2")
    (True, False, False)
    """
    got, want = ([line.strip() for line in text.strip().split("\n")] for text in (actual, expected))
    if len(got) != len(want):
        return False
    return all(
        a == b or (numbers := _numbers(a)) is not None and numbers == _numbers(b)
        for a, b in zip(got, want, strict=True)
    )


def same_words(actual: str, expected: str) -> bool:
    """The comparison of open-r1's CodeForces runner where a problem has no checker: word by word, wherever lines end, and
    YES and NO in any case.

    Examples
    --------
    >>> same_words("Yes\\n 1 2\\n", "YES\\n1\\n2"), same_words("1 2", "12"), same_words("yesterday", "YESTERDAY")
    (True, False, False)
    """
    return _YES_OR_NO.sub(_upper, actual).split() == _YES_OR_NO.sub(_upper, expected).split()


_YES_OR_NO = re.compile(r"\b(?:yes|no)\b", re.IGNORECASE | re.ASCII)


def _upper(found: re.Match[str]) -> str:
    return found[0].upper()


def _without_empty_lines(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line != "\n")


def _numbers(line: str) -> list[Decimal] | None:
    try:
        return [Decimal(word) for word in line.split()]
    except InvalidOperation:
        return None


_FILES = ("input.txt", "correct_output.txt", "solution_output.txt")
_CHECKER = """
import builtins, io, json, sys

files = dict(zip({names!r}, json.loads(sys.stdin.read())))
real_open = io.open


def from_memory(file, mode="r", *others, **more):
    text = files.get(str(file))
    if text is None:
        return real_open(file, mode, *others, **more)
    return io.BytesIO(text.encode()) if "b" in mode else io.StringIO(text, None)


builtins.open = io.open = from_memory
sys.argv = ["checker.py", *files]
exec(compile({source!r}, "checker.py", "exec"), {{"__name__": "__main__"}})
"""


@dataclass(frozen=True)
class CheckedTests:
    """Programs whose outputs the data's own checker judges, in the sandbox and never beside the program.

    Parameters
    ----------
    tests
        Inputs, and outputs that are right (there may be others).
    checker
        Source of a program that is given the names of three files (input, right output, output to be judged) and prints
        1 (or 100) and nothing else if the last is right.  As in open-r1's runner it is not shown empty lines of the outputs.
        The sandbox has no files: what it opens by these names comes from memory.
    """

    tests: tuple[TestCase, ...]
    checker: str

    def job(self, solution: str) -> Job:
        """The solution itself, one input for each test."""
        return solution, tuple(test.input for test in self.tests)

    def check(self, runs: Sequence[Execution]) -> Job | None:
        """The checker, one input for each run of `job`; None if a run failed or is missing, which settles it."""
        if len(runs) < len(self.tests) or any(run.verdict is not Verdict.PASSED for run in runs):
            return None
        program = _CHECKER.format(names=_FILES, source=self.checker)
        pairs = zip(self.tests, runs, strict=True)
        outputs = [(test.input, *map(_without_empty_lines, (test.output, run.stdout))) for test, run in pairs]
        return program, tuple(json.dumps(each) for each in outputs)

    def judge(self, runs: Sequence[Execution]) -> Judgement:
        """The runs of `job` must pass, and those of `check`, which follow them, print 1 or 100."""
        for number, run in enumerate(runs[: len(self.tests)]):
            if run.verdict is not Verdict.PASSED:
                return Judgement(run.verdict, f"test {number}: {run.error}")
        for number, (run, found) in enumerate(zip(runs, runs[len(self.tests) :], strict=False)):
            if found.verdict is not Verdict.PASSED or found.stdout.split() not in (["1"], ["100"]):
                said = (
                    found.stdout.strip() if found.verdict is Verdict.PASSED else f"{found.verdict.value}, {found.error}"
                )
                return Judgement(
                    Verdict.WRONG_ANSWER, f"test {number}: got {run.stdout[:80]!r}; its checker says {said[:80]!r}"
                )
        return Judgement(Verdict.PASSED)
