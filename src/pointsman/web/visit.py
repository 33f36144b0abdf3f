"""One request for a page: who asks, for what, and how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final, TypeVar

from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.ports.trying import Models
from pointsman.core.names import Kind, check_kind
from pointsman.core.vocabulary import moment
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: a page made of a template, or another address to go to.

    `cookies` are set (None: taken away); `download` names the file where it is one.
    """

    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    location: str = ""
    cookies: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    media: str = "text/html; charset=utf-8"
    download: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """What a page has to wait for, which holds no thread, and the answer to what came of it."""

    wait: Callable[[], Awaitable[Any]]
    show: Callable[[Any], Answer]


@dataclass(slots=True)
class Visit:
    """A request, as handlers of pages get it. Handlers run on a thread and may block.

    `path` has what the address names, `query` and `form` all values of each field.
    """

    app: Application
    models: Models
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    form: Mapping[str, Sequence[str]]
    here: str
    zone: tzinfo
    session: str = ""
    token: str = ""
    address: str = ""
    origin: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""

    @property
    def project(self) -> str:
        """The project whose pages these are."""
        return self.caller.project.name

    @property
    def kind(self) -> Kind:
        """The kind of the artifact that the address names."""
        return check_kind(self.path["kind"])

    @property
    def name(self) -> str:
        """The name of the artifact that the address names."""
        return self.path["name"]

    @property
    def place(self) -> int:
        """The number in the address: of a change or a release. Raises `NotFound`."""
        text = self.path["number"]
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise NotFound(f"There is no number {text[:40]!r}.", code="page_not_found")
        return int(text)

    @property
    def now(self) -> datetime:
        """The time of the server's clock."""
        return moment(self.app.clock())

    def see(self, use_case: Callable[[View], T]) -> T:
        """Run a use case that reads, on the visitor's behalf."""
        return self.app.read(self.caller, use_case)

    def do(self, use_case: Callable[[Work], T]) -> T:
        """Run a use case that writes, on the visitor's behalf."""
        return self.app.write(self.caller, use_case)

    def ask(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return (self.query.get(name) or [default])[0]

    def given(self, name: str, default: str = "") -> str:
        """A field of the form that was sent, with line ends as Unix has them."""
        return (self.form.get(name) or [default])[0].replace("\r\n", "\n")

    def number(self, name: str) -> int | None:
        """A whole number from the form or the address. Raises `InvalidInput` for other text."""
        text = self.given(name) or self.ask(name)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise InvalidInput(f"{name} is not a number: {text[:40]!r}.", field=name)
        return int(text)

    def page(self, template: str, *, status: int = 200, **context: Any) -> Answer:
        """A page made of a template."""
        return Answer(template, context, status)

    def go(self, location: str, note: str = "") -> Answer:
        """Go to another page, which says `note` once at its top."""
        return Answer(
            status=303, location=location, cookies={"pointsman_note": note} if note else {}
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A route: what it answers, how, and whether only who is signed in may see it.

    What may take seconds is `slow`: it has threads of its own, so that nothing waits behind it.

    In `pattern`, ``{name}`` is an artifact's name with its folders, ``{kind}`` a kind's word
    for many, ``{number}`` digits, and any other word in braces one part of the path.
    """

    method: str
    pattern: str
    handler: Callable[[Visit], Answer | Later]
    open: bool = False
    slow: bool = False


_STATUS: Final[tuple[tuple[type[PointsmanError], int], ...]] = (
    (TooLarge, 413),
    (InvalidInput, 400),
    (Unauthenticated, 401),
    (Refused, 403),
    (Gone, 410),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
)


def status_of(error: PointsmanError) -> int:
    """The status with which a page tells an error."""
    return next((status for cls, status in _STATUS if isinstance(error, cls)), 500)


def told(error: PointsmanError) -> dict[str, Any]:
    """An error as templates show it: every reason with its way out and its field."""
    reasons = [
        {"message": one.message, "hint": one.hint, "field": one.field, "code": one.code}
        for one in error.reasons
    ]
    if not reasons:
        reasons = [
            {"message": error.message, "hint": error.hint, "field": error.field, "code": error.code}
        ]
    return {"message": error.message, "hint": error.hint, "code": error.code, "reasons": reasons}
