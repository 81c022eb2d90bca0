"""Settings: every parameter that a notebook, papermill or the command line may set, in one typed table.

A **profile** (``notebooks/profiles/*.yaml``) is a flat papermill parameter file: it fits a run to a machine.
What is not in the profile keeps the default below; what a notebook, ``papermill -p`` or ``python -m tarot_lite``
gives wins over both.  A name that is not here, a value of another type or out of range is a `ValueError` that
says so; nothing is ever ignored in silence.

Floor: above floor 0 (it looks policies up in `tarot_lite.curriculum`), below everything else.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from tarot_lite.curriculum import get_policy, policy_key
from tarot_lite.endpoints import split_address


def _option(
    default: Any,
    doc: str,
    *,
    since: int = 1,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of `Settings`: its default, what it means, and the range (both ends included) or choices it must keep.

    Of a list or dict the range holds for every value in it.  `since` is the first stage (1 to 5) whose results the
    field can change -- earlier stages that are done stay done when it does -- or 6 for fields that change no result.
    """
    metadata = {"doc": doc, "since": since, "low": low, "high": high, "choices": choices}
    if isinstance(default, list | dict):
        copied = default
        return dataclasses.field(default_factory=lambda: copied.copy(), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All parameters of all stages, checked; `describe` prints them with types, defaults, ranges and meaning.

    Lists may also be given as text, ``"uni,var"``, and dicts as ``"weak=100,strong=280"``, since ``papermill -p``
    knows neither.

    Raises
    ------
    ValueError
        If a value has the wrong type, is out of range, or names an unknown policy or student.

    Examples
    --------
    >>> Settings(grpo_steps=12, policies="uni,flat").policies
    ['uni', 'flat']
    >>> Settings(grpo_steps=0)
    Traceback (most recent call last):
    ...
    ValueError: parameter grpo_steps is 0; give a whole number, 1 or more
    """

    # the run
    profile: str = _option("cpu", "Name of the profile, or path of a YAML file of your own.", since=6)
    run: str | None = _option(None, "Name of the run folder under reports/; None: the profile's name.", since=6)
    reports: str | None = _option(
        None, "Folder that holds the runs; None: reports/ of the repository, or of the current folder.", since=6
    )
    parent: str | None = _option(
        None, "Run folder whose earlier stages and students a cell of stage 5 shares; None: its own.", since=6
    )
    seed: int = _option(
        0, "Seeds everything that is drawn: problems, students, samples, intervals.", low=0, high=2**31 - 1
    )
    threads: int = _option(2, "Threads of the numerical libraries; 1 repeats bit by bit everywhere.", low=1, high=256)
    jobs: int = _option(1, "Trainings that run at the same time in stage 5.", since=6, low=1, high=64)
    scheduler: str | None = _option(
        None, "Dask scheduler that stage 5's trainings are sent to, such as tcp://host:8786; None: run here.", since=6
    )
    # problems
    world: str = _option(
        "lists", "Miniature world that problems and tiny students are from.", choices=("lists", "mixed")
    )
    warmup_problems: int = _option(1200, "Toy problems behind the students' warm-up corpus.", low=8)
    train_problems: int = _option(400, "Problems that GRPO trains on.", low=4)
    probe_problems: int = _option(60, "Problems that capability is estimated on.", low=4)
    tuning_problems: int = _option(40, "Problems to look at while choosing settings; never reported.", low=4)
    heldout_problems: int = _option(100, "Problems that the final numbers are measured on.", low=4)
    tests_per_tier: int = _option(2, "Tests in each tier of a suite.", low=1, high=100)
    # tiered suites
    suite_problems: int = _option(24, "Toy problems that notebook 01 makes suites for.", low=1)
    suite_inputs: int = _option(24, "Mutated inputs proposed for a problem.", low=1, high=1000)
    suite_candidates: int = _option(24, "Mutants of the reference that tests are measured on.", low=1, high=1000)
    suites_data: str | None = _option(
        None,
        "JSONL of problems with a reference (TAROT, HumanEval, MBPP form) for notebook 01 as well; None: toy only.",
    )
    problems_data: str | None = _option(
        None,
        "JSONL file, or Hub data set (``@commit`` may follow), of problems with tests in all tiers, to train and measure on; "
        "None: those of ``world``.",
    )
    # sandbox
    sandbox_workers: int | None = _option(
        None, "Programs that run at the same time; None: one per core.", since=6, low=1, high=256
    )
    cpu_seconds: float = _option(4.0, "CPU time that a program may use per test, in seconds.", low=0.05, high=600)
    memory_mb: int = _option(512, "Memory that a program may use, in MiB.", low=32)
    # students and their capability
    students: dict[str, int] = _option({"weak": 54, "strong": 200}, "Tiny students: name -> warm-up steps.", low=0)
    models: dict[str, str] = _option(
        {},
        "Pretrained students: name -> Hub id, folder, smollm2, or a server to measure, http://host:8000/v1#org/model; "
        "empty: the tiny ones of `students`.",
    )
    gpu_memory: float | None = _option(
        None, "GPU memory that the profile is made for, in GiB; None: it needs no GPU.", since=6, low=1
    )
    backend: str = _option(
        "auto",
        "What loads pretrained students; auto: Unsloth if there is a GPU and it is installed, else transformers.",
        choices=("auto", "unsloth", "transformers"),
    )
    dtype: str = _option(
        "auto",
        "Number type that pretrained students compute in; auto: bfloat16, or float16 on cards before Ampere, float32 on a CPU.",
        choices=("auto", "bfloat16", "float16", "float32"),
    )
    load_in_4bit: bool = _option(False, "Keep the layers' matrices in 4 bits (needs bitsandbytes and a GPU).")
    lora_rank: int = _option(
        0, "Rank of the LoRA adapters on pretrained students; 0: train all weights.", low=0, high=1024
    )
    lora_alpha: int = _option(32, "Scale of the LoRA adapters: they count alpha / rank.", low=1)
    lora_dropout: float = _option(0.0, "Share of the adapters' inputs dropped in training.", low=0, high=0.9)
    lora_targets: list[str] = _option(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], "Layers that get an adapter."
    )
    generation: str = _option(
        "plain",
        "How a model writes; static: transformers compiles it on a GPU; continuous: paged, finished completions make room.",
        since=3,
        choices=("plain", "static", "continuous"),
    )
    vllm: str = _option(
        "off",
        "Generation by vLLM; auto: beside the training on the same GPU if it is installed and fits; server: one of its own.",
        choices=("off", "auto", "colocate", "server"),
    )
    vllm_memory: float = _option(
        0.3, "Share of the GPU's memory that vLLM takes beside the training.", low=0.05, high=0.95
    )
    max_prompt_tokens: int = _option(
        1024, "Longest prompt that is trained on, in tokens; longer ones are left out.", low=4
    )
    prompt_style: str | None = _option(
        None,
        "How pretrained students are asked: chat, or fewshot (worked examples to continue); None: their own way.",
        since=3,
        choices=("chat", "fewshot"),
    )
    supervised_steps: int = _option(
        0,
        "Supervised steps on worked examples before a pretrained student is measured, so that it knows how it is asked; 0: none.",
        since=3,
        low=0,
    )
    probe_samples: int = _option(8, "Completions per probe problem.", since=3, low=1)
    eval_samples: int = _option(4, "Completions per held-out problem.", since=4, low=1)
    temperature: float = _option(1.0, "Sampling temperature, in training and measuring.", low=0.01, high=5)
    # training
    student: str | None = _option(None, "Student that notebook 04 trains; None: the last of the run's.", since=4)
    policy: str | None = _option(
        None,
        "Curriculum that notebook 04 uses: a name, a YAML file or module:name; None: chosen by the student's capability.",
        since=4,
    )
    policies: list[str] = _option(
        ["uni", "var_asce_rev", "flat"],
        "Curricula that notebook 05 compares: names, YAML files or module:name.",
        since=5,
    )
    portfolio_students: list[str] = _option(
        [], "Students that notebook 05 trains under every curriculum of the portfolio, not `policies` alone.", since=5
    )
    seeds: list[int] = _option([0], "Training seeds of notebook 05.", since=5, low=0, high=2**31 - 1)
    axes: dict[str, list[Any]] = _option(
        {},
        "Further axes of notebook 05: training parameter -> values, such as beta=0|0.01; loss_type=grpo|dapo.",
        since=5,
    )
    cross_axes: bool = _option(
        True,
        "Every combination of the axes; false: one change at a time, each against the run's own settings.",
        since=5,
    )
    benchmarks: list[str] = _option(
        ["functions"],
        "Benchmarks that base and trained student are compared on in notebook 05, of `python -m tarot_lite.benchmarks list`; "
        "those of the Hub where it can be reached.",
        since=5,
    )
    benchmark_data: dict[str, str] = _option(
        {}, "Local files of benchmarks: name -> file; the others come from the Hub.", since=5
    )
    benchmark_revisions: dict[str, str] = _option(
        {}, "Commits of benchmarks on the Hub instead of the pinned ones: name -> commit, tag or branch.", since=5
    )
    benchmark_since: str | None = _option(
        None,
        "Contamination window of benchmarks whose tasks have dates: first day, such as 2024-08-01; None: all.",
        since=5,
    )
    benchmark_until: str | None = _option(None, "First day after the contamination window; None: no end.", since=5)
    benchmark_tasks: int | None = _option(
        None, "Only the first so many tasks of a benchmark; None: all.", since=5, low=1
    )
    benchmark_samples: int | None = _option(
        None, "Completions per task, the largest k of pass@k; None: `eval_samples`.", since=5, low=1
    )
    benchmark_temperature: float | None = _option(
        None,
        "Sampling temperature on benchmarks, 0: greedy, with one sample; None: `temperature`.",
        since=5,
        low=0,
        high=5,
    )
    training_seed: int | None = _option(
        None, "Order of the prompts and sampling of one training; None: `seed`.", since=4, low=0, high=2**31 - 1
    )
    grpo_steps: int = _option(80, "Optimizer steps of a training.", since=4, low=1)
    prompts_per_step: int = _option(8, "Problems per optimizer step.", since=4, low=1)
    generations: int = _option(8, "Completions per problem and step: the GRPO group.", since=4, low=2)
    learning_rate: float = _option(3e-4, "Peak learning rate.", since=4, low=1e-9, high=1)
    micro_batch: int | None = _option(
        None,
        "Completions in one forward and backward pass; None: all of a step. The step's result is the same.",
        since=4,
        low=1,
    )
    generation_batch: int | None = _option(
        None,
        "Completions generated at once; None: all of a step. The step learns from the same number.",
        since=4,
        low=2,
    )
    gradient_checkpointing: bool = _option(False, "Compute activations twice instead of keeping them.", since=4)
    num_iterations: int = _option(1, "Steps that learn from the same completions.", since=4, low=1, high=64)
    epsilon: float = _option(0.2, "Clipping of the probability ratio, below 1.", since=4, low=0, high=1)
    epsilon_high: float | None = _option(
        None, "Clipping of the probability ratio, above 1; None: as epsilon.", since=4, low=0, high=10
    )
    scale_rewards: str = _option(
        "group",
        "What advantages are divided by: the standard deviation of the group, of the batch, or nothing.",
        since=4,
        choices=("group", "batch", "none"),
    )
    mask_truncated: bool = _option(False, "Leave completions that were cut out of the loss.", since=4)
    lr_schedule: str = _option(
        "constant",
        "Course of the learning rate after its warm-up.",
        since=4,
        choices=("constant", "linear", "cosine"),
    )
    lr_warmup_steps: int = _option(0, "Steps in which the learning rate rises to its peak.", since=4, low=0)
    beta: float = _option(0.01, "Weight of the KL term; 0: no reference model.", since=4, low=0, high=10)
    loss_type: str = _option("dr_grpo", "Loss of TRL's GRPO.", since=4, choices=("grpo", "bnpo", "dr_grpo", "dapo"))
    max_completion_tokens: int = _option(24, "Longest completion, in tokens.", since=3, low=4)
    format_weight: float = _option(
        0.0, "Worth of a well-formed completion; 1 as published, 0 for students without tags.", since=4, low=0, high=100
    )
    normalize_reward: bool = _option(False, "Divide the reward by the active weight; False as published.", since=4)
    tier_weights: list[float] | None = _option(
        None, "Worth of a passed tier, basic to edge, four numbers; None: those of the curriculum.", since=4, low=0
    )
    training_temperature: float | None = _option(
        None, "Sampling temperature in training alone; None: `temperature`.", since=4, low=0.01, high=5
    )
    save_steps: int = _option(20, "Steps between checkpoints.", since=4, low=1)
    completions_every: int = _option(10, "Steps between the rows of the completions table.", since=4, low=1)
    keep_best_every: int | None = _option(
        None,
        "Steps between measurements on the tuning split, to keep the best weights; None: keep the last.",
        since=4,
        low=1,
    )
    report_to: str = _option(
        "none",
        "Tracker that gets the signals beside the local files.",
        since=6,
        choices=("none", "tensorboard", "trackio", "wandb"),
    )
    save_model: str = _option(
        "no",
        "What notebook 04 saves at its end: adapters (or all weights), merged weights, or GGUF made by Unsloth.",
        since=4,
        choices=("no", "adapters", "merged", "gguf"),
    )
    hub_model: str | None = _option(None, "Hub repository that notebook 04 uploads what it saved to.", since=4)
    hub_checkpoints: str | None = _option(
        None,
        "Hub repository that gets every checkpoint of a training, and that a fresh machine goes on from.",
        since=6,
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", _read_axes(self.axes))
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        object.__setattr__(self, "policies", [policy_key(name) for name in self.policies])
        object.__setattr__(self, "policy", self.policy and policy_key(self.policy))
        for field_name, names in (
            ("policies", self.policies),
            ("policy", [] if self.policy is None else [self.policy]),
        ):
            try:
                called = [get_policy(name).name for name in names]
            except ValueError as error:
                raise ValueError(f"parameter {field_name}: {error}") from None
            if twice := [name for name in called if called.count(name) > 1]:
                raise ValueError(f"parameter {field_name} has a policy called {twice[0]!r} twice; give each once")
        for field_name, values in (
            ("policies", self.policies),
            ("seeds", self.seeds),
            ("students", self.students),
            ("portfolio_students", self.portfolio_students),
            ("lora_targets", self.lora_targets),
        ):
            if not values and field_name != "portfolio_students":
                raise ValueError(f"parameter {field_name} is empty; give at least one")
            if len(set(values)) < len(values):
                raise ValueError(f"parameter {field_name} is {values!r}; give each value once")
        for field_name, names in (
            ("student", [] if self.student is None else [self.student]),
            ("portfolio_students", self.portfolio_students),
        ):
            for name in names:
                if name not in self.student_names:
                    raise ValueError(
                        f"parameter {field_name} is {name!r}{_near(name, self.student_names)}; "
                        f"choose one of {', '.join(self.student_names)}"
                    )
        completions = self.prompts_per_step * self.generations
        if self.micro_batch is not None and completions % self.micro_batch:
            raise ValueError(
                f"parameter micro_batch is {self.micro_batch}; give a divisor of prompts_per_step × generations = {completions}"
            )
        if self.benchmark_temperature == 0 and (self.benchmark_samples or self.eval_samples) > 1:
            raise ValueError(
                "parameter benchmark_temperature is 0, so that all samples of a task are the same; give benchmark_samples=1"
            )
        for field_name, by_benchmark in (
            ("benchmark_data", self.benchmark_data),
            ("benchmark_revisions", self.benchmark_revisions),
        ):
            for name in by_benchmark:
                if name not in self.benchmarks:
                    raise ValueError(
                        f"parameter {field_name} names {name!r}{_near(name, self.benchmarks)}, which this run does not "
                        f"measure; the parameter benchmarks has {', '.join(self.benchmarks)}"
                    )
        for field_name, day in (("benchmark_since", self.benchmark_since), ("benchmark_until", self.benchmark_until)):
            try:
                date.fromisoformat(day or "2024-08-01")
            except ValueError:
                raise ValueError(f"parameter {field_name} is {day!r}; give a day such as 2024-08-01") from None
        for field_name, named in (("students", self.students), ("models", self.models)):
            for name, source in named.items():
                if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or not str(source).strip():
                    wanted = (
                        "and a Hub id, a folder, smollm2 or the address of a server" if named is self.models else ""
                    )
                    raise ValueError(
                        f"parameter {field_name} holds {name!r}: {source!r}; give a name of letters, digits, '-', '_' and "
                        f"'.' for its folder {wanted}".rstrip()
                    )
        for name, source in self.models.items():
            try:
                split_address(source)
            except ValueError as error:
                raise ValueError(f"parameter models holds {name}: {error}") from None
        if self.supervised_steps and self.problems_data is None and self.prompt_style:
            raise ValueError(
                f"parameter prompt_style is {self.prompt_style!r}, but with supervised_steps = {self.supervised_steps} a student "
                "learns to be asked by one line of its world; leave one of the two out"
            )
        if self.tier_weights is not None and (len(self.tier_weights) != 4 or not all(self.tier_weights)):
            raise ValueError(
                f"parameter tier_weights is {self.tier_weights!r}; give four numbers above 0, basic to edge"
            )
        if self.hub_model is not None and self.save_model == "no":
            raise ValueError(
                f"parameter hub_model is {self.hub_model!r}, but save_model is no, so nothing would be uploaded; set save_model "
                "to adapters, merged or gguf"
            )
        for field_name in ("run", "profile"):
            text = getattr(self, field_name)
            if text is not None and not text.strip("./ "):
                raise ValueError(f"parameter {field_name} is {text!r}; give a name")
        if self.run is not None and Path(self.run).name != self.run:
            raise ValueError(
                f"parameter run is {self.run!r}; give a plain folder name, and the place by the parameter reports"
            )

    @property
    def run_name(self) -> str:
        """Name of the run folder, which is `run` or the profile's name."""
        return self.run or Path(self.profile).stem

    @property
    def student_names(self) -> list[str]:
        """Names of the run's students, those of `models` if there are any, else the tiny ones, in the profile's order.

        Examples
        --------
        >>> Settings().student_names, Settings(models="coder=Qwen/Qwen2.5-Coder-0.5B-Instruct").student_names
        (['weak', 'strong'], ['coder'])
        """
        return list(self.models or self.students)

    def check_trainable(self, names: Iterable[str]) -> None:
        """Refuse students that are behind a server: they can be asked, and not trained."""
        asked_only = [name for name in names if split_address(self.models.get(name, "")) is not None]
        if asked_only:
            raise ValueError(
                f"parameter models: {', '.join(asked_only)} can be asked over the network and not trained; measure it by "
                "stage 3, and train a model of the Hub or a folder instead"
            )


_HINTS = get_type_hints(Settings)

_NO_AXIS = ("student", "policy", "training_seed", "eval_samples", "save_steps", "completions_every")


def axis_names() -> list[str]:
    """Parameters that may be an axis of the ablation's grid: those that change a training and nothing before it.

    Examples
    --------
    >>> [name for name in ("beta", "tier_weights", "policy", "seed") if name in axis_names()]
    ['beta', 'tier_weights']
    """
    return [f.name for f in dataclasses.fields(Settings) if f.metadata["since"] == 4 and f.name not in _NO_AXIS]


_OTHER_AXES = {"policy": "policies", "student": "students", "training_seed": "seeds", "seed": "seeds"}
_OTHER_AXES |= {"temperature": "training_temperature (`temperature` measures, too)"}


def _read_axes(given: Any) -> dict[str, list[Any]]:
    """Axes by name, each with its values checked as the parameter's own; text is ``"beta=0|0.01; loss_type=grpo|dapo"``."""
    form = 'give training parameters with values, such as "beta=0|0.01; loss_type=grpo|dapo"'
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = yaml.load(given, yaml.BaseLoader)
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(";") if part.strip()]
        given = {name.strip(): [value.strip() for value in values.split("|")] for name, _, values in pairs}
    if not isinstance(given, Mapping):
        raise ValueError(f"parameter axes is {given!r}; {form}")
    fields_by_name = {field.name: field for field in dataclasses.fields(Settings)}
    axes: dict[str, list[Any]] = {}
    for name, values in given.items():
        if name not in axis_names():
            instead = f"; give it by {_OTHER_AXES[name]}" if name in _OTHER_AXES else _near(name, axis_names())
            raise ValueError(f"parameter axes: {name!r} is no axis{instead}; choose from {', '.join(axis_names())}")
        values = list(values) if isinstance(values, list | tuple) else [values]
        if not values or values == [""]:
            raise ValueError(f"parameter axes: {name} has no value; {form}")
        try:
            read = [_checked(fields_by_name[name], value) for value in values]
            if name == "tier_weights":
                for weights in read:
                    Settings(tier_weights=weights)
        except ValueError as error:
            raise ValueError(f"parameter axes: {error}") from None
        if any(value in read[:i] for i, value in enumerate(read)):
            raise ValueError(f"parameter axes: {name} is {values!r}; give each value once")
        axes[name] = read
    return axes


_PLAIN = {"true": True, "True": True, "false": False, "False": False, "None": None, "none": None, "null": None}


def _near(name: object, known: Mapping[str, Any] | list[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


_ITEMS = {(int,): "whole numbers", (float,): "numbers", (list[Any],): "lists of values"}


def _expected(field: dataclasses.Field[Any]) -> str:
    """What a field takes, in words."""
    hint = _HINTS[field.name]
    options = [option for option in (get_args(hint) if _is_union(hint) else (hint,)) if option is not type(None)]
    words = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        list: "a list of " + _ITEMS.get(get_args(options[0])[:1], "names"),
        dict: "names with " + _ITEMS.get(get_args(options[0])[1:], "texts"),
    }[get_origin(options[0]) or options[0]]
    low, high = field.metadata["low"], field.metadata["high"]
    if field.metadata["choices"]:
        words = "one of " + ", ".join(field.metadata["choices"])
    elif low is not None and high is not None:
        words += f" from {low} to {high}"
    elif low is not None:
        words += f", {low} or more"
    return words + (" (or None)" if len(options) < len(get_args(hint)) and _is_union(hint) else "")


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _read(value: Any, hint: Any) -> Any:
    """Read `value` as `hint`, or text as a command line or papermill hands it on; TypeError if it is neither.

    Text is read by the parameter's type alone: ``010`` is 10, ``None`` is None where that is allowed, lists and dicts are
    ``a,b`` and ``a=1,b=2``, or as Python and YAML write them.
    """
    if isinstance(value, str) and hint is not str and value.strip() in _PLAIN:
        value = _PLAIN[value.strip()]
    if isinstance(value, str) and value.strip()[:1] in ("[", "{") and hint is not str:
        try:
            value = yaml.load(value, yaml.BaseLoader)  # every leaf is text
        except yaml.YAMLError:
            raise TypeError from None
    if _is_union(hint):
        return (
            None
            if value is None
            else _read(value, next(option for option in get_args(hint) if option is not type(None)))
        )
    if hint is Any:
        return value  # `_read_axes` has read it
    origin = get_origin(hint)
    if origin is list:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            items = [items]  # papermill turns `-p seeds 3` into a number
        return [_read(item, get_args(hint)[0]) for item in items]
    if origin is dict:
        if isinstance(value, str):
            pairs = [part.partition("=") for part in value.split(",") if part.strip()]
            names = [name.strip() for name, _, _ in pairs]
            if twice := [name for name in names if names.count(name) > 1]:
                raise TypeError(f"{twice[0]!r} is there twice")
            value = {name.strip(): item.strip() for name, _, item in pairs}
        if not isinstance(value, Mapping):
            raise TypeError
        return {_read(name, str): _read(item, get_args(hint)[1]) for name, item in value.items()}
    if isinstance(value, str) and hint in (int, float):
        try:
            value = int(value, 10) if hint is int else float(value)
        except ValueError:
            raise TypeError from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError
    return value


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
    problem = ValueError(f"parameter {field.name} is {value!r}; give {_expected(field)}")
    try:
        value = _read(value, _HINTS[field.name])
    except TypeError as why:
        raise ValueError(f"{problem}; {why}" if str(why) else str(problem)) from None
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, int | float) and not isinstance(item, bool):
            within = math.isfinite(item) and (low is None or item >= low) and (high is None or item <= high)
            if not within:
                raise problem
        elif choices and item is not None and item not in choices:
            raise ValueError(f"{problem}{_near(item, list(choices))}")
    return value


def notebook_folder() -> Path:
    """Folder of the five notebooks and of ``profiles/``; in the repository a link to its ``notebooks/``."""
    return (Path(__file__).parent / "notebooks").resolve()


def profile_names() -> list[str]:
    """Names of the profiles that come with the package.

    Examples
    --------
    >>> {"smoke", "cpu"} <= set(profile_names())
    True
    """
    return sorted(path.stem for path in (notebook_folder() / "profiles").glob("*.yaml"))


def load_profile(name: str, **overrides: Any) -> Settings:
    """Settings of a profile, with `overrides` on top.

    Parameters
    ----------
    name
        One of `profile_names`, or the path of a YAML file that ends in ``.yaml``.
    **overrides
        Fields of `Settings`; None leaves the profile's value.

    Raises
    ------
    ValueError
        If there is no such profile, or it or `overrides` hold an unknown name or a value that does not fit.

    Examples
    --------
    >>> load_profile("smoke", seed=7).seed
    7
    >>> load_profile("smoke", policyy="uni")
    Traceback (most recent call last):
    ...
    ValueError: parameter policyy (value 'uni') is unknown (did you mean 'policy'?)
    """
    remedy = f"choose one of {', '.join(profile_names())}, or give the path of a .yaml file"
    if not isinstance(name, str):
        raise ValueError(f"parameter profile is {name!r}; {remedy}")
    path = Path(name) if name.endswith((".yaml", ".yml")) else notebook_folder() / "profiles" / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"profile {name!r} is unknown{_near(name, profile_names())}; {remedy}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"profile {path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"profile {path}: holds {type(values).__name__}; give `name: value` lines")
    try:
        check_names(values)
        Settings(**values)  # so that a fault of the file is told as one
    except ValueError as error:
        raise ValueError(f"profile {path}: {error}") from None
    overrides = {key: value for key, value in overrides.items() if value is not None}
    check_names(overrides)
    return Settings(**{**values, "profile": name, **overrides})


def check_names(values: Mapping[str, Any]) -> None:
    """Raise ValueError for the first name in `values` that is no field of `Settings`; the message offers a near one."""
    for name, value in values.items():
        if name not in _HINTS:
            raise ValueError(f"parameter {name} (value {value!r}) is unknown{_near(name, list(_HINTS))}")


def describe() -> list[dict[str, str]]:
    """Every parameter as a row: name, what it takes, default, meaning.

    Examples
    --------
    >>> describe()[4]["parameter"], describe()[4]["takes"]
    ('seed', 'a whole number from 0 to 2147483647')
    """
    default = Settings()
    return [
        {
            "parameter": field.name,
            "takes": _expected(field),
            "default": str(getattr(default, field.name)),
            "meaning": field.metadata["doc"],
        }
        for field in dataclasses.fields(Settings)
    ]
