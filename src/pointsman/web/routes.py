"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    changing,
    inbox,
    moving,
    proposing,
    releasing,
    signing,
)
from pointsman.web.visit import Page

PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *catalogue.PAGES,
    *moving.PAGES,
    *proposing.PAGES,
    *changing.PAGES,
    *releasing.PAGES,
    *inbox.PAGES,
    *artifacts.PAGES,
)
