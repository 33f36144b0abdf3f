"""`pointsman user`: people, and what they may do."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from pointsman.cli.connect import (
    LOCAL,
    Registry,
    check_folder,
    connect_to,
    local_place,
    needing_server,
    place_options,
    with_output,
    with_registry,
)
from pointsman.cli.managing import ROLES, ask_password, expiry, part
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, when

F = TypeVar("F", bound=Callable[..., Any])


@click.group("user", short_help="Invite people and give them roles.")
def user_command() -> None:
    """Invite people, give them roles, and stop those who leave.

    WHO is an e-mail address, or group: and the name of a group.
    """


def _for_a_part(function: F) -> F:
    """The options that say for what a role is."""
    function = click.option("--kind", default="", help="Only for this kind.")(function)
    return click.option(
        "--artifacts", metavar="PATTERN", default="*", help="Only for these: 'support/*'."
    )(function)


@user_command.command("invite")
@click.argument("email")
@click.option("--name", default="", help="What to call them.")
@click.option(
    "--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="Their role."
)
@_for_a_part
@click.option(
    "--expires", metavar="WHEN", default="7d", show_default=True, help="When it ends: '2d'."
)
@with_registry()
def invite(
    *,
    registry: Registry,
    out: Output,
    email: str,
    name: str,
    role: str,
    kind: str,
    artifacts: str,
    expires: str,
) -> None:
    """Invite somebody to the project. The token is shown this once; send it to them."""
    made = registry.invite(
        email,
        name=name,
        role=role,  # type: ignore[arg-type]  # one of the choices
        kind=kind,
        artifacts=artifacts,
        expires_at=expiry(expires),
    )
    if out.as_json:
        out.data(made)
    elif out.terminal:
        out.line(f"The invitation of {made.invitation.email}, shown this once:")
        out.line()
        out.line(f"    pointsman user accept {made.token}")
        out.line()
        out.line(f"It ends {exactly(made.invitation.expires_at)}.")
    else:
        click.echo(made.token)


@user_command.command("invitations")
@with_registry()
def invitations(*, registry: Registry, out: Output) -> None:
    """List the invitations to the project."""
    listed = registry.invitations()
    if out.as_json:
        out.data({"invitations": listed})
        return
    rows = [
        (
            one.id,
            one.email,
            part(one.role, one.kind, one.artifacts),
            f"accepted {when(one.accepted_at, out)}"
            if one.accepted_at
            else "withdrawn"
            if one.withdrawn_at
            else f"until {when(one.expires_at, out)}",
            f"{when(one.created_at, out)} by {one.created_by}",
        )
        for one in listed
    ]
    out.table(("ID", "E-MAIL", "ROLE", "STATE", "MADE"), rows)


@user_command.command("uninvite")
@click.argument("invitation_id", metavar="ID")
@with_registry()
def uninvite(*, registry: Registry, out: Output, invitation_id: str) -> None:
    """Make an invitation useless. ID is as `pointsman user invitations` shows it."""
    gone = registry.withdraw_invitation(invitation_id)
    if out.as_json:
        out.data(gone)
    else:
        out.line(f"The invitation of {gone.email} is withdrawn.")


@user_command.command("accept")
@click.argument("token")
@click.option("--name", default="", help="What to be called; else as the invitation says.")
@click.option(
    "--password-file", type=click.File(), help="A file with the password; - reads it from stdin."
)
@click.option("--url", metavar="URL", help="The server. [env: POINTSMAN_URL]")
@with_output
def accept(
    *, out: Output, token: str, name: str, password_file: IO[str] | None, url: str | None
) -> None:
    """Come in by an invitation, and choose the password to sign in with.

    Whoever has an account already gives its password instead.
    """
    password = ask_password(password_file, new=True)
    with connect_to(url or os.environ.get("POINTSMAN_URL") or LOCAL) as registry:
        signed = registry.accept_invitation(token, password, name=name)
    if out.as_json:
        out.data(signed.person)  # the session is not used: `pointsman login` makes keys
    else:
        person = signed.person
        out.line(f"Welcome, {person.name}. Get a key with: pointsman login {person.email}")


@user_command.command("welcome")
@click.option("--url", metavar="URL", help="Where browsers find the server. [env: POINTSMAN_URL]")
@place_options(server=False)
@with_output
def welcome_command(
    *, out: Output, url: str | None, data: str | None, database: str | None
) -> None:
    """Make a link by which somebody comes in as an admin of the installation.

    For the first person, and for when no admin is left who can sign in. It is made on the
    machine that holds the data, and is good once, for a day; it makes the one before useless.

    \b
    Examples:
      pointsman user welcome --data /var/lib/pointsman
    """
    place = local_place(data, database)
    if place.data:
        check_folder(Path(place.data), makes=False)
    with needing_server():
        from pointsman.compose import open_store
        from pointsman.embedded.people import welcome
    with closing(open_store(place.data or None, place.database or None)) as store:
        made = welcome(store)
    base = (url or os.environ.get("POINTSMAN_URL") or LOCAL).rstrip("/")
    link = f"{base}/welcome?token={made.token}"
    if out.as_json:
        out.data({"link": link, "expires_at": made.invitation.expires_at})
    elif out.terminal:
        out.line("Whoever opens this link becomes an admin of the installation; shown this once:")
        out.line()
        out.line(f"    {link}")
        out.line()
        out.line(f"It ends {exactly(made.invitation.expires_at)}.")
    else:
        click.echo(link)


@user_command.command("reset")
@click.argument("email")
@with_registry()
def reset(*, registry: Registry, out: Output, email: str) -> None:
    """Let somebody set a new password. The token is shown this once; send it to them.

    It lasts a day and works once. For admins of the installation.
    """
    made = registry.reset_password(email)
    if out.as_json:
        out.data(made)
    elif out.terminal:
        out.line(f"For a new password of {made.person.email}, shown this once:")
        out.line()
        out.line(f"    pointsman user redeem {made.token}")
        out.line()
        out.line(f"It ends {exactly(made.expires_at)}.")
    else:
        click.echo(made.token)


@user_command.command("redeem")
@click.argument("token")
@click.option(
    "--password-file", type=click.File(), help="A file with the password; - reads it from stdin."
)
@click.option("--url", metavar="URL", help="The server. [env: POINTSMAN_URL]")
@with_output
def redeem(*, out: Output, token: str, password_file: IO[str] | None, url: str | None) -> None:
    """Set a new password by a token that an admin made. All your sessions end."""
    password = ask_password(password_file, new=True)
    with connect_to(url or os.environ.get("POINTSMAN_URL") or LOCAL) as registry:
        person = registry.redeem_reset(token, password)
    if out.as_json:
        out.data(person)
    else:
        out.line(f"{person.email} has a new password. Get a key with: pointsman login")


@user_command.command("list")
@with_registry()
def list_users(*, registry: Registry, out: Output) -> None:
    """List people and their roles in the project."""
    people, grants = registry.people(), registry.grants()
    if out.as_json:
        out.data({"people": people, "grants": grants})
        return
    roles: dict[str, list[str]] = {}
    for one in grants:
        told = part(one.role, one.kind, one.artifacts, everywhere=one.everywhere)
        roles.setdefault(one.who, []).append(told)
    rows = [
        (
            one.email,
            one.name,
            ", ".join(roles.pop(one.email, [])),
            f"deactivated {when(one.deactivated_at, out)}"
            if one.deactivated_at
            else f"since {when(one.created_at, out)}",
        )
        for one in people
    ]
    rows += [(who, "", ", ".join(granted), "") for who, granted in sorted(roles.items())]
    out.table(("WHO", "NAME", "ROLES", "STATE"), rows)


@user_command.command("grant")
@click.argument("who")
@click.argument("role", type=click.Choice(ROLES))
@_for_a_part
@click.option("--everywhere", is_flag=True, help="Admin of the whole installation.")
@with_registry()
def grant(
    *,
    registry: Registry,
    out: Output,
    who: str,
    role: str,
    kind: str,
    artifacts: str,
    everywhere: bool,
) -> None:
    """Give a role in the project. It replaces the one for the same kind and artifacts."""
    made = registry.grant(
        who,
        role,  # type: ignore[arg-type]  # one of the choices
        kind=kind,
        artifacts=artifacts,
        everywhere=everywhere,
    )
    if out.as_json:
        out.data(made)
    else:
        told = part(made.role, made.kind, made.artifacts, everywhere=made.everywhere)
        out.line(f"{made.who} is {told}.")


@user_command.command("withdraw")
@click.argument("who")
@_for_a_part
@click.option("--everywhere", is_flag=True, help="Admin of the whole installation.")
@with_registry()
def withdraw(
    *, registry: Registry, out: Output, who: str, kind: str, artifacts: str, everywhere: bool
) -> None:
    """Take a role in the project away again: the one for this kind and these artifacts."""
    registry.withdraw_grant(who, kind=kind, artifacts=artifacts, everywhere=everywhere)
    if out.as_json:
        out.data({})
    else:
        out.line(f"The role of {who} is withdrawn.")


@user_command.command("deactivate")
@click.argument("email")
@with_registry()
def deactivate(*, registry: Registry, out: Output, email: str) -> None:
    """Stop all sessions and keys of a person at once. For admins of the installation."""
    person = registry.deactivate_person(email)
    if out.as_json:
        out.data(person)
    else:
        out.line(f"{person.email} is deactivated.")


@user_command.command("reactivate")
@click.argument("email")
@with_registry()
def reactivate(*, registry: Registry, out: Output, email: str) -> None:
    """Let a person in again."""
    person = registry.reactivate_person(email)
    if out.as_json:
        out.data(person)
    else:
        out.line(f"{person.email} is active again.")
