"""The forked child: limits itself, compiles the program once, and runs it on one test after another.

A child goes on to the next test only if the last one left no trace that an honest program could trip over
(`_Reuse`).  Otherwise it ends as an ordinary interpreter would, and the next test gets a fresh fork.  A
program that goes out of its way can still carry state between its *own* tests; it gains nothing, since
nothing in here knows an expected output.
"""

from __future__ import annotations

import _thread
import atexit
import builtins
import gc
import io
import opcode
import operator
import os
import resource
import sys
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

# The functions below keep these builtins, whatever a program does to the originals.
globals()["__builtins__"] = dict(vars(builtins))

CHANNEL = 5
"""Descriptor on which a child tells the zygote that a test is over."""

BIGGEST_STACK = 1 << 29
"""Bytes of stack that a thread gets at most, however much is asked for."""

FAILED, CLEAN, ENDED = b"f", b"c", b"e"
"""First byte of a child's message: could not be confined, ready for another test, or at its end."""

ResourceLimits = tuple[tuple[int, tuple[int, int]], ...]
"""Number, and soft and hard value, of each limit."""

Snapshots = Mapping[str, tuple[dict[str, Any], dict[str, Any]]]
"""A module's namespace, and a copy of it as it was before any program."""

_STDIN_COPY, _STDOUT_COPY, _FIRST_FREE = 3, 4, 6
_FILENAME = "program.py"
_IMPORT_NAME, _EXTENDED_ARG = opcode.opmap["IMPORT_NAME"], opcode.opmap["EXTENDED_ARG"]
_STREAMS = ("stdin", "stdout", "stderr")
_BOM = b"\xef\xbb\xbf"
_WARM_UPS = 20
_STREAMS_AHEAD = 8
_ready: list[dict[str, io.TextIOWrapper]] = []

# Modules that hold no state an honest program would change, or whose state `_reset` restores.
_HARMLESS = frozenset(
    "__future__ abc array ast bisect cmath collections contextlib copy dataclasses datetime decimal enum "
    "fractions functools hashlib heapq io itertools json math numbers numpy operator os queue random re "
    "statistics string struct sys textwrap threading time types typing typing_extensions unicodedata".split()
)
_RANDOM = frozenset({"random", "statistics", "numpy"})  # those of them that use up random numbers
# Names by which an honest program changes the interpreter under the next test.
_STICKY = frozenset(
    "__builtins__ __class__ __globals__ __import__ __subclasses__ chdir delattr displayhook dup2 environ "
    "excepthook exec filterwarnings getcontext localcontext meta_path modules path_hooks putenv register "
    "set_printoptions setattr setcontext seterr setlocale setprofile setrlimit setswitchinterval settrace stack_size "
    "umask unsetenv".split()
)
# Names by which a program gets objects that need its other names when they go: finalizers, streams of its own, hidden code.
_LAST_WORDS = frozenset(
    "__del__ BufferedIOBase BufferedWriter FileIO IOBase RawIOBase TextIOBase TextIOWrapper exec".split()
)
_GENERATOR = (
    0x20 | 0x80 | 0x200
)  # generators and coroutines, plain and asynchronous: one that waits has an end to come to


def grant_stacks() -> None:
    """Let a program ask for threads with a big stack.  What it asks for and does not use is no memory used: so address space
    is given up to the hard limit, and the zygote looks at what was used in the end."""
    set_size = _thread.stack_size

    def stack_size(size: int = 0, /) -> int:
        before = set_size(min(size, BIGGEST_STACK))
        if size:
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        return before

    _thread.stack_size = threading.stack_size = stack_size


def take_snapshots() -> Snapshots:
    """Remember the namespaces of loaded modules, to be compared after a test (taken once, before any fork)."""
    spaces = {name: vars(sys.modules[name]) for name in (*_HARMLESS, "builtins") if name in sys.modules}
    return {name: (space, dict(space)) for name, space in spaces.items()}


def warm_up(confine: Callable[[], None], snapshots: Snapshots) -> None:
    """Do everything that a child does a few times, so that the interpreter's caches are written here and not in every child.

    `confine` stands for what a child calls, and must change nothing here.
    """
    kept = {name: getattr(sys, name) for name in (*_STREAMS, *(f"__{name}__" for name in _STREAMS), "argv")}
    main = sys.modules["__main__"]
    limits = ((resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)),)
    program = b"def f(text):\n    return [int(word) for word in text.split()]\nprint(sum(f('1 2 3')))"
    for _ in range(_WARM_UPS):
        _confine(limits, confine, os.dup(1))
        code = _compile(program)
        reuse = _Reuse(code, snapshots)
        outcome, _ = _end(_run(code), collect=True)
        reuse.ready_again()
        _tell(ENDED, outcome)
    sys.modules["__main__"] = main
    for name, value in kept.items():
        setattr(sys, name, value)
    _ready.extend(_make_streams() for _ in range(_STREAMS_AHEAD))  # every child inherits them unused


def names_in(code: types.CodeType) -> tuple[set[str], set[str]]:
    """Every global and attribute name that a code object and those nested in it mention, and the modules they import.

    Examples
    --------
    >>> names, modules = names_in(compile("import os.path\\ndef f(x): return x.real", "p", "exec"))
    >>> sorted(names), modules
    (['f', 'os', 'os.path', 'real'], {'os'})
    """
    names: set[str] = set()
    modules: set[str] = set()
    stack = [code]
    while stack:
        code = stack.pop()
        names.update(code.co_names)
        operations, arguments = code.co_code[::2], code.co_code[1::2]
        at = operations.find(_IMPORT_NAME)
        while at >= 0:
            index = arguments[at]
            if at and operations[at - 1] == _EXTENDED_ARG:
                index += arguments[at - 1] << 8
            modules.add(code.co_names[index].partition(".")[0])
            at = operations.find(_IMPORT_NAME, at + 1)
        stack.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return names, modules


def _has_last_words(code: types.CodeType) -> bool:
    """Whether objects of the program may write when they go; only then is it worth to look for those in cycles."""
    stack = [code]
    while stack:
        code = stack.pop()
        if not _LAST_WORDS.isdisjoint(code.co_names) or (code.co_flags & _GENERATOR and code.co_name != "<genexpr>"):
            return True
        if "__del__" in code.co_consts:  # type("name", bases, {"__del__": ...}), setattr
            return True
        stack.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return False


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the same names are bound to the same objects, in the same order."""
    return now.keys() == before.keys() and all(map(operator.is_, now.values(), before.values()))


class _Reuse:
    """Decides whether this process may run the program again."""

    def __init__(self, code: types.CodeType, snapshots: Snapshots) -> None:
        names, modules = names_in(code)
        self.possible = names.isdisjoint(_STICKY) and modules <= _HARMLESS
        watched = (modules | {"builtins"}) - {"sys"}
        self._watched = [snapshots[name] for name in watched if name in snapshots]
        self._loaded = len(sys.modules) - 1  # without the program's own, which goes at its end
        memory = resource.getrlimit(resource.RLIMIT_AS)[0]
        self._memory = sys.maxsize if memory == resource.RLIM_INFINITY else memory // 4
        self._random = not modules.isdisjoint(_RANDOM)

    def ready_again(self) -> bool:
        """Whether the test that just ended left the process as it found it, and all could be put back."""
        try:
            return self.possible and self._is_clean() and self._restore()
        except BaseException:  # something that we look at was patched
            return False

    def _is_clean(self) -> bool:
        return (
            _thread._count() == 0
            and len(sys.modules) == self._loaded
            and all(_same(now, before) for now, before in self._watched)
            and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < self._memory
        )

    def _restore(self) -> bool:
        """Put back descriptors and the little state that programs do change."""
        os.dup2(_STDIN_COPY, 0)
        os.dup2(_STDOUT_COPY, 1)
        free = os.dup(_STDOUT_COPY)  # the lowest free number: anything but the expected one is a leak
        os.close(free)
        if free != _FIRST_FREE:
            return False
        sys.setrecursionlimit(1000)
        sys.set_int_max_str_digits(4300)
        if self._random:
            seed_random()
        return True


def seed_random() -> None:
    """Start `random` (and numpy's) at the same state in every test, so that a verdict can be repeated."""
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed(0)


def serve(
    channel: int,
    started: int,
    limits: ResourceLimits,
    confine: Callable[[], None],
    snapshots: Snapshots,
    more: bool,
) -> NoReturn:
    """Run the program that lies in descriptor 1 until the zygote has no more tests.

    Never returns; called right after the fork.

    Parameters
    ----------
    channel
        Descriptor of this child's end of the channel.
    started
        Descriptor to say on that the child is confined; closed before the program runs, so that it cannot be forged.
    limits
        What it may use.
    confine
        Installs what must be installed per child (seccomp).
    snapshots
        See `take_snapshots`.
    more
        Whether further tests follow the first.
    """
    try:
        program = _take_program()
        _place(channel, started)
        _confine(limits, confine, _FIRST_FREE)
    except BaseException as error:
        os.write(CHANNEL, FAILED + repr(error).encode())
        os._exit(1)
    try:
        code = _compile(program)
        reuse = _Reuse(code, snapshots) if more else None
        collect = _has_last_words(code)
        while True:
            outcome, is_quiet = _end(_run(code), collect)
            if reuse is None or not (more and is_quiet) or outcome[0] == "m" or not reuse.ready_again():
                _tell(ENDED, outcome)
                break
            _tell(CLEAN, outcome)
            word = os.read(CHANNEL, 1)
            if not word:
                break
            more = word == b"+"
        os._exit(0)
    except BaseException:  # the program broke something that we need, such as a descriptor
        os._exit(70)


def _take_program() -> bytes:
    """Read the source and leave the file empty, for output."""
    program = os.pread(1, os.fstat(1).st_size, 0)
    os.ftruncate(1, 0)
    return program


def _place(channel: int, started: int) -> None:
    """Give the descriptors of a child their numbers and close all others."""
    os.dup2(channel, CHANNEL)
    os.dup2(started, _FIRST_FREE)
    os.dup2(0, _STDIN_COPY)
    os.dup2(1, _STDOUT_COPY)
    os.closerange(_FIRST_FREE + 1, 4096)


def _confine(limits: ResourceLimits, confine: Callable[[], None], started: int) -> None:
    """Take the limits and say so on a descriptor, which is closed before a program could."""
    for kind, values in limits:
        resource.setrlimit(kind, values)
    confine()
    os.write(started, b"s")
    os.close(started)


def _compile(program: bytes) -> types.CodeType:
    try:
        text = program.removeprefix(_BOM).decode("utf-8", "surrogatepass")
        return compile(text, _FILENAME, "exec", dont_inherit=True)
    except MemoryError:
        _tell(ENDED, ("m", "MemoryError while compiling"))
    except BaseException as error:
        _tell(ENDED, ("s", _describe(error)))
    os._exit(1)


def _run(code: types.CodeType) -> tuple[str, str]:
    """Execute once as ``__main__``; returns (kind, text): ok, exception, memory."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    sys.argv = [_FILENAME]
    streams = _ready.pop() if _ready else _make_streams()
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    try:
        exec(code, module.__dict__)
        outcome = ("o", "")
    except SystemExit as stop:
        outcome = _exit_code(stop.code)
    except MemoryError as error:
        outcome = ("m", _describe(error))
    except BaseException as error:
        if sys.excepthook is not sys.__excepthook__:
            _call_hook(error)
        outcome = ("x", _describe(error))
    return outcome


def _call_hook(error: BaseException) -> None:
    """The program's own word on its end.  The first frame of the traceback is ours."""
    try:
        trace = error.__traceback__
        sys.excepthook(type(error), error, trace and trace.tb_next)
    except BaseException:  # the interpreter shows both errors on stderr
        return


def _make_streams() -> dict[str, io.TextIOWrapper]:
    """The standard streams as the interpreter itself makes them at its start, to their last attribute."""
    return {name: _make_stream(number, name) for number, name in enumerate(_STREAMS)}


def _make_stream(number: int, name: str) -> Any:
    mode = "w" if number else "r"
    raw: Any = io.FileIO(number, mode, closefd=False)
    raw.name = f"<{name}>"
    buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    errors = "backslashreplace" if name == "stderr" else "surrogateescape"
    stream: Any = io.TextIOWrapper(buffer, "utf-8", errors, newline="\n", line_buffering=name == "stderr")
    stream.mode = mode
    return stream


def _exit_code(code: object) -> tuple[str, str]:
    if code is None or (isinstance(code, int) and code & 0xFF == 0):
        return ("o", "")
    return ("x", f"exit code {code}" if isinstance(code, int) else f"exit with the message {code!s:.200}")


def _end(outcome: tuple[str, str], collect: bool) -> tuple[tuple[str, str], bool]:
    """End as the interpreter does: wait for threads, run exit functions, flush, take the program's module apart.

    Returns the outcome and whether there was nothing to wait for and nothing is left to write.  `collect` looks for
    objects in cycles too: their finalizers find all names still there.
    """
    try:
        is_quiet = not (_thread._count() or atexit._ncallbacks() or threading._threading_atexits)  # type: ignore[attr-defined]
    except BaseException:
        is_quiet = False
    if not is_quiet:
        _run_exit_functions()
    failure = _flush()
    for name in _STREAMS:
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    is_quiet = is_quiet and failure is None  # what could not be written would be, at the next test
    if _thread._count() == 0:  # else a thread goes on with its names until the process ends
        _take_apart(collect)
        is_quiet = _flush() is None and is_quiet  # what was written meanwhile; the exit code no more depends on it
    if failure is not None and outcome[0] == "o":
        outcome = ("m" if isinstance(failure, MemoryError) else "x", _describe(failure))
    return outcome, is_quiet


def _take_apart(collect: bool) -> None:
    try:
        module = sys.modules.pop("__main__")
        if not collect:
            vars(module).clear()
        del module
        if collect:
            gc.collect()
    except BaseException:  # the program put something else in its place
        return


def _flush() -> BaseException | None:
    """Write out what was printed; returns what went wrong."""
    failure = None
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not _is_closed(stream):
                stream.flush()
        except BaseException as error:
            failure = error
    return failure


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except Exception:  # a stream that does not tell is flushed
        return False


def _run_exit_functions() -> None:
    for finish in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
        try:
            finish()
        except BaseException:  # the interpreter, too, says so on stderr and goes on
            continue


def _tell(kind: bytes, outcome: tuple[str, str]) -> None:
    os.write(CHANNEL, kind + outcome[0].encode() + outcome[1].encode("utf-8", "backslashreplace")[:1000])


def _describe(error: BaseException) -> str:
    """The last line of a traceback and the program's line it points at, whatever the exception's class does."""
    try:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILENAME:
                line = trace.tb_lineno
            trace = trace.tb_next
        error.__traceback__ = None  # frees the frames, and with them the program's objects
        return f"{text[:900]} (line {line})" if line else text[:900]
    except BaseException:
        return "an exception that cannot be printed"
