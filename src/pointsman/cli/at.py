"""`pointsman at` and `pointsman changed`: how things stood, and what changed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of, told_target
from pointsman.cli.output import Output
from pointsman.cli.times import MOMENT, exactly

_GRACE = timedelta(minutes=1)
"""By how much this machine's clock may be behind that of the registry."""


@click.command("at", short_help="What a selector meant at a moment, and why.")
@click.argument("moment", type=MOMENT)
@click.argument("selector")
@click.option(
    "--for", "reader", metavar="WHO", help="Whoever is served: decides the version of a split."
)
@with_registry()
def at_command(
    *, registry: Registry, out: Output, moment: datetime, selector: str, reader: str | None
) -> None:
    """Show what SELECTOR meant at a moment, and who put it there and why.

    Moments without a zone are in that of this machine.

    \b
    Examples:
      pointsman at '2026-11-20 02:00' support/reply@production
      pointsman at 'yesterday 02:00' support/reply@production
      pointsman at '2h ago' support/reply
    """
    if moment > datetime.now(UTC) + _GRACE:
        raise click.BadParameter(
            f"{exactly(moment)} is still to come, and nobody knows what it brings. Give a moment "
            "that has passed, or now.",
            param_hint="'MOMENT'",
        )
    resolution = registry.resolve(selector, at=moment, key=reader)
    if out.as_json:
        out.data(resolution)
        return
    place = place_of(resolution.kind, resolution.name)
    why = resolution.why
    out.line(f"{resolution.selector} at {exactly(moment)}: version {resolution.version}", bold=True)
    split = ", ".join(f"{arm.version} ({arm.weight})" for arm in why.split)
    moved = ""
    if why.moved_at is not None:
        moved = f"{exactly(why.moved_at)} by {why.moved_by}"
    out.fields(
        [
            ("split", split),
            ("moved", moved),
            ("why", why.reason or ""),
            ("release", f"{why.release} (revision {why.revision})" if why.release else ""),
            ("message", resolution.message),
            ("author", f"{resolution.author}, {exactly(resolution.created_at)}"),
            ("digest", resolution.digest),
            ("includes", "\n".join(f"{i.selector} → {i.name}:{i.version}" for i in why.includes)),
        ]
    )
    out.line(f"Its content: pointsman show {place}:{resolution.version}", dim=True)


@click.command("changed", short_help="What differs between two moments.")
@click.option("--since", type=MOMENT, required=True, help="The earlier moment.")
@click.option("--until", type=MOMENT, default=None, help="The later one; now, if left out.")
@with_registry()
def changed_command(
    *, registry: Registry, out: Output, since: datetime, until: datetime | None
) -> None:
    """Show what differs between two moments: aliases that moved, artifacts with new versions.

    \b
    Example:
      pointsman changed --since 'yesterday 18:00'
    """
    until = until or datetime.now(UTC)
    differences = registry.differences(since, until)
    if out.as_json:
        out.data({"since": since, "until": until, "differences": differences})
        return
    rows = [
        (
            place_of(one.kind, one.name) + (f"@{one.alias}" if one.alias else " (newest)"),
            told_target(one.before),
            told_target(one.after),
            str(one.moves),
        )
        for one in differences
    ]
    if rows:
        out.table(("WHAT", "BEFORE", "AFTER", "TIMES"), rows)
    else:
        out.line("Nothing changed.")
    out.note(f"From {exactly(since)} to {exactly(until)}.")
