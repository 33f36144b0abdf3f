"""The inbox: what waits for who looks, each thing with its next step."""

from __future__ import annotations

from pointsman.app import inbox
from pointsman.web.standing import standing_of
from pointsman.web.visit import Answer, Page, Visit


def inbox_page(visit: Visit) -> Answer:
    """What waits for the visitor."""
    waiting = visit.see(inbox.inbox_of)
    return visit.page("inbox.html", inbox=waiting, standing_of=standing_of)


PAGES = (Page("GET", "/projects/{project}/inbox", inbox_page),)
