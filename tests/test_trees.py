"""Trees are made by one thread at a time, whoever makes them."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tarot_lite import literals
from tarot_lite.problems import Problem
from tarot_lite.suites.batch import all_lines

SOURCE = "x = [i * (j + 1) for i in range(3) for j in range(4) if i < j]\n" * 20


@pytest.fixture
def garbage_collector_lets_others_go_on() -> Iterator[None]:
    """Where trees are made by two threads at once, this brings about CPython's gh-106905 (until 3.11.7 and 3.12.1)."""
    threshold = gc.get_threshold()

    def give_way(*_: object) -> None:
        time.sleep(1e-5)  # zero seconds would hardly let another one in

    gc.callbacks.append(give_way)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*threshold)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("garbage_collector_lets_others_go_on")
def test_threads_that_parse_do_not_disturb_each_other() -> None:
    problem = Problem("p", "Sign.", reference=SOURCE)
    works = [
        lambda: literals.module(SOURCE),
        lambda: literals.expression(SOURCE.splitlines()[0].partition("= ")[2]),
        lambda: all_lines(problem),
    ]
    with ThreadPoolExecutor(3) as threads:
        assert all(future.result() for future in [threads.submit(work) for work in works * 20])


def test_no_module_of_suites_parses_past_the_lock(repository) -> None:
    for path in (repository / "tarot_lite/suites").glob("*.py"):
        assert "ast.parse(" not in path.read_text(), path
