"""Asking models for somebody who waits: what is answered, what is lacking, and being stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from evals.endpoint import Endpoint, Said, never
from pointsman.app.application import Application, Caller
from pointsman.app.providers import set_provider
from pointsman.core.provider_settings import Price, check_settings
from pointsman.core.providers import Call
from pointsman.evals.trying import Trials


def call(text: str, model: str = "small", provider: str = "local") -> Call:
    messages = [{"role": "user", "content": text}]
    return Call(messages, {"provider": provider, "name": model}, [], None)


def provide(app: Application, caller: Caller, endpoint: Endpoint) -> None:
    """Set the project's provider, which needs no key."""
    settings = check_settings(
        "local", base_url=endpoint.base_url, prices={"small": Price("2", "4")}
    )
    app.write(caller, lambda work: set_provider(work, settings))


def test_answers_come_in_the_order_of_the_calls(
    app: Application, caller: Callable[..., Caller]
) -> None:
    with Endpoint(lambda request: Said(request.text.upper(), tokens=(5, 2))) as endpoint:
        provide(app, caller(), endpoint)
        trials = Trials(app)
        calls = [call("one"), call("two", "large"), call("three", provider="nobody")]
        first, second, third = asyncio.run(trials.ask(caller().project, calls))
        trials.close()
    assert (first.text, first.tokens_in, first.tokens_out) == ("ONE", 5, 2)
    assert (first.model, first.cost) == ("local/small", 18e-6)
    assert (second.text, second.cost) == ("TWO", None)
    assert not third.text
    assert "no provider “nobody”" in third.error


def test_closing_ends_what_is_under_way(app: Application, caller: Callable[..., Caller]) -> None:
    async def ask(trials: Trials, endpoint: Endpoint) -> str:
        asked = asyncio.create_task(trials.ask(caller().project, [call("one")]))
        while not endpoint.requests:
            await asyncio.sleep(0.01)
        trials.close()
        (tried,) = await asked
        return tried.error

    with Endpoint(never()) as endpoint:
        provide(app, caller(), endpoint)
        assert "The server is stopping" in asyncio.run(ask(Trials(app), endpoint))
