"""What can be asked about the dependency graph; the words are those of `core.graph_answers`."""

from __future__ import annotations

from datetime import datetime

from pointsman.core.graph_answers import Graph, GraphProblems, Impact
from pointsman.core.plain import from_plain
from pointsman.core.selectors import parse_selector
from pointsman.sdk.asking import get
from pointsman.sdk.calls import Steps
from pointsman.sdk.spelling import alias_place, artifact_path, parameters


class GraphTasks:
    """The tasks; see `manage.Tasks`."""

    def graph(
        self,
        *,
        alias: str = "production",
        at: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Steps[Graph]:
        """The dependency graph in the world of an alias, now or at a moment.

        A page has the nodes of `limit` artifacts.
        """
        query = parameters(alias=alias, at=at, limit=limit, cursor=cursor)
        reply = yield from get("/graph", query)
        return from_plain(Graph, reply.body)

    def graph_problems(
        self, *, alias: str = "production", at: datetime | None = None
    ) -> Steps[GraphProblems]:
        """Dependencies that go round in a circle, and those that lead nowhere."""
        reply = yield from get("/graph/problems", parameters(alias=alias, at=at))
        return from_plain(GraphProblems, reply.body)

    def upstream(
        self,
        selector: str,
        *,
        alias: str = "production",
        at: datetime | None = None,
        depth: int | None = None,
    ) -> Steps[Graph]:
        """What an artifact depends on in the world of an alias, at any depth or so many levels.

        An alias that the selector names is the world; a version (``name:7``) is where to begin.
        Raises `NotFound`.
        """
        return (yield from _walk("upstream", selector, alias, at, depth))

    def downstream(
        self,
        selector: str,
        *,
        alias: str = "production",
        at: datetime | None = None,
        depth: int | None = None,
    ) -> Steps[Graph]:
        """What depends on an artifact in the world of an alias. See `upstream`."""
        return (yield from _walk("downstream", selector, alias, at, depth))

    def affected(self, selector: str, *, at: datetime | None = None) -> Steps[Impact]:
        """What moving an alias (``name@alias``) would affect, in the world of that alias."""
        place = alias_place(selector)
        path = artifact_path(place.kind, place.name, "affected")
        reply = yield from get(path, parameters(alias=place.alias, at=at))
        return from_plain(Impact, reply.body)


def _walk(
    way: str, selector: str, alias: str, at: datetime | None, depth: int | None
) -> Steps[Graph]:
    start = parse_selector(selector)
    query = parameters(alias=start.alias or alias, version=start.version, at=at, depth=depth)
    reply = yield from get(artifact_path(start.kind, start.name, way), query)
    return from_plain(Graph, reply.body)
