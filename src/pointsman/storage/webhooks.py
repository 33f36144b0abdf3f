"""The rows of webhooks and their deliveries."""

from __future__ import annotations

from pointsman.app.ports.webhooks import DeliveryRow, WebhookRow
from pointsman.storage.statements import Statements, first_of

_LAST = 2**62


class WebhookRecords(Statements):
    """Reads and writes of webhooks and their deliveries; see `app.ports.webhooks`."""

    def webhook(self, webhook_id: str) -> WebhookRow | None:
        """See `app.ports.webhooks`."""
        return first_of(WebhookRow, self._run("webhook", id=webhook_id))

    def webhooks(self, project_id: int) -> list[WebhookRow]:
        """See `app.ports.webhooks`."""
        return [WebhookRow(*row) for row in self._run("webhooks", project_id=project_id)]

    def enabled_webhooks(self) -> list[tuple[str, int, bool]]:
        """See `app.ports.webhooks`."""
        return [(row[0], row[1], bool(row[2])) for row in self._run("enabled_webhooks")]

    def put_webhook(self, row: WebhookRow) -> None:
        """See `app.ports.webhooks`."""
        self._run("put_webhook", **row._asdict())

    def drop_webhook(self, webhook_id: str) -> None:
        """See `app.ports.webhooks`."""
        self._run("drop_deliveries", webhook_id=webhook_id)
        self._run("drop_webhook", id=webhook_id)

    def delivery(self, webhook_id: str, number: int) -> DeliveryRow | None:
        """See `app.ports.webhooks`."""
        return first_of(DeliveryRow, self._run("delivery", webhook_id=webhook_id, number=number))

    def deliveries(self, webhook_id: str, before: int | None, limit: int) -> list[DeliveryRow]:
        """See `app.ports.webhooks`."""
        below = _LAST if before is None else before
        rows = self._run("deliveries", webhook_id=webhook_id, before=below, limit=limit)
        return [DeliveryRow(*row) for row in rows]

    def pending_deliveries(self, webhook_id: str) -> list[DeliveryRow]:
        """See `app.ports.webhooks`."""
        rows = self._run("pending_deliveries", webhook_id=webhook_id)
        return [DeliveryRow(*row) for row in rows]

    def put_delivery(self, row: DeliveryRow) -> None:
        """See `app.ports.webhooks`."""
        self._run("put_delivery", **row._asdict())

    def hurry_deliveries(self, webhook_id: str, at: int) -> None:
        """See `app.ports.webhooks`."""
        self._run("hurry_deliveries", webhook_id=webhook_id, at=at)

    def forget_deliveries(self, webhook_id: str, before: int) -> None:
        """See `app.ports.webhooks`."""
        self._run("forget_deliveries", webhook_id=webhook_id, before=before)
