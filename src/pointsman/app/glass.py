"""Broken glass: releases made past what a policy asked for, listed until somebody looks."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pointsman.app.application import View, Work
from pointsman.app.ports.governance import GlassRow
from pointsman.core.access import may
from pointsman.core.changes import BrokenGlass
from pointsman.core.names import check_message
from pointsman.core.vocabulary import moment
from pointsman.errors import Conflict, NotFound, Refused

_LISTED = 500


def record_broken_glass(work: Work, release: int, reason: str, passed: Sequence[str]) -> None:
    """Put a release on record that passed over what its policy asked for."""
    line = work.record(
        "glass.broken", {"release": release, "reason": reason, "passed": list(passed)}
    )
    work.tx.add_broken_glass(
        work.project.id,
        GlassRow(
            release=release,
            at=line.at,
            subject=work.actor.id,
            by_name=work.actor.name,
            reason=reason,
            passed=json.dumps(list(passed), ensure_ascii=False),
            reviewed_at=None,
            reviewed_by=None,
            note=None,
        ),
    )


def list_broken_glass(view: View, *, reviewed: bool = False) -> tuple[BrokenGlass, ...]:
    """The releases that broke the glass and wait for a review, or all of them; newest first."""
    view.require_all("read")
    rows = view.reader.broken_glass(view.project.id, _LISTED)
    return tuple(_told(row) for row in rows if reviewed or row.reviewed_at is None)


def to_review(view: View) -> tuple[BrokenGlass, ...]:
    """The releases that broke the glass and that the asker may review; newest first."""
    actor = view.actor
    if actor.narrow or actor.is_service or not may(actor, "approve").allowed:
        return ()
    rows = view.reader.broken_glass(view.project.id, _LISTED)
    return tuple(_told(row) for row in rows if row.reviewed_at is None and row.subject != actor.id)


def broken_glass_of(view: View, release: int) -> BrokenGlass | None:
    """What a release passed over; None where it broke no glass."""
    row = view.reader.one_broken_glass(view.project.id, release)
    return None if row is None else _told(row)


def review_broken_glass(work: Work, release: int, note: str) -> BrokenGlass:
    """Say that one has looked at it, and what came of it. By somebody else than who did it.

    Raises `NotFound`, `Conflict` (reviewed already) or `Refused`.
    """
    work.require_all("approve")
    note = check_message(note, field="note")
    row = work.tx.one_broken_glass(work.project.id, release)
    if row is None:
        raise NotFound(
            f"Release {release} broke no glass.",
            code="glass_not_found",
            hint="List what waits for a review.",
            field="release",
        )
    if row.reviewed_at is not None:
        raise Conflict(
            f"Release {release} was reviewed by {row.reviewed_by} already.",
            code="reviewed_already",
            hint="Nothing is left to do.",
        )
    if work.actor.is_service:
        raise Refused(
            f"{work.actor.name!r} is a service: a person has to look at broken glass.",
            code="services_do_not_review",
            hint="Review it with a key or session of your own.",
        )
    if row.subject == work.actor.id:
        raise Refused(
            f"{row.by_name} broke the glass and can't be the one to review it.",
            code="own_glass",
            hint="Ask somebody else to look at it.",
        )
    line = work.record("glass.reviewed", {"release": release, "note": note})
    work.tx.review_glass(work.project.id, release, line.at, work.actor.name, note)
    row = row._replace(reviewed_at=line.at, reviewed_by=work.actor.name, note=note)
    return _told(row)


def _told(row: GlassRow) -> BrokenGlass:
    return BrokenGlass(
        release=row.release,
        at=moment(row.at),
        by=row.by_name,
        reason=row.reason,
        passed=tuple(json.loads(row.passed)),
        reviewed_at=None if row.reviewed_at is None else moment(row.reviewed_at),
        reviewed_by=row.reviewed_by or "",
        note=row.note or "",
    )
