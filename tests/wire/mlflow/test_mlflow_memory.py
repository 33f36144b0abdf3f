"""Answers that MLflow's protocol keeps in memory: kept they are, and never a moment too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pointsman.app import publishing, tagging
from pointsman.app.application import Application, Caller
from pointsman.app.publishing import Publish
from pointsman.app.tail import Tail
from pointsman.compose import open_store
from pointsman.core.access import Actor, Scope
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.memory import Memory
from pointsman.wire.mlflow.models import get
from pointsman.wire.running import Read
from serving import Answer, Api, place, server_on
from wire.mlflow.test_mlflow_http import MV, RM, ask

READS: tuple[tuple[str, dict[str, object]], ...] = (
    (f"{RM}/get", {"name": "kept"}),
    (f"{RM}/alias", {"name": "kept", "alias": "staging"}),
    (f"{MV}/get", {"name": "kept", "version": "1"}),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with server_on(request, tmp_path_factory.mktemp("memory")) as server:
        server.publish("kept", "first")
        server.publish("kept", "second")
        server.move("kept", "staging", 1)
        yield server


def read_all(api: Api, **more: Any) -> list[Answer]:
    """All that is kept, asked for often enough to come from memory."""
    for _ in range(2):
        answers = [ask(api, "GET", path, values, **more) for path, values in READS]
    return answers


_VERSION = place("kept", "versions", 1)
_CHANGES: dict[str, Callable[[Api], Answer]] = {
    "a move": lambda api: api.put(place("kept", "aliases", "staging"), {"version": 2}),
    "a tag of the prompt": lambda api: api.put(place("kept", "tags", "k"), {"value": "v"}),
    "no such tag any more": lambda api: api.delete(place("kept", "tags", "k")),
    "a tag of a version": lambda api: api.put(_VERSION + "/tags/k", {"value": "v"}),
    "another version": lambda api: api.post(
        "/versions", {"name": "kept", "content": {"template": "third"}}
    ),
    "an alias to the first": lambda api: api.put(place("kept", "aliases", "next"), {"version": 1}),
    "that alias deleted": lambda api: api.delete(
        place("kept", "aliases", "next"), query={"reason": "x"}
    ),
    "the content removed": lambda api: api.put(_VERSION + "/tombstone", {"reason": "ours"}),
    "archived": lambda api: api.post(place("kept") + "/archive"),
    "restored": lambda api: api.post(place("kept") + "/restore"),
}


def test_whatever_happens_is_seen_by_the_next_read(api: Api) -> None:
    for what, change in _CHANGES.items():
        before = [one.body for one in read_all(api)]
        done = change(api)
        assert done.status in (200, 201), (what, done)
        after = [ask(api, "GET", path, values).body for path, values in READS]
        assert after != before, what
        assert [one.body for one in read_all(api)] == after, what


def test_what_is_included_changes_who_includes_it(api: Api) -> None:
    api.publish("part", "one")
    api.move("part", "live", 1)
    api.publish("whole", "{{> part@live }} and more")

    def text() -> str:
        answer = ask(api, "GET", f"{MV}/get", {"name": "whole", "version": "1"})
        tags = {one["key"]: one["value"] for one in answer.json["model_version"]["tags"]}
        return str(tags["mlflow.prompt.text"])

    assert text() == text() == "one and more"
    api.publish("part", "two")
    api.move("part", "live", 2)
    assert text() == "two and more"


def test_a_prompt_takes_the_name_of_a_model(api: Api) -> None:
    assert ask(api, "POST", f"{RM}/create", {"name": "both"}).status == 200
    for _ in range(2):
        found = ask(api, "GET", f"{RM}/get", {"name": "both"}).json["registered_model"]
        assert "tags" not in found
    api.publish("both", "a prompt")
    found = ask(api, "GET", f"{RM}/get", {"name": "both"}).json["registered_model"]
    assert {"key": "mlflow.prompt.is_prompt", "value": "true"} in found["tags"]


def test_who_may_not_read_it_gets_nothing_from_memory(api: Api) -> None:
    api.publish("mine", "text")
    for _ in range(2):
        assert ask(api, "GET", f"{RM}/get", {"name": "mine"}).status == 200
    _, narrow = api.make_key("viewer", artifacts="other/*")
    assert ask(api, "GET", f"{RM}/get", {"name": "mine"}, key=narrow).status == 403
    key_id, viewer = api.make_key("viewer")
    for _ in range(2):
        assert ask(api, "GET", f"{RM}/get", {"name": "mine"}, key=viewer).status == 200
    assert api.delete(f"/keys/{key_id}").status == 200
    assert ask(api, "GET", f"{RM}/get", {"name": "mine"}, key=viewer).status == 401
    assert ask(api, "GET", f"{RM}/get", {"name": "mine"}, key=None).status == 401


def test_answers_are_kept_until_something_happens(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, None)) as store:
        app, tail = Application(store), Tail(store)
        memory = Memory(tail)
        tail.start()
        try:
            actor = Actor("local:test", "test", "admin", "embedded")
            caller = Caller(actor, app.project("default"))
            scope = Scope(artifacts="other/*")
            narrow = Caller(
                Actor("key:1", "narrow", "admin", "api", scope=scope), app.project("default")
            )

            def keep(name: str, who: Caller = caller) -> bool:
                """Whether the answer was kept."""
                plan = get(Call(who, {"name": name}))
                assert isinstance(plan, Read)
                app.read(who, memory.keeping(who, "get", name.encode(), plan).use_case)
                return memory.get(caller, "get", name.encode()) is not None

            def publish(name: str, kind: str) -> None:
                app.write(
                    caller,
                    lambda work: publishing.publish(work, Publish(name, {"template": "x"}, kind)),
                )

            publish("other/prompt", "prompt")
            publish("model", "model")
            assert not keep("other/prompt", narrow)
            assert keep("other/prompt")
            assert memory.get(narrow, "get", b"other/prompt") is None
            assert not keep("model")  # a prompt of that name would take its place
            app.write(
                caller,
                lambda work: tagging.set_tag(work, "prompt", "other/prompt", None, "k", "v"),
            )
            assert memory.get(caller, "get", b"other/prompt") is None
            plan = get(Call(caller, {"name": "other/prompt"}))
            assert isinstance(plan, Read)
            late = memory.keeping(caller, "get", b"other/prompt", plan)
            app.write(
                caller,
                lambda work: tagging.set_tag(work, "prompt", "other/prompt", None, "k", "w"),
            )
            app.read(caller, late.use_case)  # asked for before the change: too old to be kept
            assert memory.get(caller, "get", b"other/prompt") is None
        finally:
            tail.stop()
