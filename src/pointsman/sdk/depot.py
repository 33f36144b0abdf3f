"""A registry as a place for files, for pushing and pulling models: over HTTP here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pointsman.errors import InvalidInput, Unavailable
from pointsman.sdk.calls import Reply, checked
from pointsman.sdk.spelling import artifact_path

if TYPE_CHECKING:
    from pointsman.sdk.reader import Reader
    from pointsman.sdk.transport import Transport

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for the next bytes of a file to come or to be taken."""
ATTEMPTS = 4
"""How often a file is tried while the registry can't be reached."""
_PAUSE = 0.25


class Depot(Protocol):
    """What a registry does with files. Raises what it raises."""

    def has(self, sha256: str) -> bool:
        """Whether the project has a file."""
        ...

    def put(self, sha256: str, size: int, file: Path) -> None:
        """Upload a file."""
        ...

    def get(self, name: str, number: int, path: str, sha256: str, start: int) -> Iterator[bytes]:
        """The bytes of a version's file from `start` on. They are not verified."""
        ...


class Meter:
    """Counts the bytes that many threads have done, and tells of them one at a time."""

    def __init__(self, total: int, progress: Callable[[int, int], object] | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress
        self._lock = threading.Lock()
        self.add(0)

    def add(self, count: int) -> None:
        """So many more are done; fewer, if some have to be done again."""
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)


class HttpDepot:
    """`Depot` over HTTP, on the connections of a client."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def has(self, sha256: str) -> bool:
        """See `Depot`."""
        path = f"/blobs/{sha256}"
        # Whatever else it says than yes, the upload is told in words.
        return repeated(lambda: self._transport.has(path, PATIENCE)).status == 200

    def put(self, sha256: str, size: int, file: Path) -> None:
        """See `Depot`."""

        def send() -> Reply:
            with opened(file) as source:
                return self._transport.upload(f"/blobs/{sha256}", source, size, PATIENCE)

        checked(repeated(send))

    def get(self, name: str, number: int, path: str, sha256: str, start: int) -> Iterator[bytes]:
        """See `Depot`."""
        place = artifact_path("model", name, "versions", number, "files", path)
        headers = {}
        if start:
            headers = {"Range": f"bytes={start}-", "If-Range": f'"{sha256}"'}
        found = self._transport.download(place, headers, PATIENCE)
        if isinstance(found, Reply):
            checked(found)
            raise Unavailable(f"HTTP status {found.status} is no file.", code="not_a_registry")
        return found

    @property
    def _transport(self) -> Transport:
        if self._reader.closed:
            raise Unavailable("The client is closed.", code="closed")
        return self._reader.transport


def repeated(attempt: Callable[[], T]) -> T:
    """Try again a few times, with pauses, while the registry can't be reached."""
    for again in range(1, ATTEMPTS):
        try:
            return attempt()
        except Unavailable:
            time.sleep(_PAUSE * again)
    return attempt()


def opened(file: Path) -> Any:
    """The file, open for reading. Raises `InvalidInput` if it can't be read."""
    try:
        return file.open("rb")
    except OSError as error:
        raise InvalidInput(
            f"{str(file)!r} can't be read: {error.strerror or error}.",
            code="unreadable_file",
            hint="Check its name and its permissions.",
            field="files",
        ) from error
