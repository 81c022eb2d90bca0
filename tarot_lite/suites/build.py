"""Stage 1: propose, prove, calibrate -- problems in, four-tier suites out."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tarot_lite import jsonlines, origins
from tarot_lite.judging import Verdict
from tarot_lite.problems import Form, Problem, ProblemError, TestCase, Tier, to_row
from tarot_lite.sandbox import Limits, Sandbox, SandboxError
from tarot_lite.suites.batch import Batch, Outcome, all_lines, reached_lines, run_batches
from tarot_lite.suites.calibration import KillMatrix, assign
from tarot_lite.suites.candidates import Candidate, Mutants, Pool, Stubs, fuelled
from tarot_lite.suites.formats import FormatError
from tarot_lite.suites.proof import CLAIM_DIFFERS, Proven, Rejection, other_world, prove, screen
from tarot_lite.suites.proposers import Given, InputModel, Mutation, Proposal, Proposer
from tarot_lite.suites.report import SuiteReport

TIERS = ("assign", "check")
_CHUNK = 16  # problems whose programs are run together, so that all workers stay busy
_LEAST = 12  # candidates: a calibration by fewer would say nothing
_SHARED_PROCESS = 8, 200_000  # candidates that share a process, and about the lines that they may take together

# Lines of Python that calibrating one problem may take, by estimate: fewer tests and candidates are used for slow
# references, and very slow ones keep their given tiers unmeasured.  Lines are counted, not seconds, so that a busy machine
# comes to the same suites.
_LINES = 10_000_000
_GIVEN_LINES = _LINES // 20  # of the reference on a given input, before the problem counts as too slow to calibrate
_OTHER_LINES = _LINES // 200  # on any other input
_SUITE_LINES = _LINES // _LEAST  # on all tests of a problem together, so that `_LEAST` candidates can run on them


@dataclass(frozen=True)
class _Plan:
    """The settings of one build."""

    sandbox: Sandbox
    proposers: tuple[Proposer, ...]
    pool: tuple[Pool, ...]
    seed: int
    tiers: str

    def limits(self, cpu_seconds: float, wall_seconds: float) -> Limits:
        """Of a process that many runs share."""
        return replace(self.sandbox.limits, cpu_seconds=cpu_seconds, wall_seconds=wall_seconds, output_kb=16 * 1024)

    def run_candidates(self, batches: Sequence[Batch], cpu_seconds: float) -> list[list[list[Outcome]]]:
        """Counted steps end nearly every endless candidate, the limits end the others."""
        return run_batches(self.sandbox, batches, self.limits(cpu_seconds, 10 + 2 * cpu_seconds))


@dataclass(eq=False)
class _Work:
    """One problem on its way."""

    problem: Problem
    proposals: list[Proposal] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    proven: list[Proven] = field(default_factory=list)
    traces: dict[str, Outcome] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    matrix: KillMatrix | None = None
    reason: str = ""  # why there is no suite for it
    too_slow: bool = False
    answered: dict[tuple[str, str], bool] = field(default_factory=dict)

    def answers(self, test: TestCase, output: str) -> bool:
        """As `Problem.answers`, remembered: many candidates give the same output."""
        key = test.input, output
        if key not in self.answered:
            self.answered[key] = self.problem.answers(test, output)
        return self.answered[key]

    @property
    def reference(self) -> str:
        return self.problem.program(self.problem.reference or "")

    @property
    def proven_traces(self) -> list[Outcome]:
        return [self.traces[proven.test.input] for proven in self.proven]


def build(
    problems: Iterable[Problem | ProblemError],
    sandbox: Sandbox,
    proposers: Sequence[Proposer] | None = None,
    pool: Sequence[Pool] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    tiers: Literal["assign", "check"] = "assign",
) -> SuiteReport:
    """Make a proven and calibrated suite for every problem that has a usable reference.

    Parameters
    ----------
    problems
        Any iterable, read as it is needed.  A `ProblemError` in it (a broken row, see `sources.read`) is reported.
    sandbox
        Where references and candidates run.
    proposers
        Where inputs come from; None is `Given` and `Mutation`.
    pool
        Where candidate programs come from; None is `Stubs` and `Mutants`.
    seed
        Of all choices; the same seed gives the same suites.
    folder
        Every finished problem is kept there, and a build that was killed goes on where it was.  None keeps nothing.
    progress
        Show a bar.
    tiers
        ``"assign"`` -- tiers by measured difficulty, the smallest suite; ``"check"`` -- keep the given tests and
        their tiers, and report whether the measurement agrees.

    Returns
    -------
    SuiteReport
        The problems with their suites, and what happened, as tables.

    Raises
    ------
    ValueError
        If `tiers` is another word, or `folder` holds a build with other settings.

    Examples
    --------
    >>> tests = (TestCase("3\\n5 1 2\\n", "8"), TestCase("2\\n7 -7\\n", "0"))
    >>> problem = Problem("sum", "Add n numbers.", tests, "input()\\nprint(sum(map(int, input().split())))")
    >>> with Sandbox(workers=1) as sandbox:
    ...     report = build([problem], sandbox, progress=False)
    >>> len(report.problems)
    1
    """
    from tqdm.auto import tqdm

    if tiers not in TIERS:
        raise ValueError(f"tiers is {tiers!r}; use one of {', '.join(map(repr, TIERS))}")
    plan = _Plan(
        sandbox,
        tuple(proposers if proposers is not None else (Given(), Mutation())),
        tuple(pool if pool is not None else (Stubs(), Mutants())),
        seed,
        tiers,
    )
    settings = {
        "seed": seed,
        "tiers": tiers,
        "code": origins.modules_hash("suites.build"),
        "proposers": list(map(repr, plan.proposers)),
        "pool": list(map(repr, plan.pool)),
    }
    store = _Store(folder, settings)
    records: list[dict[str, Any]] = []
    rest = iter(tqdm(problems, desc="suites", unit="problem", disable=None if progress else True))
    while chunk := list(itertools.islice(rest, _CHUNK)):
        records += _build_chunk(chunk, plan, store)
    return SuiteReport(records)


class _Store:
    """Finished problems in a folder (None: nowhere), with what their build depended on."""

    def __init__(self, folder: str | Path | None, settings: dict[str, Any]) -> None:
        self._path: Path | None = None
        self._kept: dict[str, dict[str, Any]] = {}
        if folder is None:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._path = Path(folder) / "finished.jsonl"
        file = Path(folder) / "settings.json"
        if file.is_file() and (old := json.loads(file.read_text(encoding="utf-8"))) != settings:
            changed = sorted(name for name in {*old, *settings} if old.get(name) != settings.get(name))
            raise ValueError(
                f"{folder}: holds a build with other settings ({', '.join(changed)} differ); "
                "take another folder, or delete this one to build anew"
            )
        file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        self._kept = {row["record"]["problem_id"]: row for row in jsonlines.read_journal(self._path)}

    def finished(self, problem: Problem) -> dict[str, Any] | None:
        """The record of a problem that was finished before, None if it was not or has changed since."""
        row = self._kept.get(problem.problem_id)
        return row["record"] if row and row["problem"] == _fingerprint(problem) else None

    def add(self, problem: Problem, record: dict[str, Any]) -> None:
        """Keep a finished problem; once this returns, it survives the end of the process."""
        if self._path is not None:
            jsonlines.append(self._path, [{"problem": _fingerprint(problem), "record": record}])


def _fingerprint(problem: Problem) -> str:
    row = json.dumps(to_row(problem), sort_keys=True, default=str)
    return hashlib.sha256(row.encode()).hexdigest()


def _build_chunk(chunk: Sequence[Problem | ProblemError], plan: _Plan, store: _Store) -> list[dict[str, Any]]:
    results: list[dict[str, Any] | _Work] = [
        {"problem_id": None, "status": "broken", "reason": str(item)}
        if isinstance(item, ProblemError)
        else store.finished(item) or _Work(item)
        for item in chunk
    ]
    works = [item for item in results if isinstance(item, _Work)]
    try:
        for step in (_propose, _trace, _prove, _calibrate):
            if going := [work for work in works if not work.reason]:
                step(going, plan)
    except SandboxError as failure:
        raise SandboxError(f"{failure}; finished problems are kept, start the build again to go on") from failure
    records = []
    for item in results:
        if isinstance(item, _Work):
            records.append(_record(item, plan))
            store.add(item.problem, records[-1])
        else:
            records.append(item)
    return records


# --- the steps ------------------------------------------------------------------------------------------------


def _propose(works: Sequence[_Work], plan: _Plan) -> None:
    for work in works:
        work.reason = _unusable(work)
    going = [work for work in works if not work.reason]
    for proposer in plan.proposers:
        with ThreadPoolExecutor(getattr(proposer, "jobs", 1)) as threads:  # a language model answers several at a time
            answers = threads.map(lambda work, ask=proposer.propose: ask(work.problem, plan.seed), going)
            for work, proposals in zip(going, answers, strict=True):
                work.proposals += proposals
                if failure := getattr(proposer, "failures", {}).get(work.problem.problem_id):
                    work.rejections.append(Rejection(proposer.name, "no answer", failure, ""))
    for work in going:
        work.proposals, rejections = screen(work.proposals)
        work.rejections += rejections
        if not work.proposals:
            work.reason = "no usable input" + (f": {work.rejections[0].detail}" if work.rejections else "")


def _unusable(work: _Work) -> str:
    """Why a reference cannot be run at all; empty if it can."""
    if not (work.problem.reference or "").strip():
        return "no reference solution"
    try:
        compile(work.reference, "<reference>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"reference is no Python 3: {error}"
    return ""


def _trace(works: Sequence[_Work], plan: _Plan) -> None:
    """Run the reference on everything once, traced: find out early if it hangs, fails, or is too slow to calibrate."""
    limits = plan.limits(cpu_seconds=8.0, wall_seconds=16.0)  # a short clock: a reference that sleeps is found soon
    first = run_batches(plan.sandbox, [_traced(work, work.proposals[:1]) for work in works], limits)
    for work, ((run,),) in zip(works, first, strict=True):
        killed = bool(run.error) and not run.raised
        work.too_slow = run.stopped or killed
        if "ModuleNotFoundError" in run.error or "ImportError" in run.error:
            work.reason = f"reference needs a module that the sandbox lacks: {run.error}"
        if work.too_slow or run.error:  # prove what is given: it may be slow only here, or this input may be bad
            work.proposals = _few(work.proposals)
    going = [work for work in works if not work.reason and not work.too_slow]
    traced = run_batches(plan.sandbox, [_traced(work, work.proposals) for work in going], limits)
    for work, (runs,) in zip(going, traced, strict=True):
        kept = []
        for proposal, run in zip(work.proposals, runs, strict=True):
            given = proposal.source == "given"
            if run.stopped and not given:
                detail = f"the reference takes {_OTHER_LINES:,} lines or more"
                work.rejections.append(Rejection.of(proposal, "too slow", detail))
            elif run.error and not run.stopped and not given:  # no need to prove it
                reason = "reference failed" if run.raised else "reference: timeout or crash"
                work.rejections.append(Rejection.of(proposal, reason, run.error))
            else:
                work.too_slow |= run.stopped
                work.traces[proposal.input] = run
                kept.append(proposal)
        work.proposals = _affordable(work, kept)
        if work.too_slow:
            work.proposals = _few(work.proposals)


def _traced(work: _Work, proposals: Sequence[Proposal]) -> Batch:
    """The reference on some proposals, traced."""
    lines = [_GIVEN_LINES if proposal.source == "given" else _OTHER_LINES for proposal in proposals]
    inputs = [proposal.input for proposal in proposals]
    return Batch((work.reference,), tuple(inputs), lines=tuple(lines), all_lines=_LINES // 4)


def _affordable(work: _Work, proposals: Sequence[Proposal]) -> list[Proposal]:
    """As many as can be calibrated within the budget: of the inputs that were not given, the slowest are dropped."""
    steps = {proposal.input: work.traces[proposal.input].steps for proposal in proposals}
    dropped = set()
    for proposal in sorted(proposals, key=lambda one: (-steps[one.input], one.input)):
        if sum(steps.values()) <= _SUITE_LINES:
            break
        if proposal.source != "given":
            dropped.add(proposal.input)
            detail = f"takes {steps.pop(proposal.input):,} lines; all tests together may take {_SUITE_LINES:,}"
            work.rejections.append(Rejection.of(proposal, "too slow", detail))
    return [proposal for proposal in proposals if proposal.input not in dropped]


def _few(proposals: Sequence[Proposal]) -> list[Proposal]:
    """The given ones; without any, the first four."""
    return [proposal for proposal in proposals if proposal.source == "given"] or list(proposals[:4])


def _prove(works: Sequence[_Work], plan: _Plan) -> None:
    """The proof proper: two runs, each input in a test of its own."""
    hanging = [work for work in works if work.too_slow]
    for at in (0, 1):  # on a second input, too, if there is one
        jobs = [(work.reference, [work.proposals[min(at, len(work.proposals) - 1)].input]) for work in hanging]
        runs = plan.sandbox.run_many(jobs)
        errors = {work: run.error for work, (run,) in zip(hanging, runs, strict=True) if run.verdict is Verdict.TIMEOUT}
        hanging = list(errors)
    for work, error in errors.items():
        work.reason = f"reference hangs: {error}"
    going = [work for work in works if not work.reason]
    jobs = []
    for work in going:
        inputs = [proposal.input for proposal in work.proposals]
        jobs += [(work.reference, inputs), (other_world(work.reference), inputs)]
    runs_of_all = iter(plan.sandbox.run_many(jobs))
    for work in going:
        refuted = []
        for proposal, first, second in zip(work.proposals, next(runs_of_all), next(runs_of_all), strict=True):
            found = prove(work.problem, proposal, first, second)
            if isinstance(found, TestCase):
                work.proven.append(Proven(found, proposal.source))
                continue
            work.rejections.append(found)
            if proposal.source == "given" and found.reason == CLAIM_DIFFERS:
                refuted.append(found.detail)
        claims = sum(proposal.source == "given" and bool(proposal.output) for proposal in work.proposals)
        if 2 * len(refuted) > claims:
            work.reason = f"the reference contradicts {len(refuted)} of {claims} given outputs: {refuted[0]}"
        elif not work.proven:
            [(reason, _)] = Counter(rejection.reason for rejection in work.rejections).most_common(1)
            example = next(rejection.detail for rejection in work.rejections if rejection.reason == reason)
            work.reason = f"no input could be proven, mostly: {reason} ({example})"


def _calibrate(works: Sequence[_Work], plan: _Plan) -> None:
    """Run the candidates on the proven tests; the reference runs along, to see that shared processes are good enough."""
    measured = [work for work in works if not work.too_slow]
    alone: dict[_Work, None] = {}
    groups: dict[float, list[tuple[_Work, list[str]]]] = {}
    controls = plan.run_candidates([_batch(work, [work.problem.reference or ""]) for work in measured], 2.0)
    for work, (runs,) in zip(measured, controls, strict=True):
        if any(run.error and not run.raised for run in runs):  # killed: few lines, but long ones
            work.too_slow = True
            continue
        work.candidates = _candidates(work, plan)
        if any(_column(work, runs)):
            alone[work] = None
            continue
        for group in _groups(work):
            seconds = _cpu_limit(sum(run.seconds for run in runs), len(group))
            groups.setdefault(seconds, []).append((work, group))
    rejected: dict[_Work, dict[str, list[bool]]] = {work: {} for work in measured if not work.too_slow}
    for seconds, batches in groups.items():
        found = plan.run_candidates(
            [_batch(work, [*codes, work.problem.reference or ""]) for work, codes in batches], seconds
        )
        for (work, codes), runs_of_group in zip(batches, found, strict=True):
            *columns, control = [_column(work, runs) for runs in runs_of_group]
            if any(control):
                alone[work] = None
            rejected[work] |= dict(zip(codes, columns, strict=True))
    for work in alone:
        rejected[work] = _one_by_one(work, plan)
    for work, columns_by_code in rejected.items():
        columns = [columns_by_code[one.code] for one in work.candidates]
        work.matrix = KillMatrix(tuple(tuple(column[at] for column in columns) for at in range(len(work.proven))))


def _one_by_one(work: _Work, plan: _Plan) -> dict[str, list[bool]]:
    """Every run in a process of its own: for references that leave state behind."""
    jobs = []
    for one in work.candidates:
        batch = _batch(work, [one.code])
        pairs = zip(batch.inputs, batch.fuel or (), strict=True)
        jobs += [replace(batch, inputs=(text,), fuel=(fuel,)) for text, fuel in pairs]
    runs = iter(plan.run_candidates(jobs, 2.0))
    return {one.code: _column(work, [next(runs)[0][0] for _ in work.proven]) for one in work.candidates}


def _batch(work: _Work, codes: Sequence[str]) -> Batch:
    """Programs on the proven tests; each may make some times the steps that the reference takes."""
    problem = work.problem
    programs = tuple(
        problem.program(fuelled(code)) if problem.form is Form.FUNCTION else fuelled(problem.program(code))
        for code in codes
    )  # our own lines around a function are not counted
    fuel = tuple(4 * run.steps + 1000 for run in work.proven_traces)
    return Batch(programs, tuple(proven.test.input for proven in work.proven), fuel=fuel)


def _groups(work: _Work) -> list[list[str]]:
    """Candidates that share a process, as many as are quick together."""
    most, lines = _SHARED_PROCESS
    size = max(1, min(most, lines // max(1, sum(run.steps for run in work.proven_traces))))
    codes = [one.code for one in work.candidates]
    return [codes[start : start + size] for start in range(0, len(codes), size)]


def _cpu_limit(seconds: float, programs: int) -> float:
    """Generous for programs that take about as long as the reference, which needs `seconds`; a power of two."""
    wanted = 50 * seconds * (programs + 1)
    return next(limit for limit in (1.0, 2.0, 4.0, 8.0) if limit >= min(wanted, 8.0))


def _candidates(work: _Work, plan: _Plan) -> list[Candidate]:
    """As many candidates as the budget of lines allows."""
    traces = work.proven_traces
    count = max(_LEAST, _LINES // max(1, sum(run.steps for run in traces)))
    reached = reached_lines(work.problem, traces)
    found: dict[str, Candidate] = {}
    for source in plan.pool:
        for one in source.candidates(work.problem, plan.seed, reached):
            found.setdefault(one.code, one)
    return list(found.values())[:count]


def _column(work: _Work, outcomes: Sequence[Outcome]) -> list[bool]:
    """Which tests reject a program."""
    return [
        bool(outcome.error) or not work.answers(proven.test, outcome.stdout)
        for proven, outcome in zip(work.proven, outcomes, strict=True)
    ]


# --- the record of one problem --------------------------------------------------------------------------------


def _record(work: _Work, plan: _Plan) -> dict[str, Any]:
    """Everything that is known about one problem, as plain JSON."""
    record: dict[str, Any] = {
        "problem_id": work.problem.problem_id,
        "status": "rejected" if work.reason else "not calibrated" if work.too_slow else "built",
        "reason": work.reason,
        "rejections": [asdict(rejection) for rejection in work.rejections],
    }
    if work.reason:
        return record
    matrix = work.matrix or KillMatrix(tuple(() for _ in work.proven))
    extreme = _features(work)
    every = range(len(work.proven))
    given = [at for at in every if work.proven[at].source == "given"]
    tiers: Sequence[Tier | None] = [proven.test.tier for proven in work.proven]
    kept: Sequence[int] = every
    missing: dict[Tier, str] = {}
    dropped: dict[int, str] = {}
    if work.too_slow:
        record["reason"] = (
            f"the reference takes {_GIVEN_LINES:,} lines or more on one input, or too long for its lines: not "
            "calibrated, given tiers kept"
        )
    elif plan.tiers == "check":
        kept = given
        dropped = dict.fromkeys(set(every) - set(given), "measured only: tiers are checked, not assigned")
        missing = dict.fromkeys(set(Tier) - {tiers[at] for at in given}, "the given suite has no proven test of it")
    else:
        sizes = [len(proven.test.input) for proven in work.proven]
        result = assign(matrix, list(map(bool, extreme)), sizes, [at in given for at in every])
        tiers, kept, dropped, missing = result.tiers, result.kept, result.dropped, result.missing
    rows = [_test_row(work, matrix, at, tiers[at], at in kept, dropped.get(at, ""), extreme[at]) for at in every]
    tests = [_final_test(work, matrix, at, tiers[at], plan) for at in kept]
    return record | {
        "tests": rows,
        "kept": list(kept),
        "missing": {tier.value: missing[tier] for tier in Tier if tier in missing},
        "candidates": [
            {"name": one.name, "kind": one.kind, "rejected": sum(row[at] for row in matrix.rejects)}
            for at, one in enumerate(work.candidates)
        ],
        "matrix": ["".join("#" if rejected else "." for rejected in row) for row in matrix.rejects],
        "wrong": len(matrix.killable),
        "given_score": matrix.score(given) if work.matrix else None,
        "kept_score": matrix.score(kept) if work.matrix else None,
        "coverage": None if work.too_slow else _coverage(work, kept),
        "row": to_row(work.problem.with_tests(tests)),
    }


def _features(work: _Work) -> list[tuple[str, ...]]:
    try:
        model = InputModel.of(work.problem)
    except FormatError:
        return [()] * len(work.proven)
    return [model.features(proven.test.input) for proven in work.proven]


def _test_row(
    work: _Work, matrix: KillMatrix, at: int, tier: Tier | None, kept: bool, why: str, features: Sequence[str]
) -> dict[str, Any]:
    test = work.proven[at].test
    low, high = matrix.interval(at)
    trace = work.traces.get(test.input)
    return {
        "test": at,
        "source": work.proven[at].source,
        "given": test.tier.value if test.tier else None,
        "tier": tier.value if tier else None,
        "kept": kept,
        "dropped": why,
        "difficulty": round(matrix.difficulty(at), 6) if work.matrix else None,
        "low": round(low, 6),
        "high": round(high, 6),
        "rejects": len(matrix.rows[at]),
        "features": list(features),
        "steps": trace.steps if trace and not trace.stopped else None,
        "what": test.reason,
        "input": test.input,
        "output": test.output,
    }


def _final_test(work: _Work, matrix: KillMatrix, at: int, tier: Tier | None, plan: _Plan) -> TestCase:
    source, test = work.proven[at].source, work.proven[at].test
    if work.matrix is None or plan.tiers == "check" or (source == "given" and tier is test.tier):
        return replace(test, tier=tier)
    share = f"rejects {len(matrix.rows[at])} of {len(matrix.killable)} wrong programs"
    return replace(test, tier=tier, reason=f"{test.reason}; {share}" if test.reason else share)


def _coverage(work: _Work, kept: Sequence[int]) -> dict[str, int]:
    reached = reached_lines(work.problem, [work.traces[work.proven[at].test.input] for at in kept])
    return {"lines": len(reached), "all_lines": len(all_lines(work.problem) | reached)}
