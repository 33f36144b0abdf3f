"""The files of runs and logged models: taken in, listed, read, removed.

Their bytes are blobs like those of versions, and a row names them by their path. A version that
is made of them names the same blobs in its own manifest, so whatever becomes of the run's files
afterwards, the version stays as it is. The files of versions are read here as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.blobs import File, blobs_of, file_of, files_of
from pointsman.app.ports import ArtifactRow, VersionRow
from pointsman.app.ports.tracking import RunFileRow
from pointsman.app.tracking import logged, runs, traces
from pointsman.app.tracking.experiments import require
from pointsman.core.canonical import quoted
from pointsman.core.models import MAX_FILE, MAX_FILES, FileEntry, check_path
from pointsman.core.tracking import (
    RunPlace,
    VersionPlace,
    is_run_id,
    is_trace_id,
    ours,
    parse_place,
)
from pointsman.errors import InvalidInput, NotFound, TooLarge, Unavailable

_PAGE: Final = 1_000


class Entry(NamedTuple):
    """A file or a folder in a folder; a folder has no size."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in."""

    path: str
    size: int
    sha256: str


class Intake:
    """Takes in a file of a run; it is there when `finish` has returned, and not before.

    Raises `Refused`, `NotFound`, `InvalidInput`, `TooLarge` or `Unavailable`. Whoever makes one
    ends it, by `finish` or `abort`.
    """

    def __init__(self, app: Application, caller: Caller, path: str, size: int | None) -> None:
        self._app, self._caller = app, caller
        self._path = app.read(caller, lambda view: _writable(view, path)).whole
        self._announced = size
        if size is not None and size > MAX_FILE:
            raise _too_large()
        self._hash = hashlib.sha256()
        self._size = 0
        self._incoming = blobs_of(app).accept(caller.project.uid)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._size += len(data)
        if self._size > MAX_FILE:
            raise _too_large()
        self._hash.update(data)
        self._incoming.write(data)

    def finish(self) -> Taken:
        """Keep what came, and name it."""
        if self._announced not in (None, self._size):
            raise InvalidInput(
                f"{self._size:,} bytes came, and {self._announced:,} were announced.",
                code="wrong_size",
                hint="Nothing was stored. Send the file again.",
                field="Content-Length",
            )
        taken = Taken(self._path, self._size, self._hash.hexdigest())
        self._incoming.keep(taken.sha256)
        self._app.write(self._caller, partial(_name, taken=taken))
        return taken

    def abort(self) -> None:
        """Leave nothing behind. After `finish` it does nothing."""
        self._incoming.drop()


def find(view: View, text: str) -> File:
    """The file that a path of a client leads to.

    Raises `NotFound`, `Gone`, `InvalidInput` and `Refused`.
    """
    place = parse_place(text)
    if isinstance(place, VersionPlace):
        return file_of(view, *_version(view, place), check_path(place.path))
    require(view, "read")
    row = view.reader.run_file(view.project.id, place.whole)
    if row is None:
        raise NotFound(f"There is no file {quoted(text)}.", code="file_not_found", field="path")
    return File(view.project.uid, row.path, row.size, row.sha256)


def listed(view: View, text: str) -> list[Entry]:
    """What is in the folder that a path of a client leads to; nothing if there is none.

    Raises `InvalidInput`, `Refused`, and for a version `NotFound` and `Gone`.
    """
    place = parse_place(text)
    if isinstance(place, VersionPlace):
        return list(_children(files_of(view, *_version(view, place)), place.path))
    require(view, "read")
    return list(_listed(view, place.whole))


def below(view: View, folder: str) -> dict[str, FileEntry]:
    """All files below a folder of a run or logged model, by their paths from there.

    Raises `TooLarge` if they are more than a version can have.
    """
    found: dict[str, FileEntry] = {}
    after: str | None = None
    while rows := view.reader.run_files(view.project.id, folder, after, _PAGE):
        after = rows[-1].path
        for row in rows:
            found[row.path[len(folder) + 1 :]] = FileEntry(row.size, row.sha256)
        if len(found) > MAX_FILES:
            raise TooLarge(
                f"There are more than {MAX_FILES:,} files at {quoted(folder)}.",
                code="too_many_files",
                hint="A version has no more: put small files together into one.",
                field="source",
            )
    return found


def remove(work: Work, text: str) -> None:
    """Remove the file at a path, or all below it; versions that name the same bytes keep them.

    Raises `NotFound`, `InvalidInput` and `Refused`.
    """
    place = _writable(work, text, root=True)
    work.tx.drop_run_files(work.project.id, place.whole)


def _name(work: Work, taken: Taken) -> None:
    """Have the path name the blob that was put there just now."""
    place = _writable(work, taken.path)
    if work.tx.blobs().find(work.project.uid, taken.sha256) is None:
        raise Unavailable(
            "The file was removed again while it was stored.",
            code="blobs_unavailable",
            hint="Send it again.",
        )
    _check_apart(work, place)
    row = RunFileRow(taken.path, taken.size, taken.sha256, work.clock_now)
    work.tx.put_run_file(work.project.id, row)


def _check_apart(work: Work, place: RunPlace) -> None:
    """That no path is a file and a folder at once. Raises `InvalidInput`."""
    parts = place.path.split("/")
    above = ["/".join([place.root, *parts[:end]]) for end in range(1, len(parts))]
    project = work.project.id
    if any(work.tx.run_file(project, folder) for folder in above) or work.tx.run_files(
        project, place.whole, None, 1
    ):
        raise InvalidInput(
            f"{quoted(place.path)} would be a file and a folder at once.",
            code="file_and_folder",
            hint="Use another name, or remove what is there first.",
            field="path",
        )


def _writable(view: View, text: str, *, root: bool = False) -> RunPlace:
    """The place that a path leads to, if files of a run that is there may be put there."""
    require(view, "write")
    place = parse_place(text)
    if isinstance(place, VersionPlace):
        raise InvalidInput(
            "The files of a version never change.",
            code="immutable",
            hint="Register a new version, and move the alias to it.",
            field="path",
        )
    if ours(_location(view, place.owner)) != place.root:
        raise NotFound(
            f"The files of {place.owner} are not at {quoted(place.root)}.",
            code="file_not_found",
            hint="Use its artifact_uri.",
            field="path",
        )
    if not (place.path or root):
        raise InvalidInput(
            "The path names no file.", code="empty_path", hint="Name the file.", field="path"
        )
    return place


def _location(view: View, owner: str) -> str:
    """Where the files of a run, a logged model or a trace are. Raises `NotFound`."""
    if is_run_id(owner):
        return runs.active(view, owner).location
    if is_trace_id(owner):
        return traces.location(view, traces.find(view, owner))
    return logged.active(view, owner).location


def _version(view: View, place: VersionPlace) -> tuple[ArtifactRow, VersionRow]:
    """The version of a model that a place is of. Raises `NotFound` and `Refused`."""
    view.require("read")
    row = view.reader.artifact_by_id(place.artifact)
    if row is None or row.kind != "model":
        raise _no_version(place)
    found = view.reader.artifact(view.project.id, row.kind, row.name)
    if found is None or found.id != row.id:  # of another project, of which nothing is told
        raise _no_version(place)
    artifact = view.artifact(row.kind, row.name)
    version = view.reader.version(artifact.id, place.number)
    if version is None:
        raise _no_version(place)
    return artifact, version


def _listed(view: View, folder: str) -> Iterator[Entry]:
    after: str | None = None
    while rows := view.reader.run_files(view.project.id, folder, after, _PAGE):
        last = ""
        for row in rows:
            name, slash, _ = row.path[len(folder) + 1 :].partition("/")
            if not slash:
                yield Entry(name, row.size)
            elif name != last:
                yield Entry(name, None)
            last = name if slash else ""
        # What else is in the last folder needn't be read.
        after = f"{folder}/{last}/\U0010ffff" if last else rows[-1].path


def _children(manifest: Mapping[str, FileEntry], folder: str) -> Iterable[Entry]:
    inside = f"{folder}/" if folder else ""
    found: dict[str, Entry] = {}
    for path, entry in manifest.items():
        if path.startswith(inside):
            name, slash, _ = path[len(inside) :].partition("/")
            found[name] = Entry(name, None if slash else entry.size)
    return found.values()


def _no_version(place: VersionPlace) -> NotFound:
    return NotFound(
        f"There is no version {place.artifact}/{place.number}.",
        code="version_not_found",
        field="path",
    )


def _too_large() -> TooLarge:
    return TooLarge(
        f"The file has more than {MAX_FILE >> 30} GB.",
        code="file_too_large",
        hint="Split it, or keep it elsewhere.",
    )
