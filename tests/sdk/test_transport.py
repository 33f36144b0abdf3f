"""Requests over sockets: what is repeated, what is refused, what is cut off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from pointsman.errors import InvalidInput, OutcomeUnknown, Unavailable
from pointsman.sdk import transport as transports
from pointsman.sdk.calls import Line, Reply, Request
from pointsman.sdk.transport import Stream, Transport, proxy_for
from sdk.conftest import eventually

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
GET = Request("GET", "/x", (("q", "a b&c/é"),), repeatable=True)
POST = Request("POST", "/x", body={"n": "é"})


class Script:
    """A server that answers each connection by the next step of a script.

    A step is given the connection after one request has been read from it.
    """

    def __init__(self, *steps: Callable[[socket.socket], object]) -> None:
        self.steps = list(steps)
        self.seen: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        for step in self.steps:
            with suppress(OSError):
                connection, _ = self.listener.accept()
                with connection:
                    self.seen.append(_read_request(connection))
                    step(connection)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = [int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"]
    while length and len(body) < length[0]:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def script() -> Iterator[Callable[..., tuple[Script, Transport]]]:
    made: list[tuple[Script, Transport]] = []

    def make(*steps: Callable[[socket.socket], object]) -> tuple[Script, Transport]:
        script = Script(*steps)
        made.append((script, Transport(script.url, "pm_id_secret")))
        return made[-1]

    yield make
    for one, transport in made:
        transport.close()
        one.close()


Make = Callable[..., tuple[Script, Transport]]


def answer(connection: socket.socket) -> None:
    connection.sendall(OK)


def hang_up(connection: socket.socket) -> None:
    """Close without a word."""


def say_nothing(connection: socket.socket) -> None:
    connection.recv(1)  # until the client goes away


def test_what_is_sent(script: Make) -> None:
    server, transport = script(answer, answer)
    assert transport.send(GET, 5.0) == Reply(
        200, {"content-type": "application/json", "content-length": "2"}, {}
    )
    transport.close()
    transport.send(POST, 5.0)
    assert server.seen[0].startswith(b"GET /api/v1/x?q=a%20b%26c%2F%C3%A9 HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer pm_id_secret\r\n" in server.seen[0]
    assert server.seen[1].endswith('\r\n\r\n{"n": "é"}'.encode())


def test_a_question_is_repeated_once_if_its_connection_breaks(script: Make) -> None:
    _, transport = script(hang_up, answer)
    assert transport.send(GET, 5.0).status == 200
    _, transport = script(hang_up, hang_up, answer)
    with pytest.raises(Unavailable) as caught:
        transport.send(GET, 5.0)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_change_is_not_repeated_unless_that_is_safe(script: Make) -> None:
    server, transport = script(hang_up, answer)
    with pytest.raises(OutcomeUnknown):
        transport.send(POST, 5.0)
    assert len(server.seen) == 1
    key = {"Idempotency-Key": "k"}
    again = Request("POST", "/x", body={}, headers=key, repeatable=True)
    assert transport.send(again, 5.0).status == 200


def test_what_was_never_sent_has_a_known_outcome(script: Make) -> None:
    server, transport = script()
    server.close()
    with pytest.raises(Unavailable) as caught:
        transport.send(POST, 5.0)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert "refused" in caught.value.message


def test_a_change_that_is_answered_by_rubbish_has_an_unknown_outcome(script: Make) -> None:
    _, transport = script(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html>"))
    with pytest.raises(OutcomeUnknown):
        transport.send(POST, 5.0)


def test_silence_ends(script: Make) -> None:
    _, transport = script(say_nothing)
    with pytest.raises(Unavailable) as caught:
        transport.send(GET, 0.1)
    assert caught.value.code == "timeout"


def test_a_line_can_be_cut(script: Make) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        with suppress(OSError):
            while True:
                connection.sendall(b"x")
                dripping.set()
                never.wait(0.01)

    dripping, never, line = threading.Event(), threading.Event(), Line()
    _, transport = script(drip)
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            transport.send(GET, 600.0, line)
        except Unavailable as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    dripping.wait()
    line.cut()
    asking.join()
    assert ended


def test_a_line_that_was_cut_before_it_was_used_stays_unused(script: Make) -> None:
    server, transport = script()
    line = Line()
    line.cut()
    with pytest.raises(Unavailable):
        transport.send(GET, 5.0, line)
    assert server.seen == []


@pytest.mark.parametrize(
    "reply",
    [
        OK.replace(b"Length: 2", b"Length: 3"),
        OK.replace(b"{}", b'{"a": 1, "a": 2}').replace(b"Length: 2", b"Length: 16"),
        OK.replace(b"{}", b"\xff\xfe").replace(b"json", b"json; charset=utf-16"),
        OK.replace(b"{}", b"[" * 500_000).replace(b"Length: 2", b"Length: 500000"),
        OK.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").replace(b"{}", b"zz\r\n"),
        OK.replace(b"Content-Length: 2", b"Content-Length: -2"),
        OK.replace(b"Content-Length: 2", b"Content-Length: 2, 3"),
        OK.replace(b"Content-Length", b"Content-Encoding: gzip\r\nContent-Length"),
        OK.replace(b"200 OK", b"999999 OK"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x00" * 1000,
    ],
)
def test_whatever_comes_back_is_an_answer_or_unavailable(script: Make, reply: bytes) -> None:
    def say(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(reply)

    _, transport = script(say, say)
    with suppress(Unavailable):
        assert transport.send(GET, 5.0).body == {}


def test_an_answer_must_say_where_it_ends(script: Make) -> None:
    """Else one that is cut short between two fields could pass for a whole one."""
    head = OK.replace(b"Content-Length: 2\r\n", b"")
    _, transport = script(lambda connection: connection.sendall(head))
    with pytest.raises(Unavailable, match="where it ends"):
        transport.send(GET, 5.0)


def test_there_is_a_limit_to_answers(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "MAX_BODY", 1)
    _, transport = script(answer)
    with pytest.raises(Unavailable, match="larger"):
        transport.send(GET, 5.0)


@pytest.mark.parametrize("body", [{1, 2}, float("nan"), object(), "\ud800"])
def test_what_is_not_json_is_not_sent(script: Make, body: object) -> None:
    server, transport = script()
    with pytest.raises(InvalidInput):
        transport.send(Request("POST", "/x", body={"x": body}), 5.0)
    assert server.seen == []


def test_streams(script: Make) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
    _, transport = script(
        lambda connection: connection.sendall(head + b"data: x\n\n"),
        answer,
        lambda connection: connection.sendall(OK.replace(b"200", b"503")),
        hang_up,
        say_nothing,
    )
    watch = Request("GET", "/watch")
    stream = transport.stream(watch, 5.0, Line())
    assert isinstance(stream, Stream)
    assert stream.read() == b"data: x\n\n"
    assert stream.read() == b""
    stream.close()
    with pytest.raises(Unavailable, match="stream of events"):
        transport.stream(watch, 5.0, Line())
    assert isinstance(transport.stream(watch, 5.0, Line()), Reply)
    transport.close()
    with pytest.raises(Unavailable):
        transport.stream(watch, 5.0, Line())
    with pytest.raises(Unavailable):
        transport.stream(watch, 0.1, Line())


def test_a_forked_child_leaves_the_parents_sockets_alone(script: Make) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    said = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(head + b"one")
        said.wait()

    _, transport = script(talk)
    stream = transport.stream(Request("GET", "/watch"), 5.0, Line())
    assert isinstance(stream, Stream)
    assert stream.read() == b"one"
    before = len(transports._sockets)
    transports.drop_all_connections()  # as in a child: here it takes our own
    said.set()
    with suppress(Unavailable):
        stream.read()
    stream.close()
    assert before >= 1


def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("http://registry.example") is None
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3129")
    monkeypatch.setenv("no_proxy", "localhost,.internal")
    assert proxy_for("http://registry.example:80") == "http://proxy.example:3128"
    assert proxy_for("https://registry.example") == "http://proxy.example:3129"
    assert proxy_for("https://registry.internal:8443") is None
    assert proxy_for("http://localhost:8080") is None


def test_a_proxy_is_used(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = script(answer)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    transport = Transport("http://registry.example", "k")
    assert transport.send(GET, 5.0).status == 200
    assert server.seen[0].startswith(b"GET http://registry.example/api/v1/x?")
    transport.close()


def test_a_connection_serves_many_requests() -> None:
    steps: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(OK)
        for _ in range(4):
            steps.append(_read_request(connection))
            connection.sendall(OK)

    script = Script(serve)
    transport = Transport(script.url, "")
    for _ in range(5):
        assert transport.send(GET, 5.0).body == {}
    transport.close()
    script.close()
    eventually(lambda: len(steps) == 4)
