"""`pointsman group`: people under one name, to give roles to."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output


@click.group("group", short_help="Put people into groups.")
def group_command() -> None:
    """Put people into groups. Give a group a role with `pointsman user grant group:NAME`."""


@group_command.command("list")
@with_registry()
def list_groups(*, registry: Registry, out: Output) -> None:
    """List all groups and who is in them."""
    groups = registry.groups()
    if out.as_json:
        out.data({"groups": groups})
    else:
        out.table(("NAME", "MEMBERS"), [(one.name, ", ".join(one.members)) for one in groups])


@group_command.command("add")
@click.argument("group")
@click.argument("email")
@with_registry()
def add_to_group(*, registry: Registry, out: Output, group: str, email: str) -> None:
    """Put a person into a group. For admins of the installation."""
    changed = registry.join_group(group, email)
    if out.as_json:
        out.data(changed)
    else:
        out.line(f"In {changed.name}: {', '.join(changed.members)}.")


@group_command.command("remove")
@click.argument("group")
@click.argument("email")
@with_registry()
def remove_from_group(*, registry: Registry, out: Output, group: str, email: str) -> None:
    """Take a person out of a group. For admins of the installation."""
    changed = registry.leave_group(group, email)
    if out.as_json:
        out.data(changed)
    else:
        left = ", ".join(changed.members) or "nobody any more"
        out.line(f"In {changed.name}: {left}.")
