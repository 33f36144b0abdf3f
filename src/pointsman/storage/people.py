"""The rows of people, their groups, grants, sessions and invitations."""

from __future__ import annotations

from pointsman.app.ports import KeyRow
from pointsman.app.ports.people import (
    GrantRow,
    IdentityRow,
    InvitationRow,
    OneTimeRow,
    PersonRow,
    SessionRow,
)
from pointsman.storage.search import ARTIFACT_BITS
from pointsman.storage.statements import Statements, first_of


class PeopleRecords(Statements):
    """Reads and writes of people and what they may do; see `app.ports.people`."""

    # People

    def person(self, person_id: int) -> PersonRow | None:
        return first_of(PersonRow, self._run("person", id=person_id))

    def person_by_email(self, email: str) -> PersonRow | None:
        return first_of(PersonRow, self._run("person_by_email", email=email))

    def people(self) -> list[PersonRow]:
        return [PersonRow(*row) for row in self._run("people")]

    def add_person(self, email: str, name: str, password_hash: str | None, at: int) -> PersonRow:
        number = int(self._value("next_person_id"))
        self._run(
            "add_person", id=number, email=email, name=name, password_hash=password_hash, at=at
        )
        return PersonRow(number, email, name, password_hash, at, None)

    def rename_person(self, person_id: int, name: str) -> None:
        self._run("rename_person", id=person_id, name=name)

    def put_password(self, person_id: int, password_hash: str) -> None:
        self._run("put_password", id=person_id, password_hash=password_hash)

    def deactivate_person(self, person_id: int, at: int | None) -> None:
        self._run("deactivate_person", id=person_id, at=at)

    # What they may do

    def grants(self, project_id: int) -> list[GrantRow]:
        return [GrantRow(*row) for row in self._run("grants", project_id=project_id)]

    def grants_to(self, subject: str) -> list[GrantRow]:
        return [GrantRow(*row) for row in self._run("grants_to", subject=subject)]

    def put_grant(self, row: GrantRow) -> None:
        self._run("put_grant", **row._asdict())

    def drop_grant(self, project_id: int, subject: str, kind: str, artifacts: str) -> None:
        self._run(
            "drop_grant", project_id=project_id, subject=subject, kind=kind, artifacts=artifacts
        )

    def groups_of(self, person_id: int) -> list[str]:
        return [row[0] for row in self._run("groups_of", person_id=person_id)]

    def memberships(self) -> list[tuple[str, int]]:
        return [(group, person_id) for group, person_id in self._run("memberships")]

    def add_member(self, group: str, person_id: int) -> None:
        self._run("add_member", group_name=group, person_id=person_id)

    def drop_member(self, group: str, person_id: int) -> None:
        self._run("drop_member", group_name=group, person_id=person_id)

    def owners(self, artifact_id: int) -> list[str]:
        return [row[0] for row in self._run("owners", artifact_id=artifact_id)]

    def owners_in(self, project_id: int) -> list[tuple[int, str]]:
        first = project_id << ARTIFACT_BITS
        last = first + (1 << ARTIFACT_BITS) - 1
        rows = self._run("owners_between", first=first, last=last)
        return [(artifact_id, subject) for artifact_id, subject in rows]

    def add_owner(self, artifact_id: int, subject: str) -> None:
        self._run("add_owner", artifact_id=artifact_id, subject=subject)

    def drop_owner(self, artifact_id: int, subject: str) -> None:
        self._run("drop_owner", artifact_id=artifact_id, subject=subject)

    # How they come in

    def session(self, session_id: str) -> SessionRow | None:
        return first_of(SessionRow, self._run("session", id=session_id))

    def sessions_of(self, person_id: int) -> list[SessionRow]:
        return [SessionRow(*row) for row in self._run("sessions_of", person_id=person_id)]

    def add_session(self, row: SessionRow) -> None:
        values = row._asdict()
        del values["ended_at"]
        self._run("add_session", **values)

    def end_session(self, session_id: str, at: int) -> None:
        self._run("end_session", id=session_id, at=at)

    def end_sessions_of(self, person_id: int, at: int, but: str = "") -> None:
        self._run("end_sessions_of", person_id=person_id, at=at, but=but)

    def forget_sessions(self, at: int) -> None:
        self._run("forget_sessions", at=at)

    def invitation(self, invitation_id: str) -> InvitationRow | None:
        return first_of(InvitationRow, self._run("invitation", id=invitation_id))

    def invitations(self, project_id: int) -> list[InvitationRow]:
        return [InvitationRow(*row) for row in self._run("invitations", project_id=project_id)]

    def add_invitation(self, row: InvitationRow) -> None:
        values = row._asdict()
        del values["accepted_at"], values["withdrawn_at"]
        self._run("add_invitation", **values)

    def accept_invitation(self, invitation_id: str, at: int) -> None:
        self._run("accept_invitation", id=invitation_id, at=at)

    def withdraw_invitation(self, invitation_id: str, at: int) -> None:
        self._run("withdraw_invitation", id=invitation_id, at=at)

    def keys_of(self, owner: str) -> list[KeyRow]:
        return [KeyRow(*row) for row in self._run("keys_of", owner=owner)]

    # Single sign-on, and tokens that work once

    def identity(self, issuer: str, subject: str) -> IdentityRow | None:
        return first_of(IdentityRow, self._run("identity", issuer=issuer, subject=subject))

    def identities(self) -> list[IdentityRow]:
        return [IdentityRow(*row) for row in self._run("identities")]

    def identities_of(self, person_id: int) -> list[IdentityRow]:
        return [IdentityRow(*row) for row in self._run("identities_of", person_id=person_id)]

    def add_identity(self, row: IdentityRow) -> None:
        self._run("add_identity", **row._asdict())

    def mapped_grants(self, person_id: int) -> dict[int, int]:
        return {row[0]: row[1] for row in self._run("mapped_grants", person_id=person_id)}

    def put_mapped_grant(self, project_id: int, person_id: int, at: int) -> None:
        self._run("put_mapped_grant", project_id=project_id, person_id=person_id, at=at)

    def drop_mapped_grant(self, project_id: int, person_id: int) -> None:
        self._run("drop_mapped_grant", project_id=project_id, person_id=person_id)

    def mapped_groups(self, person_id: int) -> list[str]:
        return [row[0] for row in self._run("mapped_groups", person_id=person_id)]

    def add_mapped_member(self, group: str, person_id: int) -> None:
        self._run("add_mapped_member", group_name=group, person_id=person_id)

    def drop_mapped_member(self, group: str, person_id: int) -> None:
        self._run("drop_mapped_member", group_name=group, person_id=person_id)

    def one_time_token(self, token_id: str) -> OneTimeRow | None:
        return first_of(OneTimeRow, self._run("one_time_token", id=token_id))

    def add_one_time_token(self, row: OneTimeRow) -> None:
        self._run("add_one_time_token", **row._asdict())

    def drop_one_time_token(self, token_id: str) -> None:
        self._run("drop_one_time_token", id=token_id)

    def drop_one_time_tokens(self, person_id: int, purpose: str, at: int) -> None:
        self._run("drop_one_time_tokens", person_id=person_id, purpose=purpose, at=at)
