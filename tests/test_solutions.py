"""The exercises of the notebooks: three in each, every one with a folded solution, and the solutions run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tarot_lite import __main__ as command_line
from tarot_lite import batch, runs
from tarot_lite.settings import load_profile, notebook_folder

FOLDED = re.compile(r"<details>\n<summary>Solution (\d)</summary>\n\n(.+?)\n</details>", re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.+?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = "python -m tarot_lite run "


def chapter_end(name: str) -> str:
    """The Markdown cell with the exercises."""
    cells = nbformat.read(notebook_folder() / f"{name}.ipynb", 4).cells
    [end] = [cell.source for cell in cells if cell.cell_type == "markdown" and "## Exercises" in cell.source]
    return end


def solutions(name: str) -> dict[str, list[tuple[str, str]]]:
    """Number of each solution and its blocks: language and text."""
    return {number: BLOCK.findall(text) for number, text in FOLDED.findall(chapter_end(name))}


@pytest.mark.parametrize("name", runs.STAGES)
def test_three_exercises_with_folded_solutions_in_code(name: str) -> None:
    end = chapter_end(name)
    assert re.findall(r"^(\d)\. ", end, re.MULTILINE) == ["1", "2", "3"]
    assert list(solutions(name)) == ["1", "2", "3"] and all(solutions(name).values())
    assert "**What this shows.**" in end and "**What it does not.**" in end


@pytest.mark.parametrize("name", runs.STAGES)
def test_a_chapter_has_its_parts(name: str) -> None:
    cells = nbformat.read(notebook_folder() / f"{name}.ipynb", 4).cells
    told = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "**Question.** " in cells[0].source and "**The paper's answer.** " in cells[0].source
    assert len(re.findall(r"^## The smallest example", told, re.MULTILINE)) == 1


@pytest.mark.parametrize(("name", "following"), list(zip(runs.STAGES, runs.STAGES[1:], strict=False)))
def test_a_chapter_leads_to_the_next(name: str, following: str) -> None:
    assert re.search(rf"^Next: \[.+\]\({following}\.ipynb\)$", chapter_end(name), re.MULTILINE)


@pytest.mark.parametrize("name", runs.STAGES)
def test_solutions_run(name: str, tmp_path: Path) -> None:
    """Every Python block stands alone and says something, in an empty folder, without a warning."""
    for number, blocks in solutions(name).items():
        for text in (text for language, text in blocks if language == "python"):
            done = subprocess.run(
                [sys.executable, "-W", "error::UserWarning", "-c", text], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0 and done.stdout, f"solution {number}:\n{done.stderr}"
            assert "Warning" not in done.stderr


@pytest.mark.parametrize("name", runs.STAGES)
def test_commands_of_solutions_are_right(name: str) -> None:
    """Whole runs take minutes; here every command gets as far as its settings, which refuse what is wrong."""
    for language, text in (block for blocks in solutions(name).values() for block in blocks):
        assert language in ("python", "sh")
        for line in text.splitlines() if language == "sh" else ():
            assert line.startswith(COMMAND)
            options = command_line._parser().parse_args(["run", *shlex.split(line.removeprefix(COMMAND))])
            given = command_line._parameters(options)
            assert batch.stage_names(options.stage)
            load_profile(options.profile, **{key: value for key, value in given.items() if value is not None})
