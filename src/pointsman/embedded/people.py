"""Projects and people of an embedded registry, whose caller is an admin of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pointsman.app import keys, members, oidc, projects, resets, sessions, welcoming
from pointsman.app.application import Application
from pointsman.app.keys import Wanted
from pointsman.app.ports import Store
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
from pointsman.core.vocabulary import Key, NewKey, Role, micros
from pointsman.embedded.asking import Asking


def welcome(store: Store) -> NewInvitation:
    """Let whoever gets this token become admin of the installation: good once, for a day."""
    return welcoming.welcome(Application(store))


class PeopleWords(Asking):
    """What `compose.Registry` answers about projects and people. See the clients' words."""

    # Oneself

    def me(self) -> Me:
        """Who asks, and what they may do here."""
        return self._read(members.me)

    def sign_in(self, email: str, password: str) -> SignedIn:
        """Open a session; its token is for a server over the same data."""
        return sessions.sign_in(self._app, email, password)

    def finish_sign_on(self, code: str, verifier: str) -> SignedIn:
        """Open a session for a code of single sign-on, for a server over the same data."""
        return oidc.redeem_sign_in(self._app, code, verifier)

    def sign_out(self) -> None:
        """Raises `Conflict`: who is on the machine has no session."""
        sessions.sign_out(self._app, self._caller, "")

    def change_password(self, old: str, new: str) -> None:
        """Raises `Conflict`: who is on the machine has no password here."""
        sessions.change_password(self._app, self._caller, old, new)

    def reset_password(self, email: str) -> NewReset:
        """Let a person set a new password by a token, which lasts a day."""
        return resets.reset_password(self._app, self._caller, email)

    def redeem_reset(self, token: str, password: str) -> Person:
        """Set a new password by a token; all sessions of the person end."""
        return resets.redeem_reset(self._app, token, password)

    def my_keys(self) -> tuple[Key, ...]:
        """Raises `Conflict`: keys of one's own are for people who sign in."""
        return self._read(keys.list_own_keys)

    def create_my_key(
        self,
        name: str,
        role: Role,
        *,
        expires_at: datetime | None = None,
        verbs: Sequence[str] | None = None,
        artifacts: str = "*",
        aliases: str = "*",
    ) -> NewKey:
        """Raises `Conflict`: keys of one's own are for people who sign in."""
        expiry = None if expires_at is None else micros(expires_at)
        listed = None if verbs is None else check_list(verbs, field="verbs")
        wanted = Wanted(name, role, expiry, None, listed, artifacts, aliases)
        return self._write(lambda w: keys.create_own_key(w, wanted))

    def revoke_my_key(self, key_id: str) -> Key:
        """Raises `NotFound` or `Conflict`: keys of one's own are for people who sign in."""
        return keys.revoke_own_key(self._app, self._caller, key_id)

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
    ) -> NewInvitation:
        """Invite somebody to the project; the token in the answer is all they need."""
        return sessions.invite(
            self._app,
            self._caller,
            email,
            name=name,
            role=role,
            kind=kind,
            artifacts=artifacts,
            expires_at=None if expires_at is None else micros(expires_at),
        )

    def invitations(self) -> tuple[Invitation, ...]:
        """The invitations to the project, used and expired ones included."""
        return self._read(sessions.list_invitations)

    def withdraw_invitation(self, invitation_id: str) -> Invitation:
        """Make an invitation useless."""
        return sessions.withdraw_invitation(self._app, self._caller, invitation_id)

    def accept_invitation(self, token: str, password: str, *, name: str = "") -> SignedIn:
        """Come in by an invitation."""
        return sessions.accept_invitation(self._app, token, password, name)

    # People and groups

    def people(self) -> tuple[Person, ...]:
        """All people."""
        return self._read(members.list_people)

    def person(self, email: str) -> Person:
        """A person."""
        return self._read(lambda v: members.show_person(v, email))

    def rename_person(self, email: str, name: str) -> Person:
        """Change what a person is called."""
        return members.rename_person(self._app, self._caller, email, name)

    def deactivate_person(self, email: str) -> Person:
        """Stop all sessions and keys of a person at once."""
        return members.deactivate_person(self._app, self._caller, email)

    def reactivate_person(self, email: str) -> Person:
        """Undo `deactivate_person`."""
        return members.reactivate_person(self._app, self._caller, email)

    def groups(self) -> tuple[Group, ...]:
        """All groups and who is in them."""
        return self._read(members.list_groups)

    def join_group(self, group: str, email: str) -> Group:
        """Put a person into a group."""
        return members.join_group(self._app, self._caller, group, email)

    def leave_group(self, group: str, email: str) -> Group:
        """Take a person out of a group."""
        return members.leave_group(self._app, self._caller, group, email)

    # Roles and owners

    def grants(self) -> tuple[RoleGrant, ...]:
        """The roles granted in the project, and those for the whole installation."""
        return self._read(members.list_grants)

    def grant(
        self,
        who: str,
        role: Role,
        *,
        kind: str = "",
        artifacts: str = "*",
        everywhere: bool = False,
    ) -> RoleGrant:
        """Give a role in the project, or for a kind or artifacts in it."""
        return members.grant(
            self._app,
            self._caller,
            who,
            role,
            kind=kind,
            artifacts=artifacts,
            everywhere=everywhere,
        )

    def withdraw_grant(
        self, who: str, *, kind: str = "", artifacts: str = "*", everywhere: bool = False
    ) -> None:
        """Take a role away again."""
        members.withdraw_grant(
            self._app, self._caller, who, kind=kind, artifacts=artifacts, everywhere=everywhere
        )

    def owners(self, name: str, *, kind: str = "prompt") -> tuple[str, ...]:
        """Who owns an artifact."""
        return self._read(lambda v: members.list_owners(v, kind, name))

    def set_owner(self, name: str, who: str, *, kind: str = "prompt") -> tuple[str, ...]:
        """Make somebody an owner of an artifact; the answer is all its owners."""
        return self._write(lambda w: members.set_owner(w, kind, name, who))

    def remove_owner(self, name: str, who: str, *, kind: str = "prompt") -> tuple[str, ...]:
        """Undo `set_owner`."""
        return self._write(lambda w: members.remove_owner(w, kind, name, who))

    # Projects

    def projects(self) -> tuple[Project, ...]:
        """All projects."""
        return self._read(projects.list_projects)

    def create_project(self, name: str) -> Project:
        """Make a project."""
        return projects.create_project(self._app, self._caller, name)
