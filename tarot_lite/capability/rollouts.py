"""Every completion of a probe, kept on disk as it comes, so that nothing sampled is lost or sampled twice.

A folder holds ``probe.json`` (what was asked of whom), ``samples.jsonl`` (completions, appended batch by batch) and
``scores.jsonl`` (verdicts, appended as they come; may be thrown away and made again).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines, origins, runs
from tarot_lite.problems import Problem
from tarot_lite.sandbox import Limits


class ProbeError(RuntimeError):
    """A probe that cannot start or go on; the message says what is kept and what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion: which batch and problem it belongs to, its number within the problem, and what was written."""

    batch: str
    problem_id: str
    sample: int
    completion: str
    code: str | None
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Score:
    """Verdicts of one completion, one per test of its problem, in order, and what they answer for (see `key_of`)."""

    problem_id: str
    sample: int
    verdicts: tuple[str, ...]
    key: str


def key_of(problem: Problem, code: str | None, limits: Limits) -> str:
    """All that a verdict answers for: the program, the tests and how they are compared, the limits, and the code that judges."""
    judged = (problem.tests, problem.comparison, problem.form, problem.scaffold, problem.entry_point, limits)
    return origins.fingerprint(code, repr(judged), origins.modules_hash("judging", "problems", "sandbox"))


class Rollouts:
    """Samples and scores, in memory and, if a folder is given, on disk.

    Parameters
    ----------
    folder
        None keeps them in memory only.
    identity
        What must agree for old samples to be of use.
    set_aside
        Rename a folder that holds another probe instead of refusing it.

    Raises
    ------
    ProbeError
        If the folder holds the samples of another probe, and is not to be set aside.
    """

    def __init__(self, folder: Path | None, identity: Mapping[str, Any], set_aside: bool = False) -> None:
        self.folder = folder
        self.samples: dict[tuple[str, int], Sample] = {}
        self.scores: dict[tuple[str, int], Score] = {}
        if folder is None:
            return
        card = folder / "probe.json"
        if card.is_file():
            old = json.loads(card.read_text(encoding="utf-8"))
            different = [f"{k} ({old.get(k)!r} there, {v!r} now)" for k, v in identity.items() if old.get(k) != v]
            if different and not set_aside:
                raise ProbeError(
                    f"{folder} holds another probe, different in {', '.join(different)}; give another folder, or delete it"
                )
            if different:
                aside = next(
                    path for n in itertools.count(1) if not (path := folder.with_name(f"{folder.name}.old{n}")).exists()
                )
                folder.rename(aside)
                runs.note(f"the probe in {folder.name} differed in {', '.join(different)}; it is kept as {aside.name}")
        folder.mkdir(parents=True, exist_ok=True)
        if not card.is_file():
            runs.write_atomic(card, json.dumps(dict(identity), indent=1))
        for row in jsonlines.read_journal(folder / "samples.jsonl"):
            sample = Sample(**row)
            self.samples[sample.problem_id, sample.sample] = sample
        for row in jsonlines.read_journal(folder / "scores.jsonl"):
            score = Score(row["problem_id"], row["sample"], tuple(row["verdicts"]), row.get("key", ""))
            self.scores[score.problem_id, score.sample] = score

    def batch(self, name: str) -> list[Sample]:
        """Samples of a batch, in order."""
        return [sample for sample in self.samples.values() if sample.batch == name]

    def add_samples(self, samples: Iterable[Sample]) -> None:
        """Keep a batch."""
        samples = list(samples)
        self.samples.update({(sample.problem_id, sample.sample): sample for sample in samples})
        self._append("samples.jsonl", samples)

    def add_scores(self, scores: Iterable[Score]) -> None:
        """Keep verdicts."""
        scores = list(scores)
        self.scores.update({(score.problem_id, score.sample): score for score in scores})
        self._append("scores.jsonl", scores)

    def correct(self, samples: Iterable[Sample]) -> None:
        """Replace what was kept of some samples, such as the code, which another version of this package finds elsewhere."""
        self.samples.update({(sample.problem_id, sample.sample): sample for sample in samples})
        self._rewrite("samples.jsonl", self.samples.values())

    def forget(self, stale: Iterable[tuple[str, int]]) -> None:
        """Throw verdicts away that answer for something else."""
        for place in stale:
            del self.scores[place]
        self._rewrite("scores.jsonl", self.scores.values())

    def _rewrite(self, name: str, rows: Iterable[Sample | Score]) -> None:
        if self.folder is not None:
            runs.write_atomic(self.folder / name, "".join(map(jsonlines.write, map(asdict, rows))))

    def _append(self, name: str, rows: Iterable[Sample | Score]) -> None:
        if self.folder is None:
            return
        jsonlines.append(self.folder / name, map(asdict, rows))
