"""Who may do what: a pure verdict that names every reason against."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.core.vocabulary import Role, Verb
from pointsman.errors import Reason, Refused

ROLES: tuple[Role, ...] = ("viewer", "editor", "releaser", "admin")

_NEEDED: dict[Verb, Role] = {
    "read": "viewer",
    "write": "editor",
    "move": "releaser",
    "admin": "admin",
}
_DOES: dict[Verb, str] = {
    "read": "read",
    "write": "publish versions and set tags",
    "move": "move aliases, archive or restore",
    "admin": "manage keys, remove content or run the doctor",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, through what. `id` is for the record, `name` for people.

    `via` says which surface the request came through: `api`, `cli`, `embedded`…
    """

    id: str
    name: str
    role: Role
    via: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something may be done; `reasons` holds all that stands against it."""

    reasons: tuple[Reason, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons

    def enforce(self) -> None:
        """Raise `Refused` with all reasons unless allowed."""
        if self.reasons:
            first = self.reasons[0]
            raise Refused(first.message, hint=first.hint, code=first.code, reasons=self.reasons)


def may(actor: Actor, verb: Verb) -> Verdict:
    """Whether the actor's role allows the verb at all."""
    needed = _NEEDED[verb]
    if ROLES.index(actor.role) >= ROLES.index(needed):
        return Verdict()
    reason = Reason(
        code="role_too_low",
        message=f"{actor.name!r} has the role {actor.role}, which may not {_DOES[verb]}.",
        hint=f"Use a key with the role {needed} or higher.",
    )
    return Verdict((reason,))


def may_move(actor: Actor, *, artifact: str, alias: str) -> Verdict:
    """Whether the actor may move this alias of this artifact.

    The one place where the rules of an alias are judged. For now the role alone decides;
    `artifact` and `alias` are what finer rules will be matched against.
    """
    del artifact, alias
    return may(actor, "move")
