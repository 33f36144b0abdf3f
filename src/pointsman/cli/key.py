"""`pointsman key`: API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Registry, needing_server, with_output, with_registry
from pointsman.cli.managing import ROLES, expiry
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, when

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Key

_VERBS = ("read", "write", "propose", "approve", "report", "move", "admin")


@click.group("key", short_help="Make, list and revoke API keys.")
def key_command() -> None:
    """Make, list and revoke API keys."""


@key_command.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="viewer",
    show_default=True,
    help="viewers read; editors also publish and propose; reviewers also approve; releasers "
    "also move aliases; admins do it all.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    help="When it ends: a moment ('2027-01-01'), or a time from now ('90d').",
)
@click.option("--person", metavar="EMAIL", help="Whom it acts as; else it is a service's.")
@click.option(
    "--verb",
    "verbs",
    multiple=True,
    type=click.Choice(_VERBS),
    help="For this only; repeatable. Else for all that the role allows.",
)
@click.option("--artifacts", metavar="PATTERN", default="*", help="Only for these: 'support/*'.")
@click.option("--aliases", metavar="PATTERN", default="*", help="Only for these: 'staging*'.")
@with_registry(makes=True)
def create_key(
    *,
    registry: Registry,
    out: Output,
    name: str,
    role: str,
    expires: str | None,
    person: str | None,
    verbs: Sequence[str],
    artifacts: str,
    aliases: str,
) -> None:
    """Make a key. Its secret is shown this once.

    NAME says who or what will use it.
    """
    made = registry.create_key(
        name,
        role,  # type: ignore[arg-type]  # one of the choices
        expires_at=expiry(expires) if expires else None,
        person=person,
        verbs=verbs or None,
        artifacts=artifacts,
        aliases=aliases,
    )
    if out.as_json:
        out.data(made)
    elif out.terminal:
        until = f" It ends {exactly(made.key.expires_at)}." if made.key.expires_at else ""
        out.line(f"The key of {made.key.name} ({made.key.role}), shown this once:")
        out.line()
        out.line(f"    {made.secret}")
        out.line()
        out.line(f"Revoke it with: pointsman key revoke {made.key.id}.{until}")
    else:
        click.echo(made.secret)


@key_command.command("list")
@with_registry()
def list_keys(*, registry: Registry, out: Output) -> None:
    """List all keys, without their secrets."""
    keys = registry.keys()
    if out.as_json:
        out.data({"keys": keys})
        return
    rows = [
        (
            key.id,
            key.name,
            key.role,
            _limits(key),
            f"revoked {when(key.revoked_at, out)}"
            if key.revoked_at
            else f"until {when(key.expires_at, out)}"
            if key.expires_at
            else "never",
            when(key.last_used_at, out) if key.last_used_at else "never",
            f"{when(key.created_at, out)} by {key.created_by}",
        )
        for key in keys
    ]
    out.table(("ID", "NAME", "ROLE", "FOR", "ENDS", "LAST USED", "MADE"), rows)


@key_command.command("revoke")
@click.argument("key_id", metavar="ID")
@with_registry()
def revoke_key(*, registry: Registry, out: Output, key_id: str) -> None:
    """Make a key useless at once.

    ID is the part of the key between the underscores, as `pointsman key list` shows it.
    """
    # People paste the whole key; its secret must not get into a request's path and its logs.
    if key_id.startswith("pm_"):
        key_id = key_id.split("_")[1]
    key = registry.revoke_key(key_id)
    if out.as_json:
        out.data(key)
    else:
        out.line(f"The key of {key.name} ({key.id}) is revoked.")


@key_command.command("generate")
@with_output
def generate_key(*, out: Output) -> None:
    """Print a new key for POINTSMAN_BOOTSTRAP_KEY. Nothing is stored anywhere."""
    with needing_server():
        from pointsman.compose import new_secret

    secret = new_secret()
    if out.as_json:
        out.data({"secret": secret})
    else:
        click.echo(secret)


def _limits(key: Key) -> str:
    """Whose key it is, and what it is for."""
    limits = [key.person or "a service"]
    if key.verbs is not None:
        limits.append("to " + ", ".join(key.verbs))
    if key.artifacts != "*":
        limits.append(key.artifacts)
    if key.aliases != "*":
        limits.append(f"@{key.aliases}")
    return " ".join(limits)
