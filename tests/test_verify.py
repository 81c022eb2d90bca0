"""``verify``: the same is told as the same, one changed cell is found, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_notebooks import code, stage

from tarot_lite import exact, verify

ROOT = Path(verify.__file__).parent.parent
TABLE = "05_ablations/heldout.csv"
WORK = """
import matplotlib.pyplot as plt, numpy as np, time
cell = {"student": "weak", "policy": "uni", "variant": "", "measure": "suite"}
rows = [{**cell, "seed": seed, "after": 0.5 + seed / 10, "seconds/all": time.time()} for seed in range(3)]
stage.save_table("heldout", rows, machine=["seconds/*"])
figure, axes = plt.subplots()
axes.plot([0, 1], [0.1, 0.2])
stage.save_figure(figure, "line", "A line")
stage.save_figure(plt.figure(), "clock", f"{time.time()}", machine=True)
stage.claim("It is fast", f"{time.time()}", time.time(), None, "holds", machine=True)
"""


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    ours = {*exact.VARIABLES, exact._OURS}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), **variables}
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tarot_lite", *arguments, "--notebooks", str(folder / "nb")],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job would ignore it
    )


def run(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    process = start(folder, *arguments, **variables)
    out, _ = process.communicate(timeout=240)
    return process.returncode, out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a notebook of stage 5, and its run as `make example` commits it: no raw rows."""
    folder = tmp_path_factory.mktemp("made")
    stage(folder / "nb", "05_ablations", code(WORK))
    batch = "from tarot_lite import batch; batch.run(['05_ablations'], 'smoke', {'seed': 3}, Path('nb'), pages=False)"
    environment = {name: value for name, value in os.environ.items() if name not in exact.VARIABLES}
    result = subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path; {batch}"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def committed(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


needs_avx2 = pytest.mark.skipif(exact._obstacle() is not None, reason=f"no exact numbers here: {exact._obstacle()}")


@needs_avx2
def test_the_same_is_told_as_the_same_and_nothing_is_left(committed: Path) -> None:
    status, out = run(committed, "verify", "reports/smoke", "--stage", "5")
    assert status == 0, out
    assert "same     " + TABLE in out and "all 4 tables agree with reports/smoke, byte for byte" in out
    assert list((committed / "tmp").glob("tarot-verify-*")) == []


@needs_avx2
def test_the_first_cell_that_differs_is_named(committed: Path) -> None:
    run_folder = committed / "reports/smoke"
    table = run_folder / TABLE
    table.write_text(table.read_text().replace(",0.6,", ",0.7,"))
    figures = run_folder / "05_ablations/figures.json"
    rows = json.loads(figures.read_text())
    rows[0]["data"] = "0" * 16
    figures.write_text(json.dumps(rows))
    status, out = run(committed, "verify", "reports/smoke")
    assert status == 1, out
    assert f"DIFFERS  {TABLE}: row 2, column after is '0.6', was '0.7'" in out
    assert "DIFFERS  05_ablations/figures.json: [0].data is" in out and "2 of 4 tables differ" in out


@pytest.mark.parametrize(("factor", "status", "told"), [(1.0, 3, "within "), (0.1, 1, "OUTSIDE")])
def test_where_it_cannot_be_exact_the_seeds_spread_decides(
    factor: float, status: int, told: str, committed: Path
) -> None:
    table = committed / "reports/smoke" / TABLE
    lines = table.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    place = rows[0].index("after")
    for row in rows[1:]:
        row[place] = str(round(float(row[place]) * factor, 3))
    table.write_text("\n".join(",".join(row) for row in rows) + "\n")
    code, out = run(committed, "verify", "reports/smoke", ATEN_CPU_CAPABILITY="default")
    assert code == status, out
    assert "not exact: the variable ATEN_CPU_CAPABILITY is 'default' instead of 'avx2'" in out
    assert f"{told}  weak under uni: whole suite 60.0 %, was {60 * factor:.1f} %" in out


def test_ctrl_c_leaves_nothing(committed: Path) -> None:
    stage(committed / "nb", "05_ablations", code("import time\nfor _ in range(600): time.sleep(0.1)"))
    process = start(committed, "verify", "reports/smoke")
    for _ in range(600):
        if list((committed / "tmp").glob("tarot-verify-*/*/*/notebook.ipynb")):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "stopped; nothing is left of it" in out
    assert list((committed / "tmp").glob("tarot-verify-*")) == []


def test_what_cannot_be_verified_is_told(committed: Path) -> None:
    assert run(committed, "verify", "reports/none") == (
        3,
        "tarot_lite: reports/none holds no run (no readable manifest.json); give one such as reports/example\n",
    )
    status, out = run(committed, "verify", "reports/smoke", "--stage", "3")
    assert status == 2 and "has not finished 03_capability_estimation; it has 05_ablations" in out
