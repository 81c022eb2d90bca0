"""The published recipe is a profile, its variants are one parameter away, and what the others change is written in them."""

from __future__ import annotations

from typing import Any

import pytest

from tarot_lite.curriculum import PUBLISHED
from tarot_lite.settings import load_profile, notebook_folder
from tarot_lite.students.models import MODELS
from tarot_lite.training.checkpoints import RECIPE


def test_the_paper_profile_holds_the_published_numbers() -> None:
    paper = load_profile("paper")
    published = {
        "beta": 0.01,
        "learning_rate": 1e-6,
        "lr_schedule": "constant",
        "lr_warmup_steps": 0,
        "temperature": 1.0,
        "max_prompt_tokens": 1024,
        "max_completion_tokens": 4096,
        "generations": 7,
        "seed": 42,
        "format_weight": 1.0,
        "normalize_reward": False,
        "lora_rank": 0,
        "load_in_4bit": False,
        "dtype": "bfloat16",
        "gradient_checkpointing": True,
        "loss_type": "grpo",
    }
    assert {name: getattr(paper, name) for name in published} == published
    assert set(paper.policies) == set(PUBLISHED)
    assert paper.prompts_per_step * paper.grpo_steps == pytest.approx(paper.train_problems, abs=paper.prompts_per_step)


@pytest.mark.parametrize(
    "variant",
    [
        *({"beta": beta} for beta in (0.05, 0.1)),
        *({"training_temperature": temperature} for temperature in (0.5, 0.7)),
        {"grpo_steps": 771},
        {"generations": 4},
        {"lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.05},
        *(
            {"models": {"coder": name}}
            for name in (
                *(f"Qwen/Qwen2.5-{kind}{size}-Instruct" for kind in ("", "Coder-") for size in ("1.5B", "3B", "7B")),
                "Qwen/Qwen3-4B-Instruct-2507",
                "google/gemma-2-2b-it",
                "google/gemma-2-9b-it",
            )
        ),
    ],
    ids=str,
)
def test_every_published_variant_is_one_parameter_away(variant: dict[str, Any]) -> None:
    changed = load_profile("paper", **variant)
    assert {name: getattr(changed, name) for name in variant} == variant
    assert all(source in MODELS for source in changed.models.values())


HEADINGS = {
    "model": ("models", "lora_rank", "lora_alpha"),
    "number": ("dtype",),
    "rate": ("learning_rate",),
    "length": ("max_completion_tokens", "max_prompt_tokens"),
    "step": ("prompts_per_step", "generations", "micro_batch"),
    "training": ("grpo_steps",),
    "loss": ("loss_type",),
    "seed": ("seed",),
    "policies": ("policies",),
}


@pytest.mark.parametrize("name", ["colab-t4", "gpu-24gb"])
def test_a_profile_for_one_card_lists_where_it_differs_from_the_published_recipe(name: str) -> None:
    profile, paper = load_profile(name), load_profile("paper")
    recipe = {*RECIPE, "models", "lora_rank", "lora_alpha", "dtype", "micro_batch", "seed", "policies"}
    different = {field for field in recipe if getattr(profile, field) != getattr(paper, field)}
    if name == "gpu-24gb":
        different.discard("dtype")  # auto is bfloat16 there
    text = (notebook_folder() / "profiles" / f"{name}.yaml").read_text()
    told = {field for heading, fields in HEADINGS.items() if f"#   {heading} " in text for field in fields}
    assert different <= told
