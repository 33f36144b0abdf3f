"""Who people are, and what they may do where: actors as of now, from grants and groups.

People and groups are of the whole installation, roles of one project each. Whoever has the
role admin in the project `installation` is admin everywhere.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pointsman.app.application import View
from pointsman.app.ports import KeyRow, Reader
from pointsman.app.ports.people import GrantRow, PersonRow
from pointsman.core.access import ROLES, Actor, Grant, Scope
from pointsman.core.patterns import ANY
from pointsman.core.people import GROUP, INSTALLATION, Person, check_email, check_group
from pointsman.core.vocabulary import Role, moment
from pointsman.errors import Conflict, NotFound, Reason, Refused

PERSON = "person:"
LOCAL = "local:"


def actor_of(
    reader: Reader, project_id: int, subject: str, via: str, now: int | None = None
) -> Actor | None:
    """Who stands behind `person:N` or `key:ID`, with what they may do in a project as of now.

    None if there is no such person or key, the person is deactivated or without any role
    there, or the key is revoked, expired or of another project. Whoever works on the machine
    that holds the data (`local:NAME`) is an admin.
    """
    if subject.startswith(PERSON):
        row = reader.person(int(subject.removeprefix(PERSON)))
        if row is None or row.deactivated_at is not None:
            return None
        return _with_role(person_actor(reader, project_id, row, via))
    if subject.startswith("key:"):
        key = reader.key(subject.removeprefix("key:"))
        at = time.time_ns() // 1000 if now is None else now
        if key is None or key.revoked_at is not None:
            return None
        if key.expires_at is not None and key.expires_at <= at:
            return None
        return _with_role(key_actor(reader, project_id, key, via))
    if subject.startswith(LOCAL):
        return Actor(subject, subject.removeprefix(LOCAL), "admin", via)
    return None


def people_of(reader: Reader, project_id: int, via: str = "api") -> list[Actor]:
    """All active people who have a role in a project, by e-mail address."""
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for group, person_id in reader.memberships():
        groups[person_id].append(group)
    home = installation_id(reader)
    granted: defaultdict[str, list[GrantRow]] = defaultdict(list)
    for one in {project_id, home} - {None}:
        for row in reader.grants(one or 0):
            granted[row.subject].append(row)
    found = []
    for person in reader.people():
        if person.deactivated_at is None:
            mine = tuple(groups[person.id])
            rows = [row for subject in subjects_of(person.id, mine) for row in granted[subject]]
            found.append(_actor(person, mine, rows, project_id, home, via))
    return [actor for actor in found if _with_role(actor) is not None]


def person_actor(
    reader: Reader,
    project_id: int,
    person: PersonRow,
    via: str,
    bound: Role = "admin",
    scope: Scope | None = None,
) -> Actor:
    """A person in a project, perhaps without any role; never with a higher one than `bound`."""
    groups = tuple(reader.groups_of(person.id))
    rows = [row for one in subjects_of(person.id, groups) for row in reader.grants_to(one)]
    return _actor(person, groups, rows, project_id, installation_id(reader), via, bound, scope)


def key_actor(reader: Reader, project_id: int, key: KeyRow, via: str) -> Actor | None:
    """Who acts by a key in a project. None if it is not for that project, or for nobody now."""
    scope = scope_of(key)
    role: Role = key.role  # type: ignore[assignment]  # what is stored was checked
    if key.owner is None:
        if key.project_id != project_id and not key.everywhere:
            return None
        return Actor(f"key:{key.id}", key.name, role, via, scope=scope, until=key.expires_at)
    if key.project_id != project_id and scope is not None:
        return None  # its patterns were meant for the names of its own project
    person = reader.person(int(key.owner.removeprefix(PERSON)))
    if person is None or person.deactivated_at is not None:
        return None
    actor = person_actor(reader, project_id, person, via, role, scope)
    return replace(actor, until=key.expires_at)


def scope_of(key: KeyRow) -> Scope | None:
    """What a key is for, at most; None if it is for all that its owner may do."""
    if key.verbs is None and key.artifacts == ANY and key.aliases == ANY:
        return None
    verbs = None if key.verbs is None else tuple(json.loads(key.verbs))
    return Scope(verbs, key.artifacts, key.aliases)


def subjects_of(person_id: int, groups: Iterable[str]) -> list[str]:
    """All subjects that a grant to this person can name."""
    return [f"{PERSON}{person_id}", *(f"{GROUP}{group}" for group in groups)]


def installation_id(reader: Reader) -> int | None:
    """The id of the project that keeps the installation's record; None before it is needed."""
    row = reader.project(INSTALLATION)
    return None if row is None else row.id


# Whoever is meant


def subject_of(reader: Reader, who: str) -> str:
    """The subject that an e-mail address or `group:NAME` means. Raises `NotFound`."""
    if who.startswith(GROUP):
        return GROUP + check_group(who.removeprefix(GROUP), field="who")
    return f"{PERSON}{person_of(reader, who, field='who').id}"


def who_of(reader: Reader, subject: str) -> str:
    """A subject as people spell it."""
    if not subject.startswith(PERSON):
        return subject
    row = reader.person(int(subject.removeprefix(PERSON)))
    return subject if row is None else row.email


def person_of(reader: Reader, email: str, *, field: str = "email") -> PersonRow:
    """The person with this address. Raises `NotFound`."""
    row = reader.person_by_email(check_email(email, field=field))
    if row is None:
        raise nobody_there(email, field)
    return row


def nobody_there(email: str, field: str) -> NotFound:
    """The answer to an address that belongs to nobody, or to nobody whom the caller may see."""
    return NotFound(
        f"Nobody here has the address {email!r}.",
        code="person_not_found",
        hint="Check the spelling, or invite them.",
        field=field,
    )


def myself(view: View) -> PersonRow:
    """The person who asks. Raises `Conflict` if it is a service or the machine's own user."""
    row = None
    if view.actor.id.startswith(PERSON):
        row = view.reader.person(int(view.actor.id.removeprefix(PERSON)))
    if row is None:
        raise Conflict(
            f"{view.actor.name!r} is not a person's.",
            code="not_a_person",
            hint="Sign in, or use a key that belongs to a person.",
        )
    return row


def person_told(row: PersonRow) -> Person:
    """A person as others are told."""
    gone = None if row.deactivated_at is None else moment(row.deactivated_at)
    return Person(row.id, row.email, row.name, moment(row.created_at), gone)


# Admins


def rules_everywhere(reader: Reader, actor: Actor) -> bool:
    """Whether the actor is an admin of the whole installation now."""
    if actor.role != "admin" or actor.scope is not None:
        return False
    if actor.id == "system" or actor.id.startswith(LOCAL):
        return True
    if actor.id.startswith("key:"):
        key = reader.key(actor.id.removeprefix("key:"))
        return key is not None and bool(key.everywhere) and key.revoked_at is None
    if not actor.id.startswith(PERSON):
        return False
    person_id = int(actor.id.removeprefix(PERSON))
    home = installation_id(reader)
    return any(
        row.project_id == home and row.role == "admin"
        for subject in subjects_of(person_id, reader.groups_of(person_id))
        for row in reader.grants_to(subject)
    )


def require_everywhere(view: View) -> None:
    """Raise `Refused` unless the caller is an admin of the whole installation."""
    if not rules_everywhere(view.reader, view.actor):
        reason = Reason(
            "needs_installation_admin",
            f"{view.actor.name!r} is not an admin of the whole installation.",
            "Ask one, or use the first admin key.",
        )
        raise Refused(reason.message, code=reason.code, hint=reason.hint, reasons=(reason,))


def require_manager(view: View) -> None:
    """Raise `Refused` unless the caller may give others rights in the project.

    A key that is limited to some verbs, artifacts or aliases can't: others would get more.
    """
    view.require_all("admin")
    if view.actor.scope is not None:
        reason = Reason(
            "scope_too_narrow",
            f"The key of {view.actor.name!r} is limited, so it can't give rights to others.",
            "Use a key without limits, or a session.",
        )
        raise Refused(reason.message, code=reason.code, hint=reason.hint, reasons=(reason,))


def admins_of(reader: Reader, project_id: int) -> set[int]:
    """The active people who are admins of a project by a grant in it, by their numbers."""
    meant = {
        row.subject
        for row in reader.grants(project_id)
        if row.role == "admin" and not row.kind and row.artifacts == ANY
    }
    found = {int(one.removeprefix(PERSON)) for one in meant if one.startswith(PERSON)}
    found |= {person_id for group, person_id in reader.memberships() if GROUP + group in meant}
    gone = {row.id for row in reader.people() if row.deactivated_at is not None}
    return found - gone


@contextmanager
def keeping_an_admin(reader: Reader, project_ids: Sequence[int] = ()) -> Iterator[None]:
    """Raise `Refused` if the body leaves the installation, or a project, without an admin.

    Where some person is admin of the installation, projects can do without one of their own.
    What never had one may go on so.
    """
    home = installation_id(reader)
    ruled = home is not None and bool(admins_of(reader, home))
    before = {one: admins_of(reader, one) for one in project_ids if one != home}
    yield
    if home is not None and ruled:
        if not admins_of(reader, home):
            raise _last_admin("the installation")
        return
    for project_id, had in before.items():
        if had and not admins_of(reader, project_id):
            project = reader.project_by_id(project_id)
            raise _last_admin(f"the project {project.name!r}" if project else "the project")


def _last_admin(where: str) -> Refused:
    reason = Reason(
        "last_admin",
        f"Nobody would be left as an admin of {where}.",
        "Give somebody else the role admin first.",
    )
    return Refused(reason.message, code=reason.code, hint=reason.hint, reasons=(reason,))


def _with_role(actor: Actor | None) -> Actor | None:
    return actor if actor is not None and (actor.role is not None or actor.grants) else None


def _actor(
    person: PersonRow,
    groups: tuple[str, ...],
    rows: Iterable[GrantRow],
    project_id: int,
    home: int | None,
    via: str,
    bound: Role = "admin",
    scope: Scope | None = None,
) -> Actor:
    whole: list[Role] = []
    parts: list[Grant] = []
    for row in rows:
        role: Role = ROLES[min(ROLES.index(row.role), ROLES.index(bound))]
        if row.project_id == home:
            if row.role == "admin":
                whole.append(role)
        elif row.project_id == project_id:
            if not row.kind and row.artifacts == ANY:
                whole.append(role)
            else:
                parts.append(Grant(role, row.kind, row.artifacts))
    return Actor(
        id=f"{PERSON}{person.id}",
        name=person.name,
        role=max(whole, key=ROLES.index) if whole else None,
        via=via,
        email=person.email,
        groups=groups,
        grants=tuple(parts),
        scope=scope,
    )
