"""Making outputs by a service of the user's own, which is told which versions to use."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pointsman.app.addresses import Destination, destination
from pointsman.core.canonical import digest
from pointsman.core.datasets import Row
from pointsman.core.suites import Maker
from pointsman.errors import InvalidInput
from pointsman.evals.commands import CommandFailure
from pointsman.evals.outcome import clip
from pointsman.evals.outputs import Made
from pointsman.evals.preparing import Side
from pointsman.evals.programs import read_output

TIMEOUT: Final = 60.0
AT_ONCE: Final = 16
MOST_READ: Final = 10_000_000


class Services:
    """Asks a suite's service. Belongs to one event loop.

    The service gets ``{"version": label, "parts": {label: digest}, "input": {…}, "tags": {…},
    "id": …, "trial": 0}`` and answers ``{"output": …}``, as a program does. Where its name
    leads is checked as for webhooks, and the connection is made to exactly that address.
    """

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self._threads = ThreadPoolExecutor(AT_ONCE, "pointsman-service")

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
        began = time.perf_counter()
        try:
            answer = await loop.run_in_executor(self._threads, self._ask, body)
            took = time.perf_counter() - began
            output = read_output({"seconds": took, **answer})
        except CommandFailure as failure:
            return Made(None, error=failure.message)
        return Made(output, digest(output.text))

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, body: bytes) -> Mapping[str, Any]:
        url = str(self._maker.options["url"])
        timeout = float(self._maker.options.get("timeout", TIMEOUT))
        headers = {"Content-Type": "application/json", **self._maker.options.get("headers", {})}
        try:
            place = destination(url)
            with _pool(place, timeout) as pool:
                response = pool.urlopen(
                    "POST",
                    place.target,
                    body=body,
                    headers={"Host": urlsplit(url).netloc, **headers},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                text = response.read(MOST_READ + 1, decode_content=True)
                return _read(response.status, text)
        except InvalidInput as refused:
            raise CommandFailure("not_started", refused.message) from refused
        except (OSError, HTTPException, urllib3.exceptions.HTTPError) as failure:
            told = "its name leads nowhere" if isinstance(failure, socket.gaierror) else failure
            raise CommandFailure("exit", f"The service can't be asked: {told}.") from failure


def _pool(place: Destination, timeout: float) -> HTTPConnectionPool:
    """Connections to the very address that was checked, under the name that it goes by."""
    address = place.addresses[0]
    if place.scheme == "https":
        return HTTPSConnectionPool(
            address,
            place.port,
            timeout=timeout,
            server_hostname=place.host,
            assert_hostname=place.host,
        )
    return HTTPConnectionPool(address, place.port, timeout=timeout)


def _read(status: int, text: bytes) -> Mapping[str, Any]:
    shown = clip(text[:500].decode("utf-8", "replace"), 300)
    if not 200 <= status < 300:
        raise CommandFailure("exit", f"The service answered with status {status}: {shown}")
    if len(text) > MOST_READ:
        raise CommandFailure("flood", f"The service's answer is over {MOST_READ:,} bytes.")
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise CommandFailure("bad_output", f"The service's answer is no JSON: {shown}") from error
    if not isinstance(answer, dict):
        raise CommandFailure("bad_output", "The service's answer is no object.")
    return answer
