"""What our notebooks must keep, as a function that lists faults; running them is nbval's and papermill's part."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import nbformat

from tarot_lite import colab

LONGEST = 15  # lines of a cell
CHECKED = "nbval-check-output"
_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = _PROJECT["urls"]["Repository"]


def faults(path: Path) -> list[str]:
    """Everything about a notebook that is not as it must be, each with its cell; empty if all is well."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    found = []
    code = [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    tagged = [number for number, cell in code if "parameters" in cell.metadata.get("tags", ())]
    if notebook.cells[0].cell_type != "markdown" or not notebook.cells[0].source.startswith("# "):
        found.append("cell 0: begins with no title")
    badge = colab.badge(ADDRESS, f"notebooks/{path.name}")  # none as long as the address is no real one
    if [cell.source for cell in notebook.cells if cell.get("id") == "colab-badge"] != [badge] * bool(badge):
        found.append("not the badge of this notebook; run `make colab`")
    if code[0][1].source != colab.cell(ADDRESS):
        found.append("the first code cell is not the one for Colab; run `make colab`")
    if tagged != [number for number, _ in code[1:2]]:
        found.append(f"the second code cell, and only that, must be tagged 'parameters'; tagged are {tagged}")
    for number, cell in code:
        found += [f"cell {number}: {fault}" for fault in _cell_faults(cell)]
    found += [f"parameters cell: {fault}" for _, cell in code[1:2] for fault in _parameter_faults(cell.source)]
    start = re.compile(rf"^stage = runs\.start\(\"{re.escape(path.stem)}\", globals\(\)\)$", re.MULTILINE)
    if not any(start.search(cell.source) for _, cell in code[2:3]):
        found.append(f'the third code cell must say: stage = runs.start("{path.stem}", globals())')
    if not re.search(r"^stage\.finish\(", code[-1][1].source, re.MULTILINE):
        found.append("the last code cell must call stage.finish(...)")
    if not any(re.search(r"^\s*assert ", cell.source, re.MULTILINE) for _, cell in code):
        found.append("no cell asserts what the stage promises")
    checked = [cell for _, cell in code if CHECKED in cell.metadata.get("tags", ())]
    if not any(cell.outputs for cell in checked):
        found.append(f"no cell tagged {CHECKED} with a stored output: comparing it would be vacuous")
    if any(not cell.outputs for cell in checked):
        found.append(f"a cell tagged {CHECKED} has no stored output")
    if not all(cell.execution_count for _, cell in code if cell.source.strip()):
        found.append("a code cell was never run; store the outputs by `make notebooks`")
    return found


def _cell_faults(cell: nbformat.NotebookNode) -> list[str]:
    found = []
    if len(cell.source.splitlines()) > LONGEST:
        found.append(f"{len(cell.source.splitlines())} lines, at most {LONGEST}")
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return [*found, "no plain Python (magics and shell lines hide failures)"]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(f"defines {node.name}; it belongs in the package")
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(f"stored error {output.ename}")
        if output.get("name") == "stderr":
            found.append("stored stderr")
        if "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get("alt"):
            found.append("a stored figure without alt text; show what stage.save_figure returns")
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            found.append("a stored widget, which shows nothing without its kernel")
        if re.search(r"/(home|root|work)/|/tmp/(?!fill\b)", str(output.get("data", "")) + str(output.get("text", ""))):
            found.append("a stored output names a place on somebody's machine")
    return found


def _parameter_faults(source: str) -> list[str]:
    names = [target.id for node in ast.parse(source).body if isinstance(node, ast.Assign) for target in node.targets]
    return [] if names[:2] == ["profile", "run"] and "profile = None" in source else ["must begin with profile and run"]
