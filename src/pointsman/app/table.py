"""Ready answers in memory: a bounded table that the journal's tail keeps right.

An answer is kept with the artifacts that it was made of; an entry about any of them drops it.
It is never wrong: what was read before an entry arrived is not put in after it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from pointsman.app.tail import Tail
from pointsman.core.journal import Line

MAX_ANSWERS = 100_000
MAX_BYTES = 256 << 20
_REMEMBERED_CHANGES = 10_000


class Sized(Protocol):
    """An answer that knows about how many bytes it takes."""

    size: int


A = TypeVar("A", bound=Sized)


class Table(Generic[A]):
    """Answers by key. `get` takes no lock; everything else does, briefly."""

    def __init__(
        self, tail: Tail, max_answers: int = MAX_ANSWERS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._answers: dict[Hashable, A] = {}
        self._keys_of: dict[int, set[Hashable]] = {}
        self._made_of: dict[Hashable, frozenset[int]] = {}
        self._changed: dict[int, int] = {}
        self._forgotten = 0
        self._generation = 0
        self._bytes = 0
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self.get = self._answers.get
        tail.listen(self._heard)

    @property
    def generation(self) -> int:
        """Grows with each change; taken before reading, it says how old the reading is."""
        return self._generation

    def put(self, key: Hashable, answer: A, artifacts: frozenset[int], generation: int) -> None:
        """Keep an answer read at `generation`, unless what it is made of changed since."""
        with self._lock:
            if generation < self._forgotten:
                return
            if any(self._changed.get(one, 0) > generation for one in artifacts):
                return
            self._drop(key)
            while self._answers and (
                len(self._answers) >= self._max_answers
                or self._bytes + answer.size > self._max_bytes
            ):
                # The oldest goes. Reads don't reorder: that would cost each of them a lock.
                self._drop(next(iter(self._answers)))
            self._answers[key] = answer
            self._made_of[key] = artifacts
            self._bytes += answer.size
            for one in artifacts:
                self._keys_of.setdefault(one, set()).add(key)

    def __len__(self) -> int:
        return len(self._answers)

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        self._forget({line.artifact for line in lines if line.artifact is not None})

    def _forget(self, artifacts: Iterable[int]) -> None:
        with self._lock:
            self._generation += 1
            for artifact in artifacts:
                self._changed[artifact] = self._generation
                for key in list(self._keys_of.get(artifact, ())):
                    self._drop(key)
            if len(self._changed) > _REMEMBERED_CHANGES:
                # Readings from before this moment are then refused, whatever they are of.
                self._changed.clear()
                self._forgotten = self._generation

    def _drop(self, key: Hashable) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self._bytes -= answer.size
        for artifact in self._made_of.pop(key):
            keys = self._keys_of[artifact]
            keys.discard(key)
            if not keys:
                del self._keys_of[artifact]
