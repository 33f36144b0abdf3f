"""Who is asking, and what they may do at all: roles, grants, and the scope of a key.

A role is granted for a whole project or for a part of it; a key may narrow what its owner
may do, never widen it. What a particular alias asks of a move is for `core.policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pointsman.core.patterns import ANY, matches
from pointsman.core.vocabulary import Role, Verb
from pointsman.errors import Reason, Refused

ROLES: Final[tuple[Role, ...]] = ("viewer", "editor", "reviewer", "releaser", "admin")
VERBS: Final[tuple[Verb, ...]] = (
    "read",
    "write",
    "propose",
    "approve",
    "report",
    "move",
    "admin",
)

_NEEDED: Final[dict[Verb, Role]] = {
    "read": "viewer",
    "write": "editor",
    "propose": "editor",
    "approve": "reviewer",
    "report": "releaser",
    "move": "releaser",
    "admin": "admin",
}
_DOES: Final[dict[Verb, str]] = {
    "read": "read",
    "write": "publish versions and set tags",
    "propose": "propose changes",
    "approve": "approve changes",
    "report": "report checks",
    "move": "move aliases, archive or restore",
    "admin": "manage people, keys, policies and webhooks, remove content or run the doctor",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for a part of a project: for one kind (empty: all), and names of a pattern."""

    role: Role
    kind: str = ""
    artifacts: str = ANY

    def covers(self, kind: str, artifact: str) -> bool:
        """Whether the part has this artifact in it."""
        return self.kind in ("", kind) and matches(self.artifacts, artifact)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a key may be used for. `verbs` None leaves all that its owner may do."""

    verbs: tuple[Verb, ...] | None = None
    artifacts: str = ANY
    aliases: str = ANY


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, through what. `id` is for the record, `name` for people.

    `id` is one for all keys of a person (``person:3``) or of a service (``key:…``), so that
    nobody is two by having two keys. `role` is for the whole project, `grants` are for parts
    of it. `via` says which surface the request came through: `api`, `cli`, `embedded`…
    """

    id: str
    name: str
    role: Role | None
    via: str
    email: str = ""
    groups: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    scope: Scope | None = None
    until: int | None = None
    """When the key that is used ends (microseconds); None if it doesn't."""

    @property
    def is_service(self) -> bool:
        """Whether it is nobody in person: a key that somebody made for a program."""
        return self.id.startswith("key:")

    def holds(self, role: Role, kind: str = "", artifact: str = "") -> bool:
        """Whether the actor has this role or a higher one there.

        Without an artifact: anywhere in the project.
        """
        needed = ROLES.index(role)
        if self.role is not None and ROLES.index(self.role) >= needed:
            return True
        return any(
            ROLES.index(grant.role) >= needed and (not artifact or grant.covers(kind, artifact))
            for grant in self.grants
        )

    def holds_everywhere(self, role: Role) -> bool:
        """Whether the actor has this role or a higher one for every artifact."""
        if self.scope is not None and self.scope.artifacts != ANY:
            return False
        if self.scope is not None and self.scope.aliases != ANY and role != "viewer":
            return False  # what is done to the whole of a project concerns every alias
        return self.role is not None and ROLES.index(self.role) >= ROLES.index(role)

    @property
    def narrow(self) -> bool:
        """Whether only a part of the project may be read."""
        scope = self.scope
        return self.role is None or (scope is not None and scope.artifacts != ANY)


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


_YES: Final = Verdict()


def may(actor: Actor, verb: Verb, kind: str = "", artifact: str = "", alias: str = "") -> Verdict:
    """Whether the actor may do this to an artifact and an alias of it.

    Without an artifact: whether to any at all, for a first look at a request.
    """
    if actor.scope is None and actor.holds(_NEEDED[verb], kind, artifact):
        return _YES  # as nearly always
    return Verdict(tuple(_against(actor, verb, kind, artifact, alias)))


def refuse_narrow(actor: Actor, verb: Verb) -> Verdict:
    """Why somebody who sees a part of the project may not do this to the whole of it."""
    if actor.holds_everywhere(_NEEDED[verb]):
        return _YES
    return Verdict(
        (
            Reason(
                code="needs_whole_project",
                message=f"{actor.name!r} is for a part of the project only, and this is about all.",
                hint="Ask about one artifact, or use a key for the whole project.",
            ),
        )
    )


def _against(actor: Actor, verb: Verb, kind: str, artifact: str, alias: str) -> list[Reason]:
    found: list[Reason] = []
    needed = _NEEDED[verb]
    if not actor.holds(needed, kind, artifact):
        has = f"has the role {actor.role}" if actor.role else "has no role for the whole project"
        where = f" {artifact}" if artifact and actor.grants else ""
        found.append(
            Reason(
                code="role_too_low",
                message=f"{actor.name!r} {has}, which may not {_DOES[verb]}{where}.",
                hint=f"Use a key with the role {needed} or higher, or ask an admin for it.",
            )
        )
    scope = actor.scope
    if scope is None:
        return found
    if scope.verbs is not None and verb not in scope.verbs:
        found.append(
            Reason(
                code="scope_too_narrow",
                message=f"The key is for {', '.join(scope.verbs)} only, not to {_DOES[verb]}.",
                hint=f"Use a key whose verbs include {verb}.",
            )
        )
    # To archive an artifact, for example, concerns all of its aliases.
    concerned = alias or ("any other alias" if verb == "move" and artifact else "")
    for what, pattern in ((artifact, scope.artifacts), (concerned, scope.aliases)):
        if what and not matches(pattern, what):
            found.append(
                Reason(
                    code="scope_too_narrow",
                    message=f"The key is for {pattern} only, which {what} is not.",
                    hint=f"Use a key that is meant for {what}.",
                )
            )
    return found
