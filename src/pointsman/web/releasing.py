"""A release: what it moved and on what grounds, undoing it as a whole, reviewing broken glass."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import deciding, glass, recalling, releases, reviewing
from pointsman.app.application import View
from pointsman.core.changes import Change
from pointsman.core.record import ReleaseRecord
from pointsman.errors import InvalidInput, PointsmanError, Reason, Refused
from pointsman.web.swaps import Swap, swaps_of
from pointsman.web.visit import Answer, Page, Visit, status_of, told


@dataclass(frozen=True, slots=True)
class Undoing:
    """Whether a release can be undone as a whole: what stands against it, if anything.

    `moved` are the places of moves whose aliases have moved since.
    """

    moved: tuple[int, ...]
    against: tuple[Reason, ...]
    rollback: bool

    @property
    def possible(self) -> bool:
        """Whether it can be undone by who looks."""
        return not (self.moved or self.against or self.rollback)


def release_page(visit: Visit) -> Answer:
    """What a release moved, why, who, and on what grounds."""
    return _shown(visit)


def rollback_page(visit: Visit) -> Answer:
    """What returns if a release is undone."""
    return _shown_back(visit)


def roll_back(visit: Visit) -> Answer:
    """Undo a whole release."""
    number, reason = visit.place, visit.given("reason").strip()
    try:
        done = visit.do(lambda work: releases.roll_back_release(work, number, reason))
    except PointsmanError as error:
        return _shown_back(visit, error=error, reason=reason)
    there = f"/projects/{visit.project}/releases/{done.number}"
    return visit.go(there, f"Release {number} is rolled back.")


def review(visit: Visit) -> Answer:
    """Say that one has looked at broken glass, and what came of it."""
    number, note = visit.place, visit.given("note").strip()
    try:
        if not note:
            raise InvalidInput(
                "A review needs a note.",
                code="note_required",
                hint="Say what you found, and what follows from it.",
                field="note",
            )
        visit.do(lambda work: glass.review_broken_glass(work, number, note))
    except PointsmanError as error:
        return _shown(visit, error=error, note=note)
    there = f"/projects/{visit.project}/releases/{number}"
    return visit.go(there, "The broken glass is reviewed.")


def _shown(visit: Visit, *, error: PointsmanError | None = None, note: str = "") -> Answer:
    number = visit.place

    def look(view: View) -> tuple[ReleaseRecord, list[Swap], Change | None, Undoing, bool]:
        record = recalling.recall(view, number)
        mine = any(one.release == number for one in glass.to_review(view))
        return record, _swaps(view, record), _change(view, record), _undoing(view, record), mine

    record, swaps, change, undoing, may_review = visit.see(look)
    return visit.page(
        "release.html",
        status=200 if error is None else status_of(error),
        record=record,
        release=record.release,
        swaps=swaps,
        change=change,
        undoing=undoing,
        may_review=may_review,
        error=None if error is None else told(error),
        note_typed=note,
    )


def _shown_back(visit: Visit, *, error: PointsmanError | None = None, reason: str = "") -> Answer:
    number = visit.place

    def look(view: View) -> tuple[ReleaseRecord, list[Swap], Undoing]:
        record = recalling.recall(view, number)
        return record, _swaps(view, record, back=True), _undoing(view, record)

    record, swaps, undoing = visit.see(look)
    return visit.page(
        "release_rollback.html",
        status=200 if error is None else status_of(error),
        record=record,
        release=record.release,
        swaps=swaps,
        undoing=undoing,
        error=None if error is None else told(error),
        reason=reason,
    )


def _swaps(view: View, record: ReleaseRecord, *, back: bool = False) -> list[Swap]:
    """What the release replaced by what, or what would return for what is there now."""
    ends = [
        (one.kind, one.name, one.alias, now, one.before)
        if back
        else (one.kind, one.name, one.alias, one.before, one.to)
        for one, now in zip(record.release.moves, record.now, strict=True)
    ]
    return swaps_of(view, ends, proposed=back)


def _change(view: View, record: ReleaseRecord) -> Change | None:
    if record.change is None:
        return None
    try:
        return reviewing.show(view, record.change)
    except Refused:
        return None  # it moves other things as well, which are not for all to see


def _undoing(view: View, record: ReleaseRecord) -> Undoing:
    return Undoing(
        tuple(index for index, there in enumerate(record.stands) if not there),
        deciding.against_undoing(view, record.release),
        record.release.undoes is not None,
    )


PAGES = (
    Page("GET", "/projects/{project}/releases/{number}", release_page),
    Page("POST", "/projects/{project}/releases/{number}", review),
    Page("GET", "/projects/{project}/releases/{number}:rollback", rollback_page),
    Page("POST", "/projects/{project}/releases/{number}:rollback", roll_back),
)
