"""What a client holds for each selector, what it must ask the registry, and when.

A state machine without I/O, threads or a clock of its own: the shell around it (`reader`)
fetches what is `due`, reports what became of it, and passes on what the journal's stream
says. Two promises are kept here and nowhere else:

- what is held stays held until the registry itself has replaced or removed it; that the
  registry can't be reached, or answers nonsense, removes nothing;
- an answer that is older than what is held is dropped, whatever way it came.

"Older" is decided by the journal's sequence number at which an answer was made, and by the
revision of the alias it came through. An answer stays right until an entry concerns it, so a
low number does not make it wrong: only one that says something else, and is lower, is older.
Numbers of different journals can't be compared, so each answer carries the `epoch` it is
from: a store restored from a backup has a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from pointsman.core.selectors import Selector
from pointsman.errors import Gone, PointsmanError, Refused, Unauthenticated, Unavailable
from pointsman.sdk.knowledge import (
    SOURCES,
    Answer,
    Fact,
    Pace,
    Replaced,
    Status,
    Subject,
    concerns,
    goes_back,
    subjects,
)

MAX_TRACKED = 10_000
"""Selectors that are held at most; more are answered, but asked for each time."""


@dataclass(slots=True)
class _Slot:
    """What is known of one selector."""

    selector: Selector
    due_at: float
    answer: Answer | None = None
    missing: PointsmanError | None = None
    missing_at: float = float("-inf")
    wanted: int = 0
    """The last journal entry that concerns it: an answer from before that is out of date."""
    suspect_at: float = float("-inf")
    """Answers asked for before this moment don't count as confirmed…"""
    sure_from: float = float("inf")
    """…unless they were made at this journal entry or later."""
    ask_first: bool = False
    failures: int = 0
    error: PointsmanError | None = None
    subjects: frozenset[Subject] = frozenset()


class Cache:
    """See the head of this file. `random` gives numbers from 0 to 1, for jitter."""

    def __init__(
        self,
        clock: Callable[[], float],
        random: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.connected = False
        self.epoch = ""
        self.position: int | None = None
        """Up to which journal entry the stream has been followed; None: ask for the present."""
        self.last_error: PointsmanError | None = None
        self._clock = clock
        self._random = random
        self._slots: dict[str, _Slot] = {}
        self._about: dict[Subject, set[str]] = {}
        self._adopted_at = float("-inf")
        self._replaced_at = float("-inf")
        self._failures = 0
        self._paused_until = float("-inf")

    # What applications want

    def track(self, selector: Selector, restored: Answer | None = None) -> bool:
        """Hold this selector from now on, with `restored` for as long as there is no better.

        False if it can't be held because too many are already.
        """
        name = str(selector)
        if name in self._slots:
            return True
        if len(self._slots) >= MAX_TRACKED:
            self._forget_missing()
            if len(self._slots) >= MAX_TRACKED:
                return False
        slot = self._slots[name] = _Slot(selector, due_at=self._clock())
        slot.answer = restored
        self._index(name, slot)
        return True

    def tracked(self) -> Collection[str]:
        """The selectors that are held, or would be."""
        return self._slots.keys()

    def answer(self, name: str) -> Answer | None:
        """What is held."""
        slot = self._slots.get(name)
        return slot.answer if slot else None

    def answers(self) -> dict[str, Answer]:
        """All that is held."""
        return {name: slot.answer for name, slot in self._slots.items() if slot.answer}

    def missing(self, name: str) -> PointsmanError | None:
        """The registry's word that there is no such thing, while it can be believed."""
        slot = self._slots.get(name)
        if slot is None or slot.missing is None:
            return None
        now = self._clock()
        followed = self.connected and now < slot.due_at
        if slot.ask_first or not (followed or now < slot.missing_at + self.pace.missing):
            return None
        return slot.missing

    def removed(self) -> list[str]:
        """The selectors that the registry says mean nothing (any more)."""
        return [name for name, slot in self._slots.items() if slot.missing and not slot.answer]

    def must_ask(self, name: str) -> bool:
        """Whether the reader itself has changed something, and wants to see that."""
        slot = self._slots.get(name)
        return slot is not None and slot.ask_first

    def doubt(self, subjects: Iterable[Subject]) -> list[str]:
        """Somebody here has changed these artifacts: ask before answering the next read."""
        now = self._clock()
        names = sorted({name for one in subjects for name in self._about.get(one, ())})
        for name in names:
            slot = self._slots[name]
            slot.ask_first, slot.due_at = True, now
            slot.suspect_at, slot.sure_from = now, float("inf")
        return names

    # What the registry said

    def settle(self, name: str, answer: Answer) -> Replaced | None:
        """The registry answered. What is held is replaced unless the answer is older."""
        slot = self._slots.get(name)
        if slot is None:
            return None
        self._reached()
        if not self._believe(answer.epoch, answer.asked_at):
            self._again(slot)
            return None
        if not answer.epoch:
            answer = replace(answer, epoch=self.epoch)
        before = slot.answer
        same = before is not None and answer.says_the_same_as(before)
        if before is not None and goes_back(before, answer):
            if not same:
                self._again(slot)
                return None
            answer = replace(answer, seq=before.seq)
        if self.last_error is slot.error:
            self.last_error = None
        slot.answer, slot.missing, slot.error = answer, None, None
        if self._index(name, slot) and self.connected and answer.seq != self.position:
            # Entries about what is new in it may have gone by unheeded: ask once more.
            slot.suspect_at, slot.sure_from = self._clock(), float("inf")
        self._calm(slot, answer.seq, answer.asked_at)
        return None if same else Replaced(name, before, answer)

    def refuse(
        self, name: str, error: PointsmanError, seq: int | None, epoch: str, asked_at: float
    ) -> Replaced | None:
        """The registry says that there is no such thing (any more).

        It is believed if its journal recorded a removal, or may have. A registry that has
        lost its journal knows nothing either, and must not take away what is held.
        """
        slot = self._slots.get(name)
        if slot is None:
            return None
        self._reached()
        if not self._believe(epoch, asked_at):
            self._again(slot)
            return None
        before = slot.answer
        if before is not None and not self._removes(slot, before, error, seq):
            slot.error = self.last_error = error
            slot.ask_first = False
            self._again(slot)
            return None
        slot.answer, slot.missing, slot.missing_at, slot.error = None, error, asked_at, error
        self._calm(slot, seq, asked_at)
        return None if before is None else Replaced(name, before, None)

    def fail(self, name: str, error: PointsmanError) -> None:
        """The question was not answered. Nothing changes, but when it is asked again."""
        slot = self._slots.get(name)
        self.last_error = error
        if slot is not None:
            slot.error = error
            slot.ask_first = False
        if isinstance(error, Unavailable | Unauthenticated | Refused):
            # It would be the same for every other selector: all of them wait.
            self._failures += 1
            wait = max(self._backoff(self._failures), _retry_after(error))
            self._paused_until = self._clock() + wait
            if slot is not None:
                slot.due_at = max(slot.due_at, self._paused_until)  # behind the others
        elif slot is not None:
            self._again(slot)

    # What the stream said

    def hello(self, seq: int, epoch: str, after: int | None) -> bool:
        """A stream has begun at a journal's head, and will tell all that came `after`.

        False if that is not what was last heard of this journal: ask for another stream.
        """
        now = self._clock()
        known = self.position
        if epoch != self.epoch:
            self._adopt(epoch)
            known = None
        elif known is not None and seq < known:
            # The journal is shorter than it was: it is not the same one, whatever it says.
            self._adopt(epoch, force=True)
            known = None
        self.connected, self.last_error = True, None
        self._failures, self._paused_until = 0, now
        if after is not None and known == after:
            return True
        self.resync(seq)
        return after is None

    def heard(self, fact: Fact) -> None:
        """The stream told of a journal entry."""
        if self.position is None or fact.seq <= self.position:
            return
        self.position = fact.seq
        now = self._clock()
        for name in self._about.get((fact.kind, fact.name), ()):
            slot = self._slots[name]
            if _knows(slot, fact.seq, self.epoch):
                continue
            if concerns(fact, slot.selector, slot.answer):
                slot.wanted, slot.due_at, slot.failures = fact.seq, now, 0

    def resync(self, seq: int) -> None:
        """Events were left out: everything not known to be right at `seq` is asked again."""
        now = self._clock()
        self.position = seq
        for slot in self._slots.values():
            if not _knows(slot, seq, self.epoch):
                slot.suspect_at, slot.sure_from, slot.due_at = now, seq, now

    def hung_up(self, error: PointsmanError | None = None) -> None:
        """The stream has ended: from now on questions are asked at intervals."""
        if error is not None:
            self.last_error = error
        if not self.connected:
            return
        self.connected = False
        latest = self._clock() + self._jittered(self.pace.refresh)
        for slot in self._slots.values():
            slot.due_at = min(slot.due_at, latest)

    # The schedule

    def due(self, busy: Collection[str] = ()) -> list[str]:
        """The selectors to ask about now, the longest overdue first, without those `busy`."""
        now = self._clock()
        if now < self._paused_until:
            return []
        late = [(s.due_at, name) for name, s in self._slots.items() if s.due_at <= now]
        return [name for _, name in sorted(late) if name not in busy]

    def next_due(self, busy: Collection[str] = ()) -> float | None:
        """When there will be something to ask, on the clock; None if never."""
        times = [slot.due_at for name, slot in self._slots.items() if name not in busy]
        return max(min(times), self._paused_until) if times else None

    def paused(self) -> bool:
        """Whether asking failed so lately that it isn't worth making somebody wait for it."""
        return self._clock() < self._paused_until

    def failing(self) -> bool:
        """Whether the registry could not be asked when that was last tried."""
        return self._failures > 0

    def status(self, name: str | None = None) -> Status:
        """How well one selector is known, or the worst of all that are held."""
        names = self._slots.keys() if name is None else {name} & self._slots.keys()
        held = [(slot, slot.answer) for slot in map(self._slots.__getitem__, names) if slot.answer]
        now = self._clock()
        stale = any(not self._is_fresh(slot) for slot, _ in held)
        seqs = [answer.seq for _, answer in held if answer.seq is not None]
        return Status(
            connected=self.connected,
            stale=stale,
            age=max((self._age(slot, answer, now) for slot, answer in held), default=None),
            source=max((answer.source for _, answer in held), key=SOURCES.index, default=None),
            last_error=self.last_error if name is None else self._error_of(name),
            seq=self.position if self.connected and not stale else min(seqs, default=None),
            held=len(held),
        )

    # How it is decided

    def _is_fresh(self, slot: _Slot) -> bool:
        answer = slot.answer
        if answer is None or answer.source != "network" or answer.epoch != self.epoch:
            return False
        if _is_outdated(slot, answer.seq, answer.asked_at):
            return False
        return self.connected or self._clock() - answer.asked_at < 1.5 * self.pace.refresh

    def _age(self, slot: _Slot, answer: Answer, now: float) -> float:
        """For how long it has not been known to be right: not at all while it is followed."""
        return 0.0 if self.connected and self._is_fresh(slot) else max(0.0, now - answer.asked_at)

    def _error_of(self, name: str) -> PointsmanError | None:
        slot = self._slots.get(name)
        return slot.error if slot else None

    def _believe(self, epoch: str, asked_at: float) -> bool:
        """Whether an answer of this epoch is of the present journal, as far as can be told."""
        if epoch == self.epoch:
            return True
        if not epoch:
            return asked_at > self._replaced_at
        if self.epoch and (self.connected or asked_at <= self._adopted_at):
            return False  # it is from before the present journal was heard of, most likely
        self._adopt(epoch)
        return True

    def _adopt(self, epoch: str, *, force: bool = False) -> None:
        """Another journal has taken the old one's place: its numbers begin anew."""
        first, self.epoch, self.position = not self.epoch, epoch, None
        now = self._adopted_at = self._clock()
        if first and not force:
            return
        self._replaced_at = now
        for slot in self._slots.values():
            slot.wanted, slot.due_at = 0, now
            slot.suspect_at, slot.sure_from = now, float("inf")
            if force and slot.answer:
                slot.answer = replace(slot.answer, epoch="?")

    def _removes(self, slot: _Slot, held: Answer, error: PointsmanError, seq: int | None) -> bool:
        if held.epoch != self.epoch:
            return isinstance(error, Gone)
        if seq is None or held.seq is None:
            return slot.wanted > (held.seq or 0) or isinstance(error, Gone)
        return seq >= held.seq

    def _calm(self, slot: _Slot, seq: int | None, asked_at: float) -> None:
        """Plan the next question, which comes soon if this answer was already out of date."""
        now = self._clock()
        if _is_outdated(slot, seq, asked_at):
            # At once the first time: most likely an entry and the answer crossed each other.
            slot.due_at = now + (self._backoff(slot.failures) if slot.failures else 0.0)
            slot.failures += 1
            return
        slot.failures, slot.ask_first = 0, False
        interval = self.pace.sweep if self.connected else self.pace.refresh
        slot.due_at = now + self._jittered(interval)

    def _again(self, slot: _Slot) -> None:
        slot.failures += 1
        slot.due_at = self._clock() + self._backoff(slot.failures)

    def _reached(self) -> None:
        self._failures, self._paused_until = 0, self._clock()

    def _backoff(self, failures: int) -> float:
        longest = min(self.pace.retry * 2.0 ** min(failures - 1, 30), self.pace.retry_most)
        return longest * (0.5 + 0.5 * self._random())

    def _jittered(self, interval: float) -> float:
        return interval * (0.8 + 0.4 * self._random())

    def _index(self, name: str, slot: _Slot) -> bool:
        """Find the slot by every artifact whose journal entries can concern it.

        True if there are new ones.
        """
        now = subjects(slot.selector, slot.answer)
        added = now - slot.subjects
        for subject in slot.subjects - now:
            self._about[subject].discard(name)
        for subject in added:
            self._about.setdefault(subject, set()).add(name)
        slot.subjects = now
        return bool(added)

    def _forget_missing(self) -> None:
        for name in self.removed():
            for subject in self._slots.pop(name).subjects:
                self._about[subject].discard(name)


def _is_outdated(slot: _Slot, seq: int | None, asked_at: float) -> bool:
    """Whether an answer made at `seq` may be from before something that concerns the slot."""
    if seq is not None and seq < slot.wanted:
        return True
    return asked_at < slot.suspect_at and not (seq is not None and seq >= slot.sure_from)


def _knows(slot: _Slot, seq: int, epoch: str) -> bool:
    """Whether what the slot has was answered by this journal, at or after `seq`."""
    answer = slot.answer
    if answer is None:
        return False
    return answer.epoch == epoch and answer.seq is not None and answer.seq >= seq


def _retry_after(error: PointsmanError) -> float:
    wait = error.details.get("retry_after")
    return min(float(wait), 300.0) if isinstance(wait, int | float) else 0.0
