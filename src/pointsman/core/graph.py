"""What is made with what, in a world: an alias, and what other moves would change of it.

In the world of an alias A, an artifact *stands by* A if it has that alias, and otherwise by each
of its other aliases: models have `champion` where prompts have `production`. An artifact and an
alias are a *node*. A dependency of the versions that a node points to means:

========================  ============================================================
``T:7``                   that version, whatever moves
``T@C``                   the node (T, C)
``T``, included           the newest version of T
``T``, consumed or used   the nodes by which T stands; its newest version if it has no alias
========================  ============================================================

Where an alias is a split, each of its versions counts. A walk passes through what is no node
itself: a pinned version depends on things as well, and so does a node of another world.

Walks go level by level, and ask `Lookups` for each level at once. Nothing here knows where the
answers come from, nor of which moment they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from pointsman.core.vocabulary import Target

NodeKey = tuple[int, str]
"""An artifact's id, and an alias of it."""
VersionKey = tuple[int, int]
"""An artifact's id, and the number of a version."""

V = TypeVar("V", bound=Hashable)


@dataclass(frozen=True, slots=True)
class World:
    """An alias, and what else is looked at as if it were so: None where an alias is deleted."""

    alias: str
    overrides: Mapping[NodeKey, Target | None] = field(default_factory=dict)


class Edge(NamedTuple):
    """A dependency of a version. Alias and version are both None where neither is named."""

    artifact_id: int
    number: int
    position: int
    relation: str
    selector: str
    target_id: int
    target_alias: str | None
    target_version: int | None
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An artifact at the moment that is looked at. `newest` is 0 before its first version."""

    id: int
    kind: str
    name: str
    newest: int
    aliases: Mapping[str, Target]
    archived: bool = False

    @property
    def place(self) -> str:
        """Kind and name in one word."""
        return f"{self.kind}:{self.name}"


class Lookups(Protocol):
    """What walks ask for, each for many at once."""

    def artifacts(self, ids: Collection[int], /) -> Iterable[Standing]:
        """These artifacts, where they exist."""
        ...

    def dependencies(self, versions: Collection[VersionKey], /) -> Iterable[Edge]:
        """What these versions depend on."""
        ...

    def dependents(self, ids: Collection[int], /) -> Iterable[Edge]:
        """What depends on these artifacts, by any selector."""
        ...

    def pins(self, versions: Collection[VersionKey], /) -> Iterable[Edge]:
        """What depends on these very versions, by their number."""
        ...


class Meaning(NamedTuple):
    """One thing that a dependency means: a node's versions, or a version by itself."""

    artifact_id: int
    alias: str | None
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a world: where it points, and the dependencies through which it was reached."""

    artifact_id: int
    kind: str
    name: str
    alias: str
    versions: tuple[int, ...]
    via: tuple[Edge, ...] = ()
    level: int = 0

    @property
    def key(self) -> NodeKey:
        """The artifact's id, and the alias."""
        return self.artifact_id, self.alias


@dataclass(frozen=True, slots=True)
class Affected:
    """What moves concern. Affected nodes come breadth first, then by kind, name and alias.

    What is moved is affected only if something else that is moved lies upstream of it.
    `elsewhere` are nodes of other worlds that the way leads to: what stands by one alias in the
    worlds of the moves, and by another that depends on them, too.
    """

    moved: tuple[Node, ...]
    affected: tuple[Node, ...]
    elsewhere: tuple[Node, ...] = ()


class Scene:
    """A world over look-ups: what its artifacts stand by and what dependencies mean there.

    What it has learnt it keeps, so it is good for one moment.
    """

    def __init__(self, world: World, lookups: Lookups) -> None:
        self.world = world
        self.lookups = lookups
        self._overrides: dict[int, dict[str, Target | None]] = defaultdict(dict)
        for (artifact_id, alias), target in world.overrides.items():
            self._overrides[artifact_id][alias] = target
        self._artifacts: dict[int, Standing | None] = {}
        self._aliases: dict[int, dict[str, tuple[int, ...]]] = {}

    def learn(self, ids: Iterable[int]) -> None:
        """Look up those of these artifacts that are not known yet."""
        new = [one for one in dict.fromkeys(ids) if one not in self._artifacts]
        if not new:
            return
        self._artifacts.update(dict.fromkeys(new))
        for standing in self.lookups.artifacts(new):
            self._artifacts[standing.id] = standing
            aliases = standing.aliases
            if standing.id in self._overrides:
                put = {**aliases, **self._overrides[standing.id]}
                aliases = {name: target for name, target in put.items() if target is not None}
            self._aliases[standing.id] = {name: aliases[name].versions for name in sorted(aliases)}

    def artifact(self, artifact_id: int) -> Standing | None:
        """An artifact that was learnt; None if there is none."""
        return self._artifacts[artifact_id]

    def aliases(self, artifact_id: int) -> Mapping[str, tuple[int, ...]]:
        """The versions of each alias in this world."""
        return self._aliases.get(artifact_id, {})

    def versions(self, key: NodeKey) -> tuple[int, ...]:
        """The versions that a node points to; none where there is no such alias."""
        return self.aliases(key[0]).get(key[1], ())

    def stands_by(self, artifact_id: int) -> tuple[str, ...]:
        """The aliases by which an artifact stands in this world."""
        aliases = self.aliases(artifact_id)
        return (self.world.alias,) if self.world.alias in aliases else tuple(aliases)

    def stood_by(self, artifact_id: int) -> tuple[str, ...]:
        """The aliases by which it would stand without the overrides, as well as with them."""
        standing = self._artifacts.get(artifact_id)
        if artifact_id not in self._overrides or standing is None:
            return self.stands_by(artifact_id)
        before = standing.aliases
        stood = (self.world.alias,) if self.world.alias in before else tuple(before)
        return (*stood, *self.stands_by(artifact_id))

    def is_read(self, key: VersionKey) -> bool:
        """Whether a version can be reached without its number: by an alias, or as the newest."""
        artifact_id, number = key
        standing = self._artifacts.get(artifact_id)
        if standing is not None and standing.newest == number:
            return True
        for versions in self.aliases(artifact_id).values():  # noqa: SIM110 - met by the thousand
            if number in versions:
                return True
        return False

    def meaning(self, edge: Edge) -> tuple[Meaning, ...]:
        """What a dependency means, its target being learnt. Nothing where it leads nowhere."""
        target = edge.target_id
        standing = self._artifacts.get(target)
        if standing is None:
            return ()
        if edge.target_version is not None:
            known = edge.target_version <= standing.newest
            return (Meaning(target, None, (edge.target_version,)),) if known else ()
        if edge.target_alias is not None:
            versions = self.versions((target, edge.target_alias))
            return (Meaning(target, edge.target_alias, versions),) if versions else ()
        if edge.relation != "includes":
            aliases = self.aliases(target)
            if aliases:
                return tuple(
                    Meaning(target, alias, aliases[alias]) for alias in self.stands_by(target)
                )
        return (Meaning(target, None, (standing.newest,)),) if standing.newest else ()

    def nodes(self, artifact_id: int) -> Iterator[Meaning]:
        """The nodes by which an artifact stands."""
        for alias in self.stands_by(artifact_id):
            yield Meaning(artifact_id, alias, self.versions((artifact_id, alias)))


@dataclass(slots=True)
class Upstream:
    """All that versions depend on: their levels (0: where the walk began), and how."""

    levels: dict[VersionKey, int]
    needs: dict[VersionKey, list[tuple[Edge, tuple[Meaning, ...]]]]


def upstream(scene: Scene, starts: Iterable[VersionKey], depth: int | None = None) -> Upstream:
    """Walk from versions to what they depend on, at any depth or so many levels.

    What is exactly `depth` levels away is told, without what it needs itself.
    """
    found = Upstream(dict.fromkeys(starts, 0), {})
    front = list(found.levels)
    level = 0
    while front and (depth is None or level < depth):
        level += 1
        edges = sorted(scene.lookups.dependencies(front))
        scene.learn(edge.target_id for edge in edges)
        found.needs.update((one, []) for one in front)
        front = []
        for edge in edges:
            meanings = scene.meaning(edge)
            found.needs[edge.artifact_id, edge.number].append((edge, meanings))
            for meaning in meanings:
                for number in meaning.versions:
                    key = meaning.artifact_id, number
                    if key not in found.levels:
                        found.levels[key] = level
                        front.append(key)
    return found


def met(found: Upstream, starts: Iterable[Meaning]) -> dict[Meaning, int]:
    """The nodes (and versions by themselves) that a walk has met, with their levels."""
    levels = dict.fromkeys(starts, 0)
    waiting = list(levels)
    for one in waiting:
        for number in one.versions:
            for _, meanings in found.needs.get((one.artifact_id, number), ()):
                for below in meanings:
                    if below not in levels:
                        levels[below] = levels[one] + 1
                        waiting.append(below)
    return levels


@dataclass(slots=True)
class Downstream:
    """All that depends on something: the levels of versions, and the dependencies they come by.

    `followers` has the versions that depend on a node or version; only if that was asked for.
    """

    levels: dict[VersionKey, int] = field(default_factory=dict)
    via: dict[VersionKey, list[Edge]] = field(default_factory=dict)
    followers: dict[NodeKey | VersionKey, list[VersionKey]] = field(default_factory=dict)

    def edges(self, versions: Iterable[VersionKey]) -> tuple[Edge, ...]:
        """The dependencies through which these versions were reached, in order, each once."""
        found: list[Edge] = []
        for key in sorted(versions):
            by_position = {edge[2]: edge for edge in self.via.get(key, ())}
            found += [by_position[one] for one in sorted(by_position)]
        return tuple(found)


def downstream(
    scene: Scene,
    nodes: Collection[NodeKey],
    versions: Iterable[VersionKey] = (),
    depth: int | None = None,
    *,
    follow: bool = False,
) -> Downstream:
    """Walk from nodes that move, and versions, to all that depends on them.

    Versions that nobody reads any more are met as well: others may have pinned them.
    """
    found = Downstream()
    levels, via = found.levels, found.via
    front = list(dict.fromkeys(versions))
    begun = set(front)
    scene.learn([*(one for one, _ in nodes), *(one for one, _ in front)])
    moved: dict[int, set[str]] = defaultdict(set)
    for artifact_id, alias in nodes:
        moved[artifact_id].add(alias)
    dependents = _Dependents(scene)
    level = 0
    while (front or moved) and (depth is None or level < depth):
        level += 1
        reached: list[VersionKey] = []
        for causes, edges in dependents.of(moved, front, None if follow else 1):
            for edge in edges:
                source = edge[:2]
                if source in levels:
                    via[source].append(edge)
                else:
                    levels[source] = level
                    via[source] = [edge]
                    reached.append(source)
                if follow:
                    for cause in causes:
                        found.followers.setdefault(cause, []).append(source)
        scene.learn([one for one, _ in reached])
        front, moved = [one for one in reached if one not in begun], {}
    return found


_NEWEST, _STANDING = ("newest",), ("standing",)
"""How a selector without alias and version selects."""


class _Dependents:
    """What depends on things, by how it selects them; kept from level to level."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._known: dict[int, dict[object, list[Edge]]] = {}

    def of(
        self, moved: Mapping[int, set[str]], front: Sequence[VersionKey], most: int | None
    ) -> Iterator[tuple[list[NodeKey | VersionKey], list[Edge]]]:
        """Nodes and versions of this level (all, or at most so many of those that are meant by
        the same), and the dependencies that mean them.
        """
        hot: dict[int, set[int]] = {artifact_id: set() for artifact_id in moved}
        asleep: list[VersionKey] = []
        for key in front:
            if self._scene.is_read(key):
                hot.setdefault(key[0], set()).add(key[1])
            else:
                asleep.append(key)
        self._look_up([one for one in hot if one not in self._known])
        nothing: set[str] = set()
        for target, numbers in hot.items():
            aliases = moved.get(target, nothing)
            for edges in self._known[target].values():
                causes = list(islice(self._causes(edges[0], aliases, numbers), most))
                if causes:
                    yield causes, edges
        for edge in self._scene.lookups.pins(asleep) if asleep else ():
            assert edge.target_version is not None, "it is pinned"
            yield [(edge.target_id, edge.target_version)], [edge]

    def _look_up(self, ids: Sequence[int]) -> None:
        for one in ids:
            self._known[one] = {}
        for edge in self._scene.lookups.dependents(ids) if ids else ():
            # Those that agree in this mean the same.
            _, _, _, relation, _, target, alias, version, _ = edge
            by = alias or version or (_NEWEST if relation == "includes" else _STANDING)
            self._known[target].setdefault(by, []).append(edge)

    def _causes(
        self, edge: Edge, moved: Collection[str], numbers: Collection[int]
    ) -> Iterator[NodeKey | VersionKey]:
        """What of an artifact's moved aliases and reached versions a dependency means."""
        target = edge.target_id
        for meaning in self._scene.meaning(edge):
            for number in meaning.versions:
                if number in numbers:
                    yield target, number
        aliases: Collection[str] = ()
        if edge.target_alias is not None:
            aliases = (edge.target_alias,)
        elif edge.target_version is None and edge.relation != "includes":
            # Also by what it stood: an alias that is deleted was meant until now.
            aliases = self._scene.stood_by(target) if moved else ()
        for alias in aliases:
            if alias in moved:
                yield target, alias


def affected(worlds: Sequence[World], places: Sequence[NodeKey], lookups: Lookups) -> Affected:
    """What moving the aliases of `places` concerns, in each of these worlds.

    The overrides of the worlds say where the aliases are moved to.
    """
    nodes: dict[NodeKey, Node] = {}
    moved: dict[NodeKey, Node] = {}
    others: dict[NodeKey, Node] = {}
    for world in worlds:
        scene = Scene(world, lookups)
        found = downstream(scene, places, follow=len(places) > 1)
        for key in places:
            standing = scene.artifact(key[0])
            if standing is not None and key not in moved:
                moved[key] = _node(standing, key[1], scene.versions(key))
        crossed = crossing(found, places)
        standing_nodes, other_nodes = _reached(scene, found)
        for node in standing_nodes:
            if node.key in moved and not any(
                crossed(node.key, (node.artifact_id, number)) for number in node.versions
            ):
                continue
            nodes[node.key] = _merged(nodes[node.key], node) if node.key in nodes else node
        others |= {node.key: node for node in other_nodes}
    elsewhere = [node for key, node in others.items() if key not in nodes and key not in moved]
    return Affected(
        tuple(moved.values()),
        tuple(sorted(nodes.values(), key=order)),
        tuple(sorted(elsewhere, key=order)),
    )


def affected_nodes(scene: Scene, found: Downstream) -> list[Node]:
    """The nodes of the world that a walk downstream has reached."""
    return _reached(scene, found)[0]


def _reached(scene: Scene, found: Downstream) -> tuple[list[Node], list[Node]]:
    """The nodes that a walk downstream has reached: of the world, and of others."""
    numbers: dict[int, set[int]] = defaultdict(set)
    for artifact_id, number in found.levels:
        numbers[artifact_id].add(number)
    scene.learn(numbers)
    standing_nodes: list[Node] = []
    other_nodes: list[Node] = []
    for artifact_id, reached in numbers.items():
        standing = scene.artifact(artifact_id)
        if standing is None:
            continue
        stands_by = scene.stands_by(artifact_id)
        for alias, versions in scene.aliases(artifact_id).items():
            keys = [(artifact_id, number) for number in versions if number in reached]
            if keys:
                level = min([found.levels[key] for key in keys])
                node = _node(standing, alias, versions, found.edges(keys), level)
                (standing_nodes if alias in stands_by else other_nodes).append(node)
    return standing_nodes, other_nodes


def crossing(found: Downstream, places: Sequence[NodeKey]) -> Callable[[NodeKey, VersionKey], bool]:
    """Tells whether a version lies downstream of a place other than one.

    Two of the places upstream are remembered for each version, and these are enough to know.
    """
    origins: dict[NodeKey | VersionKey, set[NodeKey]] = {one: {one} for one in places}
    waiting: list[NodeKey | VersionKey] = list(origins)
    while waiting and len(places) > 1:
        here = waiting.pop()
        for follower in found.followers.get(here, ()):
            mine = origins.setdefault(follower, set())
            new = [one for one in origins[here] if one not in mine][: 2 - len(mine)]
            if new:
                mine.update(new)
                waiting.append(follower)
    nowhere: set[NodeKey] = set()
    return lambda place, version: bool(origins.get(version, nowhere) - {place})


def cycles(graph: Mapping[V, Iterable[V]]) -> list[tuple[V, ...]]:
    """The strongly connected parts of a graph that hold a cycle, in the order they were met."""
    index: dict[V, int] = {}
    low: dict[V, int] = {}
    stack: dict[V, None] = {}
    found: list[tuple[V, ...]] = []
    for root in graph:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack[root] = None
        path = [(root, iter(graph.get(root, ())))]
        while path:
            vertex, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[vertex])
                if low[vertex] == index[vertex]:
                    part = _popped(stack, vertex)
                    if len(part) > 1 or vertex in graph.get(vertex, ()):
                        found.append(part)
            elif following not in index:
                index[following] = low[following] = len(index)
                stack[following] = None
                path.append((following, iter(graph.get(following, ()))))
            elif following in stack:
                low[vertex] = min(low[vertex], index[following])
    return found


def upstream_first(needs: Mapping[V, Iterable[V]]) -> list[V]:
    """All of these, each after what it needs as far as cycles allow; else in the order given."""
    done: dict[V, None] = {}
    begun: set[V] = set()
    for root in needs:
        if root in begun:
            continue
        begun.add(root)
        path = [(root, iter(needs[root]))]
        while path:
            vertex, rest = path[-1]
            below = next((one for one in rest if one not in begun), None)
            if below is None:
                done[vertex] = None
                path.pop()
            else:
                begun.add(below)
                path.append((below, iter(needs.get(below, ()))))
    return list(done)


def order(node: Node) -> tuple[int, str, str, str]:
    """Breadth first, then by kind, name and alias."""
    return node.level, node.kind, node.name, node.alias


def _popped(stack: dict[V, None], until: V) -> tuple[V, ...]:
    part = []
    while True:
        vertex, _ = stack.popitem()
        part.append(vertex)
        if vertex == until:
            return tuple(reversed(part))


def _node(
    standing: Standing,
    alias: str,
    versions: tuple[int, ...],
    via: tuple[Edge, ...] = (),
    level: int = 0,
) -> Node:
    return Node(standing.id, standing.kind, standing.name, alias, versions, via, level)


def _merged(one: Node, other: Node) -> Node:
    """The same node as two worlds have it."""
    via = tuple(sorted({*one.via, *other.via}))
    return Node(
        one.artifact_id, one.kind, one.name, one.alias, one.versions, via,
        min(one.level, other.level),
    )  # fmt: skip
