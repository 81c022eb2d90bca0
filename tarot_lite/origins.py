"""What a stage's results come from: the one list by which a finished stage is current or stale.

Inputs are known by content, never by name or time; code by what it says, less comments and docstrings; a repository of
the Hub by its commit.  CONTRIBUTING.md has the table of everything that is kept to be used again, and its keys.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from tarot_lite import __version__
from tarot_lite.curriculum import PORTFOLIO, get_policy
from tarot_lite.settings import Settings, notebook_folder

_VERSIONS_OF = (
    "numpy",
    "pandas",
    "scipy",
    "torch",
    "transformers",
    "tokenizers",
    "trl",
    "datasets",
    "peft",
    "accelerate",
    "unsloth",
)
_INPUTS = ("suites_data", "problems_data", "benchmark_data", "models")
_WHOLE = 1 << 28  # a file of more bytes than this, such as a model's weights, is read in parts
_PART = 1 << 20
_PATIENCE = 10.0  # seconds for the Hub


def origins(stage_name: str, settings: Settings, before: list[str | None]) -> dict[str, Any]:
    """Everything that a stage's results come from, by kind.

    Examples
    --------
    >>> a, b = (origins("03_capability_estimation", s, []) for s in (Settings(seed=1), Settings(seed=1, grpo_steps=5)))
    >>> a == b, changed(a, origins("03_capability_estimation", Settings(seed=2), []))
    (True, ['setting seed'])
    """
    number = int(stage_name[:2]) if stage_name[:2].isdigit() else 5
    default = asdict(Settings())
    asked = {item.name: getattr(settings, item.name) for item in fields(settings) if item.metadata["since"] <= number}
    named = {name for name in (asked.get("policy"), *asked.get("policies", ())) if name not in (None, *PORTFOLIO)}
    inputs: dict[str, str] = {}
    for name in _INPUTS:
        value = asked.get(name) or {}
        for key, source in (value if isinstance(value, Mapping) else {"": value}).items():
            inputs[f"{name} {key}".strip()] = content(str(source), is_data_set=name == "problems_data")
    return {
        "settings": {name: fingerprint(value) for name, value in asked.items() if value != default.get(name)}
        | {f"policy {name}": get_policy(name).digest for name in named},
        "inputs": inputs,
        "notebook": _notebook_hash(stage_name),
        "code": code_hash(stage_name),
        "versions": versions(),
        "before": before,
    }


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the origins of a finished stage and those of now, in words."""
    found = []
    for kind, word in (("settings", "setting"), ("inputs", "input"), ("versions", "version of")):
        old, new = then.get(kind, {}), now[kind]
        found += [f"{word} {name}" for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    words = {"notebook": "its notebook", "code": "the code", "before": "a stage before it"}
    return found + [word for kind, word in words.items() if then.get(kind) != now[kind]]


def fingerprint(*parts: Any) -> str:
    """Short hash of plain values, the same in every process: 16 hexadecimal digits.

    Examples
    --------
    >>> fingerprint("weak", 100) == fingerprint("weak", 100), fingerprint("weak", 100) == fingerprint("weak", 101)
    (True, False)
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=jsonable).encode()).hexdigest()[:16]


def jsonable(value: Any) -> Any:
    """What JSON does not know, as what it does: NumPy's values and arrays, sets, paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def versions() -> dict[str, str]:
    """Python, this package, and the libraries that compute, as far as they are installed."""
    found = {"python": platform.python_version(), "tarot_lite": __version__}
    for name in _VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


# ----------------------------------------------------------------------------------------------------------- inputs


def digest_of(path: Path) -> str:
    """Hash of a file's content; of a very large one its size and 64 parts spread over it, the first and the last included."""
    size = path.stat().st_size
    found = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= _WHOLE:
            while block := file.read(_PART):
                found.update(block)
        else:
            for number in range(64):
                file.seek((size - _PART) * number // 63)
                found.update(file.read(_PART))
    return found.hexdigest()[:16]


def content(source: str, is_data_set: bool = False) -> str:
    """By what an input is known: a file or folder by content, a data set of the Hub by its commit, anything else by its name.

    Models of the Hub are pinned by this package, so their name says it all; of a server nothing more is known.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return digest_of(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and ".cache" not in file.parts)
        return fingerprint([[file.relative_to(path).as_posix(), digest_of(file)] for file in files])
    if not is_data_set or "@" in source or source.endswith((".jsonl", ".gz")):
        return source
    return _commit(source)


@lru_cache(maxsize=64)
def _commit(name: str) -> str:
    """Newest commit of a data set; asked once in a process, so that a run sees one."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name

    try:
        return str(HfApi().repo_info(name, repo_type="dataset", timeout=_PATIENCE).sha)
    except Exception:  # no network, offline mode, gated, no such repository: loading it will say so
        folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset")
        ref = folder / "refs" / "main"
        return ref.read_text().strip() if ref.is_file() else "unknown"


# ------------------------------------------------------------------------------------------------------------- code


def code_hash(stage_name: str) -> str:
    """Hash of the package's modules that a stage's notebook imports, and those that they import, wherever in them."""
    return modules_hash(*_imports("\n".join(_cells(stage_name)), Path(__file__).parent))


@lru_cache(maxsize=64)
def modules_hash(*modules: str) -> str:
    """Hash of modules of the package, such as ``sandbox.pool``, and of those that they import, wherever in them."""
    package = Path(__file__).parent
    left, seen = {"__init__", *modules}, set()
    while left:
        seen |= left
        left = {name for module in left for name in _module(package, module)[1]} - seen
    return fingerprint([[module, _module(package, module)[0]] for module in sorted(seen)])


def _notebook_hash(stage_name: str) -> str:
    return fingerprint([_meaning(cell) for cell in _cells(stage_name)])


def _cells(stage_name: str) -> list[str]:
    """Sources of a notebook's code cells, less its parameters, which the settings hold; none if there is no such notebook."""
    path = notebook_folder() / f"{stage_name}.ipynb"
    if not path.is_file():
        return []
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
        and not {"parameters", "injected-parameters"} & {*cell["metadata"].get("tags", ())}
    ]


def module_hash(module: str) -> str:
    """Hash of what one module of the package says, whatever it imports."""
    return _module(Path(__file__).parent, module)[0]


@lru_cache(maxsize=1024)
def _module(package: Path, module: str) -> tuple[str, frozenset[str]]:
    """Hash of what a module says, and the modules of the package that it imports."""
    path = package.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    # what runs inside the sandbox is loaded as files: the whole folder, and files that a module names as data
    others = sorted(path.parent.rglob("inside/*.py")) if module == "sandbox" else []
    others += sorted(path.parent.glob("*.jsonl")) if module == "benchmarks" else []
    others += [path.with_suffix(".toml")] if path.with_suffix(".toml").is_file() else []
    texts = [_meaning(file.read_text(encoding="utf-8")) for file in others]
    imported = {*_imports(source, package, module)}
    if (
        path.name == "__init__.py" and "import_module(" in source
    ):  # a front whose rooms are opened when they are asked for
        imported |= {f"{module}.{file.stem}" for file in path.parent.glob("*.py") if file != path}
    return fingerprint(_meaning(source), texts), frozenset(imported)


@lru_cache(maxsize=1024)
def _meaning(source: str) -> str:
    """The syntax tree without docstrings and places; the text itself if it is no plain Python, such as a cell with magics."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        is_block = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_block and ast.get_docstring(node, clean=False) is not None:  # type: ignore[arg-type]
            node.body = node.body[1:]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _imports(source: str, package: Path, inside: str = "") -> Iterator[str]:
    """Modules of the package, and packages around them, that a source imports anywhere."""
    for name in _names(source, inside, (package / Path(*inside.split("."))).is_dir()):
        parts = name.split(".")[1:] if name.partition(".")[0] == "tarot_lite" else []
        for end in range(1, len(parts) + 1):
            path = package.joinpath(*parts[:end])
            if path.is_dir() or path.with_suffix(".py").is_file():
                yield ".".join(parts[:end])


@lru_cache(maxsize=1024)
def _names(source: str, inside: str, is_package: bool) -> tuple[str, ...]:
    """Full names that a source may import."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = inside.split(".") if inside else []
                kept = parts[: len(parts) - node.level + is_package]
                base = ".".join(["tarot_lite", *kept, *filter(None, [node.module])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)
