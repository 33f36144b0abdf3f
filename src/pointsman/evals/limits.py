"""When a request may start, and how long to wait before the next attempt.

`Pace` and `Patience` decide and know no clock; `Limiter` waits for what they say.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]

WINDOW: Final = 60.0
"""Seconds in which `per_minute` requests may start: any 60 seconds, not only whole minutes."""


class Pace:
    """How many requests may start in any minute, and whether any may start now."""

    def __init__(self, per_minute: int | None) -> None:
        # Only as many starts matter as may happen within one window.
        self._starts: deque[float] = deque(maxlen=per_minute or 0)
        self._paused_until = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until a request may start; 0 if it may at once."""
        opens = self._paused_until
        if self._starts.maxlen and len(self._starts) == self._starts.maxlen:
            opens = max(opens, self._starts[0] + WINDOW)
        return max(0.0, opens - now)

    def start(self, now: float) -> None:
        """A request starts."""
        self._starts.append(now)

    def pause(self, until: float) -> None:
        """No request may start before then."""
        self._paused_until = max(self._paused_until, until)


class Limiter:
    """The limits of one provider. First come, first served; who is cancelled leaves the queue.

    ``async with limiter.slots`` holds one of the requests that may be under way at once, and
    `start` waits, in there, until the next one may start.
    """

    def __init__(
        self, concurrency: int, per_minute: int | None, *, clock: Clock, sleep: Sleep
    ) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self._pace = Pace(per_minute)
        # Only the head of the queue looks at the clock, so nobody overtakes and nobody is
        # counted who doesn't start.
        self._head = asyncio.Lock()
        self._clock = clock
        self._sleep = sleep

    async def start(self) -> None:
        """Wait until a request may start, and count it as started."""
        async with self._head:
            while (wait := self._pace.wait(self._clock())) > 0:
                await self._sleep(wait)
            self._pace.start(self._clock())

    def pause(self, seconds: float) -> None:
        """Start nothing for so long: the provider has asked for it."""
        self._pace.pause(self._clock() + seconds)


class Limits:
    """The limiters of all providers that a worker asks: what runs at once shares them.

    Belongs to one event loop.
    """

    def __init__(self, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._limiters: dict[tuple[int, str], tuple[tuple[int, int | None], Limiter]] = {}

    def of(
        self, project_id: int, provider: str, concurrency: int, per_minute: int | None
    ) -> Limiter:
        """The limiter of a provider of a project; another one once its limits were set anew."""
        limits = concurrency, per_minute
        known = self._limiters.get((project_id, provider))
        if known is None or known[0] != limits:
            limiter = Limiter(concurrency, per_minute, clock=self._clock, sleep=self._sleep)
            known = self._limiters[project_id, provider] = limits, limiter
        return known[1]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a call is tried, in seconds.

    Before the next attempt it waits at random up to `first`, then up to twice that, and so on,
    up to `longest`. What the provider asks for goes before that, up to `most_asked`. The
    `deadline` is for attempts and these waits together; waiting for one's turn is not counted,
    as that is what our own limits cost.
    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 20.0
    most_asked: float = 60.0
    deadline: float = 300.0

    def wait(self, attempt: int, retry_after: float | None, chance: Random) -> float:
        """Seconds to wait after this attempt (the first is 1) has failed."""
        if retry_after is None:
            return chance.uniform(0.0, min(self.longest, self.first * 2 ** (attempt - 1)))
        # A little later than asked, so that all who wait don't come back in one moment.
        return self.asked(retry_after) + chance.uniform(0.0, self.first)

    def asked(self, retry_after: float) -> float:
        """What is granted of the wait that a provider asks for."""
        return min(retry_after, self.most_asked)


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for; None where there is none to understand.

    It holds a number of seconds or the date of an HTTP header; a date that is over asks for 0.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:  # "-0000" says that it is in UTC
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
