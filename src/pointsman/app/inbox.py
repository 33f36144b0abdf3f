"""What waits for somebody: changes to approve, to mend and to apply, and broken glass to review."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pointsman.app.application import View
from pointsman.app.basis import places_of
from pointsman.app.deciding import check_could_count, check_may_say
from pointsman.app.glass import to_review
from pointsman.app.ports.governance import ChangeRow
from pointsman.app.reviewing import every_open, readable
from pointsman.core.changes import BrokenGlass, Change
from pointsman.errors import Refused

LOOKED_AT = 100
"""Open changes that are looked at, the newest ones."""
_NEEDS_ITS_AUTHOR = {
    "objection",
    "check_not_passed",
    "evaluation_not_passed",
    "change_conflict",
    "reason_required",
    "reason_too_short",
    "tombstoned",
    "archived",
    "loose_include",
    "loose_suite",
}


@dataclass(frozen=True, slots=True)
class Mending:
    """A change of the asker's own that goes no further by itself, and what stands against it."""

    change: Change
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for the asker. `beyond` tells that more changes are open than were looked at."""

    approve: tuple[Change, ...]
    mend: tuple[Mending, ...]
    apply: tuple[Change, ...]
    review: tuple[BrokenGlass, ...]
    beyond: bool = False

    @property
    def count(self) -> int:
        """How many things those are."""
        return len(self.approve) + len(self.mend) + len(self.apply) + len(self.review)


def inbox_of(view: View) -> Inbox:
    """What waits for the asker, each change in one place: where its next step is."""
    view.require("read")
    approve: list[Change] = []
    mend: list[Mending] = []
    apply: list[Change] = []
    rows = list(islice(every_open(view), LOOKED_AT + 1))
    for row in rows[:LOOKED_AT]:
        for change in readable(view, [row]):
            because = tuple(_for_its_author(change)) if _is_mine(view, row) else ()
            if because:
                mend.append(Mending(change, because))
            elif _may_apply(change):
                apply.append(change)
            elif _may_approve(view, row, change):
                approve.append(change)
    return Inbox(
        tuple(approve),
        tuple(mend),
        tuple(apply),
        to_review(view),
        len(rows) > LOOKED_AT,
    )


def _is_mine(view: View, row: ChangeRow) -> bool:
    return view.actor.id == row.author or view.actor.id in json.loads(row.editors)


def _for_its_author(change: Change) -> Iterator[str]:
    if change.state != "open":
        return
    yield from (one.message for one in change.missing if one.code in _NEEDS_ITS_AUTHOR)
    for one in change.opinions:
        if one.said == "approved" and not one.counts:
            yield f"The approval of {one.by} does not count any more: {one.why}."


def _may_apply(change: Change) -> bool:
    """Whether all is there and it is up to the asker; what is armed goes by itself."""
    return change.state == "ready" and not change.armed_by


def _may_approve(view: View, row: ChangeRow, change: Change) -> bool:
    codes = {one.code for one in change.missing}
    if "approvals_missing" not in codes or "change_conflict" in codes:
        return False  # what conflicts is written anew first
    said = {
        one.subject
        for one in view.reader.voices(view.project.id, row.number)
        if one.basis == change.basis and one.standing in ("approved", "objected")
    }
    if view.actor.id in said:
        return False
    places = places_of(view, row)
    try:
        check_may_say(view, places)
        check_could_count(view, row, places)
    except Refused:
        return False
    return True
