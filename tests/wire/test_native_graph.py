"""The dependency graph over HTTP, asked directly and through both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pointsman import AsyncClient, Client, Registry
from pointsman.core.vocabulary import Dependency
from pointsman.errors import InvalidInput, InvalidName, NotFound, Refused
from serving import Api, ServerProcess


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with a model, a classifier that uses it, and a reply that takes its label."""
    data = tmp_path_factory.mktemp("graph")
    with Registry.open(data) as registry:
        publish(registry, "gpt", {"uri": "x"}, kind="model", aliases=["champion"])
        publish(registry, "in/classify", "{{ text }}", Dependency("uses", "model:gpt"))
        label = Dependency("consumes", "in/classify@production", "label")
        publish(registry, "out/reply", "Hi {{ label }}", label)
    with ServerProcess(data=data) as server:
        yield server


def publish(
    registry: Registry, name: str, content: object, *needs: Dependency, **more: object
) -> None:
    given = {"aliases": ["production"], "reason": "a test", **more}
    registry.publish(name, content, dependencies=needs, **given)  # type: ignore[arg-type]


REPLY = "/artifacts/prompt/out%2Freply"
CLASSIFY = "/artifacts/prompt/in%2Fclassify"


def test_the_routes_answer_in_the_words_of_the_graph(api: Api) -> None:
    whole = api.get("/graph", query={"limit": 2}).json
    assert [node["id"] for node in whole["nodes"]] == [
        "model:gpt@champion",
        "prompt:in/classify@production",
    ]
    rest = api.get("/graph", query={"limit": 2, "cursor": whole["cursor"]}).json
    (node,) = rest["nodes"]
    assert node == {
        "id": "prompt:out/reply@production",
        "kind": "prompt",
        "name": "out/reply",
        "alias": "production",
        "versions": [1],
        "level": 0,
        "links": [
            {
                "relation": "consumes",
                "selector": "in/classify@production",
                "version": 1,
                "variable": "label",
                "to": ["prompt:in/classify@production"],
                "trouble": "",
            }
        ],
    }
    assert (rest["cursor"], rest["hidden"], rest["alias"]) == (None, 0, "production")
    up = api.get(f"{REPLY}/upstream", query={"depth": 1}).json
    assert [node["id"] for node in up["nodes"]] == [node["id"], "prompt:in/classify@production"]
    down = api.get(f"{CLASSIFY}/downstream", query={"version": 1}).json
    assert [node["id"] for node in down["nodes"]] == ["prompt:in/classify:1", node["id"]]
    found = api.get(f"{CLASSIFY}/affected", query={"alias": "production"}).json
    assert [one["id"] for one in found["affected"]] == [node["id"]]
    assert [one["id"] for one in found["moved"]] == ["prompt:in/classify@production"]
    assert api.get("/graph/problems").json["cycles"] == []


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/artifacts/prompt/nobody/upstream", {}, 404, "artifact_not_found"),
        (f"{REPLY}/upstream", {"version": 9}, 404, "version_not_found"),
        (f"{REPLY}/downstream", {"depth": 0}, 400, "invalid_depth"),
        (f"{REPLY}/affected", {"alias": "a b@"}, 400, "invalid_character"),
        ("/graph", {"cursor": "x"}, 400, "invalid_cursor"),
        ("/graph", {"at": "soon"}, 400, "invalid_field"),
        ("/graph/problems", {"limit": 3}, 400, "unknown_field"),
    ],
)
def test_what_can_not_be_asked(
    api: Api, path: str, query: dict[str, object], status: int, code: str
) -> None:
    answer = api.get(path, query=query)
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_variable_is_checked_when_it_is_published(api: Api) -> None:
    body = {
        "name": "out/wrong",
        "content": "Hi {{ label }}",
        "dependencies": [{"relation": "consumes", "selector": "in/classify", "variable": "labels"}],
    }
    answer = api.post("/versions", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid_variable")
    assert answer.json["hint"] == "Did you mean 'label'?"


def test_the_clients_ask_alike(api: Api) -> None:
    now = datetime.now(UTC)

    async def ask() -> list[object]:
        async with AsyncClient(api.url, api.own_key, snapshot=False) as client:
            return [
                await client.graph(limit=2),
                await client.graph_problems(at=now),
                await client.upstream("out/reply", depth=1, at=now),
                await client.downstream("model:gpt@champion"),
                await client.affected("in/classify@production"),
            ]

    with Client(api.url, api.own_key, snapshot=False) as client:
        answers: list[object] = [
            client.graph(limit=2),
            client.graph_problems(at=now),
            client.upstream("out/reply", depth=1, at=now),
            client.downstream("model:gpt@champion"),
            client.affected("in/classify@production"),
        ]
        assert asyncio.run(ask()) == answers
        assert client.graph(limit=2).nodes[0].id == "model:gpt@champion"
        assert client.upstream("in/classify:1").nodes[0].alias is None
        for error, act in (
            (NotFound, lambda: client.upstream("nobody")),
            (InvalidName, lambda: client.affected("in/classify")),
            (InvalidInput, lambda: client.downstream("in/classify", depth=0)),
        ):
            with pytest.raises(error):
                act()


def test_a_key_for_a_part_sees_that_part(api: Api) -> None:
    with Client(api.url, api.own_key, snapshot=False) as client:
        secret = client.create_key("narrow", "viewer", artifacts="out/*").secret
    with Client(api.url, secret, snapshot=False) as narrow:
        found = narrow.upstream("out/reply")
        assert ([node.name for node in found.nodes], found.hidden) == (["out/reply"], 2)
        whole = narrow.graph()
        assert ([node.name for node in whole.nodes], whole.hidden) == (["out/reply"], 2)
        with pytest.raises(Refused):
            narrow.affected("in/classify@production")
