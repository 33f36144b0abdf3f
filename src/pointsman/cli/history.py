"""`pointsman history`: what happened, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.entries import told_entry, type_option
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.times import MOMENT, when


@click.command("history", short_help="What happened, newest first.")
@click.argument("selector", default="")
@type_option
@click.option("--actor", help="Only what this one did: its id, as --json shows it.")
@click.option("--since", type=MOMENT, help="At or after this moment.")
@click.option("--until", type=MOMENT, help="Before this moment.")
@page_options
@with_registry()
def history_command(
    *,
    registry: Registry,
    out: Output,
    selector: str,
    types: Sequence[str],
    actor: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """Show what happened: in the project, to an artifact, or to an alias.

    \b
    Examples:
      pointsman history
      pointsman history support/reply@production
      pointsman history --type alias.moved --since yesterday
    """
    page = read_page(
        lambda limit, cursor: registry.history(
            selector,
            types=types,
            actor=actor,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
        ),
        limit,
        cursor,
        everything=everything,
    )
    if out.as_json:
        out.data(page)
        return
    rows = [
        (str(entry.seq), when(entry.at, out), told_entry(entry), entry.by, entry.via)
        for entry in page.items
    ]
    out.table(("NO.", "WHEN", "WHAT", "BY", "THROUGH"), rows)
    tell_more(out, page)
