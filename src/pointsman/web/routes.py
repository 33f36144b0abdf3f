"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    changing,
    evaluations,
    graphs,
    histories,
    inbox,
    moving,
    proposing,
    record,
    releasing,
    signing,
    time_machine,
)
from pointsman.web.visit import Page

PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *catalogue.PAGES,
    *histories.PAGES,
    *evaluations.PAGES,
    *graphs.PAGES,
    *time_machine.PAGES,
    *record.PAGES,
    *moving.PAGES,
    *proposing.PAGES,
    *changing.PAGES,
    *releasing.PAGES,
    *inbox.PAGES,
    *artifacts.PAGES,
)
