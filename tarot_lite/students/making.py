"""The run's student of a name, however it is got; and a student that is only measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tarot_lite.endpoints import split_address
from tarot_lite.settings import Settings
from tarot_lite.students.endpoint import Endpoint
from tarot_lite.students.writer import StudentError

if TYPE_CHECKING:
    from tarot_lite.students.student import Student


def make(name: str, settings: Settings, folder: str | Path) -> Student | Endpoint:
    """Make, load or take from the cache the student of a name; one behind an endpoint is only addressed.

    Parameters
    ----------
    name
        A key of ``settings.models`` or ``settings.students``.
    settings
        ``models`` says where a pretrained student comes from, ``prompt_style`` how it is asked and ``supervised_steps`` how
        long it is warmed up; ``students`` how long a tiny one is.
    folder
        The cache of what the run's students learnt by supervised warm-up.

    Raises
    ------
    StudentError
        If the name is unknown, or the student cannot be made or loaded.
    """
    cache, known = Path(folder), {**settings.students, **settings.models}
    if name not in known:
        raise StudentError(f"student {name!r} is unknown; this run has {', '.join(known)}")
    if name not in settings.models:
        from tarot_lite.students.warmup import tiny

        student = tiny(name, settings, folder)
        student.generation = settings.generation
        return student
    if (address := split_address(settings.models[name])) is not None:
        base_url, model = address
        return Endpoint(model, base_url, style=settings.prompt_style or "chat", name=name)
    from tarot_lite.students import accelerated, backends

    if settings.models[name] == "smollm2":
        backends.enter(settings)  # Unsloth comes before what fetches the model
        from tarot_lite.students import smollm2
        from tarot_lite.students.cards import read_card

        folder = smollm2.fetch()
        student = accelerated.load(name, str(folder), settings)
        student.origin["source"] = read_card(folder)["source"]
    else:
        student = accelerated.load(name, settings.models[name], settings)
    student.generation = settings.generation
    if settings.supervised_steps:
        from tarot_lite.students.supervised import warm_up

        return warm_up(student, settings, cache)
    return student.asked(settings.prompt_style) if settings.prompt_style else student


def measured(source: str) -> Student | Endpoint:
    """A pretrained student to be measured and not trained, with the adapters of a training or without.

    Parameters
    ----------
    source
        A value of ``settings.models``, or the folder of adapters as ``save_model: adapters`` leaves them; their base model
        is got from where it was got for the training.

    Raises
    ------
    StudentError
        If it cannot be loaded.
    """
    from tarot_lite.students.cards import damage, read_card

    folder = Path(source)
    name = re.sub(r"[^\w.-]", "-", folder.name.partition("@")[0])
    if not (folder / "adapter_config.json").is_file():
        return make(name, Settings(models={name: source}), folder)
    if read_card(folder) and (broken := damage(folder)):
        raise StudentError(f"{folder}: {', '.join(broken)} changed since it was saved; train or save it anew")
    from peft import PeftModel

    base = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    student = measured(base)
    assert not isinstance(student, Endpoint)  # adapters are on weights
    student.model = PeftModel.from_pretrained(student.model, str(folder))
    student.name = name
    return student
