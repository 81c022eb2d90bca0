"""Stage 1: propose, prove, calibrate -- problems in, four-tier suites out."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tarot_lite import origins
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
from tarot_lite.suites.store import Store

TIERS = ("assign", "check")
_CHUNK = 16  # problems whose programs are run together, so that all workers stay busy
_BATCH_OUTPUT_KB = 16 * 1024
_LEAST = 12  # candidates: a calibration by fewer would say nothing
_SHARED_PROCESS = 8, 200_000  # candidates that share a process, and about the lines that they may take together


@dataclass(frozen=True)
class _Plan:
    """The settings of one build."""

    sandbox: Sandbox
    proposers: tuple[Proposer, ...]
    pool: tuple[Pool, ...]
    seed: int
    tiers: str
    per_tier: int | None
    max_input_kb: float
    steps: int
    coverage: bool

    @property
    def given_lines(self) -> int:
        """Lines that the reference may take on a given input before the problem counts as too slow to calibrate."""
        return max(1, self.steps // 20)

    @property
    def other_lines(self) -> int:
        """Lines that it may take on any other input."""
        return max(1, self.steps // 200)

    @property
    def suite_lines(self) -> int:
        """Lines that it may take on all tests of a problem together, so that `_LEAST` candidates can run on them."""
        return max(1, self.steps // _LEAST)

    def trace(self, work: _Work, count: int | None = None) -> Batch:
        """The reference on the first `count` proposals (None: on all), traced."""
        lines = [self.given_lines if one.source == "given" else self.other_lines for one in work.proposals[:count]]
        inputs = tuple(proposal.input for proposal in work.proposals[:count])
        return Batch((work.reference,), inputs, lines=tuple(lines), all_lines=self.steps // 4)

    @property
    def trace_limits(self) -> Limits:
        """Of a whole batch of traced runs; the clock is short, so that a reference that sleeps is found soon."""
        return replace(self.sandbox.limits, cpu_seconds=8.0, wall_seconds=16.0, output_kb=_BATCH_OUTPUT_KB)

    def candidate_limits(self, cpu_seconds: float) -> Limits:
        """Of a process of candidates: counted steps end nearly every endless one, this ends the others."""
        wall = 10 + 2 * cpu_seconds
        return replace(self.sandbox.limits, cpu_seconds=cpu_seconds, wall_seconds=wall, output_kb=_BATCH_OUTPUT_KB)


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
    reason: str = ""
    too_slow: bool = False
    answered: dict[tuple[str, str], bool] = field(default_factory=dict)

    def stop(self, reason: str) -> None:
        """No suite for this problem."""
        self.reason = self.reason or reason

    def answers(self, test: TestCase, output: str) -> bool:
        """As `Problem.answers`, remembered: many candidates give the same output."""
        key = test.input, output
        if key not in self.answered:
            self.answered[key] = self.problem.answers(test, output)
        return self.answered[key]

    @property
    def reference(self) -> str:
        return self.problem.program(self.problem.reference or "")


def build(
    problems: Iterable[Problem | ProblemError],
    sandbox: Sandbox,
    proposers: Sequence[Proposer] | None = None,
    pool: Sequence[Pool] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    tiers: Literal["assign", "check"] = "assign",
    per_tier: int | None = None,
    max_input_kb: float = 256,
    steps: int = 10_000_000,
    coverage: bool = True,
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
        Of all choices; the same seed gives the same files.
    folder
        Every finished problem is kept there, and a build that was killed goes on where it was.  Final files are
        written there too (`SuiteReport.save`).  None keeps nothing.
    progress
        Show a bar.
    tiers
        ``"assign"`` -- tiers by measured difficulty, the smallest suite; ``"check"`` -- keep the given tests and
        their tiers, and report whether the measurement agrees.
    per_tier
        At most so many tests a tier when assigning; None takes as many as it needs to reject all that can be.
    max_input_kb
        Larger inputs are dropped, in KiB.
    steps
        Lines of Python that calibrating one problem may take, by estimate: fewer tests and candidates are used
        for slow references, and very slow ones keep their given tiers unmeasured.  Lines are counted, not seconds,
        so that a busy machine comes to the same suites.
    coverage
        Measure lines and branches of the reference that the suite reaches.

    Returns
    -------
    SuiteReport
        The problems with their suites, and what happened, as tables.

    Raises
    ------
    ValueError
        If a parameter is out of range, or `folder` holds a build with other settings.

    Examples
    --------
    >>> tests = (TestCase("3\\n5 1 2\\n", "8"), TestCase("2\\n7 -7\\n", "0"))
    >>> problem = Problem("sum", "Add n numbers.", tests, "input()\\nprint(sum(map(int, input().split())))")
    >>> with Sandbox(workers=1) as sandbox:
    ...     report = build([problem], sandbox, progress=False)
    >>> len(report.problems)
    1
    """
    if tiers not in TIERS:
        raise ValueError(f"tiers is {tiers!r}; use one of {', '.join(map(repr, TIERS))}")
    for name, value in (("per_tier", per_tier), ("max_input_kb", max_input_kb), ("steps", steps)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value!r}; give a number above 0")
    plan = _Plan(
        sandbox,
        tuple(proposers if proposers is not None else (Given(), Mutation())),
        tuple(pool if pool is not None else (Stubs(), Mutants())),
        seed,
        tiers,
        per_tier,
        max_input_kb,
        steps,
        coverage,
    )
    settings = {
        "seed": seed,
        "tiers": tiers,
        "per_tier": per_tier,
        "max_input_kb": max_input_kb,
        "steps": steps,
        "coverage": coverage,
        "code": origins.modules_hash("suites.build"),
        "proposers": [_describe(proposer) for proposer in plan.proposers],
        "pool": [_describe(source) for source in plan.pool],
    }
    store = Store(folder, settings)
    records: list[dict[str, Any]] = []
    for chunk, made in _ahead(_chunks(_bar(problems, progress)), lambda chunk: _build_chunk(chunk, plan, store)):
        for item, record in zip(chunk, made, strict=True):
            if isinstance(item, Problem) and store.finished(item) is None:
                store.add(item, record)
        records += made
    report = SuiteReport(records, settings)
    if folder is not None:
        report.save(folder)
    return report


def _describe(part: Any) -> str:
    """Settings of a proposer or pool; contents that are long are named by their fingerprint."""
    return str(part.describe()) if hasattr(part, "describe") else repr(part)


def _bar(problems: Iterable[Any], progress: bool) -> Iterable[Any]:
    if not progress:
        return problems
    from tqdm.auto import tqdm

    return tqdm(problems, desc="suites", unit="problem", disable=None)


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _ahead(chunks: Iterable[list[Any]], work: Callable[[list[Any]], Any]) -> Iterator[tuple[list[Any], Any]]:
    """Each chunk with its result, in order; two are at work, so that one keeps the sandbox busy while the other thinks."""
    with ThreadPoolExecutor(2) as threads:
        waiting: deque[tuple[list[Any], Future[Any]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, threads.submit(work, chunk)))
            if len(waiting) == 2:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _build_chunk(chunk: Sequence[Problem | ProblemError], plan: _Plan, store: Store) -> list[dict[str, Any]]:
    results: list[dict[str, Any] | _Work] = []
    for item in chunk:
        if isinstance(item, ProblemError):
            results.append({"problem_id": None, "status": "broken", "reason": str(item)})
        else:
            results.append(store.finished(item) or _Work(item))
    works = [item for item in results if isinstance(item, _Work)]
    if works:
        try:
            _propose(works, plan)
            _trace(works, plan)
            _prove(works, plan)
            _calibrate(works, plan)
        except SandboxError as failure:
            raise SandboxError(f"{failure}; finished problems are kept, start the build again to go on") from failure
    return [_record(item, plan) if isinstance(item, _Work) else item for item in results]


def _going(works: Iterable[_Work]) -> list[_Work]:
    return [work for work in works if not work.reason]


# --- the steps ------------------------------------------------------------------------------------------------


def _propose(works: Sequence[_Work], plan: _Plan) -> None:
    for work in works:
        if not (work.problem.reference or "").strip():
            work.stop("no reference solution")
            continue
        try:
            compile(work.reference, "<reference>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            work.stop(f"reference is no Python 3: {error}")
            continue
    going = _going(works)
    for proposer in plan.proposers:
        with ThreadPoolExecutor(getattr(proposer, "jobs", 1)) as threads:  # a language model answers several at a time
            answers = threads.map(lambda work, ask=proposer.propose: ask(work.problem, plan.seed), going)
            for work, proposals in zip(going, answers, strict=True):
                work.proposals += proposals
                failure = getattr(proposer, "failures", {}).get(work.problem.problem_id)
                if failure:
                    work.rejections.append(Rejection(proposer.name, "no answer", failure, ""))
    for work in going:
        work.proposals, rejections = screen(work.proposals, plan.max_input_kb)
        work.rejections += rejections
        if not work.proposals:
            work.stop("no usable input" + (f": {work.rejections[0].detail}" if work.rejections else ""))


def _trace(works: Sequence[_Work], plan: _Plan) -> None:
    """Run the reference on everything once, traced: find out early if it hangs, fails, or is too slow to calibrate."""
    going = _going(works)
    first = run_batches(plan.sandbox, [plan.trace(work, 1) for work in going], plan.trace_limits)
    for work, ((run,),) in zip(going, first, strict=True):
        killed = bool(run.error) and not run.raised
        work.too_slow = run.stopped or killed
        if "ModuleNotFoundError" in run.error or "ImportError" in run.error:
            work.stop(f"reference needs a module that the sandbox lacks: {run.error}")
        if work.too_slow or run.error:  # prove what is given: it may be slow only here, or this input may be bad
            work.proposals = _few(work.proposals)
    going = [work for work in _going(works) if not work.too_slow]
    traced = run_batches(plan.sandbox, [plan.trace(work) for work in going], plan.trace_limits)
    for work, (runs,) in zip(going, traced, strict=True):
        quick = []
        for proposal, run in zip(work.proposals, runs, strict=True):
            if run.stopped and proposal.source == "given":
                work.too_slow = True
            elif run.stopped:
                work.rejections.append(_too_slow(proposal, f"the reference takes {plan.other_lines:,} lines or more"))
                continue
            elif run.error and proposal.source != "given":  # no need to prove it
                reason = "reference failed" if run.raised else "reference: timeout or crash"
                work.rejections.append(Rejection(proposal.source, reason, run.error, proposal.input[:120]))
                continue
            quick.append((proposal, run))
        work.traces = {proposal.input: run for proposal, run in quick}
        work.proposals = _affordable(work, [proposal for proposal, _ in quick], plan)
        if work.too_slow:
            work.proposals = _few(work.proposals)


def _affordable(work: _Work, proposals: Sequence[Proposal], plan: _Plan) -> list[Proposal]:
    """As many as can be calibrated within the budget: of the inputs that were not given, the slowest are dropped."""
    total = sum(work.traces[proposal.input].steps for proposal in proposals)
    dropped = set()
    for proposal in sorted(proposals, key=lambda one: (-work.traces[one.input].steps, one.input)):
        if total <= plan.suite_lines:
            break
        if proposal.source != "given":
            steps = work.traces[proposal.input].steps
            total -= steps
            dropped.add(proposal.input)
            detail = f"takes {steps:,} lines; all tests together may take {plan.suite_lines:,}"
            work.rejections.append(_too_slow(proposal, detail))
    return [proposal for proposal in proposals if proposal.input not in dropped]


def _too_slow(proposal: Proposal, detail: str) -> Rejection:
    return Rejection(proposal.source, "too slow", detail, proposal.input[:120])


def _few(proposals: Sequence[Proposal]) -> list[Proposal]:
    """The given ones; without any, the first four."""
    return [proposal for proposal in proposals if proposal.source == "given"] or list(proposals[:4])


def _prove(works: Sequence[_Work], plan: _Plan) -> None:
    """The proof proper: two runs, each input in a test of its own."""
    slow = [work for work in _going(works) if work.too_slow]
    first = plan.sandbox.run_many([(work.reference, [work.proposals[0].input]) for work in slow])
    hanging = [work for work, (run,) in zip(slow, first, strict=True) if run.verdict is Verdict.TIMEOUT]
    for work, runs in zip(
        hanging, plan.sandbox.run_many([(w.reference, _second_input(w)) for w in hanging]), strict=True
    ):
        if runs[0].verdict is Verdict.TIMEOUT:
            work.stop(f"reference hangs: {runs[0].error}")
    going = _going(works)
    jobs = []
    for work in going:
        inputs = [proposal.input for proposal in work.proposals]
        jobs += [(work.reference, inputs), (other_world(work.reference), inputs)]
    runs_of_all = iter(plan.sandbox.run_many(jobs))
    for work in going:
        work.proven, rejections = prove(work.problem, work.proposals, next(runs_of_all), next(runs_of_all))
        work.rejections += rejections
        claims = [proposal for proposal in work.proposals if proposal.source == "given" and proposal.output]
        refuted = [one for one in rejections if one.source == "given" and one.reason == CLAIM_DIFFERS]
        if 2 * len(refuted) > len(claims):
            work.stop(f"the reference contradicts {len(refuted)} of {len(claims)} given outputs: {refuted[0].detail}")
        elif not work.proven:
            counts = Counter(rejection.reason for rejection in work.rejections)
            reason, _ = counts.most_common(1)[0]
            example = next(rejection.detail for rejection in work.rejections if rejection.reason == reason)
            work.stop(f"no input could be proven, mostly: {reason} ({example})")


def _second_input(work: _Work) -> list[str]:
    return [work.proposals[min(1, len(work.proposals) - 1)].input]


def _calibrate(works: Sequence[_Work], plan: _Plan) -> None:
    """Run the candidates on the proven tests; the reference runs along, to see that shared processes are good enough."""
    measured = [work for work in _going(works) if not work.too_slow]
    alone = []
    groups: dict[float, list[tuple[_Work, list[Candidate]]]] = {}
    controls = run_batches(plan.sandbox, [_batch(w, [_control(w)]) for w in measured], plan.candidate_limits(2.0))
    for work, (runs,) in zip(measured, controls, strict=True):
        if any(run.error and not run.raised for run in runs):  # killed: few lines, but long ones
            work.too_slow = True
            continue
        work.candidates = _candidates(work, plan)
        if any(_column(work, runs)):
            alone.append(work)
            continue
        for group in _groups(work):
            seconds = _cpu_limit(sum(run.seconds for run in runs), len(group))
            groups.setdefault(seconds, []).append((work, group))
    rejected: dict[_Work, dict[str, list[bool]]] = {work: {} for work in measured}
    for seconds, batches in groups.items():
        jobs = [_batch(work, [*group, _control(work)]) for work, group in batches]
        for (work, group), runs_of_group in zip(
            batches, run_batches(plan.sandbox, jobs, plan.candidate_limits(seconds)), strict=True
        ):
            *columns, control = [_column(work, runs) for runs in runs_of_group]
            if any(control):
                alone.append(work)
            rejected[work] |= dict(zip([one.code for one in group], columns, strict=True))
    for work in dict.fromkeys(alone):
        rejected[work] = _one_by_one(work, plan)
    for work in measured:
        if not work.too_slow:
            work.matrix = _matrix(work, [rejected[work][one.code] for one in work.candidates])


def _one_by_one(work: _Work, plan: _Plan) -> dict[str, list[bool]]:
    """Every run in a process of its own: for references that leave state behind."""
    jobs = [
        replace(_batch(work, [one]), inputs=(proven.test.input,), fuel=(fuel,))
        for one in work.candidates
        for proven, fuel in zip(work.proven, _fuel(work), strict=True)
    ]
    runs = iter(run_batches(plan.sandbox, jobs, plan.candidate_limits(2.0)))
    return {one.code: _column(work, [next(runs)[0][0] for _ in work.proven]) for one in work.candidates}


def _control(work: _Work) -> Candidate:
    return Candidate("reference", "control", work.problem.reference or "")


def _batch(work: _Work, candidates: Sequence[Candidate]) -> Batch:
    problem = work.problem
    programs = tuple(
        problem.program(_counting(one.code)) if problem.form is Form.FUNCTION else _counting(problem.program(one.code))
        for one in candidates
    )  # our own lines around a function are not counted
    return Batch(programs, tuple(proven.test.input for proven in work.proven), fuel=_fuel(work))


def _fuel(work: _Work) -> tuple[int, ...]:
    """Steps that a candidate may make on each test: some times what the reference takes."""
    return tuple(4 * work.traces[proven.test.input].steps + 1000 for proven in work.proven)


def _groups(work: _Work) -> list[list[Candidate]]:
    """Candidates that share a process: derived ones, as many as are quick together; any other one has its own."""
    most, lines = _SHARED_PROCESS
    total = sum(work.traces[proven.test.input].steps for proven in work.proven)
    size = max(1, min(most, lines // max(1, total)))
    derived = [one for one in work.candidates if one.derived]
    return [
        *(derived[start : start + size] for start in range(0, len(derived), size)),
        *([one] for one in work.candidates if not one.derived),
    ]


def _cpu_limit(seconds: float, programs: int) -> float:
    """Generous for programs that take about as long as the reference, which needs `seconds`; a power of two."""
    wanted = 50 * seconds * (programs + 1)
    return next(limit for limit in (1.0, 2.0, 4.0, 8.0) if limit >= min(wanted, 8.0))


def _candidates(work: _Work, plan: _Plan) -> list[Candidate]:
    """As many candidates as the budget of lines allows."""
    traces = [work.traces[proven.test.input] for proven in work.proven]
    count = max(_LEAST, plan.steps // max(1, sum(run.steps for run in traces)))
    reached = reached_lines(work.problem, traces)
    found: dict[str, Candidate] = {}
    for source in plan.pool:
        for one in source.candidates(work.problem, plan.seed, reached):
            found.setdefault(one.code, one)
    return list(found.values())[:count]


def _column(work: _Work, outcomes: Sequence[Outcome]) -> list[bool]:
    return [
        bool(outcome.error) or not work.answers(proven.test, outcome.stdout)
        for proven, outcome in zip(work.proven, outcomes, strict=True)
    ]


def _matrix(work: _Work, columns: Sequence[Sequence[bool]]) -> KillMatrix:
    rows: Iterable[tuple[bool, ...]] = zip(*columns, strict=True) if columns else (() for _ in work.proven)
    return KillMatrix(tuple(rows))


def _counting(program: str) -> str:
    try:
        return fuelled(program)
    except (SyntaxError, ValueError, RecursionError):  # a given candidate may be no Python at all
        return program


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
    given = [proven.source == "given" for proven in work.proven]
    missing: dict[Tier, str] = {}
    dropped: dict[int, str] = {}
    tiers: list[Tier | None] = [proven.test.tier for proven in work.proven]
    if work.too_slow:
        record["reason"] = (
            f"the reference takes {plan.given_lines:,} lines or more on one input, or too long for its lines: not "
            "calibrated, given tiers kept; raise steps to calibrate it"
        )
        kept = list(range(len(work.proven)))
    elif plan.tiers == "check":
        kept = [at for at, is_given in enumerate(given) if is_given]
        dropped = {
            at: "measured only: tiers are checked, not assigned" for at, is_given in enumerate(given) if not is_given
        }
        missing = {
            tier: "the given suite has no proven test of it" for tier in Tier if tier not in [tiers[at] for at in kept]
        }
    else:
        sizes = [len(proven.test.input) for proven in work.proven]
        result = assign(matrix, [bool(names) for names in extreme], sizes, given, plan.per_tier)
        tiers, kept, dropped, missing = list(result.tiers), list(result.kept), result.dropped, result.missing
    rows = [
        _test_row(work, matrix, at, tiers[at], at in kept, dropped.get(at, ""), extreme[at]) for at in range(len(tiers))
    ]
    tests = [_final_test(work, matrix, at, tiers[at], plan) for at in kept]
    record |= {
        "tests": rows,
        "kept": kept,
        "missing": {tier.value: why for tier, why in missing.items()},
        "candidates": [
            {"name": one.name, "kind": one.kind, "rejected": sum(row[at] for row in matrix.rejects)}
            for at, one in enumerate(work.candidates)
        ],
        "matrix": ["".join("#" if rejected else "." for rejected in row) for row in matrix.rejects],
        "wrong": len(matrix.killable),
        "given_score": matrix.score([at for at, is_given in enumerate(given) if is_given]) if work.matrix else None,
        "kept_score": matrix.score(kept) if work.matrix else None,
        "coverage": _coverage(work, kept) if plan.coverage and not work.too_slow else None,
        "row": to_row(work.problem.with_tests(tests)),
    }
    return record


def _features(work: _Work) -> list[tuple[str, ...]]:
    try:
        model = InputModel.of(work.problem)
    except FormatError:
        return [()] * len(work.proven)
    return [model.features(proven.test.input) for proven in work.proven]


def _test_row(
    work: _Work, matrix: KillMatrix, at: int, tier: Tier | None, kept: bool, why: str, features: Sequence[str]
) -> dict[str, Any]:
    proven = work.proven[at]
    low, high = matrix.interval(at)
    trace = work.traces.get(proven.test.input)
    return {
        "test": at,
        "source": proven.source,
        "given": proven.test.tier.value if proven.test.tier else None,
        "tier": tier.value if tier else None,
        "kept": kept,
        "dropped": why,
        "difficulty": round(matrix.difficulty(at), 6) if work.matrix else None,
        "low": round(low, 6),
        "high": round(high, 6),
        "rejects": len(matrix.rows[at]),
        "features": list(features),
        "steps": trace.steps if trace and not trace.stopped else None,
        "what": proven.what,
        "input": proven.test.input,
        "output": proven.test.output,
    }


def _final_test(work: _Work, matrix: KillMatrix, at: int, tier: Tier | None, plan: _Plan) -> TestCase:
    proven = work.proven[at]
    test = TestCase(proven.test.input, proven.test.output, tier, proven.test.reason)
    if work.matrix is None or plan.tiers == "check" or (proven.source == "given" and tier is proven.test.tier):
        return test
    share = f"rejects {len(matrix.rows[at])} of {len(matrix.killable)} wrong programs"
    return TestCase(test.input, test.output, tier, f"{proven.what}; {share}" if proven.what else share)


def _coverage(work: _Work, kept: Sequence[int]) -> dict[str, int]:
    reached = reached_lines(work.problem, [work.traces[work.proven[at].test.input] for at in kept])
    return {"lines": len(reached), "all_lines": len(all_lines(work.problem) | reached)}
