"""The corpus of programs, and how CPython and the sandbox run it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tarot_lite.sandbox import Limits, Sandbox

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
Ends = dict[str, list[object]]
"""For each program what it wrote to standard output, and whether it ended well."""


def stdin_of(path: Path) -> str:
    """What a program reads: the file beside it, or nothing."""
    file = path.with_suffix(".in")
    return file.read_bytes().decode() if file.exists() else ""


def by_cpython() -> Ends:
    """Each program in an interpreter of its own."""

    def run(path: Path) -> list[object]:
        files = tempfile.TemporaryFile, tempfile.TemporaryFile, tempfile.TemporaryDirectory
        with files[0]() as stdin, files[1]() as stdout, files[2]() as folder:
            stdin.write(stdin_of(path).encode())
            stdin.seek(0)
            command, null = [sys.executable, "-I", str(path)], subprocess.DEVNULL
            code = subprocess.call(
                command, stdin=stdin, stdout=stdout, stderr=null, cwd=folder, env={"LC_ALL": "C.UTF-8"}
            )
            stdout.seek(0)
            return [stdout.read().decode("utf-8", "replace"), code == 0]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((path.stem for path in PROGRAMS), pool.map(run, PROGRAMS), strict=True))


def by_sandbox(times: int = 1, **options: object) -> Ends:
    """All programs together, each on `times` equal inputs, which must not differ."""
    jobs = [(path.read_bytes().decode(), [stdin_of(path)] * times) for path in PROGRAMS]
    with Sandbox(workers=1, limits=Limits(wall_seconds=20), **options) as sandbox:  # type: ignore[arg-type]
        found: Ends = {}
        for path, runs in zip(PROGRAMS, sandbox.run_many(jobs), strict=True):
            ends = [[run.stdout, run.verdict == "passed"] for run in runs]
            assert all(end == ends[0] for end in ends), f"{path.stem}: {runs}"
            found[path.stem] = ends[0]
        return found
