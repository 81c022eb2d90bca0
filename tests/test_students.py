"""Tiny students: one seeded warm-up, a cache that can be trusted, sampling that repeats."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from tarot_lite import toyworld
from tarot_lite.problems import Problem
from tarot_lite.settings import Settings
from tarot_lite.students import Recipe, Student, StudentError, load, make, tiny, warmup
from tarot_lite.students import student as student_module

SETTINGS = Settings(threads=1, warmup_problems=40, students={"weak": 2, "strong": 5})
RECIPE = Recipe(hidden=32, layers=1, heads=2, feedforward=64, batch=8)


def weights(student: Student) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in student.model.parameters()])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("students")
    tiny("weak", SETTINGS, folder, RECIPE)
    return folder


@pytest.fixture(scope="module")
def strong(cache: Path) -> Student:
    return tiny("strong", SETTINGS, cache, RECIPE)


@pytest.fixture(scope="module")
def prompts(strong: Student) -> list[str]:
    return [strong.prompt(problem) for problem in toyworld.problems("probe", 6)]


def test_the_default_recipe_is_half_a_million_to_a_million_parameters(tmp_path: Path) -> None:
    student = tiny("new", Settings(students={"new": 0}, threads=1), tmp_path)
    assert 0.5e6 < student.parameters < 1e6


def test_one_warm_up_writes_every_student_and_the_second_call_reads_the_cache(cache: Path, strong: Student) -> None:
    assert {path.name.partition("-")[0] for path in cache.iterdir()} == {"weak", "strong"}
    stamp = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    again = tiny("strong", SETTINGS, cache, RECIPE)
    assert torch.equal(weights(again), weights(strong))
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == stamp


def test_weak_is_a_checkpoint_of_the_strong_ones_warm_up(cache: Path, tmp_path: Path) -> None:
    alone = tiny("short", dataclasses.replace(SETTINGS, students={"short": 2}), tmp_path, RECIPE)
    assert torch.equal(weights(alone), weights(tiny("weak", SETTINGS, cache, RECIPE)))
    assert not torch.equal(weights(alone), weights(tiny("strong", SETTINGS, cache, RECIPE)))


@pytest.mark.parametrize("change", [{"seed": 1}, {"warmup_problems": 41}, {"students": {"weak": 3}}])
def test_other_settings_make_another_student(cache: Path, change: dict[str, object]) -> None:
    other = dataclasses.replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert warmup._key(other.students["weak"], other, RECIPE) != warmup._key(2, SETTINGS, RECIPE)


def test_a_damaged_cache_is_noticed_and_made_again(tmp_path: Path) -> None:
    good = weights(tiny("weak", SETTINGS, tmp_path, RECIPE))
    (place,) = tmp_path.glob("weak-*")
    file = place / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(StudentError, match=r"model.safetensors changed since it was saved; delete the folder"):
        load(place)
    with pytest.warns(UserWarning, match=r"model.safetensors is damaged; it is made again"):
        again = tiny("weak", SETTINGS, tmp_path, RECIPE)
    assert torch.equal(weights(again), good)


def test_a_save_that_is_cut_short_leaves_no_student(strong: Student, tmp_path: Path) -> None:
    class Power(Exception):
        pass

    def cut(folder: Path) -> None:
        raise Power

    student = Student("cut", strong.model, strong.tokenizer)
    with pytest.raises(Power), pytest.MonkeyPatch.context() as patch:
        patch.setattr(student.tokenizer, "save_pretrained", cut)
        student.save(tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_same_seed_same_rollouts_and_the_global_random_state_stays(strong: Student, prompts: list[str]) -> None:
    before = torch.random.get_rng_state()
    first = strong.generate(prompts, 3, 1.0, 12, seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert strong.generate(prompts, 3, 1.0, 12, seed=4) == first
    assert strong.generate(prompts, 3, 1.0, 12, seed=5) != first
    assert [len(group) for group in first] == [3] * 6


def test_sampling_follows_the_models_own_distribution(strong: Student, prompts: list[str]) -> None:
    """No top-k, no top-p: the first token comes as often as the softmax says, rare ones too."""
    prompt = prompts[0]
    with torch.no_grad():
        ids = torch.tensor([strong.tokenizer(prompt)["input_ids"]])
        chances = strong.model(ids).logits[0, -1].softmax(-1)
    outside_top_50 = float(chances.sort(descending=True).values[50:].sum())
    assert outside_top_50 > 0.3  # barely trained: a top-k of 50, the library's default, would show
    top = set(chances.topk(50).indices.tolist())
    with student_module.seeded(0):
        rows = strong.tokenizer([prompt] * 2000, return_tensors="pt")
        drawn = strong.model.generate(**rows, do_sample=True, top_k=0, top_p=1.0, max_new_tokens=1)[:, -1].tolist()
    written = strong.generate([prompt], 2000, 1.0, 1, seed=0, batch=2000)[0]
    assert [strong.tokenizer.decode([token], skip_special_tokens=True) for token in drawn] == [c.text for c in written]
    assert sum(token not in top for token in drawn) / 2000 == pytest.approx(outside_top_50, abs=0.05)


def test_left_padding_changes_nothing(strong: Student, prompts: list[str]) -> None:
    together = strong.generate(prompts, 1, 0.0, 12)
    alone = [strong.generate([prompt], 1, 0.0, 12)[0] for prompt in prompts]
    assert together == alone
    assert len({len(strong.tokenizer(prompt)["input_ids"]) for prompt in prompts}) > 1


def test_tokens_and_truncation_are_counted(strong: Student, prompts: list[str]) -> None:
    completions = [c for group in strong.generate(prompts, 8, 1.0, 3, seed=1) for c in group]
    assert all(1 <= completion.tokens <= 3 for completion in completions)
    assert all(completion.tokens == 3 for completion in completions if completion.truncated)
    assert any(completion.truncated for completion in completions)


def test_the_tokenizer_gives_any_text_back(strong: Student) -> None:
    for text in ("# items above 3, doubled, add them up, at most 22, -1 if none\n", "naïve\tprint('ü')\n\n  x-1"):
        assert strong.tokenizer.decode(strong.tokenizer(text)["input_ids"]) == text


def test_saved_and_loaded_student_is_the_same(strong: Student, tmp_path: Path, prompts: list[str]) -> None:
    again = load(strong.save(tmp_path / "copy"))
    assert (again.name, again.style) == ("strong", "line")
    assert again.model.config._name_or_path == str(tmp_path / "copy")
    assert again.generate(prompts, 2, 1.0, 12, seed=1) == strong.generate(prompts, 2, 1.0, 12, seed=1)
    assert json.loads((tmp_path / "copy" / "student.json").read_text())["name"] == "strong"


def test_code_is_the_first_line(strong: Student) -> None:
    problem = toyworld.problems("probe", 1)[0]
    assert strong.code(problem, "return 1\nreturn 2") == "return 1"
    assert strong.code(problem, "  \n") is None


def test_bad_requests_say_what_to_change(strong: Student, tmp_path: Path, prompts: list[str]) -> None:
    with pytest.raises(StudentError, match=r"student 'srtong' is unknown; parameter students has weak, strong"):
        tiny("srtong", SETTINGS, tmp_path, RECIPE)
    with pytest.raises(StudentError, match=r"no model there \(config.json is missing\)"):
        load(tmp_path)
    with pytest.raises(StudentError, match=r"exceeds the model's context of 128; shorten the problem or lower"):
        strong.generate(prompts, 1, 1.0, 120)
    with pytest.raises(StudentError, match=r"samples 0, max_new_tokens 5, temperature 1.0; give at least 1, 1 and 0"):
        strong.generate(prompts, 0, 1.0, 5)
    with pytest.raises(StudentError, match=r"no chat template; take an instruction-tuned model or style='fewshot'"):
        Student("chatty", strong.model, strong.tokenizer, style="chat")
    with pytest.raises(StudentError, match=r"style is 'poem'"):
        Student("poet", strong.model, strong.tokenizer, style="poem")


def test_a_tokenizer_without_pad_token_pads_with_its_end_token(cache: Path, prompts: list[str]) -> None:
    plain = tiny("strong", SETTINGS, cache, RECIPE)
    plain.tokenizer.pad_token = None
    student = Student("padless", plain.model, plain.tokenizer)
    assert student.tokenizer.pad_token_id == student.tokenizer.eos_token_id
    assert len(student.generate(prompts, 1, 0.0, 4)) == len(prompts)
    plain.tokenizer.pad_token = plain.tokenizer.eos_token = None
    with pytest.raises(StudentError, match="neither a pad nor an end token"):
        Student("endless", plain.model, plain.tokenizer)


def test_chat_style_asks_in_the_template_and_reads_the_fence(cache: Path) -> None:
    student = tiny("strong", SETTINGS, cache, RECIPE)
    student.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    chat = Student("chat", student.model, student.tokenizer, style="chat")
    problem = Problem("p", "Print one.")
    assert chat.prompt(problem).startswith("<user>Print one.")
    assert chat.prompt(problem).endswith("fence.<assistant>")
    assert chat.code(problem, "Sure:\n```python\nprint(1)\n```") == "print(1)\n"
    assert chat.code(problem, "print(1)") is None


def test_a_beginning_that_template_and_tokenizer_both_write_is_read_once(cache: Path) -> None:
    """As Gemma's do: by every way that a prompt goes, through the trainer, which takes its text, and through measuring."""
    student = tiny("strong", SETTINGS, cache, RECIPE)
    tokenizer = student.tokenizer
    tokenizer.add_special_tokens({"bos_token": tokenizer.eos_token})
    begin = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{begin[0]} $A", special_tokens=[begin])
    tokenizer.chat_template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"
    chat = Student("chat", student.model, tokenizer, style="chat")
    tokens = tokenizer(chat.prompt(Problem("p", "Print one.")))["input_ids"]
    assert tokens.count(begin[1]) == 1 and tokens[0] == begin[1]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    tokens = tokenizer(chat.prompt(Problem("p", "Print one.")))["input_ids"]
    assert tokens.count(begin[1]) == 1  # the template's own, where the tokenizer writes none


def test_the_run_says_where_a_student_comes_from(strong: Student, cache: Path, tmp_path: Path) -> None:
    folder = strong.save(tmp_path / "saved")
    settings = dataclasses.replace(SETTINGS, models={"mine": str(folder)})
    mine = make("mine", settings, cache)
    assert mine.name == "mine" and torch.equal(weights(mine), weights(strong))
    with pytest.raises(StudentError, match=r"student 'teacher' is unknown; this run has weak, strong, mine"):
        make("teacher", settings, cache)


def test_one_model_asked_in_two_ways(strong: Student) -> None:
    problem = toyworld.problems("probe", 1)[0]
    other = strong.asked("fewshot")
    assert other.model is strong.model
    assert strong.style == "line"
    end = strong.tokenizer.eos_token
    assert other.prompt(problem).count(f"{end}\n\n# Task: ") == 6
    assert other.code(problem, " = xs; return 1") == "ys = xs; return 1"
    with pytest.raises(StudentError, match="no chat template"):
        strong.asked("chat")
