"""The page of an artifact, which tells its story."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pointsman.app import graph, history, members, reading, reviewing
from pointsman.app.application import View
from pointsman.core.access import may
from pointsman.core.changes import Change
from pointsman.core.graph_answers import Graph
from pointsman.core.names import Kind, check_kind
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Alias, Artifact, Release, Version
from pointsman.errors import NotFound
from pointsman.web.track import Shift, track_of
from pointsman.web.visit import Answer, Page, Visit

VERSIONS = 20
MOVES = 8


@dataclass(frozen=True, slots=True)
class Story:
    """What an artifact's page tells, read at one moment."""

    artifact: Artifact
    versions: tuple[Version, ...]
    older: str | None
    releases: tuple[Release, ...]
    changes: tuple[Change, ...]
    upstream: Graph | None
    downstream: Graph | None
    newest: Version | None
    owners: tuple[str, ...]


def artifact_page(visit: Visit) -> Answer:
    """The story of an artifact."""
    kind, name = visit.kind, visit.name
    story = visit.see(lambda view: _story(view, kind, name, visit.ask("after") or None))
    shifts = [*_proposed(story.changes, kind, name), *_last_moves(story)]
    return visit.page(
        "artifact.html",
        story=story,
        artifact=story.artifact,
        may_write=may(visit.caller.actor, "write", kind, name).allowed,
        may_propose=may(visit.caller.actor, "propose", kind, name).allowed,
        track=track_of(
            story.artifact.newest,
            story.artifact.aliases,
            shifts,
            removed={one.number for one in story.versions if one.tombstone},
        ),
    )


def _story(view: View, kind: Kind, name: str, cursor: str | None) -> Story:
    artifact = reading.show_artifact(view, kind, name)
    versions = reading.list_versions(view, kind, name, limit=VERSIONS, cursor=cursor)
    newest = None
    if artifact.newest:
        newest = reading.show_version(view, Selector(kind, name, version=artifact.newest))
    return Story(
        artifact,
        versions.items,
        versions.cursor,
        tuple(_releases(view, artifact)),
        tuple(_changes(view, kind, name)),
        _around(view, artifact, up=True),
        _around(view, artifact, up=False),
        newest,
        members.list_owners(view, kind, name),
    )


def _releases(view: View, artifact: Artifact) -> list[Release]:
    """The last moves of all aliases, those that were deleted included."""
    found: dict[int, Release] = {}
    for alias in artifact.aliases:
        page = history.releases_of_alias(
            view, artifact.kind, artifact.name, alias.name, limit=MOVES
        )
        for one in page.items:
            known = found.get(one.number)
            found[one.number] = one if known is None else _joined(known, one)
    return sorted(found.values(), key=lambda one: one.number, reverse=True)[:MOVES]


def _joined(one: Release, other: Release) -> Release:
    return Release(one.number, one.at, one.by, one.reason, (*one.moves, *other.moves), one.undoes)


def _changes(view: View, kind: str, name: str) -> Iterator[Change]:
    """Open changes that would move one of its aliases."""
    for change in reviewing.listed(view, limit=100).items:
        if any((move.kind, move.name) == (kind, name) for move in change.moves):
            yield change


def _around(view: View, artifact: Artifact, *, up: bool) -> Graph | None:
    """What it is made with, or what is made with it, one step away; None where it is nowhere."""
    aliases = [one.name for one in artifact.aliases]
    alias = "production" if "production" in aliases else next(iter(aliases), "")
    if not alias:
        return None
    walk = graph.upstream if up else graph.downstream
    try:
        return walk(view, Selector(check_kind(artifact.kind), artifact.name, alias=alias))
    except NotFound:
        return None


def _proposed(changes: Sequence[Change], kind: str, name: str) -> Iterator[Shift]:
    for change in changes:
        for move in change.moves:
            if (move.kind, move.name) == (kind, name):
                yield Shift(move.alias, move.current, move.to, proposed=True)


def _last_moves(story: Story) -> Iterator[Shift]:
    """The move that put each alias where it is."""
    latest: dict[str, Alias] = {one.name: one for one in story.artifact.aliases}
    for release in story.releases:
        for move in release.moves:
            alias = latest.get(move.alias)
            if alias is not None and alias.release == release.number:
                yield Shift(move.alias, move.before, move.to)


PAGES = (Page("GET", "/projects/{project}/{kind}/{name}", artifact_page),)
