"""What can be asked about the record: the journal to take along, checkpoints, evidence."""

from __future__ import annotations

import os
from datetime import datetime

from pointsman.core.plain import from_plain
from pointsman.core.record import Evidence, JournalHead, JournalLines, SignedCheckpoint
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page
from pointsman.sdk.asking import get
from pointsman.sdk.calls import Request, Steps, checked
from pointsman.sdk.spelling import parameters


class RecordTasks:
    """The tasks; see `manage.Tasks`."""

    def journal_head(self, *, installation: bool = False) -> Steps[JournalHead]:
        """Whose journal it is, and where it ends.

        With `installation`, here and below: the one that people, groups and projects are on
        record in, for admins of the installation. Raises `Refused`, or `NotFound` before there
        is one.
        """
        reply = yield from get("/journal/head", parameters(installation=installation or None))
        return from_plain(JournalHead, reply.body)

    def journal_lines(
        self, after: int = 0, *, limit: int = 1_000, installation: bool = False
    ) -> Steps[JournalLines]:
        """Journal entries above a number, oldest first, as what their hashes are made of.

        Nothing is checked: that is for whoever verifies them.
        """
        query = parameters(after=after, limit=limit, installation=installation or None)
        reply = yield from get("/journal/lines", query)
        return from_plain(JournalLines, reply.body)

    def checkpoint(self, *, idempotency_key: str | None = None) -> Steps[SignedCheckpoint]:
        """Sign where the journal stands; the same again if it has not grown since.

        Raises `Conflict` if the registry has no key to sign with.
        """
        key = os.urandom(16).hex() if idempotency_key is None else idempotency_key
        reply = yield Request(
            "POST",
            "/checkpoints",
            body={},
            headers={"Idempotency-Key": key},
            repeatable=True,
            changes=lambda _: [],
        )
        return from_plain(SignedCheckpoint, checked(reply).body)

    def checkpoints(
        self, *, limit: int = 50, cursor: str | None = None, installation: bool = False
    ) -> Steps[Page[SignedCheckpoint]]:
        """The signed checkpoints of the journal, newest first."""
        query = parameters(limit=limit, cursor=cursor, installation=installation or None)
        reply = yield from get("/checkpoints", query)
        return from_plain(Page[SignedCheckpoint], reply.body)

    def evidence(self, selector: str, *, at: datetime | None = None) -> Steps[Evidence]:
        """What a selector meant at a moment, who put it there and why, on what evidence.

        Raises `NotFound`.
        """
        query = parameters(selector=str(parse_selector(selector)), at=at)
        reply = yield from get("/evidence", query)
        return from_plain(Evidence, reply.body)
