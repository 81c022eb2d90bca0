"""The ways to write agree: the same tokens when greedy, the same distribution when sampled, in training as well."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pytest
import torch
from scipy.stats import chi2_contingency

from tarot_lite import toyworld
from tarot_lite.curriculum import get_policy
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import Recipe, Student, generation, make, tiny
from tarot_lite.training import train

WAYS = ("plain", "static", "continuous")


@pytest.fixture(scope="module")
def strong(tmp_path_factory: pytest.TempPathFactory) -> Student:
    settings = Settings(threads=1, warmup_problems=40, students={"strong": 40})
    recipe = Recipe(hidden=32, layers=2, heads=2, feedforward=64, context=700, vocabulary=300)
    return tiny("strong", settings, tmp_path_factory.mktemp("students"), recipe)


def fewshot(student: Student, count: int) -> list[str]:
    """Prompts of different lengths with a long beginning that all share."""
    beginning = "".join(question + body + "\n" for question, body in toyworld.corpus(3, seed=5))
    return [beginning + student.prompt(problem) for problem in toyworld.problems("probe", count)]


def written(student: Student, way: str, prompts: list[str], samples: int, temperature: float) -> list[str]:
    student.generation = way
    try:
        groups = student.generate(prompts, samples, temperature, 8)
    finally:
        student.generation = "plain"
    return [completion.text for group in groups for completion in group]


def test_every_way_writes_the_same_when_it_takes_the_likeliest_token(
    strong: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = fewshot(strong, 6)
    rows = strong.tokenizer(prompts)["input_ids"]
    assert generation._shared(rows) >= 64 and len({len(row) for row in rows}) > 1
    by_way = {way: written(strong, way, prompts, 1, 0) for way in WAYS}
    monkeypatch.setattr(generation, "_LONG", 1000)
    assert generation._shared(rows) == 0
    assert by_way == dict.fromkeys(WAYS, written(strong, "plain", prompts, 1, 0))


@pytest.mark.parametrize("way", ["static", "continuous"])
def test_every_way_samples_from_the_same_distribution(strong: Student, way: str) -> None:
    prompts = fewshot(strong, 1)
    first = [Counter(text[6:12] for text in written(strong, name, prompts, 400, 1.0)) for name in ("plain", way)]
    table = [[count[text] for text in sorted(first[0] | first[1])] for count in first]
    often = [column for column in zip(*table, strict=True) if sum(column) >= 20]
    rare = [[sum(column) for column in zip(*(c for c in zip(*table, strict=True) if sum(c) < 20), strict=True)]]
    seen = torch.tensor([*often, *(r for r in rare if r)]).T
    assert seen.shape[1] > 2
    assert chi2_contingency(seen.numpy()).pvalue > 1e-3


def test_what_is_computed_once_gives_the_probabilities_of_the_learning_pass(strong: Student) -> None:
    padded = strong.tokenizer.pad({"input_ids": strong.tokenizer(fewshot(strong, 4))["input_ids"]}, return_tensors="pt")
    with torch.no_grad():
        found = generation.plain(
            strong.model,
            **padded,
            do_sample=False,
            max_new_tokens=6,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        for row in range(4):
            prompt = padded["input_ids"][row][padded["attention_mask"][row].bool()]
            new = found.sequences[row, -len(found.logits) :]
            whole = strong.model(torch.cat([prompt, new])[None]).logits[0, len(prompt) - 1 : -1]
            assert torch.allclose(torch.stack([step[row] for step in found.logits]), whole, atol=1e-3)


@pytest.mark.parametrize("way", WAYS)
def test_a_training_writes_in_every_way(tmp_path: Path, sandbox: Sandbox, way: str) -> None:
    settings = Settings(
        threads=1, students={"strong": 60}, warmup_problems=200, generation=way, grpo_steps=2, generations=4
    )
    student = make("strong", settings, tmp_path)
    assert isinstance(student, Student)
    problems = toyworld.problems("train", 8)
    result = train(student, problems, get_policy("flat"), settings, tmp_path / "training", sandbox)
    assert len(result.history) == 2
    assert result.history["completions/mean_length"].gt(1).all() and result.history["signal/reward"].gt(0).any()


def test_a_training_by_worked_examples_computes_them_once_and_learns_the_same(
    strong: Student, tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"grpo_steps": 1, "generations": 4, "prompts_per_step": 4, "max_completion_tokens": 60}
    settings = Settings(threads=1, **options)
    found, shared = [], generation._shared

    def counted(rows: list[list[int]]) -> int:
        found[-1].append(shared(rows))
        return found[-1][-1]

    monkeypatch.setattr(generation, "_shared", counted)
    histories = []
    for name, long in (("once", 64), ("each", 10**6)):
        monkeypatch.setattr(generation, "_LONG", long)
        found.append([])
        student = copy.deepcopy(strong).asked("fewshot")
        problems = toyworld.problems("train", 8)
        histories.append(train(student, problems, get_policy("flat"), settings, tmp_path / name, sandbox).history)
    once, each = found
    assert min(once) >= 64 and set(each) == {0}
    columns = ["reward", "completions/mean_length", "tier/basic"]
    assert histories[0][columns].equals(histories[1][columns])
