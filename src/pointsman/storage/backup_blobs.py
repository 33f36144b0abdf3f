"""The files of models in a backup: copied from one place for blobs to another, and verified."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pointsman.app.ports.blobs import Blobs
from pointsman.core.models import FileEntry
from pointsman.errors import IntegrityError

LIST: Final = "blobs.json"
"""What a backup says of the files of models; there is none in a backup without them."""
FOLDER: Final = "blobs"

Wanted = tuple[str, FileEntry]
"""A project's uid, and a file that one of its versions names."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The files that were copied or were there, and the SHA-256 of those that can't be had."""

    files: int
    size: int
    missing: tuple[str, ...]


def copy(source: Blobs | None, target: Blobs, wanted: Iterable[Wanted]) -> Copied:
    """Copy blobs, each once; what is in the target already is not copied again.

    Blobs that are not in the source, or are damaged there, are missing. Raises `Unavailable`.
    """
    files = size = 0
    missing = []
    for uid, entry in dict.fromkeys(wanted):
        found = target.find(uid, entry.sha256)
        there = found is not None and found.size == entry.size
        if there or (source is not None and _copied(source, target, uid, entry)):
            files += 1
            size += entry.size
        else:
            missing.append(entry.sha256)
    return Copied(files, size, tuple(missing))


def write_list(folder: Path, copied: Copied) -> None:
    """Say in a backup's folder which files of models are in it."""
    made = os.open(folder / LIST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(made, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(copied), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_list(folder: Path) -> Copied | None:
    """What a backup says of the files of models; None if it has none. Raises `IntegrityError`."""
    try:
        facts = json.loads((folder / LIST).read_text("utf-8"))
        return Copied(facts["files"], facts["size"], tuple(facts["missing"]))
    except FileNotFoundError:
        return None
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"The backup is damaged: {LIST}: it can't be read: {error!r}.",
            code="damaged_backup",
            hint="Nothing was restored; take another backup.",
        ) from error


def _copied(source: Blobs, target: Blobs, uid: str, entry: FileEntry) -> bool:
    """Whether a blob could be copied: it has the bytes that it is named after."""
    total = hashlib.sha256()
    incoming = target.receive(uid, entry.sha256)
    try:
        for piece in _pieces(source, uid, entry):
            total.update(piece)
            incoming.write(piece)
        good = total.hexdigest() == entry.sha256
        if good:
            incoming.keep()
        return good
    finally:
        incoming.drop()


def _pieces(source: Blobs, uid: str, entry: FileEntry) -> Iterator[bytes]:
    start = 0
    while start < entry.size and (
        piece := source.read(uid, entry.sha256, start, min(source.step, entry.size - start))
    ):
        start += len(piece)
        yield piece
