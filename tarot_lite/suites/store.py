"""Where a build keeps what is finished, so that a killed one goes on: a line of JSON for every problem."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tarot_lite import jsonlines
from tarot_lite.problems import Problem, to_row

_FINISHED, _SETTINGS = "finished.jsonl", "settings.json"


class Store:
    """Finished problems in a folder.

    Parameters
    ----------
    folder
        Made if it is missing; None keeps nothing.
    settings
        What the build depends on; a folder of a build with others is refused.

    Raises
    ------
    ValueError
        If the folder holds a build with other settings.
    """

    def __init__(self, folder: str | Path | None, settings: dict[str, Any]) -> None:
        self._path: Path | None = None
        self._records: dict[str, dict[str, Any]] = {}
        if folder is None:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._path = Path(folder) / _FINISHED
        text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        kept = Path(folder) / _SETTINGS
        if kept.is_file() and kept.read_text(encoding="utf-8") != text:
            old = json.loads(kept.read_text(encoding="utf-8"))
            changed = sorted(name for name in {*old, *settings} if old.get(name) != json.loads(text).get(name))
            raise ValueError(
                f"{folder}: holds a build with other settings ({', '.join(changed)} differ); "
                "take another folder, or delete this one to build anew"
            )
        kept.write_text(text, encoding="utf-8")
        self._records = {row["record"]["problem_id"]: row for row in jsonlines.read_journal(self._path)}

    def finished(self, problem: Problem) -> dict[str, Any] | None:
        """The record of a problem that was finished before, None if it was not or has changed since."""
        record = self._records.get(problem.problem_id)
        return record["record"] if record and record["problem"] == _fingerprint(problem) else None

    def add(self, problem: Problem, record: dict[str, Any]) -> None:
        """Keep a finished problem; once this returns, it survives the end of the process."""
        if self._path is None:
            return
        line = {"problem": _fingerprint(problem), "record": record}
        jsonlines.append(self._path, [line])


def _fingerprint(problem: Problem) -> str:
    row = json.dumps(to_row(problem), sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(row.encode()).hexdigest()
