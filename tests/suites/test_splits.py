"""Splits of tiered problems from a file or a data set, decided by the problems' ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tarot_lite.problems import ProblemError
from tarot_lite.suites.splits import of_data, usable

SIZES = {"train": 5, "probe": 2, "tuning": 2, "heldout": 3}


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row as published: one test a tier, the data set's own without a label."""
    labels = (None, "basic", "medium", "high", "edge")
    tests = [{"input": f"{number}\n", "output": f"{number + 1}\n", "label": label} for label in labels]
    return {
        "problem": f"Read a number and print it plus one (variant {number}).",
        "gold_standard_solution": "```python\nprint(int(input()) + 1)\n```",
        "verification_info": {"language": "python", "test_cases": tests},
        "problem_id": f"made_{number}",
        **changes,
    }


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    return str(path)


def ids(splits: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {name: [problem.problem_id for problem in found] for name, found in splits.items()}


def test_splits_are_disjoint_of_the_sizes_asked_and_independent_of_the_files_order(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    splits = ids(of_data(write(tmp_path / "a.jsonl", rows), SIZES))
    assert {name: len(found) for name, found in splits.items()} == SIZES
    assert len(set().union(*splits.values())) == sum(SIZES.values())
    assert ids(of_data(write(tmp_path / "b.jsonl", rows[::-1]), SIZES)) == splits


def test_more_problems_to_train_on_never_move_a_held_out_one(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(number) for number in range(20)])
    few, many = ids(of_data(data, SIZES)), ids(of_data(data, {**SIZES, "train": 13}))
    assert {**many, "train": many["train"][:5]} == few


def test_datasets_reads_the_published_schema_as_our_own_reader_does(tmp_path: Path) -> None:
    """The path that a Hub id takes, on a folder in its place."""
    data = write(tmp_path / "train.jsonl", [row(number) for number in range(14)])
    assert ids(of_data(str(tmp_path), SIZES)) == ids(of_data(data, SIZES))
    read = of_data(str(tmp_path), SIZES)["heldout"][0]
    assert read == next(problem for problem in usable(data)[0] if problem.problem_id == read.problem_id)


def test_real_rows_come_through_datasets(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes((shared_data / "tarot_sample.jsonl").read_bytes())
    through_datasets, ours = usable(str(tmp_path)), usable(str(shared_data / "tarot_sample.jsonl"))
    assert through_datasets == ours and len(ours[0]) >= 4


def test_too_few_usable_problems_say_how_many_and_why_others_were_left_out(tmp_path: Path) -> None:
    untiered = row(50)
    untiered["verification_info"]["test_cases"] = untiered["verification_info"]["test_cases"][:1]
    rows = [row(1), row(2, problem=" "), untiered, {"problem_id": "broken"}]
    with pytest.raises(ProblemError) as caught:
        of_data(write(tmp_path / "a.jsonl", rows), SIZES)
    said = str(caught.value)
    assert "has 1 usable problems, but the splits ask for 12 (heldout_problems 3, tuning_problems 2," in said
    assert all(part in said for part in ("1 × no statement", "1 × no test with a tier", "1 × broken row"))


def test_a_data_set_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"no such file; give a JSONL file"):
        of_data(str(tmp_path / "none.jsonl"), SIZES)
    said = r"parameter problems_data: .* cannot be read as a data set of the Hub .*; check the name and the network"
    with pytest.raises(ProblemError, match=said):
        of_data(str(tmp_path / "no_folder"), SIZES)


def test_the_same_statement_under_two_ids_is_one_problem(tmp_path: Path) -> None:
    twice = [row(number, problem_id=f"{copy}_{number}", problem=f"{begin} a number, and print it plus {number}.")
             for number in range(12) for copy, begin in (("a", "Read"), ("b", "  READ\n"))]  # fmt: skip
    data = write(tmp_path / "a.jsonl", twice)
    found, dropped = usable(data)
    assert len(found) == 12 and dropped == (("same statement as another", 12),)
    statements = [{" ".join(p.statement.split()).lower() for p in split} for split in of_data(data, SIZES).values()]
    assert sum(map(len, statements)) == len(set().union(*statements)) == 12


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    data = write(tmp_path / "a.jsonl", [row(number) for number in range(3)])
    assert len(usable(data)[0]) == 3
    write(tmp_path / "a.jsonl", [row(number) for number in range(5)])
    assert len(usable(data)[0]) == 5
