"""The dependency graph, against a model that knows nothing of walks: it tries everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.graph import (
    Affected,
    Edge,
    Meaning,
    NodeKey,
    Scene,
    Standing,
    VersionKey,
    World,
    affected,
    affected_nodes,
    cycles,
    downstream,
    met,
    upstream,
    upstream_first,
)
from pointsman.core.vocabulary import Arm, Target

ALIASES = ("champion", "production", "staging")
A = "production"


@dataclass
class Registry:
    """A small registry in memory, which is also what walks ask."""

    artifacts: dict[int, Standing] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    asked: int = 0

    def artifacts_(self, ids: Collection[int]) -> list[Standing]:
        self.asked += 1
        assert len(ids) == len(set(ids)), "nothing is asked for twice"
        return [self.artifacts[one] for one in ids if one in self.artifacts]

    def dependencies(self, versions: Collection[VersionKey]) -> list[Edge]:
        self.asked += 1
        return [one for one in self.edges if one[:2] in versions]

    def dependents(self, ids: Collection[int]) -> list[Edge]:
        self.asked += 1
        return [one for one in self.edges if one.target_id in ids]

    def pins(self, versions: Collection[VersionKey]) -> list[Edge]:
        self.asked += 1
        return [one for one in self.edges if (one.target_id, one.target_version) in versions]


class Asked:
    """The registry as `Lookups`."""

    def __init__(self, registry: Registry) -> None:
        self.artifacts = registry.artifacts_
        self.dependencies = registry.dependencies
        self.dependents = registry.dependents
        self.pins = registry.pins


def build(*lines: str, newest: dict[str, int] | None = None) -> Registry:
    """A registry from lines such as ``a@production=1 : b@production +c -m:7``.

    Before the colon is a version, by an alias or as ``a:1``. `+` includes, `-` uses, and
    nothing consumes.
    """
    registry, ids = Registry(), count(1)
    known: dict[str, int] = {}
    aliases: dict[str, dict[str, Target]] = {}
    versions: dict[str, int] = {}
    parsed = []
    for line in lines:
        head, _, tail = line.partition(" : ")
        name, _, rest = head.partition("@")
        if rest:
            alias, _, number = rest.partition("=")
            numbers = [int(part) for part in number.split("|")]
            target = Target(version=numbers[0])
            if len(numbers) > 1:
                target = Target(split=tuple(Arm(one, 1) for one in numbers))
            aliases.setdefault(name, {})[alias] = target
        else:
            name, _, text = head.partition(":")
            numbers = [int(text)]
        known.setdefault(name, next(ids))
        versions[name] = max(versions.get(name, 0), *numbers)
        parsed += [(name, one, tail.split()) for one in numbers]
    for name, one in known.items():
        last = (newest or {}).get(name, versions[name])
        registry.artifacts[one] = Standing(one, "prompt", name, last, aliases.get(name, {}))
    for name, version, needs in parsed:
        for position, need in enumerate(needs):
            relation = {"+": "includes", "-": "uses"}.get(need[0], "consumes")
            selector = need.lstrip("+-")
            target_name, _, alias = selector.partition("@")
            target_name, _, pin = target_name.partition(":")
            edge = Edge(
                known[name], version, position, relation, selector, known[target_name],
                alias or None, int(pin) if pin else None,
            )  # fmt: skip
            if edge not in registry.edges:
                registry.edges.append(edge)
    return registry


def told(found: Affected) -> list[str]:
    return [f"{node.name}@{node.alias}" for node in found.affected]


def move(registry: Registry, *names: str, **overrides: Target | None) -> Affected:
    """What moving these nodes (``a@production``) concerns."""
    ids = {one.name: one.id for one in registry.artifacts.values()}
    keys = [(ids[name.partition("@")[0]], name.partition("@")[2]) for name in names]
    put = {(ids[name], A): target for name, target in overrides.items()}
    worlds = [World(alias, put) for alias in dict.fromkeys(alias for _, alias in keys)]
    return affected(worlds, keys, Asked(registry))


CHAIN = (
    "a@production=1",
    "b@production=1 : a@production",
    "c@production=1 : +b@production",
    "d@production=1 : c",
    "e@staging=1 : d",
    "f@production=1 : a:1",
)


def test_all_that_depends_on_it_at_any_depth() -> None:
    found = move(build(*CHAIN), "a@production")
    assert told(found) == ["b@production", "c@production", "d@production", "e@staging"]
    assert [node.level for node in found.affected] == [1, 2, 3, 4]
    assert [node.via[0].selector for node in found.affected] == [
        "a@production", "b@production", "c", "d",
    ]  # fmt: skip
    assert [(node.name, node.versions) for node in found.moved] == [("a", (1,))]


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("x@production=1 : a@production", True),
        ("x@production=1 : a@staging", False),
        ("x@production=1 : a:1", False),
        ("x@production=1 : a", True),
        ("x@production=1 : -a", True),
        ("x@production=1 : +a", False),
        ("x@production=1|2 : a@production", True),
        ("x@staging=1 : a@production", True),
        ("x:1 : a@production", False),
    ],
)
def test_what_a_selector_means(line: str, *, reached: bool) -> None:
    registry = build("a@production=1", "a@staging=1", line, newest={"x": 2})
    assert bool(told(move(registry, "a@production"))) == reached


def test_a_model_stands_by_another_alias() -> None:
    registry = build("m@champion=1", "p@production=1 : -m", "p@staging=1", "q@production=1 : p")
    assert told(move(registry, "m@champion")) == ["p@production", "p@staging", "q@production"]
    # In the world of production, p stands by that alone.
    assert told(move(registry, "p@production")) == ["q@production"]


def test_a_pinned_version_passes_on_what_it_depends_on() -> None:
    registry = build(
        "a@production=1", "b:1 : a@production", "b@production=2", "c@production=1 : b:1"
    )
    found = move(registry, "a@production")
    assert told(found) == ["c@production"]
    assert found.affected[0].level == 2


def test_what_the_change_itself_moves_counts_as_it_will_be() -> None:
    registry = build("a@production=1", "b@production=1 : a@production", "b:2", "c@production=1 : b")
    before = move(registry, "a@production")
    after = move(registry, "a@production", b=Target(version=2))
    assert (told(before), told(after)) == (["b@production", "c@production"], [])


def test_what_is_moved_is_affected_only_by_something_else_that_is() -> None:
    registry = build("a@production=1 : b", "b@production=1 : a", "c@production=1")
    assert told(move(registry, "a@production")) == ["b@production"]
    assert told(move(registry, "a@production", "c@production")) == ["b@production"]
    assert told(move(registry, "a@production", "b@production")) == ["a@production", "b@production"]


def test_an_alias_that_is_deleted_was_meant_until_now() -> None:
    registry = build("a@production=1", "a@staging=1", "b@production=1 : a")
    found = move(registry, "a@production", a=None)
    assert told(found) == ["b@production"]
    assert found.moved[0].versions == ()


def test_cycles_end() -> None:
    registry = build("a@production=1 : c", "b@production=1 : a", "c@production=1 : b c")
    assert told(move(registry, "a@production")) == ["b@production", "c@production"]
    scene = Scene(World(A), Asked(registry))
    assert upstream(scene, [(1, 1)]).levels == {(1, 1): 0, (3, 1): 1, (2, 1): 2}


def test_walks_ask_once_for_each_level() -> None:
    wide = [f"x{number}@production=1 : a" for number in range(300)]
    wide += [f"y{number}@production=1 : x{number}" for number in range(300)]
    registry = build("a@production=1", *wide)
    found = move(registry, "a@production")
    assert len(found.affected) == 600
    assert registry.asked == 6


def test_depth() -> None:
    registry = build(*CHAIN)
    scene = Scene(World(A), Asked(registry))
    down = downstream(scene, [(1, A)], depth=2)
    assert [node.name for node in affected_nodes(scene, down)] == ["b", "c"]
    up = upstream(scene, [(4, 1)], depth=2)
    assert up.levels == {(4, 1): 0, (3, 1): 1, (2, 1): 2}
    assert up.needs.keys() == {(4, 1), (3, 1)}
    assert met(up, [Meaning(4, A, (1,))]) == {
        Meaning(4, A, (1,)): 0, Meaning(3, A, (1,)): 1, Meaning(2, A, (1,)): 2,
    }  # fmt: skip


# Against the model


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    size = draw(st.integers(1, 7))
    registry = Registry()
    for one in range(1, size + 1):
        newest = draw(st.integers(1, 3))
        number = st.integers(1, newest)
        split = (
            st.lists(number, min_size=2, max_size=3, unique=True) if newest > 1 else st.nothing()
        )
        target = number.map(lambda n: Target(version=n)) | split.map(
            lambda arms: Target(split=tuple(Arm(arm, 1) for arm in arms))
        )
        aliases = draw(st.dictionaries(st.sampled_from(ALIASES), target))
        registry.artifacts[one] = Standing(one, "prompt", f"n{one}", newest, aliases)
    for standing in registry.artifacts.values():
        for version in range(1, standing.newest + 1):
            for position in range(draw(st.integers(0, 3))):
                relation = draw(st.sampled_from(("includes", "consumes", "uses")))
                alias = draw(st.none() | st.sampled_from(ALIASES))
                pin = draw(st.none() | st.integers(1, 3)) if alias is None else None
                target_id = draw(st.integers(1, size))
                edge = Edge(standing.id, version, position, relation, "", target_id, alias, pin)
                registry.edges.append(edge)
    return registry


@st.composite
def moves(draw: st.DrawFn) -> tuple[Registry, dict[NodeKey, Target | None]]:
    registry = draw(registries())
    overrides: dict[NodeKey, Target | None] = {}
    for _ in range(draw(st.integers(1, 3))):
        one = registry.artifacts[draw(st.integers(1, len(registry.artifacts)))]
        number = draw(st.none() | st.integers(1, one.newest))
        alias = draw(st.sampled_from(ALIASES))
        overrides[one.id, alias] = None if number is None else Target(version=number)
    return registry, overrides


class Model:
    """One world of a registry: every version is looked at in every round, until nothing changes."""

    def __init__(
        self, registry: Registry, alias: str, overrides: dict[NodeKey, Target | None]
    ) -> None:
        self.registry = registry
        self.alias = alias
        self.before = {
            (one.id, name): target.versions
            for one in registry.artifacts.values()
            for name, target in one.aliases.items()
        }
        self.after = dict(self.before)
        for key, target in overrides.items():
            self.after.pop(key, None)
            if target is not None:
                self.after[key] = target.versions

    def standing(self, pointed: dict[NodeKey, tuple[int, ...]], artifact: int) -> list[NodeKey]:
        mine = [key for key in pointed if key[0] == artifact]
        return [key for key in mine if key[1] == self.alias] or mine

    def meant(self, edge: Edge) -> Iterator[NodeKey | VersionKey]:
        """Every node and version that a dependency means."""
        newest = self.registry.artifacts[edge.target_id].newest
        if edge.target_version is not None:
            if edge.target_version <= newest:
                yield edge.target_id, edge.target_version
            return
        if edge.target_alias is not None:
            keys = [(edge.target_id, edge.target_alias)]
        elif edge.relation == "includes":
            keys = []
            yield edge.target_id, newest
        else:
            keys = self.standing(self.after, edge.target_id)
            if not keys:
                yield edge.target_id, newest
            yield from self.standing(self.before, edge.target_id)
        for key in keys:
            yield key
            for number in self.after.get(key, ()):
                yield edge.target_id, number

    def rounds(self, places: Collection[NodeKey]) -> dict[VersionKey, int]:
        """The versions that moving these places changes, and in which round that was seen."""
        seen: dict[VersionKey, int] = {}
        for number in count(1):
            hit = {
                edge[:2]
                for edge in self.registry.edges
                if any(one in places or one in seen for one in self.meant(edge))
            }
            new = hit - seen.keys()
            if not new:
                return seen
            seen.update(dict.fromkeys(new, number))
        raise AssertionError

    def affected(self, places: Collection[NodeKey]) -> dict[NodeKey, tuple[int, set[Edge]]]:
        seen = self.rounds(places)
        found = {}
        for artifact in self.registry.artifacts:
            for key in self.standing(self.after, artifact):
                hit = [n for n in self.after[key] if (artifact, n) in seen]
                others = [place for place in places if place != key]
                if key in places:
                    by_others = self.rounds(others)
                    if not any((artifact, n) in by_others for n in hit):
                        continue
                if hit:
                    via = {
                        edge
                        for edge in self.registry.edges
                        if edge[0] == artifact
                        and edge[1] in hit
                        and any(one in places or one in seen for one in self.meant(edge))
                    }
                    found[key] = min(seen[artifact, n] for n in hit), via
        return found


@given(moves())
def test_affected_is_what_the_model_finds(
    case: tuple[Registry, dict[NodeKey, Target | None]],
) -> None:
    registry, overrides = case
    names = list(dict.fromkeys(alias for _, alias in overrides))
    found = affected([World(name, overrides) for name in names], list(overrides), Asked(registry))
    wanted: dict[NodeKey, tuple[int, set[Edge]]] = {}
    for name in names:
        for key, (level, via) in Model(registry, name, overrides).affected(overrides).items():
            other_level, other_via = wanted.get(key, (level, set()))
            wanted[key] = min(level, other_level), via | other_via
    assert {node.key: (node.level, set(node.via)) for node in found.affected} == wanted
    assert [node.key for node in found.moved] == list(overrides)
    places = [(node.level, node.kind, node.name, node.alias) for node in found.affected]
    assert places == sorted(places)


@given(registries(), st.sampled_from(ALIASES))
def test_upstream_is_what_the_model_finds(registry: Registry, alias: str) -> None:
    model = Model(registry, alias, {})
    below: dict[VersionKey, set[VersionKey]] = {}
    for edge in registry.edges:
        versions = {(one, n) for one, n in model.meant(edge) if isinstance(n, int)}
        below.setdefault(edge[:2], set()).update(versions)
    wanted = {(1, 1)}
    while more := {one for key in wanted for one in below.get(key, ())} - wanted:
        wanted |= more
    found = upstream(Scene(World(alias), Asked(registry)), [(1, 1)])
    assert found.levels.keys() == wanted
    assert {edge for pairs in found.needs.values() for edge, _ in pairs} == {
        edge for edge in registry.edges if edge[:2] in wanted
    }


graphs = st.dictionaries(
    st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4), max_size=8
).map(lambda graph: {one: graph.get(one, []) for one in range(8)})


@given(graphs)
def test_cycles_are_what_can_reach_itself(graph: dict[int, list[int]]) -> None:
    reach = {one: set(graph[one]) for one in graph}
    for middle in graph:
        for one in graph:
            if middle in reach[one]:
                reach[one] |= reach[middle]
    wanted = {
        frozenset({one} | {other for other in reach[one] if one in reach[other]})
        for one in graph
        if one in reach[one]
    }
    found = cycles(graph)
    assert {frozenset(part) for part in found} == wanted
    assert all(len(part) == len(set(part)) for part in found)


@given(graphs)
def test_what_is_needed_comes_first(graph: dict[int, list[int]]) -> None:
    done = upstream_first(graph)
    assert sorted(done) == sorted(graph)
    ringed = {one for part in cycles(graph) for one in part}
    for one, needs in graph.items():
        for need in needs:
            if not ringed & {one, need}:
                assert done.index(need) < done.index(one)
