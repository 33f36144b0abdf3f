"""A real provider of models on the loopback interface, which answers as a test wants it to.

It speaks OpenAI's API (``/v1/chat/completions``, ``/v1/embeddings``) and Anthropic's
(``/v1/messages``), in a thread of its own. What it is given is a function from the request to
what is said::

    with Endpoint(lambda request: request.text.upper()) as endpoint:
        Provider("local", "openai", endpoint.base_url, "key")

It may return text, `Said` (tool calls, tokens, …), a mapping (the JSON body as it is), or
`Raw`: bytes, a status, and everything that can go wrong with them. `limited`, `broken`, `half`
and their like make the usual faults; `in_turn` gives one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

DIMENSIONS = 32
"""How long the vectors of ``/v1/embeddings`` are."""


@dataclass(frozen=True)
class Request:
    """What was asked; header names are in lower case."""

    number: int
    path: str
    headers: Mapping[str, str] = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def text(self) -> str:
        """The text of the last message."""
        content = self.body["messages"][-1].get("content") or ""
        if isinstance(content, str):
            return content
        return " ".join(str(part.get("text", "")) for part in content)


@dataclass(frozen=True)
class Said:
    """A whole answer, told in the shape of whichever API was asked.

    `tools` are pairs of a function's name and its arguments; `tokens` those of the prompt and
    of the answer, counted as words where not given.
    """

    text: str | None = ""
    tools: tuple[tuple[str, Any], ...] = ()
    finish: str = ""
    tokens: tuple[int, int] | None = None


@dataclass(frozen=True)
class Raw:
    """An answer byte by byte.

    It begins after `delay` seconds. `length` is the Content-Length that is told, if it isn't
    the true one. The connection is closed after it if `closes`; `silent` sends nothing at all,
    `endless` goes on with a byte every hundredth of a second, until the caller goes.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    length: int | None = None
    closes: bool = False
    silent: bool = False
    endless: bool = False


Answer = str | Said | Mapping[str, Any] | Raw
Behaviour = Callable[[Request], Answer]


# -- what can go wrong


def refused(status: int, message: str = "No.", **headers: str) -> Raw:
    """An error in the form that both APIs have."""
    body = {"type": "error", "error": {"type": "some_error", "message": message}}
    return Raw(json.dumps(body).encode(), status, headers)


def limited(after: str | None = None) -> Raw:
    """429, with a Retry-After if one is given."""
    return refused(429, "Slow down.", **({} if after is None else {"retry-after": after}))


def broken(status: int = 500) -> Raw:
    """The provider has a bug or is overloaded."""
    return refused(status, "Something went wrong.")


def half(body: bytes = b'{"id": "1", "choices": [{"mess') -> Raw:
    """The connection is closed in the middle of the body."""
    return Raw(body, length=len(body) * 2, closes=True)


def truncated() -> Raw:
    """A body that ends in the middle, as if it were whole."""
    return Raw(b'{"id": "1", "choices": [{"mess')


def html() -> Raw:
    """200, and a page for people."""
    page = b"<!doctype html><title>Sign in</title>"
    return Raw(page, headers={"content-type": "text/html"})


def empty() -> Raw:
    """200, and nothing."""
    return Raw()


def hung_up() -> Raw:
    """The connection is closed without a word."""
    return Raw(silent=True, closes=True)


def never() -> Raw:
    """No answer, for as long as the caller waits."""
    return Raw(silent=True)


def endless() -> Raw:
    """A body that trickles and never ends."""
    return Raw(b'{"id": "', endless=True)


def slow(text: str, seconds: float) -> Callable[[Request], Raw]:
    """A good answer that comes late."""
    return lambda request: Raw(spelt(request, Said(text)), delay=seconds)


def in_turn(*behaviours: Answer | Behaviour) -> Behaviour:
    """The first request from now on gets the first, and so on; the last one stays."""
    rest = list(behaviours)

    def next_one(request: Request) -> Answer:
        chosen = rest.pop(0) if len(rest) > 1 else rest[0]
        return chosen(request) if callable(chosen) else chosen

    return next_one


# -- the server


class Endpoint:
    """The server, from the beginning to the end of a ``with`` block.

    `behaviour` may be set anew at any time. `requests` has all that were made, in their order;
    `most_at_once` is how many were being answered at one time, at most; `connections` how many
    were ever opened.
    """

    def __init__(self, behaviour: Behaviour | Answer = "Hello.") -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.connections = 0
        self.url = ""
        self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True, name="endpoint")

    @property
    def base_url(self) -> str:
        """The base of OpenAI's API; Anthropic's is `url`."""
        return f"{self.url}/v1"

    @property
    def bodies(self) -> list[Any]:
        """The JSON of every request."""
        return [request.body for request in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1_024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._up.set()
        await self._stop.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(len(self.requests) + 1, head[0].split()[1], headers, raw)
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await _send(reader, writer, self._answer(request))
        finally:
            self._at_once -= 1

    def _answer(self, request: Request) -> Raw:
        said = self.behaviour(request) if callable(self.behaviour) else self.behaviour
        if isinstance(said, Raw):
            return said
        if request.path.endswith("/embeddings") and isinstance(said, str | Said):
            return Raw(json.dumps(_embedded(request.body)).encode())
        return Raw(spelt(request, Said(said) if isinstance(said, str) else said))


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Raw) -> bool:
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.silent:
        if not answer.closes:
            await reader.read()  # ends when the caller has gone
        return False
    length = len(answer.body) if answer.length is None else answer.length
    headers = {"content-type": "application/json", **answer.headers}
    if not answer.endless:
        headers["content-length"] = str(length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} Said\r\n{lines}\r\n".encode() + answer.body)
    await writer.drain()
    while answer.endless:
        await asyncio.sleep(0.01)
        writer.write(b"x")
        await writer.drain()
    return not answer.closes


# -- the shapes of the APIs


def spelt(request: Request, said: Said | Mapping[str, Any]) -> bytes:
    """The body of a good answer to this request."""
    if isinstance(said, Said):
        asked = request.body
        tokens = said.tokens or (len(request.raw.split()), len((said.text or "").split()))
        shape = _message if request.path.partition("?")[0].endswith("/messages") else _completion
        said = shape(asked["model"], request.number, said, tokens)
    return json.dumps(said).encode()


def _completion(model: str, number: int, said: Said, tokens: tuple[int, int]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.tools:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for index, (name, arguments) in enumerate(said.tools)
        ]
    finish = said.finish or ("tool_calls" if said.tools else "stop")
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }


def _message(model: str, number: int, said: Said, tokens: tuple[int, int]) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    blocks += [
        {"type": "tool_use", "id": f"toolu_{number}_{index}", "name": name, "input": arguments}
        for index, (name, arguments) in enumerate(said.tools)
    ]
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": said.finish or ("tool_use" if said.tools else "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }


def _embedded(asked: Any) -> dict[str, Any]:
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    tokens = sum(len(text.split()) for text in texts)
    return {
        "object": "list",
        "model": asked["model"],
        "data": [
            {"object": "embedding", "index": index, "embedding": vector(text)}
            for index, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def vector(text: str) -> list[float]:
    """A vector of length 1 that is near another's if their texts share words."""
    sums = [0.0] * DIMENSIONS
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for place, byte in enumerate(digest):
            sums[place] += byte - 127.5
    size = math.sqrt(math.fsum(value * value for value in sums))
    return [value / size for value in sums]
