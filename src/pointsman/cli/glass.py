"""`pointsman glass`: releases that passed over a policy, and what came of looking at them."""

from __future__ import annotations

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.output import Output
from pointsman.cli.times import when


@click.group("glass", short_help="Releases that passed over a policy.")
def glass_command() -> None:
    """Releases that passed over what a policy asks for (--break-glass), and their reviews."""


@glass_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that were reviewed as well.")
@with_registry()
def list_glass(*, registry: Registry, out: Output, everything: bool) -> None:
    """List the releases that broke the glass and wait for somebody's review."""
    found = registry.broken_glass(reviewed=everything)
    if out.as_json:
        out.data({"releases": found})
        return
    rows = [
        (
            str(one.release),
            when(one.at, out),
            one.by,
            one.reason,
            f"{when(one.reviewed_at, out)} by {one.reviewed_by}: {one.note}"
            if one.reviewed_at
            else "waits",
            " ".join(one.passed),
        )
        for one in found
    ]
    out.table(("RELEASE", "WHEN", "BY", "WHY", "REVIEWED", "PASSED OVER"), rows)


@glass_command.command("review")
@click.argument("release", type=click.IntRange(min=1))
@click.option("-m", "--note", required=True, metavar="NOTE", help="What came of it.")
@with_registry()
def review_glass(*, registry: Registry, out: Output, release: int, note: str) -> None:
    """Say that you have looked at a RELEASE that broke the glass, and what came of it.

    Whoever broke it can't be the one.
    """
    reviewed = registry.review_glass(release, note=note)
    if out.as_json:
        out.data(reviewed)
    else:
        out.line(f"Release {release} by {reviewed.by} is reviewed.")
