"""The table of models: shapes that are the real architectures', chats that the templates take, memory that adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tarot_lite.rewards import FormatReward, extract_code
from tarot_lite.settings import Settings, load_profile
from tarot_lite.students import memory
from tarot_lite.students.models import FAMILIES, MODELS, Model, find, from_config

QWEN = MODELS["Qwen/Qwen2.5-1.5B-Instruct"]


def configuration(model: Model) -> dict[str, object]:
    """The ``config.json`` of a model of that shape."""
    return {
        "model_type": model.family,
        "num_hidden_layers": model.layers,
        "hidden_size": model.hidden,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_size,
        "intermediate_size": model.feedforward,
        "vocab_size": model.vocabulary,
        "max_position_embeddings": model.context,
        "tie_word_embeddings": model.tied,
    }


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.source)
def test_the_counted_weights_are_those_of_the_architecture(model: Model) -> None:
    """Each architecture is built without memory for its weights, and they are counted."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = configuration(replace(model, layers=2))
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    assert sum(weight.numel() for weight in built.parameters()) == replace(model, layers=2).parameters


def test_sizes_are_what_the_models_are_called() -> None:
    billions = {source: model.parameters / 1e9 for source, model in MODELS.items()}
    assert billions["Qwen/Qwen2.5-7B-Instruct"] == pytest.approx(7.6156, abs=1e-3)  # as its card says: 7.61B
    assert billions["google/gemma-2-9b-it"] == pytest.approx(9.2417, abs=1e-3)
    assert billions["HuggingFaceTB/SmolLM2-135M-Instruct"] == pytest.approx(0.1345, abs=1e-4)


def test_every_model_is_pinned_to_a_commit() -> None:
    assert all(len(model.revision or "") == 40 for model in MODELS.values())
    assert len({model.revision for model in MODELS.values()}) == len(MODELS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_system_prompt_asks_for_what_the_format_reward_pays_for(family: str) -> None:
    model = replace(QWEN, family=family)
    example = model.system_prompt.partition("this form:\n")[2]
    assert FormatReward(*model.tags)([example]) == [1.0]
    assert extract_code(example, model.tags[1]) == "your program\n"


def test_gemma_gets_its_system_prompt_in_the_users_turn() -> None:
    gemma, qwen = find("google/gemma-2-2b-it"), find("Qwen/Qwen3-4B-Instruct-2507")
    assert [message["role"] for message in gemma.messages("Add.")] == ["user"]
    assert gemma.messages("Add.")[0]["content"].startswith(gemma.system_prompt)
    assert [message["role"] for message in qwen.messages("Add.")] == ["system", "user"]
    assert "<reasoning>" in qwen.messages("Add.")[0]["content"]


def test_a_folder_is_read_from_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(configuration(QWEN)))
    assert replace(find(str(tmp_path)), source=QWEN.source, revision=QWEN.revision) == QWEN
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(ValueError, match=r"its architecture is 'mamba'; known are llama"):
        find(str(tmp_path))
    assert from_config({"model_type": "mamba"}, "x") is None


def test_an_unknown_model_offers_a_near_one_and_says_how_to_use_any_other() -> None:
    with pytest.raises(
        ValueError, match=r"did you mean 'google/gemma-2-2b-it'\?\).*or the folder of a downloaded model"
    ):
        find("google/gemma2-2b-it")
    assert find("google/gemma-2-2b-it@abc").revision == "abc"


def test_memory_grows_with_what_it_is_made_of() -> None:
    base = Settings(lora_rank=16, generations=8, prompts_per_step=2, micro_batch=2, max_completion_tokens=512)

    def parts(**changes: object) -> dict[str, float]:
        return memory.estimate(QWEN, replace(base, **changes), "bfloat16")  # type: ignore[arg-type]

    usual = parts()
    assert parts(lora_rank=32)["adapters"] == pytest.approx(2 * usual["adapters"])
    assert parts(micro_batch=4)["logits"] == pytest.approx(2 * usual["logits"])
    assert parts(load_in_4bit=True)["weights"] < 0.5 * usual["weights"]
    assert parts(gradient_checkpointing=True)["activations"] < 0.3 * usual["activations"]
    assert parts(prompts_per_step=4)["cache"] == pytest.approx(2 * usual["cache"])
    whole = parts(lora_rank=0)
    assert whole["reference"] == whole["weights"] and parts(lora_rank=0, beta=0)["reference"] == 0
    assert whole["optimizer"] == pytest.approx(2 * whole["gradients"])
    assert usual["weights"] == pytest.approx(2 * QWEN.parameters / 2**30)
    assert set(usual) == set(memory.PARTS)


def test_the_estimate_covers_what_a_card_reserved() -> None:
    """Of the H100's measurement: 6.121 GiB allocated and 8.0 reserved, without the context of CUDA."""
    parts = memory.estimate(MODELS["Qwen/Qwen2.5-1.5B-Instruct"], load_profile("colab-t4"), "float16")
    assert 6.121 < memory.total(parts) < 7 and 8.0 < memory.total(parts, reserved=True) < 9


def test_the_nearest_fit_fits_and_changes_as_little_as_it_can() -> None:
    large = MODELS["Qwen/Qwen2.5-7B-Instruct"]
    settings = replace(load_profile("gpu-24gb"), models={"coder": large.source})
    near = memory.nearest_fit(large, settings, "bfloat16", 13.8)
    assert near is not None and near["load_in_4bit"] is True
    assert memory.total(memory.estimate(large, replace(settings, **near), "bfloat16")) <= 13.8
    assert memory.nearest_fit(large, settings, "bfloat16", 2.0) is None


def test_the_generation_batch_follows_the_card() -> None:
    settings = load_profile("gpu-24gb")
    small, large = (memory.generation_batch(QWEN, settings, size) for size in (15.0, 80.0))
    assert 1 <= small < large <= 256
