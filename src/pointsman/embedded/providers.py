"""The providers of models of an embedded registry."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.app import providers
from pointsman.core.provider_settings import (
    CONCURRENCY,
    TIMEOUT,
    Price,
    Provider,
    SavedProvider,
    check_settings,
)
from pointsman.embedded.asking import Asking


class ProviderWords(Asking):
    """What `compose.Registry` answers about providers of models."""

    def providers(self) -> tuple[Provider, ...]:
        """The providers of models of the project, by their names."""
        return self._read(providers.list_providers)

    def provider(self, name: str) -> Provider:
        """One provider."""
        return self._read(lambda v: providers.show_provider(v, name))

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
    ) -> SavedProvider:
        """Make a provider, or replace the settings of the one of its name."""
        settings = check_settings(
            name,
            api=api,
            base_url=base_url,
            concurrency=concurrency,
            per_minute=per_minute,
            timeout=timeout,
            prices=prices,
        )
        return self._write(
            lambda w: providers.set_provider(w, settings, key=key, if_revision=if_revision)
        )

    def delete_provider(self, name: str) -> None:
        """Delete a provider with its key."""
        self._write(lambda w: providers.delete_provider(w, name))
