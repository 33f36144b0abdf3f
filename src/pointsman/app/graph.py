"""The dependency graph: what versions are made with, what moves affect, what is strange in it.

`core.graph` says what the words mean. `affected_by` and `made_of` are for other use cases: they
ask for no rights, and may be used inside the transaction that moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pointsman.app.application import View
from pointsman.app.describing import artifacts_of
from pointsman.app.graph_lookups import Now, Then
from pointsman.app.including import find_version
from pointsman.app.paging import Cursor, check_limit
from pointsman.core import graph as walks
from pointsman.core.access import may
from pointsman.core.graph import Affected, Downstream, Edge, Meaning, Scene, VersionKey, World
from pointsman.core.graph_answers import (
    DeadEnd,
    Graph,
    GraphNode,
    GraphProblems,
    Impact,
    Link,
    Trouble,
)
from pointsman.core.names import check_alias
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Artifact, Target, moment
from pointsman.errors import InvalidInput, InvalidName, NotFound, TooLarge

if TYPE_CHECKING:
    from pointsman.app.places import Place

DEFAULT_WORLD = "production"
MAX_NODES = 20_000
MAX_DEAD_ENDS = 1_000
_STEP = 1_000

Pair = tuple[Edge, tuple[Meaning, ...]]
"""A dependency, and what it means."""


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency of a version, and the versions that it means: ``prompt:support/reply:7``."""

    relation: str
    selector: str
    variable: str
    to: tuple[str, ...]
    trouble: Trouble = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A version that takes part in making an output."""

    artifact_id: int
    kind: str
    name: str
    number: int
    digest: str
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class MadeOf:
    """All that making an output of a version involves in a world, itself included.

    `parts` goes by ``kind:name:version``, each after those that it needs as far as cycles allow.
    `dead_ends` has the needs that lead nowhere or to what was removed or archived, each with the
    version that has it.
    """

    parts: Mapping[str, Part]
    dead_ends: tuple[tuple[str, Need], ...]

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each part."""
        return {name: part.digest for name, part in self.parts.items()}


def affected_by(view: View, moves: Sequence[tuple[Place, Target | None]]) -> Affected:
    """What these moves concern, each in the world of its alias; asks for no rights."""
    overrides = {(place.artifact.id, place.alias): to for place, to in moves}
    names = dict.fromkeys(place.alias for place, _ in moves)
    worlds = [World(alias, overrides) for alias in names]
    return walks.affected(worlds, list(overrides), Now(view.reader))


def made_of(view: View, artifact_id: int, version: int, world: World) -> MadeOf:
    """All that making an output of this version involves in a world; asks for no rights."""
    scene = Scene(world, Now(view.reader))
    scene.learn([artifact_id])
    found = walks.upstream(scene, [(artifact_id, version)])
    standings = {row[:2]: row for row in view.reader.standings_of(found.levels)}
    removed = {key for key, row in standings.items() if row.removed_at is not None}
    below = {
        key: [meant for _, meanings in pairs for meant in _versions(meanings)]
        for key, pairs in ((key, found.needs.get(key, ())) for key in found.levels)
    }
    parts: dict[str, Part] = {}
    for key in walks.upstream_first(below):
        artifact, row = scene.artifact(key[0]), standings.get(key)
        if artifact is None or row is None:
            continue
        needs = tuple(_need(scene, removed, *pair) for pair in found.needs.get(key, ()))
        part = Part(artifact.id, artifact.kind, artifact.name, key[1], row.digest, needs)
        parts[f"{artifact.place}:{key[1]}"] = part
    dead = ((name, need) for name, part in parts.items() for need in part.needs if need.trouble)
    return MadeOf(parts, tuple(dead))


def upstream(
    view: View,
    selector: Selector,
    *,
    alias: str = DEFAULT_WORLD,
    at: int | None = None,
    depth: int | None = None,
) -> Graph:
    """What an artifact depends on in the world of an alias, at any depth or so many levels.

    An alias that the selector names is the world; a version that it names is where to begin.
    Raises `NotFound`.
    """
    scene, starts = _begin(view, selector, alias, at, depth)
    found = walks.upstream(scene, _versions(starts), depth)
    teller = _Teller(view, scene, _removed(view, found.levels, at))
    levels = walks.met(found, starts)
    nodes = [teller.node(one, level, _needs(found, one)) for one, level in levels.items()]
    return _graph(scene, at, nodes)


def downstream(
    view: View,
    selector: Selector,
    *,
    alias: str = DEFAULT_WORLD,
    at: int | None = None,
    depth: int | None = None,
) -> Graph:
    """What depends on an artifact as it stands in the world of an alias. See `upstream`.

    Besides nodes of the world, there is what lies between: versions pinned by their number.
    """
    scene, starts = _begin(view, selector, alias, at, depth)
    keys = [(one.artifact_id, one.alias) for one in starts if one.alias is not None]
    found = walks.downstream(scene, keys, _versions(starts), depth)
    teller = _Teller(view, scene, _removed(view, {*_versions(starts), *found.levels}, at))
    begun = {(one.artifact_id, one.alias) for one in starts}
    reached = [one for one in _reached(scene, found) if one.key not in begun]
    nodes = [teller.node(one, 0, _causes(scene, found, one)) for one in starts]
    nodes += [teller.reached(node) for node in reached]
    nodes += _through(teller, found, {*starts, *map(_meaning, reached)}, reached)
    return _graph(scene, at, nodes)


def affected(view: View, selector: Selector, *, at: int | None = None) -> Impact:
    """What moving an alias (``name@alias``) would affect, in the world of that alias.

    The alias need not exist yet.
    """
    view.require("read")
    if selector.alias is None:
        raise InvalidName(
            f"{selector} names no alias, and only aliases move.",
            code="invalid_selector",
            hint="Write it as name@alias, for example support/reply@production.",
            field="selector",
        )
    artifact = view.artifact(selector.kind, selector.name)
    key = artifact.id, selector.alias
    scene = Scene(World(key[1]), _lookups(view, at))
    found = walks.downstream(scene, [key])
    teller = _Teller(view, scene, _removed(view, found.levels, at))
    start = Meaning(*key, scene.versions(key))
    reached = [one for one in _reached(scene, found) if one.key != key]
    known = {start, *map(_meaning, reached)}
    shown = [told for one in reached if (told := teller.reached(one)) is not None]
    through = [told for told in _through(teller, found, known, reached) if told is not None]
    moved = teller.node(start, 0, _causes(scene, found, start))
    assert moved is not None, "who may not read it does not get here"
    when = None if at is None else moment(at)
    hidden = len(reached) - len(shown)
    return Impact(key[1], when, (moved,), tuple(shown), tuple(through), hidden)


def whole(
    view: View,
    *,
    alias: str = DEFAULT_WORLD,
    at: int | None = None,
    connected: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Graph:
    """A page of the whole graph of the world of an alias: the nodes of so many artifacts.

    An artifact without an alias is there with its newest version. With `connected`, those of
    which no version depends on anything nor is depended on are left out.
    """
    view.require("read")
    limit = check_limit(limit)
    scene = Scene(World(check_alias(alias)), _lookups(view, at))
    place = Cursor("graph", [alias, at, connected] if connected else [alias, at])
    find = view.reader.connected_artifacts if connected else view.reader.artifacts_after
    rows = find(view.project.id, place.number(cursor) or 0, limit + 1)
    more = place.write(rows[limit - 1].id) if len(rows) > limit else None
    ids = [row.id for row in rows[:limit]]
    scene.learn(ids)
    starts = [one for artifact_id in ids for one in _standing(scene, artifact_id)]
    found = walks.upstream(scene, _versions(starts), 1)
    teller = _Teller(view, scene, _removed(view, found.levels, at))
    nodes = [teller.node(one, 0, _needs(found, one)) for one in starts]
    return _graph(scene, at, nodes, more)


def artifacts_in(view: View, nodes: Iterable[GraphNode]) -> dict[tuple[str, str], Artifact]:
    """The artifacts of these nodes as they are now, by kind and name."""
    view.require("read")
    places = dict.fromkeys((one.kind, one.name) for one in nodes)
    rows = view.reader.artifacts_named(view.project.id, places)
    readable = [row for row in rows if may(view.actor, "read", row.kind, row.name).allowed]
    return {(one.kind, one.name): one for one in artifacts_of(view, readable)}


def problems(view: View, *, alias: str = DEFAULT_WORLD, at: int | None = None) -> GraphProblems:
    """The cycles and dead ends in the world of an alias. Walks through all that is connected."""
    view.require("read")
    scene = Scene(World(check_alias(alias)), _lookups(view, at))
    starts: list[Meaning] = []
    after = 0
    # What depends on nothing and is needed by nothing can't be part of a problem.
    while rows := view.reader.connected_artifacts(view.project.id, after, _STEP):
        after = rows[-1].id
        scene.learn(row.id for row in rows)
        starts += [one for row in rows for one in _standing(scene, row.id)]
    found = walks.upstream(scene, _versions(starts))
    teller = _Teller(view, scene, _removed(view, found.levels, at))
    needs = {one: _needs(found, one) for one in walks.met(found, starts)}
    rings = walks.cycles(
        {
            one: [below for _, meanings in pairs for below in meanings]
            for one, pairs in needs.items()
        }
    )
    dead = [
        (one, edge, meanings)
        for one, pairs in needs.items()
        for edge, meanings in pairs
        if teller.trouble(edge, meanings)
    ]
    cycles = [
        tuple(sorted(map(teller.id, ring)))
        for ring in rings
        if all(teller.reads(one.artifact_id) for one in ring)
    ]
    ends = [
        DeadEnd(teller.id(one), teller.link(edge, meanings))
        for one, edge, meanings in dead
        if teller.reads(one.artifact_id)
    ]
    hidden = len(rings) - len(cycles) + len(dead) - len(ends)
    when = None if at is None else moment(at)
    ends.sort(key=lambda end: (end.id, end.link.version, end.link.selector))
    return GraphProblems(
        alias, when, tuple(sorted(cycles)), tuple(ends[:MAX_DEAD_ENDS]), len(ends), hidden
    )


class _Teller:
    """Turns what walks found into what people are told: nothing of what they may not read."""

    def __init__(self, view: View, scene: Scene, removed: Collection[VersionKey]) -> None:
        self._view = view
        self._scene = scene
        self._removed = removed
        self._read: dict[int, bool] = {}

    def reads(self, artifact_id: int) -> bool:
        """Whether the asker may read an artifact."""
        if not self._view.actor.narrow:
            return True
        if artifact_id not in self._read:
            one = self._scene.artifact(artifact_id)
            allowed = one is not None and may(self._view.actor, "read", one.kind, one.name).allowed
            self._read[artifact_id] = allowed
        return self._read[artifact_id]

    def node(self, one: Meaning, level: int, pairs: Iterable[Pair]) -> GraphNode | None:
        """A node with its links; None if the asker may not read it."""
        artifact = self._scene.artifact(one.artifact_id)
        if artifact is None or not self.reads(one.artifact_id):
            return None
        links = tuple(self.link(*pair) for pair in pairs)
        return GraphNode(
            self.id(one), artifact.kind, artifact.name, one.alias, one.versions, level, links
        )

    def reached(self, node: walks.Node) -> GraphNode | None:
        """A node that a walk downstream has reached, with what it was reached through."""
        return self.node(_meaning(node), node.level, _meant(self._scene, node.via))

    def id(self, one: Meaning) -> str:
        artifact = self._scene.artifact(one.artifact_id)
        place = artifact.place if artifact else ""
        return f"{place}@{one.alias}" if one.alias is not None else f"{place}:{one.versions[0]}"

    def link(self, edge: Edge, meanings: Sequence[Meaning]) -> Link:
        return Link(
            relation=edge.relation,  # type: ignore[arg-type]  # checked when it was written
            selector=edge.selector,
            version=edge.number,
            variable=edge.variable or "",
            to=tuple(self.id(one) for one in meanings if self.reads(one.artifact_id)),
            trouble=self.trouble(edge, meanings),
        )

    def meant(self, edge: Edge) -> tuple[Meaning, ...]:
        return self._scene.meaning(edge)

    def causes(self, found: Downstream, one: Meaning) -> list[Pair]:
        return _causes(self._scene, found, one)

    def trouble(self, edge: Edge, meanings: Sequence[Meaning]) -> Trouble:
        return _trouble(self._scene, self._removed, edge, meanings)


def _need(
    scene: Scene, removed: Collection[VersionKey], edge: Edge, meanings: Sequence[Meaning]
) -> Need:
    target = scene.artifact(edge.target_id)
    place = target.place if target else ""
    return Need(
        relation=edge.relation,
        selector=edge.selector,
        variable=edge.variable or "",
        to=tuple(dict.fromkeys(f"{place}:{number}" for _, number in _versions(meanings))),
        trouble=_trouble(scene, removed, edge, meanings),
    )


def _trouble(
    scene: Scene, removed: Collection[VersionKey], edge: Edge, meanings: Sequence[Meaning]
) -> Trouble:
    if not meanings:
        return "no alias" if edge.target_alias is not None else "no version"
    if any((one.artifact_id, n) in removed for one in meanings for n in one.versions):
        return "removed"
    target = scene.artifact(edge.target_id)
    return "archived" if target is not None and target.archived else ""


def _begin(
    view: View, selector: Selector, alias: str, at: int | None, depth: int | None
) -> tuple[Scene, list[Meaning]]:
    """The world to look at, and where in it a walk begins."""
    view.require("read")
    if depth is not None and depth < 1:
        raise InvalidInput(
            f"A walk of {depth} levels shows nothing.",
            code="invalid_depth",
            hint="Ask for 1 or more, or leave it out for all.",
            field="depth",
        )
    artifact = view.artifact(selector.kind, selector.name)
    scene = Scene(World(selector.alias or check_alias(alias)), _lookups(view, at))
    scene.learn([artifact.id])
    if selector.version is not None:
        find_version(view, artifact, selector, at)
        return scene, [Meaning(artifact.id, None, (selector.version,))]
    starts = list(_standing(scene, artifact.id))
    if not starts:
        raise NotFound(
            f"{artifact.name} has no version{' yet' if at is None else ' at that time'}.",
            code="version_not_found",
            field="selector",
        )
    return scene, starts


def _standing(scene: Scene, artifact_id: int) -> Iterator[Meaning]:
    """The nodes by which an artifact stands, or else its newest version."""
    standing = scene.artifact(artifact_id)
    if scene.aliases(artifact_id):
        yield from scene.nodes(artifact_id)
    elif standing is not None and standing.newest:
        yield Meaning(artifact_id, None, (standing.newest,))


def _versions(starts: Iterable[Meaning]) -> list[VersionKey]:
    return [(one.artifact_id, number) for one in starts for number in one.versions]


def _lookups(view: View, at: int | None) -> Now:
    return Now(view.reader) if at is None else Then(view.reader, view.project.id, at)


def _removed(view: View, versions: Collection[VersionKey], at: int | None) -> set[VersionKey]:
    """Those of these versions whose content was removed by then."""
    return {
        (row.artifact_id, row.number)
        for row in view.reader.standings_of(versions)
        if row.removed_at is not None and (at is None or row.removed_at <= at)
    }


def _needs(found: walks.Upstream, one: Meaning) -> list[Pair]:
    """What the versions of a node depend on, as far as the walk went."""
    return [
        pair for number in one.versions for pair in found.needs.get((one.artifact_id, number), ())
    ]


def _causes(scene: Scene, found: Downstream, one: Meaning) -> list[Pair]:
    """The dependencies through which a walk downstream has come to a node's versions."""
    return _meant(scene, found.edges(_versions([one])))


def _meant(scene: Scene, edges: Iterable[Edge]) -> list[Pair]:
    return [(edge, scene.meaning(edge)) for edge in edges]


def _meaning(node: walks.Node) -> Meaning:
    return Meaning(node.artifact_id, node.alias, node.versions)


def _reached(scene: Scene, found: Downstream) -> list[walks.Node]:
    return sorted(walks.affected_nodes(scene, found), key=walks.order)


def _through(
    teller: _Teller, found: Downstream, known: set[Meaning], nodes: Iterable[walks.Node]
) -> list[GraphNode | None]:
    """What the way to these nodes leads through without being among those that are known."""
    added: list[GraphNode | None] = []
    waiting = [edge for node in nodes for edge in node.via]
    while waiting:
        for one in teller.meant(waiting.pop()):
            levels = [found.levels[key] for key in _versions([one]) if key in found.levels]
            if levels and one not in known:
                known.add(one)
                pairs = teller.causes(found, one)
                added.append(teller.node(one, min(levels), pairs))
                waiting += [edge for edge, _ in pairs]
    return sorted(added, key=lambda node: (node.level, node.id) if node else (0, ""))


def _graph(
    scene: Scene, at: int | None, nodes: Sequence[GraphNode | None], more: str | None = None
) -> Graph:
    if len(nodes) > MAX_NODES:
        raise TooLarge(
            f"The walk found {len(nodes):,} nodes.",
            code="graph_too_large",
            hint=f"At most {MAX_NODES:,} are told at once: ask for fewer levels with depth.",
            field="depth",
        )
    shown = tuple(node for node in nodes if node is not None)
    when = None if at is None else moment(at)
    return Graph(scene.world.alias, when, shown, len(nodes) - len(shown), more)
