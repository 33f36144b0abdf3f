"""What can be asked about webhooks: who outside is told of what happens."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from pointsman.core.names import check_list
from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import Page
from pointsman.core.webhooks import Delivery, NewWebhook, Webhook
from pointsman.sdk.asking import get, send
from pointsman.sdk.calls import Request, Steps, checked
from pointsman.sdk.spelling import parameters


class WebhookTasks:
    """The tasks; see `manage.Tasks`. All are for admins."""

    def webhooks(self) -> Steps[tuple[Webhook, ...]]:
        """The webhooks of the project."""
        reply = yield from get("/webhooks")
        body = reply.body if isinstance(reply.body, dict) else {}
        return from_plain(Page[Webhook], {"items": body.get("webhooks")}).items

    def webhook(self, webhook_id: str) -> Steps[Webhook]:
        """A webhook. Raises `NotFound`."""
        reply = yield from get(_path(webhook_id))
        return from_plain(Webhook, reply.body)

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
    ) -> Steps[NewWebhook]:
        """Make a webhook, which is told of what happens from now on.

        `events` are types of journal entries or patterns (``alias.*``), none for all of them, and
        ``checkpoint.signed``, which is no entry; `artifacts` and `aliases` are patterns of names;
        `format` is `cloudevents`, `slack`, `github` or `mlflow` (with events in MLflow's words);
        `token` is sent in the Authorization header. Its secret is in the answer and nowhere
        else. Raises `InvalidInput`.
        """
        body = {
            "name": name,
            "url": url,
            "events": list(check_list(events, field="events")),
            "artifacts": artifacts,
            "aliases": aliases,
            "format": format,
            "token": token,
        }
        request = Request("POST", "/webhooks", body=body, changes=lambda _: [])
        return from_plain(NewWebhook, checked((yield request)).body)

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
    ) -> Steps[Webhook]:
        """Change a webhook; what is not given stays as it is. Raises `NotFound`, `InvalidInput`."""
        body = {
            "name": name,
            "url": url,
            "events": None if events is None else list(check_list(events, field="events")),
            "artifacts": artifacts,
            "aliases": aliases,
            "format": format,
            "token": token,
        }
        given = {field: value for field, value in body.items() if value is not None}
        reply = yield from send("PUT", _path(webhook_id), given, key=None)
        return from_plain(Webhook, reply.body)

    def delete_webhook(self, webhook_id: str) -> Steps[None]:
        """Delete a webhook with what it was still to be told. Raises `NotFound`."""
        request = Request("DELETE", _path(webhook_id), changes=lambda _: [])
        checked((yield request))

    def enable_webhook(self, webhook_id: str) -> Steps[Webhook]:
        """Let a webhook go on where it was. Raises `NotFound`."""
        reply = yield from send("POST", _path(webhook_id, "enable"), {}, key=None)
        return from_plain(Webhook, reply.body)

    def disable_webhook(self, webhook_id: str, *, reason: str = "") -> Steps[Webhook]:
        """Tell a webhook nothing more until it is enabled. Raises `NotFound`."""
        reply = yield from send("POST", _path(webhook_id, "disable"), {"reason": reason}, key=None)
        return from_plain(Webhook, reply.body)

    def test_webhook(self, webhook_id: str) -> Steps[Delivery]:
        """Have a ping sent, once; `deliveries` tells how it went. Raises `NotFound`, `Conflict`."""
        reply = yield from send("POST", _path(webhook_id, "test"), {}, key=None)
        return from_plain(Delivery, reply.body)

    def deliveries(
        self, webhook_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Steps[Page[Delivery]]:
        """What a webhook was told and is to be told, newest first. Raises `NotFound`."""
        path = _path(webhook_id, "deliveries")
        reply = yield from get(path, parameters(limit=limit, cursor=cursor))
        return from_plain(Page[Delivery], reply.body)

    def redeliver(self, webhook_id: str, number: int) -> Steps[Delivery]:
        """Have an event delivered again, under its own id. Raises `NotFound`, `Conflict`."""
        path = _path(webhook_id, "deliveries", f"{number:d}", "redeliver")
        reply = yield from send("POST", path, {}, key=None)
        return from_plain(Delivery, reply.body)


def _path(*parts: str) -> str:
    return "/webhooks/" + "/".join([quote(part, safe="") for part in parts])
