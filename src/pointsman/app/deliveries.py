"""Telling webhooks: a consumer of the journal, with a place of its own in it for each of them.

What a webhook is to be told becomes a row in the transaction that moves its position, and a
row is done in the transaction that records how its attempt ended: so a crash at any moment
loses nothing, and at worst an event is told twice, under the same id. One server at a time
delivers for a webhook: it holds a lease, which runs out if it dies.

`core.deliveries` decides what is due; here are the threads, the clock and the rows.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pointsman.app.affecting import told_affected
from pointsman.app.application import Application, Caller, Work
from pointsman.app.ports import ProjectRow, Reader
from pointsman.app.ports.checkpoints import CheckpointRow
from pointsman.app.ports.webhooks import DeliveryRow, Outcome, Sender, WebhookRow
from pointsman.app.releases import MOVED
from pointsman.app.tail import Tail
from pointsman.app.webhooks import STEP, checkpoint_event, disable, secret_of, take_in, wants
from pointsman.core.access import Actor
from pointsman.core.deliveries import SECOND, Next, after_attempt, agenda, pause
from pointsman.core.events import PING, SIGNED, Event, Message, message
from pointsman.core.journal import Line
from pointsman.errors import Conflict, InvalidInput, PointsmanError

T = TypeVar("T")

WORKERS = 8
"""Webhooks that are told things at the same time by one server."""
LEASE = 30.0
"""Seconds for which a server keeps a webhook to itself without a sign of life.

It must be well over the time that one message may take."""
LOOK_EVERY = 1.0
"""Seconds between looks at the database for what nobody told of."""
GATHER = 0.02
"""Seconds in which news come together, so that busy writers are not watched at each commit."""
TAKEN = 100
"""Entries that become deliveries in one transaction, lest other writers wait for long."""
SLICE = 20.0
"""Seconds after which a webhook lets others have its thread."""
_KEYS = 100
"""Keys, at most, that sign checkpoints of one and the same entry."""
COURIER = Actor("system", "system", "admin", "webhooks")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is told to whom: `line` is the entry that it is about, None for a ping."""

    webhook: WebhookRow
    event: Event
    line: Line | None
    secret: str
    now: int
    """The moment of sending, in seconds since the epoch."""


Form = Callable[[Reader, Occasion], Message]
"""What writes messages in a format that is another system's."""


@dataclass(slots=True)
class _Watched:
    """What this server keeps in mind of a webhook. Losing it costs a look."""

    project_id: int
    scanned: int = 0
    """The last entry that was looked at; those behind the webhook's position were not wanted."""
    look_at: int | None = 0
    """When to look again, in microseconds; None: when there are news."""
    resting_until: int = 0
    failures: int = 0
    """Failed attempts in a row."""
    busy: bool = False
    news: bool = False


class Courier:
    """Tells the webhooks of all projects what they are to be told, on threads of its own."""

    def __init__(
        self,
        app: Application,
        tail: Tail,
        sender: Sender,
        forms: Mapping[str, Form],
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`forms` write messages in the formats that are not among our own."""
        self._app = app
        self._sender = sender
        self._forms = forms
        self._chance = chance
        self._me = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._projects: frozenset[int] = frozenset()
        self._heard_of: set[int] = set()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._looked = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._thread = threading.Thread(target=self._follow, name="pointsman-hooks", daemon=True)
        tail.listen(self._hear)

    def start(self) -> None:
        """Begin to deliver."""
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="pointsman-hook")
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering; returns when all threads have ended. What is left waits as rows."""
        self._stopping.set()
        self._wake.set()
        self._sender.cut()
        if self._pool is not None:
            self._thread.join()
            self._pool.shutdown(wait=True)
        for webhook_id, watched in list(self._watched.items()):
            try:
                self._let_go(webhook_id, watched)
            except PointsmanError as error:
                _log.info("The webhook %s is let go when its lease ends: %s", webhook_id, error)

    def serve(self, webhook_id: str) -> int | None:
        """Tell one webhook what is due, for a while.

        Returns when to look again, in microseconds; None if there is nothing to wait for.
        """
        with self._app.store.read() as reader:
            row = reader.webhook(webhook_id)
            if row is None or row.disabled_at is not None:
                return None
            watched = self._watched.setdefault(webhook_id, _Watched(row.project_id))
            now = self._app.clock()
            if self._is_others(row, now):
                return row.lease_until
            project = reader.project_by_id(row.project_id)
            assert project is not None, "a webhook's project exists"
            pending = {one.number: one for one in reader.pending_deliveries(row.id)}
            room = agenda(pending.values(), now).room
            seen = max(row.position, watched.scanned)
            lines = reader.lines(row.project_id, seen, STEP) if room else []
        wanted, seen = _wanted(row, lines, room, seen)
        if not wanted and seen - row.position < STEP:
            watched.scanned = seen  # written down with what comes next: it can be found again
        ready = agenda(pending.values(), now)
        if wanted or ready.ready or seen - row.position >= STEP:
            held = self._take(project, row, wanted, seen)
            if held is None:
                return now + SECOND
            row, taken = held
            watched.scanned = row.position
            pending |= {one.number: one for one in taken}
        return self._deliver(project, row, watched, pending, more=bool(lines) or not room)

    def _deliver(
        self,
        project: ProjectRow,
        row: WebhookRow,
        watched: _Watched,
        pending: dict[int, DeliveryRow],
        *,
        more: bool,
    ) -> int | None:
        """Deliver what is due; `more` says that there may be further entries to look at."""
        end = time.monotonic() + SLICE
        while True:
            plan = agenda(pending.values(), self._app.clock())
            for number in plan.ready:
                if self._stopping.is_set() or time.monotonic() > end:
                    return self._app.clock()
                changed = self._attempt(project, row, pending[number])
                if changed is None:
                    return self._app.clock() + SECOND
                row, one = changed
                if one.state == "pending":
                    pending[number] = one
                else:
                    del pending[number]
                if row.disabled_at is not None:
                    return None
                watched.failures = 0 if one.state == "delivered" else watched.failures + 1
                if rest := pause(watched.failures):
                    watched.resting_until = self._app.clock() + rest
                    return watched.resting_until
            if not plan.ready:
                return self._app.clock() if more and plan.room else plan.wake_at

    def _attempt(
        self, project: ProjectRow, row: WebhookRow, one: DeliveryRow
    ) -> tuple[WebhookRow, DeliveryRow] | None:
        """Send one delivery, and write down how that ended. None: it is ours no more."""
        started = self._app.clock()
        try:
            outcome = self._sender.send(row.url, self._message(project, row, one))
        except (Conflict, InvalidInput) as unreadable:  # its secret can't be opened
            outcome = Outcome(None, 0, "", str(unreadable))
        if self._stopping.is_set() and outcome.status is None:
            return None  # it was us who ended it
        attempts = one.attempts + 1
        now = self._app.clock()
        then = after_attempt(
            status=outcome.status,
            error=outcome.error,
            lane=one.lane,
            attempts=attempts,
            failing_since=one.failing_since,
            now=now,
            chance=self._chance(),
        )
        after = _after(one, attempts, started, outcome, then)
        return self._write(project, lambda work: self._written(work, row, one, after, then.disable))

    def _message(self, project: ProjectRow, row: WebhookRow, one: DeliveryRow) -> Message:
        """What is sent for a delivery. Raises what `secret_of` raises."""
        now = self._app.clock() // SECOND
        with self._app.store.read() as reader:
            event, line = _event(reader, project, row, one)
            secret = secret_of(reader, row)
            if form := self._forms.get(row.format):
                return form(reader, Occasion(row, event, line, secret, now))
        return message(event, row.format, secret, row.token, now)  # type: ignore[arg-type]

    def _written(
        self, work: Work, row: WebhookRow, before: DeliveryRow, after: DeliveryRow, why: str
    ) -> tuple[WebhookRow, DeliveryRow] | None:
        fresh = work.tx.webhook(row.id)
        now = work.tx.delivery(row.id, before.number)
        if fresh is None or now is None or now.state != "pending":
            return None
        work.tx.put_delivery(after)
        if self._is_others(fresh, self._app.clock()):
            return None
        if why and fresh.disabled_at is None:
            return disable(work, fresh, why), after
        fresh = fresh._replace(lease_owner=self._me, lease_until=self._lease())
        work.tx.put_webhook(fresh)
        return fresh, after

    def _take(
        self, project: ProjectRow, row: WebhookRow, wanted: Sequence[Line], seen: int
    ) -> tuple[WebhookRow, list[DeliveryRow]] | None:
        """Take the lease, and in what the webhook is to be told. None if it is not as it was."""

        def take(work: Work) -> tuple[WebhookRow, list[DeliveryRow]] | None:
            fresh = work.tx.webhook(row.id)
            if fresh is None or _terms(fresh) != _terms(row):
                return None
            if self._is_others(fresh, self._app.clock()):
                return None
            fresh = fresh._replace(lease_owner=self._me, lease_until=self._lease())
            return take_in(work, fresh, wanted, seen)

        return self._write(project, take)

    def _let_go(self, webhook_id: str, watched: _Watched) -> None:
        """Let others deliver at once, and write down how far this server has looked."""
        with self._app.store.read() as reader:
            row = reader.webhook(webhook_id)
            project = reader.project_by_id(watched.project_id)
        if row is None or project is None or row.lease_owner != self._me:
            return

        def release(work: Work) -> None:
            fresh = work.tx.webhook(webhook_id)
            if fresh is not None and fresh.lease_owner == self._me:
                work.tx.put_webhook(fresh._replace(lease_owner="", lease_until=0))

        self._write(project, release)

    def _write(self, project: ProjectRow, use_case: Callable[[Work], T]) -> T:
        return self._app.write(Caller(COURIER, project), use_case)

    def _lease(self) -> int:
        return self._app.clock() + int(LEASE * SECOND)

    def _is_others(self, row: WebhookRow, now: int) -> bool:
        return row.lease_owner not in ("", self._me) and row.lease_until > now

    # Threads

    def _hear(self, project_id: int, lines: Sequence[Line]) -> None:
        """The tail's news: on the thread of whoever has written, so only a note is taken."""
        if any(line.type.startswith("webhook.") for line in lines):
            self._looked = 0.0
        elif project_id not in self._projects:
            return
        self._heard_of.add(project_id)
        self._wake.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hand_out()
            except PointsmanError as error:
                _log.warning("Webhooks can't be looked at now: %s", error)
            except Exception:
                _log.exception("Looking at webhooks failed")
            self._stopping.wait(GATHER)
            self._wake.wait(self._patience())
            self._wake.clear()

    def _patience(self) -> float:
        with self._lock:
            times = [
                one.look_at
                for one in self._watched.values()
                if one.look_at is not None and not one.busy
            ]
        soonest = (min(times, default=2**62) - self._app.clock()) / SECOND
        return max(0.0, min(soonest, LOOK_EVERY))

    def _hand_out(self) -> None:
        """Give every webhook that has something to do to a thread."""
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            self._look()
        heard, self._heard_of = self._heard_of, set()
        now = self._app.clock()
        with self._lock:
            for webhook_id, one in self._watched.items():
                one.news = one.news or one.project_id in heard
                if one.busy:
                    continue
                due = one.news or (one.look_at is not None and one.look_at <= now)
                if due and one.resting_until <= now and self._pool is not None:
                    one.busy, one.news = True, False
                    self._pool.submit(self._serve, webhook_id, one)

    def _look(self) -> None:
        """See which webhooks there are, and whether something happened that was not heard."""
        with self._app.store.read() as reader:
            enabled = reader.enabled_webhooks()
            heads = reader.heads()
        with self._lock:
            gone = self._watched.keys() - {webhook_id for webhook_id, *_ in enabled}
            for webhook_id in gone:
                if not self._watched[webhook_id].busy:
                    del self._watched[webhook_id]
            for webhook_id, project_id, hurried in enabled:
                one = self._watched.setdefault(webhook_id, _Watched(project_id))
                if hurried:
                    one.news, one.resting_until = True, 0
                elif one.scanned < heads.get(project_id, 0):
                    one.news = True
        self._projects = frozenset(project_id for _, project_id, _ in enabled)

    def _serve(self, webhook_id: str, watched: _Watched) -> None:
        look_at: int | None = self._app.clock() + SECOND
        try:
            if not self._stopping.is_set():
                look_at = self.serve(webhook_id)
        except PointsmanError as error:
            _log.warning("The webhook %s can't be told things now: %s", webhook_id, error)
        except Exception:
            _log.exception("Telling the webhook %s failed", webhook_id)
        with self._lock:
            watched.busy, watched.look_at = False, look_at
        self._wake.set()


def _wanted(row: WebhookRow, lines: Sequence[Line], room: int, seen: int) -> tuple[list[Line], int]:
    """The entries that the webhook is told of, while there is room, and how far that goes."""
    if not lines:
        return [], seen
    most = min(room, TAKEN)
    wanted = list(islice((line for line in lines if wants(row, line)), most))
    return wanted, wanted[-1].seq if len(wanted) == most else lines[-1].seq


def _terms(row: WebhookRow) -> WebhookRow:
    """What must not have changed between a look and a transaction."""
    return row._replace(name="", next_delivery=0, lease_owner="", lease_until=0)


def _event(
    reader: Reader, project: ProjectRow, row: WebhookRow, one: DeliveryRow
) -> tuple[Event, Line | None]:
    """What a delivery tells, read from the journal or from the checkpoints; and the entry."""
    source = f"urn:pointsman:{reader.meta('store')}:{project.uid}"
    if one.type == SIGNED:
        found = _checkpoint(reader, row, one)
        told = {
            "entries": found.seq,
            "hash": found.hash,
            "key": found.key,
            "note": found.note,
        }
        by, via = "Pointsman", "checkpoints"
        event = Event(one.event, source, SIGNED, found.at, by, via, one.seq, project.name, told)
        return event, None
    if not one.seq:
        facts = {"webhook": row.id, "webhook_name": row.name}
        if one.subject:
            facts["plays"] = one.subject
        by, via = "Pointsman", "webhooks"
        event = Event(one.event, source, PING, one.created_at, by, via, 0, project.name, facts)
        return event, None
    (line,) = reader.lines(project.id, one.seq - 1, 1)
    facts = json.loads(line.data)
    if line.type == MOVED:
        facts |= told_affected(reader, project.id, line)
    event = Event(
        id=one.event,
        source=source,
        type=line.type,
        at=line.at,
        by=line.by,
        via=line.via,
        seq=line.seq,
        project=project.name,
        facts=facts,
    )
    return event, line


def _checkpoint(reader: Reader, row: WebhookRow, one: DeliveryRow) -> CheckpointRow:
    """The checkpoint that a delivery tells of: of those of so many entries, perhaps one a key."""
    rows = reader.checkpoints(row.project_id, one.seq + 1, _KEYS)
    return next(found for found in rows if checkpoint_event(reader, found, row) == one.event)


def _after(
    one: DeliveryRow, attempts: int, started: int, outcome: Outcome, then: Next
) -> DeliveryRow:
    """The delivery after an attempt."""
    state = one.state
    if then.ended:
        state = "delivered" if then.delivered else "failed"
    return one._replace(
        state=state,
        attempts=attempts,
        due_at=then.due_at,
        failing_since=then.failing_since,
        attempted_at=started,
        status=outcome.status,
        duration=outcome.duration,
        answer=outcome.answer,
        error=outcome.error,
    )
