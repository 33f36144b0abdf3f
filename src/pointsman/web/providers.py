"""Settings about providers of models: where they are, how hard to press, what they cost."""

from __future__ import annotations

from typing import Any

from pointsman.app import providers
from pointsman.app.application import View
from pointsman.core.provider_settings import (
    APIS,
    CONCURRENCY,
    TIMEOUT,
    Price,
    ProviderSettings,
    check_settings,
)
from pointsman.errors import InvalidInput, NotFound, PointsmanError, StaleRevision
from pointsman.web.settings import at, shown
from pointsman.web.visit import Answer, Page, Visit


def providers_page(visit: Visit) -> Answer:
    """The providers there are, and the form for one that is named or another."""
    return _providers(visit)


def change_providers(visit: Visit) -> Answer:
    """Set a provider as the form says, or delete it. Its key goes in and never comes out."""
    name = visit.given("name").strip()
    try:
        if visit.given("deed") == "delete":
            visit.do(lambda work: providers.delete_provider(work, name))
            return visit.go(at(visit, "providers"), f"The provider {name} is deleted with its key.")
        settings, key = _settings(visit, name), _key(visit)
        revision = visit.number("revision")
        done = visit.do(
            lambda work: providers.set_provider(work, settings, key=key, if_revision=revision)
        )
    except PointsmanError as error:
        return _providers(visit, error)
    return visit.go(at(visit, "providers"), f"The provider {name} is set. {done.hint}".strip())


def _settings(visit: Visit, name: str) -> ProviderSettings:
    return check_settings(
        name,
        api=visit.given("api") or None,
        base_url=visit.given("base_url").strip(),
        concurrency=visit.number("concurrency") or CONCURRENCY,
        per_minute=visit.number("per_minute"),
        timeout=visit.number("timeout") or TIMEOUT,
        prices=_prices(visit.given("prices")),
    )


def _key(visit: Visit) -> str | None:
    """The key that was given; empty to remove it, None to leave it."""
    return "" if visit.given("no_key") == "yes" else visit.given("key").strip() or None


def _prices(text: str) -> dict[str, Price]:
    prices = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        words = line.rsplit(None, 2)
        if len(words) != 3:
            raise InvalidInput(
                f"This is no price: {line[:60]!r}.",
                hint="Write the model, then what a million tokens cost going in and coming out.",
                field="prices",
            )
        prices[words[0]] = Price(words[1], words[2])
    return prices


def _providers(visit: Visit, error: PointsmanError | None = None) -> Answer:
    name = visit.ask("name") or (visit.given("name").strip() if error else "")

    def look(view: View) -> dict[str, Any]:
        found = providers.list_providers(view)
        chosen = next((one for one in found if one.name == name), None)
        if visit.ask("name") and chosen is None:
            raise NotFound(f"There is no provider {name[:100]!r}.", code="provider_not_found")
        return {"providers": found, "chosen": chosen}

    return shown(
        visit,
        "settings_providers.html",
        "providers",
        look,
        error=error,
        stale=isinstance(error, StaleRevision),
        apis=APIS,
        usual={"concurrency": CONCURRENCY, "timeout": TIMEOUT},
    )


PAGES = (
    Page("GET", "/projects/{project}/settings/providers", providers_page),
    Page("POST", "/projects/{project}/settings/providers", change_providers),
)
