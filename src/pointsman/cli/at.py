"""`pointsman at` and `pointsman changed`: how things stood, and what changed since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.moving import place_of, told_target
from pointsman.cli.output import Output
from pointsman.cli.times import MOMENT, exactly

if TYPE_CHECKING:
    from pointsman.core.record import Evidence

_GRACE = timedelta(minutes=1)
"""By how much this machine's clock may be behind that of the registry."""


@click.command("at", short_help="What a selector meant at a moment, and why.")
@click.argument("moment", type=MOMENT)
@click.argument("selector")
@click.option(
    "--for", "reader", metavar="WHO", help="Whoever is served: decides the version of a split."
)
@click.option("--evidence", is_flag=True, help="Also who approved it, and on what checks.")
@with_registry()
def at_command(
    *,
    registry: Registry,
    out: Output,
    moment: datetime,
    selector: str,
    reader: str | None,
    evidence: bool,
) -> None:
    """Show what SELECTOR meant at a moment, and who put it there and why.

    Moments without a zone are in that of this machine.

    \b
    Examples:
      pointsman at '2026-11-20 02:00' support/reply@production
      pointsman at 'yesterday 02:00' support/reply@production
      pointsman at '2h ago' support/reply
      pointsman at now support/reply@production --evidence
    """
    if moment > datetime.now(UTC) + _GRACE:
        raise click.BadParameter(
            f"{exactly(moment)} is still to come, and nobody knows what it brings. Give a moment "
            "that has passed, or now.",
            param_hint="'MOMENT'",
        )
    if evidence:
        _tell_evidence(out, registry.evidence(selector, at=moment))
        return
    resolution = registry.resolve(selector, at=moment, key=reader)
    if out.as_json:
        out.data(resolution)
        return
    place = place_of(resolution.kind, resolution.name)
    why = resolution.why
    out.line(f"{resolution.selector} at {exactly(moment)}: version {resolution.version}", bold=True)
    split = ", ".join(f"{arm.version} ({arm.weight})" for arm in why.split)
    moved = ""
    if why.moved_at is not None:
        moved = f"{exactly(why.moved_at)} by {why.moved_by}"
    out.fields(
        [
            ("split", split),
            ("moved", moved),
            ("why", why.reason or ""),
            ("release", f"{why.release} (revision {why.revision})" if why.release else ""),
            ("message", resolution.message),
            ("author", f"{resolution.author}, {exactly(resolution.created_at)}"),
            ("digest", resolution.digest),
            ("includes", "\n".join(f"{i.selector} → {i.name}:{i.version}" for i in why.includes)),
        ]
    )
    out.line(f"Its content: pointsman show {place}:{resolution.version}", dim=True)


def _tell_evidence(out: Output, found: Evidence) -> None:
    if out.as_json:
        out.data(found)
        return
    numbers = ", ".join(
        str(one.number) + (f" ({one.weight})" if one.weight is not None else "")
        for one in found.versions
    )
    version = "version" if len(found.versions) == 1 else "versions"
    out.line(f"{found.selector} at {exactly(found.at)}: {version} {numbers}", bold=True)
    pairs = []
    move = found.move
    if move is not None:
        undoes = f", undoing release {move.undoes}" if move.undoes else ""
        pairs += [
            ("moved", f"{exactly(move.at)} by {move.by} ({move.actor}) through {move.via}"),
            ("why", move.reason),
            ("release", f"{move.release} (revision {move.revision}){undoes}"),
            ("entry", f"{move.seq} {move.hash}"),
            ("change", str(found.change) if found.change is not None else ""),
            ("approved by", "\n".join(_told_approval(one) for one in found.approvals)),
            ("checks", "\n".join(_told_check(one) for one in found.checks)),
            ("evaluated", "\n".join(_told_evaluation(one) for one in found.evaluations)),
            ("passed over", "\n".join(_told_glass(one) for one in found.glass)),
        ]
    for one in found.versions:
        message = f": {one.message}" if one.message else ""
        made = f"by {one.author}, {exactly(one.created_at)}{message}"
        pairs.append((f"version {one.number}", f"{made}\n{one.digest}"))
    out.fields(pairs)


def _told_approval(fact: Mapping[str, Any]) -> str:
    at = fact.get("at")
    when = f", {exactly(datetime.fromtimestamp(at / 1e6, UTC))}" if isinstance(at, int) else ""
    return f"{fact.get('name') or fact.get('id')} ({fact.get('id')}){when}"


def _told_check(fact: Mapping[str, Any]) -> str:
    return f"{fact.get('name')}: {fact.get('state')} on {fact.get('digest')}"


def _told_evaluation(fact: Mapping[str, Any]) -> str:
    suite = fact.get("suite")
    if not suite:
        return f"{fact.get('version')}: no suite is for it"
    number = fact.get("evaluation")
    told = f", evaluation {number}" if number is not None else ""
    if fact.get("failed"):
        told += f" ({', '.join(map(str, fact['failed']))} failed on the same)"
    return f"{fact.get('version')}: {fact.get('state') or 'not run'} by {suite}{told}"


def _told_glass(fact: Any) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)


@click.command("changed", short_help="What differs between two moments.")
@click.option("--since", type=MOMENT, required=True, help="The earlier moment.")
@click.option("--until", type=MOMENT, default=None, help="The later one; now, if left out.")
@with_registry()
def changed_command(
    *, registry: Registry, out: Output, since: datetime, until: datetime | None
) -> None:
    """Show what differs between two moments: aliases that moved, artifacts with new versions.

    \b
    Example:
      pointsman changed --since 'yesterday 18:00'
    """
    until = until or datetime.now(UTC)
    differences = registry.differences(since, until)
    if out.as_json:
        out.data({"since": since, "until": until, "differences": differences})
        return
    rows = [
        (
            place_of(one.kind, one.name) + (f"@{one.alias}" if one.alias else " (newest)"),
            told_target(one.before),
            told_target(one.after),
            str(one.moves),
        )
        for one in differences
    ]
    if rows:
        out.table(("WHAT", "BEFORE", "AFTER", "TIMES"), rows)
    else:
        out.line("Nothing changed.")
    out.note(f"From {exactly(since)} to {exactly(until)}.")
