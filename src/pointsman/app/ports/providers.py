"""What the use cases need of a store for providers of models."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class ProviderRow(NamedTuple):
    """A provider: its settings as JSON, None where it was deleted; its revision counts on.

    `sealed` is its key as `app.sealing` closes it, empty if it has none.
    """

    name: str
    body: str | None
    sealed: str
    revision: int
    updated_at: int
    updated_by: str


class ProviderReader(Protocol):
    """What is read of providers of models."""

    def provider(self, project_id: int, name: str) -> ProviderRow | None: ...
    def providers(self, project_id: int) -> list[ProviderRow]:
        """Those that are there, by their names."""
        ...

    def every_provider(self, project_id: int) -> list[ProviderRow]:
        """Those that were deleted as well, by their names."""
        ...


class ProviderTransaction(ProviderReader, Protocol):
    """What is written of providers of models."""

    def put_provider(self, project_id: int, row: ProviderRow) -> None: ...
