"""Command line: ``python -m tarot_lite run --profile cpu``; see ``--help``.

Exit codes: 0 all went well · 1 a notebook failed, or ``verify`` found a difference · 2 a wrong argument or parameter ·
3 the run folder cannot be used (not writable, full, or another process is at work there), or ``verify`` could not be exact
here · 130 stopped by Ctrl-C · 143 stopped by a signal.
"""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tarot_lite import __version__, runs
from tarot_lite.settings import check_names, describe, load_profile, profile_names

EXAMPLES = """\
examples:
  python -m tarot_lite run                                    all five stages on a laptop, reports/cpu/index.html
  python -m tarot_lite run --profile smoke                    the same in a minute, to see that it works
  python -m tarot_lite run --stage 3 4 -p policy var_asce_rev -p seed 7 --run hard-first
  python -m tarot_lite ablations --profile cpu-full --dry-run    cells of the whole study, and how long they would take
  python -m tarot_lite verify reports/example                 run it again in a scratch folder, compare every table
  python -m tarot_lite import mine.json --out problems.jsonl    your own problems, with tiers
  python -m tarot_lite parameters                             everything that -p takes

A run that was stopped goes on where it was: give the same command again.
Exit codes: 0 fine, 1 a notebook failed, 2 wrong arguments, 3 run folder unusable, 130 Ctrl-C."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tarot_lite",
        description="Curriculum reinforcement fine-tuning for code: TAROT in five notebooks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tarot_lite {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    run = commands.add_parser(
        "run",
        help="run notebooks by papermill, then write the report",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--stage", nargs="+", default=[], metavar="N", help="stages by number or name (default: all five)")
    _add_run_options(run)

    ablations = commands.add_parser(
        "ablations",
        help="students x policies x seeds x axes: stages 1, 3 and 5, here or on a Dask cluster",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run_options(ablations)
    ablations.add_argument("--jobs", metavar="N", help="trainings at the same time on this machine")
    ablations.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler to send them to, tcp://host:8786")
    ablations.add_argument("--dry-run", action="store_true", help="list the cells and their time; run nothing")

    report = commands.add_parser("report", help="write index.html of a run anew")
    report.add_argument("folder", type=Path, help="run folder, such as reports/cpu")

    verify = commands.add_parser(
        "verify",
        help="run a committed run again in a scratch folder and compare every table, claim and figure",
        description="Exit codes: 0 all the same, 1 something differs, 3 this machine cannot be exact (see the reason).",
    )
    verify.add_argument(
        "folder", type=Path, nargs="?", default=Path("reports/example"), help="default: reports/example"
    )
    verify.add_argument("--stage", nargs="+", default=[], metavar="N", help="stages by number or name (default: all)")
    verify.add_argument(
        "--notebooks", metavar="FOLDER", type=Path, help="folder of the notebooks (default: the package's)"
    )

    imported = commands.add_parser(
        "import",
        help="your own problems, or a published set: tiers for what has none, then what problems_data takes",
        description="Reads JSON lines, a JSON array (.gz too), parquet or a data set of the Hub, in the "
        "form of TAROT, PrimeIntellect, APPS, TACO, CodeContests, LeetCodeDataset, KodCode, MBPP, HumanEval, LiveCodeBench, or "
        "plain rows: statement, solution, tests of input and output.  A killed import goes on.",
    )
    imported.add_argument("source", help="file, or name of a data set of the Hub")
    imported.add_argument("--out", type=Path, default=Path("problems.jsonl"), help="default: problems.jsonl")
    imported.add_argument("--limit", type=int, help="at most so many rows")
    imported.add_argument("--model", help="also ask this language model for inputs (its key in OPENAI_API_KEY)")
    imported.add_argument("--base-url", metavar="URL", help="where it is (default: what OPENAI_BASE_URL says)")

    commands.add_parser("parameters", help="list all parameters with defaults, ranges and meaning")
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--profile", default="cpu", metavar="NAME", help=f"{', '.join(profile_names())}, or a .yaml file (default: cpu)"
    )
    run.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; lists as a,b",
    )
    run.add_argument("--run", metavar="NAME", help="name of the run folder (default: the profile's name)")
    run.add_argument("--reports", metavar="FOLDER", help="folder of the runs (default: reports/)")
    run.add_argument(
        "--notebooks", metavar="FOLDER", type=Path, help="folder of the notebooks (default: those of the package)"
    )
    run.add_argument("--again", action="store_true", help="run stages that are done too")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if arguments is None:  # we are the process, not a function of somebody's
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the kernel is shut down, too
    try:
        if options.command == "parameters":
            _print_parameters()
        elif options.command == "report":
            from tarot_lite.report import build

            print(f"report: {build(options.folder)}")
        elif options.command == "import":
            _import(options)
        elif options.command == "verify":
            return _verify(options)
        elif options.command == "ablations":
            return _ablations(options)
        else:
            return _run(options, _parameters(options))
    except ValueError as error:
        return _complain(error, 2)
    except runs.RunError as error:
        return _complain(error, 3)
    except KeyboardInterrupt:
        if options.command == "verify":
            return _complain("stopped; nothing is left of it", 130)
        return _complain("stopped; the same command goes on from the last finished stage or checkpoint", 130)
    return 0


def _ablations(options: argparse.Namespace) -> int:
    """Say what a grid costs, or run it with the stages that it needs."""
    from tarot_lite import ablations
    from tarot_lite.ablations.executors import cluster

    parameters = _parameters(options, "jobs", "scheduler")
    settings = load_profile(options.profile, **parameters)
    cells = ablations.grid(settings)  # so that an empty one is told now
    found = cluster(settings.scheduler) if settings.scheduler else None
    if found:
        _say(str(found))
    if options.dry_run:
        folder = runs.reports_folder(settings) / settings.run_name
        _say(str(ablations.plan(cells, settings, folder, found.width if found else None)))
        return 0
    options.stage = ["1", "3", "5"]
    return _run(options, parameters)


def _import(options: argparse.Namespace) -> None:
    from tarot_lite.sandbox import Sandbox
    from tarot_lite.suites import Given, Mutation, sources, splits
    from tarot_lite.suites.language_model import LanguageModel

    proposers: list[Any] | None = None
    if options.model:
        answers = options.out.with_name(f"{options.out.name}.answers")
        proposers = [Given(), Mutation(), LanguageModel(options.model, base_url=options.base_url, cache=answers)]
    with Sandbox() as sandbox:
        told = sources.import_problems(options.source, options.out, sandbox, options.limit, proposers)
    for line in told:
        _say(line)
    sizes = splits.sized(len(splits.usable(str(options.out))[0]))
    sizes += " -p max_completion_tokens 160"  # the profile's own suffice for one line
    _say(f"a run on {options.out}: make reproduce PROFILE=smollm2-cpu ARGS='-p problems_data {options.out} {sizes}'")


def _verify(options: argparse.Namespace) -> int:
    from tarot_lite import batch
    from tarot_lite.verify import verify

    try:
        stages = batch.stage_names(options.stage) if options.stage else []
        return verify(options.folder, stages, options.notebooks, say=_say)
    except batch.StageFailed as error:
        return _complain(error, 1)


def _run(options: argparse.Namespace, parameters: dict[str, Any]) -> int:
    from tarot_lite import batch, preflight
    from tarot_lite.report import build

    began = time.monotonic()
    stages = batch.stage_names(options.stage)
    settings = load_profile(options.profile, **{name: value for name, value in parameters.items() if value is not None})
    if stages != ["02_sandboxed_execution"] and settings.scheduler is None:  # workers may have what is missing here
        try:
            preflight.check(settings)
        except preflight.PreflightError as error:
            return _complain(f"{error}" + ("\nprofile cpu needs none of it" if settings.models else ""), 2)
    try:
        folder = batch.run(stages, options.profile, parameters, options.notebooks, options.again, say=_say)
    except batch.StageFailed as error:
        return _complain(error, 1)
    page = build(folder)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    _say(f"finished in {minutes} min {seconds:02d} s\nreport: {page}")
    return 0


def _parameters(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Parameters given by ``-p`` and by options of their own: ``--profile``, ``--run``, ``--reports`` and `more`."""
    given: dict[str, Any] = {}
    for name, text in options.parameters:
        if name in given:
            raise ValueError(f"parameter {name} is given twice: {given[name]!r} and {text!r}")
        given[name] = text  # which the settings read by the parameter's type
    check_names(given)
    for name in ("profile", "run", "reports", *more):
        option = getattr(options, name)
        if name in given and (name != "profile" or option != "cpu") and option not in (None, given[name]):
            raise ValueError(f"parameter {name} is given twice: -p {name} {given[name]} and --{name} {option}")
    options.profile = str(given.pop("profile", options.profile))
    return {name: getattr(options, name) for name in ("run", "reports", *more)} | given


def _print_parameters() -> None:
    for row in describe():
        print(f"{row['parameter']}  (default {row['default']})")
        print(
            textwrap.fill(
                f"{row['meaning']} Takes {row['takes']}.", 100, initial_indent="    ", subsequent_indent="    "
            )
        )


def _say(text: str) -> None:
    print(text, flush=True)


def _complain(problem: object, code: int) -> int:
    print(f"tarot_lite: {problem}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
