"""Between a client and the server: a proxy in this process that counts, cuts and interferes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wire.behaving import URL


@dataclass
class Passed:
    """A request that came by, and the status it was answered with."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    status: int = 0


@dataclass
class Between:
    """Where clients are sent to, and what came by."""

    url: str = ""
    passed: list[Passed] = field(default_factory=list)
    cut_after: int | None = None
    """Bytes of the next body of more than that after which the connection is cut, once."""
    afterwards: Callable[[Passed], None] = lambda passed: None
    """Called when an answer to a request is at hand, before it is passed on."""

    def files(self) -> list[Passed]:
        """The requests that brought bytes of files."""
        return [one for one in self.passed if one.method == "GET" and one.status in (200, 206)
                and "/resolve/" in one.path]  # fmt: skip


@contextmanager
def between() -> Iterator[Between]:
    """A proxy before the server for as long as it is needed."""
    made = Between()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_HEAD(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def log_message(self, *_: Any) -> None:
            pass

        def _pass_on(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            passed = Passed(self.command, self.path, headers)
            made.passed.append(passed)
            body = self.rfile.read(int(headers.get("content-length", 0)))
            connection = http.client.HTTPConnection(URL.removeprefix("http://"), timeout=60)
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            passed.status = answer.status
            made.afterwards(passed)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            if made.cut_after is not None and len(data) > made.cut_after:
                data = data[: made.cut_after]
                made.cut_after = None
                self.close_connection = True
            self.wfile.write(data)
            connection.close()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
