"""The dependency graph of an embedded registry: of a world, up and down from an artifact."""

from __future__ import annotations

from datetime import datetime

from pointsman.app import graph as graphs
from pointsman.core.graph_answers import Graph, GraphProblems, Impact
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import micros
from pointsman.embedded.asking import Asking


class GraphWords(Asking):
    """What `compose.Registry` answers about dependencies; see `sdk.graph`."""

    def graph(
        self,
        *,
        alias: str = "production",
        at: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Graph:
        """The dependency graph in the world of an alias, now or at a moment."""
        when = _micros(at)
        return self._read(
            lambda v: graphs.whole(v, alias=alias, at=when, limit=limit, cursor=cursor)
        )

    def graph_problems(
        self, *, alias: str = "production", at: datetime | None = None
    ) -> GraphProblems:
        """Dependencies that go round in a circle, and those that lead nowhere."""
        when = _micros(at)
        return self._read(lambda v: graphs.problems(v, alias=alias, at=when))

    def upstream(
        self,
        selector: str,
        *,
        alias: str = "production",
        at: datetime | None = None,
        depth: int | None = None,
    ) -> Graph:
        """What an artifact depends on in the world of an alias, at any depth or so many levels."""
        start, when = parse_selector(selector), _micros(at)
        return self._read(lambda v: graphs.upstream(v, start, alias=alias, at=when, depth=depth))

    def downstream(
        self,
        selector: str,
        *,
        alias: str = "production",
        at: datetime | None = None,
        depth: int | None = None,
    ) -> Graph:
        """What depends on an artifact in the world of an alias."""
        start, when = parse_selector(selector), _micros(at)
        return self._read(lambda v: graphs.downstream(v, start, alias=alias, at=when, depth=depth))

    def affected(self, selector: str, *, at: datetime | None = None) -> Impact:
        """What moving an alias would affect, in the world of that alias."""
        place, when = parse_selector(selector), _micros(at)
        return self._read(lambda v: graphs.affected(v, place, at=when))


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros(at)
