"""What the use cases need of a store for webhooks and their deliveries, and of what sends them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pointsman.core.events import Message
from pointsman.core.webhooks import State


class WebhookRow(NamedTuple):
    """A webhook. `events` is a JSON list of patterns.

    `secret` is ours as it is, one that was given is sealed, and empty where there is none.
    `position` is the number of the last journal entry that was looked at; `lease_owner` is
    the server that delivers until `lease_until`.
    """

    id: str
    project_id: int
    name: str
    url: str
    events: str
    artifacts: str
    aliases: str
    format: str
    secret: str
    token: str
    created_at: int
    created_by: str
    disabled_at: int | None
    disabled_why: str
    position: int
    next_delivery: int
    lease_owner: str
    lease_until: int
    description: str = ""
    updated_at: int = 0


class DeliveryRow(NamedTuple):
    """An event that a webhook is told of, and how the last attempt ended.

    `seq` is the journal's entry, for a checkpoint the last one that it is about, 0 for a ping;
    `lane` says what is told in order: an artifact's id, 0 for what is about none, below 0 for
    what was asked for by hand.
    `duration` is in microseconds.
    """

    webhook_id: str
    number: int
    seq: int
    event: str
    type: str
    subject: str
    lane: int
    state: State
    attempts: int
    created_at: int
    due_at: int
    failing_since: int | None = None
    attempted_at: int | None = None
    status: int | None = None
    duration: int | None = None
    answer: str = ""
    error: str = ""


class WebhookReader(Protocol):
    """What is read of webhooks and their deliveries."""

    def webhook(self, webhook_id: str) -> WebhookRow | None: ...
    def webhooks(self, project_id: int) -> list[WebhookRow]: ...
    def enabled_webhooks(self) -> list[tuple[str, int, bool]]:
        """(id, project id, hurried) of the webhooks of all projects that are not disabled.

        Hurried are those with a delivery that is due and that no entry of the journal tells of:
        what somebody asked for by hand, and checkpoints.
        """
        ...

    def delivery(self, webhook_id: str, number: int) -> DeliveryRow | None: ...
    def deliveries(self, webhook_id: str, before: int | None, limit: int) -> list[DeliveryRow]:
        """Deliveries, newest first, below the number `before`."""
        ...

    def pending_deliveries(self, webhook_id: str) -> list[DeliveryRow]:
        """What is still to be delivered, oldest first."""
        ...


class WebhookTransaction(WebhookReader, Protocol):
    """What is written of webhooks and their deliveries."""

    def put_webhook(self, row: WebhookRow) -> None:
        """Add a webhook, or change all of it but its project and how it was made."""
        ...

    def drop_webhook(self, webhook_id: str) -> None:
        """Remove a webhook and its deliveries."""
        ...

    def put_delivery(self, row: DeliveryRow) -> None:
        """Add a delivery, or change how it stands."""
        ...

    def hurry_deliveries(self, webhook_id: str, at: int) -> None:
        """Make all that is pending due at a moment, as if it had never failed."""
        ...

    def forget_deliveries(self, webhook_id: str, before: int) -> None:
        """Drop deliveries that are done, below the number `before`."""
        ...


class Outcome(NamedTuple):
    """How an attempt to deliver ended: with an answer (`status`), or without one (`error`).

    `duration` is in microseconds, `answer` the beginning of what the receiver said.
    """

    status: int | None
    duration: int
    answer: str = ""
    error: str = ""


class Sender(Protocol):
    """What carries messages to receivers."""

    def send(self, url: str, message: Message) -> Outcome:
        """Send a message. Never raises for what a receiver, its name or its network does."""
        ...

    def cut(self) -> None:
        """End what is being sent, and send nothing more."""
        ...
