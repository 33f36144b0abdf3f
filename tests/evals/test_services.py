"""Services that make outputs, on real sockets: what they answer, and that none holds a worker."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from pointsman.core.datasets import Row
from pointsman.core.making import Making, Part
from pointsman.core.suites import Maker
from pointsman.evals import services
from pointsman.evals.outputs import Made
from pointsman.evals.preparing import Side
from pointsman.evals.services import Services

Talk = Callable[[socket.socket, str], None]
SIDE = Side(Making("classify:2", {"classify:2": Part("ab" * 32)}), {}, {})


@contextmanager
def _service(talk: Talk) -> Iterator[str]:
    """A service that hears a whole request, and then says what `talk` does; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=_converse, args=(connection, talk), daemon=True)
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/make"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (accepting, *threads):
            thread.join()


def _converse(connection: socket.socket, talk: Talk) -> None:
    with connection, suppress(OSError):  # whoever asked has gone
        read = b""
        while b"\r\n\r\n" not in read:
            read += connection.recv(65_536)
        head, _, body = read.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65_536)
        talk(connection, head.decode())


def _says(answer: Any) -> bytes:
    body = json.dumps(answer).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _drip(connection: socket.socket, text: bytes) -> None:
    """Send it again and again, a byte at a time, until nobody listens."""
    pause = threading.Event()
    while True:
        for byte in text:
            connection.sendall(bytes([byte]))
            pause.wait(0.02)


def _ask(url: str, **options: Any) -> Made:
    async def asked() -> Made:
        maker = Services(Maker("http", {"url": url, **options}))
        try:
            return await maker.make(SIDE, Row({"message": "hello"}), 0)
        finally:
            maker.close()

    return asyncio.run(asked())


@pytest.fixture(autouse=True)
def _inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")


def test_it_answers() -> None:
    with _service(lambda peer, _: peer.sendall(_says({"output": "hi", "tokens": 3}))) as url:
        made = _ask(url)
    assert made.output is not None
    assert (made.output.text, made.output.tokens) == ("hi", 3)
    assert made.output.seconds is not None


@pytest.mark.parametrize(
    ("first", "dripping"),
    [
        (b"", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    ],
)
def test_a_service_that_drips_holds_no_worker(first: bytes, dripping: bytes) -> None:
    def talk(peer: socket.socket, _: str) -> None:
        peer.sendall(first)
        _drip(peer, dripping)

    with _service(talk) as url:
        made = _ask(url, timeout=0.5)
    assert made.output is None
    assert made.error == "The service took over 0.5 seconds for an answer."


def test_a_service_that_says_nothing_is_given_up() -> None:
    with _service(lambda peer, _: _wait_for_end(peer)) as url:
        assert _ask(url, timeout=0.3).error.startswith("The service took over 0.3 seconds")


def test_closing_ends_what_is_waited_for() -> None:
    asked = threading.Event()

    def talk(peer: socket.socket, _: str) -> None:
        asked.set()
        _wait_for_end(peer)

    async def closed(url: str) -> Made:
        maker = Services(Maker("http", {"url": url, "timeout": 3_600}))
        making = asyncio.ensure_future(maker.make(SIDE, Row({}), 0))
        await asyncio.to_thread(asked.wait)
        maker.close()
        return await making

    with _service(talk) as url:
        assert asyncio.run(closed(url)).output is None


def _wait_for_end(peer: socket.socket) -> None:
    while peer.recv(1):
        pass


def test_it_is_asked_under_its_own_name() -> None:
    heads: list[str] = []

    def talk(peer: socket.socket, head: str) -> None:
        heads.append(head.lower())
        peer.sendall(_says({"output": ""}))

    with _service(talk) as url:
        # A suite that says such a header can't be published any more; older ones may have it.
        _ask(url, headers={"HOST": "inside.example", "X-Token": "t", "Content-Length": "0"})
    (head,) = heads
    lines = head.split("\r\n")
    assert [one for one in lines if one.startswith("host:")] == [
        f"host: {url.removeprefix('http://').removesuffix('/make')}"
    ]
    assert "x-token: t" in lines
    assert "content-length: 0" not in lines


def test_waiting_for_a_turn_is_not_the_services_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one is asked at a time, the second call begins after the first was answered."""
    monkeypatch.setattr(services, "AT_ONCE", 1)
    pause, answered = threading.Event(), list[float]()

    def talk(peer: socket.socket, _: str) -> None:
        pause.wait(0.3)
        answered.append(time.monotonic())
        peer.sendall(_says({"output": "hi"}))

    async def both(url: str) -> list[Made]:
        maker = Services(Maker("http", {"url": url}))
        try:
            return await asyncio.gather(*(maker.make(SIDE, Row({}), 0) for _ in range(2)))
        finally:
            maker.close()

    with _service(talk) as url:
        outputs = [one.output for one in asyncio.run(both(url))]
        since_the_first = time.monotonic() - answered[0]
    assert outputs[1] is not None
    assert outputs[1].seconds is not None
    assert outputs[1].seconds <= since_the_first


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nugly", "status 500: ugly"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is no JSON"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, "is no JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "is no object"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "has no output"),
        (b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "status 302"),
        (b"nonsense\r\n\r\n", "can't be asked"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (services.MOST_READ + 9), "is over 10,000,000"),
    ],
)
def test_what_is_no_answer_is_told(answer: bytes, told: str) -> None:
    with _service(lambda peer, _: peer.sendall(answer)) as url:
        made = _ask(url)
    assert made.output is None
    assert told in made.error
