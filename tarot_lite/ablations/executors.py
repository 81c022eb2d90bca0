"""Where the cells of a grid run: processes of this machine, or the workers of a Dask scheduler.

Whatever offers the interface of `concurrent.futures.Executor` will do; these are the two that come with the package.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tarot_lite.settings import Settings

_ANSWER = 8.0  # seconds that a scheduler has to answer
_RETRIES = 2  # of a cell whose worker raised; a worker that dies is Dask's own business, which tries elsewhere


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a Dask scheduler says of itself.

    Parameters
    ----------
    address
        Where it listens.
    dashboard
        Address of its page in the browser.
    workers
        Worker processes that are there now.
    gpus
        GPUs that they announce (``dask worker --resources GPU=1``).
    width
        Cells that run at the same time: one per announced GPU, else one per thread of the workers.
    """

    address: str
    dashboard: str
    workers: int
    gpus: int
    width: int

    def __str__(self) -> str:
        slots = f"{self.gpus} GPUs, one cell each" if self.gpus else f"{self.width} cells at a time"
        there = f"{self.workers} workers, {slots}" if self.workers else "no workers yet: cells wait until some come"
        return f"Dask scheduler {self.address}: {there}; dashboard {self.dashboard}"


@contextmanager
def open_executor(settings: Settings) -> Iterator[Executor]:
    """The executor that the settings ask for: ``scheduler``, or ``jobs`` processes on this machine."""
    if settings.scheduler is None:
        pool = ProcessPoolExecutor(
            settings.jobs, multiprocessing.get_context("spawn"), initializer=_follow_parent, initargs=(os.getpid(),)
        )
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
    else:
        with _client(settings.scheduler) as client:
            found = _look(client, settings.scheduler)
            resources = {"GPU": 1} if found.gpus else None
            yield client.get_executor(pure=False, retries=_RETRIES, resources=resources)


def cluster(address: str) -> Cluster:
    """Ask a Dask scheduler what it has.

    Raises
    ------
    ValueError
        If nothing answers there within seconds, or Dask is not installed.
    """
    with _client(address) as client:
        return _look(client, address)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            f"parameter scheduler is {address!r}, but Dask is not installed; pip install 'tarot-lite[cluster]'"
        ) from None
    remedy = "start one by `dask scheduler`, and give the address that it prints, such as tcp://host:8786"
    if not re.fullmatch(r"[a-z]+://.+:\d+", address):  # distributed would wait for it
        raise ValueError(f"parameter scheduler is {address!r}, which is no address; {remedy}")
    try:
        return Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:  # a timeout is an OSError, an unknown protocol a ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"parameter scheduler is {address!r}, but no Dask scheduler answers there ({reason}); {remedy}"
        ) from None


def _look(client: Any, address: str) -> Cluster:
    workers = list(client.scheduler_info(n_workers=-1)["workers"].values())
    gpus = round(sum(worker["resources"].get("GPU", 0) for worker in workers))
    threads = sum(worker["nthreads"] for worker in workers)
    return Cluster(address, client.dashboard_link, len(workers), gpus, gpus or threads)


def _follow_parent(parent: int) -> None:
    """Make this worker quiet, and end it when the process that started it is gone: a killed run leaves nothing behind.

    What its kernels say on stderr would land in the notebook that started them; errors come back as outcomes.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
