"""Providers of models in the native API."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pointsman.app import providers
from pointsman.app.application import Work
from pointsman.core.provider_settings import (
    APIS,
    CONCURRENCY,
    MAX_CONCURRENCY,
    MAX_KEY,
    MAX_PER_MINUTE,
    MAX_PRICES,
    MAX_TIMEOUT,
    MAX_URL,
    TIMEOUT,
    Price,
    Provider,
    SavedProvider,
    check_settings,
)
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Write


def _whole(most: int) -> Meta:
    return Meta(extra_json_schema={"minimum": 1, "maximum": most})


Amount = Annotated[
    str, Meta(description="Decimal text, such as 2.50, for a million tokens; kept as it is.")
]


class PriceBody(Struct, forbid_unknown_fields=True):
    """What a million tokens cost."""

    input: Amount
    output: Amount


class ProviderBody(Struct, forbid_unknown_fields=True):
    """All settings of a provider: what is left out is as usual, but for the key, which stays."""

    api: Annotated[str | None, Meta(description=f"What it speaks: one of {', '.join(APIS)}.")] = (
        None
    )
    base_url: Annotated[
        str,
        Meta(
            description="Where it is: http or https; empty for the public openai and anthropic.",
            extra_json_schema={"maxLength": MAX_URL},
        ),
    ] = ""
    concurrency: Annotated[int, _whole(MAX_CONCURRENCY)] = CONCURRENCY
    per_minute: Annotated[int, _whole(MAX_PER_MINUTE)] | None = None
    timeout: Annotated[int, _whole(MAX_TIMEOUT)] = TIMEOUT
    prices: Annotated[
        dict[str, PriceBody],
        Meta(description="By the model's name.", extra_json_schema={"maxProperties": MAX_PRICES}),
    ] = {}
    key: Annotated[
        str | None,
        Meta(
            description="Never shown. Empty removes it; it is forgotten where the address changes.",
            extra_json_schema={"maxLength": MAX_KEY},
        ),
    ] = None
    if_revision: shapes.Revision | None = None


class ProvidersAnswer(Struct):
    """The providers of the project, without their keys."""

    providers: list[Provider]


def _list(call: Call) -> Read:
    return Read(lambda v: ProvidersAnswer(list(providers.list_providers(v))))


def _show(call: Call) -> Read:
    name = call.path["provider"]
    return Read(lambda v: providers.show_provider(v, name))


def _set(call: Call) -> Write:
    body: ProviderBody = call.body
    settings = check_settings(
        call.path["provider"],
        api=body.api,
        base_url=body.base_url,
        concurrency=body.concurrency,
        per_minute=body.per_minute,
        timeout=body.timeout,
        prices={model: Price(one.input, one.output) for model, one in body.prices.items()},
    )
    return Write(
        lambda w: providers.set_provider(w, settings, key=body.key, if_revision=body.if_revision)
    )


def _delete(call: Call) -> Write:
    name = call.path["provider"]

    def delete(work: Work) -> shapes.Empty:
        providers.delete_provider(work, name)
        return shapes.Empty()

    return Write(delete)


_P = "/providers/{provider}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/providers", "read", "List providers of models", _list, ProvidersAnswer),
    Route("GET", _P, "read", "Show a provider of models", _show, Provider),
    Route("PUT", _P, "admin", "Set a provider of models", _set, SavedProvider, body=ProviderBody,
          once=False),
    Route("DELETE", _P, "admin", "Delete a provider of models", _delete, shapes.Empty),
)  # fmt: skip
