"""The catalogue: all artifacts of a project, found by name, text, folder, tag and alias."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import searching
from pointsman.core.search import Query, parse_tags
from pointsman.core.vocabulary import Alias, Artifact
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import InvalidInput
from pointsman.web.track import Track, track_of
from pointsman.web.visit import Answer, Page, Visit, told

PER_PAGE = 50
_SMALL = 6


@dataclass(frozen=True, slots=True)
class Row:
    """An artifact in a list: its small track, and how far production is behind."""

    artifact: Artifact
    track: Track
    behind: int
    last: Alias | None


def catalogue(visit: Visit) -> Answer:
    """What there is, page by page."""
    kind = visit.ask("kind")
    error = None
    found: Items[Artifact] = Items(())
    try:
        query = Query(
            kind=kind or None,
            folder=visit.ask("folder"),
            name=visit.ask("q") if visit.ask("in") != "text" else "",
            text=visit.ask("q") if visit.ask("in") == "text" else "",
            tags=parse_tags(visit.ask("tags")) if visit.ask("tags").strip() else None,
            with_aliases=tuple(visit.query.get("alias", ())),
            without_aliases=tuple(visit.query.get("without", ())),
            author=visit.ask("author"),
            archived=visit.ask("archived") == "yes",
            order="updated" if visit.ask("order") == "updated" else "name",
        )
        cursor = visit.ask("after") or None
        found = visit.see(lambda view: searching.search(view, query, limit=PER_PAGE, cursor=cursor))
    except InvalidInput as problem:
        error = told(problem)
    names = ("q", "in", "kind", "folder", "tags", "alias", "without", "author", "archived", "order")
    asked = {name: visit.ask(name) for name in names if visit.ask(name)}
    return visit.page(
        "catalogue.html",
        rows=[row_of(one) for one in found.items],
        cursor=found.cursor,
        asked=asked,
        folder=visit.ask("folder"),
        error=error,
    )


def row_of(artifact: Artifact) -> Row:
    """What a list says of an artifact."""
    production = next((one for one in artifact.aliases if one.name == "production"), None)
    behind = artifact.newest - max(production.target.versions) if production else 0
    last = max(artifact.aliases, key=lambda one: one.moved_at, default=None)
    track = track_of(artifact.newest, artifact.aliases, most=_SMALL)
    return Row(artifact, track, behind, last)


PAGES = (Page("GET", "/projects/{project}/catalogue", catalogue),)
