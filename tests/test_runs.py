"""The run folder: parameters, whole files, done markers, the lock, and what is said when it cannot be used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

matplotlib.use("Agg")

from tarot_lite import runs
from tarot_lite.settings import Settings

STAGE = "03_capability_estimation"


def begin(**values: object) -> runs.Stage:
    return runs.start(STAGE, {"profile": "smoke", **values})


def child(script: str, folder: Path) -> subprocess.Popen[str]:
    """Another process that runs `script` in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(runs.__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (['profile = "smoke"\nrun = None', '# Parameters\nprofile = "cpu"\n'], {"profile": "cpu", "run": None}),
        (["import os\npolicyy = 3", 'profile = "smoke"'], {"profile": "smoke"}),
        (['profile = "smoke"', "# Parameters\npolicyy = 'uni'\n"], {"profile": "smoke", "policyy": "uni"}),
        (['profile: str = "smoke"\nseed = 1 + 1', "seed = []"], {"profile": "smoke", "seed": 2}),
        (["%matplotlib inline", 'profile = "smoke"'], {"profile": "smoke"}),
        ([], {}),
    ],
)
def test_parameters_are_those_of_the_parameter_cells(cells: list[str], expected: dict[str, object]) -> None:
    assert runs.parameters_in(cells, {"seed": 2}) == expected


@pytest.mark.parametrize(
    ("injected", "said"),
    [
        ("policyy = 'uni'", "parameter policyy (value 'uni') is unknown (did you mean 'policy'?)"),
        ("policy = 'unii'", "did you mean 'uni'?"),
        ("grpo_steps = 'x'", "parameter grpo_steps is 'x'"),
        ("profile = 'smok'", "did you mean 'smoke'?"),
        ("profile = 3", "parameter profile is 3"),
    ],
)
def test_a_wrong_parameter_stops_the_stage_before_anything_is_written(
    in_empty_folder: Path, injected: str, said: str
) -> None:
    cells = ['profile = "smoke"\npolicy = None', f"# Parameters\n{injected}\n"]
    with pytest.raises(ValueError) as caught:
        runs.start(STAGE, {"In": cells})
    assert said in str(caught.value)
    assert list(in_empty_folder.iterdir()) == []


def test_variables_of_later_cells_are_not_taken_for_parameters(in_empty_folder: Path) -> None:
    cells = ["", 'profile = "smoke"\nseed = 3', "students = load_them()", "runs.start(...)"]
    stage = runs.start(STAGE, {"In": cells, "students": object(), "seed": "changed since"})
    assert stage.settings.seed == 3


# ------------------------------------------------------------------------------------------------------------- files


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runs.write_atomic(tmp_path / "table.csv", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(runs.RunError, match="No space left on device; free some space there"):
        runs.write_atomic(path, "new")
    assert path.read_text() == "old" and [item.name for item in tmp_path.iterdir()] == ["table.csv"]


def test_a_file_in_the_way_is_named(in_empty_folder: Path) -> None:
    Path("reports").write_text("not a folder")
    with pytest.raises(runs.RunError, match=r"cannot write reports/smoke/03.*a file is in the way.*parameter reports"):
        begin()


@pytest.mark.parametrize(
    ("mount", "said"), [("size=16k", "free some space there"), ("size=1m,ro", "the file system is read-only")]
)
def test_a_full_or_read_only_folder_is_named(tmp_path: Path, mount: str, said: str) -> None:
    """On a real file system of that kind, mounted where only the child process sees it."""
    folder = tmp_path / "small"
    folder.mkdir()
    script = (
        "from tarot_lite import runs; runs.start('03_x', {'profile': 'smoke'}).save_rows('t', [{'a': 'b' * 99999}])"
    )
    shell = f'mount -t tmpfs -o {mount} none {folder} && cd {folder} && exec {sys.executable} -c "{script}"'
    environment = {**os.environ, "PYTHONPATH": str(Path(runs.__file__).parent.parent)}
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", shell],
        capture_output=True,
        text=True,
        env=environment,
    )
    if "Operation not permitted" in result.stderr or "mount:" in result.stderr or "unshare:" in result.stderr:
        pytest.skip(f"file systems cannot be mounted here: {result.stderr.strip().splitlines()[-1]}")
    assert result.returncode == 1
    assert "RunError: cannot write" in result.stderr and said in result.stderr


def test_tables_come_back_as_they_were(in_empty_folder: Path) -> None:
    stage = begin()
    table = pd.DataFrame({"tier": ["basic", "edge"], "rate": [0.1 + 0.2, 1 / 3]})
    stage.save_table("rates", table)
    stage.save_rows("texts", [{"text": "ä\nb", "tiers": {"b", "a"}}])
    pd.testing.assert_frame_equal(stage.load(STAGE, "rates.csv"), table)
    assert stage.load(STAGE, "texts.jsonl") == [{"text": "ä\nb", "tiers": ["a", "b"]}]
    with pytest.raises(runs.RunError, match=r"01_tiered_suites/x\.csv is not there; run the notebook 01_tiered_suites"):
        stage.load("01_tiered_suites", "x.csv")


def test_figures_carry_their_alt_text(in_empty_folder: Path) -> None:
    import matplotlib.pyplot as plt

    stage = begin()
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    picture = stage.save_figure(figure, "line", alt="A rising line")
    data, metadata = picture._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == data["text/plain"] == "A rising line"
    assert (stage.folder / "figures/line.png").read_bytes().startswith(b"\x89PNG")
    assert not plt.fignum_exists(figure.number)  # else the notebook shows it twice
    with pytest.raises(ValueError, match="figure 'line' has no alt text"):
        stage.save_figure(figure, "line", alt=" ")


def test_a_claim_needs_a_verdict_and_replaces_itself(in_empty_folder: Path) -> None:
    stage = begin()
    stage.claim("GRPO helps", "held-out", 1.0, (0.5, 1.5), "undecided")
    stage.claim("GRPO helps", "held-out", 2.0, (1.5, 2.5), "holds")
    assert [row["number"] for row in json.loads((stage.folder / "claims.json").read_text())] == [2.0]
    with pytest.raises(ValueError, match="begin it with 'holds'"):
        stage.claim("GRPO helps", "held-out", 2.0, None, "great")


# ------------------------------------------------------------------------------------------------------ done markers


def test_done_is_written_last_and_only_for_what_it_was_made_from(in_empty_folder: Path) -> None:
    stage = begin()
    stage.save_table("t", [{"a": 1}])
    assert not runs.is_done(stage.run_folder, STAGE, stage.settings) and not stage.has(STAGE, "t.csv")
    stage.finish(rate=0.5)
    assert runs.is_done(stage.run_folder, STAGE, stage.settings) and stage.has(STAGE, "t.csv")
    assert not stage.has(STAGE, "other.csv")
    assert not runs.is_done(stage.run_folder, STAGE, replace(stage.settings, seed=99))
    assert runs.is_done(stage.run_folder, STAGE, replace(stage.settings, sandbox_workers=1))
    assert list(json.loads((stage.folder / "done.json").read_text())["digests"]) == ["summary.json", "t.csv"]


def test_starting_again_undoes_done(in_empty_folder: Path) -> None:
    begin().finish()
    stage = begin()
    assert not runs.is_done(stage.run_folder, STAGE, stage.settings)


def test_a_stage_is_stale_when_one_before_it_was_made_anew(in_empty_folder: Path) -> None:
    begin().finish()
    folder, settings = Path("reports/smoke"), begin().settings
    begin().finish()
    assert runs.is_done(folder, STAGE, settings)
    runs.start("01_tiered_suites", {"profile": "smoke", "seed": 5}).finish()
    assert not runs.is_done(folder, STAGE, settings)


def test_a_damaged_marker_counts_as_not_done(in_empty_folder: Path) -> None:
    stage = begin()
    stage.finish()
    (stage.folder / "done.json").write_text('{"fingerpr')
    assert not runs.is_done(stage.run_folder, STAGE, stage.settings)


def test_a_cell_takes_earlier_stages_from_its_parent(in_empty_folder: Path) -> None:
    stage = begin()
    stage.save_table("t", [{"a": 1}])
    stage.finish()
    cell = runs.start("04_curriculum_grpo", {"profile": "smoke", "run": "c", "parent": "reports/smoke"})
    assert cell.run_folder == Path("reports/c") and cell.has(STAGE, "t.csv")
    assert cell.load(STAGE, "t.csv")["a"].tolist() == [1]
    assert runs.shared_folder(cell, "students") == Path("reports/smoke/students")


def test_manifest_tells_what_ran_on_what_and_nothing_of_the_place(in_empty_folder: Path) -> None:
    begin(reports=str(in_empty_folder / "elsewhere"), seed=4).finish()
    text = (in_empty_folder / "elsewhere/smoke/manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["settings"]["seed"] == 4 and manifest["profile"] == "smoke"
    assert manifest["versions"]["numpy"] and manifest["machine"]["cores"] >= 1
    assert manifest["stages"][STAGE]["seconds"] >= 0 and manifest["stages"][STAGE]["peak_memory_mb"] > 1
    assert str(in_empty_folder) not in text and os.uname().nodename not in text


def test_start_seeds_what_is_drawn(in_empty_folder: Path) -> None:
    import random

    import numpy as np

    begin(seed=5)
    first = (random.random(), np.random.random())
    begin(seed=5)
    assert (random.random(), np.random.random()) == first


# -------------------------------------------------------------------------------------------------------------- lock

HOLD = """
    import time
    from tarot_lite import runs
    runs.start("03_capability_estimation", {"profile": "smoke"})
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_and_a_dead_one_replaced(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT", 0.2)
    with child(HOLD, in_empty_folder) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
            with pytest.raises(
                runs.RunError, match=f"stage {STAGE} in .* is being written by process {holder.pid} since"
            ):
                begin()
            runs.start("02_sandboxed_execution", {"profile": "smoke"}).finish()  # another stage is free
        finally:
            holder.send_signal(signal.SIGKILL)
    begin().finish()


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_lock(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT", 0.2)
    script = HOLD.replace(
        'print("holding", flush=True)',
        "import os\n    orphan = os.fork()\n    print(orphan, flush=True) if orphan else None",
    )
    with child(script, in_empty_folder) as holder:
        assert holder.stdout is not None
        orphan = int(holder.stdout.readline())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        try:
            os.kill(orphan, 0)  # it is alive
            begin().finish()
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_the_same_kernel_may_start_its_stage_again(in_empty_folder: Path) -> None:
    begin()
    begin()
    script = 'from tarot_lite import runs; runs._LOCK_WAIT = 0.2; runs.start("03_capability_estimation", {"profile": "smoke"})'
    with child(script, in_empty_folder) as other:  # and it still holds the lock
        assert "is being written by process" in other.communicate()[1]


def test_a_kernel_that_is_about_to_die_is_waited_for(in_empty_folder: Path) -> None:
    with child(HOLD.replace("60", "1"), in_empty_folder) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
        begin().finish()


# ---------------------------------------------------------------------------------------------------------- progress


def test_progress_goes_to_the_log_where_nobody_looks(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    stage = begin()
    assert list(runs.progress(range(3), "judging")) == [0, 1, 2]
    runs.note("four tiers")
    assert capfd.readouterr() == ("", "")
    log = (stage.folder / "progress.log").read_text()
    assert "judging: 100%" in log and "3/3" in log and log.endswith("four tiers\n")


def test_progress_shows_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    assert list(runs.progress(range(3), "judging")) == [0, 1, 2]
    shown = capfd.readouterr()
    assert "judging" in shown.out + shown.err
    assert list(runs.progress([], "nothing")) == []
    assert capfd.readouterr() == ("", "")


def test_reports_go_to_the_repository_around_us(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "notebooks")
    assert runs.reports_folder(Settings()) == Path("../reports")
    monkeypatch.chdir(repository)
    assert runs.reports_folder(Settings()) == Path("reports")
    assert runs.reports_folder(Settings(reports="~/x")) == Path.home() / "x"


def test_import_brings_no_heavy_library() -> None:
    script = "import sys, tarot_lite.runs; print([m for m in ('torch', 'pandas', 'matplotlib', 'numpy') if m in sys.modules])"
    with child(script, Path.cwd()) as process:
        assert process.communicate()[0].strip() == "[]"
