"""A request to the registry and its reply as plain values, and replies that tell of errors.

Nothing here sends anything: `transport` does. What can be asked is written once, as
generators that yield requests and are given replies, for the clients to drive each in its
own way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from pointsman import errors
from pointsman.errors import PointsmanError, Reason

T = TypeVar("T")

NOT_A_REGISTRY = "Check that the address is that of a Pointsman registry."
Subjects: TypeAlias = "Callable[[Any], list[tuple[str, str]]]"
"""From the body of a reply to the artifacts (kind, name) that the request has changed."""

_PROBLEM = "urn:pointsman:problem:"


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `repeatable`: sending it twice has the effect of sending it once."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    changes: Subjects | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Header names are in lower case; `body` is JSON, or None if there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def seq(self) -> int | None:
        """The head of the journal when the reply was made, if it says."""
        text = self.headers.get("pointsman-seq", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None

    @property
    def epoch(self) -> str:
        """Which journal the reply is of; empty if it doesn't say."""
        return self.headers.get("pointsman-epoch", "")


class Line:
    """The connection that a request is using, so that another thread can cut it."""

    def __init__(self) -> None:
        self.sent = False
        self.is_cut = False
        self._connection: Any = None
        self._sock: Any = None

    def uses(self, connection: Any) -> None:
        """Called on the way, before and after it has connected.

        The socket is noted as well: a connection lets go of it while its last answer is read.
        """
        self._connection, self._sock = connection, connection.sock
        if self.is_cut:
            raise ConnectionAbortedError("cut off")

    def cut(self) -> None:
        """End whatever wait the request is in. It fails there."""
        self.is_cut = True
        sock = self._sock or getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError, ValueError):
                sock.shutdown(2)  # SHUT_RDWR


Steps: TypeAlias = Generator[Request, Reply, T]
"""A task of one or more requests: yields each, is sent its reply, returns the result."""


def drive(steps: Steps[T], send: Callable[[Request], Reply]) -> T:
    """Carry out a task. Raises what the task or the sending raises."""
    try:
        request = next(steps)
        while True:
            request = steps.send(send(request))
    except StopIteration as stop:
        result: T = stop.value
        return result


def checked(reply: Reply) -> Reply:
    """The reply itself, unless it tells of an error: then that is raised."""
    if reply.status >= 300 and reply.status != 304:
        raise error_of(reply)
    return reply


def error_of(reply: Reply) -> PointsmanError:
    """The error that a reply tells of.

    Whatever does not come from a registry (a proxy's page, a redirect) is `Unavailable`: it
    says nothing about what was asked.
    """
    problem = reply.body
    if not isinstance(problem, dict) or not str(problem.get("type", "")).startswith(_PROBLEM):
        return _not_from_a_registry(reply)
    code = _text(problem, "code")
    error = _class_of(reply.status, code)(
        _text(problem, "detail") or _text(problem, "title") or f"HTTP status {reply.status}.",
        code=code,
        hint=_text(problem, "hint"),
        field=_text(problem, "field"),
        reasons=tuple(_reasons(problem.get("reasons"))),
        details=problem["details"] if isinstance(problem.get("details"), dict) else None,
    )
    if request_id := _text(problem, "request_id"):
        error.details.setdefault("request_id", request_id)
    _note_retry_after(error, reply)
    return error


_BY_STATUS: dict[int, type[PointsmanError]] = {
    400: errors.InvalidInput,
    401: errors.Unauthenticated,
    403: errors.Refused,
    404: errors.NotFound,
    405: errors.InvalidInput,
    409: errors.Conflict,
    410: errors.Gone,
    413: errors.TooLarge,
    422: errors.RenderError,
    429: errors.Unavailable,
    503: errors.Unavailable,
}


def _class_of(status: int, code: str) -> type[PointsmanError]:
    """The class for the status, or the one below it that the code is the default of."""
    if status == 500 and code == errors.IntegrityError.default_code:
        return errors.IntegrityError
    general = _BY_STATUS.get(status)
    if general is None:
        general = errors.Unavailable if status >= 500 else errors.InvalidInput
    return next((cls for cls in _family(general) if cls.default_code == code), general)


def _family(cls: type[PointsmanError]) -> Iterator[type[PointsmanError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def _not_from_a_registry(reply: Reply) -> PointsmanError:
    if 300 <= reply.status < 400:
        where = reply.headers.get("location", "elsewhere")
        message = f"The address redirects to {where[:200]!r}, which is not followed."
        hint = "Give the registry's own address: the key is sent there and nowhere else."
    else:
        message = f"HTTP status {reply.status}, and not in the words of a registry."
        hint = NOT_A_REGISTRY
    error = errors.Unavailable(
        message, code="not_a_registry", hint=hint, details={"status": reply.status}
    )
    _note_retry_after(error, reply)
    return error


def _note_retry_after(error: PointsmanError, reply: Reply) -> None:
    seconds = reply.headers.get("retry-after", "")
    if isinstance(error, errors.Unavailable) and seconds.isascii() and seconds.isdigit():
        error.details.setdefault("retry_after", int(seconds[:6]))


def _reasons(items: object) -> Iterator[Reason]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield Reason(*(_text(item, key) for key in ("code", "message", "hint", "field")))


def _text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    return value if isinstance(value, str) else ""
