"""Making outputs by a service of the user's own, which is told which versions to use.

A service has its `timeout` for everything, from the first connection to the last byte of its
answer: one that sends a byte now and then must not hold a worker for ever.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPException
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from pointsman.app.addresses import Destination, destination
from pointsman.core.canonical import digest
from pointsman.core.datasets import Row
from pointsman.core.suites import FRAMING, Maker
from pointsman.errors import InvalidInput
from pointsman.evals.commands import CommandFailure
from pointsman.evals.outcome import clip
from pointsman.evals.outputs import Made
from pointsman.evals.preparing import Side
from pointsman.evals.programs import read_output

TIMEOUT: Final = 60.0
AT_ONCE: Final = 16
MOST_READ: Final = 10_000_000
_PIECE: Final = 65_536


class Services:
    """Asks a suite's service. Belongs to one event loop.

    The service gets ``{"version": label, "parts": {label: digest}, "input": {…}, "tags": {…},
    "id": …, "trial": 0}`` and answers ``{"output": …}``, as a program does. Where its name
    leads is checked as for webhooks, and the connection is made to exactly that address.
    """

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._timeout = float(maker.options.get("timeout", TIMEOUT))
        self._threads = ThreadPoolExecutor(AT_ONCE, "pointsman-service")
        self._open: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    async def make(self, side: Side, row: Row, trial: int) -> Made:
        """The output of the service for a row."""
        asked = {
            "version": side.making.root,
            "parts": {label: part.digest for label, part in side.making.parts.items()},
            "input": row.input,
            "tags": row.tags,
            "id": row.id,
            "trial": trial,
        }
        loop, body = asyncio.get_running_loop(), json.dumps(asked).encode()
        try:
            answer = await loop.run_in_executor(self._threads, self._ask, body)
            output = read_output(answer)
        except CommandFailure as failure:
            return Made(None, error=failure.message)
        return Made(output, digest(output.text))

    def close(self) -> None:
        """Let the threads go, and end what they are waiting for."""
        with self._lock:
            self._is_closed = True
            for connection in self._open:
                _shut(connection)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, body: bytes) -> Mapping[str, Any]:
        """The service's answer, with how long it took unless it says so itself."""
        # Counted from here, where a thread is free: waiting for one's turn is not the service's.
        began = time.monotonic()
        try:
            place = destination(str(self._maker.options["url"]))
            status, text = self._exchange(place, body, began + self._timeout)
        except InvalidInput as refused:
            raise CommandFailure("not_started", refused.message) from refused
        except (OSError, HTTPException, urllib3.exceptions.HTTPError, ValueError) as failure:
            raise self._failed(failure, time.monotonic() - began) from failure
        return {"seconds": time.monotonic() - began, **_read(status, text)}

    def _exchange(self, place: Destination, body: bytes, end: float) -> tuple[int, bytes]:
        connection = _connection(place, _left(end))
        with self._watched(connection, end):
            connection.connect()
            _left(end)  # the watch may have come before there was anything to shut
            connection.request(
                "POST",
                place.target,
                body,
                self._headers(place),
                preload_content=False,
                decode_content=True,
            )
            response = connection.getresponse()
            text = b""
            while len(text) <= MOST_READ and (piece := response.read1(_PIECE)):
                _left(end)
                text += piece
            _left(end)  # what was cut off looks like an end
            return response.status, text

    @contextmanager
    def _watched(self, connection: HTTPConnection, end: float) -> Iterator[None]:
        """Shut the connection when its time is over: a socket's timeout begins anew with each
        byte, those of the head of an answer included."""
        watch = threading.Timer(max(0.0, end - time.monotonic()), _shut, [connection])
        watch.daemon = True
        with self._lock:
            if self._is_closed:
                raise ConnectionAbortedError("Nothing is asked any more")
            self._open.add(connection)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _headers(self, place: Destination) -> dict[str, str]:
        own: Mapping[str, str] = self._maker.options.get("headers", {})
        kept = {name.lower(): text for name, text in own.items() if name.lower() not in FRAMING}
        return {"content-type": "application/json", **kept, "host": _host(place)}

    def _failed(self, failure: Exception, took: float) -> CommandFailure:
        if took >= self._timeout:
            return CommandFailure(
                "timeout", f"The service took over {self._timeout:g} seconds for an answer."
            )
        told = "its name leads nowhere" if isinstance(failure, socket.gaierror) else failure
        return CommandFailure("exit", f"The service can't be asked: {told}.")


def _connection(place: Destination, patience: float) -> HTTPConnection:
    """To the very address that was checked, under the name that it goes by."""
    address = place.addresses[0]
    if place.scheme == "https":
        return HTTPSConnection(
            address,
            place.port,
            timeout=patience,
            ssl_context=_tls(),
            server_hostname=place.host,
            assert_hostname=place.host,
        )
    return HTTPConnection(address, place.port, timeout=patience)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _host(place: Destination) -> str:
    name = f"[{place.host}]" if ":" in place.host else place.host
    usual = place.port == (443 if place.scheme == "https" else 80)
    return name if usual else f"{name}:{place.port}"


def _left(end: float) -> float:
    """Seconds until a moment. Raises `TimeoutError` if there are none."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left")
    return left


def _shut(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError, ValueError):
            sock.shutdown(socket.SHUT_RDWR)


def _read(status: int, text: bytes) -> Mapping[str, Any]:
    shown = clip(text[:500].decode("utf-8", "replace"), 300)
    if not 200 <= status < 300:
        raise CommandFailure("exit", f"The service answered with status {status}: {shown}")
    if len(text) > MOST_READ:
        raise CommandFailure("flood", f"The service's answer is over {MOST_READ:,} bytes.")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandFailure("bad_output", f"The service's answer is no JSON: {shown}") from error
    if not isinstance(answer, dict):
        raise CommandFailure("bad_output", "The service's answer is no object.")
    return answer
