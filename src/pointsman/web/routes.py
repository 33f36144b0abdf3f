"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    changing,
    inbox,
    keys,
    moving,
    people,
    policies,
    projects,
    proposing,
    providers,
    releasing,
    settings,
    signing,
    webhooks,
)
from pointsman.web.visit import Page

PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *projects.PAGES,
    *settings.PAGES,
    *people.PAGES,
    *keys.PAGES,
    *policies.PAGES,
    *webhooks.PAGES,
    *providers.PAGES,
    *catalogue.PAGES,
    *moving.PAGES,
    *proposing.PAGES,
    *changing.PAGES,
    *releasing.PAGES,
    *inbox.PAGES,
    *artifacts.PAGES,
)
