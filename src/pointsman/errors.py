"""Every error that Pointsman raises, in one tree.

::

    PointsmanError
    ├── InvalidInput            the request itself is wrong; sending it again can't help
    │   ├── InvalidName         a name, alias, tag key or selector breaks a rule
    │   ├── InvalidContent      the content of a version breaks a rule
    │   │   └── TemplateSyntaxError   …and it is the template that can't be parsed
    │   └── TooLarge            a limit on size, depth or count is exceeded
    ├── RenderError             a template and the values given to it don't fit
    ├── Unauthenticated         no key, an unknown, expired or revoked key
    ├── Refused                 the caller may not do this, or the policy says no
    ├── NotFound                no such artifact, version, alias, release, key…
    │   └── Gone                it existed; its content was removed on purpose
    ├── Conflict                the state is not what the request assumes
    │   └── StaleRevision       …because the alias has moved meanwhile
    ├── Unavailable             the registry can't answer now; trying later can help
    │   └── OutcomeUnknown      …and whether the write took effect is not known
    └── IntegrityError          stored or received bytes do not match their digest

Each error has a stable ``code`` for programs, a ``message`` that says what was wrong and
where, a ``hint`` that says what to do, the ``field`` it is about (a JSON pointer into the
request, or a parameter's name; empty if none), and ``reasons``: every single thing that is
wrong, where there can be more than one. ``details`` holds further facts as plain JSON, such
as an alias's present state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "Conflict",
    "Gone",
    "IntegrityError",
    "InvalidContent",
    "InvalidInput",
    "InvalidName",
    "NotFound",
    "OutcomeUnknown",
    "PointsmanError",
    "Reason",
    "Refused",
    "RenderError",
    "StaleRevision",
    "TemplateSyntaxError",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong: a stable code, a sentence, a way out, and where."""

    code: str
    message: str
    hint: str = ""
    field: str = ""


class PointsmanError(Exception):
    """The root of all errors raised by Pointsman on purpose."""

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        field: str = "",
        reasons: Sequence[Reason] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.field = field
        self.reasons = tuple(reasons)
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip() if self.hint else self.message


class InvalidInput(PointsmanError):
    """The request breaks a rule; sending it again unchanged gives the same answer."""

    default_code = "invalid_input"


class InvalidName(InvalidInput):
    """A name, alias, tag key or selector breaks a rule."""

    default_code = "invalid_name"


class InvalidContent(InvalidInput):
    """The content of a version breaks a rule."""

    default_code = "invalid_content"


class TemplateSyntaxError(InvalidContent):
    """A template can't be parsed. ``details`` has ``line`` and ``column``, both from 1."""

    default_code = "template_syntax"


class TooLarge(InvalidInput):
    """A limit on size, depth or count is exceeded."""

    default_code = "too_large"


class RenderError(PointsmanError):
    """A template and the values given to it don't fit; ``reasons`` names each misfit."""

    default_code = "render_error"


class Unauthenticated(PointsmanError):
    """The request carries no key, or one that is unknown, expired or revoked."""

    default_code = "unauthenticated"


class Refused(PointsmanError):
    """The caller may not do this; ``reasons`` lists all that stand against it."""

    default_code = "refused"


class NotFound(PointsmanError):
    """What was named does not exist (any more)."""

    default_code = "not_found"


class Gone(NotFound):
    """It existed, and its content was removed on purpose; the record of it remains."""

    default_code = "gone"


class Conflict(PointsmanError):
    """The state is not what the request assumes."""

    default_code = "conflict"


class StaleRevision(Conflict):
    """The alias has moved since it was read; ``details["current"]`` is its state now."""

    default_code = "stale_revision"


class Unavailable(PointsmanError):
    """The registry can't answer now (down, locked, out of disk); later it may."""

    default_code = "unavailable"


class OutcomeUnknown(Unavailable):
    """The connection broke during the commit: the write may have taken effect or not.

    Send it again with the same idempotency key to learn which, without doing it twice.
    """

    default_code = "outcome_unknown"


class IntegrityError(PointsmanError):
    """Bytes do not match the digest that they were stored or sent under."""

    default_code = "integrity"
