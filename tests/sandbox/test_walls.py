"""The layers: what is reported is true, what is required is given or refused, and every kind of user gets what it can have."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from strangers import STRANGER, forbid_unshare, strangers_interpreter

from tarot_lite.judging import Verdict
from tarot_lite.sandbox import LEVELS, Limits, Sandbox, SandboxError, SandboxReport, worker
from tarot_lite.sandbox.inside import seccomp

NAMESPACES = ("pid namespace", "mount namespace", "network namespace", "ipc namespace", "root of its own")


@pytest.mark.parametrize("left_out", [(), ("namespaces",), ("namespaces", "landlock"), ("landlock",)])
def test_reported_layers_hold(left_out: tuple[str, ...]) -> None:
    """Ask a program, from inside, about each wall that is reported to stand."""
    program = """
import errno, os, socket
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
print("pid namespace", os.getpid() < 1000 and os.getppid() == 1)
print("root of its own", not os.path.exists("/etc/passwd") and not os.path.exists("/bin/sh"))
print("landlock", refused(lambda: os.listdir("/")))
print("seccomp", refused(os.fork) and refused(socket.socket) and refused(lambda: os.kill(os.getpid(), 0)))
print("user", os.getuid())
print("environment", dict(os.environ))
print("descriptors", sorted(int(n) for n in os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else "unknown")
"""
    with Sandbox(workers=1, without=left_out) as box:
        stands = {layer.name: layer.present for layer in box.report().layers}
        said = dict(line.rsplit(" ", 1) for line in box.run(program, [""])[0].stdout.splitlines() if "[" not in line)
        for name in ("pid namespace", "root of its own", "landlock", "seccomp"):
            if stands[name] or name in left_out:
                assert said[name] == str(stands[name]), name
        if stands["user of its own"]:
            assert int(said["user"]) not in (0, os.getuid())
        assert said["environment"] == "{}"
        assert box.report().level in LEVELS
        assert all(row["protects"] for row in box.report().table())


def test_levels_are_required_or_refused() -> None:
    with Sandbox(workers=1) as box:
        level = box.report().level
    for name in LEVELS[: LEVELS.index(level) + 1]:
        with Sandbox(workers=1, require=name) as box:
            assert box.run("print(1)", [""])[0].stdout == "1\n"
    with pytest.raises(SandboxError, match=r"gives the level 'rlimits', but 'namespaces' is required .*left out"):
        Sandbox(workers=1, require="namespaces", without=["seccomp"])
    with pytest.raises(SandboxError, match="but 'namespaces' is required"):
        Sandbox(workers=1, require="namespaces", without=["namespaces"])


def test_level_from_layers() -> None:
    def level(*names: str) -> str:
        return SandboxReport.from_layers([(name, True, "") for name in names]).level

    assert level("rlimits", "landlock", *NAMESPACES) == "rlimits"
    assert level("rlimits", "seccomp") == "seccomp"
    assert level("rlimits", "seccomp", "landlock") == "landlock"
    assert level("rlimits", "seccomp", *NAMESPACES) == "namespaces"
    assert level("rlimits", "seccomp", *NAMESPACES[:-1]) == "seccomp"
    weak = SandboxReport.from_layers([("rlimits", True, ""), ("seccomp", False, "none")])
    assert "NOT ISOLATED" in str(weak)


SEARCH = """
import re
for line in open("/proc/self/maps"):
    low, high = (int(word, 16) for word in line.split()[0].split("-"))
    if "rw" in line and "vvar" not in line:
        with open("/proc/self/mem", "rb", 0) as memory:
            memory.seek(low)
            found = set(re.findall(rb"trace-of-[a-z]+-[0-9a-f]{8}", memory.read(high - low)))
            if found:
                print(found)
print("searched")
"""


def test_nothing_of_earlier_programs_is_left_in_memory() -> None:
    """Their texts, inputs, outputs and errors, small and large: an output may be the answer that a later one needs."""
    with Sandbox(workers=1) as box:
        for number in range(40):
            name = f"-{number:08x}"
            padding = "x" * (number % 4 * 100_000)
            program = f"# trace-of-program{name} {padding}\nprint('trace-of-output{name}', input())"
            program += f"\nraise ValueError('trace-of-error{name}')"
            box.run(program, [f"trace-of-input{name} {padding}"] * 2)
        box.run("print(1)", [""])
        assert box.run(SEARCH, [""])[0].stdout == "searched\n"
        assert "trace-of-own-00000000" in box.run(SEARCH + "# trace-of-own-00000000", [""])[0].stdout  # it does search


PROGRAM = """
from tarot_lite.sandbox import Sandbox
with Sandbox(workers=1) as box:
    report = box.report()
    runs = box.run("import os, json, decimal\\nprint(os.getuid(), input())\\nos.fork()", ["a", "b"])
    print(report.level, [run.stdout.split()[1] for run in runs], [run.error[:15] for run in runs])
    print([layer.name for layer in report.layers if layer.present])
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become others")
@pytest.mark.parametrize(
    "kind", ["ordinary user", "ordinary user without namespaces", "root without namespaces", "bare root"]
)
def test_every_kind_of_user(kind: str, repository: Path) -> None:
    """An ordinary user; root of a container, which may neither make namespaces nor mount; one that may not even unshare."""
    interpreter = getattr(sys, "_base_executable", sys.executable)
    command = ["setpriv"]
    if kind.startswith("ordinary"):
        stranger = strangers_interpreter()
        if stranger is None or not (repository.stat().st_mode & 0o005):
            pytest.skip("no Python that another user can start, or a repository that it cannot read")
        interpreter = stranger
        command = list(STRANGER)
    command += ["--bounding-set=-sys_admin"] if kind != "bare root" else ["--bounding-set=-all"]
    program = PROGRAM
    if "without namespaces" in kind or kind == "bare root":  # as Docker's own filter does
        program = forbid_unshare() + PROGRAM
    result = subprocess.run(
        [*command, interpreter, "-c", program],
        env={"PYTHONPATH": str(repository), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if kind == "bare root":  # without the right to change users nothing of the sandbox may be pretended
        assert "'a', 'b'" in result.stdout, result.stderr
        return
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    with Sandbox(workers=1) as box:
        full = box.report()
    if "without namespaces" in kind:
        assert first.startswith(("landlock", "seccomp"))
        assert "pid namespace" not in second
        assert ("user of its own" in second) == kind.startswith("root")
    elif full.level == "namespaces":
        assert "user namespace" in second or kind == "root"
    assert "['a', 'b'] ['PermissionError', 'PermissionError']" in first


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_call_numbers_are_the_kernels(machine: str) -> None:
    header = HEADERS[machine]
    if not header.is_file():
        pytest.skip(f"the kernel's headers are not at {header}")
    numbers = {
        name: int(number)
        for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    }
    if machine == "aarch64":
        numbers["newfstatat"] = numbers.pop("fstatat", numbers.get("newfstatat", 79))
    _, table = seccomp.TABLES[machine]
    assert table == {name: numbers[name] for name in table}


@pytest.mark.parametrize("machine", seccomp.TABLES)
def test_the_filters_decide_as_their_table_says(machine: str) -> None:
    """Interpret both filters for every call number of every kind; the kernel takes the sterner answer."""
    audit, table = seccomp.TABLES[machine]
    server = seccomp.build_server(machine)

    def decide(number: int, arguments: tuple[int, ...] = (0,) * 6, arch: int = audit, read_only: bool = False) -> int:
        filters = (server, seccomp.build_child(machine, read_only))
        answers = [_interpret(data, number, arguments, arch) for data in filters]
        return next((answer for answer in answers if answer != allow), allow)

    allow, refuse, unknown = 0x7FFF0000, 0x50001, 0x50026
    never = {"fork", "kill", "memfd_create"}
    conditional = {"clone", "fcntl", "ioctl", "prctl", "prlimit64", "sendto", "setrlimit", "socketpair"}
    for name, number in table.items():
        if name not in conditional:
            assert decide(number) == (refuse if name in never else allow), name
    for name in never & set(table):
        assert _interpret(server, table[name], (0,) * 6, audit) == allow, name
    for flags in (0o1, 0o2, 0o100, 0o1000):
        assert decide(table["openat"], (0, 0, flags, 0, 0, 0)) == allow
        assert decide(table["openat"], (0, 0, flags, 0, 0, 0), read_only=True) == refuse
    assert decide(table["openat"], (0, 0, 0o2000000, 0, 0, 0), read_only=True) == allow
    for number in range(600):
        if number not in table.values():
            assert decide(number) == (refuse if number < 424 else unknown), number
    assert decide(0x40000000 + table["read"]) == unknown  # the x32 interface
    assert decide(table["read"], arch=0x40000003) == 0x80000000  # 32-bit calls end the process
    assert decide(table["clone"], (0x3D0F00, 0, 0, 0, 0, 0)) == allow  # what pthread_create says
    assert decide(table["clone"], (17, 0, 0, 0, 0, 0)) == refuse  # what fork says
    assert decide(435) == unknown  # clone3: the C library then uses clone
    assert decide(table["fcntl"], (3, 8, 1, 0, 0, 0)) == refuse  # F_SETOWN
    assert decide(table["fcntl"], (3, 1030, 1, 0, 0, 0)) == allow
    assert decide(table["socketpair"], (1, 1 | 0o2000000, 0, 0, 0, 0)) == allow
    assert decide(table["socketpair"], (1, 2, 0, 0, 0, 0)) == refuse
    assert decide(table["sendto"], (3, 0, 0, 0, 1 << 40, 0)) == refuse
    assert decide(table["prlimit64"], (0, 7, 0, 0, 0, 0)) == allow
    assert decide(table["prlimit64"], (1, 7, 0, 0, 0, 0)) == refuse
    assert decide(table["prlimit64"], (0, 7, 1 << 40, 0, 0, 0)) == allow  # one's own
    assert decide(table["prlimit64"], (1, 7, 1 << 40, 0, 0, 0)) == refuse


def _interpret(data: bytes, number: int, arguments: tuple[int, ...], arch: int) -> int:
    """What the kernel would make of one call."""
    code = [struct.unpack_from("<HBBI", data, at) for at in range(0, len(data), 8)]
    words = {0: number, 4: arch}
    for position, value in enumerate(arguments):
        words[16 + 8 * position] = value & 0xFFFFFFFF
        words[20 + 8 * position] = value >> 32
    accumulator = at = 0
    while True:
        kind, yes, no, value = code[at]
        at += 1
        if kind == 0x20:
            accumulator = words[value]
        elif kind == 0x54:
            accumulator &= value
        elif kind == 0x15:
            at += yes if accumulator == value else no
        elif kind == 0x35:
            at += yes if accumulator >= value else no
        elif kind == 0x05:
            at += value
        else:
            assert kind == 0x06
            return int(value)


def test_files_cannot_be_opened_for_writing_where_nothing_else_forbids_it() -> None:
    with Sandbox(workers=1, without=["namespaces", "landlock"]) as box:
        if not box.report().reaches("seccomp"):
            pytest.skip("no seccomp here")
        runs = box.run(
            "import os\nprint(len(open(os.devnull).read()))\nopen(os.devnull, input())", ["w", "a", "r+", "r"]
        )
        assert [run.error[:15] for run in runs] == ["PermissionError"] * 3 + [""]


def test_import_without_linux_only_modules(repository: Path) -> None:
    """What macOS imports: nothing of Linux may be touched before a worker starts."""
    program = (
        "import sys\nsys.platform = 'darwin'\nimport tarot_lite.sandbox, tarot_lite.sandbox.inside.start\n"
        "assert not {m for m in sys.modules if m.endswith(('.libc', '.landlock', '.seccomp', '.namespaces'))}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=repository)


def test_programs_run_at_the_level_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of macOS, on this machine: no memfd, no clock of another process, no Linux call; limits alone."""
    monkeypatch.setattr(worker, "_COMMAND", "import sys; sys.platform = 'darwin'; " + worker._COMMAND)
    with Sandbox(workers=1, limits=Limits(cpu_seconds=1, wall_seconds=20)) as box:
        assert box.report().level == "rlimits"
        twice = box.run("print(int(input()) * 2)", ["4", "x"])
        assert [run.verdict for run in twice] == [Verdict.PASSED, Verdict.EXCEPTION] and twice[0].stdout == "8\n"
        [spun] = box.run("while True: pass", [""])
        assert spun.verdict is Verdict.TIMEOUT and "CPU time" in spun.error
        [loud] = box.run("while True: print('x' * 10000)", [""])
        assert loud.verdict is Verdict.OUTPUT_EXCEEDED
        assert box.run("print(1)", [""])[0].verdict is Verdict.PASSED
