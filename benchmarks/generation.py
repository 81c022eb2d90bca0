"""Tokens a second of every way to write, in turns in one run: SmolLM2 by few-shot prompts and by one line, and a tiny student.

    python benchmarks/generation.py            # some minutes; writes benchmarks/results/generation_<cpu or card>.csv

``as TRL`` is ``generate`` of transformers with every prompt computed for every completion; the other ways are those of the
parameter ``generation``.  The first round of each way is not counted: it compiles.  ``memory_limit_percent`` compares with a
machine that would do nothing but read the weights once for each token of a batch.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import pandas as pd
import torch

from tarot_lite import machine, toyworld
from tarot_lite.settings import Settings
from tarot_lite.students import Student, generation, make

WAYS = ("as TRL", "plain", "static", "continuous")


def bandwidth() -> float:
    """Bytes a second that this machine reads from memory."""
    big = torch.ones(
        2**28 if torch.cuda.is_available() else 2**26, device="cuda" if torch.cuda.is_available() else "cpu"
    )
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        big.sum().item()
        seconds.append(time.perf_counter() - began)
    return 4 * len(big) / min(seconds)


def seconds(student: Student, way: str, prompts: list[str], samples: int, tokens: int) -> tuple[float, int]:
    """Time of one round and the tokens that it wrote."""
    student.generation = "plain" if way == "as TRL" else way
    began = time.perf_counter()
    with mock.patch.object(generation, "_LONG", 10**9 if way == "as TRL" else generation._LONG):
        groups = student.generate(prompts, samples, 1.0, tokens)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, sum(completion.tokens for group in groups for completion in group)


def measure(rounds: int, problems: int, samples: int, tokens: int) -> pd.DataFrame:
    """A row per student, prompt and way."""
    settings = Settings(models={"smollm2": "smollm2"}, students={"tiny": 54})
    with tempfile.TemporaryDirectory() as folder:
        real = make("smollm2", settings, folder)
        small = make("tiny", Settings(students={"tiny": 54}, threads=settings.threads), folder)
    assert isinstance(real, Student) and isinstance(small, Student)
    asked = toyworld.problems("probe", problems)
    reads, rows = bandwidth(), []
    for student, style in ((real.asked("fewshot"), "fewshot"), (real.asked("line"), "line"), (small, "line")):
        prompts = [student.prompt(problem) for problem in asked]
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds + 1):
            for way in WAYS:
                took, wrote = seconds(student, way, prompts, samples, tokens)
                if number:
                    found[way].append(wrote / took)
                print(
                    f"{student.name} {style} {way}: {wrote / took:.0f} tokens a second"
                    + " (not counted)" * (not number)
                )
        weights = sum(weight.numel() * weight.element_size() for weight in student.model.parameters())
        limit = problems * samples * reads / weights
        for way, speeds in found.items():
            paired = [one / other for one, other in zip(speeds, found["as TRL"], strict=True)]
            rows.append(
                {"student": student.name, "prompts": style, "way": way, "rounds": rounds}
                | {
                    "tokens_a_second": round(statistics.median(speeds), 1),
                    "times_as_trl": round(statistics.median(paired), 2),
                }
                | {"memory_limit_percent": round(100 * statistics.median(speeds) / limit, 1)}
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds of each way")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=40, help="longest completion")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    table = measure(given.rounds, given.problems, given.samples, given.tokens)
    print(table.to_string(index=False))
    card = machine.card()
    table.to_csv(
        given.out / f"generation_{re.sub(r'[^a-z0-9]+', '-', card.name.lower()) if card else 'cpu'}.csv", index=False
    )
