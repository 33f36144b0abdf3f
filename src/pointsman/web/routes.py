"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    changing,
    comparing,
    editing,
    inbox,
    keeping,
    moving,
    proposing,
    releasing,
    signing,
    trying,
    versions,
)
from pointsman.web.visit import Page

PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *catalogue.PAGES,
    *moving.PAGES,
    *comparing.PAGES,
    *editing.PAGES,
    *keeping.PAGES,
    *trying.PAGES,
    *versions.PAGES,
    *proposing.PAGES,
    *changing.PAGES,
    *releasing.PAGES,
    *inbox.PAGES,
    *artifacts.PAGES,
)
