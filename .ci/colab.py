"""Write the Colab cell and badge into the notebooks, and the repository's address wherever it stands.

``make colab REPO=owner/name``; without REPO the address of ``pyproject.toml`` stays and cells and badges are renewed.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

import nbformat

from tarot_lite import colab

ROOT = Path(__file__).parent.parent
ELSEWHERE = ("CITATION.cff", "CONTRIBUTING.md")  # besides pyproject.toml, the notebooks and README's badges


def address() -> str:
    """Address of the repository, from ``pyproject.toml``."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return str(urls["Repository"])


def move(old: str, new: str) -> None:
    """Write another address in ``pyproject.toml`` and the texts, badges included."""
    before, after = (url.removeprefix("https://github.com/") for url in (old, new))
    for name in ("pyproject.toml", *ELSEWHERE):
        text = (ROOT / name).read_text(encoding="utf-8")
        for site in ("github.com", "colab.research.google.com/github"):
            text = re.sub(rf"{re.escape(f'{site}/{before}')}(?![\w.-]*\w)", f"{site}/{after}", text)
        (ROOT / name).write_text(text, encoding="utf-8")


def renew(path: Path, repository: str) -> None:
    """Put badge and cell after the title of a notebook, in place of those that are there; nothing else changes."""
    notebook = nbformat.read(path, as_version=4)
    there = {one.get("id"): one for one in notebook.cells}
    first = there.pop("colab-badge", None) or nbformat.v4.new_markdown_cell(id="colab-badge")
    second = there.pop("colab-setup", None) or nbformat.v4.new_code_cell(id="colab-setup", execution_count=1)
    first.source, second.source = colab.badge(repository, f"notebooks/{path.name}"), colab.cell(repository)
    title, *others = there.values()
    cells = [title, *([first] if first.source else []), second, *others]
    if cells != nbformat.read(path, as_version=4).cells:
        notebook.cells = cells
        nbformat.write(notebook, path)


def badges_of_readme(repository: str, notebooks: list[Path]) -> None:
    """Put each chapter's badge at the end of its row."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in notebooks:
        badge = colab.badge(repository, f"notebooks/{path.name}")
        row = rf"^(\| \[{path.stem}\]\([^|]*\|[^|]*?) *(?:\[!\[.*?\]\(\S*\)\]\(\S*\) )?\|$"
        text = re.sub(row, lambda found: f"{found[1]} {badge}".rstrip() + " |", text, flags=re.MULTILINE)  # noqa: B023
    (ROOT / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", metavar="OWNER/NAME", help="where the repository lives on GitHub")
    repo = parser.parse_args().repo
    if repo:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            parser.error(f"--repo is {repo!r}; give it as owner/name")
        move(address(), f"https://github.com/{repo}")
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        renew(path, address())
    badges_of_readme(address(), notebooks)
    print(f"cells and badges are those of {address()}")
    if "/OWNER/" in address():
        print("OWNER stands for the account that will publish it; make colab REPO=owner/name writes yours")


if __name__ == "__main__":
    main()
