"""Where a build keeps what is finished, so that a killed one goes on: a line of JSON for every problem."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tarot_lite.problems import Problem, to_row

__all__ = ["Store"]

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
        self._load()

    def finished(self, problem: Problem) -> dict[str, Any] | None:
        """The record of a problem that was finished before, None if it was not or has changed since."""
        record = self._records.get(problem.problem_id)
        return record["record"] if record and record["problem"] == _fingerprint(problem) else None

    def add(self, problem: Problem, record: dict[str, Any]) -> None:
        """Keep a finished problem; once this returns, it survives the end of the process."""
        if self._path is None:
            return
        line = {"problem": _fingerprint(problem), "record": record}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _load(self) -> None:
        """Read what is there; half a last line (the process was killed while writing it) is cut off."""
        assert self._path is not None
        if not self._path.is_file():
            return
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._records[entry["record"]["problem_id"]] = entry
        if whole < self._path.stat().st_size:
            os.truncate(self._path, whole)


def _fingerprint(problem: Problem) -> str:
    row = json.dumps(to_row(problem), sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(row.encode()).hexdigest()
