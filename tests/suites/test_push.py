"""A finished data set goes to the Hub: the real client against a server of our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Hub, stand_in

from tarot_lite.problems import Problem, TestCase, from_row, to_row
from tarot_lite.suites import io
from tarot_lite.suites.__main__ import main

PROBLEM = Problem("p/1", "Add – both.", (TestCase("1 2\n", "3\n"),), "print(sum(map(int, input().split())))")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with stand_in() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    io.write_dataset(tmp_path / "dataset", [to_row(PROBLEM)], "---\npretty_name: Tiers\n---\n# Tiers\n")
    return tmp_path / "dataset"


def test_rows_and_card_arrive_byte_for_byte_and_load(hub: Hub, folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    address = io.push(folder, "somebody/tiers", token="right-token", endpoint=hub.url)
    assert address == f"{hub.url}/datasets/somebody/tiers/commit/{'1' * 40}"
    order = hub.repositories["somebody/tiers"]
    assert (order["type"], order.get("private", order.get("visibility"))) in [("dataset", True), ("dataset", "private")]
    received = hub.files["somebody/tiers"]
    assert received == {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert received["README.md"].startswith(b"---\npretty_name: Tiers")
    for name, data in received.items():
        (tmp_path / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "back" / name).write_bytes(data)
    rows = datasets.load_dataset(str(tmp_path / "back"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [from_row(row) for row in rows] == [PROBLEM]


def test_a_second_push_goes_to_the_same_data_set(hub: Hub, folder: Path) -> None:
    io.push(folder, "somebody/tiers", token="right-token", private=False, endpoint=hub.url)
    before = dict(hub.files["somebody/tiers"])
    (folder / "README.md").write_text("---\npretty_name: New\n---\n", encoding="utf-8")
    io.push(folder, "somebody/tiers", token="right-token", endpoint=hub.url)
    after = hub.files["somebody/tiers"]
    assert (len(hub.repositories), len(hub.messages)) == (1, 2)
    assert {name for name in after if after[name] != before[name]} == {"README.md"}


def test_a_wrong_token_is_refused_and_nothing_is_left(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "wrong-token")
    assert main(["push", str(folder.parent), "somebody/tiers", "--endpoint", hub.url]) == 2
    said = capsys.readouterr().err
    assert "401" in said
    assert "hf auth login" in said
    assert "wrong-token" not in said
    assert hub.files == {}
