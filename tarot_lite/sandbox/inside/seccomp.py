"""The system calls a program may make, as a hand-made filter for the kernel (x86_64 and aarch64).

An allow-list: reading, memory, time, threads, waiting.  Not on it: new processes, exec, signals to anybody,
sockets (but for `socketpair`, which asyncio needs), tracing, namespaces, anything that changes a file by
its name.  What is refused fails with EPERM, or ENOSYS for calls newer than the table, so that the C library
falls back to an older one.

The kernel translates a filter anew for every process that installs it, which takes as long as the fork itself.  So
there are two: a long one (`build_server`) that the fork server puts on itself and every child inherits, and a short
one (`build_child`) with which each child gives up the few calls that the server needs.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import libc


class Rule(NamedTuple):
    """A condition on an argument: its low 32 bits under `mask` are one of `values` (or all 64 bits are 0)."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    is_pointer: bool = False


_ALWAYS = """
    access alarm brk chdir clock_getres clock_gettime clock_nanosleep close close_range dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 exit exit_group faccessat
    faccessat2 fadvise64 fchdir fdatasync fstat fstatfs fsync ftruncate futex futex_waitv get_robust_list getcpu
    getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid
    getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid
    gettimeofday getuid lseek lstat madvise membarrier mincore mmap mprotect mremap msync munmap nanosleep
    newfstatat pause pipe pipe2 poll ppoll pread64 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read
    readlink readlinkat readv recvfrom restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getparam sched_getscheduler sched_yield select set_robust_list set_tid_address setitimer setrlimit shutdown
    sigaltstack stat statfs statx sysinfo time times uname wait4 waitid write writev
""".split()

_CLONE_THREAD = 0x10000
_SOMETIMES: dict[str, tuple[Rule, ...]] = {
    # no F_SETOWN, F_SETSIG: they make the kernel send any signal to any process of this user
    "fcntl": (Rule(1, (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032, 1034)),),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
    "ioctl": (Rule(1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),),
    "prlimit64": (Rule(0, (0,)),),  # one's own limits, which nobody without a capability raises above the hard ones
    "sendto": (Rule(4, (), is_pointer=True),),  # to the other end of the pair alone
    "socketpair": (Rule(0, (1,)), Rule(1, (1,), 0xF)),
}
# What the fork server may do; its children not at all (None), or under these conditions.
_SERVER: dict[str, tuple[Rule, ...] | None] = {
    "clone": (Rule(0, (_CLONE_THREAD,), _CLONE_THREAD),),  # threads, not processes
    "fork": None,
    "kill": None,
    "memfd_create": None,
    "prctl": (Rule(0, (15, 16)),),  # a thread's name
}
_OPEN_FLAGS = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000  # write, read-write, create, truncate, temporary file
_OPENING = {"open": 1, "openat": 2}

# fmt: off
TABLES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "access": 21, "alarm": 37, "brk": 12, "chdir": 80, "clock_getres": 229, "clock_gettime": 228,
            "clock_nanosleep": 230, "clone": 56, "close": 3, "close_range": 436, "dup": 32, "dup2": 33, "dup3": 292,
            "epoll_create": 213, "epoll_create1": 291, "epoll_ctl": 233, "epoll_pwait": 281, "epoll_pwait2": 441,
            "epoll_wait": 232, "eventfd2": 290, "exit": 60, "exit_group": 231, "faccessat": 269, "faccessat2": 439,
            "fadvise64": 221, "fchdir": 81, "fcntl": 72, "fdatasync": 75, "fork": 57, "fstat": 5, "fstatfs": 138, "fsync": 74,
            "ftruncate": 77, "futex": 202, "futex_waitv": 449, "get_robust_list": 274, "getcpu": 309, "getcwd": 79,
            "getdents": 78, "getdents64": 217, "getegid": 108, "geteuid": 107, "getgid": 104, "getgroups": 115,
            "getitimer": 36, "getpeername": 52, "getpgid": 121, "getpgrp": 111, "getpid": 39, "getppid": 110,
            "getpriority": 140, "getrandom": 318, "getresgid": 120, "getresuid": 118, "getrlimit": 97,
            "getrusage": 98, "getsid": 124, "getsockname": 51, "getsockopt": 55, "gettid": 186, "gettimeofday": 96,
            "getuid": 102, "ioctl": 16, "kill": 62, "lseek": 8, "lstat": 6, "madvise": 28, "membarrier": 324, "memfd_create": 319,
            "mincore": 27,
            "mmap": 9, "mprotect": 10, "mremap": 25, "msync": 26, "munmap": 11, "nanosleep": 35, "newfstatat": 262,
            "open": 2, "openat": 257, "pause": 34, "pipe": 22, "pipe2": 293, "poll": 7, "ppoll": 271, "prctl": 157,
            "pread64": 17, "preadv": 295, "preadv2": 327, "prlimit64": 302, "pselect6": 270, "pwrite64": 18,
            "pwritev": 296, "pwritev2": 328, "read": 0, "readlink": 89, "readlinkat": 267, "readv": 19,
            "recvfrom": 45, "restart_syscall": 219, "rseq": 334, "rt_sigaction": 13, "rt_sigpending": 127,
            "rt_sigprocmask": 14, "rt_sigreturn": 15, "rt_sigsuspend": 130, "rt_sigtimedwait": 128,
            "sched_get_priority_max": 146, "sched_get_priority_min": 147, "sched_getaffinity": 204,
            "sched_getparam": 143, "sched_getscheduler": 145, "sched_yield": 24, "select": 23, "sendto": 44,
            "set_robust_list": 273, "set_tid_address": 218, "setitimer": 38, "setrlimit": 160, "shutdown": 48,
            "sigaltstack": 131, "socketpair": 53, "stat": 4, "statfs": 137, "statx": 332, "sysinfo": 99, "time": 201,
            "times": 100, "uname": 63, "wait4": 61, "waitid": 247, "write": 1, "writev": 20,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "brk": 214, "chdir": 49, "clock_getres": 114, "clock_gettime": 113, "clock_nanosleep": 115, "clone": 220,
            "close": 57, "close_range": 436, "dup": 23, "dup3": 24, "epoll_create1": 20, "epoll_ctl": 21,
            "epoll_pwait": 22, "epoll_pwait2": 441, "eventfd2": 19, "exit": 93, "exit_group": 94, "faccessat": 48,
            "faccessat2": 439, "fadvise64": 223, "fchdir": 50, "fcntl": 25, "fdatasync": 83, "fstat": 80,
            "fstatfs": 44, "fsync": 82, "ftruncate": 46, "futex": 98, "futex_waitv": 449, "get_robust_list": 100,
            "getcpu": 168, "getcwd": 17, "getdents64": 61, "getegid": 177, "geteuid": 175, "getgid": 176,
            "getgroups": 158, "getitimer": 102, "getpeername": 205, "getpgid": 155, "getpid": 172, "getppid": 173,
            "getpriority": 141, "getrandom": 278, "getresgid": 150, "getresuid": 148, "getrlimit": 163,
            "getrusage": 165, "getsid": 156, "getsockname": 204, "getsockopt": 209, "gettid": 178,
            "gettimeofday": 169, "getuid": 174, "ioctl": 29, "kill": 129, "lseek": 62, "madvise": 233, "membarrier": 283,
            "memfd_create": 279,
            "mincore": 232, "mmap": 222, "mprotect": 226, "mremap": 216, "msync": 227, "munmap": 215,
            "nanosleep": 101, "newfstatat": 79, "openat": 56, "pipe2": 59, "ppoll": 73, "prctl": 167, "pread64": 67,
            "preadv": 69, "preadv2": 286, "prlimit64": 261, "pselect6": 72, "pwrite64": 68, "pwritev": 70,
            "pwritev2": 287, "read": 63, "readlinkat": 78, "readv": 65, "recvfrom": 207, "restart_syscall": 128,
            "rseq": 293, "rt_sigaction": 134, "rt_sigpending": 136, "rt_sigprocmask": 135, "rt_sigreturn": 139,
            "rt_sigsuspend": 133, "rt_sigtimedwait": 137, "sched_get_priority_max": 125,
            "sched_get_priority_min": 126, "sched_getaffinity": 123, "sched_getparam": 121, "sched_getscheduler": 120,
            "sched_yield": 124, "sendto": 206, "set_robust_list": 99, "set_tid_address": 96, "setitimer": 103,
            "setrlimit": 164, "shutdown": 210, "sigaltstack": 132, "socketpair": 199, "statfs": 43, "statx": 291,
            "sysinfo": 179, "times": 153, "uname": 160, "wait4": 260, "waitid": 95, "write": 64, "writev": 66,
        },
    ),
}
"""For each machine its audit number and its system calls."""
# fmt: on

_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000
_LD, _JEQ, _JGE, _AND, _RET = 0x20, 0x15, 0x35, 0x54, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_SET_SECCOMP, _FILTER = 22, 2
_CLONE3 = 435
_NEWER = 424  # pidfd_send_signal, the first of the calls that older C libraries know how to do without

Instruction = tuple[int, int, int, int]


def build_server(machine: str) -> bytes:
    """Make the filter of the fork server: a binary search over call numbers.

    The kernel tries a filter on every number when it is installed, so a search makes that cheaper than a list.

    Examples
    --------
    >>> 100 < len(build_server("x86_64")) // 8 < 400
    True
    """
    audit, numbers = TABLES[machine]
    always = (*_ALWAYS, *_OPENING, *_SERVER)
    actions: dict[int, list[Instruction]] = {
        numbers[name]: [(_RET, 0, 0, _ALLOW)] for name in always if name in numbers
    }
    for name, rules in _SOMETIMES.items():
        if name in numbers:
            actions[numbers[name]] = _conditions(rules)
    actions[_CLONE3] = [(_RET, 0, 0, _ENOSYS)]
    steps: list[tuple[int, list[Instruction]]] = []
    for number in range(max(actions) + 2):
        action = actions.get(number, [(_RET, 0, 0, _EPERM if number < _NEWER else _ENOSYS)])
        if not steps or steps[-1][1] != action:
            steps.append((number, action))
    head = [(_LD, 0, 0, _ARCH), (_JEQ, 1, 0, audit), (_RET, 0, 0, _KILL), (_LD, 0, 0, _NR)]
    return _pack(head + _search(steps))


def build_child(machine: str, read_only: bool = False) -> bytes:
    """Make the filter that a child adds: it refuses what only the fork server may do, and leaves the rest to the other.

    Examples
    --------
    >>> len(build_child("aarch64")) < len(build_server("aarch64")) / 4
    True
    """
    numbers = TABLES[machine][1]
    refused = [(_RET, 0, 0, _EPERM)]
    actions = {
        numbers[name]: _conditions(rules) if rules else refused for name, rules in _SERVER.items() if name in numbers
    }
    if read_only:
        for name, position in _OPENING.items():
            if name in numbers:
                actions[numbers[name]] = _conditions((Rule(position, (0,), _OPEN_FLAGS),))
    code: list[Instruction] = [(_LD, 0, 0, _NR)]
    for number, action in sorted(actions.items()):
        code += [(_JEQ, 0, len(action), number), *action]
    return _pack([*code, (_RET, 0, 0, _ALLOW)])


def _pack(code: Sequence[Instruction]) -> bytes:
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def prepare(filter_program: bytes) -> Callable[[], None]:
    """Lay the filter out in memory.

    Calling the result puts the filter on the calling process, for ever; it needs no-new-privileges.
    """
    buffer = ctypes.create_string_buffer(filter_program, len(filter_program))
    header = struct.pack("HxxxxxxP", len(filter_program) // 8, ctypes.addressof(buffer))

    def install() -> None:
        assert buffer
        libc.fast_prctl(_SET_SECCOMP, _FILTER, header)

    return install


def _conditions(rules: Sequence[Rule]) -> list[Instruction]:
    """Check all rules one after another; allow if they hold."""
    code: list[Instruction] = []
    for rule in rules:
        low = _ARGUMENTS + 8 * rule.argument
        if rule.is_pointer:
            for word in (low, low + 4):
                code += [(_LD, 0, 0, word), (_JEQ, 1, 0, 0), (_RET, 0, 0, _EPERM)]
            continue
        code.append((_LD, 0, 0, low))
        if rule.mask != 0xFFFFFFFF:
            code.append((_AND, 0, 0, rule.mask))
        for position, value in enumerate(rule.values):
            code.append((_JEQ, len(rule.values) - position, 0, value))
        code.append((_RET, 0, 0, _EPERM))
    return [*code, (_RET, 0, 0, _ALLOW)]


def _search(steps: Sequence[tuple[int, list[Instruction]]]) -> list[Instruction]:
    if len(steps) == 1:
        return steps[0][1]
    half = len(steps) // 2
    left, right = _search(steps[:half]), _search(steps[half:])
    if len(left) > 255:
        return [(_JGE, 0, 1, steps[half][0]), (0x05, 0, 0, len(left)), *left, *right]
    return [(_JGE, len(left), 0, steps[half][0]), *left, *right]
