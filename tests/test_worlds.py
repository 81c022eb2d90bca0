"""The second miniature world: what its tiers promise is true of every problem, and the parameter `world` reaches everything."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tarot_lite import students, worlds
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import prompting
from tarot_lite.suites import splits
from tarot_lite.worlds import mixed

PROBLEMS = mixed.problems("probe", 24, seed=3)


@pytest.mark.parametrize("problem", PROBLEMS[:8], ids=lambda problem: problem.problem_id)
def test_a_tier_is_passed_by_exactly_the_programs_whose_wanted_parts_are_right(problem: Problem) -> None:
    variants = list(mixed.parts_of(problem).variants())
    with Sandbox(workers=1) as sandbox:
        found = sandbox.judge_many([(problem, variant.body) for variant, _ in variants])
    for (variant, wrong), results in zip(variants, found, strict=True):
        for tier, wanted in mixed.WANTED.items():
            passed = all(result.verdict is Verdict.PASSED for result in results if result.test.tier is tier)
            assert passed == (not wrong & set(wanted)), variant.body


def test_every_family_is_there_the_splits_are_apart_and_no_constant_passes_a_test() -> None:
    assert {mixed.parts_of(problem).family for problem in PROBLEMS} == {"items", "word", "count", "walk"}
    for problem in PROBLEMS:
        assert all(len(set(test.output.splitlines())) > 1 for test in problem.tests), problem.problem_id
    everything = [spec for split in mixed.SPLITS for spec in mixed.specs(split)]
    assert len(everything) == len({spec.statement for spec in everything})
    assert len(mixed.problems("train", 400, seed=1, tests_per_tier=1)) == 400  # what the profiles ask for


def test_passing_edge_does_not_mean_passing_the_main_path() -> None:
    """In the corpus, of the programs with core and corner right a quarter has the rule wrong: 10 to 40 % were wanted."""
    specs = {spec.statement + "\n": spec for spec in mixed.specs("warmup")}
    edge, others = 0, 0
    for question, body in mixed.corpus(4000, seed=1):
        spec = specs[question]
        wrong = {variant.body: parts for variant, parts in spec.variants()}[body]
        if "corner" not in wrong:
            edge, others = edge + 1, others + ("rule" in wrong)
    assert 0.1 < others / edge < 0.4
    assert edge / 4000 == pytest.approx(mixed.RIGHT["corner"], abs=0.03)


def test_the_parameter_world_reaches_problems_prompts_and_students(tmp_path) -> None:
    settings = Settings(world="mixed", students={"weak": 0}, heldout_problems=4, tests_per_tier=1)
    held = splits.of_run(settings, "heldout")
    assert held == mixed.problems("heldout", 4, 0, 1) and worlds.name_of(held[0]) == "mixed"
    shown = prompting.ask(held[0], "fewshot")
    assert "# Task: walk" in shown and shown.rstrip().endswith("ys")
    student = students.make("weak", settings, tmp_path)
    assert len(student.tokenizer(held[0].reference)["input_ids"]) < settings.max_completion_tokens
    students.make("weak", Settings(students={"weak": 0}), tmp_path)
    assert len(list(tmp_path.glob("weak-*"))) == 2, "the worlds' students are kept apart"


def test_the_setting_offers_every_world() -> None:
    field = next(field for field in fields(Settings) if field.name == "world")
    assert field.metadata["choices"] == tuple(worlds.WORLDS)


def test_wrong_names_are_refused() -> None:
    for call in (lambda: Settings(world="maze"), lambda: worlds.get("maze")):
        with pytest.raises(ValueError, match="lists"):
            call()
    with pytest.raises(ValueError, match="split 'test'"):
        mixed.problems("test", 1)
    with pytest.raises(ValueError, match=r"has 3\d\d problems, 5000 were asked"):
        mixed.problems("heldout", 5000, tests_per_tier=1)
    with pytest.raises(ValueError, match="not of the world mixed"):
        mixed.parts_of(worlds.get("lists").problems("probe", 1)[0])
