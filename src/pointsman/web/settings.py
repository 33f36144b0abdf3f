"""The frame of a project's settings, and the room about the project itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from pointsman.app import history
from pointsman.app.application import View
from pointsman.core.vocabulary import moment
from pointsman.errors import PointsmanError, Refused
from pointsman.web.visit import Answer, Page, Visit, status_of, told

T = TypeVar("T")

ROOMS: Final = (
    ("people", "People", True),
    ("groups", "Groups and owners", True),
    ("keys", "Keys", False),
    ("policies", "Policies", False),
    ("webhooks", "Webhooks", True),
    ("providers", "Providers", False),
    ("project", "Project", False),
)
"""The rooms by the last part of their address, and whether they are for admins alone."""


def settings(visit: Visit) -> Answer:
    """The first room that the visitor may see."""
    return visit.go(at(visit, "people" if is_admin(visit) else "policies"))


def project_page(visit: Visit) -> Answer:
    """What the project is, and how to take what is in it along."""

    def look(view: View) -> dict[str, Any]:
        view.require("read")
        first = moment(view.project.created_at)
        last = history.entries(view, limit=1).items
        return {"since": first, "last": last[0] if last else None}

    return shown(visit, "settings_project.html", "project", look)


def is_admin(visit: Visit) -> bool:
    """Whether the visitor is an admin of the whole project."""
    return visit.caller.actor.holds_everywhere("admin") and visit.caller.actor.scope is None


def at(visit: Visit, room: str) -> str:
    """The address of a room, or of something in it."""
    return f"/projects/{visit.project}/settings/{room}"


def shown(
    visit: Visit,
    template: str,
    room: str,
    look: Callable[[View], dict[str, Any]],
    *,
    error: PointsmanError | None = None,
    **context: Any,
) -> Answer:
    """A room, with what `look` finds; or why it is closed to this visitor.

    Where sending a form failed with `error`, templates ask `wrong(deed)` for it, and
    `typed(deed, field, otherwise)` for what was typed into that form.
    """
    shared = {"room": room, "sections": ROOMS, "admin": is_admin(visit)}
    try:
        found = visit.see(look)
    except Refused as refused:
        return visit.page("settings_closed.html", status=403, error=told(refused), **shared)
    deed = visit.given("deed")
    failed = None if error is None else told(error)

    def wrong(*deeds: str) -> dict[str, Any] | None:
        return failed if deed in deeds else None

    def typed(one: str, field: str, otherwise: object = "") -> object:
        return visit.given(field) if failed and one == deed else otherwise

    return visit.page(
        template,
        status=200 if error is None else status_of(error),
        error=failed,
        wrong=wrong,
        typed=typed,
        **shared,
        **found,
        **context,
    )


def local_time(at_: datetime, visit: Visit) -> str:
    """A moment as an input of the type datetime-local has it."""
    return at_.astimezone(visit.zone).strftime("%Y-%m-%dT%H:%M")


PAGES = (
    Page("GET", "/projects/{project}/settings", settings),
    Page("GET", "/projects/{project}/settings/project", project_page),
)
