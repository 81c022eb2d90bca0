"""Checkpoints on the Hub while a training goes on, so that a fresh machine can go on where another one was lost.

A repository holds one folder for each training, named after student, curriculum, seed and recipe, so that the trainings of an
ablation can share it.  In it lies the newest checkpoint (``last-checkpoint/``: weights or adapters, optimizer, random state,
position in the curriculum and in the data), the best weights if they are kept, and what the training wrote down so far.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import TrainerCallback

from tarot_lite import runs
from tarot_lite.training.best import best_folder
from tarot_lite.training.checkpoints import last_complete, step_of
from tarot_lite.training.errors import TrainingError, said

_LAST, _BEST = "last-checkpoint", "best"
_REFUSALS = (
    HfHubHTTPError,
    HFValidationError,
    httpx.HTTPError,
    OSError,
)  # of the Hub, the client, the network, the disk


def remote_name(identity: Mapping[str, Any]) -> str:
    """Name of a training's folder in the repository, from `identity.identity`.

    Examples
    --------
    >>> remote_name({"student": "coder 1.5B", "policy": "var", "seed": 0}).rpartition("-")[0]
    'coder-1.5B-var-seed0'
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return re.sub(r"[^\w.-]+", "-", f"{identity['student']}-{identity['policy']}-seed{identity['seed']}-{digest}")


class Remote:
    """The folder of one training in a repository of the Hub.

    Parameters
    ----------
    repository
        ``owner/name``; made, private, if it is not there.
    name
        Of the training, see `remote_name`.
    hub
        Client; None: of the public Hub, with the login of ``hf auth login``.

    Raises
    ------
    TrainingError
        If the Hub refuses: better now than at the first checkpoint.
    """

    def __init__(self, repository: str, name: str, hub: HfApi | None = None) -> None:
        self.repository = repository
        self.name = name
        self.hub = hub or HfApi()
        try:
            self.hub.create_repo(repository, private=True, exist_ok=True)
        except _REFUSALS as error:
            raise TrainingError(
                f"parameter hub_checkpoints is {repository}, which cannot be written to ({said(error)}); check the "
                "name and the network, log in by `hf auth login` with a token that may write, or set it to None: checkpoints "
                "are then in the run folder alone"
            ) from error

    def fetch(self, folder: Path) -> int | None:
        """Bring the newest checkpoint into a training's folder that has none; returns its step, None if there is none.

        The checkpoint comes last, so that a download that breaks off leaves nothing to go on from by mistake.
        """
        with tempfile.TemporaryDirectory(dir=folder, prefix=".hub-") as place:
            try:
                snapshot_download(
                    self.repository,
                    allow_patterns=[f"{self.name}/*"],
                    local_dir=place,
                    endpoint=self.hub.endpoint,
                    token=self.hub.token,
                )
            except _REFUSALS as error:
                raise TrainingError(
                    f"the checkpoint of {self.name} in {self.repository} cannot be fetched ({said(error)}); check the "
                    "network and start again, or set hub_checkpoints to None to begin anew"
                ) from error
            found = Path(place, self.name)
            step = runs.read_json(found / _LAST / "complete.json")
            if step is None:
                return None
            for path in found.iterdir():
                if path.is_file():
                    os.replace(path, folder / path.name)
            best = runs.read_json(folder / "best.json")
            if best is not None:
                os.replace(found / _BEST, best_folder(folder, best["step"]))
            (folder / "checkpoints").mkdir(exist_ok=True)
            os.replace(found / _LAST, folder / "checkpoints" / f"checkpoint-{step['step']}")
            return int(step["step"])

    def stage(self, folder: Path, checkpoint: Path, place: Path) -> None:
        """Lay a checkpoint, the best weights and all that was written down aside, as they are now.

        Checkpoints and best weights are never written to again, so a second name for their files is as good as a copy, and
        keeps them when the training removes the old ones.
        """
        shutil.copytree(checkpoint, place / _LAST, copy_function=_link)
        for path in (*folder.glob("*.json"), *folder.glob("*.jsonl")):
            shutil.copy2(path, place / path.name)
        best = runs.read_json(folder / "best.json")
        if best is not None:
            shutil.copytree(best_folder(folder, best["step"]), place / _BEST, copy_function=_link)

    def commit(self, place: Path, step: int) -> None:
        """Upload what was laid aside, in one commit: the repository never holds parts of two checkpoints."""
        self.hub.upload_folder(
            repo_id=self.repository,
            folder_path=place,
            path_in_repo=self.name,
            commit_message=f"{self.name}: step {step}",
        )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links, such as a mounted drive
        shutil.copy2(source, target)


class UploadCheckpoints(TrainerCallback):
    """Uploads every checkpoint in the background; give it after `MarkComplete`.

    While one is on its way the next is left out: the training never waits for the network, but for the last checkpoint at its
    end.  An upload that fails is told and does no harm: the next checkpoint tries again.

    Parameters
    ----------
    remote
        Where to.
    folder
        Of the training.
    """

    def __init__(self, remote: Remote, folder: Path) -> None:
        self.remote = remote
        self.folder = folder
        for left in folder.glob(".hub-*"):  # by a process that was killed
            shutil.rmtree(left)
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._running: Future[None] | None = None
        self._uploaded = 0

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to upload, unless an earlier checkpoint is on its way."""
        if state.is_world_process_zero and (self._running is None or self._running.done()):
            self._begin()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Wait, and upload the last checkpoint if it was left out."""
        if state.is_world_process_zero:
            self.finish()

    def finish(self) -> None:
        """Wait until the newest checkpoint is there, or was refused."""
        self._wait()
        newest = last_complete(self.folder / "checkpoints", clean=False)
        if newest is not None and step_of(newest) > self._uploaded:
            self._begin()
            self._wait()

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def _begin(self) -> None:
        checkpoint = last_complete(self.folder / "checkpoints", clean=False)
        if checkpoint is None:
            return
        place = Path(tempfile.mkdtemp(dir=self.folder, prefix=".hub-"))
        self.remote.stage(self.folder, checkpoint, place)
        self._running = self._thread.submit(self._upload, place, step_of(checkpoint))

    def _upload(self, place: Path, step: int) -> None:
        try:
            self.remote.commit(place, step)
            self._uploaded = step
        except _REFUSALS as error:
            logging.getLogger("tarot_lite").warning(
                f"the checkpoint of step {step} could not be uploaded to {self.remote.repository} "
                f"({said(error)}); it is safe in {self.folder}, and the next one is tried again"
            )
        finally:
            shutil.rmtree(place, ignore_errors=True)
