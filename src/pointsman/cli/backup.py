"""`pointsman backup`: everything a registry has, as files, and back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Place, needing_server, place_options, with_output
from pointsman.cli.findings import counted
from pointsman.cli.output import Output

if TYPE_CHECKING:
    from pointsman.embedded.record import Manifest


@click.group("backup", short_help="Back a registry up, and restore it.")
def backup_command() -> None:
    """Back a registry up while it is served, and restore it to an empty place.

    A backup is a folder of compressed files that either database can be restored from. It holds
    hashes of passwords and keys and the secrets of webhooks: keep it as you keep those. The key
    that signs checkpoints is not in it; keep `signing.key`, or POINTSMAN_SIGNING_KEY, apart.
    """


@backup_command.command("make", short_help="Write a backup into a new folder.")
@click.argument("target", type=click.Path())
@place_options(server=False)
@with_output
def make_command(*, out: Output, target: str, data: str | None, database: str | None) -> None:
    """Write a backup of a folder's or a database's registry into the new folder TARGET.

    It is of one moment, whoever reads and writes meanwhile. The folder gets its name when all
    is written: what was interrupted is never taken for a backup.

    \b
    Examples:
      pointsman backup make /mnt/backups/2026-11-21 --data /var/lib/pointsman
    """
    place = _place(data, database)
    with needing_server():
        from pointsman.embedded.record import make_backup
    _tell(out, make_backup(place.data, place.database, target), f"{target} is a backup")


@backup_command.command("restore", short_help="Restore a backup to an empty place.")
@click.argument("source", type=click.Path())
@click.option(
    "--live",
    is_flag=True,
    help="Let webhooks and changes go on as they were: the original is no more.",
)
@place_options(server=False)
@with_output
def restore_command(
    *, out: Output, source: str, live: bool, data: str | None, database: str | None
) -> None:
    """Restore the backup in the folder SOURCE to an empty folder or database.

    Everything is verified first: the files' sums, and the chain of each journal. There is no
    registry before all of it is there. It goes on under a new epoch, so that clients which know
    more than the backup follow it.

    So that a copy does not do what its original does, its webhooks are disabled, changes that
    would be applied by themselves are disarmed, and evaluations that wait are cancelled. All of
    it is on record, and can be undone one by one. With --live nothing is held: for what takes
    the original's place.

    \b
    Examples:
      pointsman backup restore /mnt/backups/2026-11-21 --data drill
      pointsman backup restore /mnt/backups/2026-11-21 --data /var/lib/pointsman --live
    """
    place = _place(data, database)
    with needing_server():
        from pointsman.core.plain import to_plain
        from pointsman.embedded.record import restore_backup
    done = restore_backup(source, place.data, place.database, live=live)
    if out.as_json:
        out.data({**to_plain(done.manifest), "held": done.held})
        return
    _tell(out, done.manifest, f"{place} is restored")
    for one in done.held:
        out.line(
            f"Held in {one.project}: {counted(len(one.webhooks), 'webhooks')} disabled, "
            f"{counted(len(one.changes), 'changes')} disarmed, "
            f"{counted(len(one.evaluations), 'evaluations')} cancelled."
        )


def _place(data: str | None, database: str | None) -> Place:
    if data and database:
        raise click.UsageError("--data and --database name different registries. Choose one.")
    if not data and not database:
        database = os.environ.get("POINTSMAN_DATABASE")
        data = None if database else os.environ.get("POINTSMAN_DATA")
    if not data and not database:
        raise click.UsageError("Which registry? Name its folder (--data) or --database.")
    return Place(data=data or "", database=database or "")


def _tell(out: Output, manifest: Manifest, what: str) -> None:
    if out.as_json:
        out.data(manifest)
        return
    rows = sum(table.rows for table in manifest.tables)
    out.line(f"{what}, made {manifest.made_at}: {counted(rows, 'rows')}.")
    for one in manifest.journals:
        out.line(f"The journal of {one.project} ends at {one.entries}: {one.head}")
