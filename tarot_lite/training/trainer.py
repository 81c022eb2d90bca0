"""TRL's GRPO trainer with a clock, and with the sandbox at work while the model computes.

TRL asks for rewards after it has computed the reference model's log-probabilities, and waits for them.  Here scoring goes on
behind that computation (`TierReward.begin`).  The steps of TRL are called unchanged, in their order and with their arguments;
should a later TRL name them otherwise, the training is the same, only the clock stays empty and scoring begins when TRL asks.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers import TrainerCallback
from trl import GRPOTrainer

from tarot_lite.rewards import TierReward
from tarot_lite.students import generation
from tarot_lite.training.prompts import Order


class Clock:
    """Adds up where the time of a step goes; see `tarot_lite.training.signals`.

    Attributes
    ----------
    now
        The part that is running: ``generation``, ``reference``, ``waiting`` or ``update``.
    """

    def __init__(self) -> None:
        self.now = "update"
        self._since = time.perf_counter()
        self._seconds: dict[str, float] = defaultdict(float)

    def begin(self, part: str) -> None:
        """The time until now belonged to the part before."""
        now = time.perf_counter()
        self._seconds[self.now] += now - self._since
        self.now, self._since = part, now

    @contextmanager
    def part(self, name: str, then: str) -> Iterator[None]:
        """Time of what is done inside; `then` comes after it.  An error leaves `now` at the part that it came from."""
        self.begin(name)
        yield
        self.begin(then)

    def reset(self) -> dict[str, float]:
        """Seconds of each part since the last reset, and of all together as ``step``."""
        self.begin("update")
        parts = {name: self._seconds[name] for name in ("generation", "reference", "waiting", "update")}
        self._seconds.clear()
        return {f"seconds/{name}": value for name, value in parts.items()} | {"seconds/step": sum(parts.values())}


class _Steps(TrainerCallback):
    """Sets the clock to zero where a step begins, so that saving and measuring between steps does not count."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.clock.reset()


class CurriculumTrainer(GRPOTrainer):
    """`trl.GRPOTrainer` whose first reward is a `TierReward`.

    Adds to the log of each step ``seconds/*`` (see `tarot_lite.training.signals`), ``tokens_per_second`` (generated tokens,
    all processes, over the whole step) and, on a GPU, ``gpu_memory_gib``, the step's peak.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.reward_funcs[0], TierReward):
            self.reward_funcs[0].end_tokens = frozenset(self.eos_token_ids)
        self._static = not self.use_vllm and self.generation_config.cache_implementation == "static"
        if self._static:
            self.generation_config.disable_compile = False  # TRL asks for the static cache and forbids what it is for
        self.clock = Clock()
        self.add_callback(_Steps(self.clock))
        self._rows: list[dict[str, Any]] = []
        self._written = 0.0

    def _get_train_sampler(self, dataset: Any = None) -> Order:
        args: Any = self.args
        per_pass = args.per_device_train_batch_size * args.world_size
        return Order(
            rows=len(self.train_dataset),  # type: ignore[arg-type]
            per_step=per_pass * args.gradient_accumulation_steps // args.num_generations,
            per_generation=args.generation_batch_size // args.num_generations,
            group=args.num_generations,
            repeated=args.num_iterations * args.steps_per_generation,
            # every pass is handed a whole round of generation, of which it takes its piece
            length=args.max_steps * args.gradient_accumulation_steps * args.generation_batch_size,
            seed=args.seed,
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self._rows = inputs
        return super()._generate_and_score_completions(inputs)

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock.part("generation", then="reference"):
            output = super()._generate(*args, **kwargs)
        completions, reward = output[3], self.reward_funcs[0]
        if isinstance(reward, TierReward) and len(completions) == len(self._rows):
            reward.begin(completions, [row["problem_id"] for row in self._rows])
        self._written += sum(map(len, output[1])) * self.accelerator.num_processes
        return output

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        if self.use_vllm or self.use_transformers_continuous_batching or self._static:
            return super()._generate_single_turn(*args, **kwargs)
        model = self.accelerator.unwrap_model(self.model)
        own = vars(model).get("generate")  # Unsloth puts one there
        model.generate = partial(generation.plain, model, generate=model.generate)
        try:
            return super()._generate_single_turn(*args, **kwargs)
        finally:
            if own is None:
                del model.generate
            else:
                model.generate = own

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock.part("waiting", then="update"):
            return super()._calculate_rewards(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the clock's numbers to a step's row."""
        if "loss" in logs:
            seconds = self.clock.reset()
            logs = {**logs, **seconds, "tokens_per_second": self._written / max(seconds["seconds/step"], 1e-9)}
            self._written = 0.0
            if torch.cuda.is_available():
                logs["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
                torch.cuda.reset_peak_memory_stats()
        super().log(logs, start_time)
