"""API keys: an id that may be seen, and a secret that only its owner has.

The secret has 256 random bits, so its SHA-256 is enough at rest: there is nothing to guess,
and a slow hash would cost every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, View, Work
from pointsman.app.describing import key_of
from pointsman.app.ports import KeyRow, Reader
from pointsman.core.access import ROLES, Actor
from pointsman.core.canonical import check_text
from pointsman.core.names import check_message
from pointsman.core.vocabulary import Key, NewKey, Role
from pointsman.errors import Conflict, InvalidInput, NotFound, Unauthenticated

_FORM = re.compile(r"pm_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
SETUP = Actor("system", "system", "admin", "setup")


def create_key(work: Work, name: str, role: Role, expires_at: int | None = None) -> NewKey:
    """Make a key for the caller's project; its secret is shown this once.

    Raises `Refused` (admins only) or `InvalidInput`.
    """
    secret = new_secret()
    return NewKey(_add(work, secret, name, role, expires_at), secret)


def list_keys(view: View) -> tuple[Key, ...]:
    """The keys of the project, revoked and expired ones included."""
    view.require_all("admin")
    return tuple(key_of(row, view.project.name) for row in view.reader.keys(view.project.id))


def revoke_key(work: Work, key_id: str) -> Key:
    """Make a key useless at once. Raises `NotFound` or `Refused`."""
    work.require_all("admin")
    row = work.tx.key(check_text(key_id, field="id"))
    if row is None or row.project_id != work.project.id:
        raise NotFound(f"There is no key {key_id!r}.", code="key_not_found", field="id")
    if row.revoked_at is None:
        line = work.record("key.revoked", {"key": row.id, "key_name": row.name})
        work.tx.revoke_key(row.id, line.at)
        row = row._replace(revoked_at=line.at)
    return key_of(row, work.project.name)


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
        _add(work, wanted, "first admin", "admin", None)
        return True

    made = app.write(Caller(SETUP, app.project(DEFAULT_PROJECT)), first)
    return wanted if made else None


def new_secret() -> str:
    """A fresh random key: `pm_<id>_<secret>`."""
    identity = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    return f"pm_{identity}_{secrets.token_urlsafe(32)}"


def authenticate(reader: Reader, secret: str, via: str, now: int) -> tuple[Caller, int | None]:
    """Who presents this key, and when it expires. Raises `Unauthenticated`."""
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
    project = reader.project_by_id(row.project_id)
    assert project is not None, "a key's project exists"
    actor = Actor(f"key:{row.id}", row.name, row.role, via)  # type: ignore[arg-type]
    return Caller(actor, project), row.expires_at


def fingerprint(secret_hash: str) -> str:
    """What the journal says of a key's secret: enough to notice that it was swapped."""
    return hashlib.sha256(f"pointsman key {secret_hash}".encode()).hexdigest()[:32]


def _add(work: Work, secret: str, name: str, role: Role, expires_at: int | None) -> Key:
    work.require_all("admin")
    name = check_message(name, field="name").strip()
    if not 1 <= len(name) <= 100:
        raise InvalidInput(
            "A key needs a name of 1 to 100 characters.",
            code="invalid_key_name",
            hint="Name it after who or what will use it.",
            field="name",
        )
    if role not in ROLES:
        raise InvalidInput(
            f"{role!r} is not a role.",
            code="invalid_role",
            hint=f"Choose one of {', '.join(ROLES)}.",
            field="role",
        )
    if expires_at is not None and expires_at <= work.now:
        raise InvalidInput(
            "The key would have expired already.",
            code="invalid_expiry",
            hint="Give a time to come, or none for a key that lasts.",
            field="expires_at",
        )
    form = _FORM.fullmatch(secret)
    assert form is not None, "callers pass keys of the right form"
    if work.tx.key(form[1]) is not None:
        raise Conflict(f"There is a key {form[1]!r} already.", code="key_exists")
    secret_hash = _hash(secret)
    fact: dict[str, object] = {
        "key": form[1],
        "key_name": name,
        "role": role,
        "fingerprint": fingerprint(secret_hash),
    }
    if expires_at is not None:
        fact["expires_at"] = expires_at
    line = work.record("key.created", fact)
    row = KeyRow(
        id=form[1],
        project_id=work.project.id,
        name=name,
        role=role,
        secret_hash=secret_hash,
        created_at=line.at,
        created_by=work.actor.name,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    work.tx.add_key(row)
    return key_of(row, work.project.name)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
