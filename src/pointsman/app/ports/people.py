"""What the use cases need of a store for people, their groups, grants, sessions and invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pointsman.app.ports import KeyRow, ProjectRow


class PersonRow(NamedTuple):
    """A person. `password_hash` is None for who can't sign in by password."""

    id: int
    email: str
    name: str
    password_hash: str | None
    created_at: int
    deactivated_at: int | None


class GrantRow(NamedTuple):
    """A role that a subject (`person:N` or `group:NAME`) has in a project or a part of it."""

    project_id: int
    subject: str
    role: str
    kind: str
    artifacts: str
    granted_at: int
    granted_by: str


class SessionRow(NamedTuple):
    """A session; `token_hash` is the SHA-256 of its token in hexadecimal."""

    id: str
    person_id: int
    token_hash: str
    created_at: int
    expires_at: int
    ended_at: int | None


class InvitationRow(NamedTuple):
    """An invitation; `token_hash` is the SHA-256 of its token in hexadecimal."""

    id: str
    token_hash: str
    project_id: int
    email: str
    name: str
    role: str
    kind: str
    artifacts: str
    created_at: int
    created_by: str
    expires_at: int
    accepted_at: int | None
    withdrawn_at: int | None


class IdentityRow(NamedTuple):
    """Who a person is to a provider of single sign-on."""

    issuer: str
    subject: str
    person_id: int
    created_at: int


class OneTimeRow(NamedTuple):
    """A token that works once; `token_hash` is its SHA-256 in hexadecimal.

    `challenge` is what whoever redeems it must know the answer to; empty for none.
    """

    id: str
    purpose: str
    token_hash: str
    person_id: int
    challenge: str
    created_at: int
    expires_at: int


class PeopleReader(Protocol):
    """What is read of people, their groups, grants, sessions and invitations."""

    def person(self, person_id: int) -> PersonRow | None: ...
    def person_by_email(self, email: str) -> PersonRow | None: ...
    def people(self) -> list[PersonRow]: ...
    def grants(self, project_id: int) -> list[GrantRow]: ...
    def grants_to(self, subject: str) -> list[GrantRow]:
        """What a subject was granted, in all projects."""
        ...

    def groups_of(self, person_id: int) -> list[str]: ...
    def memberships(self) -> list[tuple[str, int]]:
        """(group, person's number) of all groups, in order."""
        ...

    def owners(self, artifact_id: int) -> list[str]:
        """The subjects that own an artifact."""
        ...

    def owners_in(self, project_id: int) -> list[tuple[int, str]]:
        """(artifact's id, subject) of all artifacts of a project that have owners."""
        ...

    def session(self, session_id: str) -> SessionRow | None: ...
    def sessions_of(self, person_id: int) -> list[SessionRow]: ...
    def invitation(self, invitation_id: str) -> InvitationRow | None: ...
    def invitations(self, project_id: int) -> list[InvitationRow]: ...
    def keys_of(self, owner: str) -> list[KeyRow]: ...
    def identity(self, issuer: str, subject: str) -> IdentityRow | None: ...
    def identities(self) -> list[IdentityRow]: ...
    def identities_of(self, person_id: int) -> list[IdentityRow]: ...
    def mapped_grants(self, person_id: int) -> dict[int, int]:
        """The projects in which the provider's groups gave a person a role, and when."""
        ...

    def mapped_groups(self, person_id: int) -> list[str]:
        """The groups into which the provider's groups put a person."""
        ...

    def one_time_token(self, token_id: str) -> OneTimeRow | None: ...


class PeopleTransaction(PeopleReader, Protocol):
    """What is written of people, their groups, grants, sessions and invitations."""

    def enter(self, project_id: int) -> None:
        """Write to this project as well. Projects are entered in the order of their ids."""
        ...

    def add_project(self, name: str, uid: str, at: int) -> ProjectRow:
        """Add a project, whose journal is empty."""
        ...

    def add_person(
        self, email: str, name: str, password_hash: str | None, at: int
    ) -> PersonRow: ...
    def rename_person(self, person_id: int, name: str) -> None: ...
    def put_password(self, person_id: int, password_hash: str) -> None: ...
    def deactivate_person(self, person_id: int, at: int | None) -> None: ...
    def put_grant(self, row: GrantRow) -> None: ...
    def drop_grant(self, project_id: int, subject: str, kind: str, artifacts: str) -> None: ...
    def add_member(self, group: str, person_id: int) -> None: ...
    def drop_member(self, group: str, person_id: int) -> None: ...
    def add_owner(self, artifact_id: int, subject: str) -> None: ...
    def drop_owner(self, artifact_id: int, subject: str) -> None: ...
    def add_session(self, row: SessionRow) -> None: ...
    def end_session(self, session_id: str, at: int) -> None: ...
    def end_sessions_of(self, person_id: int, at: int, but: str = "") -> None:
        """End all sessions of a person, or all `but` one."""
        ...

    def forget_sessions(self, at: int) -> None:
        """Drop sessions that expired before a moment."""
        ...

    def add_invitation(self, row: InvitationRow) -> None: ...
    def accept_invitation(self, invitation_id: str, at: int) -> None: ...
    def withdraw_invitation(self, invitation_id: str, at: int) -> None: ...
    def add_identity(self, row: IdentityRow) -> None: ...
    def put_mapped_grant(self, project_id: int, person_id: int, at: int) -> None: ...
    def drop_mapped_grant(self, project_id: int, person_id: int) -> None: ...
    def add_mapped_member(self, group: str, person_id: int) -> None: ...
    def drop_mapped_member(self, group: str, person_id: int) -> None: ...
    def add_one_time_token(self, row: OneTimeRow) -> None: ...
    def drop_one_time_token(self, token_id: str) -> None: ...
    def drop_one_time_tokens(self, person_id: int, purpose: str, at: int) -> None:
        """Drop a person's tokens for a purpose, and everybody's that expired before a moment."""
        ...
