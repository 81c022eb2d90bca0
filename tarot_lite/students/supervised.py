"""Supervised warm-up of a pretrained student: from worked examples it learns how it is asked, so that prompts can be short.

In a miniature world it learns the world's noisy solutions, as the tiny students do, and is asked by one line from then on
(few-shot prompts are ten times as long).  With problems of one's own it learns the references of those to train on, in the
style that it is asked in; held-out problems are never shown.  Only its LoRA adapters learn, and GRPO goes on with them.
"""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import load_peft_weights, set_peft_model_state_dict
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import SFTConfig, SFTTrainer

from tarot_lite import exact, machine, origins, runs, worlds
from tarot_lite.settings import Settings
from tarot_lite.students import backends, prompting
from tarot_lite.students.cards import damage, new_folder, read_card
from tarot_lite.students.student import Student
from tarot_lite.students.writer import StudentError
from tarot_lite.suites import splits

disable_progress_bars()  # five of them before the first step are noise in a notebook

_BATCH = 16
_RATE = 5e-4  # for adapters


def warm_up(student: Student, settings: Settings, folder: Path) -> Student:
    """The student as it is asked from now on, its adapters warmed up or taken from the cache; ``origin`` holds the losses.

    Raises
    ------
    StudentError
        If it has no adapters, or no problem to train on has a reference.
    """
    if not hasattr(student.model, "peft_config"):
        raise StudentError(
            f"student {student.name!r}: parameter supervised_steps is {settings.supervised_steps}, but lora_rank is 0 and "
            "only adapters are warmed up; set lora_rank to 16 or so"
        )
    if settings.problems_data is None:
        student = student.asked("line")
    elif settings.prompt_style:
        student = student.asked(settings.prompt_style)
    rows = _examples(student, settings)
    model = [origins.content(settings.models[student.name]), student.origin, settings.lora_alpha, settings.lora_targets]
    made_by = [origins.module_hash("students.supervised"), origins.versions()]
    key = origins.fingerprint(rows, settings.seed, model, made_by)
    place = folder / f"{student.name}-{key}"
    if damage(place):
        losses = _learn(student, rows, settings)
        with new_folder(place, {"name": student.name, "losses": losses}) as aside:
            student.model.save_pretrained(aside)
    else:
        set_peft_model_state_dict(student.model, load_peft_weights(str(place)))
    student.origin |= {"warm-up": key, "warm-up losses": read_card(place)["losses"]}
    return student


def _examples(student: Student, settings: Settings) -> list[dict[str, str]]:
    """What is learnt, in the order of the steps: prompt and completion."""
    count = settings.supervised_steps * _BATCH
    if settings.problems_data is None:
        pairs = worlds.get(settings.world).corpus(count, settings.seed, settings.warmup_problems)
        return [{"prompt": prompt, "completion": body} for prompt, body in pairs]
    known = [problem for problem in splits.of_run(settings, "train") if problem.reference]
    rows = [{"prompt": student.prompt(each), "completion": prompting.answer(each, student.style)} for each in known]
    rooms = {
        "prompt": settings.max_prompt_tokens,
        "completion": settings.max_completion_tokens - 1,
    }  # less the end mark
    fits = [row for row in rows if all(len(student.tokenizer(row[part])["input_ids"]) <= rooms[part] for part in rooms)]
    if not fits:
        raise StudentError(
            f"parameter supervised_steps is {settings.supervised_steps}, but of the problems to train on in "
            f"{settings.problems_data} {len(known)} have a reference and none fits max_prompt_tokens = "
            f"{settings.max_prompt_tokens} and max_completion_tokens = {settings.max_completion_tokens}; raise them, or give 0"
        )
    return random.Random(settings.seed).choices(fits, k=count)


class _Bar(TrainerCallback):
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = runs.progress(total=args.max_steps, desc="warm-up")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.update(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar.close()


def _learn(student: Student, rows: list[dict[str, str]], settings: Settings) -> list[float]:
    """Supervised steps by TRL, on the completions alone; the loss of each."""
    exact.hold(settings.threads, pretrained=True)
    micro = math.gcd(_BATCH, settings.micro_batch or _BATCH)  # no more than fit in memory, and a divisor
    number = backends.precision(settings, machine.card())
    with tempfile.TemporaryDirectory() as aside:
        trainer = SFTTrainer(
            model=student.model,
            processing_class=student.tokenizer,
            train_dataset=Dataset.from_list(rows),
            callbacks=[_Bar()],
            args=SFTConfig(
                output_dir=aside,
                max_steps=settings.supervised_steps,
                per_device_train_batch_size=micro,
                gradient_accumulation_steps=_BATCH // micro,
                learning_rate=_RATE,
                lr_scheduler_type="constant",
                max_length=settings.max_prompt_tokens + settings.max_completion_tokens,
                gradient_checkpointing=settings.gradient_checkpointing,
                bf16=number == "bfloat16",
                fp16=number == "float16",
                logging_steps=1,
                save_strategy="no",
                dataloader_pin_memory=torch.cuda.is_available(),
                report_to="none",
                disable_tqdm=True,
                seed=settings.seed,
            ),
        )
        for noisy in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(noisy)
        trainer.train()
    return [round(row["loss"], 4) for row in trainer.state.log_history if "loss" in row]
