"""The book: its configuration reads our notebooks, its reference misses no module, and a dead link is noticed."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from test_floors import modules, unit

from tarot_lite import runs


@pytest.fixture(scope="module")
def book(repository: Path) -> Path:
    return repository / "notebooks/book"


def test_the_reference_names_every_module(book: Path) -> None:
    named = {
        line.strip().split(".")[1] for line in (book / "api.md").read_text().splitlines() if "  tarot_lite." in line
    }
    there = {unit(path) for path in modules()} - {"__init__", "__main__"}
    assert there == named, (
        f"notebooks/book/api.md: add {there - named or 'nothing'}, remove {named - there or 'nothing'}"
    )


def test_the_index_names_the_chapters_in_order(book: Path) -> None:
    lines = (book / "index.md").read_text().splitlines()
    assert tuple(line for line in lines if line in runs.STAGES) == runs.STAGES


def test_every_figure_keeps_its_alt_text(book: Path, repository: Path) -> None:
    read: Callable[[str], Any] = runpy.run_path(str(book / "chapters.py"))["read"]
    for name in runs.STAGES:
        text = (repository / "notebooks" / f"{name}.ipynb").read_text()
        pairs = zip(nbformat.reads(text, 4).cells, read(text).cells, strict=True)
        figures = [(old, new) for old, new in pairs if '"image/png"' in str(dict(old)).replace("'", '"')]
        assert figures and all(new.metadata["mystnb"]["image"]["alt"] for _, new in figures)


def test_a_chapter_shows_a_run_of_the_same_cells_and_no_other(book: Path, tmp_path: Path) -> None:
    chapter: Callable[..., Any] = runpy.run_path(str(book / "chapters.py"))["chapter"]

    def write(name: str, badge: str, work: str, output: str) -> Path:
        cells = [
            nbformat.v4.new_markdown_cell("# One, mended" if name == "stored" else "# One", id="title"),
            nbformat.v4.new_markdown_cell(badge, id="colab-badge"),
        ]
        cells += [nbformat.v4.new_code_cell(work, id="work")]
        cells[-1].outputs = [nbformat.v4.new_output("stream", text=output)]
        if name == "executed":
            cells.insert(2, nbformat.v4.new_code_cell("# Parameters", metadata={"tags": ["injected-parameters"]}))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
        return tmp_path / f"{name}.ipynb"

    stored = write("stored", "badge", "1", "of smoke")
    for work, expected in (("1", ("of the run", "the profile `cpu`")), ("2", ("of smoke", "stored with"))):
        made = chapter(stored, write("executed", "badge of a fork", work, "of the run"), "cpu")
        title, badge, shown, cell = made.cells
        assert (cell.outputs[0].text, cell.source, badge.source) == (expected[0], "1", "badge")
        assert title.source == "# One, mended"  # prose that changed since the run does not hide it
        assert expected[1] in shown.source
    assert chapter(stored, tmp_path / "none.ipynb", "cpu").cells[3].outputs[0].text == "of smoke"


def test_a_small_book_builds_without_a_warning_and_a_wrong_one_fails(book: Path, tmp_path: Path) -> None:
    """Our configuration over one chapter: figure, alt text, folded choice, a link that must resolve."""
    source, out = tmp_path / "source", tmp_path / "html"
    source.mkdir()
    for name in ("conf.py", "chapters.py", "templates", "static"):
        (source / name).symlink_to(book / name)
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": "a dot"}}
    )
    folded = nbformat.v4.new_output("display_data", {"text/html": "<details open><summary>one</summary></details>"})
    cells = [nbformat.v4.new_markdown_cell("# One\n\n[next](two.ipynb)")]
    cells += [nbformat.v4.new_code_cell("1", outputs=[output]) for output in (picture, folded)]
    python = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), source / "one.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Two")]), source / "two.ipynb")
    (source / "index.md").write_text("# Book\n\n```{toctree}\none\ntwo\n```\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-D", "autosummary_generate=0", str(source), str(out)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    page = (out / "one.html").read_text()
    assert 'alt="a dot"' in page and "<summary>one</summary>" in page and 'href="two.html"' in page
    dead: Callable[[Path], list[str]] = runpy.run_path(str(book / "links.py"))["dead"]
    assert dead(out) == []
    (out / "two.html").unlink()
    assert any(fault.startswith("one.html: two.html") for fault in dead(out))
    (source / "two.ipynb").unlink()
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_the_whole_book_builds_without_a_warning_and_without_a_dead_link(
    book: Path, repository: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "book/source", tmp_path / "book/html"
    shutil.copytree(book, source)
    (tmp_path / "reports").symlink_to(repository / "reports")  # where the pages look for their pictures
    options = ["-m", "sphinx", "-q", "-W", "--keep-going", str(source), str(out)]
    for command in ([str(book / "chapters.py"), str(source)], options, [str(book / "links.py"), str(out)]):
        built = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        assert built.returncode == 0, built.stdout + built.stderr


def test_links_to_missing_places_of_a_page_are_dead(book: Path, tmp_path: Path) -> None:
    dead: Callable[[Path], list[str]] = runpy.run_path(str(book / "links.py"))["dead"]
    with pytest.raises(FileNotFoundError, match="build the book first"):
        dead(tmp_path)
    (tmp_path / "a.html").write_text('<p id="here"></p><a href="#here"></a><a href="#there"></a><img src="no.png">')
    assert dead(tmp_path) == ["a.html: #there", "a.html: no.png"]
