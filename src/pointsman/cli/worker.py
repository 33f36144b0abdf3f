"""`pointsman worker`: a process that runs evaluations and nothing else."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from pointsman.cli.connect import check_folder, needing_server, place_options, with_output
from pointsman.cli.output import Output
from pointsman.cli.serve import (
    at_once_option,
    commands_option,
    lease_option,
    log_to_stderr,
    place_of,
)


@click.command("worker", short_help="Run the evaluations of a registry.")
@place_options(server=False)
@at_once_option
@lease_option
@commands_option
@with_output
def worker_command(
    *,
    out: Output,
    data: str | None,
    database: str | None,
    lease: float,
    at_once: int,
    allow_commands: bool,
) -> None:
    """Run the evaluations of a registry until stopped.

    Any number of workers share the work of one PostgreSQL database. A worker that dies loses
    nothing but the calls that were under way: another goes on where it was.

    \b
    Examples:
      pointsman worker --database postgresql://pointsman@db.example.org/pointsman
      pointsman worker --allow-commands
    """
    place = place_of(data, database)
    if place.data:
        check_folder(Path(place.data), makes=False)
    with needing_server():
        from pointsman.compose import open_store
        from pointsman.server import Terms, Workshop

    log_to_stderr()
    terms = Terms(commands_allowed=allow_commands, at_once=at_once, lease=lease)
    workshop = Workshop(open_store(place.data or None, place.database or None), terms)
    try:
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        out.note(f"Working on {place} (Ctrl-C stops it)")
        stopping.wait()
    finally:
        workshop.close()
