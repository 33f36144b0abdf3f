"""Finding artifacts: by kind, folder, name, tags, aliases, author, time, and text."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import astuple

from pointsman.app.application import View
from pointsman.app.describing import artifacts_of
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import ArtifactRow
from pointsman.core.access import may
from pointsman.core.names import check_kind, skeleton
from pointsman.core.search import Folder, Query
from pointsman.core.vocabulary import Artifact, Page

_LOOKED_AT = 5_000
"""How many candidates one page of a text search reads at most before it answers with less."""
_STEP = 500


def search(
    view: View, query: Query, *, limit: int = 50, cursor: str | None = None
) -> Page[Artifact]:
    """The artifacts that match, in a stable order.

    A page may hold fewer than `limit` and still have a cursor: searching in texts gives back
    what it has after looking at several thousand artifacts.
    """
    view.require("read")
    limit = check_limit(limit)
    place = Cursor("search", [repr(astuple(query))])
    types = {"name": (str, int), "created": (int,), "updated": (int, int)}[query.order]
    after = place.read(cursor, *types)
    wanted = Query(
        **{field: getattr(query, field) for field in Query.__slots__ if field != "name"},
        name=skeleton(query.name),
    )
    found, last = _matching(view, wanted, after, limit)
    more = None if last is None else place.write(*_position(query, last))
    return Page(artifacts_of(view, found), more)


def folders(
    view: View, folder: str = "", *, kind: str = "", limit: int = 200
) -> tuple[Folder, ...]:
    """The folders directly in a folder (or at the top), with how many artifacts lie in each.

    By name, the first `limit`; only what the caller may read counts.
    """
    view.require("read")
    limit = check_limit(limit)
    folder = folder.strip("/")
    wanted = check_kind(kind) if kind else None
    if view.actor.narrow:
        counted = _readable_folders(view, folder, wanted)[:limit]
    else:
        counted = view.reader.folders(view.project.id, folder, wanted, limit)
    return tuple(Folder(path, count) for path, count in counted)


def _readable_folders(view: View, folder: str, kind: str | None) -> list[tuple[str, int]]:
    start = len(folder) + 1 if folder else 0
    query = Query(kind=kind, folder=folder)
    after: tuple[str | int, ...] | None = None
    found: Counter[str] = Counter()
    while rows := view.reader.search(view.project.id, query, after, _STEP):
        for row in rows:
            name, below, _ = row.name[start:].partition("/")
            if below and may(view.actor, "read", row.kind, row.name).allowed:
                found[row.name[:start] + name] += 1
        after = _position(query, rows[-1])
    return sorted(found.items())


def _matching(
    view: View, query: Query, after: tuple[str | int, ...] | None, limit: int
) -> tuple[list[ArtifactRow], ArtifactRow | None]:
    """Up to `limit` matches, and the row after which to go on (None at the end)."""
    if view.actor.narrow:
        return _readable(view, query, after, limit)
    if not query.text:
        rows = view.reader.search(view.project.id, query, after, limit + 1)
        return rows[:limit], rows[limit - 1] if len(rows) > limit else None
    needle = query.text.casefold()
    found: list[ArtifactRow] = []
    looked_at = 0
    while True:
        rows = view.reader.search(view.project.id, query, after, _STEP)
        for row in rows:
            looked_at += 1
            body = view.reader.content(row.id, row.newest)
            if body is not None and _says(json.loads(body), needle):
                found.append(row)
            if len(found) == limit or looked_at == _LOOKED_AT:
                return found, row
        if len(rows) < _STEP:
            return found, None
        after = _position(query, rows[-1])


def _readable(
    view: View, query: Query, after: tuple[str | int, ...] | None, limit: int
) -> tuple[list[ArtifactRow], ArtifactRow | None]:
    """`_matching` for who may read a part only: nothing is told of the rest, not even by where
    a page ends, which is always at something found.
    """
    needle = query.text.casefold()
    found: list[ArtifactRow] = []
    while True:
        rows = view.reader.search(view.project.id, query, after, _STEP)
        for row in rows:
            if not may(view.actor, "read", row.kind, row.name).allowed:
                continue
            body = view.reader.content(row.id, row.newest) if needle else None
            if not needle or (body is not None and _says(json.loads(body), needle)):
                if len(found) == limit:
                    return found, found[-1]
                found.append(row)
        if len(rows) < _STEP:
            return found, None
        after = _position(query, rows[-1])


def _says(value: object, needle: str) -> bool:
    """Whether any text in the content (not a field's name) contains the needle."""
    if isinstance(value, str):
        return needle in value.casefold()
    if isinstance(value, dict):
        return any(_says(item, needle) for item in value.values())
    return isinstance(value, list) and any(_says(item, needle) for item in value)


def _position(query: Query, row: ArtifactRow) -> tuple[str | int, ...]:
    if query.order == "name":
        return row.name, row.id
    return (row.id,) if query.order == "created" else (row.updated_at, row.id)
