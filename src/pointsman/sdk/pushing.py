"""Publishing a model from files: what is not in the registry yet is uploaded, then a version
is published that names all of them."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from pointsman.core.models import MAX_FILES, FileEntry, parse_model
from pointsman.core.names import check_name
from pointsman.core.vocabulary import Published
from pointsman.errors import Conflict, InvalidInput, TooLarge
from pointsman.sdk.depot import Depot, Meter, opened

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 4
_STEP: Final = 1 << 20
Given = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]
"""A folder, a file, or files by the paths that they get."""


def publish_model(
    depot: Depot,
    publish: Callable[..., Published],
    name: str,
    files: Given,
    content: Mapping[str, Any],
    progress: Callable[[int, int], object] | None,
    *,
    resend: bool = False,
    **more: Any,
) -> Published:
    """Upload what is missing, and publish; see `Client.publish_model`."""
    name = check_name(name)
    found = files_of(files)
    manifest = dict(zip(found, _each(_entry_of, found.values()), strict=True))
    whole = {**content, "files": {path: one._asdict() for path, one in manifest.items()}}
    parse_model(whole)  # before gigabytes are sent for nothing
    places = {one.sha256: (one.size, found[path]) for path, one in manifest.items()}
    meter = Meter(sum(size for size, _ in places.values()), progress)

    def bring(sha256: str) -> None:
        size, file = places[sha256]
        if resend or not depot.has(sha256):
            depot.put(sha256, size, file)
        meter.add(size)

    list(_each(bring, places))
    try:
        return publish(name, whole, kind="model", **more)
    except Conflict as error:
        missing = [one for one in error.details.get("missing", ()) if one in places]
        if error.code != "files_missing" or not missing:
            raise
    # What no version named was removed between the upload and now: once more.
    list(_each(lambda sha256: depot.put(sha256, *places[sha256]), missing))
    return publish(name, whole, kind="model", **more)


def with_flavour(content: Mapping[str, Any] | None, flavour: str) -> dict[str, Any]:
    """The fields of a content, with the flavour among them if there is one."""
    return {**(content or {}), **({"flavour": flavour} if flavour else {})}


def files_of(given: Given) -> dict[str, Path]:
    """The files by the paths that they get in the manifest.

    Raises `InvalidInput` for what is no regular file or can't be read, and `TooLarge`.
    """
    if isinstance(given, Mapping):
        found = {path: Path(file) for path, file in given.items()}
    else:
        place = Path(given)
        if place.is_dir():
            found = {_spelt(file.relative_to(place)): file for file in _walk(place)}
        else:
            found = {_spelt(Path(place.name)): place}
    if not found:
        raise InvalidInput(
            f"There are no files in {str(given)!r}.",
            code="no_files",
            hint="Name a folder with the files of the model in it, or a file.",
            field="files",
        )
    if len(found) > MAX_FILES:
        raise TooLarge(
            f"There are {len(found):,} files; {MAX_FILES:,} are allowed.",
            code="too_many_files",
            hint="Put small files together into one.",
            field="files",
        )
    return dict(sorted(found.items()))


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder; a link to a file counts as that file."""
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        path = Path(entry.path)
        if entry.is_dir():
            if entry.is_symlink():
                raise _no_file(path, "is a link to a folder")
            yield from _walk(path)
        else:
            yield path


def _spelt(path: Path) -> str:
    """The one spelling of a path: some systems take names apart into letters and accents."""
    return unicodedata.normalize("NFC", path.as_posix())


def _entry_of(file: Path) -> FileEntry:
    total, size = hashlib.sha256(), 0
    with opened(file) as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise _no_file(file, "is no regular file")
        while piece := source.read(_STEP):
            total.update(piece)
            size += len(piece)
    return FileEntry(size, total.hexdigest())


def _each(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Do the work for all, some at a time. The first error ends it."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pointsman-push") as pool:
        try:
            yield from pool.map(work, items)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _no_file(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"{str(path)!r} {why}.",
        code="not_a_file",
        hint="Leave it out, or put the files themselves there.",
        field="files",
    )
