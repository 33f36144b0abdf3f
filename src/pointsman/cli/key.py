"""`pointsman key`: API keys."""

from __future__ import annotations

from datetime import datetime

import click

from pointsman.cli.connect import Registry, needing_server, with_output, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, when

_ROLES = ("viewer", "editor", "reviewer", "releaser", "admin")


@click.group("key", short_help="Make, list and revoke API keys.")
def key_command() -> None:
    """Make, list and revoke API keys."""


@key_command.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="viewer",
    show_default=True,
    help="viewers read; editors also publish; releasers also move aliases; admins do it all.",
)
@click.option(
    "--expires",
    metavar="WHEN",
    help="When it ends: a moment ('2027-01-01'), or a time from now ('90d').",
)
@with_registry(makes=True)
def create_key(
    *, registry: Registry, out: Output, name: str, role: str, expires: str | None
) -> None:
    """Make a key. Its secret is shown this once.

    NAME says who or what will use it.
    """
    expires_at = _expiry(expires) if expires else None
    made = registry.create_key(name, role, expires_at=expires_at)  # type: ignore[arg-type]
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
    out.table(("ID", "NAME", "ROLE", "ENDS", "LAST USED", "MADE"), rows)


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


def _expiry(text: str) -> datetime:
    """A moment to come: what would be so long ago is as long from now."""
    from datetime import UTC

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
