"""What commands ask of a registry about projects and people, and how they ask people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
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
    from pointsman.core.vocabulary import Key, NewKey, Role

ROLES = ("viewer", "editor", "reviewer", "releaser", "admin")


class Managing(Protocol):
    """The words about projects and people that client and embedded registry share."""

    def me(self) -> Me: ...
    def sign_in(self, email: str, password: str) -> SignedIn: ...
    def finish_sign_on(self, code: str, verifier: str) -> SignedIn: ...
    def reset_password(self, email: str) -> NewReset: ...
    def redeem_reset(self, token: str, password: str) -> Person: ...
    def sign_out(self) -> None: ...
    def create_my_key(
        self,
        name: str,
        role: Role,
        *,
        expires_at: datetime | None = None,
        verbs: Sequence[str] | None = None,
        artifacts: str = "*",
        aliases: str = "*",
    ) -> NewKey: ...
    def keys(self) -> tuple[Key, ...]: ...
    def create_key(
        self,
        name: str,
        role: Role,
        *,
        expires_at: datetime | None = None,
        person: str | None = None,
        verbs: Sequence[str] | None = None,
        artifacts: str = "*",
        aliases: str = "*",
    ) -> NewKey: ...
    def revoke_key(self, key_id: str) -> Key: ...
    def invite(
        self,
        email: str,
        *,
        name: str = "",
        role: Role = "viewer",
        kind: str = "",
        artifacts: str = "*",
        expires_at: datetime | None = None,
    ) -> NewInvitation: ...
    def invitations(self) -> tuple[Invitation, ...]: ...
    def withdraw_invitation(self, invitation_id: str) -> Invitation: ...
    def accept_invitation(self, token: str, password: str, *, name: str = "") -> SignedIn: ...
    def people(self) -> tuple[Person, ...]: ...
    def deactivate_person(self, email: str) -> Person: ...
    def reactivate_person(self, email: str) -> Person: ...
    def groups(self) -> tuple[Group, ...]: ...
    def join_group(self, group: str, email: str) -> Group: ...
    def leave_group(self, group: str, email: str) -> Group: ...
    def grants(self) -> tuple[RoleGrant, ...]: ...
    def grant(
        self,
        who: str,
        role: Role,
        *,
        kind: str = "",
        artifacts: str = "*",
        everywhere: bool = False,
    ) -> RoleGrant: ...
    def withdraw_grant(
        self, who: str, *, kind: str = "", artifacts: str = "*", everywhere: bool = False
    ) -> None: ...
    def projects(self) -> tuple[Project, ...]: ...
    def create_project(self, name: str) -> Project: ...


def ask_password(file: IO[str] | None, *, new: bool = False) -> str:
    """The password in a file's first line, or asked for without showing it."""
    if file is not None:
        return file.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
    return password


def expiry(text: str) -> datetime:
    """A moment to come: what would be so long ago is as long from now."""
    from pointsman.cli.times import parse_moment

    now = datetime.now(UTC)
    try:
        at = parse_moment(text, now)
    except ValueError:
        at = None
    if at is None or "ago" in text:
        raise click.BadParameter(
            f"{text!r} is not a moment to come. Write it like '2027-01-01' or '90d'.",
            param_hint="'--expires'",
        )
    relative = text.strip()[:1].isdigit() and text.strip()[-1:].isalpha() and "-" not in text
    return now + (now - at) if relative else at


def part(role: str, kind: str, artifacts: str, *, everywhere: bool = False) -> str:
    """A role and what it is for, in a few words."""
    where = f"{kind}:{artifacts}" if kind else artifacts
    if everywhere:
        where = "everywhere"
    return role if where == "*" else f"{role} ({where})"
