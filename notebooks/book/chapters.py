"""The chapters of the book: ``python chapters.py FOLDER`` writes them for Sphinx, whose configuration reads them by `read`.

The book shows a notebook as the committed example ran it; where its code has changed since, as it is stored.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat

_ROOT = Path(__file__).parents[2]
_ADDRESSED = ("colab-badge", "colab-setup")  # cells that name the repository's address, and else say nothing of the run


def read(text: str) -> nbformat.NotebookNode:
    """Parse a notebook; a figure's alt text moves to where MyST-NB looks for it, the cell's metadata.

    Parameters
    ----------
    text
        Of the ``.ipynb`` file.
    """
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    return notebook


def chapter(stored: Path, executed: Path, profile: str) -> nbformat.NotebookNode:
    """A notebook with the outputs of a run, and a line that says which; as it is stored if the run had other code."""
    notebook = nbformat.read(stored, as_version=4)
    outputs, line = {}, "*The outputs are those that are stored with the notebook.*"
    if executed.is_file():
        ran = nbformat.read(executed, as_version=4)
        ran.cells = [cell for cell in ran.cells if "injected-parameters" not in cell.metadata.get("tags", ())]
        if _sources(ran) == _sources(notebook):
            outputs = {cell.id: cell.get("outputs") for cell in ran.cells}
            line = f"*What you see here is a run of the profile `{profile}`.*"
    for cell in notebook.cells:
        if outputs.get(cell.id) is not None and cell.id not in _ADDRESSED:
            cell.outputs = outputs[cell.id]
    notebook.cells.insert(1 + (notebook.cells[1].get("id") == "colab-badge"), nbformat.v4.new_markdown_cell(line, id="shown"))
    return notebook


def _sources(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """What made the outputs: its code; prose may be mended without a new run."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [(cell.id, cell.source) for cell in code if cell.id not in _ADDRESSED]


def main(folder: Path, run: Path = _ROOT / "reports/example") -> None:
    """Write every chapter into a folder, and say which run it shows."""
    profile = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["profile"]
    for path in sorted((_ROOT / "notebooks").glob("0*.ipynb")):
        notebook = chapter(path, run / path.stem / "notebook.ipynb", profile)
        nbformat.write(notebook, folder / path.name)
        [shown] = [cell for cell in notebook.cells if cell.get("id") == "shown"]
        print(f"{path.stem}: {shown.source.strip('*')}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
