"""A right program is judged right: what it prints, and whether it ends well, is what CPython makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import corpus
import pytest
from strangers import STRANGER, forbid_unshare, strangers_interpreter

from tarot_lite.sandbox import Limits, Sandbox

# What is meant to differ, and why: the name of what must not work, a program that does it, and what it says in CPython.
MEANT_TO_DIFFER = {
    "no other processes: one could outlive its test": "import os\nprint(os.fork() >= 0)",
    "no programs but Python: they are not ours to run": "import subprocess\nprint(subprocess.call(['true']))",
    "no network: an answer could be fetched": "import socket\nsocket.socket().bind(('127.0.0.1', 0))\nprint('bound')",
    "no files are written: a later program would find them": "open('note', 'w').write('x')\nprint('written')",
    "no files of others are read: they may hold answers": f"print(len(open({__file__!r}).read()) > 0)",
    "no environment: it may hold secrets": "import os\nprint('LC_ALL' in os.environ)",
    "memory has a limit": "x = bytearray(600 << 20)\nprint(len(x) > 0)",
    "no signals to others": "import os\nos.kill(os.getppid(), 0)\nprint('sent')",
}


@pytest.fixture(scope="module")
def cpython() -> corpus.Ends:
    return corpus.by_cpython()


def differences(found: corpus.Ends, wanted: corpus.Ends) -> dict[str, tuple[object, object]]:
    return {name: (end, wanted[name]) for name, end in found.items() if end != wanted[name]}


def test_the_corpus_is_large_and_says_something(cpython: corpus.Ends) -> None:
    assert len(cpython) >= 80
    assert sum(output != "" for output, _ in cpython.values()) >= 80
    assert 10 <= sum(not ended_well for _, ended_well in cpython.values()) <= len(cpython) / 3


@pytest.mark.parametrize("options", [{}, {"times": 3}, {"fresh_process": True}, {"without": ["seccomp"]}], ids=str)
def test_every_program_ends_as_in_cpython(options: dict[str, object], cpython: corpus.Ends) -> None:
    assert differences(corpus.by_sandbox(**options), cpython) == {}


def test_one_program_alone_ends_as_among_many(cpython: corpus.Ends) -> None:
    with Sandbox(workers=1) as sandbox:
        for path in corpus.PROGRAMS:
            [run] = sandbox.run(path.read_bytes().decode(), [corpus.stdin_of(path)])
            assert [run.stdout, run.verdict == "passed"] == cpython[path.stem], (path.stem, run)


BARE = ["namespaces", "landlock", "user", "seccomp"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become others")
@pytest.mark.parametrize(
    ("command", "barrier", "options"),
    [
        ([], "", {"without": ["namespaces"]}),
        ([], "", {"without": ["namespaces", "landlock"]}),
        ([], "", {"without": ["user"]}),
        ([], "", {"without": BARE}),
        (STRANGER, "", {}),
        (STRANGER, forbid_unshare(), {}),
    ],
    ids=["root, no namespaces", "root, seccomp", "root as itself", "bare", "user", "user, no namespaces"],
)
def test_every_program_ends_as_in_cpython_for_every_user(
    command: Sequence[str], barrier: str, options: dict[str, object], cpython: corpus.Ends, repository: Path
) -> None:
    """With an interpreter whose library everybody can read: without a root of its own a program has no other."""
    interpreter = strangers_interpreter()
    if interpreter is None or not (repository.stat().st_mode & 0o005):
        pytest.skip("no Python that another user can start, or a repository that it cannot read")
    result = subprocess.run(
        [
            *command,
            interpreter,
            "-c",
            f"{barrier}\nimport json, corpus\nprint(json.dumps(corpus.by_sandbox(**{options})))",
        ],
        env={"PYTHONPATH": f"{repository}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = {name: end for name, end in json.loads(result.stdout).items() if "numpy" not in name}  # it may have none
    assert differences(found, cpython) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root does the sandbox take another user")
@pytest.mark.parametrize("umask", ["000", "022", "027", "077", "777"])
def test_the_callers_umask_does_not_matter(umask: str, repository: Path) -> None:
    program = (
        f"import os; os.umask(0o{umask})\nfrom tarot_lite.sandbox import Sandbox\n"
        "print(Sandbox(1).run('import os\\nprint(open(os.devnull).read(), input())', ['x'])[0])"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True)
    assert "'passed'" in result.stdout and "x\\n" in result.stdout, result.stdout


@pytest.mark.parametrize("reason", MEANT_TO_DIFFER)
def test_what_is_meant_to_differ_does(reason: str, tmp_path: Path) -> None:
    program = MEANT_TO_DIFFER[reason]
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    with Sandbox(workers=1, limits=Limits(memory_mb=512)) as sandbox:
        [run] = sandbox.run(program, [""])
    assert run.verdict != "passed" or run.stdout == "False\n", run
