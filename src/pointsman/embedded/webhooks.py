"""The webhooks of an embedded registry: a server over the same data sends what they are told."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.app import webhooks
from pointsman.app.addresses import safe_url
from pointsman.app.webhooks import Amendment, Terms
from pointsman.core.vocabulary import Page
from pointsman.core.webhooks import Delivery, NewWebhook, Webhook
from pointsman.embedded.asking import Asking


class WebhookWords(Asking):
    """What `compose.Registry` answers about webhooks."""

    def webhooks(self) -> tuple[Webhook, ...]:
        """The webhooks of the project."""
        return self._read(webhooks.list_webhooks)

    def webhook(self, webhook_id: str) -> Webhook:
        """A webhook."""
        return self._read(lambda v: webhooks.show_webhook(v, webhook_id))

    def create_webhook(
        self,
        name: str,
        url: str,
        *,
        events: Sequence[str] = (),
        artifacts: str = "*",
        aliases: str = "*",
        format: str = "cloudevents",  # noqa: A002 - the field's own name
        token: str = "",
    ) -> NewWebhook:
        """Make a webhook; its secret is in the answer and nowhere else."""
        terms = Terms(name, safe_url(url), events, artifacts, aliases, format, token)
        return self._write(lambda w: webhooks.create_webhook(w, terms))

    def change_webhook(
        self,
        webhook_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        events: Sequence[str] | None = None,
        artifacts: str | None = None,
        aliases: str | None = None,
        format: str | None = None,  # noqa: A002 - the field's own name
        token: str | None = None,
    ) -> Webhook:
        """Change a webhook; what is not given stays as it is."""
        safe = None if url is None else safe_url(url)
        amendment = Amendment(name, safe, events, artifacts, aliases, format, token)
        return self._write(lambda w: webhooks.change_webhook(w, webhook_id, amendment))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with what it was still to be told."""
        self._write(lambda w: webhooks.delete_webhook(w, webhook_id))

    def enable_webhook(self, webhook_id: str) -> Webhook:
        """Let a webhook go on where it was."""
        return self._write(lambda w: webhooks.enable_webhook(w, webhook_id))

    def disable_webhook(self, webhook_id: str, *, reason: str = "") -> Webhook:
        """Tell a webhook nothing more until it is enabled."""
        return self._write(lambda w: webhooks.disable_webhook(w, webhook_id, reason))

    def test_webhook(self, webhook_id: str) -> Delivery:
        """Have a ping sent, once, by the server; `deliveries` tells how it went."""
        return self._write(lambda w: webhooks.test_webhook(w, webhook_id))

    def deliveries(
        self, webhook_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Delivery]:
        """What a webhook was told and is to be told, newest first."""
        return self._read(
            lambda v: webhooks.list_deliveries(v, webhook_id, limit=limit, cursor=cursor)
        )

    def redeliver(self, webhook_id: str, number: int) -> Delivery:
        """Have an event delivered again, under its own id, by the server."""
        return self._write(lambda w: webhooks.redeliver(w, webhook_id, number))
