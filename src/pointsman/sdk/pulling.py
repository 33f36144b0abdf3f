"""Fetching the files of a model into a folder: each verified, and fetched once.

A file comes from the folder itself if it is there already, from the cache of files by their
digests, or from the registry; what broke off is continued where it ended. It gets its name
when its digest is right, so a file that is there is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from pointsman.core.canonical import JSON
from pointsman.core.models import FileEntry, parse_model
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Resolution
from pointsman.errors import IntegrityError, InvalidInput, PointsmanError, Unavailable
from pointsman.sdk.depot import ATTEMPTS, Depot, Meter
from pointsman.sdk.snapshot import cache_folder

if sys.platform != "win32":
    import fcntl

AT_ONCE: Final = 4
_STEP: Final = 1 << 20
_PAUSE: Final = 0.25


def pull(
    depot: Depot,
    resolve: Callable[[str], Resolution],
    selector: str,
    to: str | os.PathLike[str],
    cache: str | os.PathLike[str] | bool,
    progress: Callable[[int, int], object] | None,
) -> Path:
    """Fetch the files of the version that a selector means; see `Client.pull`."""
    meant = resolve(str(model_selector(selector)))
    # What a server says is not believed: a path that leads out of the folder is refused here.
    content = parse_model(cast("JSON", meant.content))
    if not content.files:
        raise _no_files(meant)
    folder = Path(to)
    meter = Meter(sum(one.size for one in content.files.values()), progress)
    job = _Job(depot, meant.name, meant.version, folder, _cache(cache), meter)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        job.run(content.files)
    return folder


def model_selector(text: str) -> Selector:
    """A selector that must name a model. Raises `InvalidName` and `InvalidInput`."""
    selector = parse_selector(text)
    if selector.kind != "model":
        raise InvalidInput(
            f"{text!r} names a {selector.kind}, and only models have files.",
            code="not_a_model",
            hint=f"Write model:{selector.name}, with @alias or :number.",
            field="selector",
        )
    return selector


@dataclass(frozen=True)
class _Job:
    """Fetching the files of one version."""

    depot: Depot
    name: str
    number: int
    folder: Path
    cache: Path | None
    meter: Meter

    def run(self, files: Mapping[str, FileEntry]) -> None:
        """Fetch all of them, some at a time. The first error ends it."""
        ended = threading.Event()
        alike: dict[FileEntry, list[str]] = {}
        for path, entry in files.items():
            alike.setdefault(entry, []).append(path)

        def fetch(entry: FileEntry) -> None:
            first, *others = alike[entry]
            self._fetch(first, entry, ended)
            for path in others:
                self._copy(first, path, entry)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pointsman-pull") as pool:
            try:
                for _ in pool.map(fetch, alike):
                    pass
            except BaseException:
                ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _target(self, path: str) -> Path:
        """Where a file goes; the folders above it are there then."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.folder.resolve()):
            raise InvalidInput(
                f"{str(target.parent)!r} is a link that leads out of the folder.",
                code="leads_outside",
                hint="Pull into another folder.",
                field="to",
            )
        return target

    def _copy(self, path: str, other: str, entry: FileEntry) -> None:
        """Put a file that is in the folder there under another name as well."""
        target = self._target(other)
        if not _is_whole(target, entry):
            _place(self.folder / path, target, linked=self.cache is not None)
        self.meter.add(entry.size)

    def _fetch(self, path: str, entry: FileEntry, ended: threading.Event) -> None:
        target = self._target(path)
        if _is_whole(target, entry):
            self.meter.add(entry.size)
            return
        if self.cache is None:
            place = target.with_name(f".{entry.sha256}")
            self._bring(path, entry, place, ended)
            place.replace(target)
            return
        kept = self.cache / entry.sha256[:2] / entry.sha256
        if _is_whole(kept, entry):
            self.meter.add(entry.size)
        else:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bring(path, entry, kept, ended)
        _place(kept, target)

    def _bring(self, path: str, entry: FileEntry, place: Path, ended: threading.Event) -> None:
        """Fetch a file to a place, in as many attempts as it takes."""
        with _part(place) as (part, file):
            for again in range(1, ATTEMPTS + 1):
                counted = 0
                try:
                    for size in self._attempt(path, entry, file):
                        self.meter.add(size)
                        counted += size
                        if ended.is_set():
                            raise Unavailable("Another file could not be fetched.")
                    break
                except PointsmanError as error:
                    self.meter.add(-counted)
                    if isinstance(error, IntegrityError):
                        file.truncate(0)  # what was kept from before may have been the bad part
                    elif not isinstance(error, Unavailable):
                        raise
                    if again == ATTEMPTS or ended.is_set():
                        raise
                    time.sleep(_PAUSE * again)
            file.flush()
            os.fsync(file.fileno())
            if self.cache is not None:
                part.chmod(0o444)  # it is shared by links: nobody should write to it
            part.replace(place)

    def _attempt(self, path: str, entry: FileEntry, file: BinaryIO) -> Iterator[int]:
        """Go on from where the file ends. Yields how many bytes are done each time."""
        if os.fstat(file.fileno()).st_size > entry.size:
            file.truncate(0)
        total, start = hashlib.sha256(), 0
        file.seek(0)
        while piece := file.read(_STEP):
            total.update(piece)
            start += len(piece)
            yield len(piece)
        if start < entry.size or not entry.size:
            for piece in self.depot.get(self.name, self.number, path, entry.sha256, start):
                if start + len(piece) > entry.size:
                    break
                file.write(piece)
                total.update(piece)
                start += len(piece)
                yield len(piece)
        if total.hexdigest() != entry.sha256:
            raise IntegrityError(
                f"{path!r} of {self.name}:{self.number} came with other bytes than it was "
                "published with.",
                hint="Try again; if it stays so, the registry's copy is damaged.",
                details={"sha256": entry.sha256},
            )


@contextlib.contextmanager
def _part(place: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file beside a place, for nobody else at the time, with what came of it before."""
    part = place.with_name(f".{place.name.lstrip('.')}.part")
    file = _locked(part)
    if file is None:  # somebody else fetches the same just now
        part = part.with_name(f"{part.name}-{secrets.token_hex(6)}")
        file = part.open("xb+")
        try:
            with file:
                yield part, file
        finally:
            part.unlink(missing_ok=True)
        return
    with file:
        yield part, file


def _locked(part: Path) -> BinaryIO | None:
    """The file, locked; None if somebody else has it."""
    if sys.platform == "win32":
        return None  # there is no such lock: nothing is continued
    while True:
        file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "rb+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                return file
        file.close()  # it got its name meanwhile: this is another one


def _is_whole(file: Path, entry: FileEntry) -> bool:
    """Whether a file is there with these very bytes."""
    try:
        if file.is_symlink() or file.stat().st_size != entry.size:
            return False
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == entry.sha256
    except OSError:
        return False


def _place(kept: Path, target: Path, *, linked: bool = True) -> None:
    """Put a file into the folder: as a link to what is kept, if that is possible, or a copy."""
    part = target.with_name(f".{secrets.token_hex(12)}.part")
    try:
        if not (linked and _linked(kept, part)):
            shutil.copyfile(kept, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _linked(kept: Path, part: Path) -> bool:
    try:
        os.link(kept, part)
    except OSError:  # another file system, or one without links
        return False
    return True


def _cache(given: str | os.PathLike[str] | bool) -> Path | None:
    if given is False:
        return None
    if given is not True:
        return Path(given)
    folder = cache_folder()
    return None if folder is None else folder / "files"


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or str(folder)
        raise InvalidInput(
            f"{str(where)!r} can't be written: {error.strerror or error}.",
            code="target_unwritable",
            hint="Check its owner, its permissions, and the space left on the disk.",
            field="to",
        ) from error


def _no_files(meant: Resolution) -> InvalidInput:
    content = meant.content if isinstance(meant.content, dict) else {}
    uri = content.get("uri")
    where = f" It is kept at {uri}." if isinstance(uri, str) else ""
    return InvalidInput(
        f"model:{meant.name}:{meant.version} has no files in the registry.{where}",
        code="no_files",
        hint="Fetch it from where it is kept." if uri else "Publish a version with files.",
        field="selector",
    )
