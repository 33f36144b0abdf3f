"""The catalogue: all artifacts of a project, found by name, text, folder, tag and alias."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import urlencode

from pointsman.app import reviewing, searching
from pointsman.app.application import View
from pointsman.core.names import Kind
from pointsman.core.search import Folder, Query, parse_tags
from pointsman.core.vocabulary import Alias, Artifact
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import InvalidInput
from pointsman.web.track import Track, track_of
from pointsman.web.visit import Answer, Page, Visit, told
from pointsman.web.words import KINDS

PER_PAGE = 50
FOLDERS = 200
"""Folders that are shown; the rest is found by searching."""
_SMALL = 5
_RECENT = 8
_WHERE: Final = {"text": "texts", "tags": "tags", "author": "author"}
_ORDERS: Final = {"updated": "last changed first", "created": "newest first"}
_ASKED: Final = (
    "q", "in", "kind", "folder", "tags", "alias", "without", "author", "archived", "order", "view",
)  # fmt: skip
_NARROWING: Final = ("q", "tags", "alias", "without", "author", "archived", "order")
"""What makes it a search, whose results are one list however deep they lie."""


@dataclass(frozen=True, slots=True)
class Row:
    """An artifact in a list: its small track, how far production is behind, what is open."""

    artifact: Artifact
    track: Track
    behind: int
    last: Alias | None
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, in words, and the address without it."""

    words: str
    without: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the catalogue shows, read at one moment."""

    rows: Sequence[Row] = ()
    cursor: str | None = None
    folders: Sequence[Folder] = ()
    recent: Sequence[Row] = ()
    """What was last changed, where folders are all that there is."""


def catalogue(visit: Visit) -> Answer:
    """What there is, page by page: by folders, or in one list."""
    asked = {name: values for name in _ASKED if (values := _values(visit, name))}
    error = None
    found = Found()
    try:
        query = _query(asked)
        found = visit.see(lambda view: _find(view, query, asked, visit.ask("after") or None))
    except InvalidInput as problem:
        error = told(problem)
    folder = visit.ask("folder").strip("/")
    return visit.page(
        "catalogue.html",
        found=found,
        asked=asked,
        folder=folder,
        by_folder=bool(found.folders),
        searching=any(name in asked for name in (*_NARROWING, "kind")),
        chips=list(_chips(asked)),
        kinds=get_args(Kind),
        many={one: many for many, one in KINDS.items()},
        link=lambda **change: _link(asked, change),
        error=error,
    )


def row_of(artifact: Artifact, changes: int = 0) -> Row:
    """What a list says of an artifact."""
    production = next((one for one in artifact.aliases if one.name == "production"), None)
    behind = artifact.newest - max(production.target.versions) if production else 0
    last = max(artifact.aliases, key=lambda one: one.moved_at, default=None)
    track = track_of(artifact.newest, artifact.aliases, most=_SMALL)
    return Row(artifact, track, behind, last, changes)


def _find(
    view: View, query: Query, asked: Mapping[str, Sequence[str]], cursor: str | None
) -> Found:
    folders: tuple[Folder, ...] = ()
    shown = asked.get("view", [""])[0]
    if shown != "flat" and not any(name in asked for name in _NARROWING):
        folders = searching.folders(view, query.folder, kind=query.kind or "", limit=FOLDERS)
        # What fits on a page is quicker found in one list than behind folders.
        if shown != "folders" and sum(one.artifacts for one in folders) <= PER_PAGE:
            folders = ()
    if folders:
        query = Query(kind=query.kind, folder=query.folder, direct=True)
    found: Items[Artifact] = searching.search(view, query, limit=PER_PAGE, cursor=cursor)
    recent: tuple[Artifact, ...] = ()
    if folders and not found.items:
        latest = Query(kind=query.kind, folder=query.folder, order="updated")
        recent = searching.search(view, latest, limit=_RECENT).items
    counts = reviewing.open_counts(view)
    rows, last = (
        [row_of(one, counts[one.kind, one.name]) for one in items]
        for items in (found.items, recent)
    )
    return Found(rows, found.cursor, folders, last)


def _query(asked: Mapping[str, Sequence[str]]) -> Query:
    text, where = asked.get("q", [""])[0], asked.get("in", [""])[0]
    tags = [one for one in asked.get("tags", ()) if one.strip()]
    if where == "tags" and text:
        tags.append(text)
    archived = {"yes": True, "all": None}.get(asked.get("archived", [""])[0], False)
    order = asked.get("order", ["name"])[0]
    return Query(
        kind=asked.get("kind", [""])[0] or None,
        folder=asked.get("folder", [""])[0].strip("/"),
        name=text if where not in _WHERE else "",
        text=text if where == "text" else "",
        tags=parse_tags(" and ".join(f"({one})" for one in tags)) if tags else None,
        with_aliases=tuple(asked.get("alias", ())),
        without_aliases=tuple(asked.get("without", ())),
        author=text if where == "author" else asked.get("author", [""])[0],
        archived=archived,
        order="updated" if order == "updated" else "created" if order == "created" else "name",
    )


def _values(visit: Visit, name: str) -> list[str]:
    return [one.strip() for one in visit.query.get(name, ()) if one.strip()]


def _chips(asked: Mapping[str, Sequence[str]]) -> Iterator[Chip]:
    """Every filter that is set, each with the address that takes it away alone."""
    if text := asked.get("q", [""])[0]:
        where = _WHERE.get(asked.get("in", [""])[0], "names")
        yield Chip(f"“{text}” in {where}", _link(asked, {"q": None, "in": None}))
    words: dict[str, Callable[[str], str]] = {
        "kind": lambda one: f"kind {one}",
        "tags": lambda one: f"tags: {one}",
        "alias": lambda one: f"has {one}",
        "without": lambda one: f"without {one}",
        "author": lambda one: f"newest version by {one}",
        "archived": lambda one: "archived only" if one == "yes" else "archived as well",
        "order": lambda one: _ORDERS.get(one, "by name"),
    }
    for name, say in words.items():
        for value in asked.get(name, ()):
            rest = [one for one in asked[name] if one != value]
            yield Chip(say(value), _link(asked, {name: rest}))


def _link(
    asked: Mapping[str, Sequence[str]], change: Mapping[str, Sequence[str] | str | None]
) -> str:
    """The address of the same search with some of its parameters changed."""
    wanted = {**asked, **change}
    pairs = [
        (name, value) for name in (*_ASKED, "after") for value in _listed(wanted.get(name)) if value
    ]
    return f"?{urlencode(pairs)}"


def _listed(values: Sequence[str] | str | None) -> Sequence[str]:
    return [values] if isinstance(values, str) else values or ()


PAGES = (Page("GET", "/projects/{project}/catalogue", catalogue),)
