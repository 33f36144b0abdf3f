"""What an operation of the native API is: its place, its types, and how it is run.

The operations themselves stand in `routes` and its neighbours, one module a topic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from pointsman.app.application import Caller
from pointsman.core.canonical import quoted
from pointsman.core.names import check_alias, check_kind, check_name, check_version_number
from pointsman.core.vocabulary import Verb, micros
from pointsman.errors import InvalidInput
from pointsman.wire.native import shapes
from pointsman.wire.running import Read as Read  # what the plan of a route is
from pointsman.wire.running import Run as Run
from pointsman.wire.running import Write as Write


@dataclass(frozen=True, slots=True)
class Call:
    """A request, decoded: path parameters, body, query, and what its headers assume."""

    caller: Caller
    path: dict[str, str]
    body: Any
    query: Any
    if_revision: int | None
    session_id: str = ""
    """The session that asks, if it is one."""
    address: str = ""
    """Where the request comes from."""

    @property
    def kind(self) -> str:
        """The kind in the path."""
        return check_kind(self.path["kind"])

    @property
    def name(self) -> str:
        """The artifact's name in the path."""
        return check_name(self.path["name"])

    @property
    def alias(self) -> str:
        """The alias in the path."""
        return check_alias(self.path["alias"])

    @property
    def number(self) -> int:
        """The version's number in the path."""
        return check_version_number(whole(self.path["number"], "version"))


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the API.

    An `open` one takes no key. One about the caller's `own` things asks for no higher role
    than to read, whatever its method. `once` tells whether an idempotency key is taken.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    verb: Verb
    summary: str
    plan: Callable[[Call], Read | Write | Run]
    answer: Any
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] = shapes.NoQuery
    status: Callable[[Any], int] = field(default=lambda answer: 200)
    etag: Callable[[Any], str] | None = None
    open: bool = False
    own: bool = False
    once: bool = True
    slow: bool = False
    """Whether its plan may have to wait, for a name server: it is made on a thread."""


def whole(text: str, what: str) -> int:
    """The whole number from 1 that a part of a path spells."""
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) > 0):
        raise InvalidInput(
            f"{quoted(text)} is not the number of a {what}.",
            code="invalid_number",
            hint="Write it in digits; numbers count from 1.",
            field=what,
        )
    return int(text)


def micros_of(at: datetime | None) -> int | None:
    """A time that may be left out, in microseconds."""
    return None if at is None else micros(at)
