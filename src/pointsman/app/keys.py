"""API keys: an id that may be seen, and a secret that only its owner has.

The secret has 256 random bits, so its SHA-256 is enough at rest: there is nothing to guess,
and a slow hash would cost every request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, View, Work
from pointsman.app.describing import key_of
from pointsman.app.people import (
    PERSON,
    key_actor,
    myself,
    person_of,
    require_everywhere,
    who_of,
)
from pointsman.app.ports import KeyRow, ProjectRow, Reader
from pointsman.app.projects import SYSTEM, not_yours
from pointsman.core.access import ROLES, VERBS, Scope
from pointsman.core.canonical import check_text
from pointsman.core.names import check_list, check_message
from pointsman.core.patterns import ANY, check_pattern
from pointsman.core.people import INSTALLATION, check_verbs
from pointsman.core.vocabulary import Key, NewKey, Role
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Reason,
    Refused,
    Unauthenticated,
)

_FORM = re.compile(r"pm_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
SETUP = SYSTEM


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to make: for whom (an e-mail address, or None for a service), and what for."""

    name: str
    role: Role
    expires_at: int | None = None
    person: str | None = None
    verbs: tuple[str, ...] | None = None
    artifacts: str = ANY
    aliases: str = ANY


def create_key(
    work: Work,
    name: str,
    role: Role,
    expires_at: int | None = None,
    person: str | None = None,
    verbs: Sequence[str] | None = None,
    artifacts: str = ANY,
    aliases: str = ANY,
) -> NewKey:
    """Make a key for the caller's project; its secret is shown this once.

    A key with a `person` (by e-mail) acts as that person, with no more than `role` and only
    for what the verbs and patterns say. Raises `Refused` (admins only; for another person:
    admins of the installation; never for more than the caller's own key), `NotFound` or
    `InvalidInput`.
    """
    work.require_all("admin")
    listed = None if verbs is None else check_list(verbs, field="verbs")
    secret = new_secret()
    wanted = Wanted(name, role, expires_at, person, listed, artifacts, aliases)
    return NewKey(_add(work, secret, wanted), secret)


def create_own_key(work: Work, wanted: Wanted) -> NewKey:
    """Make a key of one's own, never for more than one may do through this very request.

    Raises `Conflict` if it is no person who asks, `Refused` or `InvalidInput`.
    """
    work.require("read")
    secret = new_secret()
    return NewKey(_add(work, secret, replace(wanted, person=myself(work).email)), secret)


def list_keys(view: View) -> tuple[Key, ...]:
    """The keys of the project, revoked and expired ones included."""
    view.require_all("admin")
    return tuple(_told(view, row) for row in view.reader.keys(view.project.id))


def list_own_keys(view: View) -> tuple[Key, ...]:
    """The caller's own keys, of all projects. Raises `Conflict` if it is no person who asks."""
    view.require("read")
    owner = f"{PERSON}{myself(view).id}"
    return tuple(_told(view, row) for row in view.reader.keys_of(owner))


def revoke_key(work: Work, key_id: str) -> Key:
    """Make a key useless at once. Raises `NotFound` or `Refused`."""
    work.require_all("admin")
    row = work.tx.key(check_text(key_id, field="id"))
    if row is None or row.project_id != work.project.id:
        raise _no_key(key_id)
    return _revoke(work, row)


def revoke_own_key(app: Application, caller: Caller, key_id: str) -> Key:
    """Make a key of one's own useless at once, in whichever project. Raises `NotFound`."""
    check_text(key_id, field="id")

    def project_of(view: View) -> ProjectRow:
        view.require("read")
        row = view.reader.key(key_id)
        project = None if row is None else view.reader.project_by_id(row.project_id)
        if row is None or project is None or row.owner != f"{PERSON}{myself(view).id}":
            raise _no_key(key_id)
        return project

    def revoke(work: Work) -> Key:
        row = work.tx.key(key_id)
        assert row is not None, "keys are never deleted"
        return _revoke(work, row)

    return app.write(Caller(caller.actor, app.read(caller, project_of)), revoke)


def _revoke(work: Work, row: KeyRow) -> Key:
    if row.revoked_at is None:
        line = work.record("key.revoked", {"key": row.id, "key_name": row.name})
        work.tx.revoke_key(row.id, line.at)
        row = row._replace(revoked_at=line.at)
    return _told(work, row)


def _no_key(key_id: str) -> NotFound:
    return NotFound(f"There is no key {key_id!r}.", code="key_not_found", field="id")


def bootstrap(app: Application, secret: str | None) -> str | None:
    """Make the first admin key of a store that has no key, and return its secret.

    `secret` sets it instead of a random one. None if there are keys already: then nothing
    happens. Raises `InvalidInput` if `secret` is not of a key's form.
    """
    if secret is not None and _FORM.fullmatch(secret) is None:
        raise InvalidInput(
            "POINTSMAN_BOOTSTRAP_KEY is not of a key's form.",
            code="invalid_key",
            hint="Make one with `pointsman key generate`: pm_<10 letters>_<43 characters>.",
        )
    wanted = secret or new_secret()

    def first(work: Work) -> bool:
        if work.tx.keys(work.project.id):
            return False
        _add(work, wanted, Wanted("first admin", "admin"))
        return True

    made = app.write(Caller(SETUP, app.project(DEFAULT_PROJECT)), first)
    return wanted if made else None


def new_secret() -> str:
    """A fresh random key: `pm_<id>_<secret>`."""
    identity = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    return f"pm_{identity}_{secrets.token_urlsafe(32)}"


def authenticate(
    reader: Reader, secret: str, via: str, now: int, project: str = ""
) -> tuple[Caller, int | None]:
    """Who presents this key, and when it expires.

    Without a project: the key's own. Raises `Unauthenticated`, or `Refused` for a project
    that the key is not for.
    """
    form = _FORM.fullmatch(secret)
    row = reader.key(form[1]) if form else None
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        raise Unauthenticated(
            "The key is not known here.",
            code="unknown_key",
            hint="Check the key and the address of the registry.",
        )
    if row.revoked_at is not None:
        raise Unauthenticated(
            f"The key {row.name!r} is revoked.",
            code="revoked_key",
            hint="Ask an admin for a new one.",
        )
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated(
            f"The key {row.name!r} has expired.",
            code="expired_key",
            hint="Ask an admin for a new one.",
        )
    chosen = reader.project(project) if project else reader.project_by_id(row.project_id)
    if chosen is None or (project and chosen.name == INSTALLATION):
        raise not_yours(project)
    actor = key_actor(reader, chosen.id, row, via)
    if actor is None and chosen.id == row.project_id:
        raise Unauthenticated(
            f"Whose key {row.name!r} is, is deactivated.",
            code="deactivated_person",
            hint="Ask an admin of the installation.",
        )
    if actor is None or (project and actor.role is None and not actor.grants):
        raise not_yours(project)
    return Caller(actor, chosen), row.expires_at


def fingerprint(secret_hash: str) -> str:
    """What the journal says of a key's secret: enough to notice that it was swapped."""
    return hashlib.sha256(f"pointsman key {secret_hash}".encode()).hexdigest()[:32]


def _add(work: Work, secret: str, wanted: Wanted) -> Key:
    wanted = _checked(work, wanted)
    owner = None
    if wanted.person is not None:
        owner = f"{PERSON}{person_of(work.tx, wanted.person, field='person').id}"
    _require_no_wider(work, wanted, owner)
    form = _FORM.fullmatch(secret)
    assert form is not None, "callers pass keys of the right form"
    if work.tx.key(form[1]) is not None:
        raise Conflict(f"There is a key {form[1]!r} already.", code="key_exists")
    row = KeyRow(
        id=form[1],
        project_id=work.project.id,
        name=wanted.name,
        role=wanted.role,
        secret_hash=_hash(secret),
        created_at=work.now,
        created_by=work.actor.name,
        expires_at=wanted.expires_at,
        revoked_at=None,
        last_used_at=None,
        owner=owner,
        verbs=None if wanted.verbs is None else json.dumps(wanted.verbs),
        artifacts=wanted.artifacts,
        aliases=wanted.aliases,
        everywhere=int(work.actor.id == SETUP.id),
    )
    line = work.record("key.created", _fact(row))
    row = row._replace(created_at=line.at)
    work.tx.add_key(row)
    return _told(work, row)


def _checked(work: Work, wanted: Wanted) -> Wanted:
    name = check_message(wanted.name, field="name").strip()
    if not 1 <= len(name) <= 100:
        raise InvalidInput(
            "A key needs a name of 1 to 100 characters.",
            code="invalid_key_name",
            hint="Name it after who or what will use it.",
            field="name",
        )
    if wanted.role not in ROLES:
        raise InvalidInput(
            f"{wanted.role!r} is not a role.",
            code="invalid_role",
            hint=f"Choose one of {', '.join(ROLES)}.",
            field="role",
        )
    if wanted.expires_at is not None and wanted.expires_at <= work.now:
        raise InvalidInput(
            "The key would have expired already.",
            code="invalid_expiry",
            hint="Give a time to come, or none for a key that lasts.",
            field="expires_at",
        )
    check_pattern(wanted.artifacts, field="artifacts")
    check_pattern(wanted.aliases, field="aliases")
    return replace(
        wanted,
        name=name,
        verbs=None if wanted.verbs is None else check_verbs(wanted.verbs),
    )


def _require_no_wider(work: Work, wanted: Wanted, owner: str | None) -> None:
    """Raise `Refused` for a key that could do what its maker can't do right now."""
    actor = work.actor
    if owner is not None and owner != actor.id:
        require_everywhere(work)  # whoever has it acts as somebody else
    against = []
    if not actor.holds(wanted.role):
        against.append(f"the role {wanted.role}, and you have {actor.role or 'a lower one'}")
    scope = actor.scope or Scope()
    if scope.verbs is not None and not set(wanted.verbs or VERBS) <= set(scope.verbs):
        against.append(f"more than {', '.join(scope.verbs)}")
    if scope.artifacts not in (ANY, wanted.artifacts):
        against.append(f"artifacts beyond {scope.artifacts}")
    if scope.aliases not in (ANY, wanted.aliases):
        against.append(f"aliases beyond {scope.aliases}")
    ends = wanted.expires_at
    outlasts = actor.until is not None and (ends is None or ends > actor.until)
    if outlasts and (actor.is_service or owner == actor.id):
        # A person may make a lasting key for a program, but not prolong their own.
        against.append("longer than the key that you use lasts")
    if against:
        reasons = tuple(
            Reason("key_too_wide", f"The key would be for {one}.", "Ask for less.")
            for one in against
        )
        raise Refused(
            reasons[0].message, code=reasons[0].code, hint=reasons[0].hint, reasons=reasons
        )


def _fact(row: KeyRow) -> dict[str, object]:
    """What the journal says of a new key. What is as usual is left out."""
    fact: dict[str, object] = {
        "key": row.id,
        "key_name": row.name,
        "role": row.role,
        "fingerprint": fingerprint(row.secret_hash),
    }
    if row.expires_at is not None:
        fact["expires_at"] = row.expires_at
    if row.owner is not None:
        fact["owner"] = row.owner
    if row.verbs is not None:
        fact["verbs"] = row.verbs
    if row.artifacts != ANY:
        fact["artifacts"] = row.artifacts
    if row.aliases != ANY:
        fact["aliases"] = row.aliases
    return fact


def _told(view: View, row: KeyRow) -> Key:
    project = view.reader.project_by_id(row.project_id)
    assert project is not None, "a key's project exists"
    return replace(
        key_of(row, project.name),
        person=None if row.owner is None else who_of(view.reader, row.owner),
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
