"""Trackers and DeepSpeed, really used by a small training each; without an account, a network or a GPU (``make test-extras``)."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

_TWO_TRAININGS = """
import sys
from dataclasses import replace
from pathlib import Path
from tarot_lite.curriculum import get_policy
from tarot_lite.sandbox import Sandbox
from tarot_lite.training import train
from training_helpers import PROBLEMS, SETTINGS, fresh

if __name__ == "__main__":
    settings, folder = replace(SETTINGS, report_to=sys.argv[1], grpo_steps=2), Path(sys.argv[2])
    with Sandbox(workers=1) as sandbox:
        for policy in ("var", "flat"):
            train(fresh(folder / "home"), PROBLEMS, get_policy(policy), settings, folder / policy, sandbox)
"""
RUNS = {policy: f"strong {policy} seed 0" for policy in ("var", "flat")}


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None, reason=f"{package} is not installed; make test-extras installs it"
    )


def python(repository: Path, folder: Path, *arguments: str, **variables: str) -> str:
    """A process of its own in an empty folder, since trackers read their variables while they are imported."""
    path = os.pathsep.join((str(repository), str(repository / "tests")))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | variables
    here = folder / "here"
    here.mkdir(exist_ok=True)
    ran = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=here, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def two_trainings(repository: Path, folder: Path, tracker: str, **variables: str) -> None:
    script = folder / "two.py"
    script.write_text(_TWO_TRAININGS)
    python(repository, folder, str(script), tracker, str(folder), **variables)


def signals(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "signals.jsonl").read_text().splitlines()]


@needs("trackio")
def test_trackio_gets_every_signal_of_every_training(repository: Path, tmp_path: Path) -> None:
    two_trainings(repository, tmp_path, "trackio", TRACKIO_DIR=str(tmp_path / "db"))
    with sqlite3.connect(tmp_path / "db" / "tarot_lite.db") as kept:
        rows = [(run, json.loads(row)) for run, row in kept.execute("select run_name, metrics from metrics")]
    for policy, name in RUNS.items():
        logged = [row for run, row in rows if run == name and "train/reward" in row]
        wanted = signals(tmp_path / policy)
        for key in ("reward", "tier/edge", "signal/reward", "kl", "entropy", "tokens_per_second", "truncated"):
            assert [row[f"train/{key}"] for row in logged] == [row[key] for row in wanted], key


@needs("wandb")
def test_each_training_is_a_run_of_weights_and_biases_in_its_own_folder(repository: Path, tmp_path: Path) -> None:
    two_trainings(repository, tmp_path, "wandb", WANDB_MODE="offline")
    for policy, name in RUNS.items():
        (kept,) = (tmp_path / policy).glob("wandb/offline-run-*/run-*.wandb")
        content = kept.read_bytes()  # in a form of its own, with names in plain letters
        for key in ("reward", "tier/edge", "signal/reward", "kl", "entropy", "tokens_per_second", "truncated"):
            assert f"train/{key}".encode() in content, key
        assert name.encode() in content and not [
            other for other in RUNS.values() if other != name and other.encode() in content
        ]
    assert not any((tmp_path / "here").iterdir())  # nothing in the folder that somebody happens to stand in


_ZERO = """
compute_environment: LOCAL_MACHINE
distributed_type: DEEPSPEED
deepspeed_config: {{zero_stage: {stage}, zero3_init_flag: false, gradient_clipping: 1.0}}
num_machines: 1
num_processes: 2
mixed_precision: "no"
use_cpu: false
"""
_RECIPE = "--profile smoke -p students strong=60 -p grpo_steps 4 -p save_steps 2 -p sandbox_workers 1".split()


def launch(repository: Path, folder: Path, stage: int) -> subprocess.CompletedProcess[str]:
    """Two processes under ZeRO; over gloo, on CPUs."""
    configuration = folder / f"zero{stage}.yaml"
    configuration.write_text(_ZERO.format(stage=stage))
    command = ["-m", "accelerate.commands.launch", "--config_file", str(configuration), "-m", "tarot_lite.training"]
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *command, "--folder", str(folder / "zero"), *_RECIPE],
        env=environment | {"DS_ACCELERATOR": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@needs("deepspeed")
def test_zero_2_trains_the_same_and_goes_on_exactly(repository: Path, tmp_path: Path) -> None:
    """Gradients and moments in two halves, as published, end in the weights of two processes without it."""
    plain = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "-m", "tarot_lite.training"]
    python(repository, tmp_path, *plain, "--folder", str(tmp_path / "plain"), *_RECIPE)
    wanted = load_file(tmp_path / "plain/student/model.safetensors")
    checkpoints = tmp_path / "zero/training/checkpoints"
    for _ in range(2):
        ran = launch(repository, tmp_path, stage=2)
        assert ran.returncode == 0, ran.stderr[-3000:]
        weights = load_file(tmp_path / "zero/student/model.safetensors")
        assert set(weights) == set(wanted)
        assert all(torch.allclose(weights[name], wanted[name], atol=1e-6) for name in wanted)
        shutil.rmtree(tmp_path / "zero/student")
        assert (checkpoints / "checkpoint-4/global_step4").is_dir()  # it was DeepSpeed
        shutil.rmtree(checkpoints / "checkpoint-4")  # the second time it goes on from the second step


@needs("deepspeed")
def test_zero_3_is_refused_with_what_works(repository: Path, tmp_path: Path) -> None:
    ran = launch(repository, tmp_path, stage=3)
    assert ran.returncode != 0
    assert "error: DeepSpeed is set to ZeRO-3" in ran.stderr and "set zero_stage to 2" in ran.stderr
