"""HTTP itself: a limit on a request's head, and what can't be parsed told as a problem.

uvicorn's protocol keeps whatever head it is sent, however large, takes the fields after a
chunked body for fields of the head, and answers in plain text what it can't parse.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pointsman.errors import InvalidInput, TooLarge
from pointsman.wire.native.errors import problem_of

MAX_HEAD = 64 << 10
"""Bytes of a request's address and header fields."""

Teller: TypeAlias = Callable[[bytes, InvalidInput], tuple[int, dict[str, str], bytes]]
"""Makes status, headers and body of an error, for whoever sent a request to this address."""


def tell(_url: bytes, error: InvalidInput) -> tuple[int, dict[str, str], bytes]:
    """Tell of an error as a problem document."""
    return problem_of(error, secrets.token_hex(8))


class CarefulProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with the gaps closed."""

    teller: Teller = staticmethod(tell)

    # Whether the parser is within a head, or in the fields after a chunked body; both are
    # held in memory until they are complete.
    _in_fields = False
    _has_head = False
    _parsed = 0
    _received = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse a head that grows too large without ever ending."""
        began_before = self._in_fields
        super().data_received(data)
        if began_before and self._in_fields:
            self._received += len(data)
            if self._received > MAX_HEAD and not self.transport.is_closing():
                self._parsed = self._received
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_fields, self._has_head = True, False
        self._parsed = self._received = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)  # first: where it was to go says how the sender is told
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field. One that comes after the body is left out: nobody asked for any."""
        self._count(len(name) + len(value) + 4)
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_fields, self._has_head = False, True
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk begins; if it is the last, fields follow."""
        self._in_fields = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._in_fields = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_fields = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell why the request is not read, if it is its turn to be answered, and hang up."""
        cycle = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if busy and (not self._has_head or cycle.response_started or self.pipeline):
            self.transport.close()
            return
        error: InvalidInput = InvalidInput(
            "The request is not valid HTTP/1.1.",
            code="malformed_http",
            hint="Percent-encode the address as UTF-8, end lines with CR LF, and give the body "
            "one length.",
        )
        if self._parsed > MAX_HEAD:
            error = TooLarge(
                f"The request's address and header fields have over {MAX_HEAD >> 10} KB.",
                code="head_too_large",
                hint="Send long values in the body.",
            )
        # One that can't even be parsed has the address of the request before, if there was one.
        status, headers, body = self.teller(getattr(self, "url", b""), error)
        headers |= {"content-length": str(len(body)), "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"\r\n" + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEAD:
            raise ValueError("the head is too large")  # the parser stops, and we say why
