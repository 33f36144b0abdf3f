"""What the use cases need of a store for webhooks and their deliveries."""

from __future__ import annotations

from typing import Protocol


class WebhookReader(Protocol):
    """What is read of webhooks and their deliveries."""


class WebhookTransaction(WebhookReader, Protocol):
    """What is written of webhooks and their deliveries."""
