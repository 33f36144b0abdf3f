"""`pointsman backup`: everything a registry has, as files, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pointsman.cli.carrying import told_size
from pointsman.cli.connect import local_place, needing_server, place_options, with_output
from pointsman.cli.findings import counted
from pointsman.cli.output import Output

if TYPE_CHECKING:
    from pointsman.embedded.record import Copied, Manifest


@click.group("backup", short_help="Back a registry up, and restore it.")
def backup_command() -> None:
    """Back a registry up while it is served, and restore it to an empty place.

    A backup is a folder of compressed files that either database can be restored from. It holds
    hashes of passwords and keys and the secrets of webhooks: keep it as you keep those. The key
    that signs checkpoints is not in it; keep `signing.key`, or POINTSMAN_SIGNING_KEY, apart.
    """


@backup_command.command("make", short_help="Write a backup into a new folder.")
@click.argument("target", type=click.Path())
@click.option(
    "--without-blobs", is_flag=True, help="Leave the files of models out: they are kept elsewhere."
)
@place_options(server=False)
@with_output
def make_command(
    *, out: Output, target: str, without_blobs: bool, data: str | None, database: str | None
) -> None:
    """Write a backup of a folder's or a database's registry into the new folder TARGET.

    It is of one moment, whoever reads and writes meanwhile. The folder gets its name when all
    is written: what was interrupted is never taken for a backup. The files of models are copied
    into it as well, each verified; those that can't be read are told, and are no reason to stop.

    \b
    Examples:
      pointsman backup make /mnt/backups/2026-11-21 --data /var/lib/pointsman
    """
    place = local_place(data, database)
    with needing_server():
        from pointsman.core.plain import to_plain
        from pointsman.embedded.record import files_in, make_backup
    done = make_backup(place.data, place.database, target, blobs=not without_blobs)
    files = files_in(target)
    if out.as_json:
        out.data({**to_plain(done), "files": files})
        return
    _tell(out, done, f"{target} is a backup")
    _tell_files(out, files, "Files of models are not in it")


@backup_command.command("restore", short_help="Restore a backup to an empty place.")
@click.argument("source", type=click.Path())
@click.option(
    "--live",
    is_flag=True,
    help="Let webhooks and changes go on as they were: the original is no more.",
)
@click.option("--without-blobs", is_flag=True, help="Leave the files of models where they are.")
@place_options(server=False)
@with_output
def restore_command(
    *,
    out: Output,
    source: str,
    live: bool,
    without_blobs: bool,
    data: str | None,
    database: str | None,
) -> None:
    """Restore the backup in the folder SOURCE to an empty folder or database.

    Everything is verified first: the files' sums, and the chain of each journal. There is no
    registry before all of it is there, the files of models included: they are put where this
    registry keeps them (blobs/ in its folder, or POINTSMAN_BLOBS). It goes on under a new
    epoch, so that clients which know more than the backup follow it.

    So that a copy does not do what its original does, its webhooks are disabled, changes that
    would be applied by themselves are disarmed, and evaluations that wait are cancelled. All of
    it is on record, and can be undone one by one. With --live nothing is held: for what takes
    the original's place.

    \b
    Examples:
      pointsman backup restore /mnt/backups/2026-11-21 --data drill
      pointsman backup restore /mnt/backups/2026-11-21 --data /var/lib/pointsman --live
    """
    place = local_place(data, database)
    with needing_server():
        from pointsman.core.plain import to_plain
        from pointsman.embedded.record import restore_backup
    done = restore_backup(source, place.data, place.database, live=live, blobs=not without_blobs)
    if out.as_json:
        out.data({**to_plain(done.manifest), "held": done.held, "files": done.files})
        return
    _tell(out, done.manifest, f"{place} is restored")
    _tell_files(out, done.files)
    for one in done.held:
        out.line(
            f"Held in {one.project}: {counted(len(one.webhooks), 'webhooks')} disabled, "
            f"{counted(len(one.changes), 'changes')} disarmed, "
            f"{counted(len(one.evaluations), 'evaluations')} cancelled."
        )


def _tell_files(out: Output, files: Copied | None, without: str = "") -> None:
    """What became of the files of models."""
    if files is None:
        if without:
            out.line(f"{without}: keep POINTSMAN_BLOBS or blobs/ by other means.")
        return
    if files.files or files.missing:
        out.line(f"With {counted(files.files, 'files')} of models, {told_size(files.size)}.")
    if files.missing:
        shown = ", ".join(files.missing[:3]) + ("…" if len(files.missing) > 3 else "")
        out.note(
            f"Warning: {counted(len(files.missing), 'files')} can't be read and are not there: "
            f"{shown}"
        )


def _tell(out: Output, manifest: Manifest, what: str) -> None:
    rows = sum(table.rows for table in manifest.tables)
    out.line(f"{what}, made {manifest.made_at}: {counted(rows, 'rows')}.")
    for one in manifest.journals:
        out.line(f"The journal of {one.project} ends at {one.entries}: {one.head}")
