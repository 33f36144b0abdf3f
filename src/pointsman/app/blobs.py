"""The files of models: taken in, found by versions, read with their digests checked.

A blob is not there before all of its bytes came and have the SHA-256 that they were announced
with. It is read through a version that names it, never by its digest alone: whoever may read
the version may read its files. Blobs belong to a project; no other can name them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.including import find_version
from pointsman.app.ports import ArtifactRow, VersionRow
from pointsman.app.ports.blobs import Blob, Blobs
from pointsman.app.reading import gone
from pointsman.core.access import may
from pointsman.core.canonical import json_pointer, quoted
from pointsman.core.models import (
    MAX_FILE,
    FileEntry,
    ModelContent,
    check_path,
    check_sha256,
    restore_files,
)
from pointsman.core.selectors import Selector
from pointsman.errors import (
    Conflict,
    IntegrityError,
    InvalidContent,
    InvalidInput,
    NotFound,
    Reason,
    TooLarge,
)

STEP: Final = 1 << 20
"""Bytes that are taken in at a time."""
SMALL: Final = 1 << 20
"""Bytes up to which a file is verified before any of it is given."""
_TOLD: Final = 100
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob that is there; `created` tells whether it was not before."""

    sha256: str
    size: int
    created: bool


@dataclass(frozen=True, slots=True)
class File:
    """A file that a version names. `project` is the uid of whose it is."""

    project: str
    place: str
    """The version and the path, for people."""
    size: int
    sha256: str


def blobs_of(app: Application) -> Blobs:
    """Where the blobs are kept. Raises `Conflict` if that is not set up."""
    with app.store.read() as reader:
        return reader.blobs()


def find_blob(app: Application, caller: Caller, sha256: str) -> Blob | None:
    """Whether the caller's project has a blob: for who may publish, to spare an upload.

    Raises `Refused` and `InvalidInput`.
    """
    may(caller.actor, "write").enforce()
    return blobs_of(app).find(caller.project.uid, check_sha256(sha256))


class Upload:
    """Takes the bytes of a blob in; it is there when `finish` has returned, and not before.

    Raises `Refused`, `InvalidInput`, `TooLarge` or `Unavailable`. Whoever makes one ends it,
    by `finish` or `abort`.
    """

    def __init__(
        self, app: Application, caller: Caller, sha256: str, size: int | None = None
    ) -> None:
        may(caller.actor, "write").enforce()
        self._wanted = check_sha256(sha256)
        self._announced = size
        if size is not None and size > MAX_FILE:
            raise _too_large()
        blobs = blobs_of(app)
        self._known = blobs.find(caller.project.uid, sha256) is not None
        self._hash = hashlib.sha256()
        self._size = 0
        self._incoming = blobs.receive(caller.project.uid, sha256)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._size += len(data)
        if self._size > MAX_FILE:
            raise _too_large()
        self._hash.update(data)
        self._incoming.write(data)

    def finish(self) -> Stored:
        """Verify what came and give it its name."""
        if self._announced not in (None, self._size):
            raise InvalidInput(
                f"{self._size:,} bytes came, and {self._announced:,} were announced.",
                code="wrong_size",
                hint="Nothing was stored. Send the file again.",
                field="Content-Length",
            )
        found = self._hash.hexdigest()
        if found != self._wanted:
            raise InvalidInput(
                f"The bytes that came have the SHA-256 {found}, not {self._wanted}.",
                code="wrong_sha256",
                hint="Nothing was stored. The file has changed, or was changed on the way: "
                "compute its SHA-256 anew and send it again.",
                field="sha256",
            )
        self._incoming.keep()
        return Stored(found, self._size, created=not self._known)

    def abort(self) -> None:
        """Leave nothing behind. After `finish` it does nothing."""
        self._incoming.drop()


def check_files(work: Work, content: ModelContent) -> None:
    """See that all files of a manifest are there, before a version names them.

    Within the transaction that publishes: `app.collecting` removes nothing meanwhile. Raises
    `Conflict` for what is not there, and `InvalidContent` for what has another size.
    """
    files = content.files
    if not files:
        return
    wanted = {one.sha256 for one in files.values()}
    there = work.tx.blobs().find_all(work.project.uid, wanted)
    absent = [path for path, one in files.items() if one.sha256 not in there]
    if absent:
        raise Conflict(
            f"{len(absent)} of {len(files)} files are not in the registry: "
            + ", ".join(quoted(path) for path in absent[:5])
            + ("…" if len(absent) > 5 else "."),
            code="files_missing",
            hint="Upload them first, with PUT /api/v1/blobs/{sha256}; `pointsman push` does both.",
            field="/content/files",
            details={"missing": [files[path].sha256 for path in absent]},
        )
    reasons = [
        Reason(
            "wrong_size",
            f"{quoted(path)} has {there[one.sha256].size:,} bytes, not {one.size:,}.",
            "Give the size of the file with this SHA-256.",
            "/content/files" + json_pointer((path, "size")),
        )
        for path, one in files.items()
        if there[one.sha256].size != one.size
    ][:_TOLD]
    if reasons:
        first = reasons[0]
        raise InvalidContent(
            first.message, code=first.code, hint=first.hint, field=first.field, reasons=reasons
        )


def find_file(view: View, name: str, number: int, path: str) -> File:
    """The file that a version of a model names by a path.

    Raises `NotFound` for the version or the path, `Gone` if the content was removed,
    `InvalidInput` for a path that no manifest can have, and `Refused`.
    """
    view.require("read")
    check_path(path)
    artifact = view.artifact("model", name)
    row, _ = find_version(view, artifact, Selector("model", artifact.name, version=number), None)
    return file_of(view, artifact, row, path)


def file_of(view: View, artifact: ArtifactRow, row: VersionRow, path: str) -> File:
    """The file that a version names by a path. Raises `NotFound`, or `Gone` as `files_of`."""
    entry = files_of(view, artifact, row).get(path)
    if entry is None:
        raise NotFound(
            f"{artifact.name}:{row.number} has no file {quoted(path)}.",
            code="file_not_found",
            hint="The version's content lists its files.",
            field="path",
        )
    place = f"{path} of model:{artifact.name}:{row.number}"
    return File(view.project.uid, place, entry.size, entry.sha256)


def files_of(view: View, artifact: ArtifactRow, row: VersionRow) -> Mapping[str, FileEntry]:
    """The files of a version by their paths. Raises `Gone` if its content was removed."""
    body = view.reader.content(artifact.id, row.number)
    if body is None:
        raise gone(view, artifact, row)
    return _manifest(body)


class Verified:
    """Which blobs were read and found good, while they are as they were. Safe on any thread."""

    def __init__(self) -> None:
        self._stamps: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, file: File, stamp: str) -> bool:
        """Whether the blob was good when it had this stamp."""
        return self._stamps.get((file.project, file.sha256)) == stamp

    def add(self, file: File, stamp: str) -> None:
        """Note that it is good."""
        with self._lock:
            self._stamps[file.project, file.sha256] = stamp
            while len(self._stamps) > _REMEMBERED:
                self._stamps.popitem(last=False)


def read_file(
    blobs: Blobs, file: File, verified: Verified, start: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """The bytes of a file from `start` up to `end`, in pieces.

    Small files, and parts of files, are given after the whole blob was found good; of a large
    one the last piece is. While it is being verified, pieces are empty. Raises
    `IntegrityError` where a blob is damaged or gone, and `Unavailable`.
    """
    end = file.size if end is None else min(end, file.size)
    found = blobs.find(file.project, file.sha256)
    if found is None or found.size != file.size:
        raise _damaged(file, "it is not there" if found is None else "it has another length")
    if verified.has(file, found.stamp):
        yield from _pieces(blobs, file, start, end)
        return
    total = hashlib.sha256()
    if start == 0 and end == file.size > SMALL:
        held = b""
        for piece in _pieces(blobs, file, 0, end):
            if held:
                yield held
            total.update(piece)
            held = piece
        _check_sum(file, total.hexdigest())
        verified.add(file, found.stamp)
        yield held
        return
    small: list[bytes] = []
    for piece in _pieces(blobs, file, 0, file.size):
        total.update(piece)
        if file.size <= SMALL:
            small.append(piece)
        yield b""
    _check_sum(file, total.hexdigest())
    verified.add(file, found.stamp)
    if file.size <= SMALL:
        yield b"".join(small)[start:end]
    else:
        yield from _pieces(blobs, file, start, end)


@lru_cache(maxsize=16)
def _manifest(body: str) -> Mapping[str, FileEntry]:
    """The files of a content: whoever reads one of a version's files reads the others next."""
    return restore_files(json.loads(body))


def _pieces(blobs: Blobs, file: File, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        piece = blobs.read(file.project, file.sha256, start, min(blobs.step, end - start))
        if not piece:
            raise _damaged(file, "it ends too early")
        start += len(piece)
        yield piece


def _check_sum(file: File, found: str) -> None:
    if found != file.sha256:
        raise _damaged(file, f"its bytes have the SHA-256 {found}")


def _damaged(file: File, why: str) -> IntegrityError:
    return IntegrityError(
        f"The blob {file.sha256} is damaged ({file.place}): {why}.",
        hint="Upload the same file again (`pointsman push --resend`), or restore it from a "
        "backup; `pointsman blobs check` finds all that are damaged.",
        details={"sha256": file.sha256},
    )


def _too_large() -> TooLarge:
    return TooLarge(
        f"The file has more than {MAX_FILE >> 30} GB.",
        code="file_too_large",
        hint="Split it, or keep it elsewhere and publish its URI.",
    )
