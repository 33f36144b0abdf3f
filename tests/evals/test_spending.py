"""What holds for many calls together: limits, budgets, and models that stand in for others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from evals import endpoint as says
from evals.asking import (
    DOLLAR,
    QUICK,
    Standstill,
    Time,
    ask,
    failure,
    prompt,
    provider,
    settled,
    using,
)
from evals.endpoint import Answer as Told
from evals.endpoint import Endpoint, Raw, Request, Said, in_turn
from pointsman.errors import InvalidInput
from pointsman.evals.models import Answer, Budget, BudgetExceeded, Models, Provider


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.fixture(params=["openai", "anthropic"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# -- limits


def test_retry_after_is_waited_for_by_all_calls_to_the_provider(endpoint: Endpoint) -> None:
    endpoint.behaviour = in_turn(says.limited("30"), "Thanks")

    async def two(models: Models) -> list[int]:
        first = asyncio.create_task(models.ask(prompt()))
        await time.until(lambda: bool(time.slept))
        second = asyncio.create_task(models.ask(prompt()))
        await time.until(lambda: len(time.slept) == 2 or len(endpoint.requests) == 2)
        assert len(endpoint.requests) == 1
        time.goes_on(40)
        return [(await call).attempts for call in (first, second)]

    time = Standstill()
    assert using(two, provider(endpoint), clock=time, sleep=time.sleep) == [2, 1]
    assert all(seconds >= 30 for seconds in time.slept)


def test_who_is_cancelled_before_its_turn_costs_nothing(endpoint: Endpoint) -> None:
    budget = Budget(calls=2)

    async def run(models: Models) -> None:
        await models.ask(prompt())
        waiting = asyncio.create_task(models.ask(prompt()))
        await time.until(lambda: bool(time.slept))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert budget.made == 1
        time.goes_on(60)
        await models.ask(prompt())

    time = Standstill()
    given = provider(endpoint, per_minute=1)
    using(run, given, budget=budget, clock=time, sleep=time.sleep)
    assert (budget.made, len(endpoint.requests)) == (2, 2)


def test_retry_after_is_granted_up_to_a_limit(endpoint: Endpoint) -> None:
    time = Time()
    endpoint.behaviour = in_turn(says.limited("86400"), "Thanks")
    ask(prompt(), provider(endpoint), clock=time, sleep=time.sleep)
    assert time() < 1_000 + QUICK.most_asked + 1


def test_retry_after_may_be_a_date(endpoint: Endpoint) -> None:
    time = Time()
    endpoint.behaviour = in_turn(says.limited("Fri, 01 Jan 2100 00:00:00 GMT"), "Thanks")
    ask(prompt(), provider(endpoint), clock=time, sleep=time.sleep)
    assert datetime.now(UTC).year < 2100
    assert time() >= 1_000 + QUICK.most_asked


def test_no_more_calls_are_under_way_than_allowed(endpoint: Endpoint, api: str) -> None:
    endpoint.behaviour = says.slow("Yes", 0.02) if api == "openai" else "Yes"
    told = using(
        lambda models: settled(models, prompt(), 40), provider(endpoint, api, concurrency=4)
    )
    assert all(isinstance(item, Answer) for item in told)
    assert len(endpoint.requests) == 40
    assert endpoint.most_at_once <= 4


def test_no_more_calls_start_in_a_minute_than_allowed(endpoint: Endpoint) -> None:
    time = Time()
    at: list[float] = []

    def answer(_: Request) -> str:
        at.append(time())
        return "Yes"

    endpoint.behaviour = answer
    using(
        lambda models: settled(models, prompt(), 12),
        provider(endpoint, per_minute=5, concurrency=64),
        clock=time,
        sleep=time.sleep,
    )
    assert len(at) == 12
    assert sum(time.slept) >= 120  # 5 at once, 5 a minute later, 2 after another one


def test_who_is_cancelled_leaves_its_place(endpoint: Endpoint) -> None:
    budget = Budget(calls=3)

    async def run(models: Models) -> list[str]:
        endpoint.behaviour = says.never()
        stuck = asyncio.create_task(models.ask(prompt()))
        while not endpoint.requests:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(models.ask(prompt("waits for the place")))
        await asyncio.sleep(0)
        for task in (waiting, stuck):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        endpoint.behaviour = "Yes"
        return [(await models.ask(prompt())).text for _ in range(2)]

    assert using(run, provider(endpoint, concurrency=1), budget=budget) == ["Yes", "Yes"]
    assert budget.made == 3  # the one that was under way is counted, the one that waited is not


@pytest.mark.parametrize("limits", [{"concurrency": 0}, {"per_minute": 0}, {"timeout": 0}])
def test_limits_are_above_zero(limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="above 0"):
        Provider("local", "openai", **limits)


def test_an_unknown_api_is_refused() -> None:
    with pytest.raises(InvalidInput, match="openai"):
        Provider("local", "telepathy")


# -- the budget


def test_calls_at_once_do_not_pass_the_cap_on_calls(endpoint: Endpoint) -> None:
    budget = Budget(calls=10)
    told = using(
        lambda models: settled(models, prompt(), 64),
        provider(endpoint, concurrency=64),
        budget=budget,
    )
    assert len(endpoint.requests) == budget.made == 10
    refused = [item for item in told if isinstance(item, BudgetExceeded)]
    assert len(refused) == 54
    assert {item.cap for item in refused} == {"calls"}
    assert "10 calls" in str(refused[0])


def test_attempts_count_as_calls(endpoint: Endpoint) -> None:
    endpoint.behaviour = says.broken()
    with pytest.raises(BudgetExceeded):
        ask(prompt(), provider(endpoint), budget=Budget(calls=2))
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("parameters", [{"max_tokens": 100}, {"max_completion_tokens": 100}])
def test_calls_at_once_do_not_pass_the_cap_on_money(
    endpoint: Endpoint, api: str, parameters: dict[str, Any]
) -> None:
    endpoint.behaviour = Said("Yes", tokens=(20, 80))  # a ten-thousandth of a dollar
    budget = Budget(money=0.0011)
    told = using(
        lambda models: settled(models, prompt(parameters=parameters), 64),
        provider(endpoint, api, concurrency=64, prices={"m1": DOLLAR}),
        budget=budget,
    )
    refused = [item for item in told if isinstance(item, BudgetExceeded)]
    assert {item.cap for item in refused} == {"money"}
    assert "0.0011" in str(refused[0])
    # Whoever did not fit waited for what the others really cost: only the last one is kept out.
    assert len(endpoint.requests) == 64 - len(refused) >= 9
    assert budget.spent == pytest.approx(0.0001 * len(endpoint.requests))
    assert budget.spent <= 0.0011


def test_a_cap_on_money_that_cannot_be_kept_is_refused(endpoint: Endpoint) -> None:
    told = failure(prompt(), provider(endpoint), budget=Budget(money=5))
    assert told.kind == "refused"
    assert "local/m1" in told.message
    assert "cap of 5" in told.message
    assert endpoint.requests == []


def test_an_answer_that_got_lost_counts_as_what_was_reserved(endpoint: Endpoint) -> None:
    budget = Budget(money=1)
    endpoint.behaviour = in_turn(says.half(), Said("Yes", tokens=(1, 1)))
    call = prompt(parameters={"max_tokens": 1_000})
    ask(call, provider(endpoint, prices={"m1": DOLLAR}), budget=budget)
    assert 0.001 < budget.spent < 0.002


def test_an_error_costs_nothing(endpoint: Endpoint) -> None:
    budget = Budget(money=1)
    endpoint.behaviour = in_turn(says.broken(), says.limited(), Said("Yes", tokens=(1, 1)))
    ask(prompt(), provider(endpoint, prices={"m1": DOLLAR}), budget=budget)
    assert budget.spent == 0.000002


# -- fallbacks


def test_a_fallback_stands_in(endpoint: Endpoint) -> None:
    def answer(request: Request) -> Told:
        return says.broken(503) if request.body["model"] != "m3" else f"{request.body}"

    endpoint.behaviour = answer
    with Endpoint(says.limited()) as limited:
        fallbacks = [
            {"provider": "other", "name": "m2"},
            {"name": "m3", "parameters": {"temperature": 1}},
        ]
        told = ask(
            prompt(fallbacks=fallbacks, parameters={"max_tokens": 4}),
            provider(endpoint),
            provider(limited, "anthropic", name="other"),
        )
        assert len(limited.requests) == 3
        assert limited.bodies[0]["max_tokens"] == 1_024  # each has its own parameters
    assert (told.provider, told.model, told.attempts) == ("local", "m3", 7)
    assert endpoint.bodies[-1] == {
        "model": "m3",
        "messages": [{"role": "user", "content": "Good morning"}],
        "temperature": 1,
    }


@pytest.mark.parametrize("fault", [says.refused(400), says.html()], ids=["refused", "nonsense"])
def test_nothing_stands_in_for_what_another_model_would_not_mend(
    endpoint: Endpoint, fault: Raw
) -> None:
    endpoint.behaviour = lambda request: fault if request.body["model"] == "m1" else "Yes"
    failure(prompt(fallbacks=[{"name": "m2"}]), provider(endpoint))
    assert {body["model"] for body in endpoint.bodies} == {"m1"}


def test_when_all_fail_all_are_told(endpoint: Endpoint) -> None:
    endpoint.behaviour = says.broken()
    fallbacks = [{"name": "m2"}, {"provider": "gone", "name": "m3"}]
    told = failure(prompt(fallbacks=fallbacks), provider(endpoint))
    assert (told.kind, told.attempts) == ("unavailable", 6)
    assert "local/m1" in told.message
    assert "local/m2" in told.message
    assert "no provider “gone”" in told.message
