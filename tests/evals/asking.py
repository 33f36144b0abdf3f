"""Calls to models as tests make them: with little patience, and by a clock of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from evals.endpoint import Endpoint
from pointsman.core.providers import Call
from pointsman.evals.models import (
    Answer,
    Budget,
    ModelFailure,
    Models,
    Patience,
    Price,
    Provider,
)

KEY = "sk-test-0123456789abcdefghij"
QUICK = Patience(attempts=3, first=0.001, longest=0.001)
DOLLAR = Price(1_000_000, 1_000_000)
"""A dollar for a million tokens: a millionth for each."""
T = TypeVar("T")


class Time:
    """A clock that is moved by whoever sleeps; remembers for how long each did."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        wakes = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, wakes)


class Standstill(Time):
    """A clock that stands still, and whoever sleeps with it, until it `goes_on`."""

    def __init__(self) -> None:
        super().__init__()
        self._goes = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._goes.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what others do."""
        while not condition():
            await asyncio.sleep(0.001)

    def goes_on(self, seconds: float) -> None:
        self.now += seconds
        self._goes.set()


def provider(endpoint: Endpoint, api: str = "openai", **settings: Any) -> Provider:
    url = endpoint.base_url if api == "openai" else endpoint.url
    given = {"name": "local", "key": KEY, "timeout": 20.0, **settings}
    return Provider(api=api, base_url=url, **given)


def prompt(text: str = "Good morning", **model: Any) -> Call:
    named = {"provider": "local", "name": "m1", **model}
    return Call([{"role": "user", "content": text}], named, [], None)


def using(
    do: Callable[[Models], Awaitable[T]],
    *providers: Provider,
    budget: Budget | None = None,
    **settings: Any,
) -> T:
    """What comes of using the models of some providers, which are closed afterwards."""

    async def run() -> T:
        given = {"patience": QUICK, **settings}
        named = {item.name: item for item in providers}
        async with Models(named, budget, **given) as models:
            return await do(models)

    return asyncio.run(run())


def ask(call: Call, *providers: Provider, **settings: Any) -> Answer:
    return using(lambda models: models.ask(call), *providers, **settings)


def failure(call: Call, *providers: Provider, **settings: Any) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        ask(call, *providers, **settings)
    return caught.value


async def settled(models: Models, call: Call, count: int) -> list[Answer | BaseException]:
    """What came of so many calls at once."""
    return await asyncio.gather(*(models.ask(call) for _ in range(count)), return_exceptions=True)
