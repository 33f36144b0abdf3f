"""`pointsman archive`, `restore` and `tombstone`: out of sight, back, and gone for good."""

from __future__ import annotations

import sys

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import read_artifact
from pointsman.cli.output import Output


@click.command("archive", short_help="Leave an artifact out of lists.")
@click.argument("name")
@with_registry()
def archive_command(*, registry: Registry, out: Output, name: str) -> None:
    """Leave an artifact out of lists. It can still be read, and restored."""
    kind, artifact_name = read_artifact(name)
    artifact = registry.archive(artifact_name, kind=kind)
    if out.as_json:
        out.data(artifact)
    else:
        out.line(f"{name} is archived. Undo it with: pointsman restore {name}")


@click.command("restore", short_help="Undo archive.")
@click.argument("name")
@with_registry()
def restore_command(*, registry: Registry, out: Output, name: str) -> None:
    """Undo `archive`."""
    kind, artifact_name = read_artifact(name)
    artifact = registry.restore(artifact_name, kind=kind)
    if out.as_json:
        out.data(artifact)
    else:
        out.line(f"{name} is in lists again.")


@click.command("tombstone", short_help="Remove a version's content for good.")
@click.argument("selector")
@click.option("-m", "--reason", required=True, metavar="WHY", help="Why; kept on record.")
@click.option("--yes", is_flag=True, help="Don't ask whether it is meant.")
@with_registry()
def tombstone_command(
    *, registry: Registry, out: Output, selector: str, reason: str, yes: bool
) -> None:
    """Remove the content of a version for good. Its number, digest and record stay.

    \b
    Example:
      pointsman tombstone support/reply:4 -m "holds a customer's address"
    """
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "The content will be gone for good. If that is meant, add --yes."
            )
        click.confirm(f"Remove the content of {selector} for good?", abort=True, err=True)
    version = registry.tombstone(selector, reason=reason)
    if out.as_json:
        out.data(version)
    else:
        out.line(f"The content of {selector} is gone. Its digest was {version.digest}.")
