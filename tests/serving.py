"""Real server processes for tests: started, asked, killed.

Run as a program, this file is such a process: it serves a store on a free port of the
loopback interface and prints its address once it answers.
"""

from __future__ import annotations

import argparse
import http.client
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote, urlencode

if TYPE_CHECKING:  # a server process has no use for it
    import pytest

ADMIN = "pm_admin22222_" + "A" * 43
"""The first admin's key of every server process that is started here."""
PATIENCE = 60.0
"""Seconds after which a server that does not answer is taken for dead. Never asserted on."""


MANY_BEATS = 300
"""Heartbeats in a row after which no event is hoped for."""


@dataclass(frozen=True)
class Answer:
    """What a server sent back; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document."""
        return str(self.json["code"])

    def __str__(self) -> str:
        return f"{self.status} {self.body[:2_000].decode(errors='replace')}"


class Api:
    """A running server, and requests to it with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.own_key = key
        self.host, _, port = url.removeprefix("http://").rpartition(":")
        self.port = int(port)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = "",
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask on a connection of its own. `path` is below /api/v1 unless it begins with //.

        A body of bytes is sent as it is, anything else as JSON. No `key` means one's own,
        None none.
        """
        with self.connect() as connection:
            own = self.own_key if key == "" else key
            return ask(connection, method, path, body, key=own, query=query, headers=headers)

    def get(self, path: str, **more: Any) -> Answer:
        return self.request("GET", path, **more)

    def put(self, path: str, body: object = None, **more: Any) -> Answer:
        return self.request("PUT", path, body, **more)

    def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return self.request("POST", path, body, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        return self.request("DELETE", path, **more)

    def publish(self, name: str, template: str = "Hello {{ who }}", **more: Any) -> int:
        """Publish a prompt and return its version's number."""
        answer = self.post("/versions", {"name": name, "content": {"template": template}, **more})
        assert answer.status in (200, 201), answer
        return int(answer.json["version"]["number"])

    def move(self, name: str, alias: str, version: int, *, reason: str = "", **more: Any) -> int:
        """Point an alias at a version and return its revision."""
        body = {"version": version, "reason": reason}
        answer = self.put(place(name, "aliases", alias), body, **more)
        assert answer.status == 200, answer
        (move,) = answer.json["release"]["moves"]
        return int(move["revision"])

    def make_key(self, role: str, **more: Any) -> tuple[str, str]:
        """Make a key and return its id and its secret."""
        answer = self.post("/keys", {"name": f"a {role}", "role": role, **more})
        assert answer.status == 201, answer
        return answer.json["key"]["id"], answer.json["secret"]

    def head(self) -> int:
        """The sequence number of the journal's last entry."""
        (entry,) = self.get("/journal", query={"limit": 1}).json["items"]
        return int(entry["seq"])

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        text = self.get("//metrics").body.decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])

    @contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """A connection that is kept alive."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def socket(self) -> Iterator[RawConnection]:
        """A bare connection, for requests that no HTTP client would send."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as made:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with closing(RawConnection(made)) as line:
                yield line


class ServerProcess(Api):
    """A server in a process of its own, started with limits that suit a test."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        database: str | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Start it. `settings` are module attributes, such as `pointsman.x.y.LIMIT`, to set."""
        where = ["--database", database] if database else ["--data", str(data)]
        options = [f"--set={name}={json.dumps(value)}" for name, value in (settings or {}).items()]
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, __file__, *where, *options],
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        assert self._process.stdout is not None
        with self._process.stdout as said:
            url = said.readline().strip()
        if not url:
            self._process.wait()
            raise RuntimeError(f"the server ended with {self._process.returncode}:\n{self.log()}")
        super().__init__(url, ADMIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """What it has said on its standard error so far."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def kill(self) -> None:
        """End it as a power cut would end the process: at once, with nothing tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise
        if not self._said.closed:
            self._said.close()


@contextmanager
def server_on(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess]:
    """A server on the database that the fixture's parameter names, sqlite or postgres."""
    if request.param == "sqlite":
        with ServerProcess(data=folder) as server:
            yield server
        return
    databases = request.getfixturevalue("databases")
    name = databases.migrated()
    with ServerProcess(database=databases.url(name)) as server:
        yield server
    databases.drop(name)


class RawConnection:
    """Bytes to a server, and the answers that come back, one after the other."""

    def __init__(self, made: socket.socket) -> None:
        self.socket = made
        self._file = made.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """Send each part in a packet of its own."""
        for part in parts:
            self.socket.sendall(part)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, to a request of that method."""
        line = self._file.readline()
        if not line:
            raise EOFError("the server has closed the connection")
        assert line.startswith(b"HTTP/1.1 "), line
        status = int(line.split()[1])
        fields = http.client.parse_headers(self._file)
        headers = {name.lower(): value for name, value in fields.items()}
        body = b""
        if method == "HEAD" or status in (204, 304) or status < 200:
            pass
        elif "chunked" in headers.get("transfer-encoding", ""):
            while size := int(self._file.readline(), 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
        else:
            body = self._file.read(int(headers["content-length"]))
        return Answer(status, headers, body)

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()

    def at_end(self) -> bool:
        """Whether the server closes the connection without saying anything more."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None,
    query: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """A request on a connection that is at hand; see `Api.request`."""
    url = path[1:] if path.startswith("//") else f"/api/v1{path}"
    if query:
        url += "?" + urlencode(query, doseq=True)
    sent = {} if key is None else {"Authorization": f"Bearer {key}"}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None:
        sent["Content-Type"] = "application/json"
    connection.request(method, url, data, {**sent, **(headers or {})})
    response = connection.getresponse()
    return Answer(
        response.status,
        {name.lower(): value for name, value in response.getheaders()},
        response.read(),
    )


def place(name: str, *rest: object, kind: str = "prompt") -> str:
    """The path of an artifact, or of what lies below it."""
    return "/artifacts/" + "/".join(quote(str(part), safe="") for part in (kind, name, *rest))


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    type: str
    data: Any
    id: int | None = None


class Listener:
    """Reads a server's stream of events on a connection of its own."""

    def __init__(
        self,
        server: Api,
        *,
        after: int | None = None,
        last_event_id: int | None = None,
        key: str = "",
    ) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {key or server.own_key}"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        url = "/api/v1/watch" + (f"?after={after}" if after is not None else "")
        self._connection.request("GET", url, headers=headers)
        self._response = self._connection.getresponse()
        assert self._response.status == 200, self._response.read()
        assert self._response.headers["content-type"] == "text/event-stream"
        self._held: deque[Event] = deque()
        self.hello = self.next()
        assert self.hello is not None
        assert self.hello.type == "hello"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self) -> Event | None:
        """The next event, or None if the stream has ended."""
        if self._held:
            return self._held.popleft()
        for _ in range(MANY_BEATS):
            item = self._read()
            if item != "beat":
                return item if isinstance(item, Event) else None
        raise AssertionError("nothing but heartbeats comes")

    def until(self, seq: int) -> list[Event]:
        """The events up to and with the entry of this number."""
        events: list[Event] = []
        while not events or events[-1].data["seq"] < seq:
            event = self.next()
            assert event is not None, f"the stream ended before entry {seq}"
            events.append(event)
        return events

    def beat(self) -> bool:
        """Wait for a heartbeat; events that come first are kept. False if the stream ends."""
        while (item := self._read()) != "beat":
            if item == "end":
                return False
            assert isinstance(item, Event)
            self._held.append(item)
        return True

    def close(self) -> None:
        """Go away without a word."""
        self._connection.close()
        self._response.close()

    def _read(self) -> Event | Literal["beat", "end"]:
        event: dict[str, str] = {}
        while line := self._response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                return "beat"
            if text:
                name, _, value = text.partition(": ")
                event[name] = value
            elif event:
                number = int(event["id"]) if "id" in event else None
                return Event(event["event"], json.loads(event["data"]), number)
        return "end"


def _serve() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--database")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    for setting in options.set:
        name, _, value = setting.partition("=")
        module, _, attribute = name.rpartition(".")
        imported = importlib.import_module(module)
        assert hasattr(imported, attribute), name
        setattr(imported, attribute, json.loads(value))

    from pointsman.compose import open_store
    from pointsman.server import Server, Service

    service = Service(open_store(options.data, options.database))
    service.bootstrap(ADMIN)
    server = Server(service, "127.0.0.1", 0)
    _end_with_parent()
    try:
        server.run(lambda: print(server.url, flush=True))
    finally:
        service.close()


def _end_with_parent() -> None:
    """Don't outlive a test run that was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    pause = threading.Event()
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.WARNING)
    _serve()
