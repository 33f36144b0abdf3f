"""`pointsman rollback`: put aliases back where they were."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import reason_option, revision_option, tell_release
from pointsman.cli.output import Output


@click.command("rollback", short_help="Put an alias, or a release, back.")
@click.argument("selector", required=False)
@click.option("--release", "number", type=int, metavar="N", help="Undo this release as a whole.")
@reason_option
@revision_option
@with_registry()
def rollback_command(
    *,
    registry: Registry,
    out: Output,
    selector: str | None,
    number: int | None,
    reason: str,
    if_revision: int | None,
) -> None:
    """Put an alias back to what its last release replaced; or undo a whole release.

    Doing it twice goes back two releases.

    \b
    Examples:
      pointsman rollback support/reply@production -m "it promises refunds"
      pointsman rollback --release 41 -m "wrong model"
    """
    if (selector is None) == (number is None):
        raise click.UsageError("Give an alias, such as support/reply@production, or --release N.")
    if number is not None:
        if if_revision is not None:
            raise click.UsageError("--if-revision goes with an alias, not with --release.")
        release = registry.rollback_release(number, reason=reason)
    else:
        assert selector is not None
        release = registry.rollback(selector, reason=reason, if_revision=if_revision)
    tell_release(out, release, already="")
