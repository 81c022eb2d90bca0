"""Sample completions, and run them in the sandbox while the next batch is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import runs
from tarot_lite.capability.profile import Profile, outcomes_of
from tarot_lite.capability.rollouts import ProbeError, Rollouts, Sample, Score, key_of
from tarot_lite.problems import Problem
from tarot_lite.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from tarot_lite.students import Completion, Writer

_ROUND = 4  # completions of a problem that are drawn together
_BATCH = 32  # problems that are asked together
_Key = Callable[[Sample], str]


def estimate(
    student: Writer,
    problems: Sequence[Problem],
    sandbox: Sandbox,
    samples: int = 8,
    temperature: float = 1.0,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool = True,
    max_new_tokens: int = 40,
    set_aside: bool = False,
) -> Profile:
    """Measure how capable a student is on `problems`, before training.

    Parameters
    ----------
    student
        Anything that generates (see `tarot_lite.students.Writer`).
    problems
        The probe.  A tier that none of them has is reported as not a number.
    sandbox
        Runs the programs of one batch while the next is generated.
    samples
        Completions per problem.
    temperature
        As in the training to come.
    seed
        Same seed, same rollouts on a CPU, also when the probe was interrupted.
    folder
        Keeps every rollout and goes on from there; None keeps nothing.  Verdicts of other tests, limits, or of an older
        version of the judge are made again, without sampling.
    progress
        Show a bar.
    max_new_tokens
        Longest completion.
    set_aside
        Where the folder holds another probe (other weights, prompts, temperature, …), rename it and begin anew, instead
        of refusing.

    Returns
    -------
    Profile
        Pass rates, costs and verdicts of the completions.

    Raises
    ------
    ProbeError
        If the probe is empty or has no tiered test, a number is out of range, the folder holds another probe, or the
        student failed; what was sampled is kept.
    """
    folder = Path(folder) if folder is not None else None
    _check(problems, samples)
    prompts = {problem.problem_id: student.prompt(problem) for problem in problems}
    identity = {
        "student": student.name,
        "weights": _weights(student),
        "prompts": hashlib.sha256(json.dumps(prompts).encode()).hexdigest()[:16],
        "temperature": temperature,
        "seed": seed,
        "max_new_tokens": max_new_tokens,
        "samples_per_round": _ROUND,
        "batch_problems": _BATCH,
    }
    rollouts = Rollouts(folder, identity, set_aside)
    key = _refresh(student, problems, rollouts, sandbox.limits)
    batches = [problems[i : i + _BATCH] for i in range(0, len(problems), _BATCH)]
    bar = runs.progress(total=samples * len(problems), desc=f"probing {student.name}") if progress else None
    with ThreadPoolExecutor(1, "scoring") as scorer:
        for start in range(0, samples, _ROUND):
            count = min(_ROUND, samples - start)
            scoring: list[Future[None]] = []
            for number, batch in enumerate(batches):
                name = f"{start}.{count}.{number}"
                written = rollouts.batch(name)
                if len(written) < count * len(batch):
                    _sample(student, batch, prompts, name, start, count, temperature, max_new_tokens, seed, rollouts)
                    written = rollouts.batch(name)
                scoring.append(scorer.submit(_score, list(batch), written, rollouts, sandbox, key))
                if bar is not None:
                    bar.update(len(written))
            for future in scoring:
                future.result()
    if bar is not None:
        bar.close()
    chosen = [rollouts.samples[problem.problem_id, i] for problem in problems for i in range(samples)]
    tags = getattr(student, "tags", ("think", "answer"))
    outcomes, verdicts = outcomes_of(problems, chosen, rollouts.scores, tags)
    return Profile(student.name, outcomes, verdicts, seed)


def _check(problems: Sequence[Problem], samples: int) -> None:
    if not problems:
        raise ProbeError("the probe has no problem; give at least one")
    if not any(problem.tiers for problem in problems):
        raise ProbeError(
            f"none of the {len(problems)} problems has a test in a tier; build their suites first (notebook 01)"
        )
    if repeated := len(problems) - len({problem.problem_id for problem in problems}):
        raise ProbeError(f"the probe repeats {repeated} problem ids; give each problem once")
    if samples < 1:
        raise ProbeError(f"samples is {samples}; give at least 1")


def _sample(
    student: Writer,
    batch: Sequence[Problem],
    prompts: dict[str, str],
    name: str,
    start: int,
    count: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
    rollouts: Rollouts,
) -> None:
    """Complete a batch.  Whatever the student wrote before it failed is kept."""
    for numbers, asked in _missing(student, batch, name, range(start, start + count), rollouts).items():
        part = name if len(numbers) == count else f"{name} from {numbers[0]}"
        own_seed = int.from_bytes(hashlib.sha256(f"{seed} {part}".encode()).digest()[:4], "big") >> 1
        texts = [prompts[problem.problem_id] for problem in asked]
        failure: Exception | None = None
        groups: list[list[Completion]] = []
        try:
            groups = student.generate(texts, len(numbers), temperature, max_new_tokens, own_seed)
        except Exception as error:
            failure, groups = error, getattr(error, "found", [])  # Unfinished brings some along
        rollouts.add_samples(
            Sample(name, problem.problem_id, number, c.text, student.code(problem, c.text), c.tokens, c.truncated)
            for problem, group in zip(asked, groups, strict=False)
            for number, c in zip(numbers, group, strict=False)
        )
        if failure is not None:
            where = (
                f"are kept in {rollouts.folder}; call again to go on from there"
                if rollouts.folder
                else "are lost: no folder was given"
            )
            raise ProbeError(
                f"student {student.name!r} failed ({failure}); {len(rollouts.samples)} completions {where}"
            ) from failure


def _missing(
    student: Writer, batch: Sequence[Problem], name: str, numbers: Sequence[int], rollouts: Rollouts
) -> dict[tuple[int, ...], list[Problem]]:
    """Problems of a batch by the numbers of the samples to draw.

    A local student draws a batch as one, so a batch that is not whole (a kill while it was written to disk) is drawn
    again and comes out the same; of an independent one only what is missing is drawn.
    """
    if not getattr(student, "independent", False):
        return {tuple(numbers): list(batch)}
    there = {(sample.problem_id, sample.sample) for sample in rollouts.batch(name)}
    groups: dict[tuple[int, ...], list[Problem]] = {}
    for problem in batch:
        left = tuple(number for number in numbers if (problem.problem_id, number) not in there)
        if left:
            groups.setdefault(left, []).append(problem)
    return groups


def _refresh(student: Writer, problems: Sequence[Problem], rollouts: Rollouts, limits: Limits) -> _Key:
    """Find the code of kept completions anew, and throw verdicts away that are of other code, tests, limits or judges.

    Returns by what a sample's verdicts are known.
    """
    known = {problem.problem_id: problem for problem in problems}

    def key(sample: Sample) -> str:
        return key_of(known[sample.problem_id], sample.code, limits)

    mine = [sample for sample in rollouts.samples.values() if sample.problem_id in known]
    found = [(sample, student.code(known[sample.problem_id], sample.completion)) for sample in mine]
    if other := [replace(sample, code=code) for sample, code in found if code != sample.code]:
        rollouts.correct(other)
    kept = rollouts.scores
    mine = [sample for place, sample in rollouts.samples.items() if sample.problem_id in known and place in kept]
    places = [(sample.problem_id, sample.sample) for sample in mine]
    stale = [place for place, sample in zip(places, mine, strict=True) if kept[place].key != key(sample)]
    if stale:
        runs.note(f"{len(stale)} verdicts are of other tests, limits or an older judge: the programs run again")
        rollouts.forget(stale)
    return key


def _score(
    problems: Sequence[Problem], samples: Sequence[Sample], rollouts: Rollouts, sandbox: Sandbox, key: _Key
) -> None:
    known = {problem.problem_id: problem for problem in problems}
    new = [sample for sample in samples if (sample.problem_id, sample.sample) not in rollouts.scores]
    results = sandbox.judge_many([(known[sample.problem_id], sample.code) for sample in new])
    rollouts.add_scores(
        Score(sample.problem_id, sample.sample, tuple(result.verdict.value for result in tests), key(sample))
        for sample, tests in zip(new, results, strict=True)
    )


def _weights(student: Any) -> str:
    """Short name of a local model's weights, so that rollouts of another model are never taken for its own."""
    model = getattr(student, "model", None)
    if model is None or not hasattr(model, "parameters"):
        return str(model or "")
    digest = hashlib.sha256()
    for weight in model.parameters():
        digest.update(weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
