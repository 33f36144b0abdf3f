"""Taking an artifact out of sight, and back."""

from __future__ import annotations

from pointsman.app import archiving, members, reading
from pointsman.app.application import View
from pointsman.core.access import may
from pointsman.core.vocabulary import Artifact
from pointsman.errors import PointsmanError
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import address


def archive_page(visit: Visit) -> Answer:
    """What archiving does, or restoring where it is archived."""
    return _shown(visit)


def archive(visit: Visit) -> Answer:
    """Archive or restore the artifact, as the button says."""
    kind, name = visit.kind, visit.name
    restoring = visit.given("deed") == "restore"
    try:
        if restoring:
            visit.do(lambda work: archiving.restore(work, kind, name))
        else:
            visit.do(lambda work: archiving.archive(work, kind, name))
    except PointsmanError as error:
        return _shown(visit, error)
    note = f"{name} is back in the lists." if restoring else f"{name} is archived."
    return visit.go(address(visit.project, kind, name), note)


def _shown(visit: Visit, error: PointsmanError | None = None) -> Answer:
    kind, name = visit.kind, visit.name

    def look(view: View) -> tuple[Artifact, tuple[str, ...]]:
        owners = members.list_owners(view, kind, name)
        return reading.show_artifact(view, kind, name), owners

    artifact, owners = visit.see(look)
    return visit.page(
        "archive.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        owners=owners,
        verdict=may(visit.caller.actor, "move", kind, name),
        error=None if error is None else told(error),
    )


PAGES = (
    Page("GET", "/projects/{project}/{kind}/{name}:archive", archive_page),
    Page("POST", "/projects/{project}/{kind}/{name}:archive", archive),
)
