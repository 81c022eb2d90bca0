"""The data card of a build: what is in it, how it was made, how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tarot_lite.suites.report import SuiteReport

__all__ = ["render"]

_CARD = """\
---
pretty_name: Tiered test suites
task_categories:
- text-generation
tags:
- code
- tarot
- curriculum
size_categories:
- {size}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---

# Tiered test suites

{problems} problems were read; {built} got a proven and calibrated suite, {not_calibrated} kept their given tests
unmeasured (the reference is too slow), {rejected} were rejected. The suites hold {tests} tests. The schema is that of
`chansung/verifiable-coding-problems-python-v2`: `verification_info.test_cases` holds `input`, `output`, `type`,
`label` (basic, medium, high, edge) and `reason`.

## How it was made

- **Proof.** Every output was made by the reference solution, run twice in a sandbox: the second time with other random
  numbers and a later clock. Inputs on which it fails, prints nothing or disagrees with itself were dropped.
- **Calibration.** Wrong programs (mutants of the reference, and whatever else was given) ran on every test. A test's
  difficulty is the share of them that it rejects. {how}
- **Settings.** {settings}

## Tiers

| tier | problems | tests | mean difficulty | 95 % interval |
|---|---|---|---|---|
{tiers}

- All four tiers: {four_tiers} of {built} calibrated problems.
- Mean difficulty rises strictly basic < intermediate < complex: {ordered} of {order_known} problems that have all three
  (in the given labels: {given_ordered} of {given_order_known}).
- Mutation score of the suites: {kept_score}; of the given tests: {given_score}.
- Coverage of the reference: lines {line_coverage}, branches {branch_coverage}.
- Agreement of given labels with measured difficulty: rank correlation {spearman} over {label_tests} tests;
  {concordant} ({concordant_low} – {concordant_high}) of {label_pairs} pairs within a problem are in the labels' order
  ({label_problems} problems; "higher labels are harder": {label_verdict}).

## What was rejected

{rejections}

## Limits

Difficulty is measured against mutants, which stand for slips and not for a wrong idea. An input that keeps the learned
format may still break a promise of the statement that the reference does not check. The order of sets of words is
fixed by the sandbox, so a reference that depends on it is not found out.
"""


def render(report: SuiteReport) -> str:
    """Write the card as Markdown with the Hub's header."""
    numbers = {name: _show(value) for name, value in report.summary().items()}
    rows = report.tier_table().to_dict("records")
    tiers = "\n".join(
        f"| {row['tier']} | {row['problems']} | {row['tests']} | {_show(row['difficulty'])} "
        f"| {_show(row['low'])} – {_show(row['high'])} |"
        for row in rows
    )
    counts = report.rejections_table().groupby(["source", "reason"], sort=True).size()
    rejected = [f"- {source}: {reason}: {count}" for (source, reason), count in counts.items()]
    rejected += [
        f"- problem {record['problem_id']}: {record['reason']}"
        for record in report.records
        if record["status"] in ("rejected", "broken")
    ][:50]
    how = (
        "Tiers were assigned by it: edge tests lie at a boundary of the input format and, where there are such, reject\n  "
        "what no other test does; the others are cut into three bands. Tests that add nothing were dropped."
        if report.settings.get("tiers") == "assign"
        else "The given tiers were kept, and only compared with it."
    )
    settings = "; ".join(f"{name} = {value}" for name, value in sorted(report.settings.items()))
    size = "n<1K" if len(report.rows()) < 1000 else "1K<n<10K" if len(report.rows()) < 10_000 else "10K<n<100K"
    return _CARD.format(
        **numbers, tiers=tiers, how=how, settings=settings, size=size, rejections="\n".join(rejected) or "Nothing."
    )


def _show(value: Any) -> str:
    if value is None or value != value:
        return "not measured"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
