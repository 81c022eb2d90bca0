"""What a notebook takes from the stages before it, or makes itself when it is run alone.

Everything here is short and has an owner elsewhere; this module only knows where a run keeps it.  Nothing imports it
but the notebooks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from tarot_lite import ablations, benchmarks, runs
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, from_row, to_row
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.statistics import Interval, verdict_of
from tarot_lite.suites import splits

if TYPE_CHECKING:
    from tarot_lite.capability import Profile
    from tarot_lite.curriculum import Policy
    from tarot_lite.students import Student, Writer
    from tarot_lite.students.endpoint import Endpoint


def sandbox(stage: runs.Stage) -> Sandbox:
    """A sandbox with the run's limits."""
    settings = stage.settings
    limits = Limits(cpu_seconds=settings.cpu_seconds, memory_mb=settings.memory_mb)
    return Sandbox(workers=settings.sandbox_workers, limits=limits)


SPLITS = ("train", "probe", "tuning", "heldout")


def prove_splits(stage: runs.Stage, box: Sandbox) -> list[dict[str, int | str]]:
    """Run every reference of the run's splits twice on all its tests, and keep the proven splits for later stages.

    A problem of ``problems_data`` with a test that its reference does not answer both times is left out; the toy world
    keeps all, and the notebook asserts that all are proven.

    Returns
    -------
    list of dict
        Per split: ``split``, ``problems`` that are kept, their ``tests``, and ``proven``: tests that the reference
        answered both times.
    """
    rows: list[dict[str, int | str]] = []
    for split in SPLITS:
        asked = _split(stage, split)
        pairs = [(problem, problem.reference) for problem in asked]
        first, second = box.judge_many(pairs), box.judge_many(pairs)
        proven = {
            problem.problem_id: sum(a.verdict is b.verdict is Verdict.PASSED for a, b in zip(once, again, strict=True))
            for problem, once, again in zip(asked, first, second, strict=True)
        }
        if stage.settings.problems_data is not None:
            asked = [problem for problem in asked if proven[problem.problem_id] == len(problem.tests)]
        stage.save_rows(split, map(to_row, asked))
        tests = sum(len(problem.tests) for problem in asked)
        held = sum(proven[problem.problem_id] for problem in asked)
        rows.append({"split": split, "problems": len(asked), "tests": tests, "proven": held})
    return rows


def problems(stage: runs.Stage, split: str) -> list[Problem]:
    """Problems of a split with the suites that stage 1 proved, or straight from their source.

    The source is the toy world, or what the parameter ``problems_data`` names.

    Parameters
    ----------
    split
        ``train``, ``probe``, ``tuning`` or ``heldout``.
    """
    if stage.has("01_tiered_suites", f"{split}.jsonl"):
        return [from_row(row) for row in stage.load("01_tiered_suites", f"{split}.jsonl")]
    return _split(stage, split)


def student(stage: runs.Stage, name: str | None = None, style: str | None = None) -> Student | Endpoint:
    """A student of the run, from the shared cache, or made or loaded now; None: the last of the profile's.

    `style` is how a pretrained one is asked; None: as the run's parameter ``prompt_style`` says.
    """
    from tarot_lite import students

    settings = stage.settings
    pupil = students.make(name or settings.student_names[-1], settings, runs.shared_folder(stage, "students"))
    if pupil.origin:
        stage.record(**{f"student {pupil.name}": pupil.origin})
        runs.note(f"{pupil.name}: loaded by {pupil.origin['backend']} ({pupil.origin['why']})")
    return pupil.asked(style) if style else pupil


def to_train(stage: runs.Stage) -> Student:
    """The student of one training: the parameter ``student``, else the last of the profile's.

    Raises
    ------
    ValueError
        If it is behind a server, which can only be asked.
    """
    name = stage.settings.student or stage.settings.student_names[-1]
    stage.settings.check_trainable([name])
    return cast("Student", student(stage, name))


def trained(stage: runs.Stage, cell: ablations.Cell) -> Student:
    """A student as a finished cell of the ablation measured it: with its best weights if they were kept, else its last.

    Raises
    ------
    tarot_lite.runs.RunError
        If the cell's weights are gone.
    """
    pupil = cast("Student", student(stage, cell.student))
    from tarot_lite import training  # after the student: where Unsloth is used, it comes before TRL
    from tarot_lite.training.checkpoints import last_complete, take_weights

    folder = stage.run_folder / "cells" / cell.name / ablations.STAGE / "training"
    if stage.settings.keep_best_every is not None:
        training.best_weights(folder, pupil)
    elif (checkpoint := last_complete(folder / "checkpoints", clean=False)) is not None:
        take_weights(checkpoint, pupil)
    else:
        raise runs.RunError(
            f"{folder} holds no weights of cell {cell.name}; delete the cell's folder to train it again"
        )
    pupil.name = f"{cell.student} after {cell.policy}"
    return pupil


def measure(
    stage: runs.Stage,
    pupil: Writer,
    asked: list[Problem],
    box: Sandbox,
    name: str,
    samples: int,
    shared: bool = True,
    longer: int = 1,
) -> Profile:
    """Probe a student; its rollouts are kept, so a second call costs no sampling.

    A probe that other settings or an older version of the student left in the run folder is set aside.

    Parameters
    ----------
    name
        Of the folder for the rollouts.
    samples
        Completions per problem.
    shared
        Keep them for all stages and cells of the run; False: for this stage alone.
    longer
        Times ``max_completion_tokens``.
    """
    from tarot_lite import capability

    settings = stage.settings
    folder = runs.shared_folder(stage, "probes") if shared else stage.folder / "probes"
    return capability.estimate(
        pupil,
        asked,
        box,
        samples=samples,
        temperature=settings.temperature,
        seed=settings.seed,
        folder=folder / name,
        max_new_tokens=longer * settings.max_completion_tokens,
        set_aside=True,
    )


def prompt_styles(stage: runs.Stage, asked: list[Problem], box: Sandbox) -> list[dict[str, str | float]]:
    """What the way of asking does to a pretrained student: the same problems by chat, if it can, and by examples.

    Both are asked of the model as it came; after a supervised warm-up there is a row for what it can do then.  By chat it may
    write three times as much, for a fence and some words around the program.

    Returns
    -------
    list of dict
        ``student``, ``style``, ``with code`` (share of completions with a program), ``truncated`` (share cut off),
        ``basic`` and ``whole suite`` (pass@1), ``groups with a gradient`` (share, all tiers counting).  Empty without
        pretrained students.
    """
    from tarot_lite import capability, students

    settings = stage.settings
    cold = dataclasses.replace(settings, supervised_steps=0)
    rows: list[dict[str, str | float]] = []
    for name in settings.models:
        for style, longer in (("chat", 3), ("fewshot", 1), ("after a warm-up", 1)):
            if style == "after a warm-up":
                if not settings.supervised_steps:
                    continue
                pupil, folder = student(stage, name), f"{name}-probe"
            else:
                pupil = students.make(name, cold, runs.shared_folder(stage, "students"))
                if style == "chat" and not getattr(pupil, "can_chat", True):
                    continue  # a base model
                pupil = pupil.asked(style)
                folder = (
                    f"{name}-probe" if settings == cold and style == settings.prompt_style else f"{name}-{style}-probe"
                )
            probe = measure(stage, pupil, asked, box, folder, settings.probe_samples, longer=longer)
            groups = capability.signal_of_phases(probe, ["flat"], settings.generations)
            rows.append(
                {
                    "student": name,
                    "style": style,
                    "with code": 1 - probe.no_code,
                    "truncated": probe.truncated,
                    "basic": probe.rate("basic").estimate,
                    "whole suite": probe.rate().estimate,
                    "groups with a gradient": float(groups["signal"].iloc[0]),
                }
            )
    return rows


def choice(stage: runs.Stage, pupil: Student, box: Sandbox) -> tuple[str, str]:
    """Curriculum for one training and why: the parameter ``policy``, else what stage 3's rule says of this student."""
    if stage.settings.policy is not None:
        return stage.settings.policy, "It was given by the parameter `policy`."
    from tarot_lite import capability

    probe = measure(stage, pupil, problems(stage, "probe"), box, f"{pupil.name}-probe", stage.settings.probe_samples)
    chosen = capability.choose(probe)
    return chosen.policy, f"Chosen by the rule `{chosen.rule}`: {chosen.why}."


def pilot_trainer(stage: runs.Stage, name: str, box: Sandbox) -> Callable[[Policy, int], float]:
    """Short real trainings of a student, for the chooser ``pilot``.

    Each begins with a fresh student and sees the whole schedule, shortened; it is scored by the student's capability
    (mean pass@1 over the tiers) on the tuning problems, which are never reported.  A training that is done is kept.

    Examples
    --------
    ``capability.choose(profile, "pilot", train=stages.pilot_trainer(stage, "weak", box), steps=10)``
    """
    from tarot_lite import training

    train_on, tuning = problems(stage, "train"), problems(stage, "tuning")

    def train(policy: Policy, steps: int) -> float:
        settings = dataclasses.replace(stage.settings, grpo_steps=steps, save_steps=steps, hub_checkpoints=None)
        folder = f"pilot-{name}-{policy.name}-{steps}"
        pupil = cast("Student", student(stage, name))
        training.train(pupil, train_on, policy, settings, stage.folder / folder, box)
        probe = measure(stage, pupil, tuning, box, folder, settings.eval_samples, shared=False)
        return probe.capability().estimate

    return train


def claim(stage: runs.Stage, text: str, evidence: str, found: Interval, at_least: float = 0.0) -> None:
    """Put a difference in pass@1 into the run's claims table, with the verdict that its interval allows.

    Parameters
    ----------
    found
        Share in [-1, 1], told in percentage points.
    at_least
        The claim holds if the whole interval lies above this share.
    """
    low, high = 100 * found.low, 100 * found.high
    number = f"{100 * found.estimate:+.1f} points"
    stage.claim(text, evidence, number, f"{low:+.1f} to {high:+.1f}", verdict_of(found, at_least))


def run_grid(stage: runs.Stage, cells: list[ablations.Cell]) -> list[ablations.Outcome]:
    """Run the cells of an ablation with a progress bar; what they share is made once, before."""
    box = sandbox(stage)
    heldout = problems(stage, "heldout")
    for name in dict.fromkeys(cell.student for cell in cells):
        measure(stage, student(stage, name), heldout, box, f"{name}-heldout", stage.settings.eval_samples)
    box.close()
    bar = runs.progress(total=len(cells), desc="trainings")
    outcomes = ablations.run_cells(cells, stage.settings, stage.run_folder, on_outcome=lambda outcome: bar.update(1))
    bar.close()
    return outcomes


def benchmark(stage: runs.Stage, pupils: Sequence[Student], box: Sandbox) -> list[list[benchmarks.Report]]:
    """Students on the run's benchmarks; every report is kept as ``benchmark-<benchmark>-<student>.json`` too.

    One whose data the Hub does not give is left out for all of them, which is printed with the reason.  A chat model
    may write as much as in training, if that is more than the benchmark's own limit.

    Returns
    -------
    list of list of tarot_lite.benchmarks.Report
        For each student, in the order of the settings.

    Raises
    ------
    tarot_lite.benchmarks.UnreachableError
        If none is left.
    """
    settings = stage.settings
    samples = settings.benchmark_samples or settings.eval_samples
    temperature = settings.temperature if settings.benchmark_temperature is None else settings.benchmark_temperature
    asked: dict[str, Any] = {
        "data": settings.benchmark_data,
        "revisions": settings.benchmark_revisions,
        "limit": settings.benchmark_tasks,
        "since": settings.benchmark_since,
        "until": settings.benchmark_until,
        "cache": benchmarks.default_cache(),
    }
    found: list[list[benchmarks.Report]] = []
    missing: list[benchmarks.UnreachableError] = []
    for name in settings.benchmarks:
        try:
            usual = benchmarks.get_benchmark(name).max_new_tokens
            room = [max(usual, settings.max_completion_tokens) if each.style == "chat" else None for each in pupils]
            found.append(
                [
                    benchmarks.run(pupil, [name], samples, temperature, box, max_new_tokens=tokens, **asked)[0]
                    for pupil, tokens in zip(pupils, room, strict=True)
                ]
            )
        except benchmarks.UnreachableError as error:
            missing.append(error)
            print(f"Left out: {error}")
    if not found:
        raise missing[0]
    for report in (report for of_benchmark in found for report in of_benchmark):
        told = report.to_dict()
        told["results"] = [row[:-1] for row in told["results"]]  # less the seconds, which are the machine's
        stage.save_json(f"benchmark-{report.benchmark}-{report.student}".replace(" ", "-"), told)
    return [list(of_student) for of_student in zip(*found, strict=True)]


def _split(stage: runs.Stage, split: str) -> list[Problem]:
    return splits.of_run(stage.settings, split)
