"""Students from folders that `Student.save` or ``transformers`` wrote."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tarot_lite.students.cards import damage, read_card
from tarot_lite.students.models import from_config
from tarot_lite.students.student import Student
from tarot_lite.students.writer import StudentError


def load(folder: str | Path) -> Student:
    """Load a student from a folder.

    Raises
    ------
    StudentError
        If the folder is missing or holds no model, or a file is not what was saved.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise StudentError(f"{folder}: no model there (config.json is missing); give a folder that Student.save wrote")
    card = read_card(folder)
    if card and (broken := damage(folder)):
        raise StudentError(
            f"{folder}: {', '.join(broken)} changed since it was saved; delete the folder and make it anew"
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    style = "chat" if tokenizer.chat_template else "line"
    facts = from_config(model.config.to_dict(), str(folder)) if style == "chat" else None
    return Student(card.get("name", folder.name), model, tokenizer, card.get("style", style), facts=facts)
