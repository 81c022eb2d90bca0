"""The recipes of CONTRIBUTING.md are short, and do what they say on a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = ("policy", "proposer", "form", "benchmark", "model")
LONGEST = 20  # lines of code that an addition may take


def blocks(text: str, name: str) -> dict[str, str]:
    """The fenced blocks of a recipe by their language."""
    return dict(re.findall(rf"^```(diff|python) {name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def add_lines(package: Path, diff: str) -> None:
    """Put the lines with a plus behind the line before them, which must be there once."""
    head, *lines = diff.splitlines()
    path = package / head.removeprefix("--- ")
    context = [line[1:] for line in lines if line.startswith(" ")]
    added = [line[1:] for line in lines if line.startswith("+")]
    assert context and added and len(context) + len(added) == len(lines)
    before = "\n".join(context) + "\n"
    text = path.read_text()
    assert text.count(before) == 1, f"{path.name} has {text.count(before)} times: {before}"
    path.write_text(text.replace(before, before + "\n".join(added) + "\n"))


@pytest.fixture(scope="module")
def copy(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with every addition made."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("notebooks", "__pycache__")
    shutil.copytree(repository / "tarot_lite", folder / "tarot_lite", ignore=ignored)
    shutil.copytree(repository / "notebooks/profiles", folder / "tarot_lite/notebooks/profiles")
    text = (repository / "CONTRIBUTING.md").read_text()
    for name in RECIPES:
        if "diff" in (found := blocks(text, name)):
            add_lines(folder, found["diff"])
    return folder


def a_model_of_a_new_architecture(folder: Path) -> None:
    """Write a tiny Mistral with a tokenizer that can chat, as `hf download` would leave it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    letters = {token: number for number, token in enumerate(["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokens = Tokenizer(models.BPE(letters, []))
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<end>", pad_token="<end>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": len(letters)}
    MistralForCausalLM(MistralConfig(**sizes, **heads, max_position_embeddings=2048)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_short_and_works(name: str, copy: Path, repository: Path, tmp_path: Path) -> None:
    found = blocks((repository / "CONTRIBUTING.md").read_text(), name)
    assert sum(len(text.splitlines()) for text in found.values()) < LONGEST
    if name == "model":
        a_model_of_a_new_architecture(tmp_path / "models/mine")
    program = [sys.executable, "-c", found["python"]]
    result = subprocess.run(program, cwd=tmp_path, env=_path(copy), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


def test_an_added_policy_is_in_every_figure_of_notebook_05(copy: Path, repository: Path, tmp_path: Path) -> None:
    figures = (
        f"{repository / 'tests/test_figures_ablations.py'}::test_every_student_has_a_panel_and_every_curriculum_a_row"
    )
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), figures]
    result = subprocess.run([*program, "-k", "students0"], cwd=copy, env=_path(copy), capture_output=True, text=True)
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout[-2000:]
    asked = "import tarot_lite.curriculum as c; print('hard_only' in c.PORTFOLIO, c.__file__)"
    known = subprocess.run([sys.executable, "-c", asked], cwd=copy, env=_path(copy), capture_output=True, text=True)
    assert known.stdout.split() == ["True", str(copy / "tarot_lite/curriculum.py")]


@pytest.mark.parametrize("name", ["policy", "benchmark", "model"])
def test_without_its_lines_a_recipe_fails(name: str, repository: Path, tmp_path: Path) -> None:
    found = blocks((repository / "CONTRIBUTING.md").read_text(), name)
    if name == "model":
        a_model_of_a_new_architecture(tmp_path / "models/mine")
    program = [sys.executable, "-c", found["python"]]
    result = subprocess.run(program, cwd=tmp_path, env=_path(repository), capture_output=True, text=True)
    assert result.returncode != 0 and " is unknown" in result.stderr or "known are" in result.stderr


def _path(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}
