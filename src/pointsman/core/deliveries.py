"""When what is delivered: order, waiting after failures, and when to give up. Pure.

Deliveries of one lane (an artifact) are made one after the other: while one fails, those
behind it wait, and other lanes go on. Nothing is ever left out; when a delivery has failed
for `PATIENCE`, its webhook is disabled and waits for somebody to enable it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

SECOND = 1_000_000
WINDOW = 1_000
"""Deliveries that may be pending before no further entries are looked at."""
FIRST_WAIT = 5 * SECOND
LONGEST_WAIT = 3_600 * SECOND
PATIENCE = 3 * 24 * 3_600 * SECOND
"""How long one delivery is tried before its webhook is disabled, in microseconds."""
LONGEST_PAUSE = 300 * SECOND
GONE = 410
"""The status by which a receiver says that it wants nothing more."""


class Waiting(Protocol):
    """What a decision has to know of a pending delivery."""

    @property
    def number(self) -> int: ...
    @property
    def lane(self) -> int: ...
    @property
    def due_at(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Agenda:
    """What to do now: deliver these, in this order; then look again at `wake_at`, if any."""

    ready: tuple[int, ...]
    wake_at: int | None
    room: int
    """How many more may become pending."""


@dataclass(frozen=True, slots=True)
class Next:
    """What follows from an attempt: `delivered`, over (`ended`), or once more at `due_at`."""

    delivered: bool
    ended: bool
    due_at: int
    failing_since: int | None
    disable: str = ""
    """Why the whole webhook is to be disabled, if it is."""


def agenda(pending: Iterable[Waiting], now: int) -> Agenda:
    """What to deliver of all that is pending, given in the order of its numbers."""
    heads: dict[int, Waiting] = {}
    count = 0
    for one in pending:
        count += 1
        heads.setdefault(one.lane, one)
    ready = tuple(sorted(one.number for one in heads.values() if one.due_at <= now))
    later = [one.due_at for one in heads.values() if one.due_at > now]
    return Agenda(ready, min(later, default=None), max(0, WINDOW - count))


def after_attempt(
    *,
    status: int | None,
    error: str,
    lane: int,
    attempts: int,
    failing_since: int | None,
    now: int,
    chance: float,
) -> Next:
    """What follows from an attempt that ended now; `attempts` counts it.

    What was asked for by hand (a lane below 0) is tried once. `chance` from 0 to 1 spreads
    the waits, so that what failed together does not come back together.
    """
    if status is not None and 200 <= status < 300:
        return Next(True, True, now, None)
    since = now if failing_since is None else failing_since
    if lane < 0:
        return Next(False, True, now, since)
    told = f"it answered {status}" if status is not None else error.rstrip(".") or "no answer"
    if status == GONE:
        return Next(False, False, now, since, "Its receiver wants nothing more: it answered 410.")
    if now - since >= PATIENCE:
        days = PATIENCE // (24 * 3_600 * SECOND)
        why = f"A delivery failed for {days} days, {attempts} times; at last: {told}."
        return Next(False, False, now, since, why)
    return Next(False, False, now + wait(attempts, chance), since)


def wait(attempts: int, chance: float) -> int:
    """Microseconds from a failed attempt to the next one: doubling, and up to a half more."""
    doubled = FIRST_WAIT << min(attempts - 1, 30)
    return int(min(doubled * (1 + chance / 2), LONGEST_WAIT))


def pause(failures: int) -> int:
    """Microseconds for which a webhook rests after so many failures in a row.

    Whatever the lane, a receiver that is down keeps a thread waiting each time.
    """
    if failures < 3:
        return 0
    return min(FIRST_WAIT << min(failures - 3, 30), LONGEST_PAUSE)
