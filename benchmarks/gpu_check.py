"""Prove on one machine that training works, by Unsloth and by plain TRL + PEFT, and measure both: ``make gpu-check``.

Each backend trains in a process of its own, so that its memory is its own and Unsloth comes before everything else.  What is
asserted: every loss is finite, rewards differ within groups, the adapters moved, and a training that goes on from its
half-way checkpoint ends where the undisturbed one ended -- on a CPU exactly, on a GPU within `TOLERANCE`, since its kernels
add up in no fixed order.

The model is a folder (``--model``), else SmolLM2-135M if it can be had, else a Qwen2 of 0.36 billion parameters with random
weights.  So that even random text earns rewards that differ, the problems ask for a line whose *length* is divisible by 2,
3, 5 and 7, one tier each, and the sandbox runs the program that says so.  Without a GPU the same runs in tiny form.
It says what it does while it does it, and a row is on disk as soon as a number of it is known.  All of it ends within
``--limit`` seconds: what does not is a failure in the table, beside what was measured until then.  On an H100 with 65 ms a
token, as measured, and a minute of compiling for each backend, it would take four minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tarot_lite import machine, runs, worlds
from tarot_lite.curriculum import get_policy
from tarot_lite.problems import Form, Problem, TestCase, Tier
from tarot_lite.sandbox import Sandbox
from tarot_lite.settings import Settings, load_profile
from tarot_lite.students import backends, memory, models

TOLERANCE = 0.05
"""How far, as a share of the way that the adapters went, a resumed training on a GPU may end from the undisturbed one."""

BACKENDS = ("unsloth", "transformers")
_FETCH = "fetch"
_SCAFFOLD = '''line = r"""{{body}}"""
print(len(line) % int(input()))
'''
_VERSIONS = ("torch", "transformers", "trl", "peft", "accelerate", "unsloth", "unsloth_zoo", "bitsandbytes", "vllm")


def settings_for(model: str, backend: str, tiny: bool) -> Settings:
    """What is trained: a few steps of GRPO on adapters, long enough to measure, short enough to wait for."""
    small = {"prompts_per_step": 2, "generations": 4, "micro_batch": 4, "max_completion_tokens": 48, "grpo_steps": 4}
    large = {"prompts_per_step": 8, "generations": 8, "micro_batch": 32, "max_completion_tokens": 64, "grpo_steps": 4}
    return replace(
        load_profile("smoke"),
        models={"checked": model},
        backend=backend,
        lora_rank=16,
        lora_alpha=32,
        gradient_checkpointing=True,
        max_prompt_tokens=64,
        learning_rate=1e-4,
        beta=0.01,
        save_steps=(small if tiny else large)["grpo_steps"] // 2,
        completions_every=100,
        **(small if tiny else large),
    )


def length_problems(count: int) -> list[Problem]:
    """Problems that any text can solve by luck: the length of the line must be divisible by a number for each tier."""
    tests = tuple(TestCase(f"{n}\n", "0\n", tier) for tier, n in zip(Tier, (2, 3, 5, 7), strict=True))
    return [
        Problem(f"length-{n}", f"# a line of text, number {n}\n", tests, form=Form.SCAFFOLD, scaffold=_SCAFFOLD)
        for n in range(count)
    ]


def make_model(folder: Path, tiny: bool, patience: float) -> tuple[Path, str]:
    """Folder of the model that is trained, and what it is; one of random weights is written to `folder`.

    SmolLM2 is waited for `patience` seconds: a slow network must not take the time of what is to be proved.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from tarot_lite.students import Student, warmup

    if not tiny:
        found, said = _one(_FETCH, "-", tiny, patience, folder.parent / "fetched.json")
        if not said and found:
            return Path(found["folder"]), "SmolLM2-135M-Instruct"
        print(f"SmolLM2-135M is not to be had ({said.strip()[-200:]}); random weights instead")
    # few tokens: the end mark is drawn by luck, too
    tokenizer = warmup.bpe_tokenizer(warmup.Recipe(vocabulary=300), worlds.get("lists"))
    hidden, layers = (64, 2) if tiny else (1024, 28)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 64,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    student = Student("random", Qwen2ForCausalLM(config), tokenizer)
    student.save(folder)
    return folder, f"Qwen2 of {student.parameters / 1e6:.1f} million random weights"


def run_one(backend: str, model: str, tiny: bool, path: Path) -> None:
    """Train with one backend, in this process; the row in `path` grows with what is measured.

    Raises
    ------
    AssertionError
        If something is wrong.
    """
    from tarot_lite import students

    began, row = time.monotonic(), {"backend": backend}

    def tell(doing: str, **found: Any) -> None:
        row.update(found)
        runs.write_json(path, row)
        print(f"{backend} {time.monotonic() - began:4.0f} s: {doing}", flush=True)

    settings = settings_for(model, backend, tiny)
    card = machine.card()
    half = settings.grpo_steps // 2
    parts = memory.estimate(models.find(model), settings, backends.precision(settings, card))
    estimate = memory.total(parts, reserved=True)
    with tempfile.TemporaryDirectory() as home, Sandbox(workers=settings.sandbox_workers) as sandbox:
        whole, halved = Path(home, "whole"), Path(home, "halved")
        tell("loads the model", **{"estimated GiB": round(estimate, 3)})
        students.make("checked", settings, home)  # Unsloth, if it is to be used, before whatever else comes
        import torch

        from tarot_lite.training import reward_share, train

        def trained(folder: Path) -> tuple[Any, torch.Tensor, torch.Tensor]:
            student = students.make("checked", settings, home)
            student.style = "line"
            before = adapters(student.model)
            watch = lambda log: tell(f"step {len(log)} of {settings.grpo_steps}")  # noqa: E731
            result = train(student, length_problems(32), get_policy("flat"), settings, folder, sandbox, watch=watch)
            return result, before, adapters(student.model)

        def adapters(model: Any) -> torch.Tensor:
            return torch.cat([w.detach().float().flatten().cpu() for w in model.parameters() if w.requires_grad])

        tell(
            f"trains {settings.grpo_steps} steps; the first compiles",
            **{"loading s": round(time.monotonic() - began, 1)},
        )
        result, before, after = trained(whole)
        history = result.history
        moved = float((after - before).norm())
        assert history["loss"].map(math.isfinite).all(), f"{backend}: a loss is not finite: {history['loss'].tolist()}"
        assert history["signal/reward"].max() > 0, f"{backend}: no group's rewards differ"
        assert moved > 0, f"{backend}: the adapters did not move"
        steady = history.iloc[1:]  # the first step compiles and warms up
        seconds = float(steady["step_time"].median())
        # the trainer starts the device's own count of what is allocated anew at every step
        peak = float(history["gpu_memory_gib"].max()) if card else _resident()
        reserved = torch.cuda.max_memory_reserved() / 2**30 if card else peak
        written = settings.prompts_per_step * settings.generations * float(steady["completions/mean_length"].mean())
        tell(
            f"goes on from step {half}",
            **{
                "first step s": round(float(history["step_time"].iloc[0]), 3),
                "seconds a step": round(seconds, 3),
                "tokens a second": round(written / seconds),
                "generation share": round(float((steady["seconds/generation"] / steady["seconds/step"]).mean()), 3),
                "scoring share": round(float((steady["seconds/scoring"] / steady["step_time"]).mean()), 4),
                "waiting share": round(reward_share(steady), 4),
                "allocated GiB": round(peak, 3),
                "reserved GiB": round(reserved, 3),
                "estimate holds": estimate >= reserved,
                "last loss": round(float(history["loss"].iloc[-1]), 6),
                "groups that differ": round(float(history["signal/reward"].mean()), 3),
                "moved": round(moved, 5),
            },
        )
        shutil.copytree(whole / "checkpoints" / f"checkpoint-{half}", halved / "checkpoints" / f"checkpoint-{half}")
        for name in ("training.json", "rollouts.jsonl"):
            shutil.copy(whole / name, halved / name)
        resumed, _, again = trained(halved)
        apart = float((again - after).norm()) / moved
        tell("done", **{"resumed apart": apart, "seconds in all": round(time.monotonic() - began, 1)})
    assert resumed.resumed_from == half, f"{backend}: went on from step {resumed.resumed_from}, not {half}"
    assert apart <= (TOLERANCE if card else 0), f"{backend}: the resumed training ended {apart:.3g} of the way apart"


def _resident() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**30 if sys.platform == "darwin" else 2**20))


def main(arguments: list[str] | None = None) -> int:
    """Run both backends, print one table, write ``<out>/<card>.json``; 1 if a backend failed."""
    parser = argparse.ArgumentParser(
        description="Prove and measure training on this machine's GPU, or tiny on its CPU."
    )
    parser.add_argument("--model", help="folder of a model; without it SmolLM2-135M, or random weights")
    parser.add_argument("--out", type=Path, default=Path("reports/gpu"), help="folder for the table")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes; so it is without a GPU")
    parser.add_argument("--limit", type=float, default=420, help="seconds that all of it may take")
    parser.add_argument("--one", choices=(*BACKENDS, _FETCH), help=argparse.SUPPRESS)
    parser.add_argument("--row", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.limit
    card = machine.card()
    tiny = options.tiny or card is None
    if options.one == _FETCH:
        from tarot_lite.students import smollm2

        runs.write_json(options.row, {"folder": str(smollm2.fetch())})
        return 0
    if options.one:
        run_one(options.one, options.model, tiny, options.row)
        return 0
    with tempfile.TemporaryDirectory() as home:
        if options.model:
            model, what = Path(options.model), Path(options.model).name
        else:
            model, what = make_model(Path(home, "model"), tiny, (end - time.monotonic()) / 4)
        rows: list[dict[str, Any]] = []
        failures: dict[str, str] = {}

        def report() -> Path:
            found = {
                "card": card.name if card else f"none: {platform.machine()} CPU",
                "model": what,
                "settings": {
                    key: value for key, value in vars(settings_for("-", "auto", tiny)).items() if key in _TOLD
                },
                "versions": {name: version for name in _VERSIONS if (version := _version(name))}
                | {"python": platform.python_version()},
                "rows": rows,
                "not run": failures,
            }
            name = re.sub(r"\W+", "-", card.name if card else "cpu").strip("-").lower()
            return runs.write_json(options.out / f"{name}.json", found)

        for left, backend in zip((2, 1), BACKENDS, strict=True):
            obstacle = backends.unsloth_obstacle() if backend == "unsloth" else None
            if obstacle is not None:
                failures[backend] = f"left out: {obstacle}"
                continue
            timeout = max(1.0, (end - time.monotonic()) / left)  # what one does not need, the next may have
            row, said = _one(backend, str(model), tiny, timeout, Path(home, f"{backend}.json"))
            if "loading s" in row:
                rows.append(row)
            if said:
                failures[backend] = "failed: " + said.strip().splitlines()[-1]
                print(said[-4000:], file=sys.stderr)
            report()
        path = report()
    _show(json.loads(path.read_text(encoding="utf-8")), path)
    return int(not rows or any(text.startswith("failed") for text in failures.values()))


def _one(what: str, model: str, tiny: bool, timeout: float, path: Path) -> tuple[dict[str, Any], str]:
    """What one part measured, in a process of its own that talks to the terminal; and why it failed, empty if it did not."""
    command = [
        sys.executable,
        __file__,
        "--one",
        what,
        "--model",
        model,
        "--row",
        str(path),
        *(["--tiny"] if tiny else []),
    ]
    try:
        ran = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=timeout)
        said = (ran.stderr.strip() or "it said nothing") if ran.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"not done after {timeout:.0f} s"
    return runs.read_json(path) or {}, said


_TOLD = ("prompts_per_step", "generations", "micro_batch", "max_completion_tokens", "grpo_steps", "lora_rank", "beta")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _show(report: dict[str, Any], path: Path) -> None:
    import pandas as pd

    print(f"{report['card']}; {report['model']}; {report['settings']}")
    print(pd.DataFrame(report["rows"]).set_index("backend").T.to_string() if report["rows"] else "no backend ran")
    for backend, why in report["not run"].items():
        print(f"{backend}: {why}")
    print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
