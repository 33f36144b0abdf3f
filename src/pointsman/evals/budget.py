"""Caps on what one run may spend.

Before each request its worst case is reserved, afterwards what it really cost is settled, so
any number of calls at once can't spend more than the cap. A call that doesn't fit while others
are under way waits: they seldom cost what was reserved for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Final, Literal

from pointsman.errors import PointsmanError
from pointsman.evals.providers import MONEY_UNIT

UNTOLD_OUTPUT: Final = 4_096
"""Tokens that are reserved for an answer where the prompt sets no limit on them."""
MOST_ATTACHED: Final = 20_000
"""Tokens that are reserved for an image or file within a message, at most."""


class BudgetExceeded(PointsmanError):
    """A cap of the run is used up; `cap` says which: ``calls`` or ``money``."""

    default_code: ClassVar[str] = "budget_exceeded"

    def __init__(self, cap: Literal["calls", "money"], message: str, hint: str) -> None:
        super().__init__(message, hint=hint, field=cap)
        self.cap = cap


class Hold:
    """What is reserved for one request, until it is settled or given back; the first counts."""

    def __init__(self, budget: Budget, most: int) -> None:
        self._budget = budget
        self._most = most
        self._open = True

    def settle(self, cost: int | None) -> None:
        """The request was made and cost this much; None if that isn't known.

        Then what was reserved counts: an answer that got lost may well be on the bill.
        """
        if self._open:
            self._open = False
            self._budget._settled(self._most, self._most if cost is None else cost)

    def give_back(self) -> None:
        """The request was not made."""
        if self._open:
            self._open = False
            self._budget._given_back(self._most)


class Budget:
    """How many requests a run may make and what they may cost together.

    Every request counts as a call, so also one that is made again because the first failed.
    `money` is in units of the currency that the prices are in. It is kept exactly where the
    prompt limits the answer's tokens. Where it doesn't, `UNTOLD_OUTPUT` tokens are reserved
    for each: the cap can be passed by what answers under way are longer than that. `made` and
    `parts` (of `MONEY_UNIT`) are what was used before this process went on with the run.
    """

    def __init__(
        self,
        calls: int | None = None,
        money: float | None = None,
        *,
        made: int = 0,
        parts: int = 0,
    ) -> None:
        self.calls = calls
        self.money = money
        # By way of its shortest text: a cap of 0.1 is a tenth, not the nearest double.
        self._cap = None if money is None else int(Fraction(str(money)) * MONEY_UNIT)
        self._made = made
        self._spent = parts
        self._held = 0
        self._under_way = 0
        self._head = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def made(self) -> int:
        """How many requests were made."""
        return self._made - self._under_way

    @property
    def spent(self) -> float:
        """What they cost, in units of the currency; at most, where answers got lost."""
        return self._spent / MONEY_UNIT

    @property
    def parts(self) -> int:
        """What they cost, in parts of `MONEY_UNIT`."""
        return self._spent

    @property
    def caps_money(self) -> bool:
        """Whether there is a cap on money."""
        return self._cap is not None

    async def reserve(self, most: int) -> Hold:
        """Reserve one request that costs `most` at most (in parts, see `Price`).

        Raises:
            BudgetExceeded: a cap leaves no room for it.
        """
        async with self._head:
            while not self._fits(most):
                self._changed.clear()
                await self._changed.wait()
            self._made += 1
            self._under_way += 1
            self._held += most
            return Hold(self, most)

    def _fits(self, most: int) -> bool:
        if self.calls is not None and self._made >= self.calls:
            # One that is under way may be given back, but is so only if the run is ending.
            raise BudgetExceeded(
                "calls",
                f"The run has made all of the {self.calls:,} calls that it may make.",
                "Raise the cap on calls, or evaluate fewer rows.",
            )
        if self._cap is None or self._spent + self._held + most <= self._cap:
            return True
        if self._under_way:
            return False
        raise BudgetExceeded(
            "money",
            f"The run has spent {self.spent:.6g} of the {self.money:g} that it may spend, and the "
            f"next call could cost {most / MONEY_UNIT:.6g}.",
            "Raise the cap on money, evaluate fewer rows, or set max_tokens in the prompt.",
        )

    def _settled(self, held: int, cost: int) -> None:
        self._spent += cost
        self._freed(held)

    def _given_back(self, held: int) -> None:
        self._made -= 1
        self._freed(held)

    def _freed(self, held: int) -> None:
        self._held -= held
        self._under_way -= 1
        self._changed.set()


def most_tokens_in(asked: object) -> int:
    """More tokens than any tokenizer makes of this: no token is less than a byte of text."""
    if isinstance(asked, str):
        size = len(asked.encode("utf-8", "replace")) + 8  # and marks around a message or field
        return min(size, MOST_ATTACHED) if asked.startswith("data:") else size
    if isinstance(asked, Mapping):
        attached = MOST_ATTACHED if "image_url" in asked or "source" in asked else 0
        return attached + sum(
            most_tokens_in(key) + most_tokens_in(value) for key, value in asked.items()
        )
    if isinstance(asked, list | tuple):
        return sum(most_tokens_in(item) for item in asked)
    return 8


def most_tokens_out(parameters: Mapping[str, Any], untold: int) -> int:
    """The most tokens that an answer with these parameters has."""
    told = [parameters.get(name) for name in ("max_completion_tokens", "max_tokens")]
    limits = [limit for limit in told if isinstance(limit, int) and limit > 0]
    choices = parameters.get("n")
    return (max(limits) if limits else untold) * (choices if isinstance(choices, int) else 1)
