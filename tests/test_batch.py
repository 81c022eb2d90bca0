"""The command line: order, skipping, resuming after Ctrl-C and kill -9, exit codes, and what the report holds."""

from __future__ import annotations

import html.parser
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from small_notebooks import all_stages, code, stage

from tarot_lite import __main__, batch, report, runs


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Our command line, on the small notebooks of `folder`/nb."""
    return subprocess.Popen(
        [sys.executable, "-m", "tarot_lite", "run", "--profile", "smoke", "--notebooks", "nb", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(runs.__file__).parent.parent)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job would ignore it
    )


def wait_for(there: Callable[[], bool]) -> None:
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five small notebooks, run."""
    folder = tmp_path_factory.mktemp("finished")
    all_stages(folder / "nb")
    process = command(folder, "-p", "seed", "3")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "stage 5 of 5" in out and "report: reports/smoke/index.html" in out
    assert "WARNING" not in err and "Traceback" not in err
    return folder


def test_everything_is_there(finished: Path) -> None:
    run = finished / "reports/smoke"
    for name in runs.STAGES:
        left = {path.relative_to(run / name).as_posix() for path in (run / name).rglob("*") if path.is_file()}
        expected = {"notebook.ipynb", "notebook.html", "summary.json", "done.json", "numbers.csv", "figures/line.png"}
        assert expected <= left
    assert (run / "claims.csv").read_text().count("\n") == 6


def test_executed_notebooks_and_pages_name_no_place_on_this_machine(finished: Path) -> None:
    for path in (finished / "reports").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".html", ".ipynb", ".csv"):
            text = path.read_text()
            assert str(finished) not in text and str(Path.home()) not in text, path.name


def test_done_stages_are_kept_and_changed_ones_run_again(finished: Path) -> None:
    before = (finished / "reports/smoke/04_curriculum_grpo/done.json").stat().st_mtime_ns
    out, _ = command(finished, "-p", "seed", "3").communicate()
    assert out.count("done before, kept") == 5
    assert (finished / "reports/smoke/04_curriculum_grpo/done.json").stat().st_mtime_ns == before
    out, _ = command(finished, "-p", "seed", "3", "-p", "seeds", "1", "--stage", "4", "5").communicate()
    assert out.count("done before, kept") == 1  # seeds are stage 5's alone
    notebook = finished / "nb/05_ablations.ipynb"
    notebook.write_text(notebook.read_text().replace("[0, stage", "[1, stage"))
    out, _ = command(finished, "-p", "seed", "3", "-p", "seeds", "1", "--stage", "5").communicate()
    assert "kept" not in out  # a changed notebook is run again


class Page(html.parser.HTMLParser):
    """Links, pictures and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.ids: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [value for name, value in attrs if name == "href" and value]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "img":
            self.pictures.append(values)


def test_the_front_page_is_whole_and_needs_no_network(finished: Path) -> None:
    run = finished / "reports/smoke"
    page = Page((run / "index.html").read_text())
    assert len(page.pictures) == 5
    assert all((p["src"] or "").startswith("data:image/png;base64,") and p["alt"] for p in page.pictures)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        elif not link.startswith("data:"):
            assert (run / link).is_file(), link
    assert not re.search(r"(src|href)=.https?:|url\(|@import", (run / "index.html").read_text())
    assert len(set(page.ids)) == len(page.ids)


def test_the_front_page_tells_how_to_repeat_the_run(finished: Path) -> None:
    text = (finished / "reports/smoke/index.html").read_text()
    assert "python -m tarot_lite run --profile smoke" in text and "-p seed 3" in text
    settings = runs.read_json(finished / "reports/smoke/manifest.json")["settings"]
    words = report.command(settings).split()
    assert words[:4] == ["python", "-m", "tarot_lite", "run"]


def test_text_from_a_run_cannot_become_markup(in_empty_folder: Path) -> None:
    begun = runs.start(runs.STAGES[0], {"profile": "smoke"})
    begun.claim("<script>alert(1)</script>", "&", "<b>", None, "holds")
    begun.finish(note="<i>")
    text = report.build(begun.run_folder).read_text()
    assert "<script>" not in text and "&lt;script&gt;" in text and "<i>" not in text


def test_the_front_page_says_what_is_missing(in_empty_folder: Path) -> None:
    begun = runs.start(runs.STAGES[2], {"profile": "smoke"})
    text = report.build(begun.run_folder).read_text()
    assert "not finished" in text and text.count("not run") == 4 and "No stage has made a claim yet" in text
    with pytest.raises(runs.RunError, match="nowhere holds no run"):
        report.build("nowhere")


# -------------------------------------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "smok"], "did you mean 'smoke'?"),
        (["--stage", "9"], "stage '9' is unknown"),
        (["-p", "policyy", "uni"], "did you mean 'policy'?"),
        (["-p", "policy", "unii"], "did you mean 'uni'?"),
        (["-p", "seed", "1", "-p", "seed", "2"], "parameter seed is given twice"),
        (["--run", "a", "-p", "run", "b"], "parameter run is given twice"),
        (["--notebooks", "nowhere"], "is not there"),
        (["-p", "models", "m=./nowhere", "--stage", "1"], "model of m"),
        (["-p", "problems_data", "none.jsonl", "--stage", "3"], "none.jsonl: no such file"),
    ],
)
def test_wrong_arguments_are_2_and_nothing_is_written(
    arguments: list[str], said: str, in_empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(["run", *arguments]) == 2
    assert said in capsys.readouterr().err and list(in_empty_folder.iterdir()) == []


def test_a_failing_notebook_is_1_and_says_where(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage(in_empty_folder / "nb", runs.STAGES[0], code("{}['tier']"))
    assert __main__.main(["run", "--profile", "smoke", "--notebooks", "nb", "--stage", "1"]) == 1
    said = capsys.readouterr().err
    assert "raised KeyError: 'tier'" in said and "01_tiered_suites/notebook.ipynb" in said


def test_a_page_that_cannot_be_made_is_a_failed_stage_and_no_wrong_argument(tmp_path: Path) -> None:
    (tmp_path / "notebook.ipynb").write_text("no notebook")
    with pytest.raises(batch.StageFailed, match="cannot make a page"):
        batch.to_html(tmp_path / "notebook.ipynb")


def test_a_page_keeps_a_folded_solution_folded(tmp_path: Path) -> None:
    solution = nbformat.v4.new_markdown_cell(
        "<details>\n<summary>Solution</summary>\n\nIt is *this*.\n\n</details>\n\nNext."
    )
    path = tmp_path / "run/stage/notebook.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[solution]), path)
    page = batch.to_html(path).read_text()
    assert re.search(
        r"<details>\s*<summary>Solution</summary>\s*<p>It is <em>this</em>.</p>\s*</details>\s*<p>Next.", page
    )


def test_an_unusable_folder_is_3(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    all_stages(in_empty_folder / "nb")
    Path("reports").write_text("in the way")
    assert __main__.main(["run", "--profile", "smoke", "--notebooks", "nb"]) == 3
    assert "a file is in the way" in capsys.readouterr().err


def test_parameters_and_help_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["parameters"]) == 0
    assert "grpo_steps  (default" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        __main__.main(["run", "--help"])
    assert ended.value.code == 0 and "--stage" in capsys.readouterr().out


# ------------------------------------------------------------------------------------- stopped in the middle, resumed

SLOW = "import time, pathlib\npathlib.Path('started').touch()\ntime.sleep(0 if pathlib.Path('go').exists() else 60)"


@pytest.mark.parametrize(("how", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_run_goes_on_and_ends_as_an_undisturbed_one(
    how: signal.Signals, exit_code: int, in_empty_folder: Path
) -> None:
    stage(in_empty_folder / "nb", runs.STAGES[0])
    stage(in_empty_folder / "nb", runs.STAGES[1], code(SLOW), code("stage.save_table('numbers', [{'seed': 7}])"))
    stages = ["--stage", "1", "2"]
    process = command(in_empty_folder, *stages)
    wait_for((in_empty_folder / "started").exists)
    process.send_signal(how)
    _, err = process.communicate()
    assert process.returncode == exit_code
    if how is signal.SIGINT:
        assert "goes on from the last finished stage" in err and "Traceback" not in err
    assert not (in_empty_folder / "reports/smoke" / runs.STAGES[1] / "done.json").exists()
    (in_empty_folder / "go").touch()
    process = command(in_empty_folder, *stages)  # at once: the killed one's kernel may still be there
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"{runs.STAGES[0]}: done before, kept" in out
    assert (in_empty_folder / "reports/smoke" / runs.STAGES[1] / "numbers.csv").read_text() == "seed\n7\n"


def test_two_runs_of_one_name_are_refused(in_empty_folder: Path) -> None:
    stage(in_empty_folder / "nb", runs.STAGES[0], code(SLOW))
    first = command(in_empty_folder, "--stage", "1")
    try:
        wait_for((in_empty_folder / "started").exists)
        second = command(in_empty_folder, "--stage", "1")
        _, err = second.communicate()
        assert second.returncode == 3 and f"is being written by process {first.pid}" in err
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate()


def test_progress_of_a_stage_is_shown(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch, "_NEWS", 0.5)
    work = code("import time\nfor _ in runs.progress(range(4), 'judging'): time.sleep(1)")
    stage(in_empty_folder / "nb", runs.STAGES[0], work)
    before = runs.write_atomic(Path("reports/smoke/cells/weak/uni/progress.log"), "a training that was killed: 90%")
    os.utime(before, (time.time() - 5,) * 2)
    batch.run([runs.STAGES[0]], "smoke", notebooks=in_empty_folder / "nb")
    shown = capfd.readouterr()
    assert "killed" not in shown.err
    assert re.search(r"cell 7 · judging: +\d+%", shown.err), shown.err
    assert re.search(r"done in \d+ s, at most \d{2,} MB of memory", shown.out)
    notebook = json.loads((in_empty_folder / "reports/smoke" / runs.STAGES[0] / "notebook.ipynb").read_text())
    assert [cell["outputs"] for cell in notebook["cells"] if "judging" in "".join(cell["source"])] == [[]]


def test_stage_names_come_in_order() -> None:
    assert batch.stage_names(["5", "02"]) == ["02_sandboxed_execution", "05_ablations"]
    assert batch.stage_names() == list(runs.STAGES)
