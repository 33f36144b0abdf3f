"""Looking after the blobs of a project: removing what nothing names, and checking the rest.

What a version or a file of a run names is never removed. Looking takes place outside of any
transaction; removal takes place in one that writes to the project, which publishes nothing
meanwhile, after looking at what was published since. What was uploaded within the last hour is
left alone: its version may be about to be published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from pointsman.app.blobs import File, Verified, read_file
from pointsman.app.ports import ProjectRow, Reader, Store, Transaction
from pointsman.app.ports.blobs import Blob
from pointsman.core.models import FileEntry, restore_files
from pointsman.errors import IntegrityError

YOUNG: Final = 3600 * 1_000_000
"""Microseconds for which a blob that no version names is left alone."""
_BATCH: Final = 200
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed from a project's blobs, and what is left."""

    project: str
    removed: int
    freed: int
    leftovers: int
    kept: int


@dataclass(frozen=True, slots=True)
class Flaw:
    """A file of a version that can't be read as it was published."""

    project: str
    version: str
    path: str
    sha256: str
    what: str


class Named(NamedTuple):
    """A file that a version names."""

    version: str
    path: str
    entry: FileEntry


def collect(store: Store, project: ProjectRow, now: int, *, dry_run: bool = False) -> Collected:
    """Remove the project's blobs that no version names and that are over an hour old.

    Raises `Conflict` if no place for blobs is set up, and `Unavailable`.
    """
    before = now - YOUNG
    with store.read() as reader:
        blobs = reader.blobs()
    # First what is there, then what is named: what comes in between is young.
    there = list(blobs.all(project.uid))
    with store.read() as reader:
        seq = reader.head(project.id).seq
        named = {one.entry.sha256 for one in named_files(reader, project)}
        old = [
            one
            for one in there
            if one.sha256 not in named
            and one.at < before
            and reader.run_file_named(project.id, one.sha256) is None
        ]
    if dry_run:
        return Collected(project.name, len(old), _sizes(old), 0, len(there) - len(old))
    sweeping = _Sweeping(project, seq, named, before)
    removed: list[Blob] = []
    for start in range(0, len(old), _BATCH):
        part = old[start : start + _BATCH]
        removed += store.write(project.id, partial(sweeping.remove, part=part))
    leftovers = blobs.sweep(project.uid, before)
    return Collected(
        project.name, len(removed), _sizes(removed), leftovers, len(there) - len(removed)
    )


def check(store: Store, project: ProjectRow) -> Iterator[Flaw | File]:
    """Read every blob that a version or a run names: a `Flaw` for each bad file, or the `File`.

    A blob that many of them name is read once. Raises `Conflict` and `Unavailable`.
    """
    with store.read() as reader:
        blobs = reader.blobs()
        named = [*named_files(reader, project), *run_files(reader, project)]
    verified = Verified()
    known: dict[FileEntry, str] = {}
    for one in named:
        file = File(project.uid, one.path, *one.entry)
        if one.entry not in known:
            try:
                for _ in read_file(blobs, file, verified):
                    pass
                known[one.entry] = ""
            except IntegrityError as error:
                known[one.entry] = error.message
        what = known[one.entry]
        yield Flaw(project.name, one.version, one.path, file.sha256, what) if what else file


class _Sweeping:
    """Removes blobs, a transaction at a time, and knows what was published up to each."""

    def __init__(self, project: ProjectRow, seq: int, named: set[str], before: int) -> None:
        self._project = project
        self._seq = seq
        self._named = named
        self._before = before

    def remove(self, tx: Transaction, part: list[Blob]) -> list[Blob]:
        """Remove those that are still old and without a name. They are what is returned."""
        self._catch_up(tx)
        blobs, uid = tx.blobs(), self._project.uid
        left = [one.sha256 for one in part if not self._is_named(tx, one.sha256)]
        again = blobs.find_all(uid, left).values()
        gone = [one for one in again if one.at < self._before]
        blobs.remove(uid, [one.sha256 for one in gone])
        return gone

    def _is_named(self, tx: Transaction, sha256: str) -> bool:
        """Whether a version names it, or a file of a run does by now."""
        return sha256 in self._named or tx.run_file_named(self._project.id, sha256) is not None

    def _catch_up(self, tx: Transaction) -> None:
        while lines := tx.lines(self._project.id, self._seq, _PAGE):
            for line in lines:
                if line.type == "version.published" and line.artifact is not None:
                    number = json.loads(line.data)["version"]
                    body = tx.content(line.artifact, number)
                    if body is not None:
                        files = restore_files(json.loads(body))
                        self._named.update(one.sha256 for one in files.values())
            self._seq = lines[-1].seq


def named_files(reader: Reader, project: ProjectRow) -> Iterator[Named]:
    """The files of all versions whose content is there."""
    after = 0
    while artifacts := reader.artifacts_after(project.id, after, _PAGE):
        after = artifacts[-1].id
        for artifact in artifacts:
            if artifact.kind != "model":
                continue
            before: int | None = None
            while versions := reader.versions(artifact.id, before, _PAGE):
                before = versions[-1].number
                for row in versions:
                    body = reader.content(artifact.id, row.number)
                    files = restore_files(json.loads(body)) if body is not None else {}
                    place = f"model:{artifact.name}:{row.number}"
                    for path, entry in files.items():
                        yield Named(place, path, entry)


def run_files(reader: Reader, project: ProjectRow) -> Iterator[Named]:
    """The files of all runs and logged models."""
    after: str | None = None
    while rows := reader.run_files(project.id, "", after, _PAGE):
        after = rows[-1].path
        for row in rows:
            yield Named("run", row.path, FileEntry(row.size, row.sha256))


def _sizes(blobs: list[Blob]) -> int:
    return sum(one.size for one in blobs)
