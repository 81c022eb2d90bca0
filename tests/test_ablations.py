"""The grid really run on tiny students, and its statistics on tables whose answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tarot_lite import ablations
from tarot_lite.ablations import Cell
from tarot_lite.settings import load_profile
from tarot_lite.statistics import wilson

SMALL = replace(load_profile("smoke"), students={"weak": 24}, grpo_steps=1, save_steps=1, heldout_problems=4, jobs=2)


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    parent = tmp_path_factory.mktemp("run")
    cells = [Cell("weak", "flat", 0), Cell("weak", "nonsense", 0), Cell("weak", "flat", 1)]
    seen = []
    return parent, cells, ablations.run_cells(cells, SMALL, parent, on_outcome=seen.append), seen


def test_a_failed_cell_is_told_with_its_cause_and_the_others_go_on(grid_run):
    _, cells, outcomes, seen = grid_run
    assert [outcome.cell for outcome in outcomes] == cells
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"], outcomes
    assert "policy 'nonsense' is unknown" in outcomes[1].error
    assert {outcome.cell for outcome in seen} == set(cells)


def test_finished_cells_are_kept_and_collected_with_their_names(grid_run):
    parent, cells, _, _ = grid_run
    again = ablations.run_cells([cells[0]], SMALL, parent)
    assert [outcome.status for outcome in again] == ["kept"]
    heldout = ablations.collect_heldout(parent, cells)
    assert set(heldout["seed"]) == {0, 1} and set(heldout["policy"]) == {"flat"}
    assert len(heldout) == 2 * 4 * 5  # cells x problems x (tiers and suite)
    assert ablations.collect_histories(parent, cells).groupby("seed").size().to_dict() == {0: 1, 1: 1}
    assert (parent / "students").is_dir() and not (parent / "cells" / cells[0].name / "students").exists()


def test_a_cell_with_other_settings_is_run_again(grid_run):
    parent, cells, _, _ = grid_run
    other = ablations.run_cells([cells[2]], replace(SMALL, learning_rate=1e-5, parent=None), parent)
    assert other[0].status == "failed" and "holds another training" in other[0].error


def table(student, policy, before, after, seeds=(0,)):
    capability = {"strong": 0.8}.get(student, 0.3)
    rows = [
        {"student": student, "policy": policy, "seed": seed, "problem_id": f"p{i}"} | of_measure
        for seed in seeds
        for i, (b, a) in enumerate(zip(before, after, strict=True))
        for of_measure in (
            {"measure": "suite", "before": b, "after": a},
            {"measure": "basic", "before": capability, "after": 0.9},
        )
    ]
    return pd.DataFrame(rows)


def test_gains_and_contrasts_are_paired_by_problem():
    spread = np.linspace(0, 0.8, 40)  # problems differ far more than the policies do
    heldout = pd.concat(
        [
            table("strong", "uni", spread, spread + 0.05, seeds=(0, 1, 2)),
            table("strong", "var_asce_rev", spread, spread + 0.15, seeds=(0, 1, 2)),
        ]
    )
    gains = ablations.gains(heldout).set_index("policy")
    alike = 1 - wilson(0, 40).high  # all agree: as far as problems that were not seen allow, and no further
    expected = [0.05, 0.05 * alike - (1 - alike), 0.05 * alike + 1 - alike]
    assert gains.loc["uni", ["gain", "low", "high"]].tolist() == pytest.approx(expected)
    assert gains.loc["uni", "seeds"] == 3 and gains.loc["uni", "by_seed"] == "+5.0 +5.0 +5.0"
    [row] = ablations.contrasts(heldout).to_dict("records")
    assert (row["first"], row["second"]) == ("var_asce_rev", "uni")
    assert row["estimate"] == pytest.approx(0.10) and row["p"] < 0.001 and row["p_exact"] == 0.25


def test_claims_carry_the_verdict_of_their_interval():
    spread = np.linspace(0, 0.5, 40)
    heldout = pd.concat(
        [
            table("strong", "uni", spread, spread + 0.12, seeds=range(3)),
            table("strong", "var_asce_rev", spread, spread + 0.30, seeds=range(3)),
            table("weak", "uni", spread, spread, seeds=range(3)),
            table("weak", "var_asce_rev", spread, spread + 0.15, seeds=range(3)),
        ]
    )
    one_seed = ablations.claims(heldout[heldout["seed"] == 0])
    assert {claim["verdict"] for claim in one_seed} == {"one seed: undecided"}
    verdicts = {claim["claim"]: claim["verdict"] for claim in ablations.claims(heldout)}
    assert verdicts["The more capable student (strong) gains more from hard-first schedules, whole suite"] == "holds"
    assert (
        verdicts["The less capable student (weak) gains more from easy-to-hard schedules, whole suite"]
        == "does not hold"
    )
    assert sum(claim.startswith("GRPO raises") and "uni" in claim for claim in verdicts) == 1
    text = ablations.summary_text(ablations.gains(heldout), ablations.contrasts(heldout))
    assert "**strong**" in text and "best after `var_asce_rev`, 55.0 % (gain +30.0 [" in text


def test_no_difference_is_called_undecided_and_inside_the_noise():
    rng = np.random.default_rng(0)
    before = rng.random(30) * 0.5
    noisy = [before + rng.normal(0, 0.2, 30) for _ in range(2)]
    heldout = pd.concat(
        [table("strong", p, before, after, range(3)) for p, after in zip(("uni", "var_asce_rev"), noisy, strict=True)]
    )
    gains, contrasts = ablations.gains(heldout), ablations.contrasts(heldout)
    [claim] = [
        c for c in ablations.claims(heldout) if c["claim"].startswith("The strong student") and "suite" in c["claim"]
    ]
    assert claim["verdict"] == "undecided"
    assert "No two curricula differ beyond the noise" in ablations.summary_text(gains, contrasts)


def test_a_grid_of_one_curriculum_and_one_that_failed_leave_tables_with_their_columns(tmp_path):
    one = table("strong", "uni", [0.0, 0.5], [1.0, 0.5]).assign(variant="")
    assert ablations.contrast(one, "strong", "uni", "flat") is None
    nothing = ablations.collect_heldout(tmp_path, [Cell("strong", "uni", 0)])
    histories = ablations.collect_histories(tmp_path, [])
    for heldout in (one, nothing):
        for make in (ablations.contrasts, ablations.variant_contrasts, ablations.order_by_variant):
            assert make(heldout).empty and {"label", "estimate", "low", "high", "p_holm", "by_seed"} <= set(
                make(heldout)
            )
        assert "contrast" in ablations.capability_law(heldout) and "sd_seeds" in ablations.power(heldout)
        assert "characters_after" in ablations.collect_lengths(tmp_path, [])
    assert list(ablations.gains(nothing)) == list(ablations.gains(one)) and ablations.of_base(nothing).empty
    speed = ablations.learning_speed(histories).merge(ablations.stability(nothing, histories))
    assert speed.empty and {"area", "no_signal"} <= set(speed)
    failed = ablations.Outcome(Cell("strong", "uni", 0), "failed", 1.0, "ValueError: no room")
    with pytest.raises(RuntimeError, match=r"all 2 trainings failed; the first, strong-uni-0:\s+ValueError: no room"):
        ablations.require_finished([failed, failed])
    ablations.require_finished([failed, ablations.Outcome(Cell("strong", "uni", 1), "done", 1.0)])


def test_the_grid_is_the_profiles():
    cells = ablations.grid(load_profile("cpu"))
    assert len(cells) == len(set(cells)) == 24 and {cell.student for cell in cells} == {"weak", "strong"}
    assert {cell.seed for cell in cells} == {0, 1, 2}


def test_variants_are_compared_with_the_runs_own_settings_training_by_training():
    before = np.linspace(0, 0.5, 40)
    heldout = pd.concat(
        [
            table("weak", "uni", before, before + gain, seeds=(0, 1)).assign(variant=variant)
            for variant, gain in (("beta=0.0", 0.3), ("", 0.1))
        ]
    )
    assert ablations.of_base(heldout)["variant"].unique().tolist() == [""]
    [row] = ablations.variant_contrasts(heldout).to_dict("records")
    assert (row["label"], row["seeds"]) == ("weak, uni: beta=0.0", 2)
    assert row["estimate"] == pytest.approx(0.2) and row["low"] > 0
    assert ablations.variant_contrasts(ablations.of_base(heldout)).empty
    assert ablations.base_variant(heldout[heldout["variant"] != ""]) == "beta=0.0"


def test_the_order_is_compared_under_every_variant() -> None:
    """Easy to hard is better for the weak student without the KL penalty alone: that row says so, the other does not."""
    rng = np.random.default_rng(3)
    before = rng.random(40) / 2
    parts = [
        table("weak", policy, before, before + gain + rng.normal(0, 0.01, 40), seeds=(0, 1)).assign(variant=variant)
        for variant, gains in (("", {"uni": 0.1, "var_asce_rev": 0.1}), ("beta=0.0", {"uni": 0.3, "var_asce_rev": 0.1}))
        for policy, gain in gains.items()
    ]
    heldout = pd.concat(parts)
    found = ablations.order_by_variant(heldout)
    suite = found[found["measure"] == "suite"].set_index("variant")
    assert suite.index.tolist() == ["own settings", "beta=0.0"]
    assert suite.loc["beta=0.0", "high"] < 0 and suite.loc["beta=0.0", "p_holm"] < 0.05
    assert suite.loc["own settings", "low"] < 0.01 and suite.loc["own settings", "p_holm"] > 0.05
    assert suite.loc["beta=0.0", "label"] == "weak, beta=0.0: whole suite"
    assert ablations.order_by_variant(ablations.of_base(heldout)).empty


def test_length_of_code_is_compared_within_students_only():
    rng = np.random.default_rng(0)
    noise = pd.DataFrame({"student": "a", "characters_after": rng.random(40), "passed_after": rng.random(40)})
    shifted = noise.assign(student="b", characters_after=noise["characters_after"] + 9, passed_after=9 + rng.random(40))
    found = ablations.length_correlation(pd.concat([noise, shifted]))  # together, long goes with good
    assert not found.excludes_zero
    assert ablations.length_claims(pd.concat([noise, shifted]))[0]["verdict"] == "undecided"
    assert ablations.length_correlation(noise.head(7)) is None and ablations.length_claims(noise.head(7)) == []


def test_lengths_and_successes_are_read_from_the_kept_samples(grid_run):
    parent, cells, _, _ = grid_run
    lengths = ablations.collect_lengths(parent, cells)
    heldout = ablations.collect_heldout(parent, cells)
    assert lengths["seed"].tolist() == heldout["seed"].unique().tolist() and 0 in lengths["seed"].tolist()
    passed = heldout[heldout["measure"] == "suite"].groupby("seed")["after"].mean()
    assert lengths["passed_after"].tolist() == pytest.approx(passed.tolist())
