"""What all commands that move aliases share: their options, and how they tell what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pointsman.cli.output import Output

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Move, Release, Target

F = TypeVar("F", bound=Callable[..., Any])

reason_option: Callable[[F], F] = click.option(
    "-m", "--reason", "--message", "reason", default="", metavar="WHY", help="Why; kept on record."
)
revision_option: Callable[[F], F] = click.option(
    "--if-revision",
    type=int,
    metavar="N",
    help="Only if the alias is at this revision (0: if there is no such alias yet).",
)
glass_option: Callable[[F], F] = click.option(
    "--break-glass",
    is_flag=True,
    help="Pass over missing approvals, checks and freezes, where the policy lets you. Needs a "
    "reason; marked for good, and listed until somebody else has reviewed it.",
)


def tell_release(out: Output, release: Release | None, *, already: str) -> None:
    """Say what replaced what; or, after `already`, that there was nothing to do."""
    if out.as_json:
        out.data({"release": release})
        return
    if release is None:
        out.line(f"{already}; nothing recorded.")
        return
    for move in release.moves:
        out.line(told_move(move))
    undone = f", undoing release {release.undoes}" if release.undoes else ""
    why = f": {release.reason}" if release.reason else ""
    out.line(f"Release {release.number}{undone}{why}", dim=True)


def told_move(move: Move) -> str:
    """``support/reply@production: version 6 → version 7 (revision 3)``."""
    name = place_of(move.kind, move.name)
    arrow = f"{told_target(move.before)} → {told_target(move.to)}"
    return f"{name}@{move.alias}: {arrow} (revision {move.revision})"


def told_target(target: Target | None) -> str:
    """Where an alias points, or that it doesn't."""
    return "nothing" if target is None else str(target)


def place_of(kind: str, name: str) -> str:
    """An artifact as a selector."""
    return name if kind == "prompt" else f"{kind}:{name}"


def short_target(target: Target | None) -> str:
    """``7``, or ``7 (90), 8 (10)``."""
    if target is None:
        return "nothing"
    if target.version is not None:
        return str(target.version)
    return ", ".join(f"{arm.version} ({arm.weight})" for arm in target.split)


def short_label(label: str) -> str:
    """A version's full name as people write it: prompts go without their kind."""
    return label.removeprefix("prompt:")


def read_artifact(text: str) -> tuple[str, str]:
    """Kind and name of a selector that names an artifact and no version of it."""
    from pointsman.core.selectors import parse_selector

    selector = parse_selector(text)
    if selector.version is not None or selector.alias is not None:
        raise click.UsageError(
            f"{text!r} names a version; give the artifact: {place_of(selector.kind, selector.name)}"
        )
    return selector.kind, selector.name


def read_alias(text: str) -> tuple[str, str, str]:
    """Kind, name and alias of a selector that names an alias."""
    from pointsman.core.selectors import parse_selector

    selector = parse_selector(text)
    if selector.alias is None:
        raise click.UsageError(
            f"{text!r} names no alias; write it like {place_of(selector.kind, selector.name)}"
            "@production"
        )
    return selector.kind, selector.name, selector.alias
