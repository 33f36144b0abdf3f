"""What can be asked about projects, people, what they may do, and how they come in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from pointsman.core.names import check_list
from pointsman.core.people import (
    Group,
    Invitation,
    Me,
    NewInvitation,
    NewReset,
    Person,
    Project,
    RoleGrant,
    SignedIn,
)
from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import Key, NewKey, Role
from pointsman.sdk.asking import get, listed, send
from pointsman.sdk.calls import Steps
from pointsman.sdk.spelling import artifact_path, parameters, time_text

T = TypeVar("T")


class PeopleTasks:
    """The tasks; see `manage.Tasks`.

    Whoever is meant (`who`) is spelt as an e-mail address, or as ``group:NAME``.
    """

    # Oneself

    def me(self) -> Steps[Me]:
        """Who the key or session belongs to, and what that may do."""
        reply = yield from get("/me")
        return from_plain(Me, reply.body)

    def sign_in(self, email: str, password: str) -> Steps[SignedIn]:
        """Open a session; its token can be used as a key until it ends.

        Raises `Unauthenticated`, the same for a wrong password and for nobody of that
        address, or `Refused` after too many attempts.
        """
        reply = yield from send("POST", "/sessions", {"email": email, "password": password})
        return from_plain(SignedIn, reply.body)

    def finish_sign_on(self, code: str, verifier: str) -> Steps[SignedIn]:
        """Open a session for the one-time code of a single sign-on.

        Raises `NotFound` or `Gone` for the code, `Unauthenticated` if it was made for
        somebody with another verifier.
        """
        body = {"code": code, "verifier": verifier}
        reply = yield from send("POST", "/sessions/code", body)
        return from_plain(SignedIn, reply.body)

    def sign_out(self) -> Steps[None]:
        """End the session whose token this client uses. Raises `Conflict` if it is a key."""
        yield from send("DELETE", "/sessions/current")

    def change_password(self, old: str, new: str) -> Steps[None]:
        """Set one's own password; all other sessions end."""
        yield from send("PUT", "/me/password", {"old": old, "new": new})

    def reset_password(self, email: str) -> Steps[NewReset]:
        """Let a person set a new password by a token: for admins of the installation.

        It lasts a day and works once. Raises `NotFound`, or `Conflict` for somebody deactivated.
        """
        reply = yield from send("POST", _person(email) + "/reset", {})
        return from_plain(NewReset, reply.body)

    def redeem_reset(self, token: str, password: str) -> Steps[Person]:
        """Set a new password by a token; all sessions of the person end.

        Raises `NotFound` or `Gone` for the token, `InvalidInput` for the password.
        """
        body = {"token": token, "password": password}
        reply = yield from send("POST", "/sessions/reset", body)
        return from_plain(Person, reply.body)

    def my_keys(self) -> Steps[tuple[Key, ...]]:
        """One's own keys. Raises `Conflict` if it is no person who asks."""
        reply = yield from get("/me/keys")
        return listed(Key, reply, "keys")

    def create_my_key(
        self,
        name: str,
        role: Role,
        *,
        expires_at: datetime | None = None,
        verbs: Sequence[str] | None = None,
        artifacts: str = "*",
        aliases: str = "*",
    ) -> Steps[NewKey]:
        """Make a key of one's own, never for more than one may do. See `create_key`."""
        body = {
            "name": name,
            "role": role,
            "expires_at": time_text(expires_at),
            "verbs": None if verbs is None else list(check_list(verbs, field="verbs")),
            "artifacts": artifacts,
            "aliases": aliases,
        }
        reply = yield from send("POST", "/me/keys", body)
        return from_plain(NewKey, reply.body)

    def revoke_my_key(self, key_id: str) -> Steps[Key]:
        """Make a key of one's own useless at once. Raises `NotFound`."""
        reply = yield from send("DELETE", f"/me/keys/{quote(key_id, safe='')}")
        return from_plain(Key, reply.body)

    # Coming in

    def invite(
        self,
        email: str,
        *,
        name: str = "",
        role: Role = "viewer",
        kind: str = "",
        artifacts: str = "*",
        expires_at: datetime | None = None,
    ) -> Steps[NewInvitation]:
        """Invite somebody to the project; the token in the answer is all they need.

        It ends after seven days unless `expires_at` says otherwise.
        """
        body = {
            "email": email,
            "name": name,
            "role": role,
            "kind": kind,
            "artifacts": artifacts,
            "expires_at": time_text(expires_at),
        }
        reply = yield from send("POST", "/invitations", body)
        return from_plain(NewInvitation, reply.body)

    def invitations(self) -> Steps[tuple[Invitation, ...]]:
        """The invitations to the project, used and expired ones included."""
        reply = yield from get("/invitations")
        return listed(Invitation, reply, "invitations")

    def withdraw_invitation(self, invitation_id: str) -> Steps[Invitation]:
        """Make an invitation useless. Raises `NotFound`, or `Conflict` if it was accepted."""
        reply = yield from send("DELETE", f"/invitations/{quote(invitation_id, safe='')}")
        return from_plain(Invitation, reply.body)

    def accept_invitation(self, token: str, password: str, *, name: str = "") -> Steps[SignedIn]:
        """Come in by an invitation, as a new person or as the one of that address already.

        Raises `NotFound` for an unknown one, `Gone` for one that is used, withdrawn or
        expired, `Unauthenticated` if the person is there and has another password.
        """
        body = {"token": token, "password": password, "name": name}
        reply = yield from send("POST", "/invitations/accept", body)
        return from_plain(SignedIn, reply.body)

    # People and groups

    def people(self) -> Steps[tuple[Person, ...]]:
        """The people with a role in the project; for admins of the installation, all."""
        reply = yield from get("/people")
        return listed(Person, reply, "people")

    def person(self, email: str) -> Steps[Person]:
        """A person. Raises `NotFound`."""
        reply = yield from get(_person(email))
        return from_plain(Person, reply.body)

    def rename_person(self, email: str, name: str) -> Steps[Person]:
        """Change what a person is called: oneself, or as an admin of the installation."""
        reply = yield from send("PUT", _person(email) + "/name", {"name": name})
        return from_plain(Person, reply.body)

    def deactivate_person(self, email: str) -> Steps[Person]:
        """Stop all sessions and keys of a person at once. Raises `Refused` for the last admin."""
        reply = yield from send("POST", _person(email) + "/deactivate", {})
        return from_plain(Person, reply.body)

    def reactivate_person(self, email: str) -> Steps[Person]:
        """Undo `deactivate_person`; sessions have to be opened anew."""
        reply = yield from send("POST", _person(email) + "/reactivate", {})
        return from_plain(Person, reply.body)

    def groups(self) -> Steps[tuple[Group, ...]]:
        """The groups with a role in the project; for admins of the installation, all."""
        reply = yield from get("/groups")
        return listed(Group, reply, "groups")

    def join_group(self, group: str, email: str) -> Steps[Group]:
        """Put a person into a group: for admins of the installation."""
        reply = yield from send("PUT", _member(group, email), {})
        return from_plain(Group, reply.body)

    def leave_group(self, group: str, email: str) -> Steps[Group]:
        """Take a person out of a group. Raises `Refused` for the last admin."""
        reply = yield from send("DELETE", _member(group, email))
        return from_plain(Group, reply.body)

    # Roles and owners

    def grants(self) -> Steps[tuple[RoleGrant, ...]]:
        """The roles granted in the project, and those for the whole installation."""
        reply = yield from get("/grants")
        return listed(RoleGrant, reply, "grants")

    def grant(
        self,
        who: str,
        role: Role,
        *,
        kind: str = "",
        artifacts: str = "*",
        everywhere: bool = False,
    ) -> Steps[RoleGrant]:
        """Give a role in the project, or for a kind or artifacts in it.

        It replaces the one for the same part. With `everywhere`, the role admin is for the
        whole installation. Raises `NotFound`, or `Refused` also for the last admin.
        """
        body = {
            "who": who,
            "role": role,
            "kind": kind,
            "artifacts": artifacts,
            "everywhere": everywhere,
        }
        reply = yield from send("POST", "/grants", body)
        return from_plain(RoleGrant, reply.body)

    def withdraw_grant(
        self, who: str, *, kind: str = "", artifacts: str = "*", everywhere: bool = False
    ) -> Steps[None]:
        """Take a role away again. Raises `NotFound`, or `Refused` for the last admin."""
        query = parameters(
            who=who, kind=kind or None, artifacts=artifacts, everywhere=everywhere or None
        )
        yield from send("DELETE", "/grants", query=query)

    def owners(self, name: str, *, kind: str = "prompt") -> Steps[tuple[str, ...]]:
        """Who owns an artifact. Raises `NotFound`."""
        reply = yield from get(artifact_path(kind, name, "owners"))
        return listed(str, reply, "owners")

    def set_owner(self, name: str, who: str, *, kind: str = "prompt") -> Steps[tuple[str, ...]]:
        """Make somebody an owner of an artifact; the answer is all its owners."""
        reply = yield from send("PUT", artifact_path(kind, name, "owners", who), {})
        return listed(str, reply, "owners")

    def remove_owner(self, name: str, who: str, *, kind: str = "prompt") -> Steps[tuple[str, ...]]:
        """Undo `set_owner`."""
        reply = yield from send("DELETE", artifact_path(kind, name, "owners", who))
        return listed(str, reply, "owners")

    # Projects

    def projects(self) -> Steps[tuple[Project, ...]]:
        """The projects in which the caller has a role."""
        reply = yield from get("/projects")
        return listed(Project, reply, "projects")

    def create_project(self, name: str) -> Steps[Project]:
        """Make a project: for admins of the installation. Raises `Conflict`."""
        reply = yield from send("POST", "/projects", {"name": name})
        return from_plain(Project, reply.body)


def _person(email: str) -> str:
    return f"/people/{quote(email, safe='')}"


def _member(group: str, email: str) -> str:
    return f"/groups/{quote(group, safe='')}/{quote(email, safe='')}"
