"""Who may import whom: a lower floor never imports a higher one, and light modules stay light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tarot_lite

PACKAGE = Path(tarot_lite.__file__).parent

FLOORS = {
    **dict.fromkeys(
        (
            "problems",
            "judging",
            "curriculum",
            "statistics",
            "endpoints",
            "exact",
            "jsonlines",
            "fences",
            "literals",
            "machine",
        ),
        0,
    ),
    "settings": 0.3,  # looks policies up
    "origins": 0.5,  # what the settings name, by content
    "runs": 0.6,  # takes settings
    "sandbox": 1,
    "colab": 1.5,  # the notebooks' first cell
    **dict.fromkeys(("suites", "rewards", "toyworld", "worlds"), 2),
    **dict.fromkeys(("students", "capability", "benchmarks"), 3),
    "preflight": 3.5,  # before anything is downloaded: the table of models, the sandbox, the problems
    "training": 4,
    "ablations": 5,
    "stages": 5.5,  # what the notebooks take from one another; nothing else imports it
    "figures": 0.3,  # tables in, figures out: it may know tiers and policies, and no stage
    "widgets": 0.1,  # shows what it is given
    "report": 0.7,  # what the stages left in the run folder
    "batch": 0.8,  # papermill and the run folder
    "verify": 0.9,  # a run again, and compared
    "__main__": 6,
}
LIGHT = (
    "exact",
    "jsonlines",
    "fences",
    "literals",
    "machine",
    "problems",
    "judging",
    "curriculum",
    "settings",
    "origins",
    "runs",
    "sandbox",
    "colab",
    "report",
    "batch",
    "widgets",
    "__main__",
)
WITHOUT_TORCH = (
    *LIGHT,
    "statistics",
    "suites",
    "rewards",
    "toyworld",
    "worlds",
    "benchmarks",
    "ablations",
    "stages",
    "figures",
    "preflight",
    "students.models",
    "students.memory",
    "students.backends",
)


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "notebooks" not in path.parts]


def unit(path: Path) -> str:
    """The module, or subpackage, of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere in it, inside functions too; names for types alone do not count."""
    tree = ast.parse(path.read_text())
    types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {id(inner) for node in types for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and path.parent != PACKAGE, f"{path.name}: only a subpackage's own files, please"
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if node.module == "tarot_lite" else {node.module}
    return {name.split(".")[1] for name in found if name.startswith("tarot_lite.")} - {"__version__"}


def test_every_module_has_a_floor() -> None:
    assert {unit(path) for path in modules()} - {"__init__"} <= set(FLOORS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_imports_a_higher_floor(path: Path) -> None:
    if unit(path) == "__init__":
        assert imports(path) == {"exact"}  # before everything else
        return
    higher = {name: FLOORS[name] for name in imports(path) if FLOORS[name] > FLOORS[unit(path)]}
    assert not higher, f"{unit(path)} is on floor {FLOORS[unit(path)]}"


def test_the_sandbox_knows_problems_and_judging_only() -> None:
    used = set().union(*(imports(path) for path in modules() if unit(path) == "sandbox"))
    assert used <= {"problems", "judging", "sandbox"}


def test_floors_would_be_noticed(tmp_path: Path) -> None:
    path = tmp_path / "judging.py"
    path.write_text("def late():\n    from tarot_lite import training\n    from tarot_lite.sandbox import Sandbox\n")
    assert imports(path) == {"training", "sandbox"}


def loaded(names: tuple[str, ...], heavy: tuple[str, ...]) -> str:
    script = f"import sys, importlib\nfor n in {names!r}: importlib.import_module('tarot_lite.' + n)\n"
    script += f"print(*[m for m in {heavy!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_stages_1_2_and_5_import_without_torch() -> None:
    assert loaded(WITHOUT_TORCH, ("torch", "transformers", "trl", "datasets")) == ""


def test_the_lowest_floors_and_the_command_line_import_no_tables_or_figures() -> None:
    assert loaded(LIGHT, ("torch", "pandas", "matplotlib", "seaborn", "papermill", "nbconvert", "markdown_it")) == ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assert not [node.name for node in defined if not node.name.startswith("_") and not ast.get_docstring(node)]


@pytest.mark.parametrize(
    "room",
    ["", *(path.parent.name for path in modules() if path.parent.parent == PACKAGE and path.name == "__init__.py")],
)
def test_every_name_at_the_front_of_a_room_is_there(room: str) -> None:
    """Also of a room that imports its names when they are first used."""
    front = importlib.import_module(f"tarot_lite.{room}".rstrip("."))
    assert not [name for name in getattr(front, "__all__", ()) if not hasattr(front, name)]
