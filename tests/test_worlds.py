"""The miniature worlds keep their promises: tiers by construction, no leak between splits, nothing passes by luck."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import pytest

from tarot_lite import students, toyworld, worlds
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, Tier
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings
from tarot_lite.students import prompting
from tarot_lite.suites import splits
from tarot_lite.worlds import mixed

NESTED = ("basics", "filter", "cap", "default")
WANTED = {  # the parts that a program must have right to pass a tier
    "lists": {tier: set(NESTED[: tier.rank + 1]) for tier in Tier},
    "mixed": {tier: set(parts) for tier, parts in mixed.WANTED.items()},
}
each_world = pytest.mark.parametrize("name", worlds.WORLDS)


@cache
def some(name: str) -> tuple[Problem, ...]:
    return tuple(problem for split in toyworld.SPLITS for problem in worlds.get(name).problems(split, 6, seed=5))


@each_world
def test_every_single_test_is_passed_by_exactly_the_programs_whose_wanted_parts_are_right(name: str) -> None:
    world = worlds.get(name)
    asked = [(p, variant.body, wrong) for p in some(name) for variant, wrong in world.parts_of(p).variants()]
    named = [(p, slips) for p in some(name) for slips in world.wrong_programs(p).items()]
    asked += [(p, body, frozenset([part])) for p, (part, bodies) in named for body in bodies]
    assert {wrong for *_, wrong in asked} > {frozenset(world.RIGHT), frozenset()}
    with Sandbox(workers=2) as sandbox:
        found = sandbox.judge_many([(problem, body) for problem, body, _ in asked])
    for (problem, body, wrong), results in zip(asked, found, strict=True):
        for result in results:
            right = not wrong & WANTED[name][result.test.tier]
            assert (result.verdict is Verdict.PASSED) == right, (problem.statement, body, result.test)


@each_world
def test_every_problem_is_well_formed_and_no_constant_passes_any_test(name: str) -> None:
    for problem in some(name):
        assert problem.reference == worlds.get(name).parts_of(problem).body
        assert problem.tiers == tuple(Tier)
        for test in problem.tests:
            lines = test.output.splitlines()
            assert len(set(lines)) > 1, (problem.problem_id, test)
            assert len(lines) == test.input.count("\n")
            asks_about_nothing = "" in test.input.split("\n")[:-1]
            assert test.tier is not Tier.EDGE or name != "lists" or asks_about_nothing


@pytest.mark.parametrize("world", [toyworld, mixed])
def test_splits_own_disjoint_specifications_each_asked_for_by_a_line_of_its_own(world) -> None:
    everything = [spec for split in toyworld.SPLITS for spec in world.specs(split)]
    assert len(everything) == len({spec.statement for spec in everything})
    assert len(everything) == (toyworld._SIZE if world is toyworld else 2400)


def test_every_part_is_seen_in_warm_up_and_every_family_is_drawn() -> None:
    """So that a held-out problem asks for a new combination, never for an unseen part."""
    known = toyworld.specs("warmup")[:1200]
    for part in ("filter", "each", "aggregate", "cap", "default"):
        asked = {getattr(spec, part) for split in toyworld.SPLITS for spec in toyworld.specs(split)}
        assert asked == {getattr(spec, part) for spec in known}
    assert {mixed.parts_of(problem).family for problem in some("mixed")} == {"items", "word", "count", "walk"}


@each_world
def test_hundreds_of_problems_per_split_and_same_seed_same_problems(name: str) -> None:
    problems = worlds.get(name).problems
    assert (
        len({p.problem_id for p in problems("train", 400, seed=1, tests_per_tier=1)}) == 400
    )  # profiles ask for so many
    assert problems("train", 5, seed=3) == problems("train", 9, seed=3)[:5] != problems("train", 5, seed=4)


@each_world
def test_the_corpus_is_wrong_as_often_as_told_and_never_omits(name: str) -> None:
    world = worlds.get(name)
    specs = {spec.statement + "\n": spec for spec in {"lists": toyworld, "mixed": mixed}[name].specs("warmup")}
    wrong = []
    for question, body in world.corpus(4000, seed=1):
        wrong.append({variant.body: parts for variant, parts in specs[question].variants()}[body])
    for part, share in world.RIGHT.items():
        assert sum(part not in parts for parts in wrong) / 4000 == pytest.approx(share, abs=0.03)
    if name == "mixed":  # of what passes edge a quarter has the rule wrong: edge does not contain the main path
        edge = [parts for parts in wrong if "corner" not in parts]
        assert 0.1 < sum("rule" in parts for parts in edge) / len(edge) < 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian", 1), "split 'trian' is unknown; use one of warmup, train"),
        (("train", 0), "count is 0"),
        (("train", 1, 0, 0), "tests_per_tier is 0"),
    ],
)
@each_world
def test_bad_requests_name_value_and_remedy(name: str, arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        worlds.get(name).problems(*arguments)  # type: ignore[arg-type]


def test_wrong_names_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has 3\d\d problems, 5000 were asked; ask fewer"):
        mixed.problems("heldout", 5000, tests_per_tier=1)
    for call in (lambda: Settings(world="maze"), lambda: worlds.get("maze")):
        with pytest.raises(ValueError, match="lists"):
            call()
    with pytest.raises(ValueError, match="not of the world mixed"):
        mixed.parts_of(some("lists")[0])
    with pytest.raises(ValueError, match=r"problem '.*' is not of the toy world"):
        toyworld.parts_of(some("mixed")[0])


def test_the_parameter_world_offers_every_world_and_reaches_problems_prompts_and_students(tmp_path) -> None:
    assert [f.metadata["choices"] for f in fields(Settings) if f.name == "world"] == [tuple(worlds.WORLDS)]
    settings = Settings(world="mixed", students={"weak": 0}, heldout_problems=4, tests_per_tier=1)
    held = splits.of_run(settings, "heldout")
    assert held == mixed.problems("heldout", 4, 0, 1) and worlds.name_of(held[0]) == "mixed"
    shown = prompting.ask(held[0], "fewshot")
    assert "# Task: walk" in shown and shown.rstrip().endswith("ys")
    student = students.make("weak", settings, tmp_path)
    assert len(student.tokenizer(held[0].reference)["input_ids"]) < settings.max_completion_tokens
    students.make("weak", Settings(students={"weak": 0}), tmp_path)
    assert len(list(tmp_path.glob("weak-*"))) == 2, "the worlds' students are kept apart"
