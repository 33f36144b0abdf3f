"""The gate: who stands behind a key or a session, remembered until the journal says otherwise.

Checking a secret against the store once is enough: whatever changes what somebody may do is a
journal entry, and the tail brings it here before (this node) or shortly after (others) it is
acknowledged. A revoked key, an ended session, a role taken away: the next request knows.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pointsman.app import keys, sessions
from pointsman.app.application import Application, Caller
from pointsman.app.tail import Tail
from pointsman.core.journal import Line
from pointsman.core.people import GROUP

MAX_REMEMBERED = 10_000
MAX_READABLE = 1_000


class Admitted:
    """A caller that was let in, until `expires_at` (microseconds; None: for good)."""

    __slots__ = ("caller", "expires_at", "key_id", "narrow", "readable", "session_id", "used")

    def __init__(
        self, caller: Caller, key_id: str, expires_at: int | None, session_id: str = ""
    ) -> None:
        self.caller = caller
        self.key_id = key_id
        self.session_id = session_id
        """The key or the session that it was let in by; the other one is empty."""
        self.expires_at = expires_at
        self.narrow = caller.actor.narrow
        """Whether each answer has to be asked about: only a part of the project may be read."""
        self.readable: dict[bytes, object] = {}
        """Answers from memory that a narrow caller was found to be allowed, by path."""
        self.used = True
        """Set at each use; `Gate.save_uses` clears it."""

    def may_have(self, path: bytes, answer: object) -> None:
        """Note that a narrow caller may have this very answer."""
        if len(self.readable) >= MAX_READABLE:
            self.readable.clear()
        self.readable[path] = answer


class Gate:
    """Admits callers by their keys and sessions. Safe to use from any thread."""

    def __init__(self, app: Application, tail: Tail) -> None:
        self._app = app
        self._admitted: dict[bytes, Admitted] = {}
        self._revocations = 0
        self._lock = threading.Lock()
        tail.listen(self._heard)

    def admit(self, secret: str, via: str = "api", project: str = "") -> Admitted:
        """Who presents this key or session's token, in the project that is named, if any.

        Raises `Unauthenticated`, or `Refused` for a project that is not the caller's; asks
        the store the first time.
        """
        fingerprint = fingerprint_of(secret, project)
        known = self.remembered(fingerprint)
        if known is not None:
            return known
        before = self._revocations
        now = self._app.clock()
        with self._app.store.read() as reader:
            if secret.startswith("ps_"):
                caller, ends, session_id = sessions.authenticate(reader, secret, via, now, project)
                admitted = Admitted(caller, "", ends, session_id)
            else:
                caller, expires_at = keys.authenticate(reader, secret, via, now, project)
                admitted = Admitted(caller, secret.split("_")[1], expires_at)
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
            if one.key_id:
                by_project.setdefault(one.caller.project.id, []).append(one.key_id)
        for project_id, key_ids in by_project.items():
            # Best effort: when a key was last used is worth a write, not a second one.
            self._app.store.write(
                project_id,
                lambda tx, ids=key_ids: [tx.key_used(key_id, now) for key_id in ids],  # type: ignore[misc]
            )

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        for line in lines:
            concerns = _CONCERNS.get(line.type)
            if concerns is None:
                continue
            fact = json.loads(line.data)
            with self._lock:
                self._revocations += 1
                for fingerprint, one in list(self._admitted.items()):
                    if concerns(one, fact):
                        del self._admitted[fingerprint]


def fingerprint_of(secret: str | bytes, project: str | bytes = b"") -> bytes:
    """What a key is remembered under, so that memory holds no secrets."""
    spelt = secret.encode() if isinstance(secret, str) else secret
    if project:
        # No secret has a line break in it.
        spelt += b"\n" + (project.encode() if isinstance(project, str) else project)
    return hashlib.sha256(spelt).digest()


Concerns = Callable[[Admitted, dict[str, Any]], bool]


def _key(one: Admitted, fact: dict[str, Any]) -> bool:
    return bool(one.key_id == fact["key"])


def _session(one: Admitted, fact: dict[str, Any]) -> bool:
    return bool(one.session_id == fact["session"])


def _person(one: Admitted, fact: dict[str, Any]) -> bool:
    return one.caller.actor.id == f"person:{fact['person']}"


def _subject(one: Admitted, fact: dict[str, Any]) -> bool:
    actor, subject = one.caller.actor, fact["subject"]
    if subject.startswith(GROUP):
        return subject.removeprefix(GROUP) in actor.groups
    return bool(actor.id == subject)


_CONCERNS: dict[str, Concerns] = {
    "key.revoked": _key,
    "session.ended": _session,
    "person.changed": _person,
    "person.deactivated": _person,
    "person.reactivated": _person,
    "group.joined": _person,
    "group.left": _person,
    "role.granted": _subject,
    "role.withdrawn": _subject,
}
"""Which of those who were let in an entry is about: they are asked again who they are."""
CHANGING = frozenset(_CONCERNS)
"""The types of entries after which somebody may be let in no more, or with other rights."""
