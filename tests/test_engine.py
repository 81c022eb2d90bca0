"""The engine of the grid with cells of a second: here, on a Dask cluster that loses a worker, twice in one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from distributed import LocalCluster
from small_notebooks import code, stage

from tarot_lite import __main__, ablations, runs
from tarot_lite.ablations import engine, executors
from tarot_lite.settings import Settings, load_profile

WORK = """\
import pathlib, time
import numpy as np
settings, shared = stage.settings, pathlib.Path(stage.settings.parent)
shared.mkdir(exist_ok=True)
with (shared / 'started').open('a') as file: file.write(settings.run + '\\n')
while not (shared / 'go').exists(): time.sleep(0.1)
after = np.random.default_rng([settings.training_seed, len(settings.policy)]).random(3) * (settings.beta + 1)
rows = [{'problem_id': i, 'measure': 'suite', 'before': 0.0, 'after': x} for i, x in enumerate(after)]
path = stage.save_table('heldout_problems', rows)
"""
SETTINGS = replace(load_profile("smoke", axes="beta=0.01|0.5", students={"weak": 2}), jobs=2)


@pytest.fixture(scope="module")
def small_cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook 04 that trains nothing, and waits until its run's folder holds ``go``."""
    return stage(tmp_path_factory.mktemp("nb"), engine.STAGE, code(WORK))


def folder_of(tmp_path: Path, go: bool = True) -> Path:
    parent = tmp_path / "run"
    parent.mkdir(exist_ok=True)
    if go:
        (parent / "go").touch()
    return parent


def started(parent: Path) -> list[str]:
    return (parent / "started").read_text().split() if (parent / "started").exists() else []


def wait_for_cells(parent: Path, count: int) -> None:
    for _ in range(3000):
        if len(started(parent)) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"only {started(parent)} have begun")


@pytest.fixture(scope="module")
def serial(small_cell: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ablations.Cell]]:
    """The grid, run one cell after the other."""
    parent = folder_of(tmp_path_factory.mktemp("serial"))
    cells = ablations.grid(SETTINGS)
    outcomes = ablations.run_cells(cells, replace(SETTINGS, jobs=1), parent, notebook=small_cell)
    assert [outcome.status for outcome in outcomes] == ["done"] * 4, outcomes
    return parent, cells


def test_cells_of_other_values_have_their_own_folders_and_numbers(
    serial: tuple[Path, list[ablations.Cell]],
) -> None:
    parent, cells = serial
    heldout = ablations.collect_heldout(parent, cells)
    assert [cell.name for cell in cells][:2] == ["weak-uni-0", "weak-uni-0-beta=0.5"]
    means = heldout.groupby(["policy", "variant"])["after"].mean().unstack()
    assert (means["beta=0.5"] / means[""]).tolist() == pytest.approx([1.5 / 1.01] * 2)


def test_a_dask_cluster_that_loses_a_worker_ends_with_the_same_numbers(
    small_cell: Path, serial: tuple[Path, list[ablations.Cell]], tmp_path: Path
) -> None:
    serial_parent, cells = serial
    parent = folder_of(tmp_path, go=False)

    def kill_one(pids: list[int]) -> None:
        try:
            wait_for_cells(parent, 2)
            os.kill(pids[0], signal.SIGKILL)
        finally:
            (parent / "go").touch()

    with LocalCluster(
        n_workers=2, threads_per_worker=1, resources={"GPU": 1}, dashboard_address=":0", silence_logs=50
    ) as cluster:
        found = executors.cluster(cluster.scheduler_address)
        assert (found.workers, found.gpus, found.width) == (2, 2, 2) and "dashboard http" in str(found)
        killer = threading.Thread(target=kill_one, args=([worker.pid for worker in cluster.workers.values()],))
        killer.start()
        outcomes = ablations.run_cells(
            cells, replace(SETTINGS, scheduler=cluster.scheduler_address), parent, notebook=small_cell
        )
        killer.join()
    assert [outcome.cell for outcome in outcomes] == cells
    assert {outcome.status for outcome in outcomes} <= {"done", "kept"}, outcomes
    assert len(started(parent)) > len(cells)  # the killed worker's cell was begun again
    assert sorted(path.name for path in (parent / "cells").iterdir()) == sorted(cell.name for cell in cells)
    pd.testing.assert_frame_equal(
        ablations.collect_heldout(parent, cells), ablations.collect_heldout(serial_parent, cells)
    )


@pytest.mark.parametrize(("address", "said"), [("tcp://127.0.0.1:9", "answers"), ("nonsense", "no address")])
def test_a_scheduler_that_does_not_answer_is_told_with_the_remedy(
    address: str, said: str, in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(executors, "_ANSWER", 1.0)
    assert __main__.main(["ablations", "--profile", "smoke", "--scheduler", address]) == 2
    text = capsys.readouterr().err
    assert said in text and "start one by `dask scheduler`" in text and list(in_empty_folder.iterdir()) == []


def test_a_cell_at_work_in_another_process_is_left_alone(
    small_cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_LOCK_WAIT", 0.5)
    parent = folder_of(tmp_path, go=False)
    script = f"""if True:
        from pathlib import Path
        from tarot_lite import ablations
        from tarot_lite.settings import load_profile
        settings = load_profile('smoke', students={{'weak': 2}})
        cell = ablations.Cell('weak', 'uni', 0)
        [outcome] = ablations.run_cells([cell], settings, Path({str(parent)!r}), notebook=Path({str(small_cell)!r}))
        print(outcome.status, outcome.error)"""
    first = subprocess.Popen([sys.executable, "-c", f"if __name__ == '__main__':\n {script}"], stdout=-1, text=True)
    try:
        wait_for_cells(parent, 1)
        with ThreadPoolExecutor(1) as executor:
            [second] = ablations.run_cells(
                [ablations.Cell("weak", "uni", 0)], SETTINGS, parent, executor, notebook=small_cell
            )
        assert second.status == "failed" and "is being written by process" in second.error
        assert started(parent) == ["weak-uni-0"]
        (parent / "go").touch()
    finally:
        (parent / "go").touch()
        out, _ = first.communicate(timeout=60)
    assert out.startswith("done")


class FullDisk(ThreadPoolExecutor):
    """An executor whose cells may write no file above 4 kB, as if the disk were full."""

    def submit(self, task, /, *arguments, **options):  # type: ignore[no-untyped-def]
        return super().submit(limited, task, *arguments, **options)


def limited(task, cell, overrides, notebook):  # type: ignore[no-untyped-def]
    script = f"""if True:
        import resource, signal
        from pathlib import PosixPath
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        from tarot_lite.ablations import engine, Cell
        outcome = engine._run_cell({cell!r}, {overrides!r}, {notebook!r})
        print(outcome.status, '|', outcome.error)"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    status, _, error = said.partition(" | ")
    return ablations.Outcome(cell, status, 0.0, error)


def test_a_full_disk_fails_the_cell_and_leaves_nothing_that_looks_finished(small_cell: Path, tmp_path: Path) -> None:
    parent, cell = folder_of(tmp_path), ablations.Cell("weak", "uni", 0)
    with FullDisk(1) as executor:
        [outcome] = ablations.run_cells([cell], SETTINGS, parent, executor, notebook=small_cell)
    assert outcome.status == "failed" and "File too large" in outcome.error, outcome
    assert not engine.is_finished(cell, SETTINGS, parent)


def finished_elsewhere(cell: ablations.Cell, *_: object) -> ablations.Outcome:
    return ablations.Outcome(cell, "done", 1.0)


def test_a_worker_without_the_shared_folder_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_run_cell", finished_elsewhere)  # a worker that wrote to a disk of its own
    with ThreadPoolExecutor(1) as executor:
        [outcome] = ablations.run_cells([ablations.Cell("weak", "uni", 0)], SETTINGS, tmp_path, executor)
    assert outcome.status == "failed" and "storage that all machines share" in outcome.error


def test_a_dry_run_lists_cells_with_measured_and_estimated_times(tmp_path: Path) -> None:
    settings = Settings(students={"weak": 1, "strong": 2}, policies=["uni"], axes="grpo_steps=80|240", jobs=2)
    cells = ablations.grid(settings)
    own = engine._settings_of(cells[2], engine._overrides(settings, tmp_path))
    folder = tmp_path / "cells" / cells[2].name
    runs.start(
        engine.STAGE, {"profile": "smoke", **vars(own), "run": folder.name, "reports": str(folder.parent)}
    ).finish()
    done = folder / engine.STAGE / "done.json"
    runs.write_json(done, runs.read_json(done) | {"seconds": 160.0})
    found = ablations.plan(cells, settings, tmp_path)
    assert found.table["state"].tolist() == ["to run", "to run", "finished", "to run"]
    assert found.table["seconds"].tolist() == [160, 480, 160, 480]  # 2 s per step, measured on one cell
    assert found.seconds == 640 and "3 to run, 2 at a time: about 11 min" in str(found)


def test_a_dry_run_writes_nothing(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["ablations", "--profile", "smoke", "-p", "axes", "loss_type=grpo|dapo", "--dry-run"]
    assert __main__.main(arguments) == 0
    out = capsys.readouterr().out
    assert "strong-uni-0-loss_type=dapo" in out and "8 cells, 8 to run, 1 at a time" in out
    assert list(in_empty_folder.iterdir()) == []
