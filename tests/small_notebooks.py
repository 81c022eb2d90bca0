"""Small notebooks, made by the tests that run them: five stages in miniature, and a zoo of broken ones."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import ADDRESS

from tarot_lite import colab, runs

PARAMETERS = "profile = None\nrun = None\nseed = None"


def write(path: Path, *cells: nbformat.NotebookNode) -> Path:
    """Write a notebook of these cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(new_notebook(cells=list(cells), metadata=kernel), path)
    return path


def code(source: str, *tags: str, stored: str | None = None) -> nbformat.NotebookNode:
    """A code cell; `stored` is the text it is said to have given."""
    cell = new_code_cell(source)
    if tags:
        cell.metadata["tags"] = list(tags)
    if stored is not None:
        cell.execution_count = 1
        cell.outputs = [new_output("execute_result", {"text/plain": stored}, execution_count=1)]
    return cell


def stage(folder: Path, name: str, *work: nbformat.NotebookNode) -> Path:
    """A notebook of one stage that does `work`, or saves a table, a figure and a claim."""
    usual = code(
        "import matplotlib.pyplot as plt\n"
        "figure, axes = plt.subplots(figsize=(3, 2)); axes.plot([0, stage.settings.seed])\n"
        "stage.save_table('numbers', [{'seed': stage.settings.seed}])\n"
        f"stage.claim('Stage {name} ran', 'it did', 1.0, (0.5, 1.5), 'holds')\n"
        "stage.save_figure(figure, 'line', alt='A line from 0 to the seed')"
    )
    return write(
        folder / f"{name}.ipynb",
        new_markdown_cell(f"# {name}"),
        code(colab.cell(ADDRESS)),
        code(PARAMETERS, "parameters"),
        code(f"from tarot_lite import runs\nstage = runs.start({name!r}, globals())"),
        *(work or (usual,)),
        code("stage.finish(seed=stage.settings.seed)"),
    )


def all_stages(folder: Path) -> Path:
    """Five small notebooks of the five stages."""
    for name in runs.STAGES:
        stage(folder, name)
    return folder
