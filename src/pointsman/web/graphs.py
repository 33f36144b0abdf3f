"""The graph: what is made with what, drawn by levels, of a project or around one artifact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pointsman.app import graph
from pointsman.app.application import View
from pointsman.core.graph_answers import Graph, GraphNode, GraphProblems, Link
from pointsman.core.names import check_kind
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Artifact, micros, moment
from pointsman.errors import InvalidInput, InvalidName, NotFound, PointsmanError
from pointsman.web.clock import field_text, typed_moment
from pointsman.web.layout import HEIGHT, WIDTH, Layout, Line, Spot, lay_out
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import colour_of

MOST = 60
"""Nodes of a drawing; more are a list."""
PER_PAGE = 50
_STOPS = 8
_STEP = 20
_NAME = 21
_ALIAS = 12
TROUBLES: Final = {
    "no alias": "points nowhere: there is no such alias",
    "no version": "leads nowhere: there is no such version",
    "removed": "leads to content that was removed",
    "archived": "leads to what is archived",
}
"""What is wrong with a dependency, after its selector."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node as it is drawn: its place, its words, and its small track."""

    node: GraphNode
    x: int
    y: int
    focus: bool
    stops: tuple[tuple[int, bool], ...]
    """Where on the small track its last versions are, and whether the node points there."""
    newest: int

    @property
    def title(self) -> str:
        """The last part of its name, shortened to what fits."""
        name = self.node.name.rpartition("/")[2]
        return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"

    @property
    def chip(self) -> str:
        """Its alias, shortened to what fits."""
        alias = self.node.alias or ""
        return alias if len(alias) <= _ALIAS else f"{alias[: _ALIAS - 1]}…"

    @property
    def chip_width(self) -> int:
        """The width of the chip around it."""
        return 7 * len(self.chip) + 16 if self.chip else 0

    @property
    def colour(self) -> str:
        """The class of its alias's colour."""
        return colour_of(self.node.alias or "")

    @property
    def version(self) -> str:
        """Where it points, in short."""
        return f"version {' and '.join(map(str, self.node.versions))}"


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency as it is drawn, with what is written on it."""

    line: Line[str]
    words: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What the page shows, read at one moment."""

    nodes: Sequence[GraphNode] = ()
    artifacts: Mapping[tuple[str, str], Artifact] = field(default_factory=dict)
    hidden: int = 0
    cursor: str | None = None
    drawn: bool = True
    near: bool = False
    """Only what is one step away is drawn, as there is too much."""
    problems: GraphProblems | None = None


def project_graph(visit: Visit) -> Answer:
    """What depends on what in the project, in the world of an alias."""
    return _shown(visit, None)


def artifact_graph(visit: Visit) -> Answer:
    """What an artifact is made with, and what is made with it."""
    return _shown(visit, (visit.kind, visit.name))


def _shown(visit: Visit, one: tuple[str, str] | None) -> Answer:
    world = visit.ask("world").strip() or graph.DEFAULT_WORLD
    cursor = visit.ask("after") or None
    error: PointsmanError | None = None
    look, at = Look(), None
    try:
        at = typed_moment(visit.ask("at"), visit.zone, field="at")
        at = None if at is None else min(at, micros(visit.now))
        if one is None:
            look = visit.see(lambda view: _whole(view, world, at, cursor))
        else:
            look = visit.see(lambda view: _around(view, one, world, at))
    except (InvalidInput, InvalidName, NotFound) as problem:
        if isinstance(problem, NotFound) and problem.code == "artifact_not_found":
            raise
        error = problem
    drawing = _drawing(look, one, at) if look.nodes and look.drawn else None
    return visit.page(
        "graph.html",
        status=200 if error is None else status_of(error),
        one=one,
        world=world,
        worlds=sorted({node.alias for node in look.nodes if node.alias} | {world, "production"}),
        at_field="" if at is None else field_text(moment(at), visit.zone),
        at=None if at is None else moment(at),
        at_query="" if at is None else moment(at).isoformat(),
        look=look,
        drawing=drawing,
        box_width=WIDTH,
        box_height=HEIGHT,
        dead=list(_dead_ends(look)),
        selector=parse_selector,
        troubles=TROUBLES,
        most=MOST,
        error=None if error is None else told(error),
    )


def _whole(view: View, world: str, at: int | None, cursor: str | None) -> Look:
    found = graph.whole(view, alias=world, at=at, connected=True, limit=MOST, cursor=cursor)
    drawn = cursor is None and found.cursor is None and len(found.nodes) <= MOST
    if not drawn:
        found = graph.whole(view, alias=world, at=at, connected=True, limit=PER_PAGE, cursor=cursor)
    nodes = _completed(found.nodes) if drawn else found.nodes
    return Look(
        nodes,
        graph.artifacts_in(view, nodes),
        found.hidden,
        found.cursor,
        drawn,
        problems=graph.problems(view, alias=world, at=at) if drawn else None,
    )


def _around(view: View, one: tuple[str, str], world: str, at: int | None) -> Look:
    selector = Selector(check_kind(one[0]), one[1])
    depth: int | None = None
    for depth in (None, 1):
        up = graph.upstream(view, selector, alias=world, at=at, depth=depth)
        down = graph.downstream(view, selector, alias=world, at=at, depth=depth)
        nodes = _joined(up, down)
        if len(nodes) <= MOST:
            break
    return Look(
        nodes,
        graph.artifacts_in(view, nodes),
        up.hidden + down.hidden,
        drawn=len(nodes) <= MOST,
        near=depth is not None,
    )


def _joined(up: Graph, down: Graph) -> tuple[GraphNode, ...]:
    """The nodes of both walks, each once with the links that either tells."""
    found: dict[str, GraphNode] = {}
    for node in (*up.nodes, *down.nodes):
        known = found.get(node.id)
        links = dict.fromkeys((*known.links, *node.links)) if known else node.links
        found[node.id] = replace(known or node, links=tuple(links))
    return _completed(tuple(found.values()))


def _completed(nodes: tuple[GraphNode, ...]) -> tuple[GraphNode, ...]:
    """With nodes for what links lead to and no walk told of: versions pinned by their number."""
    known = {one.id for one in nodes}
    missing = dict.fromkeys(
        target for node in nodes for link in node.links for target in link.to if target not in known
    )
    return (*nodes, *map(_bare, missing))


def _bare(name: str) -> GraphNode:
    selector = parse_selector(name)
    versions = () if selector.version is None else (selector.version,)
    return GraphNode(name, selector.kind, selector.name, selector.alias, versions)


def _drawing(look: Look, one: tuple[str, str] | None, at: int | None) -> Drawing:
    nodes = {node.id: node for node in look.nodes}
    words: dict[tuple[str, str], list[str]] = {}
    for node in look.nodes:
        for link in node.links:
            for target in link.to:
                words.setdefault((target, node.id), []).append(_words(link))
    layout: Layout[str] = lay_out(list(nodes), words)
    boxes = tuple(_box(nodes[spot.node], spot, look, one, at) for spot in layout.spots)
    edges = tuple(
        Edge(line, ", ".join(dict.fromkeys(words[line.start, line.end]))) for line in layout.lines
    )
    return Drawing(layout.width, layout.height, boxes, edges)


def _box(
    node: GraphNode, spot: Spot[str], look: Look, one: tuple[str, str] | None, at: int | None
) -> Box:
    artifact = look.artifacts.get((node.kind, node.name))
    # What was the newest at a past moment is not asked for: then there is no track.
    newest = artifact.newest if artifact and at is None else 0
    first = max(1, newest - _STOPS + 1)
    stops = tuple(
        (14 + _STEP * place, number in node.versions)
        for place, number in enumerate(range(first, newest + 1))
    )
    return Box(node, spot.x, spot.y, (node.kind, node.name) == one, stops, newest)


def _words(link: Link) -> str:
    return f"{link.relation} as {link.variable}" if link.variable else link.relation


def _dead_ends(look: Look) -> Iterator[tuple[GraphNode, Link]]:
    """Dependencies that lead nowhere, with what has them."""
    known = {one.id: one for one in look.nodes}
    if look.problems is not None:
        for end in look.problems.dead_ends:
            yield known.get(end.id) or _bare(end.id), end.link
        return
    yield from _troubled(look.nodes)


def _troubled(nodes: Iterable[GraphNode]) -> Iterator[tuple[GraphNode, Link]]:
    for node in nodes:
        for link in node.links:
            if link.trouble:
                yield node, link


PAGES = (
    Page("GET", "/projects/{project}/graph", project_graph),
    Page("GET", "/projects/{project}/{kind}/{name}:graph", artifact_graph),
)
