"""Signed checkpoints: made on demand and by the clock, kept as rows and as files, and told.

A checkpoint says how many entries a journal has and which hash the last one carries. Whoever
keeps it can later tell whether the journal still continues it. It is signed with Ed25519 by a
key that is not in the database, so that who can write there can't sign.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.keyfiles import make_key
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import ProjectRow, Store
from pointsman.app.ports.checkpoints import CheckpointReader, CheckpointRow, Shelf
from pointsman.app.record import journal_head
from pointsman.app.shelves import FOLDER, Folder, bucket
from pointsman.app.webhooks import tell_checkpoint
from pointsman.core.access import Actor
from pointsman.core.checkpoints import Checkpoint, Note, Signature, VerifierKey
from pointsman.core.record import SignedCheckpoint
from pointsman.core.vocabulary import Page, moment
from pointsman.errors import Conflict, InvalidInput, PointsmanError, Unavailable

KEY = "POINTSMAN_SIGNING_KEY"
EVERY = "POINTSMAN_CHECKPOINTS"
KEY_FILE = "signing.key"
HOURLY = 3600.0
_SEED = 32
_LOOK = 5.0
"""Seconds between two looks whether a checkpoint is due or has no file yet."""
_PAGE = 100
_log = logging.getLogger("pointsman")


class Signer:
    """A private key that signs checkpoints. Raises `InvalidInput` for a seed that is none."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED:
            raise InvalidInput(
                f"The signing key has {len(seed)} bytes, not {_SEED}.",
                code="invalid_signing_key",
                hint="Make one with: openssl rand -base64 32",
                field=KEY,
            )
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key().public_bytes_raw()

    def key(self, name: str) -> VerifierKey:
        """The public key under a name."""
        return VerifierKey(name, self._public)

    def sign(self, checkpoint: Checkpoint) -> Note:
        """The checkpoint with its signature, under the name of its origin."""
        signature = self._private.sign(checkpoint.text.encode())
        key = self.key(checkpoint.origin)
        return Note(checkpoint, (Signature(key.name, key.key_id, signature),))


def signed_by(note: Note, key: VerifierKey) -> bool:
    """Whether a note bears a good signature of this key."""
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for one in note.signatures:
        if (one.name, one.key_id) == (key.name, key.key_id):
            with suppress(InvalidSignature):
                public.verify(one.signature, note.checkpoint.text.encode())
                return True
    return False


def make(work: Work) -> SignedCheckpoint:
    """Sign where the journal stands; the same again if it has not grown since.

    Webhooks that asked for it are told. Raises `Conflict` if there is no key to sign with.
    """
    work.require_all("admin")
    head = journal_head(work)
    signer = find_signer(work.tx)
    checkpoint = Checkpoint(head.origin, head.seq, head.hash)
    key = str(signer.key(head.origin))
    row = work.tx.checkpoint(work.project.id, head.seq, key)
    if row is None:
        note = signer.sign(checkpoint).text
        row = CheckpointRow(work.project.id, head.seq, key, work.now, head.hash, note)
        work.tx.add_checkpoint(row)
        tell_checkpoint(work, row)
    return _told(row)


def list_checkpoints(
    view: View, *, limit: int = 50, cursor: str | None = None
) -> Page[SignedCheckpoint]:
    """The project's checkpoints, newest first."""
    view.require_all("read")
    limit = check_limit(limit)
    place = Cursor("checkpoints", [])
    rows = view.reader.checkpoints(view.project.id, place.number(cursor), limit + 1)
    more = place.write(rows[limit - 1].seq) if len(rows) > limit else None
    return Page(tuple(_told(row) for row in rows[:limit]), more)


def find_signer(reader: CheckpointReader, environ: Mapping[str, str] = os.environ) -> Signer:
    """The key given in the environment, or else the one in the registry's folder.

    A folder that has none gets one. Raises `Conflict` if there is neither.
    """
    given = environ.get(KEY)
    if given:
        return Signer(_seed(given, KEY))
    home = reader.home()
    if home is None:
        raise Conflict(
            "There is no key to sign checkpoints with.",
            code="no_signing_key",
            hint=f"Set {KEY} for every server of this database: openssl rand -base64 32",
        )
    file = Path(home) / KEY_FILE
    try:
        if not file.exists():
            make_key(file)
        return Signer(_seed(file.read_text("ascii"), str(file)))
    except OSError as error:
        raise Unavailable(
            f"The signing key {file} can't be used: {error.strerror or error}.",
            code="signing_key_unusable",
            hint="Check its owner and permissions.",
        ) from error


def place_notes(store: Store, project: ProjectRow, shelf: Shelf) -> int:
    """Put the checkpoints of a project that are not on a shelf yet there; how many.

    Files are named after the project, the number of entries and the key, and never changed.
    Raises `Unavailable` if the shelf can't be reached or written to.
    """
    missing: list[tuple[str, str]] = []
    found: int | None = None
    for row in _rows(store, project):
        if found is not None and row.seq < found:
            break
        name = _file_name(project, row)
        if shelf.has(name):
            found = row.seq
        else:
            missing.append((name, row.note))
    # Oldest first: where this was interrupted, all before the newest file are there.
    for name, note in reversed(missing):
        shelf.put(name, note)
    return len(missing)


def place_everywhere(
    store: Store,
    projects: Sequence[ProjectRow],
    shelves: Sequence[Shelf],
    stopped: threading.Event | None = None,
) -> list[PointsmanError]:
    """Put the projects' checkpoints on all shelves; what went wrong, with each shelf once."""
    problems: list[PointsmanError] = []
    for shelf in shelves:
        try:
            for project in projects:
                if stopped is None or not stopped.is_set():
                    place_notes(store, project, shelf)
        except PointsmanError as error:
            problems.append(error)  # the next project would wait for the same shelf
    return problems


def folder_of(store: Store, environ: Mapping[str, str] = os.environ) -> Folder | None:
    """The folder for checkpoints: the one that is set, or else one in the registry's own."""
    if given := environ.get(FOLDER):
        return Folder(Path(given))
    with store.read() as reader:
        home = reader.home()
    return None if home is None else Folder(Path(home) / "checkpoints")


def shelves(store: Store, environ: Mapping[str, str] = os.environ) -> tuple[Shelf, ...]:
    """Where checkpoints are put, what is nearest first.

    Raises `InvalidInput` for a setting that names no place.
    """
    kept = folder_of(store, environ), bucket(environ)
    return tuple(shelf for shelf in kept if shelf is not None)


class Keeper:
    """Signs checkpoints by the clock, and puts new ones on the shelves, on a thread.

    `every` is in seconds; with 0, only checkpoints asked for are put there. Raises
    `InvalidInput` for a setting that names no place.
    """

    def __init__(
        self, app: Application, every: float, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._app = app
        self._every = every
        self._shelves = shelves(app.store, environ)
        self._stopped = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="pointsman-checkpoints", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until it has."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def tend(self) -> None:
        """Do what is due now, for every project. Raises the first error after all were tried."""
        with self._app.store.read() as reader:
            projects = reader.projects()
        problems: list[PointsmanError] = []
        for project in projects if self._every else ():
            caller = _system(project)
            try:
                if self._app.read(caller, self._is_due):
                    self._app.write(caller, self._make_if_due)
            except PointsmanError as error:
                problems.append(error)
        problems += place_everywhere(self._app.store, projects, self._shelves, self._stopped)
        if problems:
            raise problems[0]

    def _is_due(self, view: View) -> bool:
        newest = view.reader.checkpoints(view.project.id, None, 1)
        if not newest:
            return True
        grown = view.reader.head(view.project.id).seq != newest[0].seq
        return grown and self._app.clock() - newest[0].at >= self._every * 1_000_000

    def _make_if_due(self, work: Work) -> None:
        # Another node may have been faster.
        if self._is_due(work):
            make(work)

    def _run(self) -> None:
        pause = min(self._every or _LOOK, _LOOK)
        while not self._stopped.wait(pause):
            try:
                self.tend()
                self._told = ""
            except PointsmanError as error:
                # Once is enough, and what a store says differs each time, by how long it took.
                if error.code != self._told:
                    _log.warning("Checkpoints will be tried again: %s", error)
                    self._told = error.code
            except Exception:
                _log.exception("Checkpoints failed and will be tried again")


def keeper(app: Application, environ: Mapping[str, str] = os.environ) -> Keeper:
    """The keeper that the environment asks for. Raises `InvalidInput` if it can't be read."""
    text = environ.get(EVERY, "")
    try:
        every = float(text) if text else HOURLY
        readable = 0 <= every < 1e9
    except ValueError:
        readable = False
    if not readable:
        raise InvalidInput(
            f"{EVERY} is {text!r}, not a number of seconds.",
            code="invalid_setting",
            hint="Give the seconds between two checkpoints, or 0 for none.",
            field=EVERY,
        )
    with app.store.read() as reader:
        able = bool(environ.get(KEY)) or reader.home() is not None
    if text and every and not able:
        _log.warning("No checkpoints are made: %s is not set", KEY)
    return Keeper(app, every if able else 0, environ)


def _system(project: ProjectRow) -> Caller:
    return Caller(Actor("system", "system", "admin", "schedule"), project)


def _rows(store: Store, project: ProjectRow) -> Iterator[CheckpointRow]:
    """The project's checkpoints, newest first. Nothing is read while a shelf is waited for."""
    before: int | None = None
    while True:
        with store.read() as reader:
            rows = reader.checkpoints(project.id, before, _PAGE)
        if not rows:
            return
        yield from rows
        before = rows[-1].seq


def _file_name(project: ProjectRow, row: CheckpointRow) -> str:
    key_id = row.key.split("+", 2)[1]
    return f"{quote(project.name, safe='')}-{row.seq:012}-{key_id}.note"


def _told(row: CheckpointRow) -> SignedCheckpoint:
    return SignedCheckpoint(row.seq, row.hash, moment(row.at), row.key, row.note)


def _seed(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            f"The signing key in {where} is not base64.",
            code="invalid_signing_key",
            hint="Make one with: openssl rand -base64 32",
            field=KEY,
        ) from error
