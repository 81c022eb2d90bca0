"""Pretrained models that are known here: where they are, how they are spoken to, what they weigh.

One table, `MODELS`; a folder or another size of a known family is read from its ``config.json`` (`from_config`).  Nothing
here imports torch, so that a run can be judged before anything is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """What models of one architecture have in common.

    Parameters
    ----------
    system_role
        Whether the chat template takes a system message; if not, its text goes in front of the user's turn.
    tags
        Names of the tags around reasoning and answer: as published, Qwen3 has its own.
    attention
        Implementation of attention that ``transformers`` must use for it; None: its default.  Gemma 2 caps its scores,
        which the fused kernels leave out.
    attention_bias, head_norms, layer_norms
        Weights beside the matrices: a bias of query, key and value; a norm for query and key; norms per layer.
    """

    system_role: bool = True
    tags: tuple[str, str] = ("think", "answer")
    attention: str | None = None
    attention_bias: bool = False
    head_norms: bool = False
    layer_norms: int = 2


FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "qwen2": Family(attention_bias=True),
    "qwen3": Family(tags=("reasoning", "solution"), head_norms=True),
    "gemma2": Family(system_role=False, attention="eager", layer_norms=4),
}
"""The known architectures, by the ``model_type`` of their configuration."""


@dataclass(frozen=True, slots=True)
class Model:
    """A pretrained model: its place on the Hub and its shape.

    Parameters
    ----------
    source
        Hub id, or a folder.
    family
        Key of `FAMILIES`.
    layers, hidden, heads, kv_heads, head_size, feedforward, vocabulary, context
        Shape, in layers, units, heads, heads, units, units, tokens, positions.
    tied
        Whether input and output embedding are one matrix.
    gated
        Whether the Hub gives it only to accounts that accepted its licence.
    revision
        Commit on the Hub that is loaded; None for a folder.

    Examples
    --------
    >>> coder = find("Qwen/Qwen2.5-Coder-1.5B-Instruct")
    >>> coder.parameters, coder.tags, coder.messages("Print 1.")[0]["role"]
    (1543714304, ('think', 'answer'), 'system')
    """

    source: str
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    feedforward: int
    vocabulary: int
    context: int
    tied: bool = True
    gated: bool = False
    revision: str | None = None

    @property
    def tags(self) -> tuple[str, str]:
        """Names of the tags around reasoning and answer."""
        return FAMILIES[self.family].tags

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """The matrices of one layer, name -> (inputs, outputs): what LoRA adapts and 4 bits compress."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.feedforward),
            "up_proj": (self.hidden, self.feedforward),
            "down_proj": (self.feedforward, self.hidden),
        }

    @property
    def layer_parameters(self) -> int:
        """Weights in the matrices of all layers."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections.values())

    @property
    def parameters(self) -> int:
        """All weights."""
        family = FAMILIES[self.family]
        small = family.layer_norms * self.hidden
        small += (self.heads + 2 * self.kv_heads) * self.head_size if family.attention_bias else 0
        small += 2 * self.head_size if family.head_norms else 0
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layer_parameters + self.layers * small + self.hidden

    @property
    def system_prompt(self) -> str:
        """What the model is told before the problem: the form of the answer that `FormatReward` pays for."""
        think, answer = self.tags
        return (
            "You solve programming problems in Python. First work out the solution, then give the whole program. "
            f"Reply in exactly this form:\n<{think}>\nyour reasoning\n</{think}>\n<{answer}>\n```python\n"
            f"your program\n```\n</{answer}>"
        )

    def messages(self, ask: str) -> list[dict[str, str]]:
        """The chat that asks for an answer, in the roles that the model's template knows."""
        if FAMILIES[self.family].system_role:
            return [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": ask}]
        return [{"role": "user", "content": f"{self.system_prompt}\n\n{ask}"}]


_QWEN_05 = Model("Qwen/Qwen2.5-0.5B-Instruct", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768)
_QWEN_15 = Model("Qwen/Qwen2.5-1.5B-Instruct", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768)
_QWEN_3 = Model("Qwen/Qwen2.5-3B-Instruct", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768)
_QWEN_7 = Model("Qwen/Qwen2.5-7B-Instruct", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, tied=False)
_SHAPES = [
    *(_QWEN_05, _QWEN_15, _QWEN_3, _QWEN_7),
    *(replace(m, source=m.source.replace("2.5-", "2.5-Coder-")) for m in (_QWEN_05, _QWEN_15, _QWEN_3, _QWEN_7)),
    Model("Qwen/Qwen3-4B-Instruct-2507", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 262144),
    Model("google/gemma-2-2b-it", "gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192, gated=True),
    Model("google/gemma-2-9b-it", "gemma2", 42, 3584, 16, 8, 256, 14336, 256000, 8192, gated=True),
    Model("HuggingFaceTB/SmolLM2-135M-Instruct", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192),
    Model("HuggingFaceTB/SmolLM2-360M-Instruct", "llama", 32, 960, 15, 5, 64, 2560, 49152, 8192),
    Model("HuggingFaceTB/SmolLM2-1.7B-Instruct", "llama", 24, 2048, 32, 32, 64, 8192, 49152, 8192),
]
_COMMITS = {  # as many public projects that downloaded these models record them; `hf download` refuses one that is not there
    "Qwen/Qwen2.5-0.5B-Instruct": "7ae557604adf67be50417f59c2c2f167def9a775",
    "Qwen/Qwen2.5-1.5B-Instruct": "989aa7980e4cf806f80c7fef2b1adb7bc71aa306",
    "Qwen/Qwen2.5-3B-Instruct": "aa8e72537993ba99e69dfaafa59ed015b17504d1",
    "Qwen/Qwen2.5-7B-Instruct": "a09a35458c702b33eeacc393d103063234e8bc28",
    "Qwen/Qwen2.5-Coder-0.5B-Instruct": "ea3f2471cf1b1f0db85067f1ef93848e38e88c25",
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": "2e1fd397ee46e1388853d2af2c993145b0f1098a",
    "Qwen/Qwen2.5-Coder-3B-Instruct": "488639f1ff808d1d3d0ba301aef8c11461451ec5",
    "Qwen/Qwen2.5-Coder-7B-Instruct": "c03e6d358207e414f1eca0bb1891e29f1db0e242",
    "Qwen/Qwen3-4B-Instruct-2507": "cdbee75f17c01a7cc42f958dc650907174af0554",
    "google/gemma-2-2b-it": "299a8560bedf22ed1c72a8a11e7dce4a7f9f51f8",
    "google/gemma-2-9b-it": "11c9b309abf73637e4b6f9a3fa1e92e615547819",
    "HuggingFaceTB/SmolLM2-135M-Instruct": "12fd25f77366fa6b3b4b768ec3050bf629380bac",
    "HuggingFaceTB/SmolLM2-360M-Instruct": "a10cc1512eabd3dde888204e902eca88bddb4951",
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": "31b70e2e869a7173562077fd711b654946d38674",
}

MODELS: dict[str, Model] = {shape.source: replace(shape, revision=_COMMITS[shape.source]) for shape in _SHAPES}
"""Hub id -> model."""

_SMOLLM2 = "smollm2"


def split_revision(source: str) -> tuple[str, str | None]:
    """Hub id and commit of ``name@commit``; the commit is None if none is given.

    Examples
    --------
    >>> split_revision("org/name@0123abcd"), split_revision("org/name")
    (('org/name', '0123abcd'), ('org/name', None))
    """
    name, _, revision = source.partition("@")
    return name, revision or None


def find(source: str) -> Model:
    """The model behind a value of the parameter ``models``.

    Parameters
    ----------
    source
        Hub id of `MODELS` (``@commit`` may follow), a folder with a ``config.json``, or ``smollm2``.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> find("Qwen/Qwen2.5-0.5B-Instruct@main").revision
    'main'
    >>> find("Qwen/Qwen2.5-Coder-1.5B-Instuct")
    Traceback (most recent call last):
    ...
    ValueError: model 'Qwen/Qwen2.5-Coder-1.5B-Instuct' is unknown (did you mean 'Qwen/Qwen2.5-Coder-1.5B-Instruct'?); ...
    """
    if source == _SMOLLM2:
        return MODELS["HuggingFaceTB/SmolLM2-135M-Instruct"]
    folder = Path(source).expanduser()
    if (folder / "config.json").is_file():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model = from_config(config, source)
        if model is None:
            raise ValueError(
                f"model {source}: its architecture is {config.get('model_type')!r}; known are {', '.join(FAMILIES)}"
            )
        return model
    name, revision = split_revision(source)
    if name in MODELS:
        return replace(MODELS[name], revision=revision or MODELS[name].revision)
    near = get_close_matches(name, MODELS, n=1)
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(
        f"model {source!r} is unknown{guess}; give one of {', '.join(MODELS)}, smollm2, or the folder of a downloaded model "
        "(`hf download NAME --local-dir FOLDER`)"
    )


def from_config(config: Mapping[str, Any], source: str) -> Model | None:
    """Read a model's shape from its ``config.json``; None if the architecture is not one of `FAMILIES`."""
    family = config.get("model_type")
    if family not in FAMILIES:
        return None
    heads = int(config["num_attention_heads"])
    return Model(
        source,
        family,
        layers=int(config["num_hidden_layers"]),
        hidden=int(config["hidden_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
        feedforward=int(config["intermediate_size"]),
        vocabulary=int(config["vocab_size"]),
        context=int(config["max_position_embeddings"]),
        tied=bool(config.get("tie_word_embeddings", family == "gemma2")),
    )
