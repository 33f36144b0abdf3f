"""`pointsman blobs`: the bytes of models' files, looked after on the machine of the registry."""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.carrying import told_size
from pointsman.cli.connect import check_folder, needing_server, place_options, with_output
from pointsman.cli.failing import FAILED
from pointsman.cli.findings import counted
from pointsman.cli.output import Output
from pointsman.cli.serve import place_of


@click.group("blobs", short_help="Look after the bytes of models' files.")
def blobs_command() -> None:
    """Look after the bytes of models' files: remove what nothing names, check the rest.

    They are kept in blobs/ in the registry's folder, or where POINTSMAN_BLOBS says. Servers may
    go on meanwhile.
    """


@blobs_command.command("gc", short_help="Remove what nothing names.")
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@click.option(
    "--alone", is_flag=True, help="It was restored, and no other registry keeps files there."
)
@place_options(server=False)
@with_output
def gc_command(
    *, out: Output, data: str | None, database: str | None, dry_run: bool, alone: bool
) -> None:
    """Remove the files that no version and no run names and that are over an hour old.

    Such are left by uploads whose version was never published, by versions whose content was
    removed (pointsman tombstone), and by runs whose files were deleted. What is named is never
    removed, whatever is published and uploaded meanwhile. What uploads left behind that broke
    off goes as well.

    A registry that was restored from a backup may share POINTSMAN_BLOBS with its original, and
    would remove what only that one names: it has to be told (--alone) that it doesn't.

    \b
    Examples:
      pointsman blobs gc --data /var/lib/pointsman
    """
    place = place_of(data, database)
    with needing_server():
        from pointsman.compose import open_store
        from pointsman.embedded.files import collect_blobs
    if place.data:
        check_folder(Path(place.data), makes=False)
    store = open_store(place.data or None, place.database or None)
    done = collect_blobs(store, dry_run=dry_run, alone=alone)
    if out.as_json:
        out.data({"projects": done, "dry_run": dry_run})
        return
    verb = "would be removed" if dry_run else "removed"
    for one in done:
        out.line(
            f"{one.project}: {counted(one.removed, 'files')} {verb} ({told_size(one.freed)}), "
            f"{one.kept:,} kept."
        )


@blobs_command.command("check", short_help="Read every file that is named.")
@place_options(server=False)
@with_output
@click.pass_context
def check_command(
    ctx: click.Context, *, out: Output, data: str | None, database: str | None
) -> None:
    """Read every file that a version or a run names, and compare it with its SHA-256.

    Exits with 1 if any is missing or damaged. Pushing the same file again with --resend
    mends it.

    \b
    Examples:
      pointsman blobs check --data /var/lib/pointsman
    """
    place = place_of(data, database)
    with needing_server():
        from pointsman.compose import open_store
        from pointsman.embedded.files import check_blobs
    if place.data:
        check_folder(Path(place.data), makes=False)
    good, flaws = check_blobs(open_store(place.data or None, place.database or None))
    if out.as_json:
        out.data({"healthy": not flaws, "good": good, "flaws": flaws})
    else:
        for one in flaws:
            out.line(f"{one.project}: {one.version}: {one.path}: {one.what}", fg="red")
        out.line(f"{counted(good, 'files')} good, {len(flaws):,} bad.")
    if flaws:
        ctx.exit(FAILED)
