"""Somebody's problems, in any published form, into tiered problems that a run takes: ``python -m tarot_lite import``."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tarot_lite.problems import Problem, ProblemError, Tier, to_row
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites import sources
from tarot_lite.suites.build import build
from tarot_lite.suites.io import write_rows

__all__ = ["Imported", "import_problems"]


@dataclass
class Imported:
    """What became of the rows of a file.

    Parameters
    ----------
    problems
        Those that a run can use, in the order of the file.
    left_out
        Why others are not among them, and what they are (id, or file and line).
    tests_left_out
        Why given tests are in no suite, and how many.
    """

    problems: list[Problem] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    tests_left_out: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterable[str]:
        """What is told to a person."""
        whole = sum(len(problem.tiers) == len(Tier) for problem in self.problems)
        tests = sum(len(problem.tests) for problem in self.problems)
        total = len(self.problems) + sum(map(len, self.left_out.values()))
        yield f"{len(self.problems)} of {total} problems can be used, with {tests} tests: {whole} have all four tiers"
        for tier in Tier:
            if without := sum(tier not in problem.tiers for problem in self.problems):
                yield f"  {without} have no {tier.value} test: that tier does not count for them"
        for reason, which in sorted(self.left_out.items(), key=lambda item: -len(item[1])):
            more = ", …" if len(which) > 3 else ""
            yield f"  left out: {len(which)} × {reason} ({', '.join(which[:3])}{more})"
        for reason, count in self.tests_left_out.most_common():
            yield f"  tests left out: {count} × {reason}"


def import_problems(source: str, out: Path, sandbox: Sandbox, limit: int | None = None, seed: int = 0) -> Imported:
    """Read rows of any form in `forms.FORMS`, give those without four tiers a calibrated suite, and write `out`."""
    found = Imported()
    tiered: dict[str, Problem] = {}
    order: list[str] = []
    others: list[Problem] = []
    rows = sources.read(source) if Path(source).is_file() else sources.hub(source)
    for item in islice(rows, limit):
        if isinstance(item, ProblemError):
            place, _, reason = str(item).partition(": ")
            found.left_out.setdefault(f"broken row, the first: {reason}", []).append(place)
        elif not item.statement.strip():
            found.left_out.setdefault("no statement", []).append(item.problem_id)
        else:
            order.append(item.problem_id)
            if len(item.tiers) == len(Tier):
                tiered[item.problem_id] = item
            else:
                others.append(item)
    parts = out.with_name(f"{out.name}.parts")
    report = build(others, sandbox, seed=seed, folder=parts, tiers="assign")
    for record in report.records:
        if record["status"] != "built":
            found.left_out.setdefault(record["reason"] or record["status"], []).append(record["problem_id"])
        found.tests_left_out.update(each["reason"] for each in record["rejections"] if each["source"] == "given")
    tiered |= {problem.problem_id: problem for problem in report.problems if problem.tiers}
    for name in order:
        if name not in tiered and not any(name in which for which in found.left_out.values()):
            found.left_out.setdefault("no test that tells a wrong program from the reference", []).append(name)
    found.problems = [tiered[name] for name in order if name in tiered]
    if not found.problems:
        raise ProblemError(f"{source}: no problem can be used.\n" + "\n".join(found.lines()))
    write_rows(out, map(to_row, found.problems))
    shutil.rmtree(parts, ignore_errors=True)
    return found
