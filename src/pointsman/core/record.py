"""What is told of the record itself: where a journal stands, checkpoints of it, evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pointsman.core.changes import BrokenGlass
from pointsman.core.vocabulary import Release, Target


@dataclass(frozen=True, slots=True)
class JournalHead:
    """Whose journal it is, and where it ends: the number, time and hash of its last entry.

    `store` names the place where it is kept, and stays the same through backups; `epoch` is
    raised when the place was restored from one.
    """

    project: str
    uid: str
    store: str
    epoch: str
    seq: int
    at: datetime
    hash: str

    @property
    def origin(self) -> str:
        """What checkpoints of this journal begin with."""
        return f"pointsman/{self.store}/{self.uid}"


@dataclass(frozen=True, slots=True)
class JournalLines:
    """Entries as the text that their hashes are made of, and the number of the last one.

    `last` is None where there are no more entries.
    """

    lines: tuple[str, ...]
    last: int | None


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A signed statement of where a journal stood.

    `note` is the whole of it, in the form C2SP tlog-checkpoint; the rest says what is in it.
    `key` is the public key to verify it with, as text.
    """

    seq: int
    hash: str
    at: datetime
    key: str
    note: str


@dataclass(frozen=True, slots=True)
class EvidenceVersion:
    """One version that was live, and who made it."""

    number: int
    digest: str
    author: str
    created_at: datetime
    message: str
    weight: int | None = None
    """Its share of the readers, where an alias was split."""


@dataclass(frozen=True, slots=True)
class EvidenceMove:
    """The move that put an alias where it was, as the journal has it."""

    seq: int
    hash: str
    release: int
    revision: int
    at: datetime
    by: str
    actor: str
    via: str
    reason: str
    undoes: int | None = None
    """The release that it rolled back."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a selector meant at a moment, who put it there and why, and on what grounds.

    `move` is None where no alias was asked for. `change` is the number of the change that was
    applied; `approvals`, `checks`, `evaluations` and `glass` are what was recorded with the
    move: who approved, which checks and evaluations counted (those for the moves made with
    it last), and what was passed over by breaking the glass.
    """

    selector: str
    kind: str
    name: str
    alias: str | None
    at: datetime
    versions: tuple[EvidenceVersion, ...]
    move: EvidenceMove | None = None
    change: int | None = None
    approvals: tuple[Mapping[str, Any], ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    evaluations: tuple[Mapping[str, Any], ...] = ()
    glass: tuple[Any, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release with what is on record of it: on what grounds it was made, and what became of it.

    `change` is the change that was applied, `policies` what governed its moves; `approvals`,
    `checks` and `evaluations` are those that counted, `glass` what was passed over. For each
    move, in order, `now` tells where the alias points by now, `undone_by` the release that put
    it back, if one did, and `stands` whether it is where this release put it.
    """

    release: Release
    change: int | None
    policies: tuple[str, ...]
    approvals: tuple[Mapping[str, Any], ...]
    checks: tuple[Mapping[str, Any], ...]
    evaluations: tuple[Mapping[str, Any], ...]
    glass: BrokenGlass | None
    now: tuple[Target | None, ...]
    stands: tuple[bool, ...]
    undone_by: tuple[int | None, ...]
