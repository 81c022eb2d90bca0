"""What a build made and measured, as problems and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tarot_lite.problems import Problem, Tier, from_row
from tarot_lite.statistics import bootstrap

if TYPE_CHECKING:
    import pandas

_FEW_PROBLEMS = 20


class SuiteReport:
    """The result of `build`: one record for each problem, in order."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.records = list(records)

    @cached_property
    def problems(self) -> list[Problem]:
        """The problems that have a suite, with its tests, in order."""
        return [from_row(row, "suite") for row in self.rows()]

    def rows(self) -> list[dict[str, Any]]:
        """The same in the published schema."""
        return [record["row"] for record in self.records if "row" in record]

    def record(self, problem_id: str) -> dict[str, Any]:
        """Everything known about one problem; KeyError if there is no such problem."""
        for record in self.records:
            if record["problem_id"] == problem_id:
                return record
        known = ", ".join(str(record["problem_id"]) for record in self.records[:5])
        raise KeyError(f"no problem {problem_id!r} in this report; it has {known} …")

    # --- tables ---------------------------------------------------------------------------------------------------

    def problems_table(self) -> pandas.DataFrame:
        """One row a problem: status, tests, missing tiers, mutation scores, order of the tiers, coverage."""
        return _frame(map(_problem_row, self.records), _PROBLEM_COLUMNS)

    def tests_table(self) -> pandas.DataFrame:
        """One row a proven test: tier given and measured, difficulty with its 95 % interval, kept or why not."""
        rows = (
            {"problem_id": record["problem_id"], **test, "features": ", ".join(test["features"])}
            for record in self.records
            for test in record.get("tests", ())
        )
        return _frame(rows, _TEST_COLUMNS)

    def rejections_table(self) -> pandas.DataFrame:
        """One row a proposal that became no test, and why."""
        rows = (
            {"problem_id": record["problem_id"], **rejection}
            for record in self.records
            for rejection in record.get("rejections", ())
        )
        return _frame(rows, ("problem_id", "source", "reason", "detail", "input"))

    def tier_table(self) -> pandas.DataFrame:
        """One row a tier: tests in the suites, their mean difficulty (95 % interval: bootstrap over problems), and the
        share of problems that have the tier."""
        calibrated = [record for record in self.records if record["status"] == "built"]
        rows = []
        for tier in Tier:
            by_problem = [[t["difficulty"] for t in _kept(record) if t["tier"] == tier.value] for record in calibrated]
            having = sum(map(bool, by_problem))
            share = having / len(calibrated) if calibrated else None
            difficulties = [each for values in by_problem for each in values]
            interval = _ratio_interval([(sum(values), len(values)) for values in by_problem])
            rows.append((tier.value, having, share, len(difficulties), _mean(difficulties), *interval))
        return _frame(rows, ("tier", "problems", "share", "tests", "difficulty", "low", "high"))

    def ladder(self, problem_id: str) -> pandas.DataFrame:
        """One problem's suite from easy to hard: input, output, difficulty, and how many candidates only it catches."""
        record = self.record(problem_id)
        rows = []
        caught: set[int] = set()
        for at in record.get("kept", ()):
            test = record["tests"][at]
            own = {number for number, mark in enumerate(record["matrix"][at]) if mark == "#"}
            rows.append(test | {"new": len(own - caught), "features": ", ".join(test["features"])})
            caught |= own
        return _frame(rows, ("tier", "input", "output", "difficulty", "rejects", "new", "source", "features"))

    # --- the whole in numbers -----------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """The numbers of a build, with those of `agreement`; None where nothing could be measured."""
        rows = [_problem_row(record) for record in self.records]
        built = [row for row in rows if row["status"] == "built"]
        order = [row["ordered"] for row in built if row["ordered"] is not None]
        given = [row["given_ordered"] for row in built if row["given_ordered"] is not None]
        return {
            "problems": len(rows),
            "built": len(built),
            "tests": sum(row["tests"] for row in rows),
            "ordered": sum(order),
            "order_known": len(order),
            "given_ordered": sum(given),
            "given_order_known": len(given),
            "kept_score": _mean([row["kept_score"] for row in built]),
            "given_score": _mean([row["given_score"] for row in built]),
            "line_coverage": _mean([row["line_coverage"] for row in built]),
            **self.agreement(),
        }

    def agreement(self) -> dict[str, float | int | str | None]:
        """Do the labels that came with the tests, given or claimed by a model, agree with the measured difficulty?

        Returns
        -------
        dict
            ``label_pairs`` of labelled tests of one problem with different labels (basic, intermediate, complex) and
            different difficulty; ``concordant`` share of them in which the higher label is harder, with its 95 %
            interval ``concordant_low``, ``concordant_high`` (bootstrap over problems); ``label_problems`` that have
            such pairs; ``label_verdict`` on "higher labels are harder": ``holds`` or ``does not hold`` if the interval
            lies above or below one half, ``undecided`` if it does not, or if fewer than 20 problems bear it (of so
            few, drawn with replacement, an interval is too narrow); ``spearman`` rank correlation of
            label and difficulty over all of them.  None without such tests.
        """
        ranks, difficulties = [], []
        by_problem = []
        for record in self.records:
            concordant = pairs = 0
            labelled = [test for test in record.get("tests", ()) if test["given"] not in (None, "edge")]
            tests = [test for test in labelled if test["difficulty"] is not None]
            ranks += [Tier(test["given"]).rank for test in tests]
            difficulties += [test["difficulty"] for test in tests]
            for one in tests:
                for two in tests:
                    if Tier(one["given"]).rank < Tier(two["given"]).rank and one["difficulty"] != two["difficulty"]:
                        pairs += 1
                        concordant += one["difficulty"] < two["difficulty"]
            by_problem.append((concordant, pairs))
        low, high = _ratio_interval(by_problem)
        pairs = sum(pairs for _, pairs in by_problem)
        having = sum(pairs > 0 for _, pairs in by_problem)
        verdict = "undecided"
        if low is not None and high is not None and having >= _FEW_PROBLEMS:
            verdict = "holds" if low > 0.5 else "does not hold" if high < 0.5 else "undecided"
        return {
            "label_pairs": pairs,
            "label_problems": having,
            "label_verdict": verdict,
            "concordant": sum(agreeing for agreeing, _ in by_problem) / pairs if pairs else None,
            "concordant_low": low,
            "concordant_high": high,
            "spearman": _spearman(ranks, difficulties),
        }


_PROBLEM_COLUMNS = ("problem_id", "status", "reason", "tests", "missing", "wrong", "candidates", "given_score", "kept_score",
                    "ordered", "given_ordered", "line_coverage", "rejections")  # fmt: skip
_TEST_COLUMNS = ("problem_id", "test", "source", "given", "tier", "kept", "dropped", "difficulty", "low", "high", "rejects",
                 "features", "steps", "what", "input", "output")  # fmt: skip


def _problem_row(record: dict[str, Any]) -> dict[str, Any]:
    cover = record.get("coverage")
    given = [test for test in record.get("tests", ()) if test["source"] == "given"]
    return {
        "problem_id": record["problem_id"],
        "status": record["status"],
        "reason": record["reason"],
        "tests": len(record.get("kept", ())),
        "missing": "; ".join(f"{tier}: {why}" for tier, why in record.get("missing", {}).items()),
        "wrong": record.get("wrong"),
        "candidates": len(record.get("candidates", ())),
        "given_score": record.get("given_score"),
        "kept_score": record.get("kept_score"),
        "ordered": _ordered([(test["tier"], test["difficulty"]) for test in _kept(record)]),
        "given_ordered": _ordered([(test["given"], test["difficulty"]) for test in given]),
        "line_coverage": cover["lines"] / cover["all_lines"] if cover and cover["all_lines"] else None,
        "rejections": len(record.get("rejections", ())),
    }


def _kept(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [record["tests"][at] for at in record.get("kept", ())]


def _ordered(tests: Sequence[tuple[str | None, float | None]]) -> bool | None:
    """Whether mean difficulty rises strictly basic < intermediate < complex; None unless all three are measured."""
    means = []
    for tier in list(Tier)[:3]:
        values = [difficulty for name, difficulty in tests if name == tier.value and difficulty is not None]
        if not values:
            return None
        means.append(sum(values) / len(values))
    return means[0] < means[1] < means[2]


def _ratio_interval(ratios: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """95 % interval of sum of numerators / sum of denominators, over problems drawn with replacement."""
    known = [pair for pair in ratios if pair[1]]
    if not known:
        return None, None
    return bootstrap(lambda top, bottom, axis: top.sum(axis) / bottom.sum(axis), *zip(*known, strict=True))


def _spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    import pandas

    ranks = pandas.DataFrame({"first": first, "second": second}).rank()
    return float(ranks["first"].corr(ranks["second"]))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _frame(rows: Iterable[Any], columns: Sequence[str]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(list(rows), columns=list(columns))
