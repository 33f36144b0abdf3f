"""Passwords: kept as Argon2 hashes, tried by nobody faster than by hand.

Hashing takes tens of milliseconds on purpose, so it is never done inside a transaction.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache

from pointsman.core.people import MAX_PASSWORD, check_password
from pointsman.errors import Refused

FREE = 5
FREE_FROM_ADDRESS = 30
"""Wrong passwords in a row that cost nothing but a slow hash: of a person, from an address."""
FIRST_DELAY = 1.0
LONGEST_DELAY = 900.0
LONGEST_FROM_ADDRESS = 10.0
"""Seconds to wait after that: doubled each time, up to the longest. Many people may share an
address (a proxy's), so it is never closed for long."""
FORGOTTEN = 3_600.0
"""Seconds without an attempt after which earlier ones don't count."""
_REMEMBERED = 50_000


def hashed(password: str) -> str:
    """The hash to keep. Raises `InvalidInput` for a password that may not be set."""
    return str(_hasher().hash(check_password(password)))


def fits(password: str, kept: str | None) -> bool:
    """Whether this is the password. As slow where there is none as where it is wrong."""
    short = password.encode(errors="replace")[: MAX_PASSWORD + 1]
    decoy = _decoy()  # made by whoever comes first, there or not
    right = _hasher().verify(short, decoy if kept is None else kept)
    return right and kept is not None and len(short) <= MAX_PASSWORD


class Attempts:
    """How often somebody failed of late, by who was tried and from where."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, who: str, address: str = "") -> None:
        """Count an attempt; raise `Refused` if it has to wait.

        It counts before the outcome is known, so that many at once don't slip through.
        """
        names = [f"who {who}", *([f"from {address}"] if address else [])]
        now = self._clock()
        with self._lock:
            wait = max(self._until(name, now) for name in names) - now
            if wait > 0:
                raise Refused(
                    "There were too many attempts with wrong passwords.",
                    code="too_many_attempts",
                    hint=f"Wait {int(wait) + 1} seconds, then try again.",
                    details={"retry_after": int(wait) + 1},
                )
            for name in names:
                count, last = self._failed.pop(name, (0, now))
                self._failed[name] = (count if now - last < FORGOTTEN else 0) + 1, now
            while len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)

    def succeeded(self, who: str, address: str = "") -> None:
        """Forget what went wrong for this person, and that this attempt came from there.

        Others' failures from the same address stay: who has one password may try another's.
        """
        with self._lock:
            self._failed.pop(f"who {who}", None)
            count, last = self._failed.get(f"from {address}", (0, 0.0))
            if count > 0:
                self._failed[f"from {address}"] = count - 1, last

    def _until(self, name: str, now: float) -> float:
        count, last = self._failed.get(name, (0, now))
        one = name.startswith("who ")
        free = FREE if one else FREE_FROM_ADDRESS
        longest = LONGEST_DELAY if one else LONGEST_FROM_ADDRESS
        if count < free or now - last >= FORGOTTEN:
            return 0.0
        return last + min(FIRST_DELAY * 2.0 ** min(count - free, 20), longest)


@cache
def _hasher():  # type: ignore[no-untyped-def]  # imported late: only servers need it
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    return PasswordHash((Argon2Hasher(),))


@cache
def _decoy() -> str:
    """A hash that no password has, to be as slow for who doesn't exist."""
    return str(_hasher().hash("nobody has this as a password, nor may"))
