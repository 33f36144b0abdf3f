"""`pointsman checkpoint`: a signed statement of where the journal stands."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.journal import opened
from pointsman.cli.output import Output
from pointsman.cli.pages import page_options, read_page, tell_more
from pointsman.cli.times import when


@click.command("checkpoint", short_help="A signed statement of where the journal stands.")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to; else to the output.")
@click.option("--show-key", is_flag=True, help="Print the public key that verifies it, alone.")
@click.option("--list", "listed", is_flag=True, help="List the checkpoints made so far.")
@page_options
@with_registry()
def checkpoint_command(
    *,
    registry: Registry,
    out: Output,
    output: str,
    show_key: bool,
    listed: bool,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> None:
    """Sign how many entries the journal has and which hash the last one carries.

    Keep the checkpoint where nobody who can write to the registry's database can change it:
    `pointsman verify` then shows whether the journal still continues it. It is a C2SP signed
    note; give the public key (--show-key) to whoever is to verify it. Servers make checkpoints
    by the clock as well; see POINTSMAN_CHECKPOINTS.

    \b
    Examples:
      pointsman checkpoint -o kept/today.note
      pointsman checkpoint --show-key
      pointsman checkpoint --list
    """
    if listed:
        page = read_page(
            lambda limit, cursor: registry.checkpoints(limit=limit, cursor=cursor),
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
    made = registry.checkpoint()
    if out.as_json:
        out.data(made)
    elif show_key:
        out.raw(f"{made.key}\n")
    else:
        with opened(output) as file:
            file.write(made.note.encode())
        if output != "-":
            out.line(f"{output} is a checkpoint of {made.seq} entries, made with {made.key}")
