"""A training that is stopped at any step and goes on sees, writes and learns what an undisturbed one does."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_helpers import PROBLEMS, SETTINGS, assert_same_run, fresh
from trl.trainer.utils import RepeatSampler

from tarot_lite.curriculum import get_policy
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.training import TrainingError, train
from tarot_lite.training.prompts import Order


@given(st.data())
def test_the_order_is_a_function_of_seed_and_step_alone(data: st.DataObject) -> None:
    per_step = data.draw(st.sampled_from([1, 2, 3, 4, 6]))
    rows = data.draw(st.integers(per_step, 14))
    group, repeated, seed = (data.draw(st.integers(1, 3)) for _ in range(3))
    passes = 3
    steps = passes * (rows // per_step)
    whole = [rows, per_step, per_step, group, repeated, steps * per_step * group * repeated, seed]
    order = list(Order(*whole))
    assert len(order) == len(Order(*whole)) == whole[5]
    trl = RepeatSampler(range(rows), group, per_step, repeated, seed=seed)
    assert order == [index for _ in range(passes) for index in trl]  # one sampler, iterated again and again
    step = data.draw(st.integers(1, steps))
    shorter = [*whole[:5], step * per_step * group * repeated, seed]
    assert list(Order(*shorter)) == order[: shorter[5]]
    pieces = data.draw(st.sampled_from([n for n in range(1, per_step + 1) if per_step % n == 0]))
    once = [*whole[:2], pieces, group, 1, steps * per_step * group, seed]
    assert list(Order(*once)) == list(Order(*whole[:4], 1, *once[5:]))


def drawn(seed: int) -> tuple[int, Settings]:
    """Sizes at random: how many problems, and a recipe of at least three passes over them."""
    rng = random.Random(seed)
    per_step = rng.choice([1, 2, 3])
    problems = rng.randint(per_step, 7)
    sizes: dict[str, Any] = {"prompts_per_step": per_step, "generations": rng.choice([2, 4])}
    sizes["num_iterations"] = rng.choice([1, 2])
    sizes["generation_batch"] = sizes["generations"] * rng.choice([1, per_step])
    sizes["micro_batch"] = rng.choice([2, sizes["generation_batch"]])
    steps = 3 * (problems // per_step) * sizes["num_iterations"] + 1
    return problems, replace(SETTINGS, **sizes, grpo_steps=steps, save_steps=1, completions_every=1)


class Stopped(Exception):
    """What stops a training here."""


@pytest.mark.parametrize(("seed", "adapted"), [(0, False), (5, False), (6, True)])
def test_stopped_at_every_step_it_ends_as_if_undisturbed(
    seed: int, adapted: bool, home: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    count, settings = drawn(seed)
    arguments = PROBLEMS[:count], get_policy("var"), settings
    undisturbed = train(fresh(home, adapted), *arguments, tmp_path / "undisturbed", sandbox)
    for last in range(1, settings.grpo_steps):

        def stop(log: list[dict[str, Any]], last: int = last) -> None:
            if log[-1]["step"] == last:
                raise Stopped

        with pytest.raises(Stopped):
            train(fresh(home, adapted), *arguments, tmp_path / "stopped", sandbox, watch=stop)
    resumed = train(fresh(home, adapted), *arguments, tmp_path / "stopped", sandbox)
    assert resumed.resumed_from is not None and resumed.resumed_from < settings.grpo_steps
    assert_same_run(resumed, undisturbed)


def test_fewer_problems_than_a_step_takes_are_refused_with_the_counts(
    home: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    long = replace(PROBLEMS[2], problem_id="long", statement="# " + "even items, " * 400)
    few = replace(SETTINGS, prompts_per_step=3)
    with pytest.raises(TrainingError, match=r"2 problems fit \(1 more are too long: long\), and a step takes .* = 3;"):
        train(fresh(home), [*PROBLEMS[:2], long], get_policy("var"), few, tmp_path, sandbox)
