"""The operations about the dependency graph: of a world, up and down from an artifact."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from pointsman.app import graph as graphs
from pointsman.core.graph_answers import Graph, GraphProblems, Impact
from pointsman.core.names import check_alias, check_kind, check_version_number
from pointsman.core.selectors import Selector
from pointsman.wire.native import shapes
from pointsman.wire.native.route import Call, Read, Route, micros_of

World = Annotated[shapes.AliasName, Meta(description="The alias whose world is looked at.")]
At = Annotated[datetime | None, Meta(description="As of this moment (RFC 3339).")]


class WorldQuery(Struct, forbid_unknown_fields=True):
    """Which world, and when."""

    alias: World = graphs.DEFAULT_WORLD
    at: At = None


class GraphQuery(Struct, forbid_unknown_fields=True):
    """A page of a world: the nodes of so many artifacts."""

    alias: World = graphs.DEFAULT_WORLD
    at: At = None
    limit: shapes.Limit = 50
    cursor: shapes.CursorText | None = None


class WalkQuery(Struct, forbid_unknown_fields=True):
    """Where a walk begins, in which world and when, and how far it goes."""

    alias: World = graphs.DEFAULT_WORLD
    version: Annotated[
        shapes.Number | None, Meta(description="Begin at this version, not where aliases point.")
    ] = None
    at: At = None
    depth: Annotated[
        int | None,
        Meta(description="How many levels; else all.", extra_json_schema={"minimum": 1}),
    ] = None


def _whole(call: Call) -> Read:
    q: GraphQuery = call.query
    alias, at = check_alias(q.alias), micros_of(q.at)
    return Read(lambda v: graphs.whole(v, alias=alias, at=at, limit=q.limit, cursor=q.cursor))


def _problems(call: Call) -> Read:
    alias, at = check_alias(call.query.alias), micros_of(call.query.at)
    return Read(lambda v: graphs.problems(v, alias=alias, at=at))


def _upstream(call: Call) -> Read:
    q: WalkQuery = call.query
    start, alias, at = _start(call), check_alias(q.alias), micros_of(q.at)
    return Read(lambda v: graphs.upstream(v, start, alias=alias, at=at, depth=q.depth))


def _downstream(call: Call) -> Read:
    q: WalkQuery = call.query
    start, alias, at = _start(call), check_alias(q.alias), micros_of(q.at)
    return Read(lambda v: graphs.downstream(v, start, alias=alias, at=at, depth=q.depth))


def _start(call: Call) -> Selector:
    number = call.query.version
    version = None if number is None else check_version_number(number)
    return Selector(check_kind(call.kind), call.name, version)


def _affected(call: Call) -> Read:
    selector = Selector(check_kind(call.kind), call.name, alias=check_alias(call.query.alias))
    at = micros_of(call.query.at)
    return Read(lambda v: graphs.affected(v, selector, at=at))


_A = "/artifacts/{kind}/{name}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/graph", "read", "Show the dependency graph of an alias's world", _whole, Graph,
          query=GraphQuery),
    Route("GET", "/graph/problems", "read", "List cycles and dead ends of dependencies", _problems,
          GraphProblems, query=WorldQuery),
    Route("GET", _A + "/upstream", "read", "Show what an artifact depends on", _upstream, Graph,
          query=WalkQuery),
    Route("GET", _A + "/downstream", "read", "Show what depends on an artifact", _downstream,
          Graph, query=WalkQuery),
    Route("GET", _A + "/affected", "read", "Show what moving an alias affects", _affected, Impact,
          query=WorldQuery),
)  # fmt: skip
