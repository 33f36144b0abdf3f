"""The projects that somebody works on, making another, and a project's first steps."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import keys, projects, searching
from pointsman.app.application import View
from pointsman.app.keys import Wanted
from pointsman.app.people import rules_everywhere
from pointsman.core.access import may
from pointsman.core.people import Project
from pointsman.core.search import Query
from pointsman.core.vocabulary import Artifact, NewKey
from pointsman.errors import PointsmanError
from pointsman.web.settings import is_admin
from pointsman.web.visit import Answer, Page, Visit, status_of, told


@dataclass(frozen=True, slots=True)
class Steps:
    """How far a project's first steps got."""

    prompt: Artifact | None
    """The first prompt, or the first one that is live."""
    live: bool
    read: bool
    may_write: bool


def projects_page(visit: Visit) -> Answer:
    """The projects to choose among."""
    return _projects(visit)


def create_project(visit: Visit) -> Answer:
    """Make a project, and begin in it."""
    name = visit.given("name").strip()
    try:
        made = projects.create_project(visit.app, visit.caller, name)
    except PointsmanError as error:
        return _projects(visit, error)
    return visit.go(f"/projects/{made.name}/start", f"The project {made.name} is there.")


def start_page(visit: Visit) -> Answer:
    """The first steps: write a prompt, move production, read it from an application."""
    return _start(visit)


def make_first_key(visit: Visit) -> Answer:
    """Make the key for the application that reads, and show it this once."""
    wanted = Wanted("my application", "viewer")
    try:
        if is_admin(visit):
            made = visit.do(lambda work: keys.create_key(work, wanted.name, wanted.role))
        else:
            made = visit.do(lambda work: keys.create_own_key(work, wanted))
    except PointsmanError as error:
        return _start(visit, error)
    return _start(visit, made=made)


def _projects(visit: Visit, error: PointsmanError | None = None) -> Answer:
    def look(view: View) -> tuple[tuple[Project, ...], bool]:
        return projects.list_projects(view), rules_everywhere(view.reader, view.actor)

    found, may_create = visit.see(look)
    return visit.page(
        "projects.html",
        status=200 if error is None else status_of(error),
        projects=found,
        may_create=may_create,
        name=visit.given("name"),
        error=None if error is None else told(error),
    )


def _start(visit: Visit, error: PointsmanError | None = None, made: NewKey | None = None) -> Answer:
    def look(view: View) -> Steps:
        live = searching.search(view, Query(kind="prompt", with_aliases=("production",)), limit=1)
        first = live.items or searching.search(view, Query(kind="prompt"), limit=1).items
        used = view.reader.keys(view.project.id)
        return Steps(
            first[0] if first else None,
            bool(live.items),
            any(one.role == "viewer" and one.last_used_at is not None for one in used),
            may(view.actor, "write").allowed,
        )

    return visit.page(
        "start.html",
        status=200 if error is None else status_of(error),
        steps=visit.see(look),
        made=made,
        origin=visit.origin,
        error=None if error is None else told(error),
    )


PAGES = (
    Page("GET", "/projects", projects_page),
    Page("POST", "/projects", create_project),
    Page("GET", "/projects/{project}/start", start_page),
    Page("POST", "/projects/{project}/start", make_first_key),
)
