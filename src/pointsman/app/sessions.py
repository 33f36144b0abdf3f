"""Signing in and out, and coming in by an invitation.

A session is a random token of which its SHA-256 is kept, as with keys. That one was opened or
has ended stands in the installation's journal, so that every node hears of it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from pointsman.app import passwords
from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, View, Work
from pointsman.app.people import (
    PERSON,
    myself,
    person_actor,
    person_told,
    require_manager,
)
from pointsman.app.ports import ProjectRow, Reader
from pointsman.app.ports.people import GrantRow, InvitationRow, PersonRow, SessionRow
from pointsman.app.projects import at_home, installation, not_yours, projects_of
from pointsman.core.access import ROLES, Actor
from pointsman.core.names import check_kind
from pointsman.core.patterns import ANY, check_pattern
from pointsman.core.people import (
    INSTALLATION,
    Invitation,
    NewInvitation,
    SignedIn,
    check_email,
    check_person_name,
)
from pointsman.core.vocabulary import Role, moment
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    Unauthenticated,
)

DAY = 24 * 3600 * 1_000_000
SESSION_LASTS = 7 * DAY
INVITATION_LASTS = 7 * DAY
INVITATION_MOST = 30 * DAY
SESSION_COOKIE = "pointsman_session"
"""The cookie in which browsers keep a session's token."""
NOBODY = Actor("nobody", "nobody", None, "api")
"""Who sends a request that needs no key."""

_FORM = re.compile(r"(ps|pi|pr|pc)_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_token(prefix: str) -> tuple[str, str]:
    """A public id, and a token with a secret that begins with the prefix and the id."""
    identity = "".join(secrets.choice(_LETTERS) for _ in range(10))
    return identity, f"{prefix}_{identity}_{secrets.token_urlsafe(32)}"


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def id_in(token: str, prefix: str) -> str | None:
    """The public id in a token of this prefix; None if it isn't one."""
    form = _FORM.fullmatch(token)
    return form[2] if form and form[1] == prefix else None


# Sessions


def sign_in(app: Application, email: str, password: str, address: str = "") -> SignedIn:
    """Open a session for who has this password.

    Raises `Unauthenticated`, the same for a wrong password and for nobody of that address, or
    `Refused` after too many attempts.
    """
    email = check_email(email)
    person = _proved(app, email, password, address)
    if person is None:
        raise _wrong()
    return open_session(app, person)


def open_session(app: Application, person: PersonRow) -> SignedIn:
    """Open a session for a person who has proved to be that."""
    identity, token = new_token("ps")
    home = installation(app)
    actor = Actor(f"{PERSON}{person.id}", person.name, None, "api", email=person.email)

    def add(work: Work) -> SignedIn:
        row = work.tx.person(person.id)
        if row is None or row.deactivated_at is not None:
            raise _wrong()
        if row.password_hash != person.password_hash:
            raise _wrong()  # it was changed while it was being checked
        line = work.record("session.opened", {"person": row.id, "session": identity})
        ends = line.at + SESSION_LASTS
        work.tx.add_session(SessionRow(identity, row.id, hash_of(token), line.at, ends, None))
        work.tx.forget_sessions(line.at - SESSION_LASTS)
        return SignedIn(person_told(row), token, moment(ends))

    return app.write(Caller(actor, home), add)


def sign_out(app: Application, caller: Caller, session_id: str) -> None:
    """End the session that asks. Raises `Conflict` if it is a key that asks."""
    if not session_id:
        raise Conflict(
            "It is a key that asks, not a session.",
            code="not_a_session",
            hint="Revoke the key to make it useless.",
        )

    def end(work: Work) -> None:
        row = work.tx.session(session_id)
        if row is not None and row.ended_at is None:
            line = work.record("session.ended", {"person": row.person_id, "session": session_id})
            work.tx.end_session(session_id, line.at)

    app.write(at_home(app, caller), end)


def change_password(
    app: Application, caller: Caller, old: str, new: str, session_id: str = "", address: str = ""
) -> None:
    """Set one's own password; all other sessions of the person end.

    Raises `Unauthenticated` if `old` is wrong, or `InvalidInput` for a new one that won't do.
    """
    person = app.read(caller, myself)
    if _proved(app, person.email, old, address) is None:
        raise _wrong()
    kept = passwords.hashed(new)

    def change(work: Work) -> None:
        line = work.record(
            "person.changed",
            {"person": person.id, "field": "password", "session": session_id},
        )
        work.tx.put_password(person.id, kept)
        work.tx.end_sessions_of(person.id, line.at, session_id)

    app.write(at_home(app, caller), change)


def authenticate(
    reader: Reader, token: str, via: str, now: int, project: str = ""
) -> tuple[Caller, int, str]:
    """Who presents this token, until when, and the session's id.

    Without a project: the default one, or else the first in which the person has a role.
    Raises `Unauthenticated`, or `Refused` for a project that isn't the person's.
    """
    identity = id_in(token, "ps")
    row = None if identity is None else reader.session(identity)
    if row is None or not hmac.compare_digest(row.token_hash, hash_of(token)):
        raise Unauthenticated(
            "The session is not known here.", code="unknown_session", hint="Sign in again."
        )
    person = reader.person(row.person_id)
    if row.ended_at is not None or person is None or person.deactivated_at is not None:
        raise Unauthenticated("The session has ended.", code="ended_session", hint="Sign in.")
    if row.expires_at <= now:
        raise Unauthenticated("The session has expired.", code="expired_session", hint="Sign in.")
    chosen = _chosen(reader, person, project)
    actor = person_actor(reader, chosen.id, person, via)
    if project and actor.role is None and not actor.grants:
        raise not_yours(project)
    return Caller(actor, chosen), row.expires_at, row.id


def _chosen(reader: Reader, person: PersonRow, name: str) -> ProjectRow:
    default = reader.project(name or DEFAULT_PROJECT)
    if name and (default is None or name == INSTALLATION):
        raise not_yours(name)
    assert default is not None, "the default project always exists"
    if name:
        return default
    actor = person_actor(reader, default.id, person, "api")
    if actor.role is not None or actor.grants:
        return default
    mine = projects_of(reader, actor, default)
    return mine[0] if mine else default


# Invitations


def invite(
    app: Application,
    caller: Caller,
    email: str,
    *,
    name: str = "",
    role: Role = "viewer",
    kind: str = "",
    artifacts: str = ANY,
    expires_at: int | None = None,
) -> NewInvitation:
    """Invite somebody to the caller's project; the token is shown this once.

    Raises `Refused` (for admins of the project) or `InvalidInput`.
    """
    email = check_email(email)
    name = check_person_name(name) if name else ""
    check_part(role, kind, artifacts)
    project = caller.project

    def add(work: Work) -> NewInvitation:
        require_manager(View(work.tx, caller))
        ends = work.now + INVITATION_LASTS if expires_at is None else expires_at
        if not work.now < ends <= work.now + INVITATION_MOST:
            raise InvalidInput(
                "The invitation would have expired already, or last for more than 30 days.",
                code="invalid_expiry",
                hint="Give a time to come, or none for seven days.",
                field="expires_at",
            )
        identity, token = new_token("pi")
        fact = {
            "invitation": identity,
            "project": project.name,
            "email": email,
            "role": role,
            "kind": kind,
            "artifacts": artifacts,
            "expires_at": ends,
        }
        line = work.record("person.invited", fact)
        row = InvitationRow(
            id=identity,
            token_hash=hash_of(token),
            project_id=project.id,
            email=email,
            name=name,
            role=role,
            kind=kind,
            artifacts=artifacts,
            created_at=line.at,
            created_by=work.actor.name,
            expires_at=ends,
            accepted_at=None,
            withdrawn_at=None,
        )
        work.tx.add_invitation(row)
        return NewInvitation(invitation_told(row, project.name), token)

    return app.write(at_home(app, caller), add)


def list_invitations(view: View) -> tuple[Invitation, ...]:
    """The invitations to the caller's project, used and expired ones included."""
    view.require_all("admin")
    rows = view.reader.invitations(view.project.id)
    return tuple(invitation_told(row, view.project.name) for row in rows)


def withdraw_invitation(app: Application, caller: Caller, identity: str) -> Invitation:
    """Make an invitation useless. Raises `NotFound`, or `Conflict` if it was accepted."""

    def withdraw(work: Work) -> Invitation:
        View(work.tx, caller).require_all("admin")
        row = work.tx.invitation(identity)
        if row is None or row.project_id != caller.project.id:
            raise NotFound(
                f"There is no invitation {identity[:40]!r}.", code="invitation_not_found"
            )
        if row.accepted_at is not None:
            raise Conflict(
                f"{row.email} has accepted the invitation.",
                code="used_invitation",
                hint="Withdraw the role, or deactivate the person.",
            )
        if row.withdrawn_at is None:
            line = work.record("person.uninvited", {"invitation": row.id, "email": row.email})
            work.tx.withdraw_invitation(row.id, line.at)
            row = row._replace(withdrawn_at=line.at)
        return invitation_told(row, caller.project.name)

    return app.write(at_home(app, caller), withdraw)


def show_invitation(app: Application, token: str) -> tuple[Invitation, bool]:
    """An invitation for who holds its token, and whether somebody has its address already.

    Raises `NotFound` (unknown) or `Gone` (used, withdrawn or expired).
    """
    with app.store.read() as reader:
        row = _invited(reader, token, app.clock())
        project = reader.project_by_id(row.project_id)
        assert project is not None, "an invitation's project exists"
        known = bool(row.email) and reader.person_by_email(row.email) is not None
        return invitation_told(row, project.name), known


def accept_invitation(
    app: Application,
    token: str,
    password: str,
    name: str = "",
    address: str = "",
    email: str = "",
) -> SignedIn:
    """Come in by an invitation: as a new person, or as the one who has that address already.

    An `email` is for invitations that name none (`app.welcoming`).

    Raises `NotFound` (unknown), `Gone` (used, withdrawn or expired), `Unauthenticated` (the
    person is there already, and has another password), `InvalidInput` or `Refused`.
    """
    with app.store.read() as reader:
        row = _invited(reader, token, app.clock())
        if not row.email:
            row = row._replace(email=check_email(email))
        known = reader.person_by_email(row.email)
    if known is None:
        person = _join(app, row, token, name, passwords.hashed(password))
    else:
        proved = _proved(app, row.email, password, address)
        if proved is None:
            raise _wrong()
        person = proved
    _settle(app, row, token, person)
    return open_session(app, person)


def invitation_told(row: InvitationRow, project: str) -> Invitation:
    """An invitation as people are told: without its token."""
    return Invitation(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,  # type: ignore[arg-type]  # what is stored was checked
        kind=row.kind,
        artifacts=row.artifacts,
        project=project,
        created_at=moment(row.created_at),
        created_by=row.created_by,
        expires_at=moment(row.expires_at),
        accepted_at=None if row.accepted_at is None else moment(row.accepted_at),
        withdrawn_at=None if row.withdrawn_at is None else moment(row.withdrawn_at),
    )


def check_part(role: str, kind: str, artifacts: str) -> None:
    """Raise `InvalidInput` unless these can be granted together."""
    if role not in ROLES:
        raise InvalidInput(
            f"{role!r} is not a role.",
            code="invalid_role",
            hint=f"Choose one of {', '.join(ROLES)}.",
            field="role",
        )
    if kind:
        check_kind(kind)
    check_pattern(artifacts, field="artifacts")


def _join(
    app: Application, row: InvitationRow, token: str, name: str, password_hash: str
) -> PersonRow:
    called = check_person_name(name or row.name)

    def join(work: Work) -> PersonRow:
        _invited(work.tx, token, app.clock())
        if work.tx.person_by_email(row.email) is not None:
            raise Conflict(
                f"Somebody with the address {row.email} has joined meanwhile.",
                code="person_exists",
                hint="Accept the invitation again, with that person's password.",
            )
        person = work.tx.add_person(row.email, called, password_hash, work.now)
        fact = {
            "person": person.id,
            "email": person.email,
            "name": called,
            "invitation": row.id,
        }
        work.record("person.joined", fact)
        return person

    return app.write(Caller(_guest(called, row.email), installation(app)), join)


def _settle(app: Application, row: InvitationRow, token: str, person: PersonRow) -> None:
    """Give the role and use the invitation up.

    Two projects' journals, so two transactions, one after the other: broken off in between,
    the invitation can be accepted again. The role is given by whoever invited.
    """
    with app.store.read() as reader:
        project = reader.project_by_id(row.project_id)
    assert project is not None, "an invitation's project exists"
    guest = Actor(f"{PERSON}{person.id}", person.name, None, "api", email=person.email)

    def give(work: Work) -> None:
        _invited(work.tx, token, app.clock())
        subject = f"{PERSON}{person.id}"
        held = [
            one.role
            for one in work.tx.grants(project.id)
            if (one.subject, one.kind, one.artifacts) == (subject, row.kind, row.artifacts)
        ]
        if held and ROLES.index(held[0]) >= ROLES.index(row.role):
            return  # an invitation never takes a role away
        fact = {
            "subject": subject,
            "who": person.email,
            "role": row.role,
            "kind": row.kind,
            "artifacts": row.artifacts,
            "invitation": row.id,
        }
        line = work.record("role.granted", fact)
        work.tx.put_grant(
            GrantRow(project.id, subject, row.role, row.kind, row.artifacts, line.at, line.by)
        )

    def use_up(work: Work) -> None:
        _invited(work.tx, token, app.clock())
        line = work.record("person.accepted", {"person": person.id, "invitation": row.id})
        work.tx.accept_invitation(row.id, line.at)

    app.write(Caller(guest, project), give)
    app.write(Caller(guest, installation(app)), use_up)


def _invited(reader: Reader, token: str, now: int) -> InvitationRow:
    identity = id_in(token, "pi")
    row = None if identity is None else reader.invitation(identity)
    if row is None or not hmac.compare_digest(row.token_hash, hash_of(token)):
        raise NotFound(
            "The invitation is not known here.",
            code="unknown_invitation",
            hint="Check that the token was copied as a whole.",
            field="token",
        )
    if row.accepted_at is not None:
        raise Gone(
            "The invitation was accepted already.",
            code="used_invitation_token",
            hint="Sign in with the password that was chosen then.",
            field="token",
        )
    if row.withdrawn_at is not None:
        raise Gone(
            "The invitation was withdrawn.",
            code="withdrawn_invitation",
            hint="Ask for a new one.",
            field="token",
        )
    if row.expires_at <= now:
        raise Gone(
            "The invitation has expired.",
            code="expired_invitation",
            hint="Ask for a new one.",
            field="token",
        )
    return row


def _proved(app: Application, email: str, password: str, address: str) -> PersonRow | None:
    """The active person with this address and password, if there is one."""
    app.attempts.begin(email, address)
    with app.store.read() as reader:
        person = reader.person_by_email(email)
    right = passwords.fits(password, None if person is None else person.password_hash)
    if person is None or not right or person.deactivated_at is not None:
        return None
    app.attempts.succeeded(email, address)
    return person


def _guest(name: str, email: str) -> Actor:
    return Actor("guest", name, None, "api", email=email)


def _wrong() -> Unauthenticated:
    return Unauthenticated(
        "The e-mail address or the password is wrong.",
        code="wrong_password",
        hint="Check both. Whoever was never here needs an invitation.",
    )
