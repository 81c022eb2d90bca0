"""Write the results of README and book from the tables of the committed reports: ``make results``.

What stands between the marks is made here and nowhere else, so a sentence cannot outlive its number.  A
sentence whose claim has another verdict now is refused: then this file must say something else.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import fill
from types import SimpleNamespace
from typing import Any

import pandas as pd
from scipy.stats import ttest_1samp

from tarot_lite.curriculum import get_policy

ROOT = Path(__file__).parent.parent
RESULTS, SCALE, BENCHMARKS = (f"notebooks/book/{page}.md" for page in ("results", "scale", "benchmarks"))
RUNS = {"example": "profile `cpu`", "study": "larger study", "adaptive": "second world"}
AGREES = {"holds": "yes", "refuted": "no", "undecided": "undecided"}
BEGIN, END = "<!-- results: made by `make results` -->", "<!-- end of results -->"
COUNTS = dict(enumerate("no one two three four five six seven eight nine".split()))
SCHEDULES = {"uni": "easy-to-hard (`uni`)", "var_asce_rev": "hard-first (`var_asce_rev`)", "flat": "all tiers (`flat`)"}


def written(root: Path = ROOT) -> dict[str, str]:
    """Text of each page with the results, and the rows of profiles, as the tables of the reports have them."""
    reports = root / "reports"
    parts = "\n\n".join(
        (_seeds(root), _example(reports), _adaptive(reports), _study(reports), _law(reports), _smollm2(reports))
    ).split("\n\n")
    results = "\n\n".join(
        part if part.startswith("![") else fill(part, 150, break_long_words=False, break_on_hyphens=False)
        for part in parts
    )
    more = f" for {_size(reports / 'adaptive/05_ablations')}"
    rows = {
        "cpu": _profile_row(reports / "example", ", and some minutes for a new environment", "all five stages: {}"),
        "cpu-adaptive": _profile_row(
            reports / "adaptive", more, "whether a curriculum that adapts needs no choice, in the second world"
        ),
    }
    scale = (root / SCALE).read_text(encoding="utf-8")
    return {
        "README.md": _between(root / "README.md", _claims(reports)),
        RESULTS: _between(root / RESULTS, results),
        BENCHMARKS: _between(root / BENCHMARKS, _generation(root)),
        SCALE: re.sub(r"^\| `(cpu|cpu-adaptive)` \|.*$", lambda found: rows[found[1]], scale, flags=re.MULTILINE),
    }


def _generation(root: Path) -> str:
    """Ways to write, measured by benchmarks/generation.py, as a table."""
    found = pd.read_csv(root / "benchmarks/results/generation_cpu.csv")
    who = {"fewshot": "SmolLM2, worked examples", "line": "SmolLM2, one line"}
    names = [who[row.prompts] if row.student == "smollm2" else "a tiny student" for row in found.itertuples()]
    found = found.assign(who=names)
    cells = found.pivot_table(index="way", columns="who", values=["tokens_a_second", "times_as_trl"], sort=False)
    columns = list(dict.fromkeys(names))
    lines = [f"| generation | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for way in dict.fromkeys(found["way"]):
        told = [
            f"{cells.loc[way, ('tokens_a_second', c)]:,.0f} ({cells.loc[way, ('times_as_trl', c)]:.1f} ×)"
            for c in columns
        ]
        lines.append(f"| {way if way == 'as TRL' else f'`{way}`'} | {' | '.join(told)} |")
    return "\n".join(lines)


def _between(path: Path, made: str) -> str:
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END)[1]}"


def _claims(reports: Path) -> str:
    """The paper's claims and ours beside what the reports say, as a table."""
    laws = {run: _table(reports, run, "law").query("measure == 'suite'").sort_values("capability") for run in RUNS}
    ends = {run: (law.iloc[0], law.iloc[-1]) for run, law in laws.items()}
    seeds = {run: COUNTS[int(_table(reports, run, "gains")["seeds"].min())] for run in RUNS}
    told = {run: f"{COUNTS[len(law)]} students, {seeds[run]} seeds" for run, law in laws.items()}
    lines = ["| claim | measured here | agrees? |", "|---|---|---|"]
    for at, who in ((-1, "The most capable student gains more from hard-first than from easy-to-hard"),
                    (0, "The least capable one gains more from easy-to-hard")):  # fmt: skip
        for run in RUNS:
            found = ends[run][at]
            agrees = _verdict(found.low, found.high, 1 if at else -1)
            lines.append(
                f"| {who} | hard-first − easy-to-hard {_points(found)} ({RUNS[run]}: {told[run]}) | {agrees} |"
            )
            who = ""
    study = json.loads((reports / "study/05_ablations/claims.json").read_text())
    by_name = {row["claim"]: row for row in study}
    law = by_name["The more capable a student, the more it prefers hard-first to easy-to-hard, whole suite"]
    lines.append(
        f"| The more capable, the more hard-first is preferred | rank correlation {law['number']}, "
        f"{law['evidence'].partition(', ')[2]} ({RUNS['study']}: {told['study']}) | {AGREES[law['verdict']]} |"
    )
    flat = _table(reports, "study", "contrasts").set_index("label").loc["top: var_asce_rev − flat"]
    lines.append(
        f"| The best curriculum beats rewarding all tiers throughout | hard-first − all tiers {_points(flat)} for the most "
        f"capable student ({RUNS['study']}: {told['study']}) | {_verdict(flat.low, flat.high)} |"
    )
    real = _table(reports, "smollm2", "contrasts").set_index("label").loc["smollm2: var_asce_rev − uni"]
    few = int(real.seeds) < 3
    told_of = f"{COUNTS[int(real.seeds)]} seed{'s' if real.seeds > 1 else ''}" + ": too few for a verdict" * few
    lines.append(
        f"| A real model, SmolLM2, gains more from hard-first as well | hard-first − easy-to-hard {_points(real)} "
        f"({told_of}) | {'undecided' if few else _verdict(real.low, real.high)} |"
    )
    who = "*Ours*: `furthest`, which adapts within each group of programs, needs no choice"
    for run, best in (("example", "frontier"), ("adaptive", "furthest")):  # where tiers are nested they are the same
        worst = _table(reports, run, "regret").query("student == 'worst' and measure == 'suite'").set_index("policy")
        adapts = [name for name in worst.index if get_policy(name).direction == "adaptive"]
        fixed = worst.loc[worst.index.difference(adapts)]["regret"].idxmin()
        lines.append(
            f"| {who} | lost where it served worst {_points(worst.loc[best])}, the best fixed one, "
            f"{_name(fixed)}, {_points(worst.loc[fixed])} ({RUNS[run]}: {told[run]}) | {_no_worse(worst, best, fixed)} |"
        )
        who = ""
    return "\n".join(lines)


def _table(reports: Path, run: str, name: str) -> pd.DataFrame:
    return pd.read_csv(reports / run / "05_ablations" / f"{name}.csv", keep_default_na=name != "heldout")


def _verdict(low: float, high: float, sign: int = 1) -> str:
    low, high = sorted((sign * low, sign * high))
    return "yes" if low > 0 else "no" if high < 0 else "undecided"


def _no_worse(worst: pd.DataFrame, best: str, fixed: str) -> str:
    """Of two regrets: one is smaller for certain, or their intervals overlap."""
    ours, theirs = worst.loc[best], worst.loc[fixed]
    return "yes" if ours.high < theirs.low else "no" if ours.low > theirs.high else "undecided"


def _seeds(root: Path) -> str:
    simulated = pd.read_csv(root / "benchmarks/results/seeds.csv")
    missed = {
        n: "{:.0f} to {:.0f} %".format(*sorted(rows["missed_zero_percent"])) for n, rows in simulated.groupby("seeds")
    }
    return f"""\
**What repeats, and why one seed is not evidence.** On a CPU that is an x86-64 with AVX2 a run repeats byte for byte, on other
machines and on a GPU within the spread between seeds. Two trainings that differ in their seed alone end some points apart, and
an interval over the problems of one seed does not know
it: of {simulated["studies"].min():,} simulated studies (`benchmarks/results/seeds.csv`) of two equal curricula it calls them
different in {missed[1]}. The intervals below take the seed as the unit ({missed[3]}
with three seeds, {missed[5]} with five), and nothing is said to hold of a curriculum with fewer than three."""


def _example(reports: Path) -> str:
    tables = reports / "example/05_ablations"
    gains, contrasts = (pd.read_csv(tables / f"{name}.csv") for name in ("gains", "contrasts"))
    seeds = int(gains["seeds"].min())
    lines = [
        "![Share of sampled programs that pass every tier while each student trains, one line per curriculum]"
        "(../../reports/example/05_ablations/figures/curves.png)",
        "",
        f"*The committed run of the `cpu` profile (`reports/example`): {_size(tables)}.",
    ]
    if seeds < 3:
        lines.append("It decides nothing about curricula; what training does to the student that it trains it shows:")
        for row in gains.loc[gains.groupby("student", sort=False)["after"].idxmax()].itertuples():
            ends = f"{100 * row.before:.1f} to {100 * row.after:.1f} %"
            lines.append(
                f"the {row.student} student went from {ends} of the held-out suites, at best (`{row.policy}`);"
            )
        return "\n".join(lines).rstrip(";") + ".*"
    claims = {row["claim"]: row["verdict"] for row in json.loads((tables / "claims.json").read_text())}
    law = pd.read_csv(tables / "law.csv").query("measure == 'suite'")
    asked = [
        f"{_points(row)} points for the {row.student} student "
        f"({next(verdict for claim, verdict in claims.items() if f'({row.student})' in claim and 'whole suite' in claim)})"
        for row in law.itertuples()
    ]
    lines.append(
        "Held-out pass@1 of the whole suite, with the seed as the unit. The paper's question, hard-first − easy-to-hard: "
        f"{' and '.join(asked)}."
    )
    clear = int((contrasts["p_holm"] < 0.05).sum())
    lines.append(
        f"Of all {len(contrasts)} differences between two curricula {'none' if clear == 0 else COUNTS[clear]} "
        f"{'are' if clear > 1 else 'is'} significant after Holm's correction."
    )
    lines.append(f"{_regret(tables)} `frontier` adapts within each group and has nothing to choose.")
    return "\n".join(lines) + "*"


def _regret(tables: Path) -> str:
    worst = pd.read_csv(tables / "regret.csv").query("student == 'worst' and measure == 'suite'").sort_values("regret")
    cost = ", ".join(f"{_name(row.policy)} {_points(row)}" for row in worst.itertuples())
    return (
        "What each curriculum cost the student that it served worst, in points against the best fixed one chosen in hindsight: "
        f"{cost}."
    )


def _adaptive(reports: Path) -> str:
    tables = reports / "adaptive/05_ablations"
    law = pd.read_csv(tables / "law.csv").query("measure == 'suite'").sort_values("capability")
    contrasts = ", ".join(f"{_points(row)} for the {row.student} student" for row in law.itertuples())
    better = _paired(tables, "furthest", "frontier")
    if better.low <= 0:
        raise SystemExit("reports/adaptive: furthest is not better than frontier for certain; write another sentence")
    alt = (
        "Points lost by every curriculum against the best fixed one, for the student that it served worst and for each"
    )
    return f"""\
![{alt}](../../reports/adaptive/05_ablations/figures/regret.png)

*The second world, whose tiers are not nested (`reports/adaptive`): {_size(tables)}. {_regret(tables)}
`frontier` pays for the hardest tier that tells a group's programs apart, and here that tier does not ask for what the others
ask. `furthest`, the same where tiers are nested, pays for all the tiers that the group's best program passes: it ends
{_points(better)} points above `frontier`, mean of the four students. Hard-first − easy-to-hard: {contrasts}.*"""


def _paired(tables: Path, first: str, second: str) -> Any:
    """How much more of the whole suite the first ends with: mean of the students, a t interval over seeds."""
    heldout = pd.read_csv(tables / "heldout.csv", keep_default_na=False).query("measure == 'suite'")
    ends = heldout.pivot_table(index="seed", columns="policy", values="after")
    found = ttest_1samp(ends[first] - ends[second], 0)
    return SimpleNamespace(
        estimate=(ends[first] - ends[second]).mean(),
        **dict(zip(("low", "high"), found.confidence_interval(), strict=True)),
    )


def _study(reports: Path) -> str:
    tables = reports / "study/05_ablations"
    claims = {row["claim"]: row for row in json.loads((tables / "claims.json").read_text())}
    law, contrasts = (pd.read_csv(tables / f"{name}.csv") for name in ("law", "contrasts"))
    rows = {(row.measure, row.student): row for row in law.itertuples()}
    pairs = {row.label: row for row in contrasts.itertuples()}
    prefers = "The more capable a student, the more it prefers hard-first to easy-to-hard, whole suite"
    flat = "A hard-first schedule beats rewarding all tiers throughout"
    weak = "The less capable student (weak) gains more from easy-to-hard schedules, "
    open_ones = (weak + "whole suite", weak + "mean of the tiers", flat)
    _expect(claims, {prefers: "holds"} | dict.fromkeys(open_ones, "undecided"))
    rho = claims[prefers]
    edge = {name: pairs[f"{name}: flat − edge_only"] for name in ("strong", "middle", "weak")}
    if not (edge["strong"].high < 0 and edge["middle"].high < 0 and edge["weak"].low < 0 < edge["weak"].high):
        raise SystemExit("reports/study: the sentence about edge_only does not hold any more; write another")
    alt = "Contrast between hard-first and easy-to-hard against capability before training, whole suite and mean of the tiers"
    return f"""\
![{alt}](../../reports/study/05_ablations/figures/law.png)

*The larger study (`reports/study`): {_size(tables)}. The more capable the student, the more it gained
from hard-first over easy-to-hard
(rank correlation {rho["number"]}, {rho["evidence"].partition(", ")[2]}; the most capable one {_points(rows["suite", "top"])}
points of the whole suite). That the weak student gains from
easy-to-hard was not decided: hard-first − easy-to-hard {_points(rows["suite", "weak"])} of the whole suite, where it can
hardly gain anything, and {_points(rows["tiers", "weak"])} of
the mean of the tiers. Nor was hard-first against rewarding all tiers from the start:
{_points(pairs["top: var_asce_rev − flat"])} for the most capable student. For the strong and the middle
student paying for the edge tier alone (`edge_only`, here the same as paying for the whole suite) beat rewarding all tiers, by
{_points(edge["strong"], -1)} and
{_points(edge["middle"], -1)} points; for the weak one that was not decided.*"""


def _law(reports: Path) -> str:
    tables = reports / "law/05_ablations"
    order, heldout = (pd.read_csv(tables / f"{name}.csv", keep_default_na=False) for name in ("order", "heldout"))
    rows = {row.label: row for row in order.itertuples()}
    if not all(row.low < 0 < row.high for label, row in rows.items() if label.endswith("whole suite")):
        raise SystemExit("reports/law: an interval of the whole suite excludes zero now; write another sentence")
    ends = heldout[(heldout["variant"] == "beta=0.0") & (heldout["measure"] == "basic")]
    change = (ends["after"] - ends["before"]).groupby([ends[name] for name in ("student", "policy", "seed")]).mean()
    return f"""\
*A look at two further settings (`reports/law`): {_size(tables)}, so nothing is decided. In the mean of the
tiers hard-first − easy-to-hard was {_points(rows["weak, grpo_steps=240: mean of the tiers"])}
for the weak student with a schedule three times as long, and {_points(rows["weak, own settings: mean of the tiers"])} with
the run's own settings, which the five seeds of the study did not confirm. In the whole
suite every interval holds zero. Without a KL penalty {COUNTS[int((change < -0.2).sum())]} training in {COUNTS[len(change)]}
collapsed.*"""


def _smollm2(reports: Path) -> str:
    tables = reports / "smollm2/05_ablations"
    gains = pd.read_csv(tables / "gains.csv").sort_values("after", ascending=False)
    styles = pd.read_csv(reports / "smollm2/03_capability_estimation/styles.csv").set_index("style")["basic"]
    ends = ", ".join(f"{100 * row.after:.1f} % under {_name(row.policy)}" for row in gains.itertuples())
    seeds = int(gains["seeds"].min())
    alt = "Share of sampled programs that pass every tier while SmolLM2 trains, one line per curriculum"
    few = " With so few seeds that decides nothing between the curricula." if seeds < 3 else ""
    return f"""\
![{alt}](../../reports/smollm2/05_ablations/figures/curves.png)

*A real pretrained model (`reports/smollm2`): SmolLM2, 135 million parameters, LoRA, two cores; {_size(tables)}.
By chat it passed {100 * styles["chat"]:.0f} % of the basic tests, by worked examples {100 * styles["fewshot"]:.0f} %,
after a supervised warm-up of some minutes {100 * styles["after a warm-up"]:.0f} %. GRPO then took it from
{100 * gains["before"].iloc[0]:.1f} % of the held-out suites to {ends}.{few}*"""


def _profile_row(run: Path, more: str, what: str) -> str:
    """Time and memory as its stages measured them, and what it reproduces, with the size of its grid for ``{}``."""
    batches = [json.loads(path.read_text()) for path in sorted(run.glob("0*/batch.json"))]
    minutes, seconds = divmod(round(sum(batch["seconds"] for batch in batches)), 60)
    memory = max(batch["peak_memory_mb"] for batch in batches) / 1000
    profile = json.loads((run / "manifest.json").read_text())["profile"]
    what = what.format(_size(run / "05_ablations").replace("two students", "two tiny students"))
    return f"| `{profile}` | 2 cores, no GPU | {minutes} min {seconds:02d} s{more} | {memory:.1f} GB | {what} |"


def _size(tables: Path) -> str:
    """What a grid held, in words."""
    heldout = pd.read_csv(tables / "heldout.csv", keep_default_na=False)
    names = {"student": "student", "policy": "curriculum", "seed": "seed"}
    counts = {what: heldout[column].nunique() for column, what in names.items()}
    plural = {"curriculum": "curricula"}
    said = [
        f"{COUNTS[n]} {what if n == 1 else plural.get(what, what + 's')}" for what, n in counts.items() if n in COUNTS
    ]
    cells = len(heldout[["student", "policy", "seed", "variant"]].drop_duplicates())
    return f"{', '.join(said)}, {cells} trainings"


def _expect(claims: dict[str, dict[str, str]], verdicts: dict[str, str]) -> None:
    for claim, verdict in verdicts.items():
        if claims[claim]["verdict"] != verdict:
            now = claims[claim]["verdict"]
            raise SystemExit(f"{claim!r}: {now!r} now, not {verdict!r}; write another sentence in .ci/results.py")


def _name(policy: str) -> str:
    return SCHEDULES.get(policy, f"`{policy}`")


def _points(row: Any, sign: int = 1) -> str:
    """Such as ``+17.1 [+8.6, +25.5]``."""
    estimate = next(getattr(row, name) for name in ("estimate", "contrast", "regret") if hasattr(row, name))
    ends = sorted((sign * row.low, sign * row.high))
    number, low, high = (f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−") for value in (sign * estimate, *ends))
    return f"{number} [{low}, {high}]"


if __name__ == "__main__":
    for name, text in written().items():
        (ROOT / name).write_text(text, encoding="utf-8")
