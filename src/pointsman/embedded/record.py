"""The record of an embedded registry: the journal to take along, checkpoints, evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

from pointsman.app import checkpoints, history, record
from pointsman.app.application import View
from pointsman.app.collecting import named_files, run_files
from pointsman.app.holding import Held, hold
from pointsman.core.checkpoints import Checkpoint, parse_note, parse_verifier_key
from pointsman.core.record import Evidence, JournalHead, JournalLines, SignedCheckpoint
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page, micros
from pointsman.embedded.asking import Asking
from pointsman.errors import IntegrityError, InvalidInput
from pointsman.storage import backup, backup_blobs
from pointsman.storage.backup import Manifest
from pointsman.storage.backup_blobs import Copied
from pointsman.storage.blobs import Folder, open_blobs
from pointsman.storage.records import Records

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and what the copy is kept from doing by itself."""

    manifest: Manifest
    held: tuple[Held, ...]
    files: Copied | None = None
    """The files of models; None if they were left out."""


class RecordWords(Asking):
    """What `compose.Registry` answers about the record."""

    def journal_head(self, *, installation: bool = False) -> JournalHead:
        """Whose journal it is, and where it ends."""
        return self._read_of(installation, record.journal_head)

    def journal_lines(
        self, after: int = 0, *, limit: int = 1_000, installation: bool = False
    ) -> JournalLines:
        """Journal entries above a number, oldest first, as what their hashes are made of."""
        return self._read_of(installation, lambda v: record.journal_lines(v, after, limit))

    def checkpoint(self, *, idempotency_key: str | None = None) -> SignedCheckpoint:
        """Sign where the journal stands; the same again if it has not grown since."""
        store, project = self._app.store, self._caller.project
        shelves = checkpoints.shelves(store)
        made = self._write(checkpoints.make, SignedCheckpoint, idempotency_key, "checkpoint")
        for problem in checkpoints.place_everywhere(store, [project], shelves):
            raise problem
        return made

    def checkpoints(
        self, *, limit: int = 50, cursor: str | None = None, installation: bool = False
    ) -> Page[SignedCheckpoint]:
        """The signed checkpoints of the journal, newest first."""
        return self._read_of(
            installation, lambda v: checkpoints.list_checkpoints(v, limit=limit, cursor=cursor)
        )

    def evidence(self, selector: str, *, at: datetime | None = None) -> Evidence:
        """What a selector meant at a moment, who put it there and why, on what evidence."""
        wanted, when = parse_selector(selector), None if at is None else micros(at)
        return self._read(lambda v: history.evidence(v, wanted, when))

    def _read_of(self, installation: bool, use_case: Callable[[View], T]) -> T:
        """A look at the record of the project, or of the whole installation."""
        if not installation:
            return self._read(use_case)
        return self._read(lambda v: use_case(record.of_installation(v)))


def read_checkpoint(text: str, key: str | None) -> Checkpoint:
    """What a signed checkpoint says; with a public key, only if that signed it.

    Raises `InvalidInput` for what is no checkpoint or key, and `IntegrityError` for a
    signature that is missing or bad.
    """
    note = parse_note(text)
    if key is not None and not checkpoints.signed_by(note, parse_verifier_key(key)):
        raise IntegrityError(
            "The checkpoint does not bear a good signature of this key.",
            code="bad_signature",
            hint="It was changed, or another key signed it: don't trust it.",
            field="checkpoint",
        )
    return note.checkpoint


def make_backup(data: str, database: str, target: str, *, blobs: bool = True) -> Manifest:
    """Back the registry in a folder or a database up; see `storage.backup.make`.

    With `blobs`, the files of models are copied as well; `files_in` says what became of them.
    """

    def beside(records: Records) -> Callable[[Path], None]:
        wanted = _wanted(records)

        def write(part: Path) -> None:
            if wanted:
                copied = backup_blobs.copy(
                    open_blobs(data or None), Folder(part / backup_blobs.FOLDER), wanted
                )
            else:
                copied = Copied(0, 0, ())
            backup_blobs.write_list(part, copied)

        return write

    return backup.make(_place(data, database), Path(target), beside if blobs else None)


def files_in(source: str) -> Copied | None:
    """The files of models that are in a backup; None if they were left out."""
    return backup_blobs.read_list(Path(source))


def restore_backup(
    source: str, data: str, database: str, *, live: bool = False, blobs: bool = True
) -> Restored:
    """Restore a backup to an empty place; see `storage.backup.restore`.

    Unless it is to go on `live`, its webhooks are disabled and its changes disarmed, so that
    a copy does not do what its original does. With `blobs`, the files of models are put where
    this registry keeps them, before there is a registry.
    """
    held: list[Held] = []
    copied: list[Copied] = []

    def settle(records: Records) -> None:
        if not live:
            held.extend(hold(records, time.time_ns() // 1000))
        if wanted := _wanted(records) if blobs else []:
            there = files_in(source) is not None
            kept = Folder(Path(source) / backup_blobs.FOLDER) if there else None
            copied.append(backup_blobs.copy(kept, open_blobs(data or None), wanted))

    place = _place(data, database)
    manifest = backup.restore(Path(source), place, None if live and not blobs else settle)
    return Restored(manifest, tuple(held), copied[0] if copied else None)


def _wanted(records: Records) -> list[backup_blobs.Wanted]:
    """The files that versions and runs name."""
    tracking = records.has_migration("tracking")  # a backup may be of an older schema
    return [
        (project.uid, one.entry)
        for project in records.projects()
        for one in chain(
            named_files(records, project), run_files(records, project) if tracking else ()
        )
    ]


def _place(data: str, database: str) -> backup.Place:
    if not database:
        return backup.SqlitePlace(Path(data))
    if not database.startswith(("postgresql://", "postgres://")):
        raise InvalidInput(
            f"The database {database.split('://')[0]!r} is not supported.",
            code="invalid_database",
            hint="Give a postgresql:// URL, or a folder.",
            field="database",
        )
    return backup.PostgresPlace(database)


__all__ = [
    "Copied",
    "Manifest",
    "RecordWords",
    "Restored",
    "files_in",
    "make_backup",
    "read_checkpoint",
    "restore_backup",
]
