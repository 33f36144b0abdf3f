"""The files of an embedded registry: for pushing and pulling models, and looked after."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pointsman.app.application import Application, Caller
from pointsman.app.blobs import STEP, Upload, Verified, blobs_of, find_blob, find_file, read_file
from pointsman.app.collecting import Collected, Flaw, check, collect
from pointsman.app.ports import ProjectRow, Store
from pointsman.core.people import INSTALLATION
from pointsman.errors import Conflict, InvalidInput
from pointsman.storage.blobs import SETTING


class EmbeddedDepot:
    """What a registry does with files (see `sdk.depot.Depot`), in this process."""

    def __init__(self, app: Application, caller: Caller) -> None:
        self._app = app
        self._caller = caller
        self._verified = Verified()

    def has(self, sha256: str) -> bool:
        """Whether the project has a file."""
        return find_blob(self._app, self._caller, sha256) is not None

    def put(self, sha256: str, size: int, file: Path) -> None:
        """Take a file in."""
        try:
            source = file.open("rb")
        except OSError as error:
            raise InvalidInput(
                f"{str(file)!r} can't be read: {error.strerror or error}.",
                code="unreadable_file",
                hint="Check its name and its permissions.",
                field="files",
            ) from error
        with source:
            upload = Upload(self._app, self._caller, sha256, size)
            try:
                while piece := source.read(STEP):
                    upload.write(piece)
                upload.finish()
            finally:
                upload.abort()

    def get(self, name: str, number: int, path: str, sha256: str, start: int) -> Iterator[bytes]:
        """The bytes of a version's file from `start` on."""
        del sha256
        file = self._app.read(self._caller, lambda view: find_file(view, name, number, path))
        yield from read_file(blobs_of(self._app), file, self._verified, start)


def collect_blobs(store: Store, *, dry_run: bool = False, alone: bool = False) -> list[Collected]:
    """Remove what no version names from every project, and close the store.

    A registry that was restored from a backup has the projects of its original: where both
    keep files in one place, each would remove what only the other one names. So it has to be
    said that it is `alone` there. Raises `Conflict` for that, or if no place for files is set
    up, and `Unavailable`.
    """
    with closing(store):
        with store.read() as reader:
            restored = reader.meta("epoch") != "1"
        if restored and os.environ.get(SETTING) and not (alone or dry_run):
            raise Conflict(
                "This registry was restored from a backup, and its original may keep files in "
                "the same place: what only the original names would be removed.",
                code="place_may_be_shared",
                hint=f"Give it a place of its own with {SETTING}; or, if no other registry "
                "keeps files there, say so with --alone.",
            )
        now = time.time_ns() // 1000
        return [collect(store, one, now, dry_run=dry_run) for one in _projects(store)]


def check_blobs(store: Store) -> tuple[int, list[Flaw]]:
    """Read every file that a version names, and close the store: how many are good, and flaws.

    Raises `Conflict` if no place for files is set up, and `Unavailable`.
    """
    good, flaws = 0, []
    with closing(store):
        for project in _projects(store):
            for one in check(store, project):
                if isinstance(one, Flaw):
                    flaws.append(one)
                else:
                    good += 1
    return good, flaws


def _projects(store: Store) -> list[ProjectRow]:
    with store.read() as reader:
        return [one for one in reader.projects() if one.name != INSTALLATION]
