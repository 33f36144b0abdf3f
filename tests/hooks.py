"""A receiver of webhooks in the test's own process: it keeps what it gets, and answers as told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """A request as it came in; header names are in lower case."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seq(self) -> int:
        """The number of the journal entry in a CloudEvent."""
        return int(self.json["data"]["seq"])

    @property
    def subject(self) -> str:
        return str(self.json.get("subject", ""))


Behave = Callable[[Received, BaseHTTPRequestHandler], None]


def answer(handler: BaseHTTPRequestHandler, status: int = 204, **headers: str) -> None:
    """Answer with a status and nothing else."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


class Receiver:
    """Listens on 127.0.0.1. `behave` answers each request, by default with 204."""

    def __init__(self, behave: Behave | None = None) -> None:
        self.received: list[Received] = []
        self.behave: Behave = behave or (lambda got, handler: answer(handler))
        self.ending = threading.Event()
        self.server_names: list[str] = []
        outer = self

        class Handles(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Received(self.path, headers, body)
                outer.received.append(got)
                try:
                    outer.behave(got, self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handles)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS on new connections, and note by which names it is asked for."""

        def asked(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            self.server_names.append(name or "")

        context.sni_callback = asked
        listening = self._server.socket
        self._server.socket = context.wrap_socket(
            listening, server_side=True, do_handshake_on_connect=False
        )

    def wait(self, condition: Callable[[list[Received]], bool], patience: float = 30.0) -> None:
        """Wait until what was received is as wanted; fails after `patience` seconds."""
        end = time.monotonic() + patience
        while not condition(list(self.received)):
            assert time.monotonic() < end, [(got.id, got.body[:300]) for got in self.received]
            time.sleep(0.01)

    def of_type(self, type_: str) -> list[Received]:
        """The CloudEvents of a type, without `pointsman.` before it."""
        return [got for got in list(self.received) if got.json["type"] == f"pointsman.{type_}"]
