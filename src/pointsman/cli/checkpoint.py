"""`pointsman checkpoint`: a signed statement of where the journal stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.journal import opened
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.times import when
from pointsman.errors import NotFound

if TYPE_CHECKING:
    from pointsman.core.record import SignedCheckpoint


@click.command("checkpoint", short_help="A signed statement of where the journal stands.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to; else to the output.")
@click.option("--show-key", is_flag=True, help="Print the public key that verifies it, alone.")
@click.option("--list", "listed", is_flag=True, help="List the checkpoints made so far.")
@click.option(
    "--installation",
    is_flag=True,
    help="Of the journal of the whole installation, for its admins: the newest that was made.",
)
@page_options
@with_registry()
def checkpoint_command(
    *,
    registry: Registry,
    out: Output,
    output: str,
    show_key: bool,
    listed: bool,
    installation: bool,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """Sign how many entries the journal has and which hash the last one carries.

    Keep the checkpoint where nobody who can write to the registry's database can change it:
    `pointsman verify` then shows whether the journal still continues it. It is a C2SP signed
    note; give the public key (--show-key) to whoever is to verify it. Servers make checkpoints
    by the clock as well; see POINTSMAN_CHECKPOINTS. Of the installation's journal only they do.

    \b
    Examples:
      pointsman checkpoint -o kept/today.note
      pointsman checkpoint --show-key
      pointsman checkpoint --list
    """
    if listed:
        page = read_page(
            lambda limit, cursor: registry.checkpoints(
                limit=limit, cursor=cursor, installation=installation
            ),
            limit,
            cursor,
            everything=everything,
        )
        if out.as_json:
            out.data(page)
            return
        rows = [(str(one.seq), when(one.at, out), one.hash) for one in page.items]
        out.table(("ENTRIES", "WHEN", "HASH OF THE LAST"), rows)
        tell_more(out, page)
        return
    made = _newest_of_installation(registry) if installation else registry.checkpoint()
    if out.as_json:
        out.data(made)
    elif show_key:
        out.raw(f"{made.key}\n")
    else:
        with opened(output) as file:
            file.write(made.note.encode())
        if output != "-":
            out.line(f"{output} is a checkpoint of {made.seq} entries, made with {made.key}")


def _newest_of_installation(registry: Registry) -> SignedCheckpoint:
    for one in registry.checkpoints(limit=1, installation=True).items:
        return one
    raise NotFound(
        "There is no checkpoint of the installation's journal yet.",
        code="no_checkpoints",
        hint="A server makes them by the clock: see POINTSMAN_CHECKPOINTS.",
        field="checkpoint",
    )
