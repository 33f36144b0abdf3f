"""People as every surface tells of them, and what their e-mails, groups and projects may be.

All types are frozen and cross the wire, as those of `core.vocabulary` do. Whoever is meant is
spelt as an e-mail address or as ``group:NAME``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast, get_args

from pointsman.core.canonical import check_text, quoted
from pointsman.core.vocabulary import Role, Verb
from pointsman.errors import InvalidInput, InvalidName

DEFAULT: Final = "default"
INSTALLATION: Final = "installation"
"""The project that keeps the record of the whole installation. It has no artifacts."""
GROUP: Final = "group:"
MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 1_000
"""Characters that a password has at least, and bytes that it has at most."""

_MAX_EMAIL = 254
_EMAIL = re.compile(r"[^\s@<>\"(),;:\\]+@[^\s@<>\"(),;:\\]+")
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in, unless deactivated."""

    id: int
    email: str
    name: str
    created_at: datetime
    deactivated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role for a project, or for a part of it; `who` is an e-mail address or `group:NAME`.

    `everywhere` is an admin's role for the whole installation.
    """

    who: str
    role: Role
    kind: str
    artifacts: str
    granted_at: datetime
    granted_by: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Some people under one name; `members` are their e-mail addresses."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owned:
    """An artifact with its owners: e-mail addresses and `group:NAME`s."""

    kind: str
    name: str
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant: names, keys, policies and the journal belong to one."""

    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to a project, without its token."""

    id: str
    email: str
    name: str
    role: Role
    kind: str
    artifacts: str
    project: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    accepted_at: datetime | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation just made, with the only copy of its token there will ever be."""

    invitation: Invitation
    token: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just opened, with the only copy of its token there will ever be."""

    person: Person
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewReset:
    """Leave to set a password anew, with the only copy of its token there will ever be."""

    person: Person
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A role for a part of a project."""

    role: Role
    kind: str
    artifacts: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What a key is for, at most. `verbs` None: all that its owner may do."""

    verbs: tuple[str, ...] | None
    artifacts: str
    aliases: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who the key or session belongs to, and what that may do here.

    `role` is for the whole project, `grants` are for parts of it; `scope` is what the key is
    for, `projects` those where the caller has a role.
    """

    project: str
    actor: str
    name: str
    role: Role | None
    email: str = ""
    groups: tuple[str, ...] = ()
    grants: tuple[Part, ...] = ()
    scope: Reach | None = None
    projects: tuple[str, ...] = ()


def check_email(text: str, *, field: str = "email") -> str:
    """An e-mail address in lower case. Raises `InvalidInput`."""
    check_text(text, field=field, max_chars=_MAX_EMAIL)
    email = text.strip().lower()
    if _EMAIL.fullmatch(email) is None or not email.isprintable():
        raise InvalidInput(
            f"{quoted(text)} is not an e-mail address.",
            code="invalid_email",
            hint="Write it like ana@example.org.",
            field=field,
        )
    return email


def check_person_name(text: str, *, field: str = "name") -> str:
    """What a person is called. Raises `InvalidInput`."""
    check_text(text, field=field, max_chars=100)
    name = text.strip()
    if not name or not name.isprintable():
        raise InvalidInput(
            "A person needs a name of 1 to 100 characters.",
            code="invalid_person_name",
            hint="Give the name that colleagues know.",
            field=field,
        )
    return name


def check_group(text: str, *, field: str = "group") -> str:
    """The name of a group. Raises `InvalidName`."""
    return _plain(text, "group", field)


def check_project(text: str, *, field: str = "name") -> str:
    """The name that a project may be given. Raises `InvalidName`."""
    name = _plain(text, "project", field)
    if name == INSTALLATION:
        raise InvalidName(
            f"No project can be named {INSTALLATION!r}: the record of the installation is.",
            code="reserved_project",
            hint="Choose another name.",
            field=field,
        )
    return name


def check_password(password: str, *, field: str = "password") -> str:
    """A password that may be set. Raises `InvalidInput`."""
    if len(password) < MIN_PASSWORD or len(password.encode(errors="replace")) > MAX_PASSWORD:
        raise InvalidInput(
            f"A password has at least {MIN_PASSWORD} characters and at most {MAX_PASSWORD} bytes.",
            code="invalid_password",
            hint="A few words in a row are easy to keep in mind and hard to guess.",
            field=field,
        )
    check_text(password, field=field, max_chars=MAX_PASSWORD)
    return password


def check_verbs(verbs: tuple[str, ...], *, field: str = "verbs") -> tuple[Verb, ...]:
    """The verbs of a key, in one order and each once. Raises `InvalidInput`."""
    known = get_args(Verb)
    unknown = [one for one in verbs if one not in known]
    if unknown or not verbs:
        raise InvalidInput(
            f"{quoted(str(unknown[0]))} is not a verb." if unknown else "The key has no verb.",
            code="invalid_verb",
            hint=f"Choose among {', '.join(known)}; leave them out for all.",
            field=field,
        )
    return tuple(cast("Verb", one) for one in known if one in verbs)


def _plain(text: str, what: str, field: str) -> str:
    if not isinstance(text, str) or _PLAIN.fullmatch(text) is None:
        raise InvalidName(
            f"{quoted(str(text))} can't be the name of a {what}.",
            code="invalid_plain_name",
            hint="Use 1 to 63 of a-z, 0-9, - _ and ., with a letter or digit at both ends.",
            field=field,
        )
    return text
