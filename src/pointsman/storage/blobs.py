"""Where the bytes of files are kept: a folder, or an object store.

A blob lies at ``<project's uid>/<two digits>/<SHA-256>``. It gets that name once it is whole:
in a folder by a rename, after its bytes are on the disk; in an object store the end of the
upload does that. So whatever has a name is whole, and a crash leaves at most what `sweep`
removes. (Object stores keep the parts of uploads that broke off by themselves: give the
bucket a rule that ends incomplete uploads.)
"""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from pointsman.app.ports.blobs import Blob, Blobs, Incoming, Unnamed
from pointsman.core.object_stores import first_line, no_store, scheme_of
from pointsman.errors import Conflict, Unavailable
from pointsman.storage.checkpoints import CheckpointRecords

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SETTING: Final = "POINTSMAN_BLOBS"
FOLDER: Final = "blobs"
_INCOMING: Final = "incoming"
_PART: Final = 16 << 20
"""Bytes that an object store takes at a time; 10,000 of them make the largest object."""
_AT_ONCE: Final = 32
_SOON: Final = 10.0
"""Seconds within which it must be known what is there: a transaction may be waiting for it."""
_PATIENCE: Final = timedelta(seconds=20)


class BlobRecords(CheckpointRecords):
    """How a transaction leads to the blobs; see `app.ports.blobs`."""

    def blobs(self) -> Blobs:
        return open_blobs(self.home())


def open_blobs(home: str | None, environ: Mapping[str, str] = os.environ) -> Blobs:
    """Where blobs are kept: as is set, or else in the registry's own folder.

    Raises `Conflict` if nothing is set and the registry has no folder, and `InvalidInput` for
    a setting that names no place.
    """
    url = environ.get(SETTING)
    if url:
        return _from_url(url)
    if home is None:
        raise Conflict(
            "There is no place for the files of models.",
            code="no_blob_store",
            hint=f"Set {SETTING} for every server of this database, such as s3://bucket/folder.",
        )
    return _folder(home)


class Folder:
    """Blobs as files of a folder, made when it is first needed."""

    step = 1 << 20

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, project: str, sha256: str) -> Blob | None:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            try:
                there = self._place(project, sha256).stat()
            except FileNotFoundError:
                return None
        return _of_file(sha256, there)

    def find_all(self, project: str, wanted: Collection[str]) -> dict[str, Blob]:
        """See `ports.blobs.Blobs`."""
        found = (self.find(project, one) for one in wanted)
        return {one.sha256: one for one in found if one is not None}

    def receive(self, project: str, sha256: str) -> Incoming:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            incoming = self._path / project / _INCOMING
            incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = incoming / f"{sha256[:16]}-{secrets.token_hex(8)}.part"
            return _Part(self, part, self._place(project, sha256))

    def accept(self, project: str) -> Unnamed:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            incoming = self._path / project / _INCOMING
            incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _UnnamedPart(self, project, incoming / f"unnamed-{secrets.token_hex(16)}.part")

    def read(self, project: str, sha256: str, start: int, length: int) -> bytes:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            try:
                opened = os.open(self._place(project, sha256), os.O_RDONLY)
            except FileNotFoundError:
                return b""
            try:
                return os.pread(opened, length, start)
            finally:
                os.close(opened)

    def all(self, project: str) -> Iterator[Blob]:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            for file in (self._path / project).glob("??/*"):
                with suppress(FileNotFoundError):
                    yield _of_file(file.name, file.stat())

    def remove(self, project: str, unwanted: Sequence[str]) -> None:
        """See `ports.blobs.Blobs`."""
        with self._usable():
            for sha256 in unwanted:
                self._place(project, sha256).unlink(missing_ok=True)

    def sweep(self, project: str, before: int) -> int:
        """See `ports.blobs.Blobs`."""
        count = 0
        with self._usable():
            for part in (self._path / project / _INCOMING).glob("*.part"):
                with suppress(FileNotFoundError):
                    if part.stat().st_mtime_ns // 1000 < before:
                        part.unlink()
                        count += 1
        return count

    def _place(self, project: str, sha256: str) -> Path:
        return self._path / project / sha256[:2] / sha256

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"The files of models in {self._path} can't be used: {error.strerror or error}.",
                code="blobs_unavailable",
                hint=f"Check the folder's owner, permissions and disk, or set {SETTING}.",
            ) from error


class _Part:
    """A file without its name yet."""

    def __init__(self, folder: Folder, part: Path, place: Path) -> None:
        self._folder, self._part, self.place = folder, part, place
        made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(made, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        with self._folder._usable():
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) or 0 :]

    def keep(self) -> None:
        with self._folder._usable():
            os.fsync(self._file.fileno())
            self._file.close()
            shelf = self.place.parent
            if not shelf.is_dir():
                shelf.mkdir(mode=0o700, exist_ok=True)
                _sync(shelf.parent)
                _sync(shelf.parent.parent)
            self._part.replace(self.place)
            _sync(shelf)

    def drop(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


class _UnnamedPart:
    """A file that gets its name at the end."""

    def __init__(self, folder: Folder, project: str, part: Path) -> None:
        self._folder, self._project = folder, project
        self._part = _Part(folder, part, part)
        self.write = self._part.write
        self.drop = self._part.drop

    def keep(self, sha256: str) -> None:
        self._part.place = self._folder._place(self._project, sha256)
        self._part.keep()


class Bucket:
    """Blobs as objects of a store, below a URL that `told` shows to people."""

    step = 8 << 20

    def __init__(self, store: ObjectStore, told: str) -> None:
        self._store = store
        self._told = told
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pointsman-heads")

    def find(self, project: str, sha256: str) -> Blob | None:
        """See `ports.blobs.Blobs`."""
        from obstore.exceptions import NotFoundError

        with self._reachable():
            try:
                return _of_object(self._store.head(_key(project, sha256)))
            except (NotFoundError, FileNotFoundError):
                return None

    def find_all(self, project: str, wanted: Collection[str]) -> dict[str, Blob]:
        """See `ports.blobs.Blobs`."""
        asked = [self._pool.submit(self.find, project, one) for one in wanted]
        _, late = wait(asked, timeout=_SOON, return_when=FIRST_EXCEPTION)
        for question in late:
            question.cancel()
        failed = [one for one in asked if one not in late and one.exception() is not None]
        if late and not failed:
            raise Unavailable(
                f"The files of models in {self._told} can't be used: it takes too long.",
                code="blobs_unavailable",
                hint="Try again; many small files are faster put together into one.",
            )
        found = [one.result() for one in (failed or asked)]
        return {one.sha256: one for one in found if one is not None}

    def receive(self, project: str, sha256: str) -> Incoming:
        """See `ports.blobs.Blobs`."""
        return _Object(self, _key(project, sha256))

    def accept(self, project: str) -> Unnamed:
        """See `ports.blobs.Blobs`."""
        return _Spooled(self, project)

    def read(self, project: str, sha256: str, start: int, length: int) -> bytes:
        """See `ports.blobs.Blobs`."""
        from obstore.exceptions import NotFoundError

        with self._reachable():
            try:
                key = _key(project, sha256)
                return bytes(self._store.get_range(key, start=start, length=length))
            except (NotFoundError, FileNotFoundError):
                return b""

    def all(self, project: str) -> Iterator[Blob]:
        """See `ports.blobs.Blobs`."""
        with self._reachable():
            for some in self._store.list(prefix=f"{project}/", chunk_size=1_000):
                yield from map(_of_object, some)

    def remove(self, project: str, unwanted: Sequence[str]) -> None:
        """See `ports.blobs.Blobs`."""
        from obstore.exceptions import NotFoundError

        with self._reachable():
            for sha256 in unwanted:
                with suppress(NotFoundError, FileNotFoundError):
                    self._store.delete(_key(project, sha256))

    def sweep(self, project: str, before: int) -> int:
        """See `ports.blobs.Blobs`. The store ends incomplete uploads by its own rules."""
        return 0

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise Unavailable(
                f"The files of models in {self._told} can't be used: {first_line(error)}.",
                code="blobs_unavailable",
                hint="Check that the store can be reached, and that its credentials may read, "
                "write, list and delete.",
            ) from error


class _Object:
    """An object that is being put: the store gives it its name when it is closed."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        from obstore import open_writer

        self._bucket = bucket
        with bucket._reachable():
            self._writer: Any = open_writer(
                bucket._store, key, buffer_size=_PART, max_concurrency=2
            )

    def write(self, data: bytes) -> None:
        with self._bucket._reachable():
            self._writer.write(data)

    def keep(self) -> None:
        writer, self._writer = self._writer, None
        with self._bucket._reachable():
            writer.close()

    def drop(self) -> None:
        self._writer = None  # what is not closed is never there


class _Spooled:
    """An object to be, in a temporary file: a store wants its name before its first byte."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket, self._project = bucket, project
        with _spooling():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `drop`

    def write(self, data: bytes) -> None:
        with _spooling():
            self._file.write(data)

    def keep(self, sha256: str) -> None:
        made = self._bucket.receive(self._project, sha256)
        try:
            with _spooling():
                self._file.seek(0)
            while piece := self._file.read(self._bucket.step):
                made.write(piece)
            made.keep()
        finally:
            made.drop()
            self.drop()

    def drop(self) -> None:
        with suppress(OSError):
            self._file.close()


@contextmanager
def _spooling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"There is no room for files that are uploaded: {error.strerror or error}.",
            code="blobs_unavailable",
            hint="Files of runs pass through the folder for temporary files (TMPDIR) on their "
            "way to an object store: make room there.",
        ) from error


_lock = threading.Lock()


def _from_url(url: str) -> Blobs:
    with _lock:
        return _opened(url)


def _folder(home: str) -> Blobs:
    return Folder(Path(home) / FOLDER)


@lru_cache(maxsize=8)
def _opened(url: str) -> Blobs:
    if scheme_of(url, SETTING) == "file":
        return Folder(Path(unquote(urlsplit(url).path)))
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        # No options of the client here: they would hide those of the environment.
        store = from_url(url, retry_config={"max_retries": 3, "retry_timeout": _PATIENCE})
    except (BaseError, ValueError) as error:
        raise no_store(url, SETTING, first_line(error)) from error
    return Bucket(store, url)


def _key(project: str, sha256: str) -> str:
    return f"{project}/{sha256[:2]}/{sha256}"


def _of_file(sha256: str, there: os.stat_result) -> Blob:
    stamp = f"{there.st_ino}-{there.st_mtime_ns}-{there.st_size}"
    return Blob(sha256, there.st_size, there.st_mtime_ns // 1000, stamp)


def _of_object(there: Any) -> Blob:
    at = int(there["last_modified"].timestamp() * 1_000_000)
    stamp = f"{there['e_tag']}-{at}-{there['size']}"
    return Blob(there["path"].rpartition("/")[2], there["size"], at, stamp)


def _sync(folder: Path) -> None:
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
