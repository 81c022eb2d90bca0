"""Readers on rows in exactly the published schema (fields and types of the data cards; contents are our own)."""

import base64
import json
import os
import pickle
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from hub_stand_in import stand_in

from tarot_lite import benchmarks
from tarot_lite.benchmarks import BenchmarkError, schemas
from tarot_lite.benchmarks.prompts import solution
from tarot_lite.judging import Verdict
from tarot_lite.sandbox import Execution, Sandbox

ADD = '\n\ndef add(a, b):\n    """ Sum. """\n'
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": ADD,
    "canonical_solution": "    return a + b\n",
    "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(0, 0) == 0\n",
    "entry_point": "add",
}
HUMANEVAL_PLUS_FILE = {
    "task_id": "HumanEval/0",
    "prompt": ADD,
    "contract": "",
    "canonical_solution": "    return a + b\n",
    "entry_point": "add",
    "base_input": [[1, 2]],
    "plus_input": [[0.1, 0.2], [10, -10]],
    "atol": 0,
}
PLUS_TEST = """import numpy as np

def is_floats(x) -> bool:
    return isinstance(x, float)

def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp

"""
HUMANEVAL_PLUS_HUB = {
    **{name: HUMANEVAL[name] for name in ("task_id", "prompt", "canonical_solution", "entry_point")},
    "test": PLUS_TEST
    + "def check(candidate):\n    inputs = [[1, 2], [0.1, 0.2]]\n    results = [3, 0.3]\n"
    + "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 0)\n",
}
MBPP_FULL = {
    "task_id": 2,
    "text": "Write a function to add two numbers.",
    "code": "def add(a, b):\r\n  return a + b",
    "test_list": ["assert add(1, 2) == 3", "assert (add(1, 1)) == 2", "assert add(0,0)==0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
MBPP_SANITIZED = {
    "source_file": "Benchmark Questions Verification V2.ipynb",
    "task_id": 2,
    "prompt": "Write a function to add two numbers.",
    "code": "import math\ndef add(a, b):\n  return a + b",
    "test_imports": ["import math"],
    "test_list": ["assert add(1, 2) == 3", "assert math.isclose(add(0.1, 0.2), 0.3, rel_tol=0.001)"],
}
MBPP_PLUS_HUB = {
    "task_id": 2,
    "code": "def similar_elements(a, b):\n  return tuple(set(a) & set(b))",
    "prompt": "Write a function to find the shared elements from the given two lists.",
    "source_file": "",
    "test_imports": [],
    "test_list": ["assert set(similar_elements((3, 4), (5, 4))) == set((4,))"],
    "test": PLUS_TEST
    + "inputs = [[(3, 4, 5), (5, 4)], [(1,), (1,)]]\nresults = [(4, 5), (1,)]\n"
    + "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(similar_elements(*inp), exp, 0)\n",
}
CRUXEVAL = {"code": "def f(a, b):\n    return a * b", "input": "'ab', 2", "output": "'abab'", "id": "sample_0"}


def private(cases):
    """As the data set packs them: base64 of zlib of a pickle of JSON text."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


LIVE_STDIN = {
    "question_title": "A. Double",
    "question_content": "Print twice the number.",
    "platform": "atcoder",
    "question_id": "abc300_a",
    "contest_id": "abc300",
    "contest_date": "2024-10-05T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps([{"input": "1\n", "output": "2\n", "testtype": "stdin"}]),
    "private_test_cases": private([{"input": "4\n", "output": "8\n", "testtype": "stdin"}]),
    "metadata": "{}",
}
LIVE_FUNCTION = {
    **LIVE_STDIN,
    "platform": "leetcode",
    "question_id": "3000",
    "contest_date": "2024-11-02T00:00:00",
    "difficulty": "hard",
    "starter_code": "class Solution:\n    def pair(self, xs: List[int], k: int) -> List[int]:\n        ",
    "public_test_cases": json.dumps([{"input": "[1, 2]\n3", "output": "[3, 3]", "testtype": "functional"}]),
    "private_test_cases": private([{"input": "[]\n1", "output": "[0, 1]", "testtype": "functional"}]),
    "metadata": json.dumps({"func_name": "pair"}),
}
CODEFORCES = {
    "id": "1/A",
    "aliases": None,
    "contest_id": "1",
    "contest_name": "Round",
    "contest_type": "CF",
    "contest_start": 1728129600,
    "contest_start_year": 2024,
    "index": "A",
    "time_limit": 1.0,
    "memory_limit": 256.0,
    "title": "Twice",
    "description": "Print twice n.",
    "input_format": "n",
    "output_format": "2n",
    "interaction_format": None,
    "note": None,
    "examples": [{"input": "1", "output": "2"}],
    "editorial": None,
    "rating": 800,
    "tags": ["math"],
    "testset_size": 2,
    "official_tests": [{"input": "1\n", "output": "2\n"}, {"input": "3\n", "output": "6\n"}],
    "official_tests_complete": True,
    "input_mode": "stdio",
    "generated_checker": None,
    "executable": True,
    "generated_tests": 0,
}
ADD_RIGHT = "def add(a, b):\n    return a + b"
PAIR = "class Solution:\n    def pair(self, xs: List[int], k: int) -> List[int]:\n        return sum(xs), k"
SIMILAR = "def similar_elements(a, b):\n    return [x for x in b[::-1] if x in a]"
CASES = [
    ("humaneval", HUMANEVAL, ADD_RIGHT, ADD_RIGHT.replace("+", "-")),
    ("humaneval+", HUMANEVAL_PLUS_FILE, "def add(a, b):\n    return b + a", "def add(a, b):\n    return b + a + 1e-3"),
    ("humaneval+", HUMANEVAL_PLUS_HUB, "def add(a, b):\n    return b + a", "def add(a, b):\n    return round(a + b)"),
    ("mbpp", MBPP_FULL, ADD_RIGHT, "def add(a, b):\n    return a"),
    ("mbpp", MBPP_SANITIZED, ADD_RIGHT, "def add(a, b):\n    return round(a + b)"),
    ("mbpp+", MBPP_PLUS_HUB, SIMILAR, SIMILAR.replace("x in a", "x not in a")),
    ("cruxeval-i", CRUXEVAL, "'ab' * 2, 1", "'ab', 3"),
    ("cruxeval-o", CRUXEVAL, "'ab' + 'ab'", "'ab'"),
    ("livecodebench", LIVE_STDIN, "print(2 * int(input()))", "print(2)"),
    ("livecodebench", LIVE_FUNCTION, PAIR, PAIR.replace("k\n", "k").replace("sum(xs), k", "[k, k]")),
    ("codeforces", CODEFORCES, "print(2 * int(input()))", "print(2)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as sandbox:
        yield sandbox


def load(tmp_path, name, *rows):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return benchmarks.load(name, path)


@pytest.mark.parametrize(
    ("name", "row", "right", "wrong"),
    CASES,
    ids=lambda value: value if isinstance(value, str) and len(value) < 15 else "",
)
def test_a_published_row_judges_right_and_wrong(tmp_path, sandbox, name, row, right, wrong):
    loaded = load(tmp_path, name, row)
    samples = [benchmarks.Sample(loaded.tasks[0].task_id, text) for text in (right, wrong, "")]
    report = benchmarks.score(loaded, samples, sandbox)
    assert [result.passed for result in report.results] == [True, False, False]
    assert all(result.verdict is not Verdict.SANDBOX_FAILURE for result in report.results) and not report.forgeable


@pytest.mark.parametrize(
    ("name", "row", "right", "wrong"), [case for case in CASES if case[0] not in ("livecodebench", "codeforces")]
)
def test_the_references_of_the_data_pass(tmp_path, sandbox, name, row, right, wrong):
    loaded = load(tmp_path, name, row)
    report = benchmarks.score(loaded, benchmarks.references(loaded), sandbox)
    assert [result.passed for result in report.results] == [True]


@pytest.mark.parametrize(("name", "row", "right", "wrong"), CASES)
def test_a_row_without_one_of_its_fields_is_refused_by_name_or_does_not_need_it(tmp_path, name, row, right, wrong):
    refused = set()
    for field in row:
        try:
            load(tmp_path, name, {key: value for key, value in row.items() if key != field})
        except BenchmarkError as error:
            assert "row 0" in str(error) and (
                repr(field) in str(error) or field in ("base_input", "test", "entry_point")
            )
            refused.add(field)
    assert len(refused) >= 2  # each reader needs at least a key and a task


def test_the_same_rows_through_the_datasets_library(tmp_path):
    (tmp_path / "test.jsonl").write_text(json.dumps(HUMANEVAL) + "\n", encoding="utf-8")
    loaded = benchmarks.load("humaneval", hub=str(tmp_path))
    assert [task.task_id for task in loaded.tasks] == ["HumanEval/0"] and "164" in loaded.source.notes[0]


def test_files_of_a_data_set_with_a_loading_script_are_read_directly(tmp_path):
    (tmp_path / "test.jsonl").write_text(json.dumps(LIVE_STDIN) + "\n", encoding="utf-8")
    (tmp_path / "test5.jsonl").write_text(json.dumps(LIVE_FUNCTION) + "\n", encoding="utf-8")
    assert [task.task_id for task in benchmarks.load("livecodebench", hub=str(tmp_path)).tasks] == ["abc300_a", "3000"]


def test_a_data_set_that_cannot_be_reached_says_what_to_do(monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(BenchmarkError, match=r"no-such/data@abc cannot be loaded .*--data.*revision"):
        benchmarks.load("humaneval", hub="no-such/data", revision="abc")


_LOOK = """
import json, sys
from tarot_lite import benchmarks

for revision in sys.argv[1:]:
    try:
        loaded = benchmarks.load("humaneval", revision=revision)
        print(json.dumps([loaded.source.where, loaded.source.notes]))
    except benchmarks.UnreachableError as error:
        print(json.dumps([str(error), []]))
"""


def test_a_revision_that_vanished_is_said_and_no_other_one_is_taken_for_it(repository, tmp_path):
    """Against a Hub of the tests' own, then without it, when `datasets` would offer whatever its cache holds."""
    name, here, gone, other = "openai/openai_humaneval", "0" * 40, "d" * 40, "e" * 40
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    with stand_in() as hub:
        hub.repositories[name] = {"private": False}
        hub.files[name] = {"test.jsonl": json.dumps(HUMANEVAL).encode() + b"\n"}
        hub.gone.add(gone)
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "PYTHONPATH": str(repository)}
        online, vanished, branch = asked(environment, here, gone, "main")
        cached, refused = asked(environment | {"HF_HUB_OFFLINE": "1"}, here, other)
    assert online[0] == branch[0] == cached[0] == f"{name}@{here}"
    assert "vouched for by their revision on the Hub alone" in online[1][-1]
    assert f"Revision '{gone}' doesn't exist" in vanished[0] and "--revision, benchmark_revisions" in vanished[0]
    assert f"does not give {name}@{other}, and the cache of datasets holds {here} instead" in refused[0]


def asked(environment, *revisions):
    """Where the rows came from, or the error, and the notes, revision by revision."""
    command = [sys.executable, "-c", _LOOK, *revisions]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_rows_of_the_hub_that_this_version_cannot_vouch_for_are_said_to_be_so(tmp_path):
    (tmp_path / "test.jsonl").write_text(json.dumps(HUMANEVAL) + "\n", encoding="utf-8")
    notes = benchmarks.load("humaneval", hub=str(tmp_path)).source.notes
    assert any("vouched for by their revision" in note for note in notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interaction_format": "Ask."}, "interactive"),
        ({"input_mode": "file"}, "reads 'file', not standard input"),
        ({"official_tests_complete": False}, "tests are cut short in the data"),
        ({"official_tests": []}, "no tests in the data"),
    ],
)
def test_codeforces_problems_that_need_more_are_counted_apart(tmp_path, sandbox, changes, reason):
    loaded = load(tmp_path, "codeforces", {**CODEFORCES, **changes}, {**CODEFORCES, "id": "2/A"})
    samples = [benchmarks.Sample(task, "print(2 * int(input()))") for task in ("1/A", "2/A")]
    report = benchmarks.score(loaded, samples, sandbox)
    assert report.unsupported == {"1/A": reason} and [each.task_id for each in report.results] == ["2/A"]
    assert any("1 tasks counted apart" in remark for remark in report.remarks)


CHECKER = """import sys

def main(input_path, output_path, submission_path):
    total = int(open(input_path).read())
    with open(submission_path, "r") as file:
        parts = [int(word) for word in file.read().split()]
    assert open(output_path, "rb").read() and "input.txt" == sys.argv[1]
    print(1 if len(parts) == 2 and sum(parts) == total else 0)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("program", "verdict", "detail"),
    [
        ("n = int(input())\nprint(n - 1, 1)", Verdict.PASSED, ""),
        ("print(int(input()), 0)", Verdict.PASSED, ""),
        ("print(1, 1)", Verdict.WRONG_ANSWER, r"test 0: got '1 1\n'; its checker says '0'"),
        ("print('two numbers')", Verdict.WRONG_ANSWER, "exception, ValueError: invalid literal"),
        ("print(1)\nprint('1')", Verdict.WRONG_ANSWER, "its checker says '0'"),
        ("raise KeyError(3)", Verdict.EXCEPTION, "test 0: KeyError"),
        ("while True: pass", Verdict.TIMEOUT, "test 0"),
    ],
)
def test_where_several_answers_are_right_the_data_s_checker_judges(tmp_path, sandbox, program, verdict, detail):
    tests = [{"input": "3\r\n", "output": "1 2\r\n"}, {"input": "7\r\n", "output": "3 4\r\n"}]
    row = {**CODEFORCES, "generated_checker": CHECKER, "official_tests": tests, "time_limit": 0.5}
    loaded = load(tmp_path, "codeforces", row)
    [result] = benchmarks.score(loaded, [benchmarks.Sample("1/A", program)], sandbox).results
    assert result.verdict is verdict and detail in result.detail


def test_line_ends_of_windows_in_the_tests_do_not_matter(tmp_path, sandbox):
    row = {**CODEFORCES, "official_tests": [{"input": "2\r\n3\r\n", "output": "2\r\n3\r\n"}]}
    loaded = load(tmp_path, "codeforces", row)
    program = "import sys\nfor line in sys.stdin.buffer: print(line.decode(), end='')"
    assert benchmarks.score(loaded, [benchmarks.Sample("1/A", program)], sandbox).results[0].passed


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ("1\n2\n", "1\n2", True),
        ("\n  yes \n", "yes", True),
        ("2.50 1e3", "2.5 1000", True),
        ("2.5001", "2.5", False),
        ("yes 1.0", "yes 1", False),
        ("1 2", "1\n2", False),
        ("1", "1\n1", False),
        ("nan", "nan", True),
        ("", "0", False),
    ],
)
def test_livecodebench_compares_numbers_by_value(actual, expected, same):
    cases = [{"input": "", "output": expected, "testtype": "stdin"}]
    row = {**LIVE_STDIN, "public_test_cases": json.dumps(cases), "private_test_cases": private([])}
    judged = schemas.livecodebench(row, "row").tests.judge([Execution(Verdict.PASSED, actual)])
    assert (judged.verdict is Verdict.PASSED) == same


DEEP = "def pair(xs, k):\n    return [k, 0] if k < 1 else pair(xs, k - 1)\n"
GRANTED = (
    "assert gcd(4, 6) == 2 and deepcopy([1]) == [1] and sqrt(4) == 2 and Counter('a')['a'] == datetime.MINYEAR\n"
    "assert pow(2, 5, 7) == 4 and eval(compile('3', '', 'eval')) == 3 and inf > maxsize and ascii_lowercase[0] == 'a'\n"
)


@pytest.mark.parametrize(
    ("row", "solution"),
    [
        (LIVE_STDIN, GRANTED + "print(2 * int(stdin.readline()))"),
        (LIVE_FUNCTION, GRANTED + PAIR),
        (LIVE_STDIN, DEEP + "print(2 * int(input()) + pair([], 5000)[0])"),
        (LIVE_FUNCTION, DEEP + PAIR.replace("return sum(xs)", "return pair([], 5000)[0] + sum(xs)")),
        (LIVE_FUNCTION, "def pair(xs, k):\n    return [sum(xs), k]"),  # no class: the runner takes the bare function
    ],
    ids=["names", "names in a class", "recursion", "recursion in a class", "function"],
)
def test_livecodebench_grants_what_its_runner_grants(tmp_path, sandbox, row, solution):
    loaded = load(tmp_path, "livecodebench", row)
    [result] = benchmarks.score(loaded, [benchmarks.Sample(row["question_id"], solution)], sandbox).results
    assert result.passed, result.detail


BUSY = "import time\ndef pair(xs, k):\n    end = time.process_time() + {}\n    while time.process_time() < end: pass\n"


@pytest.mark.parametrize(
    ("solution", "verdict", "detail"),
    [
        (BUSY.format(0.3) + "    return [sum(xs), k]", Verdict.PASSED, ""),  # three calls take more than one may
        (BUSY.format("(9 if k == 3 else 0)") + "    return [sum(xs), k]", Verdict.TIMEOUT, "call 1 with [[], 3]"),
        (BUSY.format(0) + "    raise KeyError(k)", Verdict.EXCEPTION, "KeyError: 2"),
    ],
)
def test_livecodebench_limits_each_call_not_all_of_them(monkeypatch, sandbox, solution, verdict, detail):
    monkeypatch.setattr(schemas, "_LIVE_SECONDS", 0.6)
    cases = [{"input": f"[]\n{k}", "output": f"[0, {k}]", "testtype": "functional"} for k in (2, 3, 4)]
    task = schemas.livecodebench(
        {**LIVE_FUNCTION, "private_test_cases": private(cases), "public_test_cases": "[]"}, "row"
    )
    run = sandbox.run(*task.tests.job(solution))
    judged = task.tests.judge(run)
    assert judged.verdict is verdict and detail in judged.detail and run[0].cpu_seconds < 2.5


def test_generated_tests_that_were_joined_to_the_rows_stand_in_for_those_cut_short(tmp_path, sandbox):
    generated = [{"input": "1000\n", "output": "2000\n"}]
    row = {**CODEFORCES, "official_tests_complete": False, "generated_tests": generated}
    loaded = load(tmp_path, "codeforces", row)
    programs = ("print(2 * int(input()))", "n = int(input())\nprint(2 * n if n < 1000 else 0)")
    report = benchmarks.score(loaded, [benchmarks.Sample("1/A", program) for program in programs], sandbox)
    assert [result.passed for result in report.results] == [True, False] and not report.unsupported


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ("YES\n2 3\n", "YES\r\n2 3\r\n", True),
        ("yes\nNo\n", "YES\nNO\n", True),
        ("  1\n\n2 3 \n", "1 2\n3", True),
        ("1 2", "1 2 3", False),
        ("1.0", "1", False),
        ("a", "A", False),
        ("noon", "NOon", False),
        ("", "1", False),
    ],
)
def test_codeforces_compares_words_where_there_is_no_checker(actual, expected, same):
    row = {**CODEFORCES, "official_tests": [{"input": "", "output": expected}]}
    judged = schemas.codeforces(row, "row").tests.judge([Execution(Verdict.PASSED, actual)])
    assert (judged.verdict is Verdict.PASSED) == same


@pytest.mark.parametrize(
    ("said", "right"), [("1", True), (" 100\n", True), ("0.5", False), ("0\n1", False), ("", False)]
)
def test_a_checker_says_one_or_a_hundred_and_sees_no_empty_lines(said, right):
    row = {**CODEFORCES, "generated_checker": CHECKER, "official_tests": [{"input": "3\n\n", "output": "1\n\n2\n"}]}
    tests, run = schemas.codeforces(row, "row").tests, Execution(Verdict.PASSED, "\n2\n \n\n1\n\n")
    assert json.loads(tests.check([run])[1][0]) == ["3\n\n", "1\n2\n", "2\n \n1\n"]
    assert (tests.judge([run, Execution(Verdict.PASSED, said)]).verdict is Verdict.PASSED) == right


def test_codeforces_limits_and_tags_are_the_data_s_own():
    task = schemas.codeforces(CODEFORCES, "row")
    assert (task.cpu_seconds, task.memory_mb) == (1.0, 256)
    assert task.tags == {"platform": "codeforces", "date": "2024-10-05", "difficulty": "800-1199"}


def test_evalplus_limits_each_call_by_what_the_reference_took(tmp_path, sandbox):
    rows = {**HUMANEVAL_PLUS_FILE, "plus_input": [[n, n] for n in range(4)]}
    loaded = load(tmp_path, "humaneval+", rows)
    (ready,) = benchmarks.prepare(loaded.tasks, sandbox)
    assert (ready.tests.seconds, ready.cpu_seconds) == (1.0, 6.0)
    busy = BUSY.replace("pair(xs, k)", "add(a, b)")
    samples = [busy.format(0.7) + "    return a + b", busy.format("(9 if a == 2 else 0)") + "    return a + b"]
    slow, stuck = benchmarks.score(
        loaded, [benchmarks.Sample("HumanEval/0", each) for each in samples], sandbox
    ).results
    assert slow.passed and slow.cpu_seconds > 3, "no call takes a second, though all of them take more than three"
    assert stuck.verdict is Verdict.TIMEOUT and stuck.base and "call 3 with [2, 2]" in stuck.detail
    assert "used more than 1 s of CPU time" in stuck.detail and stuck.cpu_seconds < 2.5


def test_where_no_tests_are_the_original_benchmark_s_none_are_reported_as_passed(tmp_path, sandbox):
    row = {**HUMANEVAL_PLUS_HUB, "test": PLUS_TEST + "def check(candidate):\n    inputs = [[1, 2], [0.1, 0.2]]\n"}
    loaded = load(tmp_path, "humaneval+", row)
    samples = [benchmarks.Sample("HumanEval/0", f"def add(a, b):\n    return {each}") for each in ("a + b", "a - b")]
    results = benchmarks.score(loaded, samples, sandbox).results
    assert [(each.passed, each.base) for each in results] == [(True, None), (False, None)]


def test_limits_are_those_of_the_reference_tools():
    known = {name: (each.cpu_seconds, each.memory_mb) for name, each in benchmarks.BENCHMARKS.items()}
    assert known["cruxeval-i"][0] == known["cruxeval-o"][0] == 3.0 and known["livecodebench"] == (6.0, 4096)


def test_a_time_limit_of_the_data_strikes(tmp_path, sandbox):
    loaded = load(tmp_path, "codeforces", {**CODEFORCES, "time_limit": 0.2})
    report = benchmarks.score(loaded, [benchmarks.Sample("1/A", "while True: pass")], sandbox)
    assert report.results[0].verdict is Verdict.TIMEOUT


def test_the_contamination_window(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps(LIVE_STDIN) + "\n" + json.dumps(LIVE_FUNCTION) + "\n", encoding="utf-8")
    assert [t.task_id for t in benchmarks.load("livecodebench", path, since="2024-11-01").tasks] == ["3000"]
    assert [t.task_id for t in benchmarks.load("livecodebench", path, until="2024-11-02").tasks] == ["abc300_a"]
    with pytest.raises(BenchmarkError, match="the data runs from 2024-10-05 to 2024-11-02"):
        benchmarks.load("livecodebench", path, since="2025-01-01")
    with pytest.raises(BenchmarkError, match="no task from the beginning until before 2020-01-01"):
        benchmarks.load("livecodebench", path, until="2020-01-01")
    with pytest.raises(BenchmarkError, match="'May' is no date"):
        benchmarks.load("livecodebench", path, since="May")
    first = benchmarks.load("livecodebench", path, limit=1, since="2024-01-01")
    assert len(first.tasks) == 1 and [*first.source.notes][-2:] == [
        "only tasks from 2024-01-01 until before now",
        "only the first 1 tasks",
    ]
    undated = {name: value for name, value in CODEFORCES.items() if name != "contest_start"}
    path.write_text(json.dumps(undated), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"tasks without a date: 1 \(the first: 1/A\)"):
        benchmarks.load("codeforces", path, since="2024-01-01")


class Evil:
    def __reduce__(self):
        return print, ("imported",)


def test_a_pickle_that_would_import_something_is_refused(capsys):
    packed = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    with pytest.raises(BenchmarkError, match=r"private_test_cases cannot be read .*must hold text only"):
        schemas.livecodebench({**LIVE_STDIN, "private_test_cases": packed}, "row 0")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "guess",
    [
        "__import__('os').getcwd()",
        "f('ab', 2)",
        "print('abab')",
        "open('x')",
        "().__class__",
        "'{0}'.__class__",
        "(x for x in 'ab').gi_frame",
        "(lambda: 0).__globals__",
        "(lambda __builtins__: eval)(1)",
        "x := 1",
        "1); (2",
    ],
)
def test_a_prediction_may_state_a_value_but_do_nothing(guess):
    for reader in (schemas.cruxeval_input, schemas.cruxeval_output):
        assert reader(CRUXEVAL, "row").tests.job(guess) is None


@pytest.mark.parametrize(
    ("code", "given", "output"),
    [
        ("def f(d):\n    return d", "dict(a=1)", "{'a': 1}"),
        ("def f(a, b):\n    return a + b", "'$7'.upper(), '$'", "'$7$'"),
        ("def f(xs, keep):\n    return list(filter(keep, xs))", "[1, 2], lambda x: x > 1", "[2]"),
        ("def f():\n    return 3", "", "3"),
        ("def f(xs):\n    return sum(xs)", "(x * 2 for x in range(3))", "6"),
        ("from collections import Counter\n\ndef f(c):\n    return c['a']", "Counter('aab')", "2"),
        ("def f(a, k=1):\n    return a[::k]", "[*'abc'], k=2", "['a', 'c']"),
        ("def f(text):\n    return text", "f'{1 + 1}'", "'2'"),
    ],
)
def test_a_prediction_is_evaluated_with_the_call(code, given, output, sandbox):
    task = schemas.cruxeval_input({"code": code, "input": given, "output": output, "id": "s"}, "row")
    program, inputs = task.tests.job(given)
    assert task.tests.judge(sandbox.run(program, inputs)).verdict is Verdict.PASSED
    wrong = replace(task.tests, expected="'other'")
    assert wrong.judge(sandbox.run(program, inputs)).verdict is Verdict.WRONG_ANSWER
    said = f"assert f({given}) == {output}"
    assert task.tests.job(solution(task, benchmarks.get_benchmark("cruxeval-i"), "chat", said)) == (program, inputs)


def test_a_prompt_of_cruxeval_shows_the_output_as_published():
    task = schemas.cruxeval_input({**CRUXEVAL, "output": '{"b", "a"}'}, "row")
    assert task.prompt.endswith('assert f(??) == {"b", "a"}') and task.tests.expected == "{'a', 'b'}"


def test_mbpp_inputs_get_their_python_types_back():
    row = {**HUMANEVAL_PLUS_FILE, "prompt": "", "canonical_solution": "def g(a):\n    return a\n", "entry_point": "g"}
    cases = {
        2: ([[3, 4]], "[(3, 4)]"),
        63: ([[[3, 4]]], "[[(3, 4)]]"),
        75: ([[[1, 2]], 3], "[[(1, 2)], 3]"),
        106: ([[1], [2]], "[[1], (2,)]"),
        115: ([[[1], []]], "[[{1}, {}]]"),
        124: ([1, "1j"], "[1.0, 1j]"),
        250: ([[1], 2], "[(1,), 2]"),
        259: ([[[1], [2]]], "[((1,), (2,))]"),
        278: ([[1, [2]]], "[(1, (2,))]"),
        722: ([{"a": [1]}, 2], "[{'a': (1,)}, 2]"),
        252: (["1j"], "[1j]"),
        580: ([[1, [2]]], "[(1, (2,))]"),
        3: ([[1]], "[[1]]"),
    }
    for number, (given, literal) in cases.items():
        task = schemas.mbpp_plus({**row, "task_id": f"Mbpp/{number}", "base_input": [given], "plus_input": []}, "row")
        assert task.tests.arguments == (literal,), number


def test_a_reference_that_fails_is_the_data_s_fault_and_said(tmp_path, sandbox):
    loaded = load(
        tmp_path, "humaneval+", {**HUMANEVAL_PLUS_FILE, "canonical_solution": "    raise ValueError('edited')\n"}
    )
    with pytest.raises(
        BenchmarkError, match=r"HumanEval/0: the reference solution gives no usable value for input 0.*edited"
    ):
        benchmarks.prepare(loaded.tasks, sandbox)


VAST = (
    "from itertools import combinations_with_replacement\n\n\ndef add(a, b):\n"
    "    return [list(each) for each in combinations_with_replacement(range(a), b)]\n"
)


def test_a_vast_answer_is_compared_by_its_digest_and_a_task_without_answers_is_named(tmp_path, sandbox):
    vast = {**HUMANEVAL_PLUS_FILE, "prompt": VAST, "canonical_solution": "", "base_input": [[2, 2]]}
    vast["plus_input"] = [[30, 5], *([29, 5] for _ in range(13))]  # more than 64 MiB of text
    broken = {**HUMANEVAL_PLUS_FILE, "task_id": "HumanEval/1", "canonical_solution": "    return 1 / 0\n"}
    good = {**HUMANEVAL_PLUS_FILE, "task_id": "HumanEval/2"}
    loaded = load(tmp_path, "humaneval+", vast, broken, good)
    wrong = VAST.replace("range(a)", "range(min(a, 29))")
    samples = [*benchmarks.references(loaded), benchmarks.Sample("HumanEval/0", wrong)]
    report = benchmarks.score(loaded, samples, sandbox)
    assert [(each.task_id, each.passed) for each in report.results] == [
        ("HumanEval/0", True),
        ("HumanEval/2", True),
        ("HumanEval/0", False),
    ]
    assert "HumanEval/1: the reference solution gives no usable value for input 0" in report.unsupported["HumanEval/1"]
    assert any("1 tasks counted apart: HumanEval/1" in remark for remark in report.remarks)


def test_reference_outputs_are_computed_once_and_damage_is_noticed(tmp_path, sandbox):
    loaded = load(tmp_path, "humaneval+", HUMANEVAL_PLUS_FILE)
    first = benchmarks.prepare(loaded.tasks, sandbox, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    before = file.stat().st_mtime_ns
    assert benchmarks.prepare(loaded.tasks, sandbox, tmp_path / "cache") == first and file.stat().st_mtime_ns == before
    for damage in (file.read_text().replace("0.3", "0.4"), "", "{}", '{"sha256": 1, "runs": []}'):
        file.write_text(damage)
        assert benchmarks.prepare(loaded.tasks, sandbox, tmp_path / "cache") == first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HUMANEVAL, HUMANEVAL], "row 1: task id 'HumanEval/0' was used before"),
        ([{**HUMANEVAL, "test": "def check(:"}], "test: is not Python"),
        ([{**HUMANEVAL, "test": "x = 1"}], "defines no function check"),
        ([{**HUMANEVAL, "prompt": 3}], "field 'prompt' is int"),
        ([1], "row 0: is '1'; expected an object"),
        ([], "holds no rows"),
    ],
)
def test_a_file_edited_by_hand_is_refused(tmp_path, rows, message):
    with pytest.raises(BenchmarkError, match=message):
        load(tmp_path, "humaneval", *rows)


def test_where_no_published_file_is_known_an_edit_cannot_be_told_and_that_is_said(tmp_path):
    assert load(tmp_path, "cruxeval-o", CRUXEVAL).source.notes == (
        "1 tasks; the published data has 800",
        "this version knows no published file of this benchmark: whether it was edited by hand cannot be told",
    )


def test_an_edited_but_valid_file_is_noticed(shared_data, tmp_path):
    from tarot_lite import jsonlines

    rows = [row for _, row in jsonlines.read(shared_data / "humaneval.jsonl.gz")]
    assert "the rows are those of HumanEval.jsonl.gz" in load(tmp_path, "humaneval", *rows).source.notes[0]
    rows[3] = {**rows[3], "test": rows[3]["test"].replace("True", "False")}
    assert "edited by hand" in load(tmp_path, "humaneval", *rows).source.notes[-1]
