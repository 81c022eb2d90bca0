"""The messages between a `Worker` and its fork server: plain structs, no pickle, so that neither end can run
the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

STATUSES = ("passed", "exception", "timeout", "memory_exceeded", "output_exceeded", "signal")
"""Verdicts that the inside can give; on the wire they are an index into this tuple."""

LENGTH = struct.Struct("<Q")
"""Comes before every message."""

OUTCOME = struct.Struct("<BddII")
"""Comes before an outcome's output and error text: index of its status, CPU and wall seconds, and their two lengths."""

_REQUEST = struct.Struct("<IIddQQIB")
_SIZE = struct.Struct("<I")


class Request(NamedTuple):
    """One program with all its inputs, and the limits to run it under (sizes in bytes, times in seconds)."""

    program: bytes | memoryview
    inputs: list[bytes | memoryview]
    cpu_seconds: float
    wall_seconds: float
    memory: int
    output: int
    processes: int
    fresh: bool


class Outcome(NamedTuple):
    """What one run did."""

    status: str
    stdout: bytes
    error: bytes
    cpu_seconds: float
    wall_seconds: float


def pack_layers(layers: Sequence[tuple[str, bool, str]]) -> bytes:
    """Serialise which layers a worker got (name, whether it stands, detail), their length first.

    Examples
    --------
    >>> layers = [("rlimits", True, ""), ("landlock", False, "version\\t0")]
    >>> unpack_layers(pack_layers(layers)[LENGTH.size:])
    [('rlimits', True, ''), ('landlock', False, 'version 0')]
    """
    rows = [(name, "yes" if stands else "no", detail) for name, stands, detail in layers]
    body = "\n".join("\t".join(" ".join(text.split()) for text in row) for row in rows).encode()
    return LENGTH.pack(len(body)) + body


def unpack_layers(body: bytes) -> list[tuple[str, bool, str]]:
    """The inverse of `pack_layers`, without the length."""
    rows = [line.split("\t") for line in body.decode().split("\n")]
    return [(name, stands == "yes", detail) for name, stands, detail in rows]


def pack_request(request: Request) -> bytes:
    """Serialise a request, its length first.

    Examples
    --------
    >>> request = Request(b"print(1)", [b"", b"2"], 1.0, 2.0, 1 << 29, 1 << 20, 64, False)
    >>> unpack_request(pack_request(request)[LENGTH.size:]) == request
    True
    """
    program, inputs = request.program, request.inputs
    head = _REQUEST.pack(len(program), len(inputs), *request[2:])
    body = b"".join([head, *(_SIZE.pack(len(text)) for text in inputs), program, *inputs])
    return LENGTH.pack(len(body)) + body


def unpack_request(body: bytes | memoryview) -> Request:
    """The inverse of `pack_request`, without the length; texts are parts of `body`, not copies, if that is a memory view."""
    length, count, cpu, wall, memory, output, processes, fresh = _REQUEST.unpack_from(body)
    sizes = struct.unpack_from(f"<{count}I", body, _REQUEST.size)
    start = _REQUEST.size + count * _SIZE.size
    program = body[start : start + length]
    start += length
    inputs: list[bytes | memoryview] = []
    for size in sizes:
        inputs.append(body[start : start + size])
        start += size
    return Request(program, inputs, cpu, wall, memory, output, processes, bool(fresh))


def unpack_outcomes(body: bytes) -> Iterator[Outcome]:
    """Take apart what a fork server answers, without the length.

    Examples
    --------
    >>> list(unpack_outcomes(OUTCOME.pack(0, 0.25, 0.5, 1, 0) + b"4"))
    [Outcome(status='passed', stdout=b'4', error=b'', cpu_seconds=0.25, wall_seconds=0.5)]
    """
    at = 0
    while at < len(body):
        status, cpu, wall, stdout, error = OUTCOME.unpack_from(body, at)
        at += OUTCOME.size
        yield Outcome(STATUSES[status], body[at : at + stdout], body[at + stdout : at + stdout + error], cpu, wall)
        at += stdout + error
