"""The operations about the record: the journal to take along, checkpoints, evidence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from pointsman.app import checkpoints, history
from pointsman.app import record as records
from pointsman.app.application import View
from pointsman.core.record import Evidence, JournalHead, JournalLines, SignedCheckpoint
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Write, micros_of

T = TypeVar("T")
OfInstallation = Annotated[
    bool,
    Meta(description="Of the installation's journal, for its admins, not of the project's."),
]


class HeadQuery(Struct, forbid_unknown_fields=True):
    """Whose journal."""

    installation: OfInstallation = False


class LinesQuery(Struct, forbid_unknown_fields=True):
    """Which entries."""

    after: Annotated[shapes.Seq, Meta(description="All entries above this number.")] = 0
    limit: Annotated[int, Meta(ge=1, le=records.MAX_LINES)] = 1_000
    installation: OfInstallation = False


class CheckpointsQuery(shapes.PageQuery, forbid_unknown_fields=True):
    """A page of checkpoints."""

    installation: OfInstallation = False


class EvidenceQuery(Struct, forbid_unknown_fields=True):
    """What was live, and when."""

    selector: Annotated[str, Meta(description="Such as support/reply@production.")]
    at: Annotated[datetime | None, Meta(description="A moment that has passed; else now.")] = None


def _of(call: Call, use_case: Callable[[View], T]) -> Read:
    """A look at the journal that the query names: the project's, or the installation's."""
    if not call.query.installation:
        return Read(use_case)
    return Read(lambda v: use_case(records.of_installation(v)))


def _head(call: Call) -> Read:
    return _of(call, records.journal_head)


def _lines(call: Call) -> Read:
    after, limit = call.query.after, call.query.limit
    return _of(call, lambda v: records.journal_lines(v, after, limit))


def _checkpoints(call: Call) -> Read:
    limit, cursor = call.query.limit, call.query.cursor
    return _of(call, lambda v: checkpoints.list_checkpoints(v, limit=limit, cursor=cursor))


def _sign(call: Call) -> Write:
    return Write(checkpoints.make, SignedCheckpoint)


def _evidence(call: Call) -> Read:
    selector, at = parse_selector(call.query.selector), micros_of(call.query.at)
    return Read(lambda v: history.evidence(v, selector, at))


ROUTES: tuple[Route, ...] = (
    Route("GET", "/journal/head", "read", "Show where the journal ends", _head, JournalHead,
          query=HeadQuery),
    Route("GET", "/journal/lines", "read", "Read the journal as its hashes cover it", _lines,
          JournalLines, query=LinesQuery),
    Route("GET", "/checkpoints", "read", "List signed checkpoints", _checkpoints,
          Page[SignedCheckpoint], query=CheckpointsQuery),
    Route("POST", "/checkpoints", "admin", "Sign a checkpoint of the journal", _sign,
          SignedCheckpoint, body=shapes.Nothing),
    Route("GET", "/evidence", "read", "Show what was live, why, and on what evidence", _evidence,
          Evidence, query=EvidenceQuery),
)  # fmt: skip
