"""Sending messages to receivers over HTTP.

A name is resolved once, what it leads to is checked, and the connection is made to exactly
that address, with the name kept for `Host` and TLS: what a name server says later changes
nothing. Each redirect begins anew. A receiver has `DEADLINE` seconds for everything.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from functools import cache
from http.client import HTTPException
from urllib.parse import urljoin

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from pointsman.app.addresses import Destination, destination
from pointsman.app.ports.webhooks import Outcome
from pointsman.core.events import Message
from pointsman.core.webhooks import origin
from pointsman.errors import InvalidInput

DEADLINE = 10.0
"""Seconds from the first connection to the end of the last answer."""
MAX_REDIRECTS = 3
MOST_READ = 65_536
"""Bytes of an answer that are read."""
SHOWN = 500
"""Bytes of an answer that are kept."""
_REDIRECTS = (301, 302, 307, 308)
_PIECE = 8_192


class HttpSender:
    """Sends over HTTP; safe to use from any thread."""

    def __init__(self) -> None:
        self._open: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._is_cut = False

    def send(self, url: str, message: Message) -> Outcome:
        """Send a message; see `app.ports.webhooks.Sender`."""
        started = time.monotonic()
        status, answer, error = None, "", ""
        try:
            status, answer = self._post(url, message, started + DEADLINE)
        except InvalidInput as refused:
            error = refused.message
        except socket.gaierror as gone:
            error = f"Its name leads nowhere: {gone.strerror}."
        except (OSError, HTTPException, urllib3.exceptions.HTTPError, ValueError) as failure:
            late = time.monotonic() - started >= DEADLINE
            error = f"It took over {DEADLINE:g} seconds." if late else _told(failure)
        took = int((time.monotonic() - started) * 1e6)
        return Outcome(status, took, answer, _kept(error.encode("utf-8", "replace")))

    def cut(self) -> None:
        """End what is being sent, and send nothing more."""
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                _shut(connection)

    def _post(self, url: str, message: Message, end: float) -> tuple[int, str]:
        headers = {**message.headers, **message.private}
        first = origin(url)
        for _ in range(MAX_REDIRECTS + 1):
            status, answer, location = self._ask(destination(url), message.body, headers, end)
            if status not in _REDIRECTS or location is None:
                return status, answer
            there = urljoin(url, location)
            if url.startswith("https:") and not there.startswith("https:"):
                raise InvalidInput("It redirects from https to an address without.")
            if origin(there) != first:
                headers = dict(message.headers)
            url = there
        raise InvalidInput(f"It redirects more than {MAX_REDIRECTS} times.")

    def _ask(
        self, to: Destination, body: bytes, headers: dict[str, str], end: float
    ) -> tuple[int, str, str | None]:
        """Send a request to the first address that can be connected to."""
        failure: Exception = OSError("it has no address")
        for address in to.addresses:
            connection = _connection(to, address, end - time.monotonic())
            # A receiver that sends a byte now and then never runs into a socket's timeout.
            watch = threading.Timer(max(0.0, end - time.monotonic()), _shut, [connection])
            watch.daemon = True
            try:
                self._opened(connection)
                watch.start()
                connection.connect()
                return _exchange(connection, to, body, headers, end)
            except urllib3.exceptions.NewConnectionError as error:
                failure = error
            finally:
                watch.cancel()
                with self._lock:
                    self._open.discard(connection)
                connection.close()
        raise failure

    def _opened(self, connection: HTTPConnection) -> None:
        with self._lock:
            if self._is_cut:
                raise ConnectionAbortedError("Sending has ended.")
            self._open.add(connection)


def _connection(to: Destination, address: str, patience: float) -> HTTPConnection:
    if patience <= 0:
        raise TimeoutError("no time is left")
    if to.scheme == "http":
        return HTTPConnection(address, to.port, timeout=patience)
    return HTTPSConnection(
        address,
        to.port,
        timeout=patience,
        ssl_context=_tls(),
        server_hostname=to.host,
        assert_hostname=to.host,
    )


def _exchange(
    connection: HTTPConnection, to: Destination, body: bytes, headers: dict[str, str], end: float
) -> tuple[int, str, str | None]:
    name = f"[{to.host}]" if ":" in to.host else to.host
    usual = to.port == (443 if to.scheme == "https" else 80)
    host = name if usual else f"{name}:{to.port}"
    sent = {"host": host, "accept": "*/*", **headers, "connection": "close"}
    connection.request("POST", to.target, body, sent, preload_content=False, decode_content=False)
    response = connection.getresponse()
    if time.monotonic() >= end:
        raise TimeoutError("its head was cut off")
    read = b""
    # The status counts: of a long answer, or one that does not end, only the beginning is read.
    with suppress(urllib3.exceptions.HTTPError, OSError):
        while len(read) < MOST_READ and time.monotonic() < end:
            piece = response.read1(_PIECE)
            if not piece:
                break
            read += piece
    return response.status, _kept(read), response.headers.get("location")


def _kept(said: bytes) -> str:
    """The beginning of what somebody else said, as text that every database takes."""
    return said[:SHOWN].decode("utf-8", "replace").replace("\0", "\ufffd")


def _shut(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError, ValueError):
            sock.shutdown(socket.SHUT_RDWR)


def _told(failure: Exception) -> str:
    """What went wrong, in a sentence without the objects of a library in it."""
    cause = failure.__cause__ or failure
    said = cause.strerror if isinstance(cause, OSError) else None
    text = said or str(cause).rpartition(": ")[2] or type(cause).__name__
    return f"It can't be reached: {text.rstrip('.')}."


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
