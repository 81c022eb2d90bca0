"""The supervised warm-up of a pretrained student: it learns, is kept, and shows no problem that is measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tarot_lite import toyworld
from tarot_lite.curriculum import get_policy
from tarot_lite.settings import Settings
from tarot_lite.students import Recipe, Student, StudentError, make, supervised, tiny
from tarot_lite.suites import splits
from tarot_lite.training.identity import identity


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pretrained model that has not learnt much, with a chat template."""
    folder = tmp_path_factory.mktemp("base")
    recipe = Recipe(hidden=32, layers=2, heads=2, feedforward=64, context=1024)
    student = tiny("new", Settings(threads=1, warmup_problems=40, students={"new": 5}), folder, recipe)
    student.tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}\n"
    return student.save(folder / "model")


@pytest.fixture
def settings(base: Path) -> Settings:
    return Settings(threads=1, models={"m": str(base)}, lora_rank=8, supervised_steps=12, warmup_problems=40)


def adapters(student: Student) -> torch.Tensor:
    return torch.cat(
        [weight.detach().flatten() for name, weight in student.model.named_parameters() if "lora_" in name]
    )


def test_it_learns_the_world_and_the_second_call_reads_the_cache(settings: Settings, tmp_path: Path) -> None:
    student = make("m", settings, tmp_path)
    assert isinstance(student, Student) and student.style == "line"
    losses = student.origin["warm-up losses"]
    assert len(losses) == 12 and max(losses[-3:]) < min(losses[:3])
    again = make("m", settings, tmp_path)
    assert isinstance(again, Student) and again.style == "line"
    assert torch.equal(adapters(again), adapters(student)) and again.origin == student.origin
    assert len(list(tmp_path.iterdir())) == 1
    cold = make("m", dataclasses.replace(settings, supervised_steps=0), tmp_path)
    assert isinstance(cold, Student) and not torch.equal(adapters(cold), adapters(student))
    trainings = [
        identity(one, toyworld.problems("train", 4), get_policy("uni"), settings, 0) for one in (student, again, cold)
    ]
    assert trainings[0] == trainings[1] != trainings[2]


def test_of_own_problems_it_learns_the_references_of_those_to_train_on(
    settings: Settings, repository: Path, tmp_path: Path
) -> None:
    sizes = {"train_problems": 10, "probe_problems": 4, "tuning_problems": 4, "heldout_problems": 6}
    data = tmp_path / "own.jsonl"
    rows = [
        json.dumps(
            {
                "id": f"sum-{n}",
                "statement": f"Print the sum of {n} and a number.",
                "tests": [
                    {"input": f"{k}\n", "output": f"{n + k}\n", "tier": tier}
                    for k, tier in enumerate(("basic", "intermediate", "complex", "edge"))
                ],
                "solution": f"print({n} + int(input()))",
            }
        )
        for n in range(24)
    ]
    data.write_text("\n".join(rows) + "\n", encoding="utf-8")
    own = dataclasses.replace(settings, problems_data=str(data), supervised_steps=2, max_completion_tokens=64, **sizes)
    student = make("m", own, tmp_path / "cache")
    assert isinstance(student, Student) and student.style == "chat" and len(student.origin["warm-up losses"]) == 2
    of_training = {student.prompt(problem): problem for problem in splits.of_run(own, "train")}
    shown = supervised._examples(student, own)
    assert len(shown) == 32 and {row["prompt"] for row in shown} <= set(of_training)
    for row in shown:
        problem = of_training[row["prompt"]]
        code = student.code(problem, row["completion"])
        assert code is not None and code.strip() == problem.reference


def test_what_it_cannot_learn_from_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"supervised_steps is 12, but lora_rank is 0.*set lora_rank to 16"):
        make("m", dataclasses.replace(settings, lora_rank=0), tmp_path)
    with pytest.raises(ValueError, match=r"prompt_style is 'chat', but with supervised_steps = 12.*leave one"):
        dataclasses.replace(settings, prompt_style="chat")
