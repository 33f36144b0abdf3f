"""The gate: who stands behind a key, remembered until the journal says otherwise.

Checking a key against the store once is enough: a revocation is a journal entry, and the
tail brings it here before (this node) or shortly after (others) it is acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence

from pointsman.app import keys
from pointsman.app.application import Application, Caller
from pointsman.app.tail import Tail
from pointsman.core.journal import Line

MAX_REMEMBERED = 10_000


class Admitted:
    """A caller that was let in, until `expires_at` (microseconds; None: for good)."""

    __slots__ = ("caller", "expires_at", "key_id", "used")

    def __init__(self, caller: Caller, key_id: str, expires_at: int | None) -> None:
        self.caller = caller
        self.key_id = key_id
        self.expires_at = expires_at
        self.used = True
        """Set at each use; `Gate.save_uses` clears it."""


class Gate:
    """Admits callers by their keys. Safe to use from any thread."""

    def __init__(self, app: Application, tail: Tail) -> None:
        self._app = app
        self._admitted: dict[bytes, Admitted] = {}
        self._revocations = 0
        self._lock = threading.Lock()
        tail.listen(self._heard)

    def admit(self, secret: str, via: str = "api") -> Admitted:
        """Who presents this key. Raises `Unauthenticated`; asks the store the first time."""
        fingerprint = fingerprint_of(secret)
        known = self.remembered(fingerprint)
        if known is not None:
            return known
        before = self._revocations
        with self._app.store.read() as reader:
            caller, expires_at = keys.authenticate(reader, secret, via, self._app.clock())
        admitted = Admitted(caller, caller.actor.id.removeprefix("key:"), expires_at)
        with self._lock:
            # What was read may be older than a revocation heard meanwhile: then don't keep it.
            if before == self._revocations:
                if len(self._admitted) >= MAX_REMEMBERED:
                    self._admitted.clear()
                self._admitted[fingerprint] = admitted
        return admitted

    def remembered(self, fingerprint: bytes) -> Admitted | None:
        """The caller behind a key's fingerprint, if known and still valid; asks nobody."""
        known = self._admitted.get(fingerprint)
        if known is None:
            return None
        if known.expires_at is not None and known.expires_at <= self._app.clock():
            return None
        known.used = True
        return known

    def save_uses(self) -> None:
        """Write down which keys were used since the last time."""
        with self._lock:
            used = [one for one in self._admitted.values() if one.used]
            for one in used:
                one.used = False
        now = self._app.clock()
        by_project: dict[int, list[str]] = {}
        for one in used:
            by_project.setdefault(one.caller.project.id, []).append(one.key_id)
        for project_id, key_ids in by_project.items():
            # Best effort: when a key was last used is worth a write, not a second one.
            self._app.store.write(
                project_id,
                lambda tx, ids=key_ids: [tx.key_used(key_id, now) for key_id in ids],  # type: ignore[misc]
            )

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.type == "key.revoked":
                key_id = json.loads(line.data)["key"]
                with self._lock:
                    self._revocations += 1
                    for fingerprint, one in list(self._admitted.items()):
                        if one.key_id == key_id:
                            del self._admitted[fingerprint]


def fingerprint_of(secret: str | bytes) -> bytes:
    """What a key is remembered under, so that memory holds no secrets."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()
