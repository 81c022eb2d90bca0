"""Servers that speak OpenAI's protocol: their addresses, a client for them, and what their refusals ask you to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openai

_REMEDIES = {
    401: "check the key",
    403: "check what the key may do",
    404: "check base_url and the model's name",
    429: "lower jobs, or wait; the account may be out of credit",
}


class EndpointError(RuntimeError):
    """No client can be made: the package or a key is missing."""


def split_address(source: str) -> tuple[str, str] | None:
    """Base URL and the server's name for the model, of an address such as ``http://localhost:8000/v1#org/model``.

    Examples
    --------
    >>> split_address("http://localhost:8000/v1#Qwen/Qwen2.5-Coder-1.5B-Instruct")
    ('http://localhost:8000/v1', 'Qwen/Qwen2.5-Coder-1.5B-Instruct')
    >>> split_address("Qwen/Qwen2.5-Coder-1.5B-Instruct")
    """
    if not source.startswith(("http://", "https://")):
        return None
    base, _, model = source.partition("#")
    if not model.strip():
        raise ValueError(
            f"{source!r} names no model; give the server's name for it after a #, as in {base.rstrip('/')}#org/model"
        )
    return base, model.strip()


def connect(base_url: str | None, api_key: str | None, retries: int, timeout: float) -> openai.OpenAI:
    """A client; what is None comes from its own environment variables, ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``."""
    try:
        import openai
    except ImportError:
        raise EndpointError("an endpoint needs the package openai: pip install 'tarot_lite[teacher]'") from None
    try:
        return openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=retries, timeout=timeout)
    except openai.OpenAIError as error:
        raise EndpointError(
            f"no key for the endpoint: {error}; a server of your own takes any, such as OPENAI_API_KEY=none"
        ) from error


def remedy(error: BaseException, own: Mapping[int, str]) -> str:
    """What to do about a refusal, by its HTTP status; `own` says it better where the caller knows more (0: no status).

    Examples
    --------
    >>> remedy(TimeoutError(), {0: "try again later"})
    'try again later'
    """
    return (_REMEDIES | dict(own)).get(getattr(error, "status_code", None) or 0, own[0])
