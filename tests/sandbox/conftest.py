"""Fixtures and helpers of the sandbox's tests."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_helpers import QUICK

from tarot_lite.sandbox import Sandbox
from tarot_lite.sandbox.zoo import Stage


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with two workers and short limits."""
    with Sandbox(workers=2, limits=QUICK) as box:
        yield box


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A secret file, a folder open to all, and listeners that must hear nothing."""
    folder = tmp_path_factory.mktemp("stage")
    for path in (folder, *folder.parents):  # readable for everybody as far as it is ours
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)
    folder.chmod(0o777)
    secret = folder / "secret"
    secret.write_text("a secret")
    secret.chmod(0o666)
    with (
        socket.socket() as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        unix.bind(str(folder / "socket"))
        unix.listen()
        os.chmod(folder / "socket", 0o777)
        answer = "answer-" + secrets.token_hex(8)
        yield Stage(answer, str(secret), str(folder), port, str(folder / "socket"), os.getpid())
        for listener in (tcp, udp, unix):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.recvfrom(1) if listener is udp else listener.accept()
    assert sorted(path.name for path in folder.iterdir()) == ["secret", "socket"]
    assert secret.read_text() == "a secret"
    assert folder.stat().st_mode & 0o777 == 0o777
