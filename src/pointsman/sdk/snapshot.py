"""What is held, kept in a file: for starting while the registry is down.

One JSON object with one entry a line::

    {"format": "pointsman snapshot", "version": 1, "checksum": "…", "entries": [
    {"check": "…", "selector": "support/reply@production", "resolution": {…}, …},
    …
    ]}

Nothing in it is believed before it is checked: the content of each resolution against its
digest, all else in an entry against `check`, and all checks against `checksum`. An entry that
fails is dropped, the others are used. Nobody but its owner may read it: prompts can be
secrets. The file that an application ships with (the bundle) has the same format, and is as
readable as the rest of the application.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.plain import to_plain
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Resolution
from pointsman.errors import IntegrityError, InvalidInput, PointsmanError, Unavailable
from pointsman.sdk.answers import arm_of, prompt_selector, read_resolution
from pointsman.sdk.knowledge import Answer, Source

FORMAT = "pointsman snapshot"
VERSION = 1
MAX_SIZE = 256 << 20
KEPT = 30 * 86_400.0
"""Seconds for which a snapshot keeps what nobody has asked for."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file had to give. `damaged` if any of it had to be dropped."""

    answers: Mapping[str, Answer]
    damaged: bool


def load(path: Path, source: Source) -> Loaded:
    """Read a snapshot or bundle; without a file there is nothing in it.

    Raises `OSError` if there is one but it can't be read.
    """
    try:
        if path.stat().st_size > MAX_SIZE:
            return Loaded({}, damaged=True)
        return read(path.read_bytes(), source)
    except FileNotFoundError:
        return Loaded({}, damaged=False)


def read(data: bytes, source: Source) -> Loaded:
    """What is right in a file's bytes; `asked_at` is seconds since the Unix epoch.

    Never raises: bytes that can't be used give nothing.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return Loaded({}, damaged=True)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return Loaded({}, damaged=True)
    entries = document.get("entries")
    if document.get("version") != VERSION or not isinstance(entries, list):
        return Loaded({}, damaged=True)
    answers = {}
    for entry in entries:
        with suppress(PointsmanError, KeyError, TypeError, ValueError, AttributeError):
            name, answer = _read(entry, source)
            answers[name] = answer
    whole = len(answers) == len(entries) and document.get("checksum") == _checksum(entries)
    return Loaded(answers, damaged=not whole)


def save(path: Path, answers: Mapping[str, Answer]) -> None:
    """Put these answers into the file in one step: readers see the old file or the new one.

    `asked_at` is seconds since the Unix epoch. Raises `OSError` if it can't be written.
    """
    _replace(path, _document(answers), mode=0o600)


def merge(path: Path, answers: Mapping[str, Answer], removed: Iterable[str], now: float) -> None:
    """`save`, keeping what other processes have put there: the newer of two answers wins.

    What is `removed` goes, and what nobody has confirmed for `KEPT` seconds.
    """
    kept: dict[str, Answer] = {}
    with suppress(OSError):
        kept = dict(load(path, "disk").answers)
    for name in [name for name, one in kept.items() if one.asked_at < now - KEPT]:
        del kept[name]
    for name in removed:
        kept.pop(name, None)
    for name, answer in answers.items():
        other = kept.get(name)
        if other is None or not is_newer(other, answer):
            kept[name] = answer
    save(path, kept)


def is_newer(one: Answer, other: Answer) -> bool:
    """Which of two stored answers is to be believed: by the journal, or else by the clock."""
    if one.epoch == other.epoch and one.seq is not None and other.seq is not None:
        return (one.seq, one.asked_at) > (other.seq, other.asked_at)
    return one.asked_at > other.asked_at


def write_bundle(path: str | os.PathLike[str], resolutions: Iterable[Resolution]) -> None:
    """Write the file to ship with an application: ``Client(bundle=path)`` falls back on it.

    For an alias that is a split, pass the resolutions of its versions (``name:7``) as well.

    Raises `InvalidInput` if one of those is missing, or a resolution is not of a prompt;
    `Unavailable` if the file can't be written.
    """
    given = {resolution.selector: resolution for resolution in resolutions}
    answers = {}
    for resolution in given.values():
        selector = prompt_selector(resolution.selector)
        arms = {}
        for arm in resolution.why.split:
            pinned = str(Selector("prompt", resolution.name, arm.version))
            if pinned not in given:
                raise InvalidInput(
                    f"{selector} is a split, and the resolution of {pinned} is missing.",
                    code="incomplete_split",
                    hint=f"Resolve {pinned} too and pass both.",
                    field="resolutions",
                )
            arms[arm.version] = arm_of(resolution, given[pinned])
        answers[str(selector)] = Answer(resolution, arms, {}, None, "", 0.0, "bundle")
    write_answers(path, answers)


def write_answers(path: str | os.PathLike[str], answers: Mapping[str, Answer]) -> None:
    """`write_bundle` for what a client holds."""
    now = time.time()
    answers = {name: replace(answer, asked_at=now) for name, answer in answers.items()}
    try:
        _replace(Path(path), _document(answers), mode=0o644)
    except OSError as error:
        raise Unavailable(
            f"The bundle {os.fspath(path)!r} can't be written: {error.strerror or error}.",
            code="bundle_unwritable",
        ) from error


def default_path(scope: str) -> Path | None:
    """The file for a scope (a registry and who asks it) in the user's cache directory.

    None if the user has none: a directory shared with others would not do.
    """
    folder = cache_folder()
    return None if folder is None else folder / f"{digest(scope)[:24]}.json"


def cache_folder() -> Path | None:
    """Our folder in the user's cache directory; None if the user has none."""
    environ = os.environ
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = str(Path("~/Library/Caches").expanduser())
    else:
        base = environ.get("XDG_CACHE_HOME", "") or str(Path("~/.cache").expanduser())
    if not Path(base).is_absolute():
        return None
    return Path(base) / "pointsman"


def _document(answers: Mapping[str, Answer]) -> bytes:
    entries = [_written(name, answer) for name, answer in sorted(answers.items())]
    lines = ",\n".join([json.dumps(entry, ensure_ascii=False) for entry in entries])
    head = {"format": FORMAT, "version": VERSION, "checksum": _checksum(entries)}
    return f'{json.dumps(head)[:-1]}, "entries": [\n{lines}\n]}}\n'.encode()


def _written(name: str, answer: Answer) -> dict[str, Any]:
    entry = {
        "selector": name,
        "resolution": to_plain(answer.resolution),
        "arms": {str(number): to_plain(one) for number, one in answer.arms.items()},
        "etags": dict(answer.etags),
        "seq": answer.seq,
        "epoch": answer.epoch,
        "confirmed": int(answer.asked_at),
    }
    return {"check": _check(entry), **entry}


def _read(entry: dict[str, Any], source: Source) -> tuple[str, Answer]:
    if entry["check"] != _check(entry):
        raise IntegrityError("An entry does not match its check.")
    name: str = entry["selector"]
    answer = Answer(
        resolution=read_resolution(entry["resolution"]),
        arms={int(number): read_resolution(one) for number, one in entry["arms"].items()},
        etags=entry["etags"],
        seq=entry["seq"],
        epoch=entry["epoch"],
        asked_at=float(entry["confirmed"]),
        source=source,
    )
    return name, answer


def _check(entry: Mapping[str, Any]) -> str:
    """Commits to the whole entry: to the contents by way of their digests."""
    rest = {key: value for key, value in entry.items() if key != "check"}
    rest["resolution"] = _without_content(entry["resolution"])
    rest["arms"] = {number: _without_content(one) for number, one in entry["arms"].items()}
    return digest(canonical_json(rest))


def _without_content(resolution: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resolution.items() if key != "content"}


def _checksum(entries: Iterable[Any]) -> str:
    checks = [entry.get("check") if isinstance(entry, dict) else None for entry in entries]
    return digest(canonical_json([FORMAT, VERSION, checks]))


def _replace(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    with suppress(OSError):  # a directory can't be opened on Windows
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
