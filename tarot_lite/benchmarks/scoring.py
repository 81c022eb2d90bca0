"""Score samples in the sandbox; ask a student and score it.

Solutions run round by round, and each only until something settles it: one failure makes a solution wrong.  The first round gives
every solution one test and little time: most are right or wrong within milliseconds, and wrong ones need not be waited for.  What
ran out of that time is asked anew, with the time that is due to it; what has more tests gets them in portions that double.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tarot_lite import runs
from tarot_lite.benchmarks.outputs import CheckedTests
from tarot_lite.benchmarks.prompts import STYLES, default_style, is_wrapped, own_problem, render, solution
from tarot_lite.benchmarks.registry import Benchmark, get_benchmark
from tarot_lite.benchmarks.results import Report, SampleResult
from tarot_lite.benchmarks.samples import Sample, missing_tasks, write_samples
from tarot_lite.benchmarks.sources import Loaded, load
from tarot_lite.benchmarks.tasks import BenchmarkError, Judgement, Pending, Task, Tests, prepare
from tarot_lite.judging import Verdict
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.students.endpoint import Endpoint

if TYPE_CHECKING:
    from tarot_lite.students import Student

from dataclasses import dataclass, field

from tarot_lite.benchmarks.tasks import Job
from tarot_lite.sandbox import Execution

_FULL = "the prompt fills the student's context"
_NO_CODE = "no code was found in the completion"
_OUTPUT_KB = 1 << 14
_CHECKER_LIMITS = Limits(cpu_seconds=15.0, wall_seconds=75.0, memory_mb=1024, output_kb=_OUTPUT_KB)
_LINE_TOKENS = 64  # a body of the toy world has fewer


def score(
    loaded: Loaded,
    samples: Sequence[Sample],
    sandbox: Sandbox,
    name: str = "samples",
    cache: str | Path | None = None,
    progress: bool = False,
    settings: Mapping[str, object] | None = None,
) -> Report:
    """Judge samples of a benchmark.

    Parameters
    ----------
    loaded
        From `load`.
    samples
        From `read_samples`, or made here.
    sandbox
        Runs them, as many at a time as it has workers.
    name
        Who wrote the samples.
    cache
        Folder for reference outputs, which are computed once; None keeps nothing.
    progress
        Show a bar.
    settings
        How the samples were made (temperature, ...), kept in the report.

    Returns
    -------
    Report
        Tasks without a sample are listed in it and not counted; tasks that cannot be judged here are counted apart.

    Raises
    ------
    BenchmarkError
        If every reference solution of the data fails.
    tarot_lite.sandbox.SandboxError
        If the sandbox failed twice on a program: that is never scored as a wrong answer.
    """
    tasks = {task.task_id: task for task in prepare(loaded.tasks, sandbox, cache)}
    trials: dict[int, Trial] = {}
    for number, sample in enumerate(samples):
        task = tasks[sample.task_id]
        job = _tests(task).job(sample.solution) if sample.solution is not None and not task.unsupported else None
        if job is not None:
            trials[number] = Trial(_tests(task), job, _limits(loaded.benchmark, task))
    settle(trials.values(), sandbox, progress)
    _ask_checkers(trials.values(), sandbox, progress)
    results: list[SampleResult] = []
    attempts: dict[str, int] = defaultdict(int)
    for number, sample in enumerate(samples):
        task = tasks[sample.task_id]
        if task.unsupported:
            continue
        trial = trials.get(number)
        if sample.solution is None:
            judged = Judgement(Verdict.WRONG_ANSWER, sample.why or _NO_CODE)
        else:
            judged = trial.judged if trial is not None and trial.judged is not None else _tests(task).judge([])
        seconds = round(trial.cpu_seconds, 4) if trial is not None else 0.0
        results.append(
            SampleResult(task.task_id, attempts[task.task_id], judged.verdict, judged.detail, judged.base, seconds)
        )
        attempts[task.task_id] += 1
    judged_tasks = [task for task in tasks.values() if not task.unsupported]
    wrapped = sum(is_wrapped(sample.solution) for sample in samples if sample.solution is not None)
    notes = (f"{wrapped} of {len(samples)} samples hold a fence or prose around the code; --extract takes the code out, as "
             "chat models need",) if wrapped and loaded.benchmark.prompt != "assertion" else ()  # fmt: skip
    return Report(
        benchmark=loaded.benchmark.name,
        student=name,
        source=replace(loaded.source, notes=(*loaded.source.notes, *notes)),
        settings=dict(settings or {}),
        results=tuple(results),
        tags={task.task_id: dict(task.tags) for task in judged_tasks},
        missing=tuple(missing_tasks(judged_tasks, samples)),
        unsupported={task.task_id: task.unsupported for task in tasks.values() if task.unsupported},
        forgeable=tuple(task.task_id for task in tasks.values() if task.forgeable),
    )


def references(loaded: Loaded) -> list[Sample]:
    """The data's own solutions as samples: scoring them checks data, conversion and sandbox together."""
    return [Sample(task.task_id, task.reference) for task in loaded.tasks if task.reference is not None]


def run(
    student: Student | Endpoint,
    names: Sequence[str],
    samples: int = 1,
    temperature: float = 0.0,
    sandbox: Sandbox | None = None,
    *,
    seed: int = 0,
    style: str | None = None,
    data: Mapping[str, str | Path] | None = None,
    revisions: Mapping[str, str] | None = None,
    limit: int | None = None,
    since: str | None = None,
    until: str | None = None,
    max_new_tokens: int | None = None,
    cache: str | Path | None = None,
    progress: bool = True,
    keep: str | Path | None = None,
) -> list[Report]:
    """Ask a student and score what it writes: the paper's evaluation for one model.

    Parameters
    ----------
    student
        From `tarot_lite.students`; one behind an endpoint too, whose server has template and context.
    names
        Keys of `BENCHMARKS`.
    samples, temperature
        Completions for each task; 1 at temperature 0 (greedy) is what the paper reports.
    sandbox
        None starts one, and closes it.
    seed
        Of the sampling.
    style
        One of `STYLES`; None chooses by how the student is asked otherwise (`default_style`): the instruction form for
        chat models, the completion form for base models and few-shot students.
    data, revisions
        Local files, and other commits of the Hub's data sets, by benchmark.
    limit, since, until
        As in `load` (the window only where tasks have dates).
    max_new_tokens
        None takes the benchmark's.  A prompt whose context has room for fewer gets those; for none, no code.
    cache
        As in `score`.
    progress
        Show bars.
    keep
        Folder for the solutions, as ``<benchmark>-<student>.jsonl`` in EvalPlus' form, for other tools or another look;
        None keeps none.

    Raises
    ------
    BenchmarkError
        If a name, style or number is unusable, or data cannot be loaded; an `UnreachableError` if the Hub does not
        give it.
    tarot_lite.students.StudentError
        If the student cannot be asked.
    """
    if samples < 1 or temperature < 0:
        raise BenchmarkError(
            f"samples={samples}, temperature={temperature}: give at least one sample and no negative temperature"
        )
    if samples > 1 and temperature == 0:
        raise BenchmarkError(
            f"samples={samples} at temperature 0 are all the same; give a temperature above 0, or one sample"
        )
    if style is not None and style not in STYLES:
        raise BenchmarkError(f"prompt style {style!r} is unknown; use one of {', '.join(STYLES)}")
    if sandbox is None:
        sandbox = own_sandbox = Sandbox()
    else:
        own_sandbox = None
    try:
        reports = []
        for name in names:
            window = (since, until) if get_benchmark(name).dated else (None, None)
            loaded = load(name, (data or {}).get(name), (revisions or {}).get(name), None, limit, *window)
            how = style or default_style(loaded.benchmark, student.style)
            tokens = max_new_tokens or (_LINE_TOKENS if how == "own" else loaded.benchmark.max_new_tokens)
            found = _ask(student, loaded, how, samples, temperature, tokens, seed, progress)
            if keep is not None:
                file = Path(keep) / f"{name}-{student.name}.jsonl".replace(" ", "-")
                write_samples(file, [(each.task_id, each.solution or "") for each in found], "evalplus")
            settings = {
                "samples": samples,
                "temperature": temperature,
                "seed": seed,
                "style": how,
                "max_new_tokens": tokens,
            }
            bars = progress and runs.watched()  # else a stored notebook would keep one
            reports.append(score(loaded, found, sandbox, student.name, cache, bars, settings))
        return reports
    finally:
        if own_sandbox is not None:
            own_sandbox.close()


def _ask(
    student: Student | Endpoint,
    loaded: Loaded,
    style: str,
    samples: int,
    temperature: float,
    wanted: int,
    seed: int,
    progress: bool,
) -> list[Sample]:
    """Completions of all tasks; where the student's context leaves less than `wanted` tokens, as many as it leaves."""
    tasks = [task for task in loaded.tasks if not task.unsupported]
    if style == "own":
        prompts = [student.prompt(own_problem(task)) for task in tasks]
    else:
        student = student.asked("chat" if style == "chat" else "fewshot")  # whether the tokenizer adds its own marks
        tokenizer = None if isinstance(student, Endpoint) else student.tokenizer
        prompts = [render(task, loaded.benchmark, style, tokenizer) for task in tasks]
    groups: dict[int, list[int]] = defaultdict(list)
    for number, room in enumerate(_rooms(student, prompts, wanted)):
        groups[room].append(number)
    written: dict[int, list[str]] = {}
    for room, numbers in groups.items():
        if room < 1:
            continue
        bar = {} if isinstance(student, Endpoint) else {"progress": progress}
        found = student.generate([prompts[i] for i in numbers], samples, temperature, room, seed, **bar)
        written.update((i, [each.text for each in completions]) for i, completions in zip(numbers, found, strict=True))
    return [
        Sample(task.task_id, None, _FULL)
        if text is None
        else Sample(task.task_id, _read(student, task, loaded.benchmark, style, text))
        for number, task in enumerate(tasks)
        for text in written.get(number, [None] * samples)
    ]


def _rooms(student: Student | Endpoint, prompts: list[str], wanted: int) -> list[int]:
    """New tokens that each prompt may be followed by; a server knows its context, and refuses what is too long for it."""
    if isinstance(student, Endpoint) or not prompts:
        return [wanted] * len(prompts)
    return [min(wanted, student.context - len(ids)) for ids in student.tokenizer(prompts)["input_ids"]]


def _read(student: Student | Endpoint, task: Task, benchmark: Benchmark, style: str, text: str) -> str | None:
    if style != "own":
        return solution(task, benchmark, style, text)
    problem = own_problem(task)
    body = student.code(problem, text)
    return None if body is None else problem.program(body)


def _ask_checkers(trials: Iterable[Trial], sandbox: Sandbox, progress: bool) -> None:
    """Have the outputs that a checker must judge judged."""
    checks = [
        (trial, job)
        for trial in trials
        if isinstance(trial.tests, CheckedTests) and (job := trial.tests.check(trial.runs)) is not None
    ]
    found = sandbox.run_many([job for _, job in checks], progress, _CHECKER_LIMITS)
    for (trial, _), verdicts in zip(checks, found, strict=True):
        trial.take(verdicts, is_first=False)


def _tests(task: Task) -> Tests:
    if task.tests is None or isinstance(task.tests, Pending):
        raise BenchmarkError(f"{task.task_id}: its tests are not ready; call `prepare` first")
    return task.tests


def _limits(benchmark: Benchmark, task: Task) -> Limits:
    seconds = task.cpu_seconds or benchmark.cpu_seconds
    return Limits(
        cpu_seconds=seconds,
        wall_seconds=max(30.0, 5 * seconds),
        memory_mb=task.memory_mb or benchmark.memory_mb,
        output_kb=_OUTPUT_KB,
    )


_FIRST_CPU_SECONDS, _FIRST_WALL_SECONDS = 0.02, 2.0


@dataclass
class Trial:
    """One solution before its tests.

    Parameters
    ----------
    tests
        Judge it.
    job
        Its program and inputs, from `tests`.
    limits
        Due to every test.
    runs
        Those that count, for the first inputs in order.
    judged
        From them; None before the first.
    cpu_seconds
        Spent on all its runs, with those that did not count.
    """

    tests: Tests
    job: Job
    limits: Limits
    runs: list[Execution] = field(default_factory=list)
    judged: Judgement | None = None
    cpu_seconds: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether no further run could change the judgement."""
        if self.judged is None:
            return False
        return self.judged.verdict is not Verdict.PASSED or len(self.runs) == len(self.job[1])

    def next_job(self, portion: int) -> Job:
        """The program with the next `portion` of its inputs."""
        program, inputs = self.job
        return program, inputs[len(self.runs) : len(self.runs) + portion]

    def take(self, runs: list[Execution], is_first: bool) -> None:
        """Judge with these runs as well; a time limit of the first round settles nothing."""
        self.cpu_seconds += sum(run.cpu_seconds for run in runs)
        judged = self.tests.judge([*self.runs, *runs])
        if not (is_first and judged.verdict is Verdict.TIMEOUT):
            self.runs += runs
            self.judged = judged


def settle(trials: Iterable[Trial], sandbox: Sandbox, progress: bool = False) -> None:
    """Run trials until each is settled.

    Examples
    --------
    >>> from tarot_lite.benchmarks.tasks import StdioTests
    >>> from tarot_lite.problems import TestCase
    >>> tests = StdioTests(tuple(TestCase(str(n), str(n % 3)) for n in range(100)))
    >>> trial = Trial(tests, tests.job("print(input())"), Limits())
    >>> with Sandbox(workers=1) as sandbox:
    ...     settle([trial], sandbox)
    >>> len(trial.runs), trial.judged.detail
    (7, "test 3: got '3\\\\n', expected '0'")
    """
    waiting, portion, is_first = list(trials), 1, True
    while waiting:
        jobs = [trial.next_job(portion) for trial in waiting]
        limits = [_short(trial.limits) if is_first else trial.limits for trial in waiting]
        for trial, found in zip(waiting, sandbox.run_many(jobs, progress, limits), strict=True):
            trial.take(found, is_first)
        waiting = [trial for trial in waiting if not trial.settled]
        portion, is_first = 2 * portion, False


def _short(limits: Limits) -> Limits:
    cpu, wall = min(_FIRST_CPU_SECONDS, limits.cpu_seconds), min(_FIRST_WALL_SECONDS, limits.wall_seconds)
    return replace(limits, cpu_seconds=cpu, wall_seconds=wall)
