"""Runs as processes of their own: an endpoint of models, and what calls it.

    python -m bench.evaluation_probe endpoint 0.02
    python -m bench.evaluation_probe bare URL CALLS
    python -m bench.evaluation_probe run URL CASES FOLDER

`endpoint` prints its URL and answers OpenAI's API after so many seconds, until it is stopped.
`bare` asks it by any-llm alone, with one gather and a semaphore; `run` does the same by an
evaluation of as many cases, and then by another that finds all outputs made. Both print one
line of JSON with what it took.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

AT_ONCE = 64
ECHO = "echo"
"""The model whose answer is another one for each question; all others say the same to all."""
_NAME = "local"
_TEMPLATE = "Which team answers this? Say one word.\n\n{{ message }}"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def main() -> None:
    """Do what the arguments say."""
    what, *rest = sys.argv[1:]
    if what == "endpoint":
        asyncio.run(_serve(float(rest[0])))
        return
    said = {"bare": _bare, "run": _run}[what](*rest)  # type: ignore[operator]
    print(json.dumps(said), flush=True)


# -- the endpoint


class _Connection(asyncio.Protocol):
    """Reads requests one after the other and gives the same answer to each.

    What is no POST asks how many were answered so far.
    """

    answered = 0

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        told = _LENGTH.search(head)
        if len(body) < (int(told[1]) if told else 0):
            return
        self._read = b""  # clients of HTTP/1.1 wait for an answer before they go on
        if not head.startswith(b"POST"):
            self._transport.write(_spelt(_Connection.answered))
            return
        _Connection.answered += 1
        answer = _SAME
        if f'"{ECHO}"'.encode() in body:
            answer = _spelt(_completion(sha256(body).hexdigest()))
        if self._delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


def _spelt(answer: object) -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 1, "total_tokens": 41},
    }


_SAME = _spelt(_completion("delivery"))


async def _serve(delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(delay), "127.0.0.1", 0, backlog=1_024)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await server.serve_forever()


# -- the yardstick


def _bare(url: str, calls: str) -> dict[str, float]:
    from any_llm import AnyLLM

    messages = [_TEMPLATE.replace("{{ message }}", _message(n)) for n in range(int(calls))]
    before = _status("VmRSS")

    async def everything() -> None:
        llm: Any = AnyLLM.create_openai_compatible(
            _NAME, api_base=url, api_key="no-key", max_retries=0
        )
        room = asyncio.Semaphore(AT_ONCE)

        async def one(text: str) -> str:
            async with room:
                answer = await llm.acompletion("m", [{"role": "user", "content": text}])
                return str(answer.choices[0].message.content)

        await one("Warm up.")
        with _timed(figures):
            said = await asyncio.gather(*[one(text) for text in messages])
        assert set(said) == {"delivery"}
        await llm.client.close()

    figures: dict[str, float] = {}
    asyncio.run(everything())
    return {**figures, "before": before, "peak": _status("VmHWM")}


# -- the same by an evaluation


def _run(url: str, cases: str, folder: str) -> dict[str, float]:
    import any_llm.providers.openai.custom  # noqa: F401 - what it costs is none of ours

    before = _status("VmRSS")
    from pointsman.compose import Registry

    registry = Registry.open(Path(folder))
    registry.set_provider(_NAME, api="openai", base_url=url, concurrency=AT_ONCE, key="no-key")
    _fill(registry, int(cases))
    figures: dict[str, float] = {}
    with _timed(figures):
        made = _evaluated(registry)
    assert made == int(cases), made
    figures |= {"before": before, "peak": _status("VmHWM")}
    again: dict[str, float] = {}
    with _timed(again):
        made = _evaluated(registry)
    assert made == 0, made
    registry.close()
    return {**figures, "again": again["wall"], "again_cpu": again["cpu"]}


def _fill(registry: Any, cases: int) -> None:
    """A prompt, rows to evaluate it on, and a suite."""
    model = {"provider": _NAME, "name": "m"}
    registry.publish("route", {"template": _TEMPLATE, "model": model})
    rows = [{"input": {"message": _message(n)}, "expected": "delivery"} for n in range(cases)]
    suite = {
        "for": ["route"],
        "dataset": "tickets@production",
        "scorers": [{"name": "correct", "by": "exact"}],
        "hold": [{"metric": "correct", "at_least": 0.9}],
    }
    live: dict[str, Any] = {"aliases": ["production"], "reason": "measuring"}
    registry.publish("tickets", {"rows": rows}, kind="dataset", **live)
    registry.publish("route-suite", suite, kind="suite", **live)


def _evaluated(registry: Any) -> int:
    """Evaluate it; how many outputs were made."""
    from pointsman.app.evaluating import asking, runs
    from pointsman.core.selectors import parse_selector
    from pointsman.evals.worker import Worker

    wish = asking.Request(parse_selector("route:1"), again=True)
    (asked,) = registry._write(lambda w: asking.evaluate(w, wish))
    ended = threading.Thread(target=Worker(registry._app, None).work_off)
    ended.start()
    ended.join()
    shown = registry._read(lambda v: runs.show(v, asked.number))
    assert shown.state == "passed", shown.summary
    return int(shown.report.outputs_made)


def _message(number: int) -> str:
    return f"Ticket {number}: my parcel left on Monday and has been seen nowhere since then."


# -- measuring


@contextmanager
def _timed(figures: dict[str, float]) -> Iterator[None]:
    """Put the seconds that the body takes, by the clock and of the processor, into `figures`."""
    began, spent = time.perf_counter(), time.process_time()
    yield
    figures["wall"] = time.perf_counter() - began
    figures["cpu"] = time.process_time() - spent


def _status(name: str) -> float:
    """A figure of memory of this process, in bytes."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024.0


if __name__ == "__main__":
    main()
