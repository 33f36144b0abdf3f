"""`pointsman change`: releases that are proposed, talked over, approved, and then applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.governing import (
    note_glass,
    read_moves,
    tell_change,
    tell_diff,
    tell_standing,
    told_proposed,
)
from pointsman.cli.moving import glass_option, read_alias, reason_option, short_target, tell_release
from pointsman.cli.output import Output
from pointsman.cli.times import MOMENT, when

if TYPE_CHECKING:
    from pointsman.core.changes import Change, ProposedMove

F = TypeVar("F", bound=Callable[..., Any])


class _Ahead(click.ParamType[datetime]):
    """A moment to come: what would be so long ago is as long from now."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the moment, or tell what can be read."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        at: datetime = MOMENT.convert(value, param, ctx)
        relative = value.strip()[:1].isdigit() and value.strip()[-1:].isalpha() and at < now
        at = now + (now - at) if relative and "-" not in value else at
        if at <= now or "ago" in value:
            self.fail(
                f"{value!r} is not a moment to come. Write it like '2027-01-01 02:00' or '7d'.",
                param,
                ctx,
            )
        return at


_AHEAD = _Ahead()
_number = click.argument("number", metavar="N", type=click.IntRange(min=1))
_note_option = click.option(
    "-m", "--note", default="", metavar="NOTE", help="What there is to say about it."
)
_basis_option = click.option(
    "--basis",
    default="",
    metavar="DIGEST",
    help="Only if the change still is what this stands for; `pointsman change show` tells it.",
)


@click.group("change", short_help="Propose, discuss, approve and apply releases.")
def change_command() -> None:
    """Propose releases, talk them over, approve them, and apply them."""


def _terms(function: F) -> F:
    """The options that say what a change is about."""
    options = (
        click.option("--title", metavar="TITLE", help="What it does, in a few words."),
        click.option("-m", "--why", "why", metavar="WHY", help="Why; kept on record."),
        click.option("--label", "labels", multiple=True, help="A label; repeatable."),
        click.option(
            "--delete", "deleted", multiple=True, metavar="NAME@ALIAS",
            help="An alias to be deleted; repeatable.",
        ),
        click.option(
            "--when-ready", is_flag=True,
            help="Have it applied by itself as soon as nothing is missing.",
        ),
        click.option(
            "--at", type=_AHEAD, metavar="TIME",
            help="Have it applied by itself at this moment ('2027-01-01 02:00', '2h'), or as "
            "soon after as nothing is missing.",
        ),
        click.option(
            "--expires", type=_AHEAD, metavar="TIME",
            help="When it ends if nobody applied it; in 30 days unless given.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@change_command.command("propose")
@click.argument("moves", nargs=-1, metavar="NAME:VERSION ALIAS...")
@_terms
@click.option(
    "--supersedes", type=click.IntRange(min=1), metavar="N",
    help="The change that this one replaces; it ends.",
)  # fmt: skip
@click.option(
    "--only-number", is_flag=True, help="Print the change's number and nothing else, for scripts."
)
@with_registry()
def propose(
    *,
    registry: Registry,
    out: Output,
    moves: Sequence[str],
    title: str | None,
    why: str | None,
    labels: Sequence[str],
    deleted: Sequence[str],
    when_ready: bool,
    at: datetime | None,
    expires: datetime | None,
    supersedes: int | None,
    only_number: bool,
) -> None:
    """Propose a release: one or several moves, to be made together.

    Each move is a selector and the alias to point there. A selector without a version means
    the newest one; one that is an alias itself (support/reply@staging) is looked up again
    when the change is rebased.

    \b
    Examples:
      pointsman change propose support/reply:7 production --title "Shorter" -m "asked for"
      pointsman change propose support/reply:7 production support/tone:3 production --at 2h
    """
    asked = [*read_moves(registry, moves), *map(_deletion, deleted)]
    if not asked:
        raise click.UsageError("What is to move? Give pairs, such as support/reply:7 production.")
    change = registry.propose(
        title or _title(asked),
        asked,
        reason=why or "",
        labels=labels,
        when_ready=when_ready,
        apply_at=at,
        expires_at=expires,
        supersedes=supersedes,
    )
    if only_number and not out.as_json:
        click.echo(change.number)
        return
    if not out.as_json:
        for move in change.moves:
            out.line(told_proposed(move))
    tell_standing(out, change, f"Change {change.number} is proposed: {change.title}")


@change_command.command("list")
@click.option("--all", "everything", is_flag=True, help="The ended ones as well.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True,
    help="How many at most.",
)  # fmt: skip
@click.option("--cursor", help="Go on where a page ended.")
@with_registry()
def list_changes(
    *, registry: Registry, out: Output, everything: bool, limit: int, cursor: str | None
) -> None:
    """List the open changes, newest first."""
    state = "any" if everything else "open"
    page = registry.changes(state=state, limit=limit, cursor=cursor)
    if out.as_json:
        out.data(page)
        return
    rows = [
        (
            str(one.number),
            one.title,
            one.state,
            _short_moves(one),
            str(len(one.missing)) if one.missing else "",
            one.by,
            when(one.at, out),
        )
        for one in page.items
    ]
    out.table(("NO.", "TITLE", "STATE", "MOVES", "MISSING", "BY", "PROPOSED"), rows)
    if page.cursor is not None:
        out.note(f"There is more: --cursor {page.cursor}")


@change_command.command("show")
@_number
@with_registry()
def show_change(*, registry: Registry, out: Output, number: int) -> None:
    """Show a change: what replaces what, what was said to it, and what is still missing."""
    change = registry.change(number)
    if out.as_json:
        out.data(change)
        return
    tell_change(out, registry, change)


@change_command.command("diff")
@_number
@click.option(
    "--move", type=click.IntRange(min=1), metavar="I", help="Only its I-th move; all without it."
)
@with_registry()
def diff_change(*, registry: Registry, out: Output, number: int, move: int | None) -> None:
    """Show how what a change brings differs from what it replaces, move by move."""
    change = registry.change(number)
    indices = range(len(change.moves)) if move is None else [move - 1]
    if move is not None and move > len(change.moves):
        raise click.BadParameter(
            f"Change {number} has {len(change.moves)} of them.", param_hint="'--move'"
        )
    if out.as_json:
        diffs = [
            registry.diff_change(number, move=index)
            for index in indices
            if change.moves[index].to is not None and change.moves[index].current is not None
        ]
        out.data({"diffs": diffs})
        return
    for index in indices:
        out.line(told_proposed(change.moves[index]), bold=True)
        tell_diff(out, registry, change, index)


@click.command("approve", short_help="Approve a change.")
@_number
@_note_option
@_basis_option
@with_registry()
def approve_command(*, registry: Registry, out: Output, number: int, note: str, basis: str) -> None:
    """Approve a change: exactly what it would do now, or what --basis stands for.

    If a version, an alias or an included prompt is another later, the approval no longer
    counts. Nobody approves what they made, proposed or edited themselves.
    """
    change = registry.approve(number, note=note, basis=basis)
    tell_standing(out, change, f"Change {number} is approved by you.")


change_command.add_command(approve_command)


@change_command.command("object")
@_number
@click.option("-m", "--note", required=True, metavar="NOTE", help="What is wrong with it.")
@_basis_option
@with_registry()
def object_to(*, registry: Registry, out: Output, number: int, note: str, basis: str) -> None:
    """Object to a change: it is not applied until that is taken back."""
    change = registry.object_to(number, note=note, basis=basis)
    tell_standing(out, change, f"You object to change {number}.")


@change_command.command("take-back")
@_number
@_note_option
@with_registry()
def take_back(*, registry: Registry, out: Output, number: int, note: str) -> None:
    """Take back your approval of a change, or your objection to it."""
    change = registry.take_back(number, note=note)
    tell_standing(out, change, f"What you said to change {number} is taken back.")


@change_command.command("comment")
@_number
@click.argument("text")
@click.option(
    "--answers", type=click.IntRange(min=1), metavar="M", help="The comment that this one answers."
)
@with_registry()
def comment(
    *, registry: Registry, out: Output, number: int, text: str, answers: int | None
) -> None:
    """Add a remark to a change. It decides nothing."""
    change = registry.comment(number, text, answers=answers)
    if out.as_json:
        out.data(change)
    else:
        out.line(f"Comment {change.comments[-1].number} is added to change {number}.")


@change_command.command("edit")
@_number
@click.argument("moves", nargs=-1, metavar="[NAME:VERSION ALIAS]...")
@_terms
@click.option("--by-hand", is_flag=True, help="Have it applied by nobody but people.")
@with_registry()
def edit(
    *,
    registry: Registry,
    out: Output,
    number: int,
    moves: Sequence[str],
    title: str | None,
    why: str | None,
    labels: Sequence[str],
    deleted: Sequence[str],
    when_ready: bool,
    at: datetime | None,
    expires: datetime | None,
    by_hand: bool,
) -> None:
    """Write a change anew. What is not given stays as it is; moves are given as a whole.

    Where the moves are others then, or an alias has moved meanwhile, what was approved before
    no longer counts. Moves that stay are kept as the versions that they mean now.
    """
    if by_hand and (when_ready or at):
        raise click.UsageError("--by-hand excludes --when-ready and --at.")
    change = registry.change(number)
    asked = [*read_moves(registry, moves), *map(_deletion, deleted)]
    armed = not by_hand and (when_ready or bool(change.armed_by))
    edited = registry.edit_change(
        number,
        change.title if title is None else title,
        asked or [_kept(one) for one in change.moves],
        reason=change.reason if why is None else why,
        labels=labels or change.labels,
        when_ready=armed,
        apply_at=None if by_hand else at or change.apply_at,
        expires_at=expires or change.expires_at,
        if_revision=change.revision,
    )
    tell_standing(out, edited, f"Change {number} is at revision {edited.revision}.")


@change_command.command("rebase")
@_number
@with_registry()
def rebase(*, registry: Registry, out: Output, number: int) -> None:
    """Have a change replace what its aliases point to now; it is approved anew then."""
    change = registry.rebase_change(number)
    if not out.as_json:
        for move in change.moves:
            out.line(told_proposed(move))
    tell_standing(out, change, f"Change {number} is rebased.")


@change_command.command("withdraw")
@_number
@_note_option
@with_registry()
def withdraw(*, registry: Registry, out: Output, number: int, note: str) -> None:
    """End a change without applying it."""
    change = registry.withdraw(number, note=note)
    tell_standing(out, change, f"Change {number} is withdrawn.")


@change_command.command("apply")
@_number
@reason_option
@glass_option
@with_registry()
def apply(*, registry: Registry, out: Output, number: int, reason: str, break_glass: bool) -> None:
    """Make the moves of a change, all of them or none. Everything is judged once more.

    Without a reason, the change's own is kept with the release.
    """
    release = registry.apply(number, reason=reason, break_glass=break_glass)
    tell_release(out, release, already=f"Change {number} moves nothing")
    note_glass(out, broken=break_glass)


def _deletion(text: str) -> dict[str, Any]:
    kind, name, alias = read_alias(text)
    return {"kind": kind, "name": name, "alias": alias, "delete": True}


def _kept(move: ProposedMove) -> dict[str, Any]:
    """A move of a change as one would propose it."""
    from pointsman.sdk.spelling import target_fields

    place = {"kind": move.kind, "name": move.name, "alias": move.alias}
    return {**place, "delete": True} if move.to is None else {**place, **target_fields(move.to)}


def _title(moves: Sequence[dict[str, Any]]) -> str:
    """What a change is called if nobody says: its first move, and how many more there are."""
    first = moves[0]
    if first.get("delete"):
        told = f"Delete {first['name']}@{first['alias']}"
    else:
        source = f"@{first['from_alias']}" if "from_alias" in first else f":{first['version']}"
        told = f"{first['name']}{source} to {first['alias']}"
    rest = f" and {len(moves) - 1} more" if len(moves) > 1 else ""
    return f"{told[:150]}{rest}"


def _short_moves(change: Change) -> str:
    return ", ".join(f"{one.name}@{one.alias} → {short_target(one.to)}" for one in change.moves)
