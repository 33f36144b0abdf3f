"""Every call of MLflow's protocol, where a policy protects the alias and where none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pointsman.wire.mlflow.routes import PREFIXES, ROUTES
from serving import Answer, Api, ServerProcess, place

RM, MV = "registered-models", "model-versions"


@dataclass(frozen=True)
class Way:
    """A call that could move an alias: its route, what is sent, and what becomes of the alias.

    `then` is the version that `production` points to afterwards where it may be moved (it was 2
    of 3): 0 where it is gone, None where the artifact is. `kind` is what it is tried with.
    """

    route: str
    values: Callable[[str], dict[str, object]]
    then: int | None
    kind: str = "model"


def _at(version: int, **more: object) -> Callable[[str], dict[str, object]]:
    return lambda name: {"name": name, "version": str(version), **more}


def _named(**more: object) -> Callable[[str], dict[str, object]]:
    return lambda name: {"name": name, **more}


def _stage(
    version: int, stage: str, *, archive: bool = False
) -> Callable[[str], dict[str, object]]:
    return _at(version, stage=stage, archive_existing_versions=archive)


WAYS = {
    "set_registered_model_alias": Way(f"POST {RM}/alias", _at(3, alias="production"), 3),
    "set_prompt_alias": Way(f"POST {RM}/alias", _at(3, alias="production"), 3, "prompt"),
    "delete_registered_model_alias": Way(f"DELETE {RM}/alias", _named(alias="production"), 0),
    "delete_prompt_alias": Way(f"DELETE {RM}/alias", _named(alias="production"), 0, "prompt"),
    "transition to Production": Way(f"POST {MV}/transition-stage", _stage(3, "Production"), 3),
    "transition to Production, archiving": Way(
        f"POST {MV}/transition-stage", _stage(3, "production", archive=True), 3
    ),
    "transition to Staging": Way(f"POST {MV}/transition-stage", _stage(2, "Staging"), 0),
    "transition to Archived": Way(f"POST {MV}/transition-stage", _stage(2, "Archived"), 0),
    "transition to None": Way(f"POST {MV}/transition-stage", _stage(2, "None"), 0),
    "delete_registered_model": Way(f"DELETE {RM}/delete", _named(), None),
    "delete_prompt": Way(f"DELETE {RM}/delete", _named(), None, "prompt"),
    "delete_model_version": Way(f"DELETE {MV}/delete", _at(2), 0),
    "delete_prompt_version": Way(f"DELETE {MV}/delete", _at(2), 0, "prompt"),
}

WITHOUT = {
    "rename_registered_model": Way(f"POST {RM}/rename", _named(new_name="other"), 2),
    "create_registered_model": Way(f"POST {RM}/create", _named(), 2),
    "create_model_version": Way(f"POST {MV}/create", _named(source="s3://b/new"), 2),
    "copy_model_version": Way(
        f"POST {MV}/create", lambda name: {"name": name, "source": f"models:/{name}/1"}, 2
    ),
    "update_registered_model": Way(f"PATCH {RM}/update", _named(description="x"), 2),
    "update_model_version": Way(f"PATCH {MV}/update", _at(2, description="x"), 2),
    "set_registered_model_tag": Way(f"POST {RM}/set-tag", _named(key="k", value="production"), 2),
    "delete_registered_model_tag": Way(f"DELETE {RM}/delete-tag", _named(key="k"), 2),
    "set_model_version_tag": Way(f"POST {MV}/set-tag", _at(3, key="mlflow.stage", value="x"), 2),
    "delete_model_version_tag": Way(f"DELETE {MV}/delete-tag", _at(2, key="k"), 2),
    "get_latest_versions": Way(f"POST {RM}/get-latest-versions", _named(), 2),
}
"""Calls that write and never move an alias, policy or none."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ServerProcess(data=tmp_path_factory.mktemp("mlflow-doors")) as server:
        yield server
        assert server.get("/doctor").json["findings"] == []


def _made(api: Api, kind: str, name: str) -> str:
    """An artifact with three versions, whose `production` points to the second."""
    for number in (1, 2, 3):
        content = {"uri": f"s3://b/{number}"} if kind == "model" else f"text {number}"
        wanted = {"kind": kind, "name": name, "content": content}
        assert api.post("/versions", wanted).status == 201
    to = {"version": 2, "reason": "from the start"}
    assert api.put(place(name, "aliases", "production", kind=kind), to).status == 200
    return name


def _protect(api: Api, name: str, **more: object) -> None:
    policy = {
        "aliases": "production",
        "artifacts": name,
        "movers": {"people": ["nobody@example.com"]},
        **more,
    }
    assert api.put(f"/policies/{name}", {"policy": policy}).status == 200


def _ask(api: Api, way: Way, name: str) -> Answer:
    method, _, path = way.route.partition(" ")
    return api.request(method, f"/{PREFIXES[0]}{path}", way.values(name))


def _points_to(api: Api, way: Way, name: str) -> int | None:
    """The version that production points to; 0 if there is no alias, None if it is archived."""
    if api.get(place(name, kind=way.kind)).json.get("archived_at"):
        return None
    answer = api.get(place(name, "aliases", "production", kind=way.kind))
    return int(answer.json["target"]["version"]) if answer.status == 200 else 0


def _slug(way: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in way)


@pytest.mark.parametrize("call", WAYS)
def test_a_call_that_moves_is_refused_by_a_policy_and_passes_without(api: Api, call: str) -> None:
    way = WAYS[call]
    closed = _made(api, way.kind, f"closed-{_slug(call)}")
    _protect(api, closed)
    answer = _ask(api, way, closed)
    assert answer.status in (403, 409), answer
    assert answer.json["error_code"] in ("PERMISSION_DENIED", "RESOURCE_CONFLICT")
    assert _points_to(api, way, closed) == 2
    free = _made(api, way.kind, f"free-{_slug(call)}")
    answer = _ask(api, way, free)
    # What is live where production is governed can't be archived, whatever the policy asks for.
    if way.then is None:
        assert answer.status == 409, answer
        away = {"name": free, "alias": "production"}
        assert api.request("DELETE", f"/{PREFIXES[0]}{RM}/alias", away).status == 200
        answer = _ask(api, way, free)
    assert answer.status == 200, answer
    assert _points_to(api, way, free) == way.then


@pytest.mark.parametrize("call", WAYS)
def test_no_call_walks_round_a_policy_that_wants_it_proposed(api: Api, call: str) -> None:
    way = WAYS[call]
    name = _made(api, way.kind, f"asked-{_slug(call)}")
    _protect(api, name, instead="propose")
    answer = _ask(api, way, name)
    assert answer.status in (403, 409), answer
    assert _points_to(api, way, name) == 2
    proposes = way.route.endswith(("/alias", "/transition-stage"))
    assert ("change" in answer.json["message"] and "opened" in answer.json["message"]) == proposes


@pytest.mark.parametrize("call", WITHOUT)
def test_other_calls_never_move_an_alias(api: Api, call: str) -> None:
    way = WITHOUT[call]
    name = _made(api, way.kind, f"still-{_slug(call)}")
    entries = api.head()
    assert _ask(api, way, name).status in (200, 400)
    assert _points_to(api, way, name) == way.then
    new = api.get("/journal", query={"after": entries, "limit": 50}).json["items"]
    assert "alias.moved" not in {one["type"] for one in new if one["seq"] > entries}


def test_every_call_that_writes_is_one_of_these() -> None:
    tried = {way.route for way in (*WAYS.values(), *WITHOUT.values())}
    writing = {f"{one.method} {one.path}" for one in ROUTES if one.method != "GET"}
    assert tried == {one for one in writing if not one.split()[1].startswith("webhooks")}
