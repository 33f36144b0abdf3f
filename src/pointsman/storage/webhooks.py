"""The rows of webhooks and their deliveries."""

from __future__ import annotations

from pointsman.storage.statements import Statements


class WebhookRecords(Statements):
    """Reads and writes of webhooks and their deliveries; see `app.ports.webhooks`."""
