"""Settings about webhooks: who outside is told of what, and what was delivered."""

from __future__ import annotations

from typing import Any

from pointsman.app import webhooks
from pointsman.app.addresses import safe_url
from pointsman.app.application import View
from pointsman.app.webhooks import Amendment, Terms
from pointsman.core.events import SIGNED, TYPES
from pointsman.core.patterns import ANY
from pointsman.core.webhooks import FORMATS
from pointsman.errors import PointsmanError
from pointsman.web.settings import at, shown
from pointsman.web.visit import Answer, Page, Visit

DELIVERIES = 50


def webhooks_page(visit: Visit) -> Answer:
    """The webhooks there are, and the form for another."""
    return _webhooks(visit)


def create_webhook(visit: Visit) -> Answer:
    """Make a webhook; its secret is shown this once."""
    try:
        terms = Terms(
            visit.given("name"),
            safe_url(visit.given("url").strip()),
            visit.given("events").split(),
            visit.given("artifacts").strip() or ANY,
            visit.given("aliases").strip() or ANY,
            visit.given("format", "cloudevents"),
            visit.given("token").strip(),
        )
        made = visit.do(lambda work: webhooks.create_webhook(work, terms))
    except PointsmanError as error:
        return _webhooks(visit, error)
    return _webhooks(visit, made=made)


def webhook_page(visit: Visit) -> Answer:
    """One webhook: its terms, and what it was told and is to be told."""
    return _webhook(visit)


def change_webhook(visit: Visit) -> Answer:
    """Change, test, enable, disable or delete a webhook, or send something again."""
    here, identity = visit.here, visit.path["webhook"]
    deed = visit.given("deed")
    try:
        if deed == "change":
            amendment = _amendment(visit)
            visit.do(lambda work: webhooks.change_webhook(work, identity, amendment))
            return visit.go(here, "The webhook is changed.")
        if deed == "test":
            visit.do(lambda work: webhooks.test_webhook(work, identity))
            return visit.go(here, "A ping is on its way. Its outcome appears below.")
        if deed == "again":
            number = visit.number("delivery") or 0
            visit.do(lambda work: webhooks.redeliver(work, identity, number))
            return visit.go(here, f"Delivery {number} is sent again.")
        if deed == "disable":
            reason = visit.given("reason").strip()
            visit.do(lambda work: webhooks.disable_webhook(work, identity, reason))
            return visit.go(here, "The webhook is told nothing until it is enabled.")
        if deed == "enable":
            visit.do(lambda work: webhooks.enable_webhook(work, identity))
            return visit.go(here, "The webhook goes on where it was.")
        if deed == "delete":
            visit.do(lambda work: webhooks.delete_webhook(work, identity))
            return visit.go(at(visit, "webhooks"), "The webhook is deleted.")
    except PointsmanError as error:
        return _webhook(visit, error)
    return _webhook(visit)


def _amendment(visit: Visit) -> Amendment:
    token = visit.given("token").strip()
    return Amendment(
        visit.given("name"),
        safe_url(visit.given("url").strip()),
        visit.given("events").split(),
        visit.given("artifacts").strip() or ANY,
        visit.given("aliases").strip() or ANY,
        visit.given("format"),
        "" if visit.given("no_token") == "yes" else token or None,
    )


def _webhooks(visit: Visit, error: PointsmanError | None = None, made: Any = None) -> Answer:
    def look(view: View) -> dict[str, Any]:
        return {"webhooks": webhooks.list_webhooks(view)}

    return shown(
        visit,
        "settings_webhooks.html",
        "webhooks",
        look,
        error=error,
        made=made,
        formats=FORMATS,
        types=(*TYPES, SIGNED),
    )


def _webhook(visit: Visit, error: PointsmanError | None = None) -> Answer:
    identity = visit.path["webhook"]

    def look(view: View) -> dict[str, Any]:
        return {
            "webhook": webhooks.show_webhook(view, identity),
            "deliveries": webhooks.list_deliveries(
                view, identity, limit=DELIVERIES, cursor=visit.ask("after") or None
            ),
        }

    return shown(
        visit,
        "settings_webhook.html",
        "webhooks",
        look,
        error=error,
        formats=FORMATS,
        types=(*TYPES, SIGNED),
    )


PAGES = (
    Page("GET", "/projects/{project}/settings/webhooks", webhooks_page),
    Page("POST", "/projects/{project}/settings/webhooks", create_webhook),
    Page("GET", "/projects/{project}/settings/webhooks/{webhook}", webhook_page),
    Page("POST", "/projects/{project}/settings/webhooks/{webhook}", change_webhook),
)
