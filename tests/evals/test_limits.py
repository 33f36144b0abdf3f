"""The rules of pace, patience and budget, without a clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pointsman.evals.budget import Budget, BudgetExceeded, most_tokens_in, most_tokens_out
from pointsman.evals.limits import WINDOW, Limiter, Pace, Patience, retry_after
from pointsman.evals.providers import MONEY_UNIT

NOW = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)


@given(
    some.integers(1, 6),
    some.lists(some.one_of(some.floats(0, 90), some.just(0.0)), min_size=1, max_size=40),
)
def test_any_minute_has_no_more_starts_than_allowed(per_minute: int, gaps: list[float]) -> None:
    pace, now = Pace(per_minute), 0.0
    starts: list[float] = []
    for gap in gaps:
        now += gap
        wait = pace.wait(now)
        if wait:
            # It waits for nothing but the oldest of a full window.
            assert now + wait == pytest.approx(starts[-per_minute] + WINDOW)
        now += wait
        pace.start(now)
        starts.append(now)
    for first, later in zip(starts, starts[per_minute:], strict=False):
        assert later - first >= WINDOW - 1e-6


def test_without_a_limit_nothing_waits_but_for_a_pause() -> None:
    pace = Pace(None)
    for _ in range(1_000):
        pace.start(0.0)
    assert pace.wait(0.0) == 0
    pace.pause(30.0)
    pace.pause(10.0)
    assert (pace.wait(20.0), pace.wait(30.0)) == (10.0, 0.0)


def test_turns_are_given_in_the_order_of_coming() -> None:
    async def run() -> list[int]:
        now = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds
            await asyncio.sleep(0)

        limiter = Limiter(64, 1, clock=lambda: now, sleep=sleep)
        order: list[int] = []

        async def start(number: int) -> None:
            await limiter.start()
            order.append(number)

        tasks = [asyncio.create_task(start(number)) for number in range(8)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert now == 6 * WINDOW  # who was cancelled took no turn
        return order

    assert asyncio.run(run()) == [0, 1, 2, 4, 5, 6, 7]


@given(some.integers(1, 9), some.integers())
def test_waits_grow_at_random_up_to_a_limit(attempt: int, seed: int) -> None:
    patience = Patience(first=0.5, longest=20)
    wait = patience.wait(attempt, None, Random(seed))
    assert 0 <= wait <= min(20, 0.5 * 2 ** (attempt - 1))


@given(some.floats(0, 1e6), some.integers())
def test_what_is_asked_for_goes_before(asked: float, seed: int) -> None:
    patience = Patience(first=0.5, most_asked=60)
    wait = patience.wait(1, asked, Random(seed))
    assert min(asked, 60) <= wait <= min(asked, 60) + 0.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3),
        ("0.25", 0.25),
        ("-1", 0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 01 Jan 2025 12:00:30 GMT", 30),
        ("Wed, 01 Jan 2025 11:00:00 GMT", 0),
        ("Wed, 01 Jan 2025 12:00:30 -0000", 30),
        ("Wed, 99 Jan 2025 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_a_call_waits_for_what_the_others_really_cost() -> None:
    async def run() -> None:
        budget = Budget(money=1)
        first = await budget.reserve(MONEY_UNIT)
        second = asyncio.create_task(budget.reserve(MONEY_UNIT // 2))
        third = asyncio.create_task(budget.reserve(MONEY_UNIT // 2))
        await asyncio.sleep(0)
        assert not second.done()
        first.settle(MONEY_UNIT // 4)
        first.settle(None)  # it is settled once
        hold = await second
        await asyncio.sleep(0)
        assert not third.done()  # a quarter is spent and a half is held
        hold.settle(MONEY_UNIT // 2)
        with pytest.raises(BudgetExceeded, match=r"spent 0\.75 of the 1 "):
            await third
        assert (budget.spent, budget.made) == (0.75, 2)

    asyncio.run(run())


def test_what_is_given_back_was_never_made() -> None:
    async def run() -> None:
        budget = Budget(calls=1, money=0.1)
        (await budget.reserve(MONEY_UNIT // 10)).give_back()
        (await budget.reserve(MONEY_UNIT // 10)).settle(None)
        assert (budget.spent, budget.made) == (0.1, 1)

    asyncio.run(run())


@given(some.text())
def test_no_text_has_more_tokens_than_are_reserved(text: str) -> None:
    assert most_tokens_in([{"role": "user", "content": text}]) > len(text.encode())


def test_an_image_is_not_counted_by_its_bytes() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    assert 20_000 <= most_tokens_in([part]) < 50_000


@pytest.mark.parametrize(
    ("parameters", "most"),
    [
        ({}, 4_096),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 5, "n": 3}, 15),
        ({"max_tokens": None}, 4_096),
    ],
)
def test_the_answers_limit_is_what_is_reserved_for_it(
    parameters: dict[str, object], most: int
) -> None:
    assert most_tokens_out(parameters, 4_096) == most
