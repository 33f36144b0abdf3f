"""`pointsman release`: several moves at once, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.governing import note_glass, telling_how_to_propose
from pointsman.cli.moving import glass_option, place_of, reason_option, tell_release
from pointsman.cli.output import Output


@click.command("release", short_help="Move several aliases together.")
@click.argument("moves", nargs=-1, required=True, metavar="NAME:VERSION@ALIAS...")
@reason_option
@glass_option
@with_registry()
def release_command(
    *, registry: Registry, out: Output, moves: Sequence[str], reason: str, break_glass: bool
) -> None:
    """Move several aliases together, or none of them.

    Each move is a selector, @, and the alias to point there. A selector may itself be an
    alias: support/reply@staging@production.

    \b
    Example:
      pointsman release support/reply:3@production support/tone:7@production -m "new tone"
    """
    asked = [_move(registry, text) for text in moves]
    pairs = [(source, alias) for source, _, alias in (text.rpartition("@") for text in moves)]
    with telling_how_to_propose(pairs, reason):
        release = registry.release(asked, reason=reason, break_glass=break_glass)
    tell_release(out, release, already="All of them are already there")
    note_glass(out, broken=break_glass)


def _move(registry: Registry, text: str) -> dict[str, Any]:
    from pointsman.core.selectors import parse_selector

    source, at, alias = text.rpartition("@")
    if not at or not source or not alias:
        raise click.BadParameter(
            f"{text!r} is not a move; write it like support/reply:7@production.",
            param_hint="'MOVES'",
        )
    selector = parse_selector(source)
    move: dict[str, Any] = {"kind": selector.kind, "name": selector.name, "alias": alias}
    if selector.version is not None:
        return {**move, "version": selector.version}
    place = place_of(selector.kind, selector.name)
    if selector.alias is None:
        newest = registry.artifact(selector.name, kind=selector.kind).newest
        return {**move, "version": newest}
    target = registry.alias(f"{place}@{selector.alias}").target
    if target.version is not None:
        return {**move, "version": target.version}
    return {**move, "split": {str(arm.version): arm.weight for arm in target.split}}
