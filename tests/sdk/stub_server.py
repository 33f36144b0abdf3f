"""A server that speaks as much of the API as reading takes, well or badly, on loopback.

What it serves is a `FakeRegistry`. How well it does is its `mode`:

====================  ==============================================================
``normal``            as promised
``black-holed``       takes connections and requests, never answers
``slow-headers``      a byte of the head of the answer now and then, without end
``slow-body``         the same with the body
``noise``             bytes that are not HTTP
``html``              status 200 with a page, as proxies serve
``wrong-json``        status 200 with JSON that is something else
``broken-json``       status 200 with half a JSON document
``tampered``          answers whose content does not match its digest
``other-answer``      a right answer to another question
``huge``              a body without end
``error-page``        status 502 with a page
``not-found-page``    status 404 with a page
``redirect``          status 302
``bad-events``        answers as promised; a stream of nonsense
====================  ==============================================================
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pointsman.core.plain import to_plain
from pointsman.errors import Gone, NotFound, PointsmanError
from pointsman.sdk.testing import FakeRegistry

BAD_MODES = (
    "black-holed",
    "slow-headers",
    "slow-body",
    "noise",
    "html",
    "wrong-json",
    "broken-json",
    "tampered",
    "other-answer",
    "huge",
    "error-page",
    "not-found-page",
    "redirect",
)


class StubServer:
    """Serves `registry` at `url` from `start` to `stop`, which may be repeated."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.mode = "normal"
        self.epoch = "1"
        self.store = "5707e"
        self.labels = True
        self.heartbeat = 0.2
        self.stubborn = False  # go on dripping after the mode has changed
        self.requests: list[str] = []
        self.streams = 0
        self.port = 0
        self.changed = threading.Condition()
        self.sockets: set[socket.socket] = set()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        registry._clients.append(self)  # type: ignore[arg-type]  # it only wants to be told

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.stub = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break every connection."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join()
        self.break_connections()
        server.server_close()

    def become(self, mode: str) -> None:
        """Change the mode, also for those who are connected."""
        self.mode = mode
        self.break_connections()

    def break_connections(self) -> None:
        with self.changed:
            for sock in list(self.sockets):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            self.changed.notify_all()

    def look(self) -> None:
        """The registry calls this when something has happened."""
        with self.changed:
            self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for them
    stub: StubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.stub = self.server.stub
        with self.stub.changed:
            self.stub.sockets.add(self.connection)

    def finish(self) -> None:
        with self.stub.changed:
            self.stub.sockets.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        self.stub.requests.append(f"GET {self.path}")
        self.close_connection = self.stub.mode != "normal"
        if self.stub.mode not in ("normal", "bad-events"):
            getattr(self, "_" + self.stub.mode.replace("-", "_"))()
        elif self.path.startswith("/api/v1/watch"):
            self._watch()
        else:
            self._resolve()

    def do_POST(self) -> None:
        self.stub.requests.append(f"POST {self.path}")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.stub.mode != "normal":
            getattr(self, "_" + self.stub.mode.replace("-", "_"))()
        elif self.path == "/api/v1/versions":
            published = self.stub.registry.publish(
                body["name"], body["content"], aliases=body["aliases"]
            )
            self._answer(201, to_plain(published))
        elif self.path == "/api/v1/releases":
            move = body["moves"][0]
            release = self.stub.registry.promote(f"{move['name']}:{move['version']}", move["alias"])
            self._answer(200, {"release": to_plain(release)})

    # As promised

    def _resolve(self) -> None:
        selector = unquote(urlsplit(self.path).path.removeprefix("/api/v1/resolve/"))
        seq = len(self.stub.registry.journal)
        try:
            resolution = to_plain(self.stub.registry.resolve(selector))
        except PointsmanError as error:
            status = 410 if isinstance(error, Gone) else 404 if isinstance(error, NotFound) else 400
            problem = {
                "type": f"urn:pointsman:problem:{error.code}",
                "title": "?",
                "status": status,
                "detail": error.message,
                "code": error.code,
            }
            self._answer(status, problem, seq)
            return
        self._answer(200, resolution, seq)

    def _answer(self, status: int, value: Any, seq: int | None = None) -> None:
        body = json.dumps(value).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        same = status == 200 and self.headers.get("If-None-Match") == etag
        self.send_response(304 if same else status)
        if seq is not None:
            self.send_header("Pointsman-Seq", str(seq))
        if self.stub.labels:
            self.send_header("Pointsman-Epoch", f"{self.stub.store}.{self.stub.epoch}")
        self.send_header("ETag", etag)
        if not same:
            kind = "application/json" if status < 300 else "application/problem+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not same:
            self.wfile.write(body)

    def _watch(self) -> None:
        stub, journal = self.stub, self.stub.registry.journal
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if stub.mode == "bad-events":
            self.wfile.write(b"event: hello\ndata: {nonsense\n\nid: 5\nevent: entry\ndata: []\n\n")
            return
        after = parse_qs(urlsplit(self.path).query).get("after")
        seen = len(journal) if after is None else int(after[0])
        self._event("hello", {"seq": len(journal), "epoch": stub.epoch, "store": stub.store})
        mode, stub.streams = stub.mode, stub.streams + 1
        try:
            while stub.running and stub.mode == mode:
                for entry in journal[seen:]:
                    self._event("entry", entry)
                seen = max(seen, len(journal))
                with stub.changed:
                    if len(journal) == seen and not stub.changed.wait(stub.heartbeat):
                        self.wfile.write(b": \n\n")
        except OSError:
            pass
        finally:
            stub.streams -= 1

    def _event(self, name: str, data: dict[str, Any]) -> None:
        head = f"id: {data['seq']}\n" if name == "entry" else ""
        self.wfile.write(f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    # Otherwise

    def _black_holed(self) -> None:
        with self.stub.changed:
            self.stub.changed.wait_for(self._is_over)

    def _slow_headers(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Filler: ", b"a")

    def _slow_body(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
        self._drip(head + b'{"selector": "', b"a")

    def _drip(self, head: bytes, drop: bytes) -> None:
        self.wfile.write(head)
        with self.stub.changed, suppress(OSError):
            while not self._is_over():
                self.wfile.write(drop)
                self.stub.changed.wait(0.05)

    def _is_over(self) -> bool:
        if not self.stub.running or (self.stub.mode == "normal" and not self.stub.stubborn):
            return True
        with suppress(BlockingIOError):
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False

    def _noise(self) -> None:
        self.wfile.write(bytes(range(256)) * 40)

    def _html(self) -> None:
        self._page(200, b"<html><body>Welcome to the hotel's network!</body></html>")

    def _wrong_json(self) -> None:
        self._page(200, b'{"status": "ok", "items": [1, 2, 3]}', "application/json")

    def _broken_json(self) -> None:
        self._page(200, b'{"selector": "support/reply@deployment", "kin', "application/json")

    def _tampered(self) -> None:
        resolution = to_plain(self.stub.registry.resolve("support/reply@deployment"))
        resolution["content"]["template"] = "Something else, {{ name }}"
        self._page(200, json.dumps(resolution).encode(), "application/json")

    def _other_answer(self) -> None:
        resolution = to_plain(self.stub.registry.resolve("support/other"))
        self._page(200, json.dumps(resolution).encode(), "application/json")

    def _huge(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self.wfile.write(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n")
        chunk = b"100000\r\n" + b"1," * 0x80000 + b"\r\n"
        with suppress(OSError):
            while not self._is_over():
                self.wfile.write(chunk)

    def _error_page(self) -> None:
        self._page(502, b"<html>Bad Gateway</html>")

    def _not_found_page(self) -> None:
        self._page(404, b"<html>No such page</html>")

    def _redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, status: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
