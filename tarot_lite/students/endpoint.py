"""A student behind an endpoint that speaks OpenAI's protocol: a paid model, or one of your own under ``vllm serve``.

It can be measured (`tarot_lite.capability.estimate`) and not trained.  A run takes it as a student by the parameter
``models``: ``name=http://localhost:8000/v1#org/model``.  For a model of the Hub on a GPU this is also
the way to generate with vLLM: ``vllm serve NAME``, then ``Endpoint(NAME, base_url="http://localhost:8000/v1")``; the
server batches what `jobs` ask at the same time.  Needs the extra ``teacher`` (``pip install 'tarot_lite[teacher]'``).

What goes wrong, and what is done: too many requests, timeouts, server errors -- tried again by the client, then
`Unfinished` with everything that was written until then; a wrong key or name -- the same, with the remedy.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tarot_lite import endpoints
from tarot_lite.problems import Problem
from tarot_lite.students import prompting
from tarot_lite.students.writer import Completion, StudentError, Unfinished

if TYPE_CHECKING:
    import openai

_REMEDIES = {
    0: "try again later",
    400: "the prompt may be longer than the model's context, or the server may not know a parameter",
    404: "check base_url and the model's name (style='fewshot' needs the completions endpoint)",
}


@dataclass
class Endpoint:
    """A model that is asked over the network.

    Parameters
    ----------
    model
        The endpoint's name for it.
    base_url, api_key
        None takes what the client's own environment variables say (``OPENAI_BASE_URL``, ``OPENAI_API_KEY``).
    style
        ``"chat"``, or ``"fewshot"`` for base models (asked through the older completions endpoint).
    name
        For tables and folders; empty: the model's.
    jobs
        Requests at the same time, at least 1.
    retries, timeout
        Of the client: after too many requests, timeouts (in seconds) and server errors.

    Examples
    --------
    >>> Endpoint("org/some-model", base_url="http://localhost:8000/v1", api_key="none").name
    'some-model'
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    style: str = "chat"
    name: str = ""
    jobs: int = 8
    retries: int = 4
    timeout: float = 120.0
    independent = True  # each completion is drawn by itself, so missing ones can be asked for alone

    def __post_init__(self) -> None:
        if self.style not in ("chat", "fewshot"):
            raise StudentError(f"endpoint {self.model!r}: style is {self.style!r}; give 'chat' or 'fewshot'")
        if self.jobs < 1 or self.retries < 0 or not self.timeout > 0:
            raise StudentError(
                f"endpoint {self.model!r}: jobs {self.jobs}, retries {self.retries}, timeout {self.timeout}; "
                "give at least 1 and 0, and seconds above 0"
            )
        self.name = self.name or self.model.rpartition("/")[2]

    @property
    def origin(self) -> dict[str, str]:
        """Where it is, for the manifest; never the key."""
        place = self.base_url or "the endpoint of OPENAI_BASE_URL"
        return {"backend": "endpoint", "why": "its address was given", "source": f"{place}#{self.model}"}

    def asked(self, style: str) -> Endpoint:
        """The same model, asked in another style."""
        return replace(self, style=style)

    def prompt(self, problem: Problem) -> str:
        """What is sent: a user's message, or a text to continue."""
        return prompting.ask(problem, self.style)

    def code(self, problem: Problem, completion: str) -> str | None:
        """The candidate's code in a completion; None if there is none."""
        return prompting.read(problem, completion, self.style)

    def generate(
        self,
        prompts: Sequence[str],
        samples: int = 1,
        temperature: float = 1.0,
        max_new_tokens: int = 512,
        seed: int = 0,
    ) -> list[list[Completion]]:
        """Sample completions, `jobs` prompts at a time.

        Parameters
        ----------
        prompts
            Texts, as `prompt` makes them.
        samples
            Completions per prompt.  All are asked for at once; a server that gives fewer is asked again.
        temperature, max_new_tokens
            Of the sampling.
        seed
            Sent along; most servers promise nothing about it.

        Returns
        -------
        list of list of Completion
            In the order of `prompts`, `samples` each.  The endpoint counts the tokens of an answer as a whole;
            completions that came in one answer share them evenly.

        Raises
        ------
        StudentError
            If there is no client or key.
        Unfinished
            If a request failed after all retries; it holds what was written.
        """
        client = self._client()
        found: list[list[Completion]] = [[] for _ in prompts]
        failed = threading.Event()

        def fill(number: int) -> None:
            while len(found[number]) < samples and not failed.is_set():
                wanted = samples - len(found[number])
                own_seed = seed + number * samples + len(found[number])
                try:
                    found[number] += self._ask(client, prompts[number], wanted, temperature, max_new_tokens, own_seed)
                except BaseException:
                    failed.set()  # what is under way is waited for, nothing new is begun
                    raise

        with ThreadPoolExecutor(self.jobs, "endpoint") as pool:
            futures = [pool.submit(fill, number) for number in range(len(prompts))]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise Unfinished(self._explain(errors[0]), found) from errors[0]
        return found

    def _client(self) -> openai.OpenAI:
        try:
            return endpoints.connect(self.base_url, self.api_key, self.retries, self.timeout)
        except endpoints.EndpointError as error:
            raise StudentError(f"endpoint {self.model!r}: {error}") from error

    def _ask(
        self, client: openai.OpenAI, prompt: str, wanted: int, temperature: float, max_new_tokens: int, seed: int
    ) -> list[Completion]:
        """One request; at most `wanted` completions, at least one."""
        body: dict[str, Any] = {
            "model": self.model,
            "n": wanted,
            "temperature": temperature,
            "max_tokens": max_new_tokens,
            "seed": seed,
        }
        if self.style == "chat":
            body["messages"] = [{"role": "user", "content": prompt}]
            raw = client.chat.completions.with_raw_response.create(**body)
        else:
            raw = client.completions.with_raw_response.create(**body, prompt=prompt, stop=[prompting.NEXT])
        answer = json.loads(raw.text)
        choices = (answer.get("choices") if isinstance(answer, dict) else None) or []
        if not choices:
            raise ValueError("an answer without choices")
        usage = answer.get("usage") or {}
        total = int(usage.get("completion_tokens") or 0)
        each, rest = divmod(total, len(choices))
        return [_completion(choice, each + (i < rest)) for i, choice in enumerate(choices[:wanted])]

    def _explain(self, error: BaseException) -> str:
        place = self.base_url or "the endpoint of OPENAI_BASE_URL"
        remedy = endpoints.remedy(error, _REMEDIES)
        return f"{place}, model {self.model!r}: {type(error).__name__}: {error}; {remedy}"


def _completion(choice: Mapping[str, Any], tokens: int) -> Completion:
    """A choice in either form, whatever is missing in it."""
    text = (choice.get("message") or {}).get("content") or choice.get("text") or ""
    return Completion(text, tokens, choice.get("finish_reason") == "length")
