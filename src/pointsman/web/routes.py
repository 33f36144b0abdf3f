"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    comparing,
    editing,
    keeping,
    moving,
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
    *artifacts.PAGES,
)
