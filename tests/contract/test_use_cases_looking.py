"""What pages look at: folders with counts, open changes of each artifact, what stood where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from pointsman.app import graph, history, moments, reviewing, searching
from pointsman.app.application import Application, Caller
from pointsman.app.moments import Stood
from pointsman.compose import Registry
from pointsman.core.access import Actor, Grant
from pointsman.core.graph_answers import GraphNode
from pointsman.core.search import Query
from pointsman.core.vocabulary import Arm, Dependency, Difference, Target, micros
from pointsman.errors import InvalidInput, NotFound, Refused

Callers = Callable[..., Caller]
NAMES = ("top", "a/one", "a/two", "a/deep/three", "a/deep/er/four", "ab/five", "Ä/中/six", "a!/x")


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    yield
    assert registry.doctor().findings == ()


def narrow(caller: Caller, pattern: str) -> Caller:
    """Somebody who may read a part of the project only."""
    grants = (Grant("viewer", "", pattern),)
    return Caller(Actor("person:9", "Ana", None, "test", grants=grants), caller.project)


def expected(folder: str, names: list[str]) -> dict[str, int]:
    """Folders directly in a folder with what lies below each, worked out from names."""
    start = f"{folder}/" if folder else ""
    below = [name[len(start) :] for name in names if name.startswith(start)]
    counted = Counter(rest.split("/")[0] for rest in below if "/" in rest)
    return {start + part: count for part, count in counted.items()}


def test_folders_are_counted_and_the_rest_is_found_directly(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in NAMES])
    registry.publish_many([{"name": "a/m", "kind": "model", "content": {"a": 1}}])
    registry.publish("a/deep/gone", "x")
    registry.archive("a/deep/gone")
    whole = [*NAMES, "a/m"]
    for folder in ("", "a", "a/deep", "/a/deep/", "Ä", "Ä/中", "a/one", "nowhere"):
        found = app.read(caller(), lambda view: searching.folders(view, folder))  # noqa: B023
        clean = folder.strip("/")
        assert {one.path: one.artifacts for one in found} == expected(clean, whole), folder
        assert [one.path for one in found] == sorted(one.path for one in found)
        direct = app.read(
            caller(),
            lambda view: searching.search(view, Query(folder=clean, direct=True)),  # noqa: B023
        )
        start = f"{clean}/" if clean else ""
        beside = [n for n in whole if n.startswith(start) and "/" not in n[len(start) :]]
        assert [one.name for one in direct.items] == sorted(beside), folder
    models = app.read(caller(), lambda view: searching.folders(view, kind="model"))
    assert [(one.path, one.name, one.artifacts) for one in models] == [("a", "a", 1)]
    assert len(app.read(caller(), lambda view: searching.folders(view, limit=2))) == 2


def test_folders_of_what_may_be_read_alone(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in NAMES])
    some = narrow(caller(), "a/*")
    told = app.read(some, searching.folders)
    assert [(one.path, one.artifacts) for one in told] == [("a", 4)]
    inside = app.read(some, lambda view: searching.folders(view, "a"))
    assert [(one.path, one.artifacts) for one in inside] == [("a/deep", 2)]


def test_open_changes_are_counted_for_each_artifact(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a/one", "b/two")])
    one, two = ({"name": name, "alias": "prod", "version": 1} for name in ("a/one", "b/two"))
    first = registry.propose("Both", [one, two])
    registry.propose("One", [one])
    counts = app.read(caller(), reviewing.open_counts)
    assert counts == {("prompt", "a/one"): 2, ("prompt", "b/two"): 1}
    some = app.read(narrow(caller(), "a/*"), reviewing.open_counts)
    assert some == {("prompt", "a/one"): 1}, "nothing of the change that is partly hidden"
    registry.withdraw(first.number)
    assert app.read(caller(), reviewing.open_counts) == {("prompt", "a/one"): 1}


def test_what_stood_where_at_every_moment(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a", "b/c")])
    registry.publish("a", "y")
    states: list[tuple[int, dict[tuple[str, str], tuple[Target, int, str]]]] = []
    now: dict[tuple[str, str], tuple[Target, int, str]] = {}

    def remember() -> None:
        at = micros(registry.history(limit=1).items[0].at)
        states.append((at, dict(now)))

    remember()
    for name, alias, version in (
        ("a", "prod", 1),
        ("a", "prod", 2),
        ("b/c", "prod", 1),
        ("a", "test", 1),
    ):
        reason = f"{name} {alias} {version}"
        registry.promote(f"{name}:{version}", alias, reason=reason)
        now[name, alias] = Target(version=version), 2 if name == "a" else 1, reason
        remember()
    registry.delete_alias("a@prod", reason="away")
    del now["a", "prod"]
    remember()
    registry.split("a", "test", {1: 1, 2: 3}, reason="half")
    now["a", "test"] = Target(split=(Arm(1, 1), Arm(2, 3))), 2, "half"
    remember()
    registry.publish("a", "later")
    for at, told in states:
        for limit in (1, 50):
            found = stood(app, caller(), at, limit)
            as_told = {
                (one.name, one.alias): (one.target, one.newest, one.move.reason) for one in found
            }
            assert as_told == told
        one = app.read(caller(), lambda v: moments.standing_at(v, at, name="a"))  # noqa: B023
        assert {(x.name, x.alias) for x in one.items} == {key for key in told if key[0] == "a"}
        part = app.read(
            caller(),
            lambda v: moments.standing_at(v, at, containing="B/"),  # noqa: B023
        )
        assert {(x.name, x.alias) for x in part.items} == {key for key in told if key[0] == "b/c"}
    some = app.read(narrow(caller(), "b/*"), lambda v: moments.standing_at(v, states[-1][0]))
    assert [one.name for one in some.items] == ["b/c"]
    with pytest.raises(NotFound):
        app.read(caller(), lambda v: moments.standing_at(v, 1, name="nothing"))


def stood(app: Application, caller: Caller, at: int, limit: int) -> list[Stood]:
    items: list[Stood] = []
    cursor = None
    while True:
        page = app.read(
            caller,
            lambda v: moments.standing_at(v, at, limit=limit, cursor=cursor),  # noqa: B023
        )
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items


def test_the_span_of_time_and_its_marks(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a", "b")])
    registry.promote("a:1", "prod")
    registry.promote("b:1", "prod")
    registry.delete_alias("a@prod")
    span = app.read(caller(), moments.span)
    entries = registry.history(limit=100).items
    assert (span.first, span.last) == (entries[-1].at, entries[0].at)
    told = [(one.name, one.alias, one.to) for one in span.marks]
    first = Target(version=1)
    assert told == [("a", "prod", first), ("b", "prod", first), ("a", "prod", None)]
    mine = app.read(caller(), lambda v: moments.span(v, name="b"))
    assert [one.name for one in mine.marks] == ["b"]
    assert app.read(caller(), lambda v: moments.newest_at(v, "prompt", "a", 1)) == 0
    with pytest.raises(Refused):
        app.read(narrow(caller(), "b"), moments.span)


def test_what_differs_for_one_artifact(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a", "b")])
    start = micros(registry.history(limit=1).items[0].at)
    registry.promote("a:1", "prod")
    registry.promote("b:1", "prod")
    registry.publish("a", "y")
    registry.promote("a:2", "prod")
    end = micros(registry.history(limit=1).items[0].at)
    found = app.read(caller(), lambda v: history.differences(v, start, end, name="a"))
    assert found == (
        Difference("prompt", "a", None, Target(version=1), Target(version=2), 1),
        Difference("prompt", "a", "prod", None, Target(version=2), 2),
    )
    whole = app.read(caller(), lambda v: history.differences(v, start, end))
    assert found == tuple(one for one in whole if one.name == "a")
    assert app.read(caller(), lambda v: history.differences(v, end, end, name="a")) == ()
    for name in ("a", ""):
        with pytest.raises(InvalidInput) as caught:
            app.read(
                caller(),
                lambda v: history.differences(v, start, end, name=name, most=2),  # noqa: B023
            )
        assert caught.value.code == "too_many_entries"


def test_the_graph_of_what_is_connected(
    registry: Registry, app: Application, caller: Callers
) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a", "b", "lone", "c")])
    registry.publish("b", "y {{> a }}")
    registry.publish("c", "x", dependencies=[Dependency("consumes", "b")])
    found: list[GraphNode] = []
    cursor = None
    while True:
        page = app.read(
            caller(),
            lambda v: graph.whole(v, connected=True, limit=1, cursor=cursor),  # noqa: B023
        )
        found += page.nodes
        cursor = page.cursor
        if cursor is None:
            break
    assert [one.name for one in found] == ["a", "b", "c"]
    every = app.read(caller(), lambda v: graph.whole(v)).nodes
    assert found == [one for one in every if one.name != "lone"]
    known = app.read(caller(), lambda v: graph.artifacts_in(v, every))
    assert {place: one.newest for place, one in known.items()} == {
        ("prompt", "a"): 1,
        ("prompt", "b"): 2,
        ("prompt", "c"): 2,
        ("prompt", "lone"): 1,
    }
    some = app.read(narrow(caller(), "a"), lambda v: graph.artifacts_in(v, every))
    assert set(some) == {("prompt", "a")}
    assert app.read(caller(), lambda v: graph.artifacts_in(v, [])) == {}


def test_entries_found_here_and_there_are_chained_to_those_before(registry: Registry) -> None:
    registry.publish_many([{"name": name, "content": "x"} for name in ("a", "b")])
    for number in range(4):
        registry.promote("a:1", f"alias-{number}")
        registry.set_tag("b", "n", str(number))
    every = {one.seq: one for one in registry.history(limit=100).items}
    found = registry.history(types=["tag.set", "project.created"], limit=100).items
    assert len(found) == 5
    assert [every[one.seq] for one in found] == list(found)
    assert all(every[one.seq - 1].hash == one.previous for one in found if one.seq > 1)
