"""The journal to take along: where it ends, and its entries as what their hashes are made of."""

from __future__ import annotations

from pointsman.app.application import Caller, View
from pointsman.app.paging import check_limit
from pointsman.app.people import require_everywhere
from pointsman.core.journal import genesis, spelled
from pointsman.core.people import INSTALLATION
from pointsman.core.record import JournalHead, JournalLines
from pointsman.core.vocabulary import moment
from pointsman.errors import InvalidInput, NotFound

MAX_LINES = 10_000


def of_installation(view: View) -> View:
    """The same look at the record of the whole installation: of people, groups and projects.

    Raises `Refused` (for admins of the installation), or `NotFound` before there is one.
    """
    require_everywhere(view)
    home = view.reader.project(INSTALLATION)
    if home is None:
        raise NotFound(
            "Nothing is on record yet for the whole installation.",
            code="no_installation_record",
            hint="Its journal begins with the first person, group or further project.",
        )
    return View(view.reader, Caller(view.actor, home), view.clock_now)


def journal_head(view: View) -> JournalHead:
    """Whose journal it is, and where it ends."""
    view.require_all("read")
    head = view.reader.head(view.project.id)
    return JournalHead(
        project=view.project.name,
        uid=view.project.uid,
        store=view.reader.meta("store") or "",
        epoch=view.reader.meta("epoch") or "",
        seq=head.seq,
        at=moment(head.at),
        hash=head.hash,
    )


def journal_lines(view: View, after: int, limit: int = MAX_LINES) -> JournalLines:
    """Entries above the number `after`, oldest first, as what their hashes are made of.

    Nothing is checked: whoever verifies them shall see what is stored.
    """
    view.require_all("read")
    if after < 0:
        raise InvalidInput("`after` is below 0.", field="after", hint="Start with 0.")
    limit = check_limit(limit, most=MAX_LINES)
    lines = view.reader.lines(view.project.id, after, limit)
    before = view.reader.lines(view.project.id, after - 1, 1) if after else []
    previous = before[0].hash if before else genesis(view.project.uid).hash
    return JournalLines(spelled(previous, lines), lines[-1].seq if lines else None)
