"""Checkpoints go to the Hub during a training and a fresh machine goes on from them; the finished model follows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hub_stand_in import Hub, stand_in
from huggingface_hub import HfApi
from training_helpers import PROBLEMS, SETTINGS, assert_same_run, fresh

from tarot_lite import students, toyworld
from tarot_lite.curriculum import get_policy
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.training import TrainingError, TrainingResult, best_weights, train
from tarot_lite.training.finish import model_card, push, save
from tarot_lite.training.remote import Remote

VAR = get_policy("var")
UPLOADED = replace(SETTINGS, hub_checkpoints="somebody/runs", keep_best_every=2)
TUNING = toyworld.problems("tuning", 4, seed=0, tests_per_tier=1)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with stand_in() as server:
        yield server


def client(hub: Hub, token: str = "right-token") -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


class Lost(Exception):
    """The machine is gone."""


def begin(
    hub: Hub, home: Path, sandbox: Sandbox, folder: Path, until: int | None = None, **changes: Any
) -> TrainingResult:
    """Train; after step `until` the machine is lost."""

    def watch(log: list[dict[str, Any]]) -> None:
        if log[-1]["step"] == until:
            raise Lost

    settings = replace(UPLOADED, **changes)
    return train(fresh(home), PROBLEMS, VAR, settings, folder, sandbox, tuning=TUNING, watch=watch, hub=client(hub))


def test_a_fresh_machine_goes_on_from_the_hub_and_ends_as_if_undisturbed(
    hub: Hub, home: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    whole = begin(hub, home, sandbox, tmp_path / "whole", hub_checkpoints=None)
    with pytest.raises(Lost):
        begin(hub, home, sandbox, tmp_path / "lost", until=5)
    (tmp_path / "elsewhere/.hub-half").mkdir(parents=True)  # as a kill in the middle of an upload leaves it
    assert hub.repositories["somebody/runs"].get("private", hub.repositories["somebody/runs"].get("visibility"))
    [name] = {path.partition("/")[0] for path in hub.files["somebody/runs"]}
    assert name.startswith("strong-var-seed0-")
    step = json.loads(hub.files["somebody/runs"][f"{name}/last-checkpoint/complete.json"])["step"]
    assert step in (2, 4)  # 4 is left out where 2 was still on its way
    shutil.rmtree(tmp_path / "lost")

    resumed = begin(hub, home, sandbox, tmp_path / "elsewhere")
    assert resumed.resumed_from == step
    assert_same_run(resumed, whole)
    best = best_weights(tmp_path / "elsewhere", resumed.student)
    assert best == best_weights(tmp_path / "whole", whole.student)
    assert (tmp_path / "elsewhere/tuning.jsonl").read_text() == (tmp_path / "whole/tuning.jsonl").read_text()
    assert hub.messages[-1] == f"{name}: step 5" and not list((tmp_path / "elsewhere").glob(".hub-*"))

    for folder in ("third", "elsewhere"):  # finished: nothing is trained anew, and what is here already asks no Hub
        again = begin(hub, home, sandbox, tmp_path / folder)
        assert again.resumed_from == 5
        assert again.history["loss"].tolist() == whole.history["loss"].tolist()
        hub.token = "another"


def test_another_recipe_has_a_folder_of_its_own_and_resume_false_begins_anew(
    hub: Hub, home: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    short = {"grpo_steps": 1, "keep_best_every": None}
    begin(hub, home, sandbox, tmp_path / "a", **short)
    other = begin(hub, home, sandbox, tmp_path / "b", **short, beta=0.0)
    assert other.resumed_from is None
    assert len({path.partition("/")[0] for path in hub.files["somebody/runs"]}) == 2
    settings = replace(UPLOADED, **short)
    anew = train(fresh(home), PROBLEMS, VAR, settings, tmp_path / "c", sandbox, hub=client(hub), resume=False)
    assert anew.resumed_from is None


def test_uploads_that_fail_do_no_harm_and_are_told(
    hub: Hub, home: Path, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.full = True
    result = begin(hub, home, sandbox, tmp_path, grpo_steps=2, keep_best_every=None)
    assert len(result.history) == 2 and hub.files["somebody/runs"] == {}
    assert "storage limit reached" in caplog.text and "it is safe in" in caplog.text
    assert (tmp_path / "checkpoints/checkpoint-2/complete.json").exists() and not list(tmp_path.glob(".hub-*"))


def test_a_hub_that_refuses_is_told_before_the_training(hub: Hub, home: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    told = r"hub_checkpoints is somebody/runs, which cannot be written to .*hf auth login.*set it to None"
    with pytest.raises(TrainingError, match=told):
        train(fresh(home), PROBLEMS, VAR, UPLOADED, tmp_path, sandbox, tuning=TUNING, hub=client(hub, "wrong-token"))
    remote = Remote("somebody/runs", "nobody-var-seed0-0", client(hub))
    assert remote.fetch(tmp_path) is None
    hub.token = "another"
    with pytest.raises(TrainingError, match=r"cannot be fetched .*or set hub_checkpoints to None to begin anew"):
        remote.fetch(tmp_path)


def test_the_finished_model_and_its_card_arrive_byte_for_byte_and_load(
    hub: Hub, home: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    result = train(
        fresh(home, adapted=True), PROBLEMS, VAR, replace(SETTINGS, grpo_steps=1), tmp_path / "training", sandbox
    )
    rows = [
        {"measure": measure, "when": when, "rate": 0.25, "low": 0.125, "high": 0.625}
        for measure in ("basic", "intermediate", "complex", "edge", "suite")
        for when in ("before", "after")
    ]
    card = model_card(result.student, VAR, SETTINGS, result, pd.DataFrame(rows), {})
    for form in ("adapters", "merged"):
        folder = save(result.student, tmp_path / form, form, card)
        address = push(folder, f"somebody/{form}", endpoint=hub.url, token="right-token")
        assert address == f"{hub.url}/somebody/{form}"
        received = hub.files[f"somebody/{form}"]
        assert received == {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        assert received["README.md"].decode() == card
    assert "adapter_model.safetensors" in hub.files["somebody/adapters"]
    back = Path(client(hub).snapshot_download("somebody/merged", local_dir=tmp_path / "back"))
    prompts = [result.student.prompt(PROBLEMS[0])]
    wanted = result.student.generate(prompts, 1, temperature=0.0, max_new_tokens=16)
    assert students.load(back).generate(prompts, 1, temperature=0.0, max_new_tokens=16) == wanted
    with pytest.raises(TrainingError, match=r"call push again: the model is safe in"):
        push(tmp_path / "merged", "somebody/merged", endpoint=hub.url, token="wrong-token")


def test_an_upload_of_nothing_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="save_model is no, so nothing would be uploaded; set save_model"):
        Settings(hub_model="somebody/model")
