"""Figures of the study: what they draw is what the tables say, for one student and for five under ten curricula."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tarot_lite import ablations, toyworld
from tarot_lite.curriculum import PORTFOLIO, get_policy
from tarot_lite.figures import ablations as figures
from tarot_lite.problems import Tier

MEASURES = ("basic", "intermediate", "complex", "edge", "suite")


def study(students: tuple[str, ...], policies: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Held-out results and histories of made-up trainings."""
    rng = np.random.default_rng(0)
    cells = list(itertools.product(students, policies, (0, 1)))
    heldout = pd.DataFrame(
        {
            "student": s,
            "policy": p,
            "seed": seed,
            "variant": "",
            "measure": m,
            "problem_id": i,
            "before": 0.1,
            "after": x,
        }
        for s, p, seed in cells
        for m in MEASURES
        for i, x in enumerate(rng.random(6))
    )
    columns = [*(f"tier/{tier}" for tier in MEASURES[:-1]), "suite", "signal/reward"]
    histories = pd.DataFrame(
        {"student": s, "policy": p, "seed": seed, "step": step + 1, "progress": step / 10, "kl": 0.1}
        | dict(zip(columns, rng.random(6), strict=True))
        for s, p, seed in cells
        for step in range(10)
    )
    return heldout, histories


@pytest.mark.parametrize("students", [("weak",), ("top", "strong", "middle", "low", "weak")])
def test_every_student_has_a_panel_and_every_curriculum_a_row(students: tuple[str, ...]) -> None:
    heldout, histories = study(students, tuple(PORTFOLIO))
    gains = ablations.gains(heldout)
    for figure in (figures.gain_forest(gains), figures.tier_table(heldout), figures.signal_map(histories)):
        assert [axes.get_title().split()[0] for axes in figure.axes] == list(students)[::-1]
        rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert set(PORTFOLIO) <= set(rows) and len(set(rows)) == len(rows)
        assert figure.get_size_inches()[0] < 6.5  # 10 points are 7 pixels or more on a phone
    speed, lost = ablations.learning_speed(histories), ablations.regret(heldout)
    lengths = heldout.drop_duplicates(["student", "policy", "seed"]).assign(
        characters_before=70.0, characters_after=75.0, passed_before=0.1, passed_after=0.5
    )
    for figure in (figures.learning_speed(speed), figures.regret(lost), figures.tier_curves(histories, students[0])):
        named = {text.get_text() for axes in figure.axes for text in (*axes.get_yticklabels(), axes.title)}
        assert set(PORTFOLIO) <= named | {axes.get_title() for axes in figure.axes}
    for figure in (figures.suite_curves(histories), figures.code_length(lengths)):
        assert {text.get_text() for text in figure.legends[0].get_texts()} == set(PORTFOLIO)
    panel = figures.gain_forest(gains).axes[0]
    drawn = {
        to_hex(line.get_markerfacecolor()): line.get_xdata()[0] for line in panel.lines if line.get_marker() != "None"
    }
    told = gains[gains["student"] == students[-1]].set_index("policy")["gain"]
    assert drawn == {get_policy(policy).colour.lower(): pytest.approx(100 * told[policy]) for policy in PORTFOLIO}


def test_regret_is_against_the_best_fixed_curriculum_with_seeds_as_the_unit() -> None:
    after = {"uni": (0.2, 0.4, 0.3), "flat": (0.5, 0.5, 0.2), "frontier": (0.5, 0.6, 0.4)}
    better = {"weak": 0.0, "strong": 0.3}
    heldout = pd.DataFrame(
        {"student": s, "policy": p, "seed": seed, "measure": m, "problem_id": i, "before": more, "after": x + y}
        for (s, more), (p, values) in itertools.product(better.items(), after.items())
        for seed, x in enumerate(values)
        for m in MEASURES
        for i, y in enumerate((-0.1, 0.1, 0.3 if (s, p) == ("strong", "uni") else 0.0))
    )
    table = ablations.regret(heldout).set_index(["measure", "student", "policy"])
    weak = table.xs("suite").xs("weak")
    assert set(weak["best"]) == {"flat"} and weak.loc["flat", ["regret", "low", "high"]].tolist() == [0, 0, 0]
    # 0.3, 0.1, -0.1 by seed: mean 0.1, standard deviation 0.2, t(2, 0.975) = 4.3027
    half = 4.30265 * 0.2 / 3**0.5
    assert weak.loc["uni", ["regret", "low", "high"]].tolist() == pytest.approx([0.1, 0.1 - half, 0.1 + half], rel=1e-4)
    assert weak.loc["frontier", "regret"] == pytest.approx(-0.1)
    assert table.loc[("tiers", "strong", "uni"), "regret"] == pytest.approx(0)
    assert table.loc[("tiers", "worst", "uni"), "regret"] == pytest.approx(0.1)  # the weak student's
    figure = figures.regret(ablations.regret(heldout))
    titles = [axes.get_title().splitlines() for axes in figure.axes]
    assert titles[::2] == [["worst student", "whole suite"], ["strong", "whole suite"], ["weak", "whole suite"]]
    marks = [line for line in figure.axes[4].lines if line.get_marker() not in ("None", "")]
    told = {get_policy(p).colour: pytest.approx(100 * weak.loc[p, "regret"], abs=1e-9) for p in after}
    assert {line.get_color(): line.get_xdata()[0] for line in marks} == told
    single = ablations.regret(heldout[heldout["seed"] == 0])
    assert single["low"].isna().all() and figures.regret(single)
    assert ablations.regret(heldout[heldout["policy"] == "frontier"]).empty


def test_curves_show_the_mean_over_seeds_with_the_curriculums_phases() -> None:
    _, histories = study(("weak",), ("uni", "flat"))
    uni, flat = figures.tier_curves(histories, "weak").axes
    assert [text.get_text() for text in uni.texts] == ["B", "BI", "BIC", "BICE"]
    assert [text.get_text() for text in flat.texts] == ["BICE"]
    [curves] = figures.suite_curves(histories).axes
    assert curves.lines[0].get_label() == "uni"
    smooth = histories[histories["policy"] == "uni"].pivot(index="step", columns="seed", values="suite")
    expected = smooth.rolling(9, min_periods=1, center=True).mean().mean(axis=1)
    assert curves.lines[0].get_ydata() == pytest.approx(100 * expected.to_numpy())


def test_an_interval_across_zero_is_grey_and_a_clear_one_blue() -> None:
    table = pd.DataFrame({"label": ["a", "b", "c"], "estimate": 0.1, "low": [0.05, -0.1, 0.05], "high": 0.3})
    table = table.assign(seeds=[3, 3, 2], by_seed=["+5.0 +9.0 +16.0", "-9.0 +9.0 +30.0", "+8.0 +12.0"])
    [axes] = figures.forest(table).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_color() for line in dots] == ["#0072B2", "#999999", "#999999"]
    assert axes.yaxis_inverted()  # the first row is the highest


def test_law_speed_and_length_are_drawn_for_any_number_of_students() -> None:
    heldout, histories = study(("strong", "weak"), ("uni", "var_asce_rev"))
    law = ablations.capability_law(heldout)
    panels = figures.contrast_by_capability(law).axes
    assert [axes.get_title() for axes in panels] == ["whole suite", "mean of the tiers"]
    for axes in panels:
        assert {text.get_text() for text in axes.texts} >= {"strong", "weak"}
    speed = figures.learning_speed(ablations.learning_speed(histories, target=0.3))
    assert any(text.get_text().startswith("step ") for axes in speed.axes for text in axes.texts)
    lengths = heldout.drop_duplicates(["student", "policy", "seed"]).assign(
        characters_before=70.0, characters_after=[*range(70, 78)], passed_before=0.1, passed_after=0.5
    )
    marks = [line for line in figures.code_length(lengths).axes[0].lines if line.get_marker() in "so"]
    assert sorted(x for line in marks for x in line.get_xdata()) == [74, 75, 76, 77]


def test_the_picture_of_the_idea_shows_the_tests_the_phases_and_each_seed() -> None:
    [problem] = toyworld.problems("probe", 1, seed=0)
    _, histories = study(("weak", "strong"), ("frontier", "flat", "uni", "var_asce_rev"))
    tests, pays, learns = figures.idea(problem, histories, "strong").axes
    assert [text.get_text() for text in tests.texts][1::3] == [tier.value for tier in Tier]
    assert [text.get_text() for text in pays.get_yticklabels()] == ["easy to hard", "hard first"]
    starts = [round(bar.get_paths()[0].vertices[:, 0].min()) for bar in pays.collections]
    assert sorted(starts) == sorted(2 * [0, *[20] * 2, *[40] * 3, *[60] * 4])  # a bar for each tier of each phase
    assert len(learns.lines) == 2 * (2 + 1)  # a thin line per seed and their mean
    none_has_a_direction = histories[histories["policy"] == "flat"]
    assert (
        len(figures.idea(problem.with_tests(problem.tests[:1]), none_has_a_direction, "weak").axes[1].collections) == 4
    )


def test_what_a_figure_shows_is_the_same_whatever_order_sets_have() -> None:
    script = (
        "from tarot_lite import runs; from tarot_lite.curriculum import PORTFOLIO;"
        "from tarot_lite.figures.training import curriculum_plan; print(runs._drawn(curriculum_plan(*PORTFOLIO.values())))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
