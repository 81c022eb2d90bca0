"""A student's folder: written all or nothing, with a card that holds the checksums of its files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CARD = "student.json"  # written last


@contextmanager
def new_folder(folder: Path, card: dict[str, Any]) -> Iterator[Path]:
    """A new folder beside `folder` to write a student into; it gets its card and takes its place when all went well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield aside
        files = {path.name: _sha256(path) for path in sorted(aside.iterdir())}
        (aside / _CARD).write_text(json.dumps({**card, "files": files}, indent=1), encoding="utf-8")
        aside.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        try:
            os.rename(aside, folder)
        except OSError:  # somebody else made the same student meanwhile
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_card(folder: Path) -> dict[str, Any]:
    """What the card says; empty if there is none that can be read."""
    try:
        card: dict[str, Any] = json.loads((folder / _CARD).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return card


def damage(folder: Path) -> list[str]:
    """Names of files that are not what the card says; the card's own if it cannot be read."""
    card = read_card(folder)
    if not card:
        return [_CARD]
    return [
        name
        for name, digest in card["files"].items()
        if not (folder / name).is_file() or _sha256(folder / name) != digest
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
