"""Verifying the record where it is kept: the chain, the checkpoints of it, and the state.

What it says is worth as much as the machine it runs on; the same can be done elsewhere with an
export alone (`core.verification`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pointsman.app.application import View
from pointsman.app.checkpoints import list_checkpoints, signed_by
from pointsman.app.doctor import examine
from pointsman.app.record import MAX_LINES, journal_head, journal_lines
from pointsman.core.checkpoints import Checkpoint, parse_note, parse_verifier_key
from pointsman.core.verification import Header, Report, verify
from pointsman.core.vocabulary import Diagnosis
from pointsman.errors import InvalidInput

MOST_ENTRIES = 200_000
"""So many entries, the last ones, are verified at once: some seconds."""
MOST_EXAMINED = 50_000
"""Up to so many entries, the state is held against all that the journal tells."""
MOST_CHECKPOINTS = 1_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. `forged` are the sizes of checkpoints that nobody can have signed so.

    `diagnosis` is None where the journal is too long to hold the state against it at once.
    """

    report: Report
    signatures: int
    forged: tuple[int, ...]
    diagnosis: Diagnosis | None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        whole = self.diagnosis is None or self.diagnosis.healthy
        return self.report.sound and not self.forged and whole


def verify_record(
    view: View, *, most_entries: int = MOST_ENTRIES, most_examined: int = MOST_EXAMINED
) -> Verified:
    """Verify the last entries of the journal, the checkpoints of them, and the state.

    Takes a time that is bounded by these numbers. Raises `Refused`: it is for admins.
    """
    view.require_all("admin")
    head = journal_head(view)
    after = max(0, head.seq - most_entries)
    header = Header(head.project, head.uid, head.store, head.epoch, head.seq, head.hash, after)
    checkpoints, forged, count = _checkpoints(view, after)
    report = verify(header, _lines(view, after), checkpoints)
    diagnosis = examine(view) if head.seq <= most_examined else None
    return Verified(report, count, forged, diagnosis)


def _checkpoints(view: View, after: int) -> tuple[list[Checkpoint], tuple[int, ...], int]:
    """The newest checkpoints that say something of these entries; those with a wrong signature."""
    found, forged, count = [], [], 0
    for one in list_checkpoints(view, limit=MOST_CHECKPOINTS).items:
        try:
            note = parse_note(one.note)
            genuine = signed_by(note, parse_verifier_key(one.key))
        except InvalidInput:
            forged.append(one.seq)
            continue
        count += genuine
        if not genuine:
            forged.append(one.seq)
        if note.checkpoint.size >= after:
            found.append(note.checkpoint)
    return found, tuple(forged), count


def _lines(view: View, after: int) -> Iterator[bytes]:
    while True:
        part = journal_lines(view, after, MAX_LINES)
        if part.last is None:
            return
        yield from (f"{line}\n".encode() for line in part.lines)
        after = part.last
