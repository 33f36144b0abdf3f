"""`pointsman list`: which artifacts there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of, short_target
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.times import MOMENT, when


@click.command("list", short_help="Which artifacts there are.")
@click.argument("folder", default="")
@click.option("--kind", help="Only this kind: prompt, model, suite or dataset.")
@click.option("--name", default="", help="Part of the name.")
@click.option("--text", default="", help="Part of the newest version's texts.")
@click.option("--tags", default="", help="Tags, such as: team = support and not draft = yes")
@click.option("--alias", "with_aliases", multiple=True, help="Has this alias.")
@click.option("--without-alias", "without_aliases", multiple=True, help="Has it not.")
@click.option("--author", default="", help="Who made it.")
@click.option("--since", type=MOMENT, help="Updated at or after this moment.")
@click.option("--until", type=MOMENT, help="Updated before this moment.")
@click.option(
    "--archived",
    type=click.Choice(["no", "yes", "any"]),
    default="no",
    show_default=True,
    help="Whether it is archived.",
)
@click.option(
    "--order",
    type=click.Choice(["name", "created", "updated"]),
    default="name",
    show_default=True,
    help="By what; times newest first.",
)
@page_options
@with_registry()
def list_command(
    *,
    registry: Registry,
    out: Output,
    folder: str,
    kind: str | None,
    name: str,
    text: str,
    tags: str,
    with_aliases: Sequence[str],
    without_aliases: Sequence[str],
    author: str,
    since: datetime | None,
    until: datetime | None,
    archived: str,
    order: str,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """List the artifacts that match all conditions; those in FOLDER, if it is given.

    \b
    Examples:
      pointsman list support --alias production
      pointsman list --tags 'team = support' --since '7d ago'
    """
    page = read_page(
        lambda limit, cursor: registry.search(
            kind=kind,
            folder=folder,
            name=name,
            text=text,
            tags=tags,
            with_aliases=with_aliases,
            without_aliases=without_aliases,
            author=author,
            since=since,
            until=until,
            archived={"no": False, "yes": True, "any": None}[archived],
            order=order,
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
    if not page.items:
        out.note(_nothing(folder))
        return
    rows = [
        (
            place_of(artifact.kind, artifact.name),
            str(artifact.newest),
            ", ".join(f"{one.name} → {short_target(one.target)}" for one in artifact.aliases),
            ", ".join(f"{key}={value}" for key, value in artifact.tags.items()),
            when(artifact.updated_at, out) + (" (archived)" if artifact.archived_at else ""),
        )
        for artifact in page.items
    ]
    out.table(("NAME", "NEWEST", "ALIASES", "TAGS", "UPDATED"), rows)
    tell_more(out, page)


def _nothing(folder: str) -> str:
    """That nothing was found, and what to try instead."""
    if folder:
        return (
            f"Nothing matches in the folder {folder!r}. `pointsman list` shows all there is, "
            f"`pointsman versions {folder}` an artifact of that name, --name finds parts of "
            "names, and --archived any what was archived."
        )
    return (
        "Nothing matches. Leave conditions out to see more; what was archived comes with "
        "--archived any, and `pointsman publish` makes something new."
    )
