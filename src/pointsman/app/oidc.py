"""Single sign-on by OpenID Connect: who comes in, and with which groups and roles.

The protocol itself (`app/provider.py`) needs the extra `oidc`; nothing here does. A sign-in
that is under way is kept by the browser, signed; whoever comes back without it is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from pointsman.app import tokens
from pointsman.app.application import Application, Caller, Work
from pointsman.app.oidc_settings import Settings, settings_of
from pointsman.app.people import PERSON, keeping_an_admin
from pointsman.app.ports import ProjectRow
from pointsman.app.ports.people import GrantRow, IdentityRow, PersonRow
from pointsman.app.projects import installation
from pointsman.app.sessions import open_session
from pointsman.core.access import ROLES, Actor
from pointsman.core.canonical import quoted
from pointsman.core.patterns import ANY
from pointsman.core.people import (
    GROUP,
    SignedIn,
    check_email,
    check_group,
    check_person_name,
)
from pointsman.core.vocabulary import Role
from pointsman.errors import (
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    Unauthenticated,
)

SIGN_IN_LASTS = 600
"""Seconds that somebody may take to sign in at the provider."""
CODE = tokens.Purpose("sign-in", "pc", "code", 120_000_000, "sign in again")
_SSO = Actor("sso", "single sign-on", None, "sso")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_log = logging.getLogger("pointsman")


class Provider(Protocol):
    """Who vouches for people; see `app.provider`."""

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser. Raises `Unavailable`."""
        ...

    def vouch(self, code: str, nonce: str, verifier: str, now: float) -> Mapping[str, Any]:
        """The claims of the ID token that a code stands for, all of it verified.

        Raises `Unauthenticated`, or `Unavailable`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it keeps until it comes back."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Handed:
    """A one-time code, for the command line that listens on a port of the person's machine."""

    port: int
    code: str


class SignOn:
    """Single sign-on with one provider. Safe to use from any thread."""

    def __init__(self, app: Application, settings: Settings, provider: Provider) -> None:
        self.settings = settings
        self._app = app
        self._provider = provider
        # All servers over one store have the same settings, and so the same key.
        self._key = hmac.digest(settings.client_secret.encode(), b"pointsman sign-in", "sha256")

    def begin(self, port: int | None = None, challenge: str = "") -> Begun:
        """Begin to sign in, perhaps for a command line that listens on a port.

        Raises `InvalidInput` or `Unavailable`.
        """
        if port is not None or challenge:
            _check_listener(port, challenge)
        held: dict[str, Any] = {
            "state": secrets.token_urlsafe(32),
            "nonce": secrets.token_urlsafe(32),
            "verifier": secrets.token_urlsafe(48),
            "port": port,
            "challenge": challenge,
            "ends": self._now() + SIGN_IN_LASTS,
        }
        address = self._provider.address(held["state"], held["nonce"], held["verifier"])
        return Begun(address, self._sealed(held))

    def finish(self, answer: Mapping[str, str], cookie: str) -> SignedIn | Handed:
        """Let somebody in who comes back from the provider, with what it told the browser.

        Raises `InvalidInput` if this browser did not begin it, `Unauthenticated`, `Refused`
        or `Unavailable`.
        """
        held = self._opened(cookie)
        state = answer.get("state", "")
        if held is None or not hmac.compare_digest(state.encode(), held["state"].encode()):
            raise InvalidInput(
                "This sign-in was not begun in this browser, or it took too long.",
                code="unknown_sign_in",
                hint=f"Begin again at {self.settings.redirect}/auth/oidc/login.",
            )
        if answer.get("iss", self.settings.issuer) != self.settings.issuer or "error" in answer:
            why = quoted(answer.get("error", "another issuer"))
            raise Unauthenticated(
                f"The provider did not let you in: {why}.",
                code="sign_in_refused",
                hint="Sign in again; if that doesn't help, ask who runs the provider.",
            )
        claims = self._provider.vouch(
            answer.get("code", ""), held["nonce"], held["verifier"], self._now()
        )
        person = admit(self._app, self.settings, claims)
        if held["port"] is None:
            return open_session(self._app, person)
        return Handed(held["port"], self._code(person, held["challenge"]))

    def _code(self, person: PersonRow, challenge: str) -> str:
        caller = Caller(_SSO, installation(self._app))
        return self._app.write(caller, lambda w: tokens.issue(w, CODE, person.id, challenge)[0])

    def _now(self) -> float:
        return self._app.clock() / 1e6

    def _sealed(self, held: Mapping[str, Any]) -> str:
        text = base64.urlsafe_b64encode(json.dumps(held).encode()).decode()
        return f"{text}.{hmac.digest(self._key, text.encode(), 'sha256').hex()}"

    def _opened(self, cookie: str) -> dict[str, Any] | None:
        text, _, seal = cookie.partition(".")
        right = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(seal.encode(), right.encode()):
            return None
        held: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        return held if held["ends"] > self._now() else None


def is_set_up(environ: Mapping[str, str]) -> bool:
    """Whether people can sign in by it here."""
    return settings_of(environ) is not None and _has_packages()


def sign_on_of(app: Application, environ: Mapping[str, str]) -> SignOn | NotFound:
    """Single sign-on as the environment sets it up, or why there is none.

    Raises `InvalidInput` for settings that are wrong.
    """
    settings = settings_of(environ)
    if settings is None:
        hint = "An admin sets it up with POINTSMAN_OIDC_ISSUER and its neighbours."
    elif not _has_packages():
        hint = 'The server lacks a package: pip install "pointsman[oidc]".'
    else:
        from pointsman.app.provider import OpenIdProvider

        return SignOn(app, settings, OpenIdProvider(settings))
    return NotFound("There is no single sign-on here.", code="no_single_sign_on", hint=hint)


def _has_packages() -> bool:
    return find_spec("authlib") is not None and find_spec("joserfc") is not None


def redeem_sign_in(app: Application, code: str, verifier: str) -> SignedIn:
    """Open a session for the one-time code that a command line was handed.

    Raises `NotFound` or `Gone` for the code, `Unauthenticated` for another's.
    """

    def redeem(work: Work) -> PersonRow:
        row, person = tokens.standing(work.tx, CODE, code, app.clock())
        digest = hashlib.sha256(verifier.encode(errors="replace")).digest()
        answer = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(answer, row.challenge):
            raise Unauthenticated(
                "The code was made for another command line.",
                code="wrong_verifier",
                hint="Sign in again.",
            )
        work.tx.drop_one_time_token(row.id)
        return person

    return open_session(app, app.write(Caller(_SSO, installation(app)), redeem))


def _check_listener(port: int | None, challenge: str) -> None:
    if port is None or not 1_024 <= port <= 65_535 or not _CHALLENGE.fullmatch(challenge):
        raise InvalidInput(
            "A command line gives the port it listens on, from 1024, and a challenge.",
            code="invalid_listener",
            hint="The challenge is the SHA-256 of the verifier, in base64url without =.",
            field="cli",
        )


# Who comes in


def admit(app: Application, settings: Settings, claims: Mapping[str, Any]) -> PersonRow:
    """The person whom verified claims are about, made if new, with roles and groups in line.

    Raises `Refused` for an e-mail address that is not verified or belongs to another account
    of the provider, and for somebody deactivated.
    """
    person = _person(app, settings.issuer, claims)
    groups = _groups_in(claims.get(settings.groups_claim))
    _bring_groups_in_line(app, person, groups & settings.roles.keys())
    _bring_roles_in_line(app, person, settings, groups)
    return person


def _person(app: Application, issuer: str, claims: Mapping[str, Any]) -> PersonRow:
    subject = str(claims["sub"])
    if claims.get("email_verified") not in (True, "true"):
        raise _refused(
            "unverified_email",
            "The provider has not verified your e-mail address.",
            "Verify it there, then sign in again.",
        )
    email = check_email(str(claims.get("email", "")))

    def find(work: Work) -> PersonRow:
        known = work.tx.identity(issuer, subject)
        person = work.tx.person(known.person_id) if known else work.tx.person_by_email(email)
        if person is not None and person.deactivated_at is not None:
            raise _refused(
                "account_deactivated",
                f"{person.email} is deactivated here.",
                "Ask an admin of the installation.",
            )
        if known is not None and person is not None:
            return person
        if person is not None and any(
            one.issuer == issuer for one in work.tx.identities_of(person.id)
        ):
            raise _refused(
                "other_identity",
                f"{email} belongs to another account of the provider.",
                "Sign in with that account, or ask an admin of the installation.",
            )
        person = _bound(work, person, issuer, subject, email, claims)
        work.tx.add_identity(IdentityRow(issuer, subject, person.id, work.now))
        return person

    return app.write(Caller(_SSO, installation(app)), find)


def _bound(
    work: Work,
    person: PersonRow | None,
    issuer: str,
    subject: str,
    email: str,
    claims: Mapping[str, Any],
) -> PersonRow:
    """The person who has this identity from now on: the one of that address, or a new one."""
    bond = {"issuer": issuer, "subject": subject}
    if person is not None:
        work.record("person.changed", {"person": person.id, "field": "identity", **bond})
        return person
    name = _name(claims, email)
    made = work.tx.add_person(email, name, None, work.now)
    work.record("person.joined", {"person": made.id, "email": email, "name": name, **bond})
    return made


def _name(claims: Mapping[str, Any], email: str) -> str:
    for one in (claims.get("name"), claims.get("preferred_username")):
        try:
            return check_person_name(str(one or ""))
        except PointsmanError:
            continue
    return email[:100]


def _groups_in(claim: object) -> set[str]:
    listed = [claim] if isinstance(claim, str) else claim
    return {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()


def _bring_groups_in_line(app: Application, person: PersonRow, groups: Iterable[str]) -> None:
    """Have the person in the mapped groups, and in no other into which the mapping put them."""
    wanted = {one for one in groups if _can_be_group(one)}
    home = installation(app)
    with app.store.read() as reader:
        mapped = set(reader.mapped_groups(person.id))

    def join(group: str, work: Work) -> None:
        if group not in work.tx.groups_of(person.id):
            work.record("group.joined", {"group": group, "person": person.id})
            work.tx.add_member(group, person.id)
            work.tx.add_mapped_member(group, person.id)

    def leave(group: str, work: Work) -> None:
        if group in work.tx.groups_of(person.id):
            granted = {row.project_id for row in work.tx.grants_to(GROUP + group)}
            with keeping_an_admin(work.tx, sorted(granted)):
                work.record("group.left", {"group": group, "person": person.id})
                work.tx.drop_member(group, person.id)
        work.tx.drop_mapped_member(group, person.id)

    for group in sorted(mapped - wanted):
        _write(app, home, person, lambda work, one=group: leave(one, work))  # type: ignore[misc]
    for group in sorted(wanted):
        _write(app, home, person, lambda work, one=group: join(one, work))  # type: ignore[misc]


def _bring_roles_in_line(
    app: Application, person: PersonRow, settings: Settings, groups: set[str]
) -> None:
    """Give the roles that the mapping says, the highest for each project; take away others
    that it gave. What somebody granted by hand is left as it is."""
    wanted: dict[int, Role] = {}
    with app.store.read() as reader:
        by_name = {row.name: row for row in reader.projects()}
        by_id = {row.id: row for row in by_name.values()}
        mapped = reader.mapped_grants(person.id)
    for one in (one for group in sorted(groups) for one in settings.roles.get(group, ())):
        project = by_name.get(one.project)
        if project is None:
            _log.warning("Single sign-on: there is no project %r for a role.", one.project)
            continue
        held = wanted.get(project.id, one.role)
        wanted[project.id] = max(held, one.role, key=ROLES.index)
    for project_id in sorted(mapped.keys() | wanted.keys()):
        role = wanted.get(project_id)
        _write(
            app,
            by_id[project_id],
            person,
            lambda work, role=role: _bring_role_in_line(work, person, role),  # type: ignore[misc]
        )


def _bring_role_in_line(work: Work, person: PersonRow, role: Role | None) -> None:
    subject, project_id = f"{PERSON}{person.id}", work.project.id
    held = next(
        (
            row
            for row in work.tx.grants_to(subject)
            if (row.project_id, row.kind, row.artifacts) == (project_id, "", ANY)
        ),
        None,
    )
    given_at = work.tx.mapped_grants(person.id).get(project_id)
    if held is not None and held.granted_at != given_at:
        role, held = None, None  # granted by hand
    fact = {"subject": subject, "who": person.email, "kind": "", "artifacts": ANY}
    if role is None:
        if held is not None:
            with keeping_an_admin(work.tx, [project_id]):
                work.record("role.withdrawn", {**fact, "role": held.role})
                work.tx.drop_grant(project_id, subject, "", ANY)
        work.tx.drop_mapped_grant(project_id, person.id)
    elif held is None or held.role != role:
        with keeping_an_admin(work.tx, [project_id]):
            line = work.record("role.granted", {**fact, "role": role})
            row = GrantRow(project_id, subject, role, "", ANY, line.at, line.by)
            work.tx.put_grant(row)
            work.tx.put_mapped_grant(project_id, person.id, line.at)


def _write(
    app: Application, project: ProjectRow, person: PersonRow, change: Callable[[Work], None]
) -> None:
    """Make a change, unless it would leave no admin: whoever is the last one stays it."""
    try:
        app.write(Caller(_SSO, project), change)
    except Refused as refused:
        if refused.code != "last_admin":
            raise
        _log.warning("Single sign-on: %s keeps a role. %s", person.email, refused.message)


def _can_be_group(name: str) -> bool:
    try:
        check_group(name)
    except InvalidInput:
        return False
    return True


def _refused(code: str, message: str, hint: str) -> Refused:
    return Refused(message, code=code, hint=hint)
