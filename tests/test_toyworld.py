"""The toy world keeps its promise: tiers nested by construction, no leak between splits, nothing passes by luck."""

from __future__ import annotations

import contextlib
import io
import sys
from functools import cache

import pytest

from tarot_lite import toyworld
from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, Tier
from tarot_lite.sandbox import Sandbox
from tarot_lite.toyworld import SPLITS, problems, wrong_programs

SAMPLE = dict.fromkeys(SPLITS, 12)


@cache
def some() -> tuple[Problem, ...]:
    return tuple(problem for split, count in SAMPLE.items() for problem in problems(split, count, seed=5))


def outputs(problem: Problem, body: str) -> list[str]:
    """What the program really prints, one text per test (our own bodies only: this is no sandbox)."""
    code = compile(problem.program(body), "<program>", "exec")
    texts = []
    for test in problem.tests:
        printed, stdin = io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(test.input)
        try:
            with contextlib.redirect_stdout(printed):
                exec(code, {})
        finally:
            sys.stdin = stdin
        texts.append(printed.getvalue())
    return texts


def passes(problem: Problem, body: str) -> dict[Tier, list[bool]]:
    results: dict[Tier, list[bool]] = {tier: [] for tier in Tier}
    for test, output in zip(problem.tests, outputs(problem, body), strict=True):
        assert test.tier is not None
        results[test.tier].append(problem.answers(test, output))
    return results


def promised(wrong: frozenset[str]) -> set[Tier]:
    if "filter" in wrong:
        return {Tier.BASIC}
    if "cap" in wrong:
        return {Tier.BASIC, Tier.INTERMEDIATE}
    if "default" in wrong:
        return set(Tier) - {Tier.EDGE}
    return set(Tier)


def test_every_variant_passes_exactly_the_promised_tiers_and_each_single_test_tells() -> None:
    seen = set()
    for problem in some():
        for variant, wrong in toyworld.parts_of(problem).variants():
            seen.add(wrong)
            for tier, results in passes(problem, variant.body).items():
                assert len(results) == 2
                assert results == [tier in promised(wrong)] * 2, (problem.statement, variant.body, tier)
    assert len(seen) == 8  # every combination of wrong filter, cap and default came up


def test_named_wrong_programs_fall_where_they_should() -> None:
    for problem in some():
        for part, bodies in wrong_programs(problem).items():
            wanted = set() if part == "basics" else promised(frozenset({part}))
            for body in bodies:
                got = {tier for tier, results in passes(problem, body).items() if all(results)}
                assert got == wanted, (problem.statement, body)


def test_every_problem_is_well_formed_and_no_constant_passes_any_test() -> None:
    for problem in some():
        assert problem.reference == toyworld.parts_of(problem).body
        assert problem.tiers == tuple(Tier)
        for test in problem.tests:
            lines = test.output.split()
            assert len(set(lines)) > 1, (problem.problem_id, test)
            assert len(lines) == test.input.count("\n")
            assert test.tier is not Tier.EDGE or "" in test.input.split("\n")[:-1], "edge asks about an empty list"


def test_splits_own_disjoint_specifications_that_cover_the_world() -> None:
    everything = [spec for split in SPLITS for spec in toyworld.specs(split)]
    assert len(everything) == len(set(everything)) == toyworld._SIZE
    statements = {spec.statement for spec in everything}
    assert len(statements) == len(everything), "two specifications are asked for by the same line"


def test_every_part_is_seen_in_warm_up() -> None:
    """So that a held-out problem asks for a new combination, never for an unseen part."""
    known = toyworld.specs("warmup")[:1200]
    for part in ("filter", "each", "aggregate", "cap", "default"):
        asked = {getattr(spec, part) for split in SPLITS for spec in toyworld.specs(split)}
        assert asked == {getattr(spec, part) for spec in known}


def test_hundreds_of_problems_per_split_and_same_seed_same_problems() -> None:
    assert len({p.problem_id for p in problems("heldout", 300, seed=1)}) == 300
    assert problems("train", 5, seed=3) == problems("train", 5, seed=3)
    assert problems("train", 5, seed=3) != problems("train", 5, seed=4)
    assert problems("train", 9, seed=3)[:5] == problems("train", 5, seed=3)


def test_corpus_is_wrong_as_often_as_told_and_never_omits() -> None:
    pairs = toyworld.corpus(4000, seed=0)
    specs = {spec.statement + "\n": spec for spec in toyworld.specs("warmup")}
    right = dict.fromkeys(toyworld.RIGHT, 0)
    for question, body in pairs:
        wrong = {variant.body: parts for variant, parts in specs[question].variants()}[body]
        for part in right:
            right[part] += part not in wrong
    for part, count in right.items():
        assert count / len(pairs) == pytest.approx(toyworld.RIGHT[part], abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian", 1), "split 'trian' is unknown; use one of warmup, train"),
        (("train", 0), "count is 0"),
        (("train", 1, 0, 0), "tests_per_tier is 0"),
        (("probe", 10**6), "has .* problems, 1000000 were asked; ask fewer"),
    ],
)
def test_bad_requests_name_value_and_remedy(
    arguments: tuple[object, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arguments[1] == 10**6:  # a short list of specifications, so that running out is quick
        monkeypatch.setattr(toyworld, "_indices", lambda split: tuple(range(300)))
    with pytest.raises(ValueError, match=message):
        problems(*arguments)  # type: ignore[arg-type]


def test_other_problems_have_no_parts() -> None:
    with pytest.raises(ValueError, match="problem 'p' is not of the toy world"):
        wrong_programs(Problem("p", "Print 1."))


def test_the_sandbox_agrees() -> None:
    """A sample of the same programs through the real sandbox and judge."""
    variants = [(problem, *pair) for problem in some()[::20] for pair in toyworld.parts_of(problem).variants()]
    pairs = [(problem, variant.body) for problem, variant, _ in variants]
    wanted = [promised(wrong) for *_, wrong in variants]
    with Sandbox() as sandbox:
        for results, tiers in zip(sandbox.judge_many(pairs), wanted, strict=True):
            for result in results:
                assert (result.verdict is Verdict.PASSED) == (result.test.tier in tiers)
