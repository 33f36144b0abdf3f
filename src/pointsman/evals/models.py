"""Asking models: once and again, within the limits, and whoever stands in for them.

A call takes one of its provider's slots, has its worst case reserved in the run's budget,
waits for its turn, and is made. What may pass is tried again, see `limits.Patience`; when the
provider asks to wait, every call to it waits. A model that stays away is stood in for by the
fallbacks that the prompt names, in their order.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pointsman.core.providers import DEFAULT_MAX_TOKENS, Call
from pointsman.errors import RenderError
from pointsman.evals.apis import Api, Embedded, open_api
from pointsman.evals.budget import (
    UNTOLD_OUTPUT,
    Budget,
    BudgetExceeded,
    Hold,
    most_tokens_in,
    most_tokens_out,
)
from pointsman.evals.exchange import Exchange, current, misread, without_key
from pointsman.evals.limits import Clock, Limiter, Limits, Patience, Sleep
from pointsman.evals.providers import MONEY_UNIT, Answer, ModelFailure, Price, Provider, Reply

__all__ = [
    "Answer",
    "Budget",
    "BudgetExceeded",
    "ModelFailure",
    "Models",
    "Patience",
    "Price",
    "Provider",
]

EMBEDDED_AT_ONCE: Final = 256
"""Texts in one request for embeddings."""
_STANDS_IN: Final = frozenset({"rate_limited", "unavailable", "timeout"})
"""What a model fails with when another one is asked in its place."""


@dataclass(slots=True)
class _Line:
    """A provider, its limits, and its client once it is open."""

    provider: Provider
    limiter: Limiter
    api: Api | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be done with an open client, and what it may cost."""

    line: _Line
    model: str
    price: Price | None
    most: int
    run: Callable[[Api], Awaitable[tuple[Any, tuple[int, int] | None]]]


@dataclass(frozen=True, slots=True)
class _Made:
    """A request that succeeded: what came of it, its tokens and cost, how long it took."""

    result: Any
    tokens: tuple[int, int] | None
    cost: int | None
    seconds: float
    attempts: int = 1


class Models:
    """The models of a project's providers, for one run.

    Belongs to one event loop; any number of calls may be made at once. `limiters` are those
    that it shares with other runs, by provider. `close` it in the end, or use it in
    ``async with``.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        budget: Budget | None = None,
        *,
        limiters: Mapping[str, Limiter] | None = None,
        patience: Patience | None = None,
        chance: random.Random | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.budget = budget or Budget()
        self._patience = patience or Patience()
        self._chance = chance or random.Random()  # noqa: S311 - it spreads waits
        self._sleep = sleep
        self._closed = False
        own = Limits(clock=clock, sleep=sleep)
        self._lines = {
            name: _Line(
                provider,
                (limiters or {}).get(name)
                or own.of(0, name, provider.concurrency, provider.per_minute),
            )
            for name, provider in providers.items()
        }

    async def __aenter__(self) -> Models:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, call: Call) -> Answer:
        """The answer to a rendered prompt by the model that it names, or the first fallback
        that can.

        Raises:
            ModelFailure: there is none; of several models the first one's failure is told.
            BudgetExceeded: a cap of the run leaves no room for it.
        """
        failed: list[ModelFailure] = []
        for choice in _choices(call.model):
            try:
                job = self._asking(replace(call, model=choice))
                made = await self._persist(job)
            except ModelFailure as failure:
                failed.append(failure)
                if failure.kind not in _STANDS_IN and len(failed) == 1:
                    break
            else:
                before = sum(failure.attempts for failure in failed)
                answer = _answer(job, made, before + made.attempts)
                return replace(answer, stood_in=bool(failed))
        raise _told_together(failed)

    async def embed(self, provider: str, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of some texts, in their order.

        Raises:
            ModelFailure: there are none.
            BudgetExceeded: a cap of the run leaves no room for it.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), EMBEDDED_AT_ONCE):
            part = texts[start : start + EMBEDDED_AT_ONCE]
            made = await self._persist(self._embedding(provider, model, part))
            vectors += made.result
        return vectors

    async def close(self) -> None:
        """Close every connection. Calls that are under way fail as ``cancelled``."""
        self._closed = True
        for line in self._lines.values():
            async with line.opening:
                api, line.api = line.api, None
            if api is not None:
                await api.close()

    # -- what is to be done

    def _asking(self, call: Call) -> _Job:
        line = self._line(call.model)
        model = call.model["name"]
        if not call.messages:
            raise ModelFailure("refused", "The prompt has no messages: there is nothing to ask.")

        async def run(api: Api) -> tuple[Reply, tuple[int, int] | None]:
            reply = await api.ask(call)
            return reply, reply.tokens

        most = _most_tokens(call, line.provider) if self.budget.caps_money else (0, 0)
        return self._job(line, model, most, run)

    def _embedding(self, provider: str, model: str, texts: Sequence[str]) -> _Job:
        line = self._line({"provider": provider, "name": model})

        async def run(api: Api) -> Embedded:
            return await api.embed(model, texts)

        return self._job(line, model, (most_tokens_in(texts), 0), run)

    def _job(
        self,
        line: _Line,
        model: str,
        most: tuple[int, int],
        run: Callable[[Api], Awaitable[tuple[Any, tuple[int, int] | None]]],
    ) -> _Job:
        price = line.provider.prices.get(model)
        if price is None and self.budget.caps_money:
            raise ModelFailure(
                "refused",
                f"The price of {line.provider.name}/{model} is not known, so the run's cap of "
                f"{self.budget.money:g} can't be kept.",
                hint="Give the provider a price for it, or run without a cap on money.",
            )
        return _Job(line, model, price, price.of(*most) if price else 0, run)

    def _line(self, model: Mapping[str, Any]) -> _Line:
        """The provider that a model is asked of."""
        known = ", ".join(sorted(self._lines)) or "none"
        if "name" not in model:
            raise ModelFailure(
                "no_provider",
                "The prompt names no model that can be called."
                if "uses" not in model
                else f"The prompt uses a registered model, {model['uses']}, which can't be called.",
                hint="Give its model a provider and a name.",
            )
        name = model.get("provider")
        if name is None and len(self._lines) == 1:
            return next(iter(self._lines.values()))
        if name is None:
            raise ModelFailure(
                "no_provider",
                f"The prompt does not say which provider has the model {model['name']}.",
                hint=f"Set provider in its model; the project has: {known}.",
            )
        if name not in self._lines:
            raise ModelFailure(
                "no_provider",
                f"The project has no provider “{name}”.",
                hint=f"Set it up, or name another one in the prompt; the project has: {known}.",
            )
        return self._lines[name]

    # -- doing it

    async def _persist(self, job: _Job) -> _Made:
        """Do it until it succeeds or there is no point in going on."""
        patience, spent, attempt = self._patience, 0.0, 0
        while True:
            attempt += 1
            outcome, seconds = await self._in_turn(job, patience.deadline - spent)
            if isinstance(outcome, _Made):
                return replace(outcome, attempts=attempt) if attempt > 1 else outcome
            spent += seconds
            if outcome.retry_after is not None:
                job.line.limiter.pause(patience.asked(outcome.retry_after))
            wait = patience.wait(attempt, outcome.retry_after, self._chance)
            over = attempt >= patience.attempts or spent + wait >= patience.deadline
            if over or not outcome.transient:
                raise _told(outcome, job, attempt)
            spent += wait
            await self._sleep(wait)

    async def _in_turn(self, job: _Job, left: float) -> tuple[_Made | ModelFailure, float]:
        """One attempt when its turn has come, and how long it took."""
        async with job.line.limiter.slots:
            api = await self._api(job.line)
            hold = await self.budget.reserve(job.most)
            exchange = Exchange()
            try:
                await job.line.limiter.start()
                began = time.perf_counter()
                outcome = await self._attempt(job, api, exchange, left, began)
                hold.settle(_cost(outcome, exchange))
                return outcome, time.perf_counter() - began
            finally:
                _end(hold, exchange)

    async def _attempt(
        self, job: _Job, api: Api, exchange: Exchange, left: float, began: float
    ) -> _Made | ModelFailure:
        """One request. What went wrong is returned, so that no error hangs on another one that
        holds the request, and with it the key."""
        patience = min(job.line.provider.timeout, left)
        token = current.set(exchange)
        try:
            async with asyncio.timeout(patience):
                result, tokens = await job.run(api)
        except TimeoutError:
            return ModelFailure(
                "timeout",
                f"It took longer than {patience:g} seconds.",
                hint="Raise the provider's timeout, or ask for less.",
                transient=True,
            )
        except Exception as error:  # whatever the packages in between make of it
            return self._failure(error, exchange)
        finally:
            current.reset(token)
        cost = job.price.of(*tokens) if job.price and tokens else None
        return _Made(result, tokens, cost, time.perf_counter() - began)

    def _failure(self, error: Exception, exchange: Exchange) -> ModelFailure:
        """What an error of the packages in between says about the call."""
        cause = getattr(error, "original_exception", None) or error
        if self._closed:
            return ModelFailure("cancelled", "The calls to models were ended before it answered.")
        if exchange.failure is not None:
            return exchange.failure
        if isinstance(cause, ModelFailure):
            return cause
        if isinstance(cause, RenderError):
            return ModelFailure("refused", cause.message, hint=cause.hint)
        if exchange.sent:
            return misread(exchange.body)
        return ModelFailure(
            "refused",
            f"The request can't be made: {cause}.",
            hint="Change the prompt's parameters.",
        )

    async def _api(self, line: _Line) -> Api:
        """The provider's client, opened when first needed."""
        if line.api is None:
            async with line.opening:
                if self._closed:
                    raise ModelFailure("cancelled", "The calls to models have been ended.")
                if line.api is None:
                    line.api = await open_api(line.provider)
        return line.api


def _choices(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The model and its fallbacks; these have the same provider if they name none."""
    main = {key: value for key, value in model.items() if key != "fallbacks"}
    yield main
    for fallback in model.get("fallbacks") or ():
        inherited = {"provider": main["provider"]} if "provider" in main else {}
        yield {**inherited, **fallback}


def _most_tokens(call: Call, provider: Provider) -> tuple[int, int]:
    """More tokens than the prompt has, and the most that its answer may have."""
    further = call.parameters.get("extra_body")
    parameters = {**call.parameters, **(further if isinstance(further, Mapping) else {})}
    untold = DEFAULT_MAX_TOKENS if provider.api == "anthropic" else UNTOLD_OUTPUT
    asked = (call.messages, call.tools, call.response_format, parameters)
    return most_tokens_in(asked), most_tokens_out(parameters, untold)


def _cost(outcome: _Made | ModelFailure, exchange: Exchange) -> int | None:
    """What a request cost; None if nobody can tell."""
    if isinstance(outcome, _Made):
        return outcome.cost
    # An answer with an error's status is not on the bill; one that got lost may be.
    lost = exchange.sent and outcome.kind in ("timeout", "bad_answer", "cancelled")
    return None if lost else 0


def _end(hold: Hold, exchange: Exchange) -> None:
    """Settle what was not, because the call was cancelled."""
    if exchange.sent:
        hold.settle(None)
    else:
        hold.give_back()


def _answer(job: _Job, made: _Made, attempts: int) -> Answer:
    reply: Reply = made.result
    tokens_in, tokens_out = made.tokens or (0, 0)
    return Answer(
        text=reply.text,
        tool_calls=reply.tool_calls,
        finish=reply.finish,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=None if made.cost is None else made.cost / MONEY_UNIT,
        seconds=made.seconds,
        attempts=attempts,
        provider=job.line.provider.name,
        model=job.model,
    )


def _told(failure: ModelFailure, job: _Job, attempts: int) -> ModelFailure:
    """The failure with who failed, how often it was tried, and without the key."""
    provider = job.line.provider
    tried = f" It was tried {attempts} times." if attempts > 1 else ""
    said = f"{provider.name}/{job.model}: {failure.message}"
    return ModelFailure(
        failure.kind,
        without_key(said, provider.key) + tried,
        hint=failure.hint,
        transient=failure.transient,
        retry_after=failure.retry_after,
        attempts=attempts,
    )


def _told_together(failed: Sequence[ModelFailure]) -> ModelFailure:
    """The first failure, and that its fallbacks failed too."""
    first, *others = failed
    if not others:
        return first
    also = " ".join(f"Its fallback failed too: {failure.message}" for failure in others)
    return ModelFailure(
        first.kind,
        f"{first.message} {also}",
        hint=first.hint,
        transient=first.transient,
        retry_after=first.retry_after,
        attempts=sum(failure.attempts for failure in failed),
    )
