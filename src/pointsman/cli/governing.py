"""What the commands about changes share: what is missing, what a change is, how to propose one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry
from pointsman.cli.diff import print_diff
from pointsman.cli.evaluating import told_requirement
from pointsman.cli.moving import place_of, told_move, told_target
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, said, when
from pointsman.errors import PointsmanError, Refused

if TYPE_CHECKING:
    from pointsman.core.changes import (
        Change,
        CheckResult,
        Comment,
        Missing,
        Opinion,
        ProposedMove,
    )

_PROPOSABLE = ("approvals_missing", "not_a_mover")
"""Refusals of a move that a change is the way round."""
_STATES = {"passed": "green", "failed": "red", "inconclusive": "yellow"}
_SAID = {"approved": "approves", "objected": "objects", "taken back": "took it back"}


@contextmanager
def telling_how_to_propose(pairs: Sequence[tuple[str, str]], reason: str) -> Iterator[None]:
    """Where a move is refused for want of approvals, end with the command that asks for them.

    `pairs` are the moves: a selector, and the alias to point there.
    """
    try:
        yield
    except Refused as error:
        if any(one.code in _PROPOSABLE for one in error.reasons) or error.code in _PROPOSABLE:
            error.hint = f"Propose it: {propose_words(pairs, reason)}"
        raise


def note_glass(out: Output, *, broken: bool) -> None:
    """Say what becomes of a release that was made with the glass broken."""
    if broken:
        out.note("What it passed over, if anything, waits for a review: pointsman glass list")


def propose_words(pairs: Sequence[tuple[str, str]], reason: str) -> str:
    """The command that proposes these moves, to the registry that this command talks to."""
    words = ["pointsman", "change", "propose", *[word for pair in pairs for word in pair]]
    if reason.strip():
        words += ["--why", reason]
    given = click.get_current_context().params
    for option in ("url", "project", "data"):
        if given.get(option):
            words += [f"--{option}", str(given[option])]
    return shlex.join(words)


def read_moves(registry: Registry, words: Sequence[str]) -> list[dict[str, Any]]:
    """The moves that pairs of words spell: a selector, and the alias to point there."""
    if len(words) % 2:
        raise click.BadParameter(
            f"{words[-1]!r} stands alone: give pairs, such as support/reply:7 production.",
            param_hint="'NAME:VERSION ALIAS...'",
        )
    return [
        _read_move(registry, source, alias)
        for source, alias in zip(words[::2], words[1::2], strict=True)
    ]


def tell_change(out: Output, registry: Registry, change: Change) -> None:
    """All that is known of a change, for people."""
    out.line(f"Change {change.number}: {change.title}", bold=True)
    out.fields(_facts(change))
    _heading(out, "Moves")
    _tell_moves(out, registry, change)
    if change.opinions:
        _heading(out, "Said")
        for opinion in change.opinions:
            out.line(_told_opinion(opinion, ended=change.ended_at is not None))
    if change.checks:
        _heading(out, "Checks")
        tell_checks(out, change.checks)
    if change.missing:
        _heading(out, "Missing")
        tell_missing(out, change.missing)
    if change.comments:
        _heading(out, "Comments")
        _tell_comments(out, change.comments)
    if change.state == "ready":
        out.line()
    tell_next(out, change)


def tell_standing(out: Output, change: Change, done: str) -> None:
    """Say what was done to a change, and how it stands now."""
    if out.as_json:
        out.data(change)
        return
    out.line(done)
    if change.missing:
        who = "it is applied" if change.armed_by else "you can apply it"
        out.line(f"Missing before {who}:")
        tell_missing(out, change.missing)
    tell_next(out, change)


def tell_missing(out: Output, missing: Sequence[Missing]) -> None:
    """Everything that stands against something, each with what to do about it."""
    for one in missing:
        out.line(f"  - {one.message}")
        if one.hint:
            out.line(f"    {one.hint}", dim=True)


def tell_next(out: Output, change: Change) -> None:
    """Say what happens next, or what to type, if a change is ready."""
    if change.state != "ready":
        return
    if change.armed_by:
        out.line(f"Change {change.number} is ready, and is applied by itself{_moment(change)}.")
    else:
        out.line(f"Change {change.number} is ready: pointsman change apply {change.number}")


def tell_diff(out: Output, registry: Registry, change: Change, index: int) -> None:
    """How what a move brings differs from what it replaces, or why that can't be told."""
    move = change.moves[index]
    if move.to is None or move.current is None:
        return
    try:
        diff = registry.diff_change(change.number, move=index)
    except PointsmanError as error:
        out.line(error.message, dim=True)
        return
    print_diff(out, diff)
    out.line(f"{diff.summary}.", dim=True)


def told_proposed(move: ProposedMove) -> str:
    """``support/reply@production: version 6 → version 7``."""
    arrow = f"{told_target(move.current)} → {told_target(move.to)}"
    return f"{place_of(move.kind, move.name)}@{move.alias}: {arrow}"


def tell_checks(out: Output, checks: Sequence[CheckResult]) -> None:
    """The last report of each check, as a table."""
    rows = [
        (
            one.name,
            one.state,
            one.summary,
            ", ".join(f"{name}={value:g}" for name, value in one.figures.items()),
            one.by,
            when(one.at, out),
            one.digest[:12],
            one.link,
        )
        for one in checks
    ]
    out.table(("CHECK", "STATE", "SUMMARY", "FIGURES", "BY", "WHEN", "DIGEST", "LINK"), rows)


def _told_opinion(opinion: Opinion, *, ended: bool) -> str:
    """``ana approves, today 14:05: reads well``, and why it does not count if it doesn't."""
    note = f": {opinion.note}" if opinion.note else ""
    told = f"{opinion.by} {_SAID[opinion.said]}, {said(opinion.at)}{note}"
    if opinion.counts or ended or opinion.said == "taken back":
        return told
    return f"{told} (does not count: {opinion.why})"


def _facts(change: Change) -> list[tuple[str, str]]:
    edited = ""
    if change.revision > 1:
        edited = f"{exactly(change.updated_at)}, revision {change.revision}"
    by_itself = f"when nothing is missing{_moment(change)}, for {change.armed_by}"
    return [
        ("state", change.state),
        ("why", change.reason),
        ("proposed", f"by {change.by}, {exactly(change.at)}"),
        ("edited", edited),
        ("labels", ", ".join(change.labels)),
        ("applied", by_itself if change.armed_by and change.ended_at is None else ""),
        ("expires", "" if change.ended_at else exactly(change.expires_at)),
        ("ended", _told_end(change)),
        ("basis", "" if change.ended_at else change.basis),
    ]


def _told_end(change: Change) -> str:
    if change.ended_at is None:
        return ""
    release = f" as release {change.release}" if change.release else ""
    note = f": {change.ended_note}" if change.ended_note else ""
    return f"{exactly(change.ended_at)} by {change.ended_by}{release}{note}"


def _moment(change: Change) -> str:
    return f", not before {exactly(change.apply_at)}" if change.apply_at else ""


def _tell_moves(out: Output, registry: Registry, change: Change) -> None:
    if change.release is not None:
        for made in registry.find_release(change.release).moves:
            out.line(told_move(made))
        return
    for index, move in enumerate(change.moves):
        if change.ended_at is not None:  # what it would replace by now says nothing of it
            place = f"{place_of(move.kind, move.name)}@{move.alias}"
            out.line(f"{place}: to {told_target(move.to)}")
            continue
        policy = f" (policy {move.policy})" if move.policy else ""
        out.line(told_proposed(move) + policy)
        if move.conflict:
            out.line(f"Conflict: {move.conflict}", fg="red")
        for one in move.evaluations:
            out.line(f"Evaluation {told_requirement(one)}", fg=_STATES.get(one.state or ""))
        if move.affects:
            out.line(f"Affects {', '.join(move.affects)}, which depend on it.")
        tell_diff(out, registry, change, index)


def _tell_comments(out: Output, comments: Sequence[Comment]) -> None:
    for one in comments:
        answers = f", to {one.answers}" if one.answers is not None else ""
        out.line(f"{one.number} {one.by}, {said(one.at)}{answers}:", dim=True)
        for line in one.text.split("\n"):
            out.line(f"  {line}")


def _heading(out: Output, text: str) -> None:
    out.line()
    out.line(text, bold=True)


def _read_move(registry: Registry, source: str, alias: str) -> dict[str, Any]:
    from pointsman.core.selectors import parse_selector

    selector = parse_selector(source)
    move: dict[str, Any] = {"kind": selector.kind, "name": selector.name, "alias": alias}
    if selector.version is not None:
        return {**move, "version": selector.version}
    if selector.alias is not None:
        return {**move, "from_alias": selector.alias}
    return {**move, "version": registry.artifact(selector.name, kind=selector.kind).newest}
