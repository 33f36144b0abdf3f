"""`pointsman alias`: the aliases of an artifact."""

from __future__ import annotations

from collections.abc import Sequence

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import (
    place_of,
    read_alias,
    read_artifact,
    reason_option,
    revision_option,
    tell_release,
)
from pointsman.cli.output import Output
from pointsman.cli.times import when


@click.group("alias", short_help="List, set, split and delete aliases.")
def alias_command() -> None:
    """List, set and delete aliases, splits among them."""


@alias_command.command("list")
@click.argument("name")
@with_registry()
def list_aliases(*, registry: Registry, out: Output, name: str) -> None:
    """List the aliases of an artifact, where they point, and who moved them why."""
    kind, name = read_artifact(name)
    artifact = registry.artifact(name, kind=kind)
    if out.as_json:
        out.data({"aliases": artifact.aliases})
        return
    rows = [
        (
            alias.name,
            str(alias.target),
            str(alias.revision),
            f"{when(alias.moved_at, out)} by {alias.moved_by}",
            alias.reason,
        )
        for alias in artifact.aliases
    ]
    out.table(("ALIAS", "POINTS TO", "REVISION", "MOVED", "WHY"), rows)


@alias_command.command("set")
@click.argument("alias", metavar="NAME@ALIAS")
@click.argument("target", nargs=-1, required=True)
@reason_option
@revision_option
@with_registry()
def set_alias(
    *,
    registry: Registry,
    out: Output,
    alias: str,
    target: Sequence[str],
    reason: str,
    if_revision: int | None,
) -> None:
    """Point an alias to a version, or share its readers out over several.

    TARGET is a version's number, or VERSION=WEIGHT for each arm of a split.

    \b
    Examples:
      pointsman alias set support/reply@production 7 -m "fewer refusals"
      pointsman alias set support/reply@production 7=90 8=10 -m "try it on a few"
    """
    kind, name, alias_name = read_alias(alias)
    place = place_of(kind, name)
    weights = [_arm(text) for text in target]
    if len(weights) == 1 and weights[0][1] is None:
        release = registry.promote(
            f"{place}:{weights[0][0]}", alias_name, reason=reason, if_revision=if_revision
        )
    else:
        release = registry.split(
            name, alias_name, _split(weights), kind=kind, reason=reason, if_revision=if_revision
        )
    tell_release(out, release, already=f"{alias} is already there")


@alias_command.command("delete")
@click.argument("alias", metavar="NAME@ALIAS")
@reason_option
@revision_option
@with_registry()
def delete_alias(
    *, registry: Registry, out: Output, alias: str, reason: str, if_revision: int | None
) -> None:
    """Delete an alias. Its history stays, and it can be set again."""
    release = registry.delete_alias(alias, reason=reason, if_revision=if_revision)
    tell_release(out, release, already=f"There is no {alias}")


def _arm(text: str) -> tuple[int, int | None]:
    version, equals, weight = text.partition("=")
    number = version.removeprefix("v")
    if not number.isdecimal() or (equals and not weight.isdecimal()):
        raise click.BadParameter(
            f"{text!r} is neither a version, such as 7, nor a share, such as 7=90.",
            param_hint="'TARGET'",
        )
    return int(number), int(weight) if equals else None


def _split(arms: Sequence[tuple[int, int | None]]) -> dict[int, int]:
    split: dict[int, int] = {}
    for version, weight in arms:
        if weight is None or version in split:
            raise click.BadParameter(
                "Each arm of a split names another version and its weight, such as 7=90 8=10.",
                param_hint="'TARGET'",
            )
        split[version] = weight
    return split
