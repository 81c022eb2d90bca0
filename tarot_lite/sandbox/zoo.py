# ruff: noqa: E501 - each program stands on one line
"""The attack zoo: programs that try to cheat, escape, hang or break whoever runs them, one trick each.

Every attack prints ``LEAK`` if its trick worked where that can be seen from inside, and none knows what its
test expects (`Stage.answer`), so one that passes has forged its verdict.  Do not run them outside a sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tarot_lite.judging import Verdict
from tarot_lite.problems import Problem, TestCase, Tier

__all__ = ["ATTACKS", "Attack", "Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    """What the attacks find around them.

    Parameters
    ----------
    answer
        The expected output, unknown to the program: make it random.
    secret_file
        A file that everybody may read and the program must not.
    scratch
        A folder that everybody may write to and the program must not.
    port
        Of a TCP and UDP listener on 127.0.0.1.
    socket_path
        Of a unix stream listener.
    parent
        Process id of whoever runs the sandbox.
    """

    answer: str
    secret_file: str
    scratch: str
    port: int
    socket_path: str
    parent: int

    def problem(self) -> Problem:
        """The problem that all attacks pretend to solve."""
        return Problem("zoo", "Print the secret.", (TestCase("7\n", self.answer + "\n", Tier.BASIC),))


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile program.

    Parameters
    ----------
    name, group
        What it tries, and what kind of attack that is.
    source
        Its program, with ``@NAME@`` where `Stage` fills something in.
    verdicts
        Those that may come out where the sandbox reaches `level`.
    level
        The weakest level of the sandbox that stops it.
    """

    name: str
    group: str
    source: str
    verdicts: tuple[Verdict, ...]
    level: str = "seccomp"

    def program(self, stage: Stage) -> str:
        """The program for one stage."""
        return re.sub(r"@([A-Z_]+)@", lambda match: str(getattr(stage, match[1].lower())), self.source)


_LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_EXCEPTION, _WRONG, _TIMEOUT = Verdict.EXCEPTION, Verdict.WRONG_ANSWER, Verdict.TIMEOUT
_MEMORY, _OUTPUT, _SIGNAL = Verdict.MEMORY_EXCEEDED, Verdict.OUTPUT_EXCEEDED, Verdict.SIGNAL


def _attacks() -> list[Attack]:
    found: list[Attack] = []

    def add(group: str, name: str, source: str, *verdicts: Verdict, level: str = "seccomp") -> None:
        found.append(Attack(name, group, source, verdicts or (_EXCEPTION,), level))

    group = "exhaust"
    add(group, "fork bomb", "import os\nwhile True:\n    os.fork()\n    print('LEAK')")
    add(group, "fork bomb by posix", "import posix\nfor _ in range(30):\n    posix.fork()\nprint('LEAK')")
    add(
        group,
        "thread bomb",
        "import threading, time\nfor _ in range(10**5):\n    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint('LEAK')",
    )
    add(group, "memory bomb", "blocks = []\nwhile True:\n    blocks.append(bytearray(10**7))", _MEMORY, _TIMEOUT)
    add(group, "memory in one piece", "print(len([0] * 10**11))", _MEMORY)
    add(
        group,
        "memory by mmap",
        "import mmap\nmaps = [mmap.mmap(-1, 1 << 28) for _ in range(100)]\nprint('LEAK')",
        _EXCEPTION,
        _MEMORY,
    )
    add(group, "busy loop", "while True:\n    pass", _TIMEOUT)
    add(group, "busy loop in C", "sum(range(10**15))", _TIMEOUT)
    add(group, "sleep", "import time\ntime.sleep(10**6)", _TIMEOUT)
    add(
        group,
        "all exceptions caught",
        "import time\nwhile True:\n    try:\n        while True: time.sleep(0.001)\n    except BaseException:\n        pass",
        _TIMEOUT,
    )
    add(group, "endless output", "while True:\n    print('x' * 10**4)", _OUTPUT)
    add(group, "endless output to stderr", "import sys\nwhile True:\n    sys.stderr.write('x' * 10**6)", _TIMEOUT)
    add(group, "one huge line", "print('x' * 10**8)", _OUTPUT, _TIMEOUT)
    add(group, "deep recursion", "def f(n):\n    return f(n + 1)\nf(0)")
    add(
        group,
        "recursion without limit",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return sorted([n], key=lambda x: f(x + 1))\nf(0)",
        _SIGNAL,
        _MEMORY,
        _EXCEPTION,
    )
    add(group, "huge int to text", "print(str(10 ** 10**5)[:3])")
    add(
        group,
        "huge int without limit",
        "import sys\nsys.set_int_max_str_digits(0)\nprint(len(str(7 ** 10**8)))",
        _TIMEOUT,
        _MEMORY,
    )
    add(group, "regular expression that explodes", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", _TIMEOUT)
    add(group, "descriptors", "import os\nwhile True:\n    os.dup(0)")
    add(group, "filling /tmp", "with open('/tmp/fill', 'wb') as f:\n    f.write(b'x' * 10**5)\nprint('LEAK')")
    add(group, "filling /dev/shm", "with open('/dev/shm/fill', 'wb') as f:\n    f.write(b'x' * 10**5)\nprint('LEAK')")
    add(
        group,
        "memory in a memfd",
        "import os\nf = os.memfd_create('x')\nfor _ in range(1000):\n    os.write(f, b'x' * 10**6)\nprint('LEAK')",
    )
    add(group, "compiler bomb", "(" * 10**5, _EXCEPTION, _MEMORY)

    group = "files"
    add(group, "write outside", "import io\nio.open('@SCRATCH@/owned', 'w').write('x')\nprint('LEAK')")
    add(group, "delete outside", "import os\nos.unlink('@SECRET_FILE@')\nprint('LEAK')")
    add(
        group,
        "change permissions by ctypes",
        _LIBC
        + "if libc.chmod(b'@SCRATCH@', 0o700) == 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    add(group, "make a link", "import os\nos.symlink('/etc/passwd', '@SCRATCH@/link')\nprint('LEAK')")
    add(group, "read a secret file", "import io\nprint('LEAK', io.open('@SECRET_FILE@').read())", level="landlock")
    add(group, "read /etc/passwd", "print('LEAK', open('/etc/passwd').read())", level="landlock")
    add(
        group,
        "list the root",
        "import os\nif {'home', 'tmp', 'bin', 'boot'} & set(os.listdir('/')):\n    print('LEAK')\nelse:\n    raise OSError",
        level="landlock",
    )
    add(
        group,
        "read the environment",
        "import os\nassert dict(os.environ) == {}, 'LEAK'\nenv = open('/proc/@PARENT@/environ', 'rb').read()\nprint('LEAK', env)",
    )
    add(group, "write into the library", "import os, json\nopen(json.__file__, 'a').write('#')\nprint('LEAK')")
    add(group, "escape by chroot", "import os\nos.chroot('/')\nprint('LEAK')")

    group = "network"
    add(group, "TCP", "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 2).send(b'x')\nprint('LEAK')")
    add(
        group,
        "UDP",
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @PORT@))\nprint('LEAK')",
    )
    add(
        group,
        "unix socket",
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('@SOCKET_PATH@')\nprint('LEAK')",
    )
    add(
        group,
        "abstract socket from a pair",
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.sendto(b'x', '@SOCKET_PATH@')\nprint('LEAK')",
    )
    add(group, "DNS", "import socket\nprint('LEAK', socket.getaddrinfo('example.org', 80))")

    group = "processes"
    add(group, "kill the parent", "import os\nos.kill(os.getppid(), 9)\nprint('LEAK')")
    add(group, "kill everything", "import os\nos.kill(-1, 9)\nprint('LEAK')")
    add(group, "kill the trainer", "import os\nos.kill(@PARENT@, 9)\nprint('LEAK')")
    add(group, "stop the parent", "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nprint('LEAK')")
    add(
        group,
        "stop the parent by ctypes",
        _LIBC
        + "import os\nif libc.kill(os.getppid(), 19) == 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    add(
        group,
        "signal by descriptor owner",
        "import fcntl, os, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, fcntl.F_SETOWN, os.getppid())\nfcntl.fcntl(a, 10, 9)\nfcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)\nb.send(b'x')\nprint('LEAK')",
    )
    add(
        group,
        "lower the parent's limits",
        "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))\nprint('LEAK')",
    )
    add(
        group,
        "raise its own limits",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))\nprint('LEAK')",
    )
    add(group, "stop itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", _EXCEPTION, _TIMEOUT)
    add(
        group,
        "double fork and setsid",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\nprint('LEAK')",
    )
    add(group, "zombies", "import os\nfor _ in range(50):\n    if os.fork() == 0:\n        os._exit(0)\nprint('LEAK')")
    add(
        group,
        "threads left running",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()",
        _TIMEOUT,
    )
    add(
        group,
        "daemon thread left running",
        "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f, daemon=True).start()",
        _WRONG,
    )
    add(
        group,
        "ptrace of the parent",
        _LIBC
        + "import os\nif libc.ptrace(16, os.getppid(), 0, 0) == 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    add(
        group,
        "ptrace seize of the trainer",
        _LIBC
        + "if libc.ptrace(0x4206, @PARENT@, 0, 0) == 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    add(group, "exec of a shell", "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo LEAK'])")
    add(
        group,
        "subprocess",
        "import subprocess\nprint('LEAK', subprocess.run(['/bin/sh', '-c', 'id'], capture_output=True))",
    )
    add(
        group,
        "exec of the interpreter by loader",
        "import os, sys, glob\nos.execv(glob.glob('/lib*/ld-linux*')[0] if glob.glob('/lib*/ld-linux*') else '/lib64/ld-linux-x86-64.so.2', ['ld', '/bin/id'])",
    )
    add(
        group,
        "new user namespace",
        _LIBC + "if libc.unshare(0x10000000) == 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    add(group, "crash by ctypes", "import ctypes\nctypes.string_at(0)", _SIGNAL)
    add(group, "abort", "import os\nos.abort()", _SIGNAL)
    add(
        group,
        "signals ignored",
        "import signal\nfor s in (signal.SIGTERM, signal.SIGALRM, signal.SIGXCPU, signal.SIGINT):\n    signal.signal(s, signal.SIG_IGN)\nwhile True:\n    pass",
        _TIMEOUT,
    )
    add(group, "alarm", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nwhile True:\n    pass", _SIGNAL)

    group = "forge"
    add(group, "exit early with code 0", "import os\nos._exit(0)", _WRONG)
    add(group, "exit by SystemExit", "raise SystemExit(0)", _WRONG)
    add(
        group,
        "exit by SystemExit from a thread",
        "import threading, os\nthreading.Thread(target=os._exit, args=(0,)).start()\nwhile True: pass",
        _WRONG,
    )
    add(group, "a prefix of the answer", "import sys\nsys.stdout.write('a')", _WRONG)
    add(group, "printing nothing", "pass", _WRONG)
    add(group, "invalid UTF-8", "import sys\nsys.stdout.buffer.write(b'\\xff\\xfe\\x80')", _WRONG)
    add(group, "NUL bytes", "print('\\0' * 100)", _WRONG)
    add(group, "past the end of input", "input()\ninput()")
    add(group, "closing stdout", "import sys\nsys.stdout.close()", _WRONG)
    add(group, "closing descriptor 1", "import os\nprint('x')\nos.close(1)")
    add(group, "replacing stdout", "import sys, io\nsys.stdout = io.StringIO()\nprint('x')", _WRONG)
    add(
        group,
        "patched builtins",
        "import builtins\nbuiltins.print = builtins.len = builtins.exec = lambda *a, **k: 0\nbuiltins.BaseException = int",
        _WRONG,
    )
    add(
        group,
        "always equal",
        "class Yes(str):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\nprint(Yes('x'))",
        _WRONG,
    )
    add(
        group,
        "inherited descriptors",
        "import os\nfor number in range(3, 1000):\n    try:\n        data = os.pread(number, 100, 0) or os.read(number, 0)\n        if b'7' not in data and data:\n            print('LEAK', number, data)\n    except OSError:\n        pass",
        _WRONG,
    )
    add(
        group,
        "writing to the sandbox's channel",
        "import os\nfor number in range(3, 300):\n    try:\n        os.write(number, b'co')\n    except OSError:\n        pass\nwhile True:\n    pass",
        _WRONG,
        _TIMEOUT,
        _EXCEPTION,
    )
    lie = "import os\nfor number in range(3, 300):\n    try:\n        os.write(number, {word!r})\n    except OSError:\n        pass\nos._exit({code})"
    add(group, "claiming to be ready, then leaving", lie.format(word=b"co", code=0), _WRONG)
    add(group, "claiming that the sandbox failed", lie.format(word=b"f no walls", code=1))
    add(
        group,
        "walking frames",
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for name, value in {**frame.f_globals, **frame.f_locals}.items():\n        if isinstance(value, str) and value.startswith('answer-'):\n            print(value)\n    frame = frame.f_back",
        _WRONG,
    )
    add(
        group,
        "walking the heap",
        "import gc\nfor thing in gc.get_objects():\n    try:\n        values = thing.values() if isinstance(thing, dict) else thing\n        for value in list(values):\n            text = value.decode() if isinstance(value, bytes) else value\n            if isinstance(text, str) and text.strip().startswith('answer-') and len(text) > 9:\n                print(text.strip())\n                raise SystemExit\n    except Exception:\n        pass",
        _WRONG,
    )
    add(
        group,
        "reading the parent's memory",
        "import os, re\nfor pid in (os.getppid(), @PARENT@):\n    for line in open(f'/proc/{pid}/maps'):\n        lo, hi = (int(x, 16) for x in line.split()[0].split('-'))\n        if 'rw' in line:\n            with open(f'/proc/{pid}/mem', 'rb', 0) as f:\n                f.seek(lo)\n                hit = re.search(rb'answer-[0-9a-f]{8,}', f.read(hi - lo))\n                if hit:\n                    print(hit[0].decode())\n                    raise SystemExit",
    )
    add(
        group,
        "reading its own memory",
        "import re\nfor line in open('/proc/self/maps'):\n    lo, hi = (int(x, 16) for x in line.split()[0].split('-'))\n    if 'rw' in line and 'v' not in line.split()[-1]:\n        with open('/proc/self/mem', 'rb', 0) as f:\n            f.seek(lo)\n            hit = re.search(rb'answer-[0-9a-f]{8,}', f.read(hi - lo))\n            if hit:\n                print(hit[0].decode())\n                raise SystemExit",
        _EXCEPTION,
        _WRONG,
    )
    add(
        group,
        "memory of others by a system call",
        _LIBC
        + "import os\nbuffer = ctypes.create_string_buffer(8)\nclass IO(ctypes.Structure):\n    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]\nlocal, remote = IO(ctypes.addressof(buffer), 8), IO(id(buffer), 8)\nif libc.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:\n    print('LEAK')\nelse:\n    raise OSError(ctypes.get_errno())",
    )
    group = "end"
    handler = "import atexit, os, time\n@atexit.register\ndef last():\n    "
    finalizer = "import os, time\nclass Last:\n    def __del__(self):\n        "
    add(group, "exit handler that forks", handler + "print('LEAK', os.fork())", _WRONG)
    add(group, "exit handler for ever", handler + "while True: pass", _TIMEOUT)
    add(group, "exit handler that sleeps", handler + "time.sleep(10**6)", _TIMEOUT)
    add(group, "exit handler that registers itself", handler + "atexit.register(last)", _WRONG, _TIMEOUT)
    add(
        group,
        "exit handler that claims to be ready and prints on",
        handler + "os.write(5, b'co')\n    while True:\n        os.write(1, b'7\\n'), time.sleep(0.001)",
        _WRONG,
        _OUTPUT,
        _TIMEOUT,
    )
    add(group, "finalizer that kills its parent", finalizer + "os.kill(os.getppid(), 9)\nlast = Last()", _WRONG)
    add(group, "finalizer for ever", finalizer + "while True: pass\nlast = Last()\nlast.me = last", _TIMEOUT)
    add(group, "finalizer that forks", finalizer + "print('LEAK', os.fork())\nlast = Last()", _WRONG)
    add(
        group,
        "generator that never closes",
        "def g():\n    while True:\n        try:\n            yield\n        except BaseException:\n            while True: pass\nwaiting = g()\nnext(waiting)",
        _TIMEOUT,
    )
    add(
        group,
        "flush for ever",
        "import sys\nclass Out:\n    def flush(self):\n        while True: pass\nsys.stdout = Out()",
        _TIMEOUT,
    )
    raising = "import resource\nfor name in dir(resource):\n    if name.startswith('RLIMIT_'):\n        kind = getattr(resource, name)\n        hard = resource.getrlimit(kind)[1]\n        resource.setrlimit(kind, (hard, hard))\n"
    add(group, "limits raised, then memory", raising + "block = b'x' * (400 << 20)", _MEMORY, _TIMEOUT)
    add(group, "limits raised, then time", raising + "while True: pass", _TIMEOUT)
    add(
        group,
        "limits raised, then output",
        raising + "import os\nwhile True: os.write(1, b'x' * 9999)",
        _OUTPUT,
        _EXCEPTION,
    )
    add(
        group,
        "stack asked for, heap taken",
        "import threading\nthreading.stack_size(1 << 40)\nblock = b'x' * (400 << 20)",
        _MEMORY,
        _TIMEOUT,
    )
    add(
        group,
        "limits of its parent",
        "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))\nprint('LEAK')",
    )
    return found


ATTACKS: tuple[Attack, ...] = tuple(_attacks())
"""All of them, in groups (exhaust, files, network, processes, forge, end)."""
