"""Every page there is, by the room that makes it."""

from __future__ import annotations

from pointsman.web import (
    artifacts,
    catalogue,
    evaluations,
    graphs,
    histories,
    moving,
    record,
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
    *artifacts.PAGES,
)
