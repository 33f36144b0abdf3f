"""The dependency graph of a registry, on both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from hooks import Receiver
from pointsman import Registry
from pointsman.app import graph
from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.deliveries import Courier
from pointsman.app.graph import MadeOf, affected_by, made_of
from pointsman.app.places import Place
from pointsman.app.ports import Store
from pointsman.app.tail import Tail
from pointsman.core.access import Actor, Grant
from pointsman.core.graph import Affected, World
from pointsman.core.graph_answers import Graph, GraphNode
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Dependency, Target
from pointsman.errors import InvalidInput, InvalidName, NotFound, PointsmanError
from pointsman.wire.hooks.sender import HttpSender
from pointsman.wire.mlflow.hooks import FORMS
from stores import Place as Home

PRODUCTION = ["production"]


def consumes(selector: str, variable: str = "") -> Dependency:
    return Dependency("consumes", selector, variable)


def publish(registry: Registry, name: str, *needs: Dependency, **more: object) -> int:
    unique = time.monotonic_ns()
    given: dict[str, object] = {
        "content": f"{name} {{{{ label }}}} {unique}",
        "aliases": PRODUCTION,
        "reason": "a test",
    }
    if more.get("kind", "prompt") != "prompt":
        given["content"] = {"uri": str(unique)}
    done = registry.publish(name, dependencies=needs, **(given | more))  # type: ignore[arg-type]
    return done.version.number


def chain(registry: Registry) -> None:
    """A model, a classifier that uses it, a reply that takes its label, and a page made of it."""
    publish(registry, "gpt", kind="model", aliases=["champion"])
    publish(registry, "classify", Dependency("uses", "model:gpt"))
    publish(registry, "reply", consumes("classify@production", "label"))
    publish(registry, "page", content="{{> reply@production }} and {{ label }}")


def ids(found: Graph) -> list[str]:
    return [node.id for node in found.nodes]


# A variable that takes the output


def test_a_variable_is_kept_with_what_fills_it(registry: Registry) -> None:
    publish(registry, "classify")
    publish(registry, "reply", consumes("classify@production", "label"), consumes("classify:1"))
    needs = (consumes("classify@production", "label"), consumes("classify:1"))
    assert registry.version("reply").dependencies == needs
    published = registry.history("reply", types=["version.published"]).items[0]
    assert published.data["dependencies"] == [
        ["consumes", "classify@production", "label"],
        ["consumes", "classify:1"],
    ]
    assert registry.doctor().healthy


def test_said_twice_the_variable_counts(registry: Registry) -> None:
    publish(registry, "classify")
    both = consumes("classify:1"), consumes("classify:1", "label"), consumes("classify:1")
    publish(registry, "reply", *both)
    assert registry.version("reply").dependencies == (both[1],)


def test_the_doctor_minds_the_variable(registry: Registry, place: Home) -> None:
    chain(registry)
    with place.raw(guarded=False) as raw:
        raw.execute("UPDATE dependency SET variable = 'other' WHERE variable = 'label'")
    (finding,) = registry.doctor().findings
    assert (finding.check, finding.subject) == ("dependencies", "prompt:reply:1")


@pytest.mark.parametrize(
    ("content", "kind", "needs", "hint"),
    [
        ("{{ label }}", "prompt", [consumes("a", "labl")], "'label'"),
        ("no variables", "prompt", [consumes("a", "label")], "none"),
        ("{{ label }}", "prompt", [Dependency("uses", "a", "label")], "consume"),
        ("{{ label }}", "prompt", [consumes("a", "label"), consumes("b", "label")], "own"),
        ({"x": 1}, "model", [consumes("a", "label")], "Leave"),
    ],
)
def test_variables_that_nothing_can_fill(
    registry: Registry, content: object, kind: str, needs: list[Dependency], hint: str
) -> None:
    publish(registry, "a")
    publish(registry, "b")
    with pytest.raises(InvalidInput) as caught:
        registry.publish("x", content, kind=kind, dependencies=needs)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.field) == ("invalid_variable", "dependencies")
    assert hint in caught.value.hint
    with pytest.raises(NotFound):
        registry.artifact("x", kind=kind)


def test_a_variable_of_what_is_included_can_be_filled(registry: Registry) -> None:
    publish(registry, "tone")
    publish(registry, "a")
    publish(registry, "x", consumes("a", "label"), content="{{> tone }}")
    assert registry.version("x").dependencies[1].variable == "label"


# Walks


def test_up_and_down(registry: Registry) -> None:
    chain(registry)
    up = registry.upstream("page")
    assert ids(up) == [
        "prompt:page@production",
        "prompt:reply@production",
        "prompt:classify@production",
        "model:gpt@champion",
    ]
    assert [node.level for node in up.nodes] == [0, 1, 2, 3]
    (link,) = up.nodes[1].links
    assert (link.relation, link.selector, link.variable, link.version) == (
        "consumes",
        "classify@production",
        "label",
        1,
    )
    assert link.to == ("prompt:classify@production",)
    assert ids(registry.upstream("page", depth=1)) == ids(up)[:2]
    down = registry.downstream("model:gpt@champion")
    assert ids(down) == list(reversed(ids(up)))
    assert down.alias == "champion"
    assert ids(registry.downstream("model:gpt", depth=2)) == list(reversed(ids(up)))[:3]
    assert ids(registry.upstream("classify:1")) == ["prompt:classify:1", "model:gpt@champion"]


def test_what_a_move_affects(registry: Registry) -> None:
    chain(registry)
    publish(registry, "pinned", consumes("classify:1"))
    found = registry.affected("classify@production")
    assert [node.id for node in found.moved] == ["prompt:classify@production"]
    assert [node.id for node in found.affected] == [
        "prompt:reply@production",
        "prompt:page@production",
    ]
    pinned = ids(registry.downstream("classify"))
    assert "prompt:pinned@production" in pinned, "it depends on it, though no move changes it"
    # What lies behind a pinned version is told as a way, not as a node.
    found = registry.affected("model:gpt@champion")
    assert [node.id for node in found.affected] == [
        "prompt:classify@production",
        "prompt:pinned@production",
        "prompt:reply@production",
        "prompt:page@production",
    ]
    assert [node.id for node in found.through] == ["prompt:classify:1"]
    assert registry.affected("classify@nowhere").affected == ()


def test_the_whole_graph_comes_in_pages(registry: Registry) -> None:
    chain(registry)
    publish(registry, "alone", aliases=[])
    whole = registry.graph(limit=1_000)
    assert ids(whole) == [
        "model:gpt@champion",
        "prompt:classify@production",
        "prompt:reply@production",
        "prompt:page@production",
        "prompt:alone:1",
    ]
    assert whole.cursor is None
    nodes: list[GraphNode] = []
    cursor = None
    while True:
        page = registry.graph(limit=2, cursor=cursor)
        assert len(page.nodes) <= 2
        nodes += page.nodes
        cursor = page.cursor
        if cursor is None:
            break
    assert nodes == list(whole.nodes)
    with pytest.raises(InvalidInput, match="cursor"):
        registry.graph(alias="staging", cursor=registry.graph(limit=2).cursor)


def test_as_of_a_moment(registry: Registry) -> None:
    chain(registry)
    before = datetime.now(UTC)
    publish(registry, "classify")
    publish(registry, "gpt", kind="model", aliases=["champion"])
    publish(registry, "late", consumes("classify@production"))
    registry.delete_alias("page@production", reason="a test")
    registry.archive("gpt", kind="model")
    now = registry.affected("model:gpt@champion")
    assert now.affected == ()
    then = registry.affected("model:gpt@champion", at=before)
    assert [node.id for node in then.affected] == [
        "prompt:classify@production",
        "prompt:reply@production",
        "prompt:page@production",
    ]
    assert then.at == before
    up = registry.upstream("reply", at=before)
    assert [node.versions for node in up.nodes] == [(1,), (1,), (1,)]
    assert [node.versions for node in registry.upstream("reply").nodes] == [(1,), (2,)]
    assert len(registry.graph(at=before).nodes) == 4
    assert all(not link.trouble for node in up.nodes for link in node.links)
    with pytest.raises(NotFound):
        registry.upstream("reply", at=datetime(2020, 1, 1, tzinfo=UTC))


def test_cycles_and_dead_ends(registry: Registry) -> None:
    publish(registry, "a")
    publish(registry, "b", consumes("a@production"))
    publish(registry, "a", consumes("b@production"))
    publish(registry, "old", aliases=["production", "staging"])
    publish(registry, "removed")
    publish(registry, "archived", aliases=[])
    publish(
        registry,
        "c",
        consumes("old@staging"),
        consumes("removed:1"),
        consumes("archived"),
        consumes("b"),
    )
    assert registry.graph_problems().dead_ends == ()
    registry.delete_alias("old@staging", reason="a test")
    publish(registry, "removed")
    registry.tombstone("removed:1", reason="private")
    registry.archive("archived")
    found = registry.graph_problems()
    assert found.cycles == (("prompt:a@production", "prompt:b@production"),)
    assert {(end.link.selector, end.link.trouble) for end in found.dead_ends} == {
        ("old@staging", "no alias"),
        ("removed:1", "removed"),
        ("archived", "archived"),
    }
    assert {end.id for end in found.dead_ends} == {"prompt:c@production"}
    assert found.count == 3
    assert ids(registry.upstream("a")) == ["prompt:a@production", "prompt:b@production"]


@pytest.mark.parametrize(
    ("error", "ask"),
    [
        (NotFound, lambda r: r.upstream("nobody")),
        (NotFound, lambda r: r.upstream("alone:9")),
        (InvalidName, lambda r: r.affected("alone")),
        (InvalidName, lambda r: r.affected("alone:1")),
        (InvalidInput, lambda r: r.downstream("alone", depth=0)),
        (PointsmanError, lambda r: r.graph(alias="no alias")),
    ],
)
def test_what_can_not_be_asked(
    registry: Registry, error: type[PointsmanError], ask: Callable[[Registry], object]
) -> None:
    publish(registry, "alone")
    with pytest.raises(error):
        ask(registry)


def test_who_may_read_a_part_is_told_of_that_part(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    publish(registry, "mine/a")
    publish(registry, "theirs/b", consumes("mine/a@production"))
    publish(registry, "mine/c", consumes("theirs/b@production"))
    publish(registry, "theirs/b", consumes("mine/a@production"), consumes("mine/c"))
    grants = (Grant("viewer", "", "mine/*"),)
    narrow = Caller(Actor("person:9", "Ana", None, "test", grants=grants), caller().project)

    def read(use_case: Callable[[View], object]) -> str:
        return str(app.read(narrow, use_case))

    found = app.read(narrow, lambda v: graph.upstream(v, parse_selector("mine/c")))
    assert (ids(found), found.hidden) == (
        ["prompt:mine/c@production", "prompt:mine/a@production"],
        1,
    )
    assert found.nodes[0].links[0].to == ()
    impact = app.read(narrow, lambda v: graph.affected(v, parse_selector("mine/a@production")))
    assert [node.id for node in impact.affected] == ["prompt:mine/c@production"]
    assert impact.hidden == 1
    whole = app.read(narrow, lambda v: graph.whole(v))
    assert (len(whole.nodes), whole.hidden) == (2, 1)
    assert app.read(narrow, lambda v: graph.problems(v)).hidden == 1, "the circle"
    for use_case in (
        lambda v: graph.whole(v),
        lambda v: graph.downstream(v, parse_selector("mine/a")),
        lambda v: graph.problems(v),
    ):
        assert "prompt:theirs" not in read(use_case)
    with pytest.raises(PointsmanError, match="may not"):
        read(lambda v: graph.upstream(v, parse_selector("theirs/b")))


# For other use cases


def moving(app: Application, caller: Caller, *moves: tuple[str, Target | None]) -> Affected:
    def look(work: Work) -> Affected:
        placed = []
        for text, to in moves:
            selector = parse_selector(text)
            assert selector.alias is not None
            artifact = work.artifact(selector.kind, selector.name)
            row = work.tx.alias(artifact.id, selector.alias)
            placed.append((Place(artifact, selector.alias, row), to))
        return affected_by(work, placed)

    return app.write(caller, look)


def test_moves_are_judged_as_they_will_be(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    chain(registry)
    publish(registry, "reply", aliases=[])
    one = Target(version=1)
    found = moving(app, caller(), ("model:gpt@champion", one))
    assert [node.name for node in found.affected] == ["classify", "reply", "page"]
    assert found.affected[1].via[0].variable == "label"
    # The new reply takes nothing from the classifier.
    found = moving(
        app, caller(), ("classify@production", one), ("reply@production", Target(version=2))
    )
    assert [node.name for node in found.moved] == ["classify", "reply"]
    assert [node.name for node in found.affected] == ["page"]
    both = moving(app, caller(), ("classify@production", one), ("reply@production", one))
    assert [node.name for node in both.affected] == ["page", "reply"], "both one step away"


def test_what_an_output_is_made_of(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    chain(registry)
    publish(registry, "classify", aliases=[])
    page = app.read(caller(), lambda v: v.artifact("prompt", "page").id)
    classify = app.read(caller(), lambda v: v.artifact("prompt", "classify").id)

    def look(world: World) -> MadeOf:
        return app.read(caller(), lambda v: made_of(v, page, 1, world))

    found = look(World("production"))
    order = ["model:gpt:1", "prompt:classify:1", "prompt:reply:1", "prompt:page:1"]
    assert list(found.parts) == order
    assert found.digests == {
        "model:gpt:1": registry.version("model:gpt:1").digest,
        "prompt:classify:1": registry.version("classify:1").digest,
        "prompt:reply:1": registry.version("reply:1").digest,
        "prompt:page:1": registry.version("page:1").digest,
    }
    (need,) = found.parts["prompt:reply:1"].needs
    assert (need.relation, need.variable, need.selector, need.to) == (
        "consumes", "label", "classify@production", ("prompt:classify:1",),
    )  # fmt: skip
    assert found.dead_ends == ()
    changed = look(World("production", {(classify, "production"): Target(version=2)}))
    assert list(changed.parts) == ["prompt:classify:2", "prompt:reply:1", "prompt:page:1"]
    gone = look(World("production", {(classify, "production"): None}))
    assert [(name, need.trouble) for name, need in gone.dead_ends] == [
        ("prompt:reply:1", "no alias")
    ]
    split = registry.split("classify", "production", {1: 50, 2: 50}, reason="a test")
    assert split is not None
    assert "prompt:classify:2" in look(World("production")).parts
    assert look(World("production")).parts["prompt:reply:1"].needs[0].to == (
        "prompt:classify:1",
        "prompt:classify:2",
    )


def test_a_cycle_is_made_of_itself(
    registry: Registry, app: Application, caller: Callable[..., Caller]
) -> None:
    publish(registry, "a")
    publish(registry, "b", consumes("a@production"))
    number = publish(registry, "a", consumes("b@production"))
    first = app.read(caller(), lambda v: v.artifact("prompt", "a").id)
    found = app.read(caller(), lambda v: made_of(v, first, number, World("production")))
    assert sorted(found.parts) == ["prompt:a:2", "prompt:b:1"]
    assert json.dumps(found.digests)


# Telling


def test_a_move_is_told_with_what_it_affects(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
    chain(registry)
    registry.set_owner("reply", "group:writers")
    with Receiver() as receiver:
        courier = Courier(Application(store), Tail(store), HttpSender(), FORMS, chance=lambda: 0.0)
        hook = registry.create_webhook("ops", receiver.url, events=["alias.moved"]).webhook
        slack = registry.create_webhook("chat", receiver.url, format="slack").webhook
        publish(registry, "classify")
        registry.delete_alias("classify@production", reason="a test")
        # What became of it since does not matter: it is told as it was then.
        publish(registry, "page")
        registry.delete_alias("reply@production", reason="a test")
        for one in (hook, slack):
            courier.serve(one.id)
        bodies = [got.json for got in receiver.received]
    events = sorted((body["data"] for body in bodies if "data" in body), key=lambda one: one["seq"])
    facts = [event["facts"] for event in events]
    assert [fact["name"] for fact in facts] == ["classify", "classify", "page", "reply"]
    for fact in facts[:2]:
        assert fact["affects"] == ["prompt:reply@production", "prompt:page@production"]
        assert fact["affects_count"] == 2
        assert fact["affects_owners"] == ["group:writers"]
    assert "affects" not in facts[2]
    told = [body["text"] for body in bodies if "classify" in body.get("text", "")]
    assert any("(affects prompt:reply@production, prompt:page" in text for text in told)
