"""`pointsman promote`: ship a version by pointing an alias to it."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.governing import note_glass, telling_how_to_propose
from pointsman.cli.moving import glass_option, reason_option, revision_option, tell_release
from pointsman.cli.output import Output


@click.command("promote", short_help="Point an alias to a version.")
@click.argument("selector")
@click.argument("alias")
@reason_option
@revision_option
@glass_option
@with_registry()
def promote_command(
    *,
    registry: Registry,
    out: Output,
    selector: str,
    alias: str,
    reason: str,
    if_revision: int | None,
    break_glass: bool,
) -> None:
    """Point ALIAS to the version that SELECTOR means now.

    \b
    Examples:
      pointsman promote support/reply:7 production -m "fewer refusals"
      pointsman promote support/reply@staging production -m "passed the checks"
      pointsman promote support/reply canary
    """
    with telling_how_to_propose([(selector, alias)], reason):
        release = registry.promote(
            selector, alias, reason=reason, if_revision=if_revision, break_glass=break_glass
        )
    tell_release(out, release, already=f"{alias} is already there")
    note_glass(out, broken=break_glass)
