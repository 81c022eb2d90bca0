"""Somebody's problems, in any published form, into tiered problems that a run takes: ``python -m tarot_lite import``."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tarot_lite.problems import Problem, ProblemError, Tier, to_row
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import sources
from tarot_lite.suites.build import build
from tarot_lite.suites.proposers import Proposer


@dataclass
class Imported:
    """What became of the rows of a file.

    Parameters
    ----------
    problems
        Those that a run can use, in the order of the file.
    broken
        Rows that are no problem: file, line, field and value.
    left_out
        Why others are not among them, and their ids.
    tests_left_out
        Why given tests are in no suite, and how many.
    """

    problems: list[Problem] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    tests_left_out: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterable[str]:
        """What is told to a person: every broken row, and what else was left out by its reason."""
        whole = sum(len(problem.tiers) == len(Tier) for problem in self.problems)
        tests = sum(len(problem.tests) for problem in self.problems)
        total = len(self.problems) + len(self.broken) + sum(map(len, self.left_out.values()))
        yield f"{len(self.problems)} of {total} problems can be used, with {tests} tests: {whole} have all four tiers"
        for tier in Tier:
            if without := sum(tier not in problem.tiers for problem in self.problems):
                yield f"  {without} have no {tier.value} test: that tier does not count for them"
        for row in self.broken:
            yield f"  broken row: {row}"
        for reason, which in sorted(self.left_out.items(), key=lambda item: -len(item[1])):
            more = ", …" if len(which) > 3 else ""
            yield f"  left out: {len(which)} × {reason} ({', '.join(which[:3])}{more})"
        for reason, count in self.tests_left_out.most_common():
            yield f"  tests left out: {count} × {reason}"


def import_problems(
    source: str, out: Path, sandbox: Sandbox, limit: int | None = None, proposers: Sequence[Proposer] | None = None
) -> Imported:
    """Read rows of any form in `forms.FORMS`, give those without four tiers a calibrated suite, and write `out`."""
    found = Imported()
    asked: list[Problem] = []
    for item in islice(sources.find(source), limit):
        if isinstance(item, ProblemError):
            found.broken.append(str(item))
        elif not item.statement.strip():
            found.left_out.setdefault("no statement", []).append(item.problem_id)
        else:
            asked.append(item)
    parts = out.with_name(f"{out.name}.parts")
    untiered = [problem for problem in asked if len(problem.tiers) < len(Tier)]
    report = build(untiered, sandbox, proposers, folder=parts, tiers="assign")
    reasons = {record["problem_id"]: record["reason"] for record in report.records}
    for record in report.records:
        found.tests_left_out.update(each["reason"] for each in record["rejections"] if each["source"] == "given")
    made = {problem.problem_id: problem for problem in report.problems}
    for problem in (made.get(each.problem_id, each) for each in asked):
        if problem.tiers and (problem.problem_id in made or problem.problem_id not in reasons):
            found.problems.append(problem)
        else:
            reason = reasons[problem.problem_id] or "no test tells a wrong program from the reference"
            found.left_out.setdefault(reason, []).append(problem.problem_id)
    if not found.problems:
        raise ProblemError(f"{source}: no problem can be used.\n" + "\n".join(found.lines()))
    sources.write_rows(out, map(to_row, found.problems))
    shutil.rmtree(parts, ignore_errors=True)
    return found
