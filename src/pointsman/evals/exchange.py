"""One request to a provider and its answer, as HTTP.

The clients of OpenAI and Anthropic bring their own HTTP clients. These are given what is
theirs but reading: no redirect is followed, as that would take the key elsewhere; at most
`MOST_READ` bytes are read; and whatever is not the beginning of an answer in JSON becomes a
`ModelFailure` here, where it is still known what happened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.evals.limits import retry_after
from pointsman.evals.providers import Kind, ModelFailure

MOST_READ: Final = 10 * 1024 * 1024
"""Bytes of an answer that are read, unpacked."""
_SHOWN: Final = 300
"""Characters that are shown of what a provider says."""


@dataclass(slots=True)
class Exchange:
    """What has happened of one attempt: whether anything was sent, what came back, and what was
    wrong with it. The clients wrap errors in their own, each in another way."""

    sent: bool = False
    body: bytes | None = None
    failure: ModelFailure | None = None


class ExchangeFailed(Exception):
    """There is no answer to read; the exchange says why."""


current: ContextVar[Exchange] = ContextVar("current")
"""The exchange of the attempt that this task makes."""


def http_client(base: type[Any], seconds: float) -> Any:
    """A client of the class `base` (of httpx or httpx2) that reads as this module says."""

    async def send(self: Any, request: Any, **options: Any) -> Any:
        exchange = current.get()
        exchange.sent = True
        options["stream"] = True
        try:
            response = await _begun(base.send(self, request, **options))
            exchange.body = await _read(response)
            _judge(response.status_code, response.headers, exchange.body)
        except ModelFailure as failure:
            exchange.failure = failure
        # What the provider said may hold the key, and the clients log what is raised here.
        if exchange.failure is not None:
            raise ExchangeFailed
        # Its body begins like JSON, so it is read as such, whatever it says it is.
        told = {"content-type": "application/json"}
        return type(response)(
            response.status_code, headers=told, content=exchange.body, request=request
        )

    bounded = type("BoundedClient", (base,), {"send": send})
    return bounded(follow_redirects=False, timeout=seconds)


async def _begun(sending: Awaitable[Any]) -> Any:
    """The response, of which the body is still to be read."""
    try:
        return await sending
    except Exception as error:
        failure = _not_reached(error)
    raise failure


async def _read(response: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_READ:
                break
    except Exception as error:
        kind: Kind = "timeout" if "Timeout" in type(error).__name__ else "bad_answer"
        failure = ModelFailure(
            kind, f"It broke off after {size:,} bytes of its answer.", transient=True
        )
    else:
        if size <= MOST_READ:
            return b"".join(parts)
        failure = ModelFailure(
            "bad_answer",
            f"Its answer is longer than {MOST_READ // 1024**2} MB; the rest was not read.",
            hint="Limit it with max_tokens.",
        )
    finally:
        await response.aclose()
    raise failure


def _not_reached(error: Exception) -> ModelFailure:
    """What it means that no answer began."""
    name = type(error).__name__
    if "Timeout" in name:
        return ModelFailure("timeout", "It did not answer in time.", transient=True)
    if name in ("UnsupportedProtocol", "LocalProtocolError", "InvalidURL"):
        return ModelFailure("refused", f"The request can't be sent: {error}.", hint=_SETTINGS)
    if name == "ConnectError":
        message = f"It can't be reached: {error}."
        return ModelFailure("unavailable", message, hint=_SETTINGS, transient=True)
    return ModelFailure(
        "unavailable", "It closed the connection without an answer.", transient=True
    )


def _judge(status: int, headers: Any, body: bytes) -> None:
    """Raise what stands against this being an answer, as far as HTTP can tell."""
    if not 200 <= status < 300:
        raise _status(status, headers, body)
    start = body[:64].lstrip()
    if start.startswith(b"{"):
        return
    if not start:
        message = "Its answer is empty."
    elif start.startswith(b"<"):
        message = "It answers with a page of HTML."
    else:
        message = "Its answer is not a JSON object."
    raise ModelFailure("bad_answer", message, hint=_SETTINGS, transient=True)


def _status(status: int, headers: Any, body: bytes) -> ModelFailure:
    said = _said(body)
    message = f"It answers {status}{': ' + said if said else ''}."
    asked = retry_after(headers.get("retry-after"), datetime.now(UTC))
    if status == 429 and b"insufficient_quota" in body:
        return ModelFailure("rate_limited", message, hint="Its credit is used up: top it up.")
    if status == 429:
        hint = "Lower the provider's concurrency or its requests per minute."
        return ModelFailure("rate_limited", message, hint=hint, transient=True, retry_after=asked)
    if status in (408, 504):
        hint = "Ask for less, or try again later."
        return ModelFailure("timeout", message, hint=hint, transient=True, retry_after=asked)
    if status in (409, 425) or status >= 500:
        hint = "Try again later."
        return ModelFailure("unavailable", message, hint=hint, transient=True, retry_after=asked)
    return ModelFailure("refused", message, hint=_HINTS.get(status, _REQUEST))


def _said(body: bytes) -> str:
    """The sentence in an error's body; empty if there is none for people."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        text = body[: 4 * _SHOWN].decode("utf-8", "replace")
        return "" if text.lstrip().startswith("<") else _line(text)
    for name in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            told = told[name]
    return _line(told if isinstance(told, str) else json.dumps(told, ensure_ascii=False))


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def without_key(text: str, key: str) -> str:
    """The text with every copy of the key struck out, and not too long.

    A copy that was cut short or goes on differently is struck out as well, from its beginning
    to the next space or quotation mark.
    """
    if len(key) >= 16:
        text = re.sub(re.escape(key[:8]) + r"[^\s\"',}]*", "…", text)
    if key:
        text = text.replace(key, "…")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def misread(body: bytes | None) -> ModelFailure:
    """What is wrong with an answer that its client could make nothing of."""
    try:
        told = json.loads(body or b"")
    except (ValueError, RecursionError):
        message = f"Its answer, of {len(body or b''):,} bytes, is not whole JSON."
        return ModelFailure("bad_answer", message, hint=_API, transient=True)
    if isinstance(told, dict) and told.get("error"):
        message = f"It answers with an error: {_said(body or b'')}."
        return ModelFailure("bad_answer", message, transient=True)
    message = "Its answer lacks what its API promises."
    return ModelFailure("bad_answer", message, hint=_API, transient=True)


_SETTINGS: Final = "See that the provider's base_url is right, and that it runs."
_API: Final = "See that the provider's api is what its server speaks."
_REQUEST: Final = "Change the prompt's model or its parameters."
_HINTS: Final = {
    **dict.fromkeys(
        (301, 302, 303, 307, 308),
        "Put the address that it leads to in the provider's base_url: the key goes nowhere else.",
    ),
    401: "See that the provider's key is right.",
    402: "Its credit is used up: top it up.",
    403: "See what the provider's key may do.",
    404: "See that it has this model, and that its base_url is right.",
    413: "The prompt is too long for it.",
}
