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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tarot_lite import endpoints
from tarot_lite.problems import Form, Problem, ProblemError, Tier
from tarot_lite.runs import write_atomic
from tarot_lite.suites.proposers import Proposal

if TYPE_CHECKING:
    import openai

_ATTEMPTS = 3  # to get an answer that is whole
_SYSTEM = """\
You design test inputs for programming problems, in four tiers of difficulty:
- basic: the smallest happy path;
- medium: moderate size, one extra condition (a zero, a tie, several rows);
- high: large or adversarial structure that forces the whole algorithm;
- edge: extreme bounds: minimum, maximum, empty, degenerate.
Keep the input format of the problem exactly. Give inputs only, never outputs. For each input say in one sentence why
it belongs to its tier. Answer with JSON: {"tests": [{"tier": "basic", "input": "...", "reason": "..."}]}."""
_REMEDIES = {
    0: "try again later; finished problems are kept",
    400: "the prompt may be longer than the model's context, or the server may not know a parameter",
    429: "wait, and start again: finished problems are kept",
}


class LanguageModelError(ValueError):
    """The endpoint cannot be used; the message names it, the cause and the remedy."""


@dataclass
class LanguageModel:
    """Proposes one input for each tier by asking a model.

    Parameters
    ----------
    model
        The endpoint's name for it.
    base_url, api_key
        None takes what the client's own environment variables say (``OPENAI_BASE_URL``, ``OPENAI_API_KEY``).
    cache
        Folder for answers; None keeps none.
    jobs
        Requests at the same time.
    retries, timeout
        Of the client: after too many requests, timeouts (in seconds) and server errors.
    """

    model: str
    base_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    cache: str | Path | None = field(default=None, repr=False)
    jobs: int = field(default=4, repr=False)
    retries: int = field(default=4, repr=False)
    timeout: float = field(default=120.0, repr=False)
    failures: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    name = "language model"

    def propose(self, problem: Problem, seed: int) -> list[Proposal]:
        """Inputs with claimed tier and reason; of a bad answer (an entry in `failures`) what could be used, maybe none.

        Raises
        ------
        LanguageModelError
            If the endpoint refuses, or fails after all retries.
        """
        body = self._body(problem, seed)
        file = self._cached_answer(body)
        if file and file.is_file():
            return self._proposals(json.loads(file.read_text()))[0]
        found: list[Proposal] = []
        for _ in range(_ATTEMPTS):
            content, trouble = self._ask(body)
            proposals, wrong = self._proposals(content)
            trouble = trouble or wrong
            if len(proposals) > len(found) or not trouble:
                found, best = proposals, content
            if not trouble:
                break
            if trouble == "the answer was cut off":
                body["max_tokens"] *= 2
        if found and file:
            write_atomic(file, json.dumps(best))
        if trouble:
            self.failures[problem.problem_id] = f"{trouble} ({_ATTEMPTS} times)"
        return found

    # --- asking -------------------------------------------------------------------------------------------------

    def _body(self, problem: Problem, seed: int) -> dict[str, Any]:
        known = "\n\n".join(f"Input:\n{test.input[:2000]}" for test in problem.tests[:2])
        form = "An input is the text on standard input."
        if problem.form is Form.FUNCTION:
            form = f"An input is the Python literal of the list of arguments of {problem.entry_point}."
        user = (
            f"{problem.statement}\n\n{form}\n\nKnown inputs:\n\n{known}\n\nGive one input for each of the four tiers."
        )
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": user}],
            "max_tokens": 8192,
            "seed": seed,
        }

    def _cached_answer(self, body: Mapping[str, Any]) -> Path | None:
        if self.cache is None:
            return None
        return Path(self.cache) / f"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}.json"

    @cached_property
    def _client(self) -> openai.OpenAI:
        try:
            return endpoints.connect(self.base_url, self.api_key, self.retries, self.timeout)
        except endpoints.EndpointError as error:
            raise LanguageModelError(str(error)) from error

    def _ask(self, body: Mapping[str, Any]) -> tuple[str, str]:
        """What the model said, whatever is missing around it, and what went wrong (empty if nothing)."""
        client = self._client
        import openai

        try:
            answer = json.loads(client.chat.completions.with_raw_response.create(**body).text)
        except ValueError as error:
            return "", f"not the protocol: {error}"
        except (openai.APIStatusError, openai.APIConnectionError) as error:
            remedy = endpoints.remedy(error, _REMEDIES)
            raise LanguageModelError(f"{client.base_url}, model {self.model!r}: {error}; {remedy}") from error
        choice = (answer.get("choices") or [{}])[0]
        content = (choice.get("message") or {}).get("content") or ""
        return content, "the answer was cut off" if choice.get("finish_reason") == "length" else ""

    # --- reading answers ----------------------------------------------------------------------------------------

    def _proposals(self, content: str) -> tuple[list[Proposal], str]:
        """Whole and sensible tests in an answer, and what is wrong with it (empty if nothing)."""
        proposals, wrong = [], []
        for item in _tests(content):
            try:
                tier = Tier.from_label(item["tier"])
                text = item["input"]
                if tier is None or not isinstance(text, str):
                    raise ProblemError(f"tier {item['tier']!r}, input {text!r:.40}")
                proposals.append(Proposal(text, self.name, tier, str(item.get("reason") or "") or None))
            except (ProblemError, KeyError, TypeError) as error:
                wrong.append(f"unusable tests: {error}")
        if not proposals and not wrong:
            wrong.append(f"no tests in the answer {content[:80]!r}")
        return proposals, wrong[0] if wrong else ""


def _tests(content: str) -> Iterator[Any]:
    """Every whole test object in an answer, also if the JSON around it is broken off or wrapped in prose."""
    decoder = json.JSONDecoder()
    at = content.find("{")
    while at >= 0:
        try:
            item, at = decoder.raw_decode(content, at)
        except ValueError:
            at += 1
        else:
            tests = item.get("tests", [item])
            yield from tests if isinstance(tests, list) else ()
        at = content.find("{", at)
