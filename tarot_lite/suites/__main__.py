"""``python -m tarot_lite.suites build problems.jsonl out/`` -- stage 1 on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tarot_lite.problems import Problem, ProblemError
from tarot_lite.runs import RunError
from tarot_lite.sandbox import Sandbox, SandboxError
from tarot_lite.suites import build, io, sources
from tarot_lite.suites.candidates import Mutants, Stubs
from tarot_lite.suites.language_model import LanguageModel, LanguageModelError
from tarot_lite.suites.proposers import Given, Mutation, Proposer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (0 if at least one problem got a suite)."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (ProblemError, ValueError, OSError, RunError, SandboxError, LanguageModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _build(options: argparse.Namespace) -> int:
    proposers: list[Proposer] = [Given()]
    if options.mutations:
        proposers.append(Mutation(options.mutations))
    if options.model:
        cache = Path(options.out) / "answers"
        proposers.append(LanguageModel(options.model, base_url=options.base_url, cache=cache))
    with Sandbox(workers=options.workers) as sandbox:
        report = build(
            _problems(options),
            sandbox,
            proposers=proposers,
            pool=[Stubs(), Mutants(options.candidates)],
            seed=options.seed,
            folder=options.out,
            tiers=options.tiers,
            per_tier=options.per_tier,
        )
    numbers = report.summary()
    print(
        f"{numbers['built']} of {numbers['problems']} problems have a calibrated suite, {numbers['tests']} tests in all"
    )
    for record in report.records:
        if record["status"] != "built":
            print(f"  {record['problem_id'] or '(broken row)'}: {record['status']}: {record['reason']}")
    print(f"the suites are in {options.out}/suites.jsonl, the data set and its card in {options.out}/dataset")
    return 0 if report.rows() else 1


def _problems(options: argparse.Namespace) -> Iterator[Problem | ProblemError]:
    source = sources.hub(options.input, options.split) if options.hub else sources.read(options.input)
    return islice(source, options.limit)


def _push(options: argparse.Namespace) -> int:
    folder = Path(options.out) / "dataset"
    print(io.push(folder, options.repository, private=not options.public, endpoint=options.endpoint))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tarot_lite.suites", description="Tiered test suites.")
    commands = parser.add_subparsers(required=True, metavar="command")
    make = commands.add_parser("build", help="make proven, calibrated suites", description="A killed build goes on.")
    make.add_argument("input", help="JSONL file (.gz too): TAROT, open-r1, HumanEval or MBPP rows, or our own")
    make.add_argument("out", help="folder for the results")
    make.add_argument("--hub", action="store_true", help="input is the name of a data set of the Hub")
    make.add_argument("--split", default="train", help="split of that data set (default: %(default)s)")
    make.add_argument("--limit", type=int, help="at most so many problems")
    make.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    make.add_argument("--tiers", choices=("assign", "check"), default="assign", help="default: %(default)s")
    make.add_argument("--per-tier", type=int, help="at most so many tests a tier")
    make.add_argument("--mutations", type=int, default=24, help="mutated inputs a problem (default: %(default)s)")
    make.add_argument("--candidates", type=int, default=24, help="mutants of the reference (default: %(default)s)")
    make.add_argument("--model", help="also ask this language model for inputs")
    make.add_argument("--base-url", help="its endpoint (default: what OPENAI_BASE_URL says)")
    make.add_argument("--workers", type=int, help="programs at the same time (default: one per processor)")
    make.set_defaults(command=_build)
    push = commands.add_parser("push", help="upload a finished data set to the Hub")
    push.add_argument("out", help="folder of the build")
    push.add_argument("repository", help="user/name")
    push.add_argument("--endpoint", help="another Hub (default: huggingface.co, or what HF_ENDPOINT says)")
    push.add_argument("--public", action="store_true", help="a new data set is public")
    push.set_defaults(command=_push)
    return parser


if __name__ == "__main__":
    sys.exit(main())
