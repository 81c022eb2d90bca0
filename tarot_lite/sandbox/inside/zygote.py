"""The fork server: takes one program at a time from its `Worker`, forks a child for it, watches and judges its end.

It is single-threaded, holds nothing secret (no expected outputs, no environment), and exits when the other
end of its socket closes.
"""

from __future__ import annotations

import _socket
import contextlib
import ctypes
import functools
import gc
import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from . import child, private, wire

_LINUX = sys.platform == "linux"
_KEPT_OF_EXCEEDED = 4096  # bytes of an over-long output that are worth sending back
_QUIET_SECONDS = 0.5  # outcomes are sent at least this often, so that the worker can tell slow from dead


class Zygote:
    """Serves requests on `control` until it closes.

    Parameters
    ----------
    control
        Stream socket to the worker.
    confine_child
        Called in every child after its rlimits are set; installs what must be installed per child (seccomp).
    own_user
        Whether nobody else runs under this user, so that a limit on its processes means something.
    own_memory
        Bytes of address space that the zygote itself takes, which do not count as a program's.
    sweep
        Called after a child's end to end whatever it left running; None where it cannot start a process.
    rehearse
        Called in preparation: does what `confine_child` does, without effect.
    """

    def __init__(
        self,
        control: _socket.socket,
        confine_child: Callable[[], None],
        own_user: bool,
        own_memory: int,
        sweep: Callable[[], None] | None,
        rehearse: Callable[[], None],
    ) -> None:
        self._own_memory = own_memory
        self._control = control
        self._confine_child = confine_child
        self._own_user = own_user
        self._sweep = sweep
        self._null = os.open(os.devnull, os.O_RDWR)
        for number in range(child.CHANNEL + 1):  # 0 and 1 become a test's files; 3 to 5 stay free for the child
            if number != self._null:
                os.dup2(self._null, number)
        self._started = os.pipe()
        os.set_blocking(self._started[0], False)
        self._poll = select.poll()
        self._poll.register(control.fileno(), 0)  # hang-up only
        self._fork = _plain_fork()
        kinds = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_NPROC)
        self._hard = {kind: resource.getrlimit(kind)[1] for kind in kinds}
        self._limits_of = functools.lru_cache(4)(self._limits)
        if _LINUX:
            child.grant_stacks()
        self._snapshots = child.take_snapshots()
        child.warm_up(rehearse, self._snapshots)
        self._pid = self._peak = 0
        self._channel: _socket.socket | None = None
        self._cpu_before = 0.0
        self._is_ready = self._was_confined = False
        self._incoming = private.block()
        self._message = private.block(2048)
        self._answer = private.Answer(control)
        child.seed_random()

    def serve(self) -> NoReturn:
        """Answer requests for ever."""
        gc.collect()
        _give_back_free_memory()
        gc.freeze()
        while True:
            self._serve_one(self._receive())

    def _receive(self) -> wire.Request:
        self._receive_into(self._incoming[: wire.LENGTH.size])
        (length,) = wire.LENGTH.unpack_from(self._incoming)
        body = self._incoming if length <= len(self._incoming) else private.block(length)
        self._receive_into(body[:length])
        return wire.unpack_request(body)

    def _receive_into(self, view: memoryview) -> None:
        while view:
            count = self._control.recv_into(view)
            if not count:
                self._leave()
            view = view[count:]

    def _leave(self) -> NoReturn:
        self._kill()
        os._exit(0)

    def _serve_one(self, request: wire.Request) -> None:
        last_sent = time.monotonic()
        count = len(request.inputs)
        for index, text in enumerate(request.inputs):
            more = index + 1 < count and not request.fresh
            verdict, error, cpu, wall, size, is_compile_error = self._test(request, text, more)
            for _ in range(count - index if is_compile_error else 1):
                self._answer.add(verdict, error, cpu, wall, size)
            if is_compile_error:
                break
            if time.monotonic() - last_sent > _QUIET_SECONDS:
                self._answer.send()
                last_sent = time.monotonic()
        self._kill()  # a program may have said by itself that it is ready for another test
        self._answer.send()

    def _test(
        self, request: wire.Request, text: bytes | memoryview, more: bool
    ) -> tuple[str, bytes | memoryview, float, float, int, bool]:
        """Run one test, in the child at hand or in a new one.

        Returns verdict, error, CPU and wall seconds, size of the output worth sending, and whether the program does
        not compile.
        """
        patience = _milliseconds(min(request.cpu_seconds, request.wall_seconds))
        for attempt in (1, 2):
            started = time.monotonic()
            if self._pid and self._is_ready:
                _refill(text)
                assert self._channel is not None
                with contextlib.suppress(OSError):  # a child that said it was ready and went away
                    self._channel.send(b"+" if more else b".")
            else:
                self._spawn(request, text, more)
            message, limit = self._watch(request, started, patience)
            kind = bytes(message[:1])
            self._is_ready = kind == child.CLEAN and not limit
            status = None
            if kind in (child.CLEAN, child.ENDED) and _LINUX:
                used = _cpu_clock(self._pid)
                cpu, self._cpu_before = used - self._cpu_before, used
                if kind == child.ENDED:
                    self._kill()  # before much else is written to: what the child shares no more need not be copied
            else:
                cpu, status = self._kill()
                if not self._was_confined and not limit:
                    raise RuntimeError(f"a child could not be confined: {bytes(message[1:]).decode(errors='replace')}")
            was_killed = status is not None and not message and not limit and os.WIFSIGNALED(status)
            if not (was_killed and attempt == 1 and os.WTERMSIG(status or 0) == signal.SIGKILL):
                break  # else it was not our doing: perhaps the machine ran out of memory
        wall = time.monotonic() - started
        verdict, error = _explain(message, limit, status, request)
        if kind != child.CLEAN and self._peak > request.memory + self._own_memory:
            verdict, error = "memory_exceeded", f"used more than {request.memory >> 20} MiB of memory".encode()
        size = os.lseek(1, 0, os.SEEK_END)
        if size > request.output:
            verdict, error = "output_exceeded", f"wrote more than {request.output} bytes".encode()
            size = min(size, _KEPT_OF_EXCEEDED)
        return verdict, error, cpu, wall, size, bytes(message[1:2]) == b"s"

    def _spawn(self, request: wire.Request, text: bytes | memoryview, more: bool) -> None:
        for number in (0, 1):
            file = _anonymous_file()
            os.dup2(file, number)
            os.close(file)
        _write_all(0, text)
        _write_all(1, request.program)  # the child takes it out before it starts
        self._channel, theirs = _socket.socketpair()
        self._poll.register(self._channel.fileno(), select.POLLIN)
        self._cpu_before = 0.0
        limits = self._limits_of(
            request.cpu_seconds * len(request.inputs), request.memory, request.output, request.processes
        )
        self._pid = self._fork()
        if self._pid == 0:
            child.serve(theirs.fileno(), self._started[1], limits, self._confine_child, self._snapshots, more)
        theirs.close()

    def _limits(self, cpu_seconds: float, memory: int, output: int, processes: int) -> child.ResourceLimits:
        """What a child has to set."""
        cpu = math.ceil(cpu_seconds) + 1
        limits = [
            (resource.RLIMIT_FSIZE, output + 1, output + 1),
            (resource.RLIMIT_CPU, cpu, cpu + 1),  # SIGXCPU first, which tells what struck; SIGKILL for who ignores it
        ]
        if _LINUX:  # elsewhere an interpreter's own address space is larger than any sensible limit
            memory += self._own_memory
            limits.append((resource.RLIMIT_AS, memory, memory + child.BIGGEST_STACK))
        if self._own_user:
            limits.append((resource.RLIMIT_NPROC, processes + 2, processes + 2))
        most = {kind: math.inf if hard == resource.RLIM_INFINITY else hard for kind, hard in self._hard.items()}
        return tuple((kind, (int(min(soft, most[kind])), int(min(hard, most[kind])))) for kind, soft, hard in limits)

    def _watch(self, request: wire.Request, started: float, patience: int) -> tuple[memoryview, str]:
        """Wait for the child's message; returns it (empty if the child died) and the limit that struck, if any.

        Nothing is worked out before the first wait: every page that is written to while the child lives is copied.
        """
        assert self._channel is not None
        while True:
            events = self._poll.poll(patience)
            if events:
                for number, _ in events:
                    if number == self._control.fileno():
                        self._leave()
                try:
                    count = self._channel.recv_into(self._message)
                except ConnectionResetError:
                    count = 0
                return self._message[:count], ""
            used = _cpu_clock(self._pid) - self._cpu_before
            cpu_left = request.cpu_seconds - used
            wall_left = started + request.wall_seconds - time.monotonic()
            limit = ""
            if cpu_left <= 0:
                limit = f"used more than {request.cpu_seconds:g} s of CPU time"
            elif wall_left <= 0:
                limit = f"took more than {request.wall_seconds:g} s by the clock, using {used:.2f} s of CPU time"
            if limit:
                return self._message[:0], limit
            patience = _milliseconds(min(cpu_left, wall_left))

    def _kill(self) -> tuple[float, int]:
        """End the child, if there is one; returns the CPU time of its last test and its wait status."""
        if not self._pid:
            return 0.0, 0
        assert self._channel is not None
        os.kill(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        self._peak = usage.ru_maxrss << 10 if _LINUX else 0
        self._poll.unregister(self._channel.fileno())
        self._channel.close()
        self._pid, self._channel = 0, None
        self._read_confined()
        if self._sweep is not None:
            self._sweep()
        return usage.ru_utime + usage.ru_stime - self._cpu_before, status

    def _read_confined(self) -> None:
        """Take the word of the child that just ended, before the next one starts."""
        try:
            self._was_confined = os.read(self._started[0], 1) != b""
        except BlockingIOError:
            self._was_confined = False


def _explain(
    message: memoryview, limit: str, status: int | None, request: wire.Request
) -> tuple[str, bytes | memoryview]:
    """Turn what was seen into a status and an error text."""
    if limit:
        return "timeout", limit.encode()
    if message:
        known = {b"o": "passed", b"x": "exception", b"s": "exception", b"m": "memory_exceeded"}
        verdict = known.get(bytes(message[1:2]))
        return (verdict, message[2:]) if verdict else ("exception", b"wrote to the sandbox's own channel")
    assert status is not None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return "timeout", b"used up the CPU time of all its tests"
        return "signal", f"killed by {signal.Signals(number).name}".encode()
    code = os.WEXITSTATUS(status)
    return ("passed", b"") if code == 0 else ("exception", f"exit code {code}".encode())


def _refill(text: bytes | memoryview) -> None:
    """Give the waiting child its next input and an empty output file (it shares the descriptions)."""
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)
    _write_all(0, text)
    os.ftruncate(0, len(text))
    os.lseek(0, 0, os.SEEK_SET)


def _write_all(number: int, data: bytes | memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(number, data[written:] if written else data, written)


def _anonymous_file() -> int:
    if _LINUX:
        return os.memfd_create("io", 0)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _milliseconds(seconds: float) -> int:
    """How long to wait for what ends within some seconds."""
    return math.ceil(seconds * 1000) + 1


def _cpu_clock(pid: int) -> float:
    """CPU seconds that a process has used; 0 where the system cannot tell (then RLIMIT_CPU has to do)."""
    if not _LINUX:
        return 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid() returns
    except OSError:
        return 0.0


def _give_back_free_memory() -> None:
    """Hand pages that nothing uses to the kernel, so that no fork copies their entries (where the C library can)."""
    if _LINUX and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _plain_fork() -> Callable[[], int]:
    """The C library's fork, without CPython's hooks.

    The hooks rebuild locks and reseed `random`: five times the page faults, for a process with one thread
    that wants equal random numbers in every child.
    """
    if not _LINUX:
        return os.fork
    fork = ctypes.PyDLL(None).fork
    fork.restype = ctypes.c_int
    return fork
