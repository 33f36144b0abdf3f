"""What a client can hand out: the cache's answers as prompts, safe to use from any thread.

`held` maps every spelling of a selector that was asked for to its prompt. Readers look it
up without a lock; all writing is done under `lock`, which is never held during I/O.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.errors import PointsmanError
from pointsman.sdk.answers import Ready, ready
from pointsman.sdk.cache import Cache
from pointsman.sdk.knowledge import Answer, Pace, Subject

MAX_SPELLINGS = 50


@dataclass(frozen=True, slots=True)
class Changed:
    """A selector means something else now; None: nothing."""

    selector: str
    before: Ready | None
    after: Ready | None


class Holding:
    """See the head of this file. `shelf` has what was stored, until it is asked for."""

    def __init__(self, pace: Pace, shelf: Mapping[str, Answer]) -> None:
        self.held: dict[str, Prompt] = {}
        self.lock = threading.Lock()
        self.cache = Cache(time.monotonic, random.random, pace)
        self.changes: deque[Changed] = deque()
        self.unsaved_since: float | None = None
        self._shelf = dict(shelf)
        self._ready: dict[str, Ready] = {}
        self._spellings: dict[str, set[str]] = {}
        self._removed: set[str] = set()

    def find(self, text: str, selector: Selector) -> Ready | None:
        """What can be handed out for a selector; from now on it is kept right.

        Raises the registry's word that there is no such thing, while it can be believed.
        """
        name = str(selector)
        with self.lock:
            self._track(selector)
            found = self._ready.get(name)
            if found is not None and not self.cache.must_ask(name):
                self._spell(text, name)
                return found
            missing = self.cache.missing(name)
        if missing is not None:
            raise missing
        return None

    def find_stale(self, text: str, name: str) -> Ready | None:
        """What can be handed out although better was hoped for."""
        with self.lock:
            found = self._ready.get(name)
            if found is not None:
                self._spell(text, name)
            return found

    def track(self, selector: Selector) -> bool:
        """Keep a selector right from now on. False if there is no room for it."""
        with self.lock:
            return self._track(selector)

    def known(self, name: str) -> Answer | None:
        """The answer that is held."""
        with self.lock:
            return self.cache.answer(name)

    def settle(self, name: str, answer: Answer) -> None:
        """The registry answered. Raises `IntegrityError` if no prompt can be made of it."""
        made = self._made(name, answer)
        with self.lock:
            before = self._ready.get(name)
            replaced = self.cache.settle(name, answer)
            now = self.cache.answer(name)
            if now is None or now.resolution is not answer.resolution:
                return  # it was older than what is held
            after = self._ready[name] = replace(made, answer=now)
            self._publish(name)
            if replaced is not None:
                self._note(name, before, after)

    def refuse(
        self, name: str, error: PointsmanError, seq: int | None, epoch: str, asked_at: float
    ) -> None:
        """The registry says that there is no such thing (any more)."""
        with self.lock:
            if self.cache.refuse(name, error, seq, epoch, asked_at) is None:
                return
            before = self._ready.pop(name, None)
            self._publish(name)
            self._note(name, before, None)

    def fail(self, name: str, error: PointsmanError) -> None:
        """The question was not answered."""
        with self.lock:
            self.cache.fail(name, error)

    def doubt(self, subjects: Iterable[Subject]) -> None:
        """The application has changed these artifacts itself: its next read must show it."""
        with self.lock:
            for name in self.cache.doubt(subjects):
                self._publish(name)

    def to_store(self) -> tuple[dict[str, Answer], list[str]]:
        """What the registry has confirmed and what it has removed, to put into the file."""
        wall = time.time() - time.monotonic()
        with self.lock:
            self.unsaved_since = None
            held, removed = self.cache.answers(), self.cache.removed()
        fresh = {name: answer for name, answer in held.items() if answer.source == "network"}
        return {
            name: replace(answer, asked_at=answer.asked_at + wall) for name, answer in fresh.items()
        }, removed

    def begin_anew(self) -> None:
        """In a forked child: the parent's lock may be held by a thread that is not here."""
        self.lock = threading.Lock()
        self.changes.clear()
        self.unsaved_since = None
        self.cache.hung_up()
        self.cache.position = None
        # The next read of each selector takes the long way, which starts the threads again.
        self.held.clear()

    def _track(self, selector: Selector) -> bool:
        name = str(selector)
        restored = self._shelf.pop(name, None)
        if restored is not None:
            try:
                made = ready(restored)
            except PointsmanError:  # stored by another version of this library, perhaps
                restored = None
            else:
                self._ready.setdefault(name, made)
        return self.cache.track(selector, restored)

    def _made(self, name: str, answer: Answer) -> Ready:
        """The prompts of an answer: those handed out already, where they are the same."""
        with self.lock:
            before = self._ready.get(name)
        if before is not None and answer.says_the_same_as(before.answer):
            return before
        return ready(answer)

    def _spell(self, text: str, name: str) -> None:
        """Have the next read of `text` answered by the mere lookup, unless it needs a key."""
        spellings = self._spellings.setdefault(name, {name})
        if len(spellings) < MAX_SPELLINGS:
            spellings.add(text)
        self._publish(name)

    def _publish(self, name: str) -> None:
        found = self._ready.get(name)
        prompt = None if found is None or self.cache.must_ask(name) else found.only
        for text in self._spellings.get(name, ()):
            if prompt is None:
                self.held.pop(text, None)
            else:
                self.held[text] = prompt

    def _note(self, name: str, before: Ready | None, after: Ready | None) -> None:
        if self.unsaved_since is None:
            self.unsaved_since = time.monotonic()
        if before is not None or name in self._removed:  # a first answer changes nothing
            self.changes.append(Changed(name, before, after))
        if after is None:
            self._removed.add(name)
        else:
            self._removed.discard(name)
