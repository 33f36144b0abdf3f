"""A file system that forgets what was not flushed, under SQLite, to cut the power as often as
one likes.

`Forgetful` is a VFS that passes everything on to the real one and keeps its own book: what
each file holds for sure (as of its last `xSync`), and what was written since. `cut` says what
a disk could hold if the power failed this very moment: the sure part, and each sector written
since as it was at some moment of its own, as a cache writes them back in any order.

What it can't see: whether directories remember their files (names come and go at once here),
disks that lie about flushing, and a flush that fails. The shared-memory index of the log is
left out on purpose: it does not survive a power cut, and SQLite rebuilds it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512


@dataclass
class Disk:
    """One file's sure content, and the writes since that may be lost."""

    sure: bytearray = field(default_factory=bytearray)
    loose: list[tuple[int, bytes]] = field(default_factory=list)
    """Where, and what; a negative place means that the file was cut to that length less one."""

    def settle(self) -> None:
        """Make sure of everything, as a flush does."""
        for at, data in self.loose:
            _apply(self.sure, at, data)
        self.loose.clear()

    def after_power_cut(self, chance: random.Random, keep: float) -> bytes:
        """What may be found: of the writes to each sector, those up to some moment or other."""
        left = bytearray(self.sure)
        stuck: set[int] = set()
        for at, data in self.loose:
            for place, piece in _sectors(at, data):
                sector = place // SECTOR
                if sector in stuck:
                    continue
                if chance.random() < keep:
                    _apply(left, place, piece)
                elif place >= 0:
                    stuck.add(sector)
        return bytes(left)


class Forgetful(apsw.VFS):
    """The default VFS, watched, and the default itself until it is unregistered.

    `moment` is called after each write and flush of any file.
    """

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        self.lock = threading.RLock()
        self.disks: dict[str, Disk] = {}
        self.moment: Callable[[], None] = lambda: None
        self.flushes = 0
        super().__init__("forgetful", self.base, makedefault=True)

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _File(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        with self.lock:
            self.disks.pop(Path(filename).name, None)

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """What each file may hold if the power failed now."""
        keep = chance.choice([0.0, 0.5, 0.9])
        with self.lock:
            return {
                name: disk.after_power_cut(chance, keep)
                for name, disk in self.disks.items()
                if disk.sure or disk.loose
            }


class _File(apsw.VFSFile):
    def __init__(
        self,
        vfs: Forgetful,
        path: str | None,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> None:
        super().__init__(vfs.base, name, flags)
        self._vfs = vfs
        self._disk = Disk()
        if path is not None:
            with vfs.lock:
                self._disk = vfs.disks.setdefault(Path(path).name, self._disk)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        with self._vfs.lock:
            super().xWrite(data, offset)
            self._disk.loose.append((offset, bytes(data)))
        self._vfs.moment()

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        with self._vfs.lock:
            super().xTruncate(newsize)
            self._disk.loose.append((-newsize - 1, b""))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        with self._vfs.lock:
            self._vfs.flushes += 1
            self._disk.settle()
        self._vfs.moment()


def _apply(content: bytearray, at: int, data: bytes) -> None:
    if at < 0:
        del content[-at - 1 :]
        return
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _sectors(at: int, data: bytes) -> list[tuple[int, bytes]]:
    if at < 0:
        return [(at, data)]
    pieces = []
    while data:
        size = SECTOR - at % SECTOR
        pieces.append((at, data[:size]))
        at, data = at + size, data[size:]
    return pieces
