"""Where checkpoints are put as files: a folder, or an object store."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pointsman.core.object_stores import first_line, no_store, scheme_of
from pointsman.errors import Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FOLDER = "POINTSMAN_CHECKPOINT_DIR"
STORE = "POINTSMAN_CHECKPOINT_STORE"
MAX_REMEMBERED = 10_000


class Folder:
    """A folder, made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        """See `ports.checkpoints.Shelf`."""
        with self._writable():
            return (self._path / name).exists()

    def put(self, name: str, note: str) -> None:
        """See `ports.checkpoints.Shelf`."""
        with self._writable():
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._path / f"{name}.{os.getpid()}-{threading.get_ident()}.part"
            part.write_text(note, "utf-8", newline="\n")
            part.replace(self._path / name)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"Checkpoints can't be written to {self._path}: {error.strerror or error}.",
                code="checkpoints_unwritable",
                hint=f"Check the folder's owner and permissions, or set {FOLDER}.",
            ) from error


class Bucket:
    """What an object store has below a URL, such as ``s3://bucket/prefix``.

    Raises `InvalidInput` for a URL that names no object store. Nothing is asked of the store
    before something is put there: one that is gone stops nobody.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._there: set[str] = set()
        self._store: ObjectStore | None = None
        if scheme_of(url, STORE) != "file":
            self._store = _opened(url)

    def has(self, name: str) -> bool:
        """See `ports.checkpoints.Shelf`. What was seen there once is not asked for again."""
        if name in self._there:
            return True
        from obstore.exceptions import NotFoundError

        with self._reachable() as store:
            try:
                store.head(name)
            except (NotFoundError, FileNotFoundError):
                return False
        self._remember(name)
        return True

    def put(self, name: str, note: str) -> None:
        """See `ports.checkpoints.Shelf`. What is there already, put by whomever, stays."""
        from obstore.exceptions import AlreadyExistsError

        with self._reachable() as store, suppress(AlreadyExistsError, FileExistsError):
            store.put(name, note.encode(), mode="create")
        self._remember(name)

    def _remember(self, name: str) -> None:
        if len(self._there) >= MAX_REMEMBERED:
            self._there.clear()
        self._there.add(name)

    @contextmanager
    def _reachable(self) -> Iterator[ObjectStore]:
        from obstore.exceptions import BaseError

        try:
            if self._store is None:
                self._store = _local(self._url)
            yield self._store
        except (BaseError, OSError) as error:
            raise Unavailable(
                f"Checkpoints can't be put to {self._url}: {first_line(error)}.",
                code="checkpoint_store_unavailable",
                hint="Check that it can be reached, and that its credentials may read and write.",
            ) from error


def bucket(environ: Mapping[str, str] = os.environ) -> Bucket | None:
    """The object store that the environment names, if any. Raises `InvalidInput`."""
    url = environ.get(STORE)
    return Bucket(url) if url else None


def _opened(url: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        # Whoever puts something there tries again by itself, and has other things to do till then.
        return from_url(url, retry_config={"max_retries": 0})
    except (BaseError, ValueError) as error:
        raise no_store(url, STORE, first_line(error)) from error


def _local(url: str) -> ObjectStore:
    from obstore.store import LocalStore

    folder = Path(unquote(urlsplit(url).path))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder)
