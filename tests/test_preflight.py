"""Preflight: what cannot work is stopped before the download, with the remedy; what fits is let through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_stand_in import Hub, stand_in

from tarot_lite import preflight
from tarot_lite.machine import Card
from tarot_lite.preflight import Check, PreflightError
from tarot_lite.settings import Settings, load_profile
from tarot_lite.students import backends
from tarot_lite.students.models import find

CARDS = {
    "colab-t4": Card("Tesla T4", 15.0, 7.5),
    "gpu-24gb": Card("NVIDIA GeForce RTX 4090", 23.99, 8.9),
    "paper": Card("NVIDIA A100-SXM4-80GB", 79.3, 8.0),
}
ELSEWHERE = ("disk", "model of", "problems", "versions")  # what depends on this machine's disk and network


def looked(settings: Settings, card: Card | None = None) -> dict[str, Check]:
    return {row.item: row for row in preflight.checks(settings, card)}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize("name", CARDS)
def test_each_gpu_profile_fits_its_card(name: str) -> None:
    rows = looked(load_profile(name), CARDS[name])
    stops = [row for item, row in rows.items() if row.state == "stop" and not item.startswith(ELSEWHERE)]
    assert stops == []
    assert rows["memory for coder"].state != "stop"
    assert rows["number type"].found == ("float16" if name == "colab-t4" else "bfloat16")


@pytest.mark.parametrize("name", CARDS)
def test_each_gpu_profile_says_that_it_needs_a_gpu(name: str) -> None:
    with pytest.raises(
        PreflightError, match=rf"GPU: none, and the profile {name} is made for .* -- choose a GPU runtime"
    ):
        preflight.check(load_profile(name))


def test_the_cpu_profiles_pass_anywhere() -> None:
    for name in ("smoke", "cpu"):
        assert all(row.state != "stop" for row in preflight.check(load_profile(name)))


def test_a_card_too_small_is_told_what_fits() -> None:
    row = looked(load_profile("gpu-24gb"), Card("NVIDIA T1000", 8.0, 7.5))["memory for coder"]
    assert row.state == "stop" and row.remedy.startswith("it fits with ")
    changes = dict(part.split(" = ") for part in row.remedy.removeprefix("it fits with ").split(", "))
    again = replace(load_profile("gpu-24gb"), **{key: json.loads(value.lower()) for key, value in changes.items()})
    assert looked(again, Card("NVIDIA T1000", 8.0, 7.5))["memory for coder"].state != "stop"
    row = looked(load_profile("paper"), Card("old", 2.0, 7.5))["memory for coder"]
    assert row.remedy == "choose a smaller model or a larger card"


def test_bfloat16_on_a_card_without_it_is_stopped() -> None:
    row = looked(load_profile("colab-t4", dtype="bfloat16"), CARDS["colab-t4"])["number type"]
    assert (row.state, row.remedy) == ("stop", "set dtype to auto or float16")


def test_an_unknown_model_is_stopped_with_a_near_name() -> None:
    with pytest.raises(PreflightError, match=r"did you mean 'Qwen/Qwen2.5-Coder-1.5B-Instruct'"):
        preflight.check(Settings(models={"coder": "Qwen/Qwen2.5-Coder-1.5-Instruct"}))


def test_a_gated_model_without_a_token_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)  # whoever runs this may be logged in
    row = looked(Settings(models={"gemma": "google/gemma-2-2b-it"}))["model of gemma"]
    assert row.state == "stop" and "is gated, and there is no token" in row.found
    assert "accept its licence" in row.remedy and "hf auth login" in row.remedy


def test_a_model_out_of_reach_is_stopped_before_the_download() -> None:
    row = looked(Settings(models={"tiny": "HuggingFaceTB/SmolLM2-360M-Instruct@nowhere"}))["model of tiny"]
    assert row.state == "stop" and "is not in the cache, and HF_HUB_OFFLINE is set" in row.found


_LOOK = """
import json, sys
from dataclasses import asdict
from tarot_lite import preflight
from tarot_lite.settings import Settings
for given in json.loads(sys.argv[1]):
    rows = {row.item: asdict(row) for row in preflight.checks(Settings(**given))}
    print(json.dumps(rows))
"""


def online(
    hub: Hub, repository: Path, cache: Path, token: str, *given: dict[str, Any]
) -> list[dict[str, dict[str, str]]]:
    """The checks of several settings in a process whose Hub is the stand-in, with an empty cache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache), "PYTHONPATH": str(repository), "HF_TOKEN": token}
    command = [sys.executable, "-c", _LOOK, json.dumps(given)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_hub_is_asked_for_models_problems_and_rights(repository: Path, tmp_path: Path) -> None:
    coder, gemma, data = "Qwen/Qwen2.5-Coder-0.5B-Instruct", "google/gemma-2-2b-it", "somebody/problems"
    with stand_in() as hub:
        hub.repositories |= {coder: {"private": False}, data: {"private": False}, gemma: {"gated": True}}
        hub.files |= {coder: {"config.json": b"{}"}, data: {"README.md": b"# P"}}
        asked = {"models": {"m": coder}, "problems_data": data, "hub_checkpoints": "somebody/runs"}
        wrong = {"models": {"m": "Qwen/Qwen2.5-0.5B-Instruct"}, "problems_data": "no/such"}
        there, missing, gated = online(hub, repository, tmp_path, "right-token", asked, wrong, {"models": {"m": gemma}})
        hub.role = "read"
        [reading] = online(hub, repository, tmp_path, "right-token", asked)
        [stranger] = online(hub, repository, tmp_path, "wrong-token", asked)
        [nobody] = online(hub, repository, tmp_path, "", asked)
        assert hub.files.keys() == {coder, data}  # looking writes nothing
    assert [there[item]["state"] for item in ("model of m", "problems", "upload")] == ["ok"] * 3
    for item in ("model of m", "problems"):
        assert missing[item]["state"] == "stop" and "cannot be had from the Hub" in missing[item]["found"]
        assert missing[item]["remedy"].startswith("check network and name")
    assert "GatedRepoError" in gated["model of m"]["found"] and "hf auth login" in gated["model of m"]["remedy"]
    assert reading["upload"]["found"] == "somebody/runs: the token may only read"
    assert (stranger["upload"]["state"], nobody["upload"]["state"]) == ("stop", "stop")
    assert nobody["upload"]["found"] == "somebody/runs: there is no token"
    assert all("hf auth login" in rows["upload"]["remedy"] for rows in (reading, stranger, nobody))


def test_gguf_without_unsloth_is_stopped_before_the_training() -> None:
    for settings in (Settings(save_model="gguf"), Settings(models={"m": "smollm2"}, save_model="gguf", lora_rank=8)):
        row = looked(settings)["saving"]
        assert row.state == "stop" and row.found.startswith("save_model is gguf, which Unsloth makes, but transformers")
        assert row.remedy == "set backend to unsloth, or save_model to merged and convert that folder with llama.cpp"
    assert "saving" not in looked(Settings(save_model="merged"))


def test_merging_into_four_bits_is_told() -> None:
    row = looked(replace(load_profile("colab-t4"), load_in_4bit=True, save_model="merged"), CARDS["colab-t4"])["saving"]
    assert row.state == "look" and "stay in 4 bits" in row.found and "save_model to adapters" in row.remedy


def test_a_disk_too_small_is_stopped(tmp_path: Path) -> None:
    """A model of a folder whose training would need more than any disk has."""
    shape = {"num_hidden_layers": 10**6, "hidden_size": 10**6, "num_attention_heads": 8, "intermediate_size": 10**6}
    shape |= {"vocab_size": 100, "max_position_embeddings": 8192, "model_type": "llama"}
    (tmp_path / "config.json").write_text(json.dumps(shape))
    rows = looked(Settings(models={"vast": str(tmp_path)}, reports=str(tmp_path)))
    assert rows["disk for the run"].state == "stop"
    assert rows["disk for the run"].remedy == "free some, or name another folder by reports"
    assert rows["model of vast"].found == f"the folder {tmp_path}"


def test_versions_outside_their_range_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["trl<1", "torch", "no-such-package", 'x; extra == "gpu"']
    monkeypatch.setattr(preflight.importlib.metadata, "requires", lambda name: needs)
    row = looked(Settings())["versions"]
    assert (
        row.state == "look"
        and row.found.startswith("trl<1 is wanted, 1.")
        and "no-such-package is wanted, none is there" in row.found
        and "torch" not in row.found
    )
    assert "requirements/reference.in" in row.remedy


def test_a_sandbox_without_walls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = preflight.Sandbox

    def bare(workers: int) -> Any:
        return real(workers, without=("namespaces", "landlock", "user", "seccomp"))

    monkeypatch.setattr(preflight, "Sandbox", bare)
    row = looked(Settings())["sandbox"]
    assert (row.state, row.found) == ("look", "level rlimits") and "run it on Linux" in row.remedy


def test_a_context_too_short_is_stopped() -> None:
    settings = Settings(models={"gemma": "google/gemma-2-2b-it"}, max_completion_tokens=8000)
    row = looked(settings)["model of gemma"]
    assert row.state == "stop" and "reads 8192 tokens" in row.found


def problems(path: Path, statement: str) -> str:
    tests = [{"input": "", "output": "1", "label": label} for label in ("basic", "medium", "high", "edge")]
    rows = [
        {"problem_id": f"p{n}", "problem": f"{n} {statement}", "verification_info": {"test_cases": tests}}
        for n in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_problems_are_looked_at_before_the_training(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {f"{name}_problems": 4 for name in ("train", "probe", "tuning", "heldout")}
    statements = problems(tmp_path / "long.jsonl", "so " * 3000)
    long = Settings(problems_data=statements, models={"m": "smollm2"}, max_prompt_tokens=512, **sizes)
    row = looked(long)["problems"]
    assert row.state == "stop" and "all 4 statements are longer than max_prompt_tokens = 512" in row.found
    data = problems(tmp_path / "fine.jsonl", "Print 1.")
    tiny = looked(Settings(problems_data=data, **sizes))["problems"]
    assert tiny.state == "stop" and "tiny students" in tiny.found and "models" in tiny.remedy
    fine = Settings(problems_data=data, models={"m": "smollm2"}, **sizes)
    assert looked(fine)["problems"].state == "ok"
    few = replace(fine, train_problems=40)
    assert "has 20 usable problems" in looked(few)["problems"].found


def test_four_bits_need_a_gpu_and_adapters() -> None:
    rows = [
        row for row in preflight.checks(Settings(models={"m": "smollm2"}, load_in_4bit=True)) if row.item == "4 bits"
    ]
    assert [row.state for row in rows] == ["stop", "stop"]
    assert rows[0].found == "load_in_4bit is set, but there is no GPU" and "set lora_rank" in rows[1].remedy


def test_the_tables_never_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "choose", lambda *_: 1 / 0)
    table = preflight.table(Settings(models={"m": "smollm2", "bad": "no/such"}))
    assert set(table["state"]) <= {"ok", "look", "stop"} and list(table) == ["item", "state", "found", "remedy"]
    assert table.set_index("item")["found"]["backend"].startswith("the check failed: ZeroDivisionError")
    assert preflight.memory_table(Settings()).empty


def test_the_memory_table_has_a_row_for_each_student_and_card() -> None:
    settings = replace(load_profile("gpu-24gb"), models={"a": "smollm2", "b": "Qwen/Qwen2.5-7B-Instruct"})
    table = preflight.memory_table(settings, CARDS)
    assert len(table) == 2 * len(CARDS)
    assert bool(table[(table.student == "a") & (table.card == "colab-t4")]["fits"].item())
    assert not bool(table[(table.student == "b") & (table.card == "colab-t4")]["fits"].item())


def test_unsloth_missing_too_new_or_unfit_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its distribution is described as the package index describes it; nothing is imported."""
    real = backends.importlib.metadata.version

    def installed(version: str | None, needs: list[str]) -> None:
        def found(name: str) -> str:
            if name != "unsloth":
                return real(name)
            if version is None:
                raise backends.importlib.metadata.PackageNotFoundError(name)
            return version

        monkeypatch.setattr(backends.importlib.metadata, "version", found)
        monkeypatch.setattr(backends.importlib.metadata, "requires", lambda name: needs)

    card = CARDS["gpu-24gb"]
    installed(None, [])
    assert backends.choose(Settings(), card).name == "transformers"
    assert "not installed (pip install unsloth==" in backends.choose(Settings(), card).why
    with pytest.raises(backends.StudentError, match=r"parameter backend is unsloth, but Unsloth is not installed"):
        backends.choose(Settings(backend="unsloth"), card)
    installed(backends.UNSLOTH, ["trl<=1.15.0,>=0.18.2", "transformers>=4.52.4"])
    assert backends.choose(Settings(), card).name == "unsloth"
    assert backends.choose(Settings(), None).name == "transformers"
    installed("2027.1.1", ["trl>=1.20"])
    assert "needs trl >=1.20, but" in (backends.unsloth_obstacle() or "")
    with pytest.raises(backends.StudentError, match=r"needs trl >=1.20"):
        backends.choose(Settings(backend="unsloth"), card)
    installed("2027.1.1", ["trl>=1.0"])
    assert "newer than" in backends.choose(Settings(), card).why
    row = looked(Settings(models={"m": "smollm2"}), card)["backend"]
    assert row.state == "look" and row.found.startswith("transformers: Unsloth 2027.1.1 is newer than")
    assert f"pip install unsloth=={backends.UNSLOTH}" in row.remedy
    assert backends.choose(Settings(backend="unsloth"), card).name == "unsloth"


def test_the_pinned_unsloth_is_the_one_of_the_package(repository: Path) -> None:
    assert f'gpu = ["unsloth=={backends.UNSLOTH}"]' in (repository / "pyproject.toml").read_text()


def test_vllm_is_used_where_it_is_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is described as the package index describes it; TRL's own range is read from TRL."""
    card, real = CARDS["paper"], backends.importlib.metadata.version
    coder = find("Qwen/Qwen2.5-Coder-1.5B-Instruct")
    assert backends.vllm_mode(Settings(), card) is None
    with pytest.raises(backends.StudentError, match=r"parameter vllm is colocate, but there is no GPU"):
        backends.vllm_mode(Settings(vllm="colocate"), None)
    with pytest.raises(
        backends.StudentError, match=r"vLLM is not installed .pip install 'trl\[vllm\]'.; or set it to off"
    ):
        backends.vllm_mode(Settings(vllm="server"), card)

    def installed(version: str) -> None:
        monkeypatch.setattr(
            backends.importlib.metadata, "version", lambda name: version if name == "vllm" else real(name)
        )

    installed("0.24.0")
    auto = Settings(vllm="auto")
    assert backends.vllm_mode(auto, card) == "colocate" and backends.vllm_mode(auto, None) is None
    assert backends.vllm_mode(Settings(vllm="server"), card, coder) == "server"
    consumer = load_profile("gpu-24gb")
    assert backends.vllm_mode(consumer, CARDS["gpu-24gb"], coder) == "colocate"
    generation = looked(consumer, CARDS["gpu-24gb"])["generation"]  # the profile's own model has twice the weights
    assert generation.state == "ok" and "by the model itself: vllm_memory = 0.3 of" in generation.found
    crowded = replace(consumer, micro_batch=28, max_completion_tokens=2048)
    assert "the training needs" in (backends.vllm_obstacle(crowded, CARDS["gpu-24gb"], coder) or "")
    installed("99.0")
    assert backends.vllm_mode(auto, card, coder) is None
    assert "but 99.0 is installed" in (backends.vllm_obstacle(auto, card, coder) or "")


def test_an_unknown_benchmark_stops_before_anything_is_made() -> None:
    row = looked(Settings(benchmarks=["functions", "humanevil"]))["benchmarks"]
    assert row.state == "stop" and "humanevil is unknown" in row.found and "humaneval+" in row.remedy


def test_what_vllm_takes_is_not_offered_to_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    real = backends.importlib.metadata.version
    monkeypatch.setattr(backends.importlib.metadata, "version", lambda name: "0.24.0" if name == "vllm" else real(name))
    alone, beside = (looked(replace(load_profile("paper"), vllm=how), CARDS["paper"]) for how in ("off", "auto"))
    assert beside["generation"].found == "vLLM, colocate"
    assert " of 73.0 GiB" in alone["memory for coder"].found
    assert " of 57.1 GiB" in beside["memory for coder"].found
