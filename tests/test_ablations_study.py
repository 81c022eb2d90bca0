"""What a grid says beyond who won, on tables whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest

from tarot_lite import ablations
from tarot_lite.ablations import study

TIERS = ("basic", "intermediate", "complex", "edge")


def grid_table(contrast_of, seeds=3, problems=60, noise=0.02):
    """Held-out table of students whose hard-minus-easy contrast is known."""
    rng = np.random.default_rng(0)
    rows = []
    for student, (capability, contrast) in contrast_of.items():
        for seed in range(seeds):
            for problem in range(problems):
                for policy, after in (("uni", 0.3), ("var_asce_rev", 0.3 + contrast), ("flat", 0.3)):
                    key = {"student": student, "policy": policy, "seed": seed, "problem_id": f"p{problem}"}
                    rows += [key | {"measure": tier, "before": capability, "after": 0.5} for tier in TIERS]
                    value = after + rng.normal(0, noise)
                    rows.append(key | {"measure": "suite", "before": 0.1, "after": value})
    return pd.DataFrame(rows)


def test_the_contrast_and_its_law_are_found():
    law = study.capability_law(
        grid_table({"strong": (0.6, 0.2), "weak": (0.2, -0.1), "between": (0.4, 0.0)}), ["suite"]
    )
    assert law["student"].tolist() == ["weak", "between", "strong"]
    assert law["capability"].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert law["contrast"].tolist() == pytest.approx([-0.1, 0.0, 0.2], abs=0.01)
    assert (law["low"] < law["contrast"]).all() and (law["contrast"] < law["high"]).all()
    assert law["p"].iloc[[0, 2]].max() < 0.01 < law["p"].iloc[1]


def test_the_law_is_told_of_the_tiers_too() -> None:
    """A student whose programs never pass everything shows what it gained in the tiers alone."""
    heldout = grid_table({"weak": (0.2, 0.0), "strong": (0.6, 0.2)}, noise=0)
    easy = (heldout["student"] == "weak") & (heldout["policy"] == "uni") & (heldout["measure"] == "basic")
    heldout.loc[easy, "after"] += 0.4
    law = study.capability_law(heldout).set_index(["measure", "student"])["contrast"]
    assert law["suite", "weak"] == pytest.approx(0.0) and law["tiers", "weak"] == pytest.approx(-0.1)
    assert law["suite", "strong"] == pytest.approx(0.2) and law["tiers", "strong"] == pytest.approx(0.0)


def test_capability_that_foretells_the_contrast_correlates_and_noise_widens_it():
    true = {f"s{i}": (0.1 * i, 0.05 * i - 0.1) for i in range(5)}
    found, p, seeds = study.correlation(grid_table(true), resamples=200)
    assert found.estimate == found.low == found.high == 1 and p == pytest.approx(2 / 120, abs=1e-4) and seeds == 3
    noisy, *_ = study.correlation(
        grid_table(dict.fromkeys(true, (0.3, 0.0)) | {"s1": (0.1, 0.0)}, noise=0.5), resamples=200
    )
    assert noisy.high - noisy.low > 0.5
    assert study.correlation(grid_table({"one": (0.1, 0.0), "two": (0.2, 0.1)})) is None


def test_both_kinds_of_schedule_are_averaged_and_paired():
    heldout = grid_table({"s": (0.3, 0.1)}, noise=0)
    other = heldout[heldout["policy"] == "uni"].assign(policy="var", after=lambda rows: rows["after"] - 0.2)
    difference = study.hard_minus_easy(pd.concat([heldout, other]), "s")
    assert difference.shape == (3, 60) and np.allclose(difference, 0.2)  # against the mean of uni and var
    assert study.hard_minus_easy(heldout[heldout["policy"] != "uni"], "s").empty
    missing = heldout[~((heldout["policy"] == "uni") & (heldout["seed"] == 2))]
    assert study.hard_minus_easy(missing, "s").shape == (2, 60)


def test_power_says_how_many_seeds_or_that_problems_are_missing():
    table = study.power(grid_table({"s": (0.3, 0.1)}, noise=0.3), differences=(0.05, 0.4))
    [row] = table.to_dict("records")
    assert row["seeds"] == 3 and row["problems"] == 60
    assert row["seeds for 40 points"] == 1 and row["seeds for 5 points"] == "more problems"
    assert study.power(grid_table({"s": (0.3, 0.1)}, seeds=1)).empty


def history(policy, seed, values, signal=0.75, kl=0.1):
    steps = range(1, len(values) + 1)
    rows = {"student": "s", "policy": policy, "seed": seed, "step": steps, "suite": values}
    return pd.DataFrame({**rows, "signal/reward": signal, "kl": kl})


def test_learning_speed_counts_seeds_that_never_came_there():
    rise = np.clip(np.arange(60) / 60, 0, 1)
    histories = pd.concat(
        [history("flat", 0, rise), history("flat", 1, rise * 0), history("uni", 0, rise), history("uni", 1, rise)]
    )
    table = study.learning_speed(histories, target=0.3).set_index("policy")
    assert table.loc["flat", "reached"] == 0.5 and math.isnan(table.loc["flat", "steps"])
    assert table.loc["uni", "steps"] == pytest.approx(19, abs=1) and table.loc["uni", "area"] == pytest.approx(
        0.49, abs=0.01
    )
    assert table.loc["flat", "low"] < table.loc["flat", "area"] < table.loc["flat", "high"]


def test_stability_is_the_spread_over_seeds_and_the_share_without_signal():
    heldout = grid_table({"s": (0.3, 0.1)}, seeds=2, noise=0)
    heldout.loc[(heldout["policy"] == "flat") & (heldout["seed"] == 1) & (heldout["measure"] == "suite"), "after"] += (
        0.2
    )
    histories = pd.concat([history(policy, seed, np.zeros(20)) for policy in ("flat", "uni") for seed in (0, 1)])
    table = study.stability(heldout, histories).set_index("policy")
    assert table.loc["flat", "after_sd"] == pytest.approx(0.2 / math.sqrt(2)) and table.loc["uni", "after_sd"] == 0
    assert table["no_signal"].tolist() == [0.25, 0.25] and table["kl"].tolist() == pytest.approx([0.1, 0.1])


def test_comparisons_are_few_when_there_is_a_baseline():
    pairs = study.compared(["uni", "var", "var_asce_rev", "flat", "binary"])
    assert ("var_asce_rev", "uni") in pairs and ("var_asce_rev", "flat") in pairs and ("flat", "var") in pairs
    assert ("uni", "var") not in pairs and len(pairs) == 2 + 4
    assert len(study.compared(["uni", "var", "var_asce_rev"])) == 3


def verdicts(heldout):
    return {row["claim"]: row["verdict"] for row in ablations.claims(heldout)}


def test_claims_of_a_single_student_compare_it_with_no_other():
    rows = ablations.claims(grid_table({"alone": (0.4, 0.1)}, seeds=1))
    found = {row["claim"]: row["evidence"] for row in rows}
    assert "The alone student gains more from hard-first schedules, whole suite" in found
    assert not [claim for claim in found if "capable" in claim]
    assert all("of one seed" in evidence for claim, evidence in found.items() if "gains more" in claim)


def test_claims_speak_of_the_strongest_and_the_weakest_and_of_nothing_untrained():
    lawful = {f"s{i}": (0.1 + 0.1 * i, 0.1 * i - 0.2) for i in range(5)}
    found = verdicts(grid_table(lawful))
    assert found["The more capable student (s4) gains more from hard-first schedules, whole suite"] == "holds"
    assert found["The less capable student (s0) gains more from easy-to-hard schedules, whole suite"] == "holds"
    assert found["The more capable a student, the more it prefers hard-first to easy-to-hard, whole suite"] == "holds"
    assert found["A hard-first schedule beats rewarding all tiers throughout"] == "holds"
    assert "Graded rewards beat all-or-nothing" not in found
    lawless = verdicts(grid_table({"strong": (0.6, -0.4), "weak": (0.2, 0.0)}, problems=20, noise=0.3))
    assert (
        lawless["The more capable student (strong) gains more from hard-first schedules, whole suite"]
        == "does not hold"
    )
    assert lawless["The less capable student (weak) gains more from easy-to-hard schedules, whole suite"] == "undecided"
    assert not any("more it prefers" in claim for claim in lawless)
