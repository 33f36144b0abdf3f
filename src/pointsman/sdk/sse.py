"""Server-sent events, from bytes in whatever pieces they come.

Source: the HTML Living Standard, §9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.errors import IntegrityError

MAX_EVENT = 1 << 16
"""Bytes that one event may take; the registry's take about 200."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """An event: its type, its data, and the last id that the stream had given by then."""

    type: str
    data: str
    id: str


class EventParser:
    """Feed it bytes, get events. `lines` counts complete lines: a sign of life each."""

    def __init__(self) -> None:
        self.lines = 0
        self._rest = b""
        self._after_return = False
        self._first = True
        self._type = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that are complete now.

        Raises `IntegrityError` if one gets larger than `MAX_EVENT`.
        """
        if self._after_return and data:
            data = data.removeprefix(b"\n")  # the second half of an end of line cut in two
            self._after_return = False
        if data.endswith(b"\r"):
            self._after_return = True
        buffer = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = buffer.split(b"\n")
        events = []
        for line in lines:
            self.lines += 1
            if event := self._line(line):
                events.append(event)
        if len(self._rest) + self._size > MAX_EVENT:
            raise IntegrityError(
                f"An event of the stream is larger than {MAX_EVENT:,} bytes.",
                code="unexpected_answer",
                hint="Check that the address is that of a Pointsman registry.",
            )
        return events

    def _line(self, line: bytes) -> ServerEvent | None:
        if self._first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        if not line:
            return self._dispatch()
        self._size += len(line)
        field, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._type = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        event = None
        if self._data:
            event = ServerEvent(self._type or "message", "\n".join(self._data), self._id)
        self._type, self._data, self._size = "", [], 0
        return event
