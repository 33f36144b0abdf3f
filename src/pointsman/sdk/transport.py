"""HTTP to a registry, by urllib3: which this module imports, so it is itself imported late.

A request ends by its deadline, whatever the other side does. Each wait for bytes is limited
by the socket's timeout, the sum of them between chunks of the body; and where a server drips
its headers, byte by byte, somebody else calls `cut`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import threading
import time
import urllib.request
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from pointsman._version import __version__
from pointsman.core.canonical import parse_json
from pointsman.errors import InvalidInput, OutcomeUnknown, Unavailable
from pointsman.sdk.calls import NOT_A_REGISTRY, Line, Reply, Request

MAX_BODY = 16 << 20
"""Bytes of an answer that are read at most; composed prompts have 2 MB."""
MAX_REFUSAL = 1 << 16
_CHUNK = 1 << 16
_PIECE = 1 << 18
_POOL = 8
_BROKEN = "unreachable"
_TROUBLE = (HTTPError, http.client.HTTPException, OSError, ValueError)
_JSON_TYPES = ("application/json", "application/problem+json")


_write_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_here = threading.local()
_sockets: weakref.WeakSet[Any] = weakref.WeakSet()


def drop_all_connections() -> None:
    """In a forked child: close its copies of the sockets, which the parent goes on using."""
    for sock in list(_sockets):
        with contextlib.suppress(OSError, ValueError):
            os.close(sock.detach())


class _Connection(HTTPConnection):
    def connect(self) -> None:
        _here.line.uses(self)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _before_sending(self)
        super().request(*args, **kwargs)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        _here.line.uses(self)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        _before_sending(self)
        super().request(*args, **kwargs)


def _before_sending(connection: HTTPConnection) -> None:
    if connection.sock is None:
        connection.connect()
    _sockets.add(connection.sock)
    line: Line = _here.line
    line.uses(connection)
    line.sent = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Stream:
    """A reply whose body has no end. `read` on one thread, `cut` from any."""

    def __init__(self, response: urllib3.BaseHTTPResponse, line: Line) -> None:
        self._response = response
        self._line = line

    def read(self) -> bytes:
        """The next bytes, as soon as there are some; none at the end.

        Raises `Unavailable` when the connection breaks, or nothing comes for too long.
        """
        try:
            return self._response.read1(_CHUNK)
        except _TROUBLE as error:
            raise Unavailable(f"The stream broke off: {_cause(error)}.") from error

    def cut(self) -> None:
        """End the read that another thread is waiting in."""
        self._line.cut()

    def close(self) -> None:
        """Let go of the connection. Not while another thread reads."""
        self._response.close()


class Transport:
    """Sends requests to one registry with one key. Safe to use from any thread."""

    def __init__(self, url: str, key: str, project: str = "") -> None:
        self.url = url
        self._headers = {
            "User-Agent": f"pointsman-python/{__version__}",
            "Accept-Encoding": "identity",  # nothing can unpack to more than was sent
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        if project:
            self._headers["Pointsman-Project"] = project
        self._pools = self._new_pools()

    def send(self, request: Request, timeout: float, line: Line | None = None) -> Reply:
        """Send a request and read the reply, whatever its status, within `timeout` seconds.

        What is repeatable is sent again, once, if its connection breaks: it may have been an
        idle one that the other side was about to close. Raises `Unavailable` where there is
        no reply, or none that can be understood, and `OutcomeUnknown` if the request was sent
        and may have taken effect.
        """
        deadline = time.monotonic() + timeout
        line = line or Line()
        body = _encoded(request.body)
        try:
            return self._attempt(request, body, deadline, line)
        except Unavailable as error:
            if line.sent and not request.repeatable:
                raise OutcomeUnknown(
                    f"{error.message} Whether the request took effect is not known.",
                    hint="Look before you send it again.",
                ) from error
            if not line.sent or line.is_cut or error.code != _BROKEN:
                raise
        return self._attempt(request, body, deadline, line)

    def stream(self, request: Request, timeout: float, line: Line) -> Stream | Reply:
        """Open a stream, each of whose reads takes `timeout` seconds at most.

        A reply that is not a stream of events comes back as it is. Raises `Unavailable`.
        """
        try:
            response = self._open(request, None, timeout, line)
        except _TROUBLE as error:
            raise Unavailable(f"The stream can't be opened: {_cause(error)}.") from error
        try:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status == 200 and kind == "text/event-stream":
                return Stream(response, line)
            if response.status < 300:
                raise _unexpected("The answer is not a stream of events.")
            return _read_reply(response, time.monotonic() + timeout, MAX_REFUSAL)
        except _TROUBLE as error:
            response.close()
            raise Unavailable(f"The stream broke off: {_cause(error)}.") from error
        except Unavailable:
            response.close()
            raise

    def upload(self, path: str, file: BinaryIO, size: int, timeout: float) -> Reply:
        """Send a file of `size` bytes to a path, piece by piece. Raises `Unavailable`.

        Each wait for the other side to take or to say something takes `timeout` at most.
        """
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        request = Request("PUT", path, headers=headers)
        response = None
        try:
            response = self._open(request, file, timeout, Line())
            return _read_reply(response, time.monotonic() + timeout, MAX_REFUSAL)
        except _TROUBLE as error:
            raise self._trouble(error, response) from error
        except Unavailable:
            if response is not None:
                response.close()
            raise

    def has(self, path: str, timeout: float) -> Reply:
        """Ask by HEAD whether there is something at a path; the reply has no body."""
        response = None
        try:
            response = self._open(Request("HEAD", path), None, timeout, Line())
            headers = {name.lower(): value for name, value in response.headers.items()}
            response.release_conn()
            return Reply(response.status, headers, None)
        except _TROUBLE as error:
            raise self._trouble(error, response) from error

    def download(
        self, path: str, headers: Mapping[str, str], timeout: float
    ) -> Iterator[bytes] | Reply:
        """The bytes at a path, as they come; or the reply, if it is another than 200 or 206.

        Raises `Unavailable`, also where fewer bytes come than were announced.
        """
        response = None
        try:
            response = self._open(Request("GET", path, headers=headers), None, timeout, Line())
            if response.status not in (200, 206):
                return _read_reply(response, time.monotonic() + timeout, MAX_REFUSAL)
            length = int(response.headers.get("content-length", "-1"))
            if length < 0:
                raise _unexpected("The answer doesn't say where it ends.")
            return self._pieces(response, length)
        except _TROUBLE as error:
            raise self._trouble(error, response) from error
        except Unavailable:
            if response is not None:
                response.close()
            raise

    def _pieces(self, response: urllib3.BaseHTTPResponse, length: int) -> Iterator[bytes]:
        left = length
        try:
            while left and (piece := response.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
            if left:
                raise http.client.IncompleteRead(b"", left)
            response.release_conn()
        except _TROUBLE as error:
            raise self._trouble(error, response) from error
        finally:
            if left:
                response.close()

    def close(self) -> None:
        """Let go of all connections that no request is using."""
        self._pools.clear()

    def _new_pools(self) -> urllib3.PoolManager:
        proxy = proxy_for(self.url)
        pools: urllib3.PoolManager
        if proxy:
            pools = urllib3.ProxyManager(proxy, num_pools=2, maxsize=_POOL, retries=False)
        else:
            pools = urllib3.PoolManager(num_pools=2, maxsize=_POOL, retries=False)
        pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return pools

    def _attempt(self, request: Request, body: bytes | None, deadline: float, line: Line) -> Reply:
        response = None
        line.sent = False
        try:
            timeout = max(0.001, deadline - time.monotonic())
            response = self._open(request, body, timeout, line)
            return _read_reply(response, deadline, MAX_BODY)
        except _TROUBLE as error:
            raise self._trouble(error, response) from error
        except Unavailable:
            if response is not None:
                response.close()
            raise

    def _trouble(
        self, error: BaseException, response: urllib3.BaseHTTPResponse | None
    ) -> Unavailable:
        if response is not None:
            response.close()
        return Unavailable(
            f"{self.url} doesn't answer: {_cause(error)}.",
            code="timeout" if _is_timeout(error) else _BROKEN,
            hint="Check that the registry is running and can be reached from here.",
        )

    def _open(
        self, request: Request, body: bytes | BinaryIO | None, timeout: float, line: Line
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **request.headers}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        target = f"{self.url}/api/v1{request.path}"
        if request.query:
            target += "?" + urlencode(request.query, quote_via=quote)
        _here.line = line
        return self._pools.urlopen(
            request.method,
            target,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )


def proxy_for(url: str) -> str | None:
    """The proxy that the environment wants used for this address."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return proxy if proxy and proxy.startswith(("http://", "https://")) else None


def _encoded(body: Any) -> bytes | None:
    try:
        return None if body is None else _write_json(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"What is to be sent is not JSON: {error}.",
            code="not_json",
            hint="Use text, numbers, True, False, None, lists and dicts with text keys.",
        ) from error


def _read_reply(response: urllib3.BaseHTTPResponse, deadline: float, most: int) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    data = b"".join(_chunks(response, headers, deadline, most))
    response.release_conn()
    return Reply(response.status, headers, _body(response.status, headers, data))


def _chunks(
    response: urllib3.BaseHTTPResponse, headers: Mapping[str, str], deadline: float, most: int
) -> Iterator[bytes]:
    length = int(headers.get("content-length", "-1"))
    if response.status in (204, 304):
        length = 0
    elif length < 0 and headers.get("transfer-encoding", "").lower() != "chunked":
        # It would end where the connection does, and so could be cut short unnoticed.
        raise _unexpected("The answer doesn't say where it ends.")
    size = 0
    while size <= most and length <= most and (chunk := response.read1(_CHUNK)):
        size += len(chunk)
        if time.monotonic() > deadline:
            raise TimeoutError("it takes too long")
        yield chunk
    if max(size, length) > most:
        raise _unexpected(f"The answer is larger than {most:,} bytes.")
    if length not in (-1, size):
        raise http.client.IncompleteRead(b"", length - size)


def _body(status: int, headers: Mapping[str, str], data: bytes) -> Any:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES or not data:
        if status >= 300 or status == 204:
            return None  # the status says what there is to say
        raise Unavailable("The answer is not JSON.", code="not_a_registry", hint=NOT_A_REGISTRY)
    try:
        return parse_json(data, max_bytes=MAX_BODY, max_depth=80)
    except InvalidInput as error:
        if status >= 300:
            return None
        raise _unexpected(f"The answer can't be read: {error.message}") from error


def _unexpected(what: str) -> Unavailable:
    return Unavailable(what, code="not_a_registry", hint=NOT_A_REGISTRY)


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError)


def _cause(error: BaseException) -> str:
    """What went wrong, in the words of whoever noticed first."""
    while error.__context__ is not None or error.__cause__ is not None:
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, _TROUBLE):
            break
        error = inner
    if _is_timeout(error):
        return "it takes too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)[:200] or type(error).__name__
