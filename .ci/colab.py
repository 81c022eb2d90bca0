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
_PLACEHOLDER = re.compile(r"\n\n`OWNER` in an address stands for .*?(?=\n\n)", re.DOTALL)  # README's word on it
ELSEWHERE = ("README.md", "CITATION.cff", "CONTRIBUTING.md")  # besides pyproject.toml and the notebooks


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
        if "/OWNER/" not in new:
            text = _PLACEHOLDER.sub("", text)
        (ROOT / name).write_text(text, encoding="utf-8")


def renew(path: Path, repository: str) -> None:
    """Put badge and cell after the title of a notebook, in place of those that are there; nothing else changes."""
    notebook = nbformat.read(path, as_version=4)
    wanted = [colab.badge(repository, f"notebooks/{path.name}"), colab.cell(repository)]
    if [one.source for one in notebook.cells[1:3]] == wanted:
        return
    there = {one.get("id"): one for one in notebook.cells}
    first = there.pop("colab-badge", None) or nbformat.v4.new_markdown_cell(id="colab-badge")
    second = there.pop("colab-setup", None) or nbformat.v4.new_code_cell(id="colab-setup", execution_count=1)
    first.source, second.source = wanted
    title, *others = there.values()
    notebook.cells = [title, first, second, *others]
    nbformat.write(notebook, path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", metavar="OWNER/NAME", help="where the repository lives on GitHub")
    repo = parser.parse_args().repo
    if repo:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            parser.error(f"--repo is {repo!r}; give it as owner/name")
        move(address(), f"https://github.com/{repo}")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        renew(path, address())
    print(f"cells and badges are those of {address()}")
    if "/OWNER/" in address():
        print("OWNER stands for the account that will publish it; make colab REPO=owner/name writes yours")


if __name__ == "__main__":
    main()
