"""A training learns with the arguments that its record says, whoever stands in for TRL's classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trl
from training_helpers import PROBLEMS, SETTINGS, fresh

from tarot_lite.curriculum import get_policy
from tarot_lite.sandbox import Sandbox
from tarot_lite.training import TrainingError, arguments, train

SHORT = replace(SETTINGS, grpo_steps=1, loss_type="dr_grpo", scale_rewards="group")


class UnslothGRPOConfig(trl.GRPOConfig):
    """With what Unsloth 2026.10.9 writes into its own version of the class."""

    def __init__(self, *args: Any, **given: Any) -> None:
        if given["loss_type"] == "dr_grpo":
            given["scale_rewards"] = {None: True, "group": False}.get(given["scale_rewards"], given["scale_rewards"])
        elif given["loss_type"] == "dapo" and given["epsilon_high"] is None:
            given["epsilon_high"] = 0.28
        super().__init__(*args, **given)


@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo", "grpo", "bnpo"])
def test_unsloth_trains_what_is_asked_for(
    loss_type: str, home: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SHORT, loss_type=loss_type)
    found = []
    for name, kind in (("plain", trl.GRPOConfig), ("unsloth", UnslothGRPOConfig)):
        monkeypatch.setattr(arguments, "GRPOConfig", kind)
        train(fresh(home), PROBLEMS, get_policy("var"), settings, tmp_path / name, sandbox)
        found.append(json.loads((tmp_path / name / "arguments.json").read_text()))
    plain, unsloth = found
    assert plain == unsloth
    assert (plain["scale_rewards"], plain["loss_type"], plain["epsilon_high"]) == ("group", loss_type, 0.2)
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize(
    ("name", "value"), [("scale_rewards", "none"), ("per_device_train_batch_size", 4), ("beta", 0.5), ("max_steps", 2)]
)
def test_an_argument_that_is_overridden_cannot_pass_in_silence(
    name: str, value: Any, home: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overriding(trl.GRPOConfig):
        def __init__(self, *args: Any, **given: Any) -> None:
            super().__init__(*args, **(given | {name: value}))

    monkeypatch.setattr(arguments, "GRPOConfig", Overriding)
    with pytest.raises(
        TrainingError, match=rf"other arguments than it was given: {name} \({value!r} in force, .* asked"
    ):
        train(fresh(home), PROBLEMS, get_policy("var"), SHORT, tmp_path, sandbox)
    assert not (tmp_path / "arguments.json").exists()
