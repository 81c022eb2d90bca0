"""A sandbox for all tests of the suites, and an endpoint to ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from endpoint_server import Endpoint, serve

from tarot_lite.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as box:
        yield box


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serve() as state:
        yield state
