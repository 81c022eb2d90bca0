"""The supervised warm-up of a pretrained student: it learns, is kept, and shows no problem that is measured."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from tarot_lite import __main__, toyworld
from tarot_lite.curriculum import get_policy
from tarot_lite.settings import Settings
from tarot_lite.students import Recipe, Student, StudentError, make, supervised, tiny
from tarot_lite.suites import splits
from tarot_lite.training.checkpoints import identity


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
    with pytest.raises(StudentError, match="10 have a reference and none fits max_prompt_tokens = 1024 and max_comp"):
        make("m", dataclasses.replace(own, max_completion_tokens=4), tmp_path / "cache")


def test_what_it_cannot_learn_from_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"supervised_steps is 12, but lora_rank is 0.*set lora_rank to 16"):
        make("m", dataclasses.replace(settings, lora_rank=0), tmp_path)
    with pytest.raises(ValueError, match=r"prompt_style is 'chat', but with supervised_steps = 12.*leave one"):
        dataclasses.replace(settings, prompt_style="chat")


def test_thirty_own_problems_go_to_a_trained_model_and_its_report(base: Path, repository: Path, tmp_path: Path) -> None:
    """By the commands of the page `own.md`, with its curriculum from a YAML file, in tiny sizes."""
    page = (repository / "notebooks/book/own.md").read_text(encoding="utf-8")
    policy = tmp_path / "late_edge.yaml"
    policy.write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    problems = tmp_path / "problems.jsonl"
    assert __main__.main(["import", str(repository / "notebooks/own_problems.jsonl"), "--out", str(problems)]) == 0
    wanted = {
        "reports": tmp_path,
        "models": f"m={base}",
        "problems_data": problems,
        **dict(re.findall(r"-p (\w+) (\w+)", splits.sized(30))),
        "prompt_style": "chat",
        "lora_rank": 8,
        "supervised_steps": 2,
        "policies": f"uni,{policy}",
        "grpo_steps": 2,
        "generations": 8,
        "prompts_per_step": 2,
        "save_steps": 1,
        "probe_samples": 1,
        "eval_samples": 1,
        "max_prompt_tokens": 900,
        "max_completion_tokens": 100,
    }
    options = [word for name, value in wanted.items() for word in ("-p", name, str(value))]
    assert __main__.main(["ablations", "--profile", "smoke", "--run", "own", *options]) == 0
    gains = pd.read_csv(tmp_path / "own/05_ablations/gains.csv")
    assert {Path(name).stem for name in gains["policy"]} == {"uni", "late_edge"} and set(gains["student"]) == {"m"}
    assert "late_edge" in (tmp_path / "own/index.html").read_text(encoding="utf-8")
    styles = pd.read_csv(tmp_path / "own/03_capability_estimation/styles.csv")
    assert styles["style"].tolist() == ["chat", "fewshot", "after a warm-up"]
    assert not list((tmp_path / "own/probes").glob("*.old*")), "a probe took the place of another"
