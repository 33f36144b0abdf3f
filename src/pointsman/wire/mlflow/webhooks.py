"""MLflow's webhooks, `webhooks/…`: our own, as its client knows them.

What MLflow's client makes is a webhook in the format `mlflow`, whose events are MLflow's. It
sees the others as well, by the events that they would be told of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pointsman.app import webhooks
from pointsman.app.addresses import safe_url
from pointsman.app.application import View, Work
from pointsman.app.paging import Cursor
from pointsman.app.webhooks import Amendment, Terms
from pointsman.core.canonical import quoted
from pointsman.core.mlflow_events import EVENTS
from pointsman.core.patterns import matches
from pointsman.core.vocabulary import micros
from pointsman.core.webhooks import Delivery, Webhook
from pointsman.errors import InvalidInput, NotFound
from pointsman.wire.mlflow.fields import Call, missing
from pointsman.wire.mlflow.following import Follow
from pointsman.wire.running import Read, Write

MAX_WEBHOOKS: Final = 1_000
DISABLED: Final = "disabled by MLflow's client"
"""Why a webhook was disabled where the client does not say it."""
_FORM: Final = "mlflow"
_STATUSES: Final = ("ACTIVE", "DISABLED")


def create(call: Call) -> Write:
    """Make a webhook that is told of MLflow's events, in its format."""
    name, url, events = call.text("name"), call.text("url"), _events(call)
    if not events:
        raise missing("events")
    terms = Terms(
        name,
        safe_url(url),
        events,
        format=_FORM,
        description=call.optional("description") or "",
        secret=call.optional("secret") or "",
    )
    status = _status(call)

    def make(work: Work) -> dict[str, Any]:
        made = webhooks.create_webhook(work, terms).webhook
        if status == "DISABLED":
            webhooks.disable_webhook(work, made.id, call.reason or DISABLED)
        return _told(work, made.id)

    return Write(make)


def search(call: Call) -> Read:
    """List the webhooks that are told of anything MLflow has an event for, newest first."""
    most = call.count("max_results", 100, 1, MAX_WEBHOOKS)
    cursor = Cursor("mlflow webhooks", [])
    start = cursor.number(call.optional("page_token") or None) or 0

    def read(view: View) -> dict[str, Any]:
        found = [one for one in webhooks.list_webhooks(view)[::-1] if events_of(one)]
        page = found[start : start + most]
        told: dict[str, Any] = {"webhooks": [_shown(one) for one in page]} if page else {}
        if start + most < len(found):
            told["next_page_token"] = cursor.write(start + most)
        return told

    return Read(read)


def get(call: Call) -> Read:
    """Tell of a webhook."""
    webhook_id = call.text("webhook_id")
    return Read(lambda view: _told(view, webhook_id))


def update(call: Call) -> Write:
    """Change a webhook; what is left out, or can't be empty and is, stays as it is."""
    webhook_id, status = call.text("webhook_id"), _status(call)
    url, events = call.optional("url") or None, _events(call)
    safe = None if url is None else safe_url(url)

    def change(work: Work) -> dict[str, Any]:
        now = _found(work, webhook_id)
        wanted = events or None
        if now.format != _FORM and wanted is not None:
            _check_same_events(now, wanted)
            wanted = None
        amendment = Amendment(
            name=call.optional("name") or None,
            url=safe,
            events=wanted,
            description=call.optional("description"),
            secret=call.optional("secret"),
        )
        webhooks.change_webhook(work, webhook_id, amendment)
        if status == "DISABLED":
            webhooks.disable_webhook(work, webhook_id, call.reason or DISABLED)
        elif status == "ACTIVE":
            webhooks.enable_webhook(work, webhook_id)
        return _told(work, webhook_id)

    return Write(change)


def delete(call: Call) -> Write:
    """Delete a webhook with what it was still to be told."""
    webhook_id = call.text("webhook_id")

    def remove(work: Work) -> dict[str, Any]:
        webhooks.delete_webhook(work, webhook_id)
        return {}

    return Write(remove)


def test(call: Call) -> Follow:
    """Have a webhook sent an example, and tell how that went."""
    webhook_id = call.text("webhook_id")
    plays = _event(call.values["event"]) if call.values.get("event") else ""

    def start(work: Work) -> Delivery:
        played = plays if _found(work, webhook_id).format == _FORM else ""
        return webhooks.try_webhook(work, webhook_id, played)

    def look(view: View, begun: Delivery) -> dict[str, Any] | None:
        now = webhooks.show_delivery(view, webhook_id, begun.number)
        if now.state == "pending":
            return None
        result: dict[str, Any] = {"success": now.state == "delivered"}
        if now.status is not None:
            result |= {"response_status": now.status, "response_body": now.answer}
        if now.error:
            result["error_message"] = f"Failed to test webhook: {now.error}"
        return {"result": result}

    def late(begun: Delivery) -> dict[str, Any]:
        told = f"There is no answer yet; look at delivery {begun.number} of the webhook."
        return {"result": {"success": False, "error_message": told}}

    return Follow(start, look, late)


def events_of(webhook: Webhook) -> list[str]:
    """The names of MLflow's events that a webhook is told of."""
    return [
        name
        for name, source in EVENTS.items()
        for told in [(name,) if webhook.format == _FORM else source.types]
        if any(matches(pattern, one) for pattern in webhook.events for one in told)
    ]


def _told(view: View, webhook_id: str) -> dict[str, Any]:
    return {"webhook": _shown(_found(view, webhook_id))}


def _found(view: View, webhook_id: str) -> Webhook:
    """The webhook. Raises `NotFound`, also where it is told of nothing that MLflow knows of."""
    webhook = webhooks.show_webhook(view, webhook_id)
    if not events_of(webhook):
        raise NotFound(
            f"Webhook with ID {webhook_id} not found: no event of MLflow's is told to it.",
            code="webhook_not_found",
            hint="Look at it natively: pointsman webhook show.",
            field="webhook_id",
        )
    return webhook


def _shown(webhook: Webhook) -> dict[str, Any]:
    created = micros(webhook.created_at) // 1000
    told: dict[str, Any] = {
        "webhook_id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": [_pair(one) for one in events_of(webhook)],
        "status": "ACTIVE" if webhook.disabled_at is None else "DISABLED",
        "creation_timestamp": created,
        "last_updated_timestamp": micros(webhook.updated_at or webhook.created_at) // 1000,
    }
    if webhook.description:
        told["description"] = webhook.description
    return told


def _pair(event: str) -> dict[str, str]:
    entity, _, action = event.upper().partition(".")
    return {"entity": entity, "action": action}


def _events(call: Call) -> list[str]:
    """The events that are asked for, none if nothing is said. Raises `InvalidInput`."""
    value = call.values.get("events")
    if value is None:
        return []
    if not isinstance(value, list):
        raise _no_event("events must be a list of objects with entity and action")
    return sorted({_event(one) for one in value})


def _event(value: object) -> str:
    """The name of an event that is spelt as an object. Raises `InvalidInput`."""
    entity = value.get("entity") if isinstance(value, Mapping) else None
    action = value.get("action") if isinstance(value, Mapping) else None
    if not isinstance(entity, str) or not isinstance(action, str):
        raise _no_event("An event is an object with entity and action")
    name = f"{entity}.{action}".lower()
    if name not in EVENTS:
        why = "there are no budgets here" if name.startswith("budget") else "nothing makes it"
        raise _no_event(f"The event {quoted(name)} can't be told: {why}")
    return name


def _status(call: Call) -> str:
    """The status that is asked for; empty if none is. Raises `InvalidInput`."""
    status = call.optional("status") or ""
    if status and status not in _STATUSES:
        raise InvalidInput(
            f"{quoted(status)} is no status of a webhook.",
            code="invalid_parameter",
            hint=f"Send one of {', '.join(_STATUSES)}.",
            field="status",
        )
    return status


def _check_same_events(webhook: Webhook, wanted: list[str]) -> None:
    """Raise `InvalidInput` if the events of a webhook in another format would change."""
    if wanted != sorted(events_of(webhook)):
        raise InvalidInput(
            f"{quoted(webhook.name)} is sent entries of the journal in the format "
            f"{webhook.format}, which MLflow's events don't name.",
            code="invalid_webhook",
            hint="Change its events natively (pointsman webhook change), or make a webhook here.",
            field="events",
        )


def _no_event(told: str) -> InvalidInput:
    return InvalidInput(
        f"{told}.",
        code="unknown_event",
        hint=f"The events are {', '.join(EVENTS)}.",
        field="events",
    )
