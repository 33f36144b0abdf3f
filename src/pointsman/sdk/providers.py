"""What can be asked about providers of models: where evaluations find them, and how they pay."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pointsman.core.plain import from_plain, to_plain
from pointsman.core.provider_settings import CONCURRENCY, TIMEOUT, Price, Provider, SavedProvider
from pointsman.sdk.asking import get, listed, send
from pointsman.sdk.calls import Request, Steps, checked


class ProviderTasks:
    """The tasks; see `manage.Tasks`."""

    def providers(self) -> Steps[tuple[Provider, ...]]:
        """The providers of models of the project, by their names."""
        reply = yield from get("/providers")
        return listed(Provider, reply, "providers")

    def provider(self, name: str) -> Steps[Provider]:
        """One provider. Raises `NotFound`."""
        reply = yield from get(_path(name))
        return from_plain(Provider, reply.body)

    def set_provider(
        self,
        name: str,
        *,
        api: str | None = None,
        base_url: str = "",
        concurrency: int = CONCURRENCY,
        per_minute: int | None = None,
        timeout: int = TIMEOUT,
        prices: Mapping[str, Price] | None = None,
        key: str | None = None,
        if_revision: int | None = None,
    ) -> Steps[SavedProvider]:
        """Make a provider, or replace the settings of the one of its name. For admins.

        `name` is what prompts have as their model's provider; `api` is ``openai`` or
        ``anthropic``. What is not given is as usual, whatever it was; only the key stays,
        unless `api` or `base_url` change: then it is forgotten, and the answer says so. An
        empty `key` removes it. Raises `InvalidInput` naming the field that is wrong, and
        `StaleRevision`.
        """
        body = {
            "api": api,
            "base_url": base_url,
            "concurrency": concurrency,
            "per_minute": per_minute,
            "timeout": timeout,
            "prices": to_plain(prices or {}),
            "key": key,
            "if_revision": if_revision,
        }
        reply = yield from send("PUT", _path(name), body, repeatable=if_revision is None)
        return from_plain(SavedProvider, reply.body)

    def delete_provider(self, name: str) -> Steps[None]:
        """Delete a provider with its key. Raises `NotFound`."""
        checked((yield Request("DELETE", _path(name), changes=lambda _: [])))


def _path(name: str) -> str:
    return f"/providers/{quote(name, safe='')}"
