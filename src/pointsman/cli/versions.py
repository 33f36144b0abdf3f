"""`pointsman versions`: the versions of an artifact."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import read_artifact
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.times import when


@click.command("versions", short_help="The versions of an artifact.")
@click.argument("name")
@page_options
@with_registry()
def versions_command(
    *,
    registry: Registry,
    out: Output,
    name: str,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """List the versions of an artifact, newest first."""
    kind, name = read_artifact(name)
    page = read_page(
        lambda limit, cursor: registry.versions(name, kind=kind, limit=limit, cursor=cursor),
        limit,
        cursor,
        everything=everything,
    )
    if out.as_json:
        out.data(page)
        return
    rows = [
        (
            str(version.number),
            ", ".join(version.aliases),
            f"removed: {version.tombstone.reason}" if version.tombstone else version.message,
            version.author,
            when(version.created_at, out),
            version.digest[:8],
        )
        for version in page.items
    ]
    out.table(("VERSION", "ALIASES", "MESSAGE", "AUTHOR", "MADE", "DIGEST"), rows)
    tell_more(out, page)
