"""The two APIs that models are called by, through the package any-llm.

The package is imported when the first model is called: that takes over a second. A prompt's
messages go through `core.providers`, so that what is sent is what `to_openai` and
`to_anthropic` show. All of it goes into the body of the request as it is (``extra_body``):
any-llm would otherwise rename ``max_tokens``, refuse what it doesn't know, and leave out parts
of messages. Only ``stream`` is left out, as an answer is read as a whole.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, Protocol

from pointsman.core.providers import Call, anthropic_call, openai_call
from pointsman.evals.exchange import http_client
from pointsman.evals.providers import ModelFailure, Provider, Reply

_NO_KEY: Final = "no-key"
"""Sent for a provider without a key, as the clients would look in the environment for one."""
_PLACE: Final = [{"role": "user", "content": ""}]
"""What any-llm is given as messages; in the body the real ones take its place."""
_LATER: Final = 30.0
"""Seconds that the HTTP client waits longer than we do: the timeout is ours to tell."""

Embedded = tuple[list[list[float]], tuple[int, int] | None]
"""Vectors, and the tokens in and out if they are told."""


class Api(Protocol):
    """One provider's client, open."""

    async def ask(self, call: Call) -> Reply:
        """Ask once; raises whatever goes wrong."""

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        """The vectors of some texts, in their order; raises whatever goes wrong."""

    async def close(self) -> None:
        """Close all connections."""


async def open_api(provider: Provider) -> Api:
    """The client for a provider.

    Raises:
        ModelFailure: ``no_package``.
    """
    failure: ModelFailure
    try:
        # In a thread: whatever else this process does goes on meanwhile.
        await asyncio.to_thread(_import)
        return OpenAI(provider) if provider.api == "openai" else Anthropic(provider)
    except ImportError as error:
        failure = ModelFailure(
            "no_package",
            f"Calling models needs the package any-llm-sdk, which can't be imported: {error}.",
            hint="Install pointsman[llm].",
        )
    raise failure


@cache
def _import() -> None:
    import any_llm.providers.anthropic
    import any_llm.providers.openai.custom  # noqa: F401

    # They bring over 100,000 objects that stay for good: looking through them again and again
    # for garbage would halt the whole process for a tenth of a second each time.
    gc.collect()
    gc.freeze()


class OpenAI:
    """OpenAI's API, of whoever speaks it."""

    def __init__(self, provider: Provider) -> None:
        from any_llm import AnyLLM
        from any_llm.providers.openai import base

        self._http = http_client(_http_base(base, "AsyncOpenAI"), provider.timeout + _LATER)
        self._llm = _made(
            partial(AnyLLM.create_openai_compatible, provider.name),
            provider,
            "https://api.openai.com/v1",
            self._http,
        )
        # These come from the environment of this process, which is not the project's.
        self._llm.client.organization = self._llm.client.project = None

    async def ask(self, call: Call) -> Reply:
        model = call.model["name"]
        body = _as_they_are({**openai_call(call), "model": model})
        completion = await self._llm.acompletion(model, _PLACE, **body)
        choice = completion.choices[0]
        said = choice.message
        calls = tuple(
            tool.model_dump(mode="json", exclude_none=True) for tool in said.tool_calls or ()
        )
        text = said.content if said.content is not None else said.refusal
        if text is None and not calls and choice.finish_reason not in ("length", "content_filter"):
            message = "Its answer has neither text nor tool calls."
            raise ModelFailure("bad_answer", message, transient=True)
        used = completion.usage
        tokens = _tokens(used.prompt_tokens, used.completion_tokens) if used else None
        return Reply(text or "", calls, choice.finish_reason, tokens)

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        # Not the client's own choice, base64, which many servers don't know.
        answer = await self._llm.aembedding(model, list(texts), encoding_format="float")
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        _check_vectors(vectors, len(texts))
        used = getattr(answer, "usage", None)
        return vectors, _tokens(used.prompt_tokens, 0) if used else None

    async def close(self) -> None:
        await self._http.aclose()


class Anthropic:
    """Anthropic's API."""

    def __init__(self, provider: Provider) -> None:
        from any_llm import AnyLLM
        from any_llm.providers.anthropic import anthropic

        self._http = http_client(_http_base(anthropic, "AsyncAnthropic"), provider.timeout + _LATER)
        self._llm = _made(
            partial(AnyLLM.create, "anthropic"), provider, "https://api.anthropic.com", self._http
        )

    async def ask(self, call: Call) -> Reply:
        model = call.model["name"]
        arguments = anthropic_call(call)
        most, body = arguments["max_tokens"], _as_they_are({**arguments, "model": model})
        message = await self._llm.amessages(model, _PLACE, most, **body)
        blocks = message.content
        text = "".join(block.text for block in blocks if block.type == "text")
        calls = tuple(_called(block) for block in blocks if block.type == "tool_use")
        used = message.usage
        tokens_in = used.input_tokens + (used.cache_read_input_tokens or 0)
        tokens_in += used.cache_creation_input_tokens or 0
        finish = _FINISHES.get(message.stop_reason or "", "stop")
        return Reply(text, calls, finish, _tokens(tokens_in, used.output_tokens))

    async def embed(self, model: str, texts: Sequence[str]) -> Embedded:
        raise ModelFailure(
            "refused",
            f"Anthropic's API has no embeddings, so none for {model}.",
            hint="Name a provider whose api is openai.",
        )

    async def close(self) -> None:
        await self._http.aclose()


def _http_base(module: Any, client: str) -> Any:
    """The class of HTTP clients that goes with a client that any-llm uses.

    It is of httpx for one and of httpx2 for another; the client's own package exports the right
    one.
    """
    package = getattr(module, client).__module__.partition(".")[0]
    return sys.modules[package].DefaultAsyncHttpxClient


def _made(create: Callable[..., object], provider: Provider, usual: str, http: object) -> Any:
    """A client of any-llm that neither tries again nor asks the environment for a key."""
    return create(
        api_base=provider.base_url or usual,
        api_key=provider.key or _NO_KEY,
        unified_exceptions=True,
        max_retries=0,
        timeout=provider.timeout + _LATER,
        http_client=http,
    )


def _as_they_are(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a client as any-llm passes them on untouched."""
    extra = {
        name: arguments.pop(name, None) for name in ("extra_body", "extra_headers", "extra_query")
    }
    further = extra["extra_body"]
    fixed = {"model": arguments["model"], "messages": arguments["messages"]}
    body = {**arguments, **(further if isinstance(further, Mapping) else {}), **fixed}
    for name in ("stream", "stream_options", "timeout"):
        body.pop(name, None)
    return {**extra, "extra_body": body}


def _tokens(tokens_in: int, tokens_out: int) -> tuple[int, int]:
    """Tokens that can be counted on: fewer than none would make room in a budget."""
    return max(0, tokens_in), max(0, tokens_out)


def _called(block: Any) -> dict[str, Any]:
    """A tool call in OpenAI's form."""
    arguments = json.dumps(block.input, ensure_ascii=False)
    return {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": arguments},
    }


def _check_vectors(vectors: list[Any], count: int) -> None:
    sizes = {len(vector) for vector in vectors}
    whole = len(vectors) == count and len(sizes) <= 1 and 0 not in sizes
    if not whole or not all(math.isfinite(value) for vector in vectors for value in vector):
        message = f"Its embeddings are not {count:,} vectors of one length."
        raise ModelFailure("bad_answer", message, transient=True)


_FINISHES: Final = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's reasons to stop in OpenAI's words; every other one is ``stop``."""
