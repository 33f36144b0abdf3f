"""What the use cases need of the place where the bytes of files are kept.

A blob is the bytes of a file, named by their SHA-256. Each project has its own: what one has
put there no other can name. A place neither computes nor checks digests; `app.blobs` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol


class Blob(NamedTuple):
    """A blob that is there."""

    sha256: str
    size: int
    at: int
    """When it was put there last (microseconds)."""
    stamp: str
    """Another one whenever its bytes may be others."""


class Incoming(Protocol):
    """A blob on its way in, which nobody finds before it is kept."""

    def write(self, data: bytes) -> None:
        """Add bytes. Raises `Unavailable`."""
        ...

    def keep(self) -> None:
        """Give it its name, durably; what has that name already is replaced.

        Raises `Unavailable`; then it is not there.
        """
        ...

    def drop(self) -> None:
        """Leave nothing behind. Raises nothing."""
        ...


class Unnamed(Protocol):
    """A blob on its way in whose SHA-256 is known once all of it came."""

    def write(self, data: bytes) -> None:
        """Add bytes. Raises `Unavailable`."""
        ...

    def keep(self, sha256: str) -> None:
        """Give it this name; see `Incoming.keep`."""
        ...

    def drop(self) -> None:
        """Leave nothing behind. Raises nothing."""
        ...


class Blobs(Protocol):
    """Where blobs are kept: a folder, an object store. All raise `Unavailable`.

    A `project` is named by its uid.
    """

    @property
    def step(self) -> int:
        """How many bytes are best read at a time."""
        ...

    def find(self, project: str, sha256: str) -> Blob | None: ...
    def find_all(self, project: str, wanted: Collection[str]) -> dict[str, Blob]:
        """Those of the wanted that are there, by their SHA-256."""
        ...

    def receive(self, project: str, sha256: str) -> Incoming: ...
    def accept(self, project: str) -> Unnamed: ...
    def read(self, project: str, sha256: str, start: int, length: int) -> bytes:
        """Bytes of a blob, fewer only at its end; none if it is not there."""
        ...

    def all(self, project: str) -> Iterator[Blob]:
        """Every blob of a project, in no order."""
        ...

    def remove(self, project: str, unwanted: Sequence[str]) -> None:
        """Remove blobs; those that are not there are no error."""
        ...

    def sweep(self, project: str, before: int) -> int:
        """Remove what uploads left behind that broke off before a moment, and count it."""
        ...


class BlobReader(Protocol):
    """How a transaction leads to the blobs."""

    def blobs(self) -> Blobs:
        """Where blobs are kept. Raises `Conflict` if that is not set up."""
        ...
