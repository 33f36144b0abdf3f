"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    changing,
    comparing,
    editing,
    evaluations,
    graphs,
    histories,
    inbox,
    keeping,
    moving,
    proposing,
    record,
    releasing,
    signing,
    time_machine,
    trying,
    versions,
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
