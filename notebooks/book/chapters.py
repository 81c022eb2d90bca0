"""A stored notebook as the book reads it."""

from __future__ import annotations

import nbformat


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
