"""What programs get, and what comes out: verdicts, limits, equal conditions for every test, bad input."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sandbox_helpers import BRIEF, QUICK

from tarot_lite.judging import Comparison, Verdict
from tarot_lite.problems import Form, Problem, TestCase, Tier
from tarot_lite.sandbox import Execution, Limits, Sandbox, SandboxError


def verdicts(runs: list[Execution]) -> list[str]:
    return [run.verdict.value for run in runs]


@pytest.mark.parametrize(
    ("program", "verdict", "error"),
    [
        ("print(input())", "passed", ""),
        ("1 / 0", "exception", "ZeroDivisionError: division by zero (line 1)"),
        ("\ndef f(:", "exception", "SyntaxError"),
        ("import sys\nsys.exit(3)", "exception", "exit code 3"),
        ("import sys\nsys.exit('no')", "exception", "exit with the message no"),
        ("exit()", "passed", ""),
        ("import os\nos._exit(4)", "exception", "exit code 4"),
        ("while True: pass", "timeout", "used more than 0.5 s of CPU time"),
        ("import time\ntime.sleep(60)", "timeout", "took more than 2 s by the clock"),
        ("x = bytearray(10**10)", "memory_exceeded", "MemoryError (line 1)"),
        ("print('x' * 10**6)", "output_exceeded", "wrote more than 65536 bytes"),
        ("import ctypes\nctypes.string_at(0)", "signal", "killed by SIGSEGV"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "exception", "cannot be printed"),
        ("a\0b", "exception", "null bytes"),
        ("print('\ud800')", "exception", "surrogates not allowed"),
        ("import torch", "exception", "ModuleNotFoundError"),
    ],
)
def test_each_end_has_its_own_verdict(sandbox: Sandbox, program: str, verdict: str, error: str) -> None:
    runs = sandbox.run(program, ["a", "b"], BRIEF if "sleep" in program else QUICK)
    assert verdicts(runs) == [verdict] * 2
    assert all(error in run.error for run in runs), runs


def test_one_bad_test_leaves_the_others_their_verdicts(sandbox: Sandbox) -> None:
    program = """
text = input()
if text == "loop":
    while True: pass
if text == "memory": [0] * 10**12
if text == "crash": __import__("ctypes").string_at(0)
if text == "exit": __import__("os")._exit(0)
print(text)
"""
    runs = sandbox.run(program, ["a", "loop", "b", "memory", "c", "crash", "d", "exit", "e"])
    assert verdicts(runs)[::2] == ["passed"] * 5
    assert [run.stdout for run in runs[::2]] == ["a\n", "b\n", "c\n", "d\n", "e\n"]
    assert verdicts(runs)[1::2] == ["timeout", "memory_exceeded", "signal", "passed"]
    assert runs[7].stdout == ""


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nprint(sys.getrecursionlimit())\nsys.setrecursionlimit(5000)",
        "import random\nprint(random.random())",
        "import builtins\nprint(len(builtins.__dict__), print.__name__)\nbuiltins.spam = 1\nbuiltins.len = abs",
        "import math\nprint(math.pi)\nmath.pi = 3",
        "import collections\nprint(getattr(collections, 'seen', 0))\nsetattr(collections, 'seen', 1)",
        "import sys\nprint('spam' in sys.modules)\nsys.modules['spam'] = sys",
        "import decimal\nprint(decimal.getcontext().prec)\ndecimal.getcontext().prec = 3",
        "import os\nprint(dict(os.environ), os.getcwd())\nos.environ['A'] = 'b'",
        "print(globals().get('seen', 0))\nseen = 1",
        "import os\nprint(os.dup(0))",
        "import atexit\natexit.register(print, 'bye')",
        "import threading\nprint(threading.active_count())\nthreading.Thread(target=print, args=('late',)).start()",
        "import sys\nprint(sys.stdin.read())\nsys.stdin.close()",
        "import os\nprint(open(0).read())",
        "import sys, io\nprint(1)\nsys.stdout = io.StringIO()\nprint(2)",
        "import warnings\nprint(len(warnings.filters))\nwarnings.simplefilter('ignore')",
        "print(hash('fixed'))",
        "import sys\nprint(sys.getswitchinterval())\nsys.setswitchinterval(1)",
        "import gc\nprint(gc.isenabled())\ngc.disable()",
        "import signal\nprint(signal.getsignal(signal.SIGTERM))\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import threading\nprint(threading.stack_size())\nthreading.stack_size(1 << 20)",
    ],
)
def test_every_test_starts_as_the_first_one_did(sandbox: Sandbox, program: str) -> None:
    together = sandbox.run(program, ["x"] * 4)
    assert {(run.verdict, run.stdout, run.error) for run in together} == {(Verdict.PASSED, together[0].stdout, "")}, (
        together
    )
    with Sandbox(workers=1, fresh_process=True) as fresh:
        assert [run.stdout for run in fresh.run(program, ["x"] * 2)] == [together[0].stdout] * 2


def test_a_program_ends_as_in_an_ordinary_interpreter(sandbox: Sandbox) -> None:
    program = """
import atexit, threading, time, sys
atexit.register(lambda: print("exit function"))
def late():
    time.sleep(0.05)
    print("thread")
threading.Thread(target=late).start()
class Noisy:
    def __del__(self): print("deleted")
sys.stdout.write("first ")
"""
    assert sandbox.run(program, [""])[0].stdout == "first thread\nexit function\n"
    assert sandbox.run("class A:\n    def __del__(self): print('deleted')\na = A()\nprint('end')", [""])[0].stdout == (
        "end\ndeleted\n"
    )


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ("", True),
        ("def f():\n    yield 1\nlist(f())", True),
        ("class A:\n    def __del__(self): pass\na = A()", True),
        ("import atexit", False),
        ("import threading\nthreading.stack_size(1 << 20)", False),
    ],
)
def test_a_process_is_kept_for_the_next_test_of_a_program_that_leaves_no_trace(
    sandbox: Sandbox, extra: str, kept: bool
) -> None:
    runs = sandbox.run(f"import os\nprint(os.getpid())\n{extra}", [""] * 3)
    assert len({run.stdout for run in runs}) == (1 if kept else 3), runs


def test_text_goes_in_and_out_unchanged(sandbox: Sandbox) -> None:
    text = "äöü € 𝄞\n\ttabs \n\nlast line without newline"
    assert sandbox.run("import sys\nprint(sys.stdin.read(), end='')", [text])[0].stdout == text
    assert sandbox.run("import sys\nprint(len(sys.stdin.buffer.read()))", ["x" * 10**7])[0].stdout == "10000000\n"
    assert sandbox.run("import sys\nsys.stdout.buffer.write(b'\\xffa')", [""])[0].stdout == "\ufffda"


def test_numpy_where_it_is_installed() -> None:
    pytest.importorskip("numpy")
    with Sandbox(workers=1) as box:
        runs = box.run("import numpy as np\nprint(np.random.rand(), np.linalg.inv(np.eye(2)).sum())", ["", ""])
        assert [run.error for run in runs] == ["", ""]
        assert runs[0].stdout == runs[1].stdout
        assert runs[0].stdout.endswith(" 2.0\n")
    with Sandbox(workers=1, packages=[]) as box:
        assert "ModuleNotFoundError" in box.run("import numpy", [""])[0].error


def test_judging_compares_whole_outputs(sandbox: Sandbox) -> None:
    problem = Problem("p", "Count to two.", (TestCase("", "1\n2\n", Tier.BASIC), TestCase("x", "1\n2", Tier.EDGE)))

    def judged(code: str | None) -> list[str]:
        return [result.verdict.value for result in sandbox.judge(problem, code)]

    assert judged("print('1  \\n2\\n\\n')") == ["passed"] * 2
    for wrong in ("print(1)", "print('1\\n2\\n3')", "print()", "pass", "print('2\\n1')", "print('1\\n2.0')"):
        assert judged(wrong) == ["wrong_answer"] * 2, wrong
    assert judged(None) == ["wrong_answer"] * 2
    lax = Problem("q", "", problem.tests, comparison=Comparison(float_tolerance=1e-6, unordered_lines=True))
    assert [result.passed for result in sandbox.judge(lax, "print('2.0000001\\n1')")] == [True, True]


def test_all_three_forms(sandbox: Sandbox) -> None:
    function = Problem(
        "f", "", (TestCase("([3, 1],)", "[1, 3]"), TestCase("((),)", "[]")), form=Form.FUNCTION, entry_point="f"
    )
    assert [r.passed for r in sandbox.judge(function, "def f(xs):\n    print('noise')\n    return sorted(xs)")] == [
        True
    ] * 2
    scaffold = Problem(
        "s",
        "",
        (TestCase("2", "4"),),
        form=Form.SCAFFOLD,
        scaffold="x = int(input())\ndef f():\n    {{body}}\nprint(f())",
    )
    assert sandbox.judge(scaffold, "return 2 * x")[0].passed


def test_many_programs_keep_their_order_and_equal_ones_run_once(sandbox: Sandbox) -> None:
    jobs = [(f"print({number % 7}, int(input()) * 2)", ["1", "2"]) for number in range(60)]
    runs = sandbox.run_many(jobs)
    assert [[run.stdout for run in result] for result in runs] == [
        [f"{number % 7} 2\n", f"{number % 7} 4\n"] for number in range(60)
    ]
    assert runs[0][0] is runs[7][0]
    assert sandbox.run_many([]) == []


def test_each_job_may_have_limits_of_its_own(sandbox: Sandbox) -> None:
    busy = "for _ in range(int(input())):\n    pass\nprint('end')"
    short, long = Limits(cpu_seconds=0.05), Limits(cpu_seconds=20)
    jobs = [(busy, ["10000000"])] * 2 + [(busy, ["1"])] * 2
    runs = sandbox.run_many(jobs, limits=[short, long, short, long])
    assert [verdicts(run) for run in runs] == [["timeout"], ["passed"], ["passed"], ["passed"]]
    assert [verdicts(run) for run in sandbox.run_many(jobs, limits=short)] == [
        ["timeout"],
        ["timeout"],
        ["passed"],
        ["passed"],
    ]
    with pytest.raises(ValueError, match="3 limits for 4 jobs"):
        sandbox.run_many(jobs, limits=[short] * 3)


def test_large_and_small_jobs_side_by_side(sandbox: Sandbox) -> None:
    """Large answers and large questions in one batch must not wait for each other."""
    program = "text = input()\nprint(len(text) if len(text) > 9 else 'y' * int(text))"
    inputs = [["60000"] * 20, ["x" * 3_000_000], ["60000"], ["x" * 30_000]] * 8
    jobs = [(f"{program}  # {number}", text) for number, text in enumerate(inputs)]
    for (_, texts), runs in zip(jobs, sandbox.run_many(jobs), strict=True):
        wanted = [len(text) if len(text) > 9 else int(text) for text in texts]
        got = [int(run.stdout) if len(text) > 9 else len(run.stdout) - 1 for text, run in zip(texts, runs, strict=True)]
        assert got == wanted


def test_the_sandbox_may_be_shared_by_threads(sandbox: Sandbox) -> None:
    seen: dict[int, str] = {}

    def work(number: int) -> None:
        seen[number] = sandbox.run(f"print({number})", [""])[0].stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: f"{number}\n" for number in range(20)}


def _in_a_fork(box: Sandbox, answers: multiprocessing.SimpleQueue[str]) -> None:
    answers.put(box.run("print('from the fork')", [""])[0].stdout)


def test_a_fork_of_the_owner_starts_workers_of_its_own(sandbox: Sandbox) -> None:
    sandbox.run("pass", [""])
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_in_a_fork, args=(sandbox, answers))
    process.start()
    assert answers.get() == "from the fork\n"
    process.join()
    assert sandbox.run("print('still ours')", [""])[0].stdout == "still ours\n"


def test_cpu_time_not_the_clock_is_limited(sandbox: Sandbox) -> None:
    """A right program that needs half of its CPU limit passes although six busy processes take the processors away."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    try:
        program = (
            "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.25: pass\nprint('done')"
        )
        runs = sandbox.run_many([(program + f"  # {number}", [""]) for number in range(4)], limits=Limits(0.5, 60))
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert [run[0].verdict for run in runs] == [Verdict.PASSED] * 4, runs
    assert max(run[0].wall_seconds for run in runs) > 0.25


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((b"print(1)", [""]), TypeError, "program is bytes"),
        ((None, [""]), TypeError, "program is NoneType"),
        (("x" * (1 << 22) + "y", [""]), ValueError, "longest allowed"),
        (("pass", []), ValueError, "inputs is empty"),
        (("pass", "text"), TypeError, "one text"),
        (("pass", ["", 3]), TypeError, "input 1 is int"),
        (("pass", ["x" * ((1 << 26) + 1)]), ValueError, "input 0 has"),
    ],
)
def test_bad_input_is_named(sandbox: Sandbox, arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sandbox.run(*arguments)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpu_seconds", 0), ("cpu_seconds", -1), ("cpu_seconds", float("nan")), ("cpu_seconds", "4"),
        ("wall_seconds", 0), ("wall_seconds", 1), ("memory_mb", 0), ("memory_mb", 100.5), ("memory_mb", True),
        ("output_kb", 0), ("output_kb", -3), ("processes", 0),
    ],
)  # fmt: skip
def test_limits_below_what_makes_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"Limits.{field} is "):
        Limits(**{field: value})


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_a_wrong_number_of_workers_is_refused(workers: object) -> None:
    with pytest.raises(ValueError, match="workers="):
        Sandbox(workers=workers)  # type: ignore[arg-type]


def test_other_bad_arguments() -> None:
    with pytest.raises(ValueError, match="verdict 'fine' is unknown; use one of passed, "):
        Execution("fine")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="level 'strong' is unknown"):
        Sandbox(require="strong")
    with pytest.raises(ValueError, match="'walls' is unknown"):
        Sandbox(without=["walls"])
    with pytest.raises(ValueError, match="'no_such_package' is not an installed package"):
        Sandbox(packages=["no_such_package"])
    with pytest.raises(ValueError, match="Limits object"):
        Sandbox(limits=4)  # type: ignore[arg-type]
    with Sandbox(workers=1) as box:
        with pytest.raises(ValueError, match="'empty' has no tests"):
            box.judge(Problem("empty", ""), "pass")
        with pytest.raises(TypeError, match="'p': code is int"):
            box.judge(Problem("p", "", (TestCase("", ""),)), 3)  # type: ignore[arg-type]
    assert issubclass(SandboxError, RuntimeError)


def test_import_is_light_and_workers_are_clean(repository: Path) -> None:
    program = (
        "import sys\nfrom tarot_lite.sandbox import Sandbox\n"
        "heavy = {'torch', 'numpy', 'pandas', 'trl', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "modules = Sandbox(workers=1).run('import sys\\nprint(*sys.modules)', [''])[0].stdout.split()\n"
        "assert not {'torch', 'numpy', 'tarot_lite', 'inside'} & {m.partition('.')[0] for m in modules}, modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=repository)
