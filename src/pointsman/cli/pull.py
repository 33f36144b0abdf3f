"""`pointsman pull`: the files of a model, into a folder."""

from __future__ import annotations

import click

from pointsman.cli.carrying import bar, note_risks, told_size
from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.findings import counted
from pointsman.cli.output import Output


@click.command("pull", short_help="The files of a model, into a folder.")
@click.argument("selector")
@click.option("--to", required=True, metavar="FOLDER", help="The folder, made if it isn't there.")
@click.option(
    "--cache",
    metavar="FOLDER",
    help="Where files are kept by their digests; by default in your cache directory.",
)
@click.option("--no-cache", is_flag=True, help="Keep no copies: put files nowhere else.")
@with_registry()
def pull_command(
    *,
    registry: Registry,
    out: Output,
    selector: str,
    to: str,
    cache: str | None,
    no_cache: bool,
) -> None:
    """Fetch the files of the version of a model that SELECTOR means into a folder.

    Each file is verified by its SHA-256. What is there already is not fetched, and what broke
    off goes on where it ended. Files may be links into the cache: don't write to them. What
    else is in the folder stays.

    \b
    Examples:
      pointsman pull model:churn@champion --to model
      pointsman pull model:churn:7 --to model --no-cache
    """
    if cache and no_cache:
        raise click.UsageError("--cache and --no-cache contradict each other. Choose one.")
    meant = registry.resolve(selector)
    # The very version: its alias may move meanwhile.
    pinned = f"{meant.kind}:{meant.name}:{meant.version}"
    with bar(out, f"Fetching {meant.name}") as progress:
        folder = registry.pull(pinned, to, cache=cache or not no_cache, progress=progress)
    files = meant.content["files"]
    if out.as_json:
        out.data(
            {
                "folder": str(folder),
                "name": meant.name,
                "version": meant.version,
                "digest": meant.digest,
                "files": files,
            }
        )
        return
    size = told_size(sum(one["size"] for one in files.values()))
    out.line(f"{pinned} is in {folder}: {counted(len(files), 'files')}, {size}.")
    note_risks(out, files)
