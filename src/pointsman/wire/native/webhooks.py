"""Webhooks in the native API: who outside is told of what happens."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pointsman.app import webhooks
from pointsman.app.addresses import safe_url
from pointsman.app.application import Work
from pointsman.app.webhooks import Amendment, Terms
from pointsman.core.patterns import ANY
from pointsman.core.vocabulary import Page
from pointsman.core.webhooks import FORMATS, MAX_EVENTS, MAX_URL, Delivery, NewWebhook, Webhook
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, Write, whole

HookName = Annotated[
    str,
    Meta(
        description="Who or what is told.",
        extra_json_schema={"minLength": 1, "maxLength": 100},
    ),
]
Url = Annotated[
    str,
    Meta(
        description="Where events are sent: http or https, without a user.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_URL},
    ),
]
Events = Annotated[
    list[str],
    Meta(
        description="Types of journal entries, or patterns such as alias.*; none means all of "
        "them. Signed checkpoints are no entries: ask for checkpoint.signed.",
        extra_json_schema={"maxItems": MAX_EVENTS},
    ),
]
Pattern = Annotated[
    str,
    Meta(
        description="Names that it is told of, such as support/*; * for all.",
        extra_json_schema={"minLength": 1},
    ),
]
FormatName = Annotated[str, Meta(extra_json_schema={"enum": list(FORMATS)})]
Token = Annotated[
    str, Meta(description="Sent as `Authorization: Bearer`; never shown. Empty for none.")
]


class WebhookBody(Struct, forbid_unknown_fields=True):
    """A webhook to make."""

    name: HookName
    url: Url
    events: Events = []
    artifacts: Pattern = ANY
    aliases: Pattern = ANY
    format: FormatName = "cloudevents"
    token: Token = ""


class AmendmentBody(Struct, forbid_unknown_fields=True):
    """What is to become different; what is left out stays as it is."""

    name: HookName | None = None
    url: Url | None = None
    events: Events | None = None
    artifacts: Pattern | None = None
    aliases: Pattern | None = None
    format: FormatName | None = None
    token: Token | None = None


class WebhooksAnswer(Struct):
    """The webhooks of the project."""

    webhooks: list[Webhook]


def _list(call: Call) -> Read:
    return Read(lambda v: WebhooksAnswer(list(webhooks.list_webhooks(v))))


def _create(call: Call) -> Write:
    body: WebhookBody = call.body
    terms = Terms(
        body.name,
        safe_url(body.url),
        body.events,
        body.artifacts,
        body.aliases,
        body.format,
        body.token,
    )
    return Write(lambda w: webhooks.create_webhook(w, terms))


def _show(call: Call) -> Read:
    return Read(lambda v: webhooks.show_webhook(v, call.path["webhook"]))


def _change(call: Call) -> Write:
    body: AmendmentBody = call.body
    amendment = Amendment(
        body.name,
        None if body.url is None else safe_url(body.url),
        body.events,
        body.artifacts,
        body.aliases,
        body.format,
        body.token,
    )
    return Write(lambda w: webhooks.change_webhook(w, call.path["webhook"], amendment), Webhook)


def _delete(call: Call) -> Write:
    def delete(work: Work) -> shapes.Empty:
        webhooks.delete_webhook(work, call.path["webhook"])
        return shapes.Empty()

    return Write(delete)


def _enable(call: Call) -> Write:
    return Write(lambda w: webhooks.enable_webhook(w, call.path["webhook"]), Webhook)


def _disable(call: Call) -> Write:
    webhook, reason = call.path["webhook"], call.body.reason
    return Write(lambda w: webhooks.disable_webhook(w, webhook, reason), Webhook)


def _test(call: Call) -> Write:
    return Write(lambda w: webhooks.test_webhook(w, call.path["webhook"]), Delivery)


def _deliveries(call: Call) -> Read:
    webhook, query = call.path["webhook"], call.query
    return Read(
        lambda v: webhooks.list_deliveries(v, webhook, limit=query.limit, cursor=query.cursor)
    )


def _redeliver(call: Call) -> Write:
    webhook, number = call.path["webhook"], whole(call.path["delivery"], "delivery")
    return Write(lambda w: webhooks.redeliver(w, webhook, number), Delivery)


_W = "/webhooks/{webhook}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/webhooks", "admin", "List webhooks", _list, WebhooksAnswer),
    Route("POST", "/webhooks", "admin", "Make a webhook", _create, NewWebhook, body=WebhookBody,
          status=lambda answer: 201, slow=True),
    Route("GET", _W, "admin", "Show a webhook", _show, Webhook),
    Route("PUT", _W, "admin", "Change a webhook", _change, Webhook, body=AmendmentBody, slow=True),
    Route("DELETE", _W, "admin", "Delete a webhook", _delete, shapes.Empty),
    Route("POST", _W + "/enable", "admin", "Enable a webhook", _enable, Webhook,
          body=shapes.Nothing),
    Route("POST", _W + "/disable", "admin", "Disable a webhook", _disable, Webhook,
          body=shapes.WhyBody),
    Route("POST", _W + "/test", "admin", "Send a ping to a webhook", _test, Delivery,
          body=shapes.Nothing),
    Route("GET", _W + "/deliveries", "admin", "List deliveries, newest first", _deliveries,
          Page[Delivery], query=shapes.PageQuery),
    Route("POST", _W + "/deliveries/{delivery}/redeliver", "admin", "Deliver an event again",
          _redeliver, Delivery, body=shapes.Nothing),
)  # fmt: skip
