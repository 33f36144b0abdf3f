"""The record: where the journal stands, signed checkpoints of it, and whether it is sound."""

from __future__ import annotations

from pointsman.app import checkpoints, record, verifying
from pointsman.app.application import View
from pointsman.app.verifying import Verified
from pointsman.core.access import may, refuse_narrow
from pointsman.core.record import JournalHead, SignedCheckpoint
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import PointsmanError
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import listed

PER_PAGE = 20
_THINGS = {
    "entries": ("entry", "entries"),
    "checkpoints": ("checkpoint", "checkpoints"),
}


def record_page(visit: Visit) -> Answer:
    """Where the journal stands."""
    return _shown(visit)


def act(visit: Visit) -> Answer:
    """Verify the record, or sign where it stands."""
    try:
        if visit.given("deed") == "sign":
            made = visit.do(checkpoints.make)
            note = f"A checkpoint of {made.seq:,} entries is signed."
            return visit.go(f"/projects/{visit.project}/record", note)
        return _shown(visit, verified=visit.see(verifying.verify_record))
    except PointsmanError as error:
        return _shown(visit, error=error)


def _shown(
    visit: Visit, *, verified: Verified | None = None, error: PointsmanError | None = None
) -> Answer:
    cursor = visit.ask("after") or None

    def look(view: View) -> tuple[JournalHead, Items[SignedCheckpoint], bool]:
        admin = may(view.actor, "admin").allowed and refuse_narrow(view.actor, "admin").allowed
        signed = checkpoints.list_checkpoints(view, limit=PER_PAGE, cursor=cursor)
        return record.journal_head(view), signed, admin

    head, signed, admin = visit.see(look)
    return visit.page(
        "record.html",
        status=200 if error is None else status_of(error),
        head=head,
        signed=signed.items,
        older=signed.cursor,
        key=signed.items[0].key if signed.items else "",
        admin=admin,
        verified=verified,
        counted="" if verified is None else _counted(verified),
        error=None if error is None else told(error),
    )


def _counted(verified: Verified) -> str:
    """What was looked at, as a row of words."""
    checked = dict(verified.report.checked)
    words = [_amount(checked.pop(thing, 0), *names) for thing, names in _THINGS.items()]
    state = verified.diagnosis.checked if verified.diagnosis else {}
    words += [
        f"{count:,} {thing}" for thing, count in state.items() if count and thing != "entries"
    ]
    return listed([one for one in words if one])


def _amount(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


PAGES = (
    Page("GET", "/projects/{project}/record", record_page),
    Page("POST", "/projects/{project}/record", act, slow=True),
)
