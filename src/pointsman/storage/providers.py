"""The rows of providers of models."""

from __future__ import annotations

from pointsman.app.ports.providers import ProviderRow
from pointsman.storage.statements import Statements, first_of


class ProviderRecords(Statements):
    """Reads and writes of providers of models; see `app.ports.providers`."""

    def provider(self, project_id: int, name: str) -> ProviderRow | None:
        """See `app.ports.providers`."""
        return first_of(ProviderRow, self._run("provider", project_id=project_id, name=name))

    def providers(self, project_id: int) -> list[ProviderRow]:
        """See `app.ports.providers`."""
        return [ProviderRow(*row) for row in self._run("providers", project_id=project_id)]

    def every_provider(self, project_id: int) -> list[ProviderRow]:
        """See `app.ports.providers`."""
        return [ProviderRow(*row) for row in self._run("every_provider", project_id=project_id)]

    def put_provider(self, project_id: int, row: ProviderRow) -> None:
        """See `app.ports.providers`."""
        self._run("put_provider", project_id=project_id, **row._asdict())
