"""A proposer that asks a language model, through any endpoint that speaks OpenAI's protocol.

The model proposes inputs with a tier and a reason; it is never asked for outputs.  Answers are cached, so nothing is
paid for twice.  Needs the extra ``teacher`` (``pip install 'tarot_lite[teacher]'``).

What goes wrong, and what is done: too many requests, timeouts, server errors -- tried again by the client, then
`LanguageModelError` (the build can be started again); a broken or half answer, unknown tiers -- asked again, then
what is whole is kept, and the problem is listed in `LanguageModel.failures`.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import endpoints
from tarot_lite.problems import Form, Problem, ProblemError, Tier
from tarot_lite.runs import write_atomic
from tarot_lite.suites.proposers import Proposal

if TYPE_CHECKING:
    import openai

_SYSTEM = """\
You design test inputs for programming problems, in four tiers of difficulty:
- basic: the smallest happy path;
- medium: moderate size, one extra condition (a zero, a tie, several rows);
- high: large or adversarial structure that forces the whole algorithm;
- edge: extreme bounds: minimum, maximum, empty, degenerate.
Keep the input format of the problem exactly. Give inputs only, never outputs. For each input say in one sentence why
it belongs to its tier. Answer with JSON: {"tests": [{"tier": "basic", "input": "...", "reason": "..."}]}."""

_SCHEMA = {
    "type": "object",
    "properties": {
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "tier": {"type": "string", "enum": [tier.label for tier in Tier]},
                    "input": {"type": "string"},
                    "reason": {"type": "string"},
                },
                "required": ["tier", "input", "reason"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["tests"],
    "additionalProperties": False,
}


_REMEDIES = {
    0: "try again later; finished problems are kept",
    400: "the endpoint may not know structured output (structured=False) or a parameter",
    429: "lower jobs, or wait",
}


class LanguageModelError(ValueError):
    """The endpoint cannot be used; the message names it, the cause and the remedy."""


@dataclass
class LanguageModel:
    """Proposes inputs by asking a model.

    Parameters
    ----------
    model
        The endpoint's name for it.
    base_url, api_key
        None takes what the client's own environment variables say (``OPENAI_BASE_URL``, ``OPENAI_API_KEY``).
    per_tier
        Inputs to ask for in each tier, at least 1.
    temperature
        None leaves it to the endpoint (some models allow no other).
    max_tokens
        Of an answer; doubled when an answer was cut off.
    structured
        Ask for an answer that keeps the JSON schema; False for servers that cannot.
    attempts
        Times to ask before a broken answer is given up, at least 1.
    retries, timeout
        Of the client: after too many requests, timeouts (in seconds) and server errors.
    jobs
        Requests at the same time.
    cache
        Folder for answers; None keeps none.
    name
        Names the proposer.

    Examples
    --------
    >>> LanguageModel("gpt-x", per_tier=2).describe()
    "LanguageModel(model='gpt-x', per_tier=2, temperature=None, structured=True, max_tokens=8192)"
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    per_tier: int = 1
    temperature: float | None = None
    max_tokens: int = 8192
    structured: bool = True
    attempts: int = 3
    retries: int = 4
    timeout: float = 120.0
    jobs: int = 4
    cache: str | Path | None = None
    name: str = "language model"
    failures: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name in ("per_tier", "attempts", "jobs", "max_tokens", "timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"LanguageModel.{name} is {getattr(self, name)!r}; give a number above 0")
        self._lock = threading.Lock()
        self._made: openai.OpenAI | None = None

    def describe(self) -> str:
        """The settings that answers depend on; never the key."""
        names = ("model", "per_tier", "temperature", "structured", "max_tokens")
        return f"LanguageModel({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def propose(self, problem: Problem, seed: int) -> list[Proposal]:
        """Inputs with claimed tier and reason; of a bad answer (an entry in `failures`) what could be used, maybe none.

        Raises
        ------
        LanguageModelError
            If the endpoint refuses, or fails after all retries.
        """
        body = self._body(problem, seed)
        answer = self._cached(body)
        if answer is not None:
            return self._proposals(answer["content"])[0]
        found: list[Proposal] = []
        best: dict[str, Any] = {}
        trouble = ""
        for attempt in range(self.attempts):
            answer = self._ask(body | ({"max_tokens": self.max_tokens * 2**attempt} if "cut off" in trouble else {}))
            proposals, trouble = self._proposals(answer["content"], answer["finish"])
            if len(proposals) > len(found) or not trouble:
                found, best = proposals, answer
            if not trouble:
                break
        if found:
            self._keep(body, best)
        if trouble:
            with self._lock:
                self.failures[problem.problem_id] = f"{trouble} ({self.attempts} times)"
        return found

    # --- asking -------------------------------------------------------------------------------------------------

    def _body(self, problem: Problem, seed: int) -> dict[str, Any]:
        known = "\n\n".join(f"Input:\n{test.input[:2000]}" for test in problem.tests[:2])
        form = {
            Form.FUNCTION: f"An input is the Python literal of the list of arguments of {problem.entry_point}.",
            Form.SCAFFOLD: "An input is the text on standard input.",
            Form.STDIN_STDOUT: "An input is the text on standard input.",
        }[problem.form]
        user = (
            f"{problem.statement}\n\n{form}\n\nKnown inputs:\n\n{known}\n\n"
            f"Give {self.per_tier} input{'s' if self.per_tier > 1 else ''} for each of the four tiers."
        )
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": user}],
            "max_tokens": self.max_tokens,
            "seed": seed,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.structured:
            schema = {"name": "tests", "strict": True, "schema": _SCHEMA}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _client(self) -> openai.OpenAI:
        with self._lock:
            if self._made is None:
                try:
                    self._made = endpoints.connect(self.base_url, self.api_key, self.retries, self.timeout)
                except endpoints.EndpointError as error:
                    raise LanguageModelError(str(error)) from error
            return self._made

    def _ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        client = self._client()
        import openai

        try:
            raw = client.chat.completions.with_raw_response.create(**body)
            answer = _answer(json.loads(raw.text))
        except ValueError as error:  # the endpoint's own wrapping is no JSON
            answer = {"content": "", "finish": f"not the protocol: {error}"}
        except (openai.APIStatusError, openai.APIConnectionError) as error:
            remedy = endpoints.remedy(error, _REMEDIES)
            raise LanguageModelError(f"{client.base_url}, model {self.model!r}: {error}; {remedy}") from error
        return answer

    # --- cache --------------------------------------------------------------------------------------------------

    def _cached(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        if self.cache is None:
            return None
        try:
            answer: dict[str, Any] = json.loads((Path(self.cache) / f"{_key(body)}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return answer

    def _keep(self, body: Mapping[str, Any], answer: dict[str, Any]) -> None:
        if self.cache is not None:
            write_atomic(Path(self.cache) / f"{_key(body)}.json", json.dumps(answer, ensure_ascii=True))

    # --- reading answers ----------------------------------------------------------------------------------------

    def _proposals(self, content: str, finish: str = "stop") -> tuple[list[Proposal], str]:
        """Whole and sensible tests in an answer, and what is wrong with it (empty if nothing)."""
        proposals, wrong = [], []
        for item in _tests(content):
            try:
                tier = Tier.from_label(item["tier"])
                text = item["input"]
                if tier is None or not isinstance(text, str):
                    raise ProblemError(f"tier {item['tier']!r}, input {text!r:.40}")
            except (ProblemError, KeyError, TypeError) as error:
                wrong.append(str(error))
                continue
            proposals.append(Proposal(text, self.name, tier, str(item.get("reason") or "") or None))
        if finish == "length":
            return proposals, "the answer was cut off"
        if finish.startswith("not the protocol"):
            return proposals, finish
        if not proposals and not wrong:
            return proposals, f"no tests in the answer {content[:80]!r}"
        return proposals, f"unusable tests: {wrong[0]}" if wrong else ""


def _key(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a chat completion that is used, whatever is missing in it."""
    choice = (body.get("choices") or [{}])[0]
    content = (choice.get("message") or {}).get("content") or ""
    return {"content": content, "finish": choice.get("finish_reason") or "stop"}


def _tests(content: str) -> Iterator[dict[str, Any]]:
    """Every whole test object in an answer, also if the JSON around it is broken off or wrapped in prose."""
    try:
        whole = json.loads(content)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and isinstance(whole.get("tests"), list):
        yield from (item for item in whole["tests"] if isinstance(item, dict))
        return
    decoder = json.JSONDecoder()
    for match in re.finditer(r'\{\s*"(?:tier|input|reason)"', content):
        try:
            item, _ = decoder.raw_decode(content, match.start())
        except ValueError:
            continue
        yield item
