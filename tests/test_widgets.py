"""Choosing in a notebook: a widget for a front end that answers, folded HTML for nbconvert and papermill."""

from __future__ import annotations

import html
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient

from tarot_lite import runs, widgets
from tarot_lite.curriculum import PORTFOLIO, get_policy
from tarot_lite.figures import curriculum as figures

CELL = "from tarot_lite import widgets\nwidgets.browse([1, 2], lambda n: {'square': n * n}, 'number')"


def test_the_same_cell_is_a_widget_for_a_person_and_html_in_batch(tmp_path: Path) -> None:
    """Front ends tell the kernel whether somebody can be asked; nbclient (nbconvert, papermill) says no."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL) for _ in range(2)])
    client = NotebookClient(notebook, resources={"metadata": {"path": tmp_path}})
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        client.kc.allow_stdin = True
        client.execute_cell(notebook.cells[1], 1)
    [batch], [live] = (cell.outputs for cell in notebook.cells)
    assert set(batch.data) == {"text/html", "text/plain"} and "<td>4</td>" in batch.data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in live.data


def test_the_widget_renders_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widgets, "_answers", lambda: True)
    rendered: list[int] = []
    choice, view = widgets.browse({"one": 1, "two": 2}, lambda n: rendered.append(n) or f"n = {n}", "number").children
    assert "n = 1" in view.value and rendered == [1]
    choice.value = 2
    assert "n = 2" in view.value and rendered == [1, 2]


def test_every_choice_is_in_the_folded_page_and_only_the_first_is_open() -> None:
    shown = widgets.browse(["<a>", "b"], lambda name: f"program of {name}", "attack")._repr_html_()
    assert shown.count("<details") == 2 and shown.count(" open") == 1
    assert shown.index("attack: &lt;a&gt;") < shown.index("program of &lt;a&gt;") < shown.index("attack: b")
    assert ">step 3</summary>" in widgets.browse(["step 3"], str, "step")._repr_html_()


def test_tables_pictures_and_lists_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Figure().savefig(path)
    shown = widgets.as_html(
        [
            pd.DataFrame({"code": ["a\n<b>"]}, pd.Index([7], name="step")),
            runs.Picture(path, 'a "dot"'),
            {"lines": "1\n2"},
        ]
    )
    assert "<th>step</th><th>code</th>" in shown and "<td>7</td>" in shown and ">a\n&lt;b&gt;</span></td>" in shown
    assert 'alt="a &quot;dot&quot;"' in shown and "data:image/png;base64," in shown and ">1\n2</span>" in shown


@pytest.mark.parametrize(
    ("options", "said"), [([], "there is no tier to choose from"), ([1, "1"], "two options are called '1'")]
)
def test_what_cannot_be_chosen_from_is_refused(options: list[object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        widgets.browse(options, str, "tier")


@pytest.mark.parametrize("name", PORTFOLIO)
def test_a_policy_can_be_chosen_and_shows_what_its_tiers_are_worth(name: str) -> None:
    policy, shown = get_policy(name), dict(figures.choose_policy().sections)[name]
    assert policy.summary in shown
    worth = {"binary": "share of tests", "all_or_nothing": "1 if all pass"}
    worth |= {name: "each group decides"} if policy.rule else {}
    assert html.escape(policy.source) in shown
    assert all(f"<td>{worth.get(name, f'{policy.weights[tier]:.2f}')}</td>" in shown for tier in policy.at(0.9))


def test_a_phase_is_a_row_and_ends_where_the_next_begins() -> None:
    table = figures.timetable(get_policy("uni"))
    assert list(table.index) == ["0–20 %", "20–40 %", "40–60 %", "60–100 %"]
    assert [(row != "–").sum() for _, row in table.iterrows()] == [1, 2, 3, 4]
