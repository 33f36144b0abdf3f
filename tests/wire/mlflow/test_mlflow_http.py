"""MLflow's protocol by bare requests: what its own client would never send, and who may what."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands import Cli
from pointsman import Client
from pointsman.core.access import ROLES
from pointsman.errors import NotFound
from pointsman.wire.mlflow.routes import PREFIXES, ROUTES, Route
from serving import Answer, Api, ServerProcess, place, server_on
from wire.mlflow.published import PASSWORD

RM, MV = "registered-models", "model-versions"

LEAST = {
    f"GET {RM}/get": "viewer",
    f"GET {RM}/search": "viewer",
    f"GET {RM}/alias": "viewer",
    f"GET {RM}/get-latest-versions": "viewer",
    f"POST {RM}/get-latest-versions": "viewer",
    f"GET {MV}/get": "viewer",
    f"GET {MV}/search": "viewer",
    f"GET {MV}/get-download-uri": "viewer",
    f"POST {RM}/create": "editor",
    f"PATCH {RM}/update": "editor",
    f"POST {RM}/rename": "editor",
    f"POST {RM}/set-tag": "editor",
    f"DELETE {RM}/delete-tag": "editor",
    f"POST {MV}/create": "editor",
    f"PATCH {MV}/update": "editor",
    f"POST {MV}/set-tag": "editor",
    f"DELETE {MV}/delete-tag": "editor",
    f"DELETE {RM}/delete": "releaser",
    # Below a releaser one proposes, where a policy wants that.
    f"POST {RM}/alias": "editor",
    f"DELETE {RM}/alias": "editor",
    f"POST {MV}/transition-stage": "editor",
    f"DELETE {MV}/delete": "admin",
    "POST webhooks": "admin",
    "GET webhooks": "admin",
    "GET webhooks/{webhook_id}": "admin",
    "PATCH webhooks/{webhook_id}": "admin",
    "DELETE webhooks/{webhook_id}": "admin",
    "POST webhooks/{webhook_id}/test": "admin",
}
"""The least role that each operation asks for, written down on purpose."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with server_on(request, tmp_path_factory.mktemp("mlflow")) as server:
        yield server
        diagnosis = server.get("/doctor").json
        assert diagnosis["findings"] == []


@pytest.fixture(scope="module")
def secrets(api: Api) -> dict[str, str]:
    return {role: api.make_key(role)[1] for role in ROLES}


def ask(api: Api, method: str, path: str, values: object = None, **more: Any) -> Answer:
    """Ask for an operation; `values` are its parameters."""
    if method == "GET":
        query = values if isinstance(values, dict) else None
        return api.request(method, f"/{PREFIXES[0]}{path}", query=query, **more)
    return api.request(method, f"/{PREFIXES[0]}{path}", values, **more)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.json["error_code"])


INVALID = (400, "INVALID_PARAMETER_VALUE")


def model(api: Api, name: str, versions: int = 1) -> str:
    """Make a model with versions."""
    assert ask(api, "POST", f"{RM}/create", {"name": name}).status == 200
    for number in range(versions):
        wanted = {"name": name, "source": f"s3://b/{number + 1}"}
        assert ask(api, "POST", f"{MV}/create", wanted).status == 200
    return name


def prompt(api: Api, name: str, text: str = "Hello {{ who }}") -> str:
    """Make a prompt with a version."""
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    there = ask(api, "POST", f"{RM}/create", {"name": name, "tags": [is_prompt]})
    assert there.status == 200, there
    tags = [is_prompt, {"key": "mlflow.prompt.text", "value": text}]
    wanted = {"name": name, "source": "dummy-source", "tags": tags, "description": "why"}
    made = ask(api, "POST", f"{MV}/create", wanted)
    assert made.status == 200, made
    return name


# -- the ways in


def test_a_server_of_mlflows_kind_is_there(api: Api) -> None:
    for path, body in (("//health", b"OK"), ("//version", b"3.17.2")):
        answer = api.get(path, key=None)
        assert (answer.status, answer.body) == (200, body)
    for prefix in ("//api/3.0/mlflow", "//ajax-api/3.0/mlflow"):
        info = api.get(f"{prefix}/server-info", key=None)
        assert info.status == 200
        assert info.json["workspaces_enabled"] is True
        assert info.json["multipart_uploads_enabled"] is False


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_prefixes_answer(api: Api, prefix: str) -> None:
    name = model(api, f"prefixed{PREFIXES.index(prefix)}")
    answer = api.get(f"/{prefix}{RM}/get", query={"name": name})
    assert answer.json["registered_model"]["name"] == name


@pytest.mark.parametrize(
    "path",
    [
        "//api/2.0/mlflow/experiments",
        "//api/3.0/mlflow/traces/search/more",
        "//api/2.0/mlflow/registered-models",
        "//api/2.0/mlflow/registered-models/get/",
        "//api/3.0/mlflow/scorers/list",
        "//ajax-api/2.0/mlflow/metrics",
        "//api/2.0/mlflow-artifacts/mpu/create/1",
    ],
)
def test_what_is_not_here_is_told_in_mlflows_words(api: Api, path: str) -> None:
    answer = api.get(path)
    assert code(answer) == (404, "ENDPOINT_NOT_FOUND")
    assert "MLFLOW_TRACKING_URI" in answer.json["message"]


def test_the_native_api_is_not_shadowed(api: Api) -> None:
    assert api.get("/me").status == 200
    assert api.get("//api/openapi.json").status == 200
    assert api.get("/nothing").code == "no_such_address"


def test_another_method_is_refused(api: Api) -> None:
    answer = ask(api, "PUT", f"{RM}/get")
    assert code(answer) == (405, "BAD_REQUEST")
    assert answer.headers["allow"] == "GET"


# -- who may come in, and do what


def test_every_operation_has_its_least_role() -> None:
    assert {f"{one.method} {one.path}" for one in ROUTES} == set(LEAST)


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
def test_nobody_gets_in_without_a_key(api: Api, route: Route) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer pm_unknown222_" + "B" * 43},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest x"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"ana:wrong").decode()},
    ):
        answer = ask(api, route.method, route.path, {"name": "x"}, key=None, headers=headers)
        assert code(answer) == (401, "UNAUTHENTICATED"), headers
        assert answer.headers["www-authenticate"] == 'Basic realm="pointsman"'


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
def test_a_lower_role_is_refused(api: Api, secrets: dict[str, str], route: Route) -> None:
    least = ROLES.index(LEAST[f"{route.method} {route.path}"])
    for role in ROLES:
        answer = ask(api, route.method, route.path, {"name": "never"}, key=secrets[role])
        refused = answer.status == 403
        assert refused == (ROLES.index(role) < least), (role, answer)
        if refused:
            assert answer.json["error_code"] == "PERMISSION_DENIED"


def test_a_key_of_another_project_finds_nothing(api: Api) -> None:
    name = model(api, "ours")
    assert api.post("/projects", {"name": "theirs"}).status == 201
    made = api.post(
        "/keys", {"name": "s", "role": "admin"}, headers={"Pointsman-Project": "theirs"}
    )
    stranger = made.json["secret"]
    answer = ask(api, "GET", f"{RM}/get", {"name": name}, key=stranger)
    assert code(answer) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert ask(api, "GET", f"{RM}/search", key=stranger).json == {}
    for workspace in ("default", "nowhere"):
        headers = {"X-MLFLOW-WORKSPACE": workspace}
        answer = ask(api, "GET", f"{RM}/get", {"name": name}, key=stranger, headers=headers)
        assert code(answer) == (403, "PERMISSION_DENIED")


def test_a_person_signs_in_once_for_many_requests(api: Api) -> None:
    invited = api.post("/invitations", {"email": "eva@example.com", "role": "editor"})
    body = {"token": invited.json["token"], "name": "Eva", "password": PASSWORD}
    assert api.post("/invitations/accept", body, key=None).status in (200, 201)
    before = _sessions_opened(api)
    for _ in range(3):
        assert _as_person(api, PASSWORD).status == 200
    assert _sessions_opened(api) == before + 1
    signed_in = api.post(
        "/sessions", {"email": "eva@example.com", "password": PASSWORD}, key=None
    ).json
    changed = api.put(
        "/me/password", {"old": PASSWORD, "new": PASSWORD + "!"}, key=signed_in["token"]
    )
    assert changed.status == 200, changed
    assert code(_as_person(api, PASSWORD)) == (401, "UNAUTHENTICATED")
    assert _as_person(api, PASSWORD + "!").status == 200


def _as_person(api: Api, password: str) -> Answer:
    said = base64.b64encode(f"eva@example.com:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {said}"}
    return ask(api, "GET", f"{RM}/search", key=None, headers=headers)


def _sessions_opened(api: Api) -> int:
    lines = api.get("/journal/lines", query={"installation": True, "limit": 1_000})
    return lines.body.count(b"session.opened")


# -- what is asked


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
def test_what_is_required_is_named(api: Api, route: Route) -> None:
    answer = ask(api, route.method, route.path, {})
    if route.path.endswith("/search") or (route.method, route.path) == ("GET", "webhooks"):
        assert answer.status == 200
        return
    if "{" in route.path:  # what they are about stands in the path
        assert code(answer) == (404, "RESOURCE_DOES_NOT_EXIST")
        return
    assert code(answer) == INVALID
    assert answer.json["message"].startswith("Missing value for required parameter 'name'")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'{"name": 3}',
        b'{"name": null}',
        b'{"name": ["x"]}',
        b'{"name": ""}',
        b'{"Name": "x"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\xff"}',
        b'{"name": "x", "tags": {"a": "b"}}',
        b'{"name": "x", "tags": [{"value": "b"}]}',
        b'{"name": "x", "tags": [{"key": "a", "value": 3}]}',
        b'{"name": "x", "description": 3}',
        b'{"name": "' + b"x" * 300 + b'"}',
        b'{"name": "x", "name": "y"}',
        b"[" * 100_000,
    ],
)
def test_a_bad_body_is_refused(api: Api, body: bytes) -> None:
    assert code(ask(api, "POST", f"{RM}/create", body)) == INVALID


def test_a_body_that_is_not_said_to_be_json_is_refused(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = ask(
            api, "POST", f"{RM}/create", b'{"name": "typed"}', headers={"Content-Type": kind}
        )
        assert code(answer) == INVALID
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert ask(api, "POST", f"{RM}/create", b'{"name": "typed"}', headers=headers).status == 200


def test_json_in_json_and_unknown_fields_are_read(api: Api) -> None:
    twice = json.dumps(json.dumps({"name": "encoded", "unknown": {"x": 1}})).encode()
    assert ask(api, "POST", f"{RM}/create", twice).status == 200


def test_parameters_of_a_deletion_stand_in_the_body(api: Api) -> None:
    name = model(api, "bodily")
    answer = api.delete(f"/{PREFIXES[0]}{RM}/delete", query={"name": name})
    assert answer.status == 400
    assert ask(api, "DELETE", f"{RM}/delete", {"name": name}).json == {}


@pytest.mark.parametrize("version", ["abc", "1.0", "-1", "", " 1", "１", "9" * 40])
def test_a_version_is_a_number_in_digits(api: Api, version: str) -> None:
    answer = ask(api, "GET", f"{MV}/get", {"name": "any", "version": version})
    assert code(answer) == INVALID


def test_a_version_is_sent_as_text(api: Api) -> None:
    name = model(api, "numbered")
    wanted: dict[str, object] = {"name": name, "version": 1, "alias": "a"}
    assert code(ask(api, "POST", f"{RM}/alias", wanted)) == INVALID
    assert ask(api, "POST", f"{RM}/alias", wanted | {"version": "1"}).json == {}


@pytest.mark.parametrize("version", ["0", "2", "2147483648", "999999999999999"])
def test_a_version_that_is_not_there_is_told(api: Api, version: str) -> None:
    if ask(api, "GET", f"{RM}/get", {"name": "single"}).status == 404:
        model(api, "single")
    answer = ask(api, "GET", f"{MV}/get", {"name": "single", "version": version})
    assert code(answer) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_huge_filter_is_refused_at_once(api: Api) -> None:
    for text in ("x" * 30_000, "'" * 100_000, "name = '" + "a" * 100_000 + "'"):
        answer = ask(api, "GET", f"{RM}/search", {"filter": text})
        assert code(answer) == INVALID
        answer = ask(api, "GET", f"{MV}/search", {"filter": text})
        assert code(answer) == INVALID


def test_a_head_that_is_too_large_is_told_natively_elsewhere(api: Api) -> None:
    answer = api.get("/artifacts", query={"name": "x" * 100_000})
    assert (answer.status, answer.code) == (431, "head_too_large")


def test_a_query_is_utf8(api: Api) -> None:
    answer = api.get(f"/{PREFIXES[0]}{RM}/get?name=%FF")
    assert code(answer) == INVALID


# -- what is answered


def test_the_shape_of_a_model(api: Api) -> None:
    name = model(api, "shaped", versions=2)
    ask(api, "POST", f"{RM}/alias", {"name": name, "alias": "best", "version": "1"})
    ask(api, "POST", f"{RM}/set-tag", {"name": name, "key": "empty", "value": ""})
    told = ask(api, "GET", f"{RM}/get", {"name": name}).json["registered_model"]
    assert isinstance(told["creation_timestamp"], int)
    assert told["last_updated_timestamp"] >= told["creation_timestamp"]
    assert told["aliases"] == [{"alias": "best", "version": "1"}]
    assert told["tags"] == [{"key": "empty", "value": ""}]
    (latest,) = told["latest_versions"]
    assert latest["version"] == "2"
    assert "aliases" not in latest


def test_the_shape_of_a_version_of_a_prompt(api: Api) -> None:
    name = prompt(api, "formed")
    told = ask(api, "GET", f"{MV}/get", {"name": name, "version": "1"}).json["model_version"]
    assert {key: told[key] for key in ("name", "version", "source", "status", "description")} == {
        "name": "formed",
        "version": "1",
        "source": "dummy-source",
        "status": "READY",
        "description": "why",
    }
    assert told["tags"] == [
        {"key": "_mlflow_prompt_type", "value": "text"},
        {"key": "mlflow.prompt.is_prompt", "value": "true"},
        {"key": "mlflow.prompt.text", "value": "Hello {{ who }}"},
    ]
    uri = ask(api, "GET", f"{MV}/get-download-uri", {"name": name, "version": "1"})
    assert uri.json == {"artifact_uri": "dummy-source"}


def test_nothing_found_is_an_empty_object(api: Api) -> None:
    for path in (f"{RM}/search", f"{MV}/search"):
        assert ask(api, "GET", path, {"filter": "name = 'nothing at all'"}).json == {}
        assert ask(api, "GET", path, {"filter": "name = 'a:b'"}).json == {}


def test_zero_results_can_be_asked_for(api: Api) -> None:
    model(api, "counted-none")
    assert ask(api, "GET", f"{RM}/search", {"max_results": 0}).json == {}
    assert code(ask(api, "GET", f"{MV}/search", {"max_results": 0})) == INVALID


def test_latest_versions_by_either_method(api: Api) -> None:
    name = model(api, "either", versions=2)
    posted = ask(api, "POST", f"{RM}/get-latest-versions", {"name": name, "stages": ["None"]})
    got = ask(api, "GET", f"{RM}/get-latest-versions", {"name": name, "stages": "None"})
    assert posted.json == got.json
    assert [one["version"] for one in got.json["model_versions"]] == ["2"]


def test_deleting_what_is_not_there_does_nothing(api: Api) -> None:
    name = model(api, "patient")
    head = api.head()
    for path, values in (
        (f"{RM}/delete-tag", {"key": "none"}),
        (f"{RM}/alias", {"alias": "none"}),
        (f"{MV}/delete-tag", {"version": "1", "key": "none"}),
    ):
        answer = ask(api, "DELETE", path, {"name": name, **values})
        assert (answer.status, answer.json) == (200, {})
    assert api.head() == head


def test_descriptions_are_cleared(api: Api) -> None:
    name = prompt(api, "cleared")
    place_ = {"name": name, "version": "1"}
    assert ask(api, "PATCH", f"{MV}/update", place_).json["model_version"]["description"] == ""
    ask(api, "PATCH", f"{RM}/update", {"name": name, "description": "x"})
    told = ask(api, "PATCH", f"{RM}/update", {"name": name}).json["registered_model"]
    assert "description" not in told


def test_a_prompt_needs_its_text_and_no_source(api: Api) -> None:
    name = prompt(api, "strict")
    is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "TRUE"}
    wanted: dict[str, object] = {"name": name, "source": "dummy-source", "tags": [is_prompt]}
    assert code(ask(api, "POST", f"{MV}/create", wanted)) == INVALID
    text = {"key": "mlflow.prompt.text", "value": "x"}
    elsewhere = {"name": name, "source": "s3://b/x", "tags": [is_prompt, text]}
    assert code(ask(api, "POST", f"{MV}/create", elsewhere)) == INVALID
    chat = {"key": "_mlflow_prompt_type", "value": "chat"}
    wanted["tags"] = [is_prompt, text, chat]
    assert code(ask(api, "POST", f"{MV}/create", wanted)) == INVALID


def test_a_model_does_not_become_a_prompt(api: Api) -> None:
    name = model(api, "steadfast")
    tag = {"name": name, "key": "mlflow.prompt.is_prompt", "value": "true"}
    assert code(ask(api, "POST", f"{RM}/set-tag", tag)) == INVALID
    assert ask(api, "POST", f"{RM}/set-tag", tag | {"value": "false"}).json == {}
    assert "tags" not in ask(api, "GET", f"{RM}/get", {"name": name}).json["registered_model"]


def test_a_transition_says_whether_to_archive(api: Api) -> None:
    name = model(api, "unsaid")
    wanted: dict[str, object] = {"name": name, "version": "1", "stage": "Staging"}
    assert code(ask(api, "POST", f"{MV}/transition-stage", wanted)) == INVALID
    wanted["archive_existing_versions"] = False
    told = ask(api, "POST", f"{MV}/transition-stage", wanted).json["model_version"]
    assert told["current_stage"] == "Staging"
    on_prompt = wanted | {"name": prompt(api, "unstaged")}
    assert code(ask(api, "POST", f"{MV}/transition-stage", on_prompt)) == INVALID


def test_a_header_says_why(api: Api) -> None:
    name = prompt(api, "explained")
    wanted = {"name": name, "alias": "live", "version": "1"}
    headers = {"X-Pointsman-Reason": "Gr%C3%BCnes%20Licht"}
    assert ask(api, "POST", f"{RM}/alias", wanted, headers=headers).status == 200
    assert api.get(place(name, "aliases", "live")).json["reason"] == "Grünes Licht"
    bad = {"X-Pointsman-Reason": "%FF"}
    assert code(ask(api, "POST", f"{RM}/alias", wanted, headers=bad)) == INVALID


def test_an_artifact_without_versions_is_one_for_the_native_api(api: Api) -> None:
    assert ask(api, "POST", f"{RM}/create", {"name": "empty"}).status == 200
    assert api.get(place("empty", kind="model")).json["newest"] == 0
    assert api.get("/resolve/model:empty").status == 404
    with Client(api.url, api.own_key) as client, pytest.raises(NotFound) as caught:
        client.version("model:empty")
    assert caught.value.code == "version_not_found"
    published = api.post("/versions", {"kind": "model", "name": "empty", "content": {"a": 1}})
    assert published.json["version"]["number"] == 1
    told = ask(api, "GET", f"{MV}/get", {"name": "empty", "version": "1"})
    assert told.json["model_version"]["source"] == ""


def test_an_artifact_without_versions_is_left_out_of_exports(api: Api, tmp_path: Path) -> None:
    named = {"name": "unwritten", "tags": [{"key": "team", "value": "a"}]}
    assert ask(api, "POST", f"{RM}/create", named).status == 200
    cli = Cli(POINTSMAN_URL=api.url, POINTSMAN_API_KEY=api.own_key)
    for option in ((), ("--history",)):
        told = cli.json("export", "--folder", tmp_path / "out", "--kind", "model", *option)
        assert {"name": "model:unwritten", "why": "it has no version yet"} in told["skipped"]
        assert "unwritten" not in [one["name"] for one in told.get("tags", ())]


def test_a_look_alike_name_is_refused(api: Api) -> None:
    model(api, "churn")
    assert code(ask(api, "POST", f"{RM}/create", {"name": "Churn"})) == INVALID


# -- webhooks


def test_a_webhook_may_not_lead_into_the_network(api: Api) -> None:
    event = {"entity": "PROMPT_ALIAS", "action": "CREATED"}
    for url in ("http://127.0.0.1/x", "http://169.254.169.254/latest", "https://[::1]/"):
        answer = ask(api, "POST", "webhooks", {"name": "x", "url": url, "events": [event]})
        assert code(answer) == INVALID
        assert "inside a network" in answer.json["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": []},
        {"events": "PROMPT_ALIAS"},
        {"events": ["prompt_alias.created"]},
        {"events": [{"entity": "PROMPT_ALIAS"}]},
        {"events": [{"entity": "PROMPT_ALIAS", "action": "UPDATED"}]},
        {"events": [{"entity": 3, "action": None}]},
        {"status": "PAUSED"},
        {"status": 3},
        {"secret": ["x"]},
        {"description": "x" * 20_000},
        {"url": ""},
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused(api: Api, wrong: dict[str, object]) -> None:
    event = {"entity": "PROMPT_ALIAS", "action": "CREATED"}
    good = {"name": "x", "url": "https://hooks.example.org/x", "events": [event]}
    assert code(ask(api, "POST", "webhooks", good | wrong)) == INVALID
    assert ask(api, "GET", "webhooks").json == {}


def test_a_trial_without_an_answer_in_time_is_told_of(tmp_path: Path) -> None:
    settings = {"pointsman.wire.mlflow.following.PATIENCE": 0}
    with ServerProcess(data=tmp_path, settings=settings) as api:
        event = {"entity": "PROMPT_ALIAS", "action": "CREATED"}
        wanted = {"name": "x", "url": "https://hooks.example.org/", "events": [event]}
        made = ask(api, "POST", "webhooks", wanted).json["webhook"]
        told = ask(api, "POST", f"webhooks/{made['webhook_id']}/test", {})
        assert told.status == 200
        assert told.json["result"]["success"] is False
        assert "look at delivery 1" in told.json["result"]["error_message"]


def test_a_webhook_that_is_told_nothing_of_mlflows_is_left_alone(api: Api) -> None:
    wanted = {"name": "keys", "url": "https://hooks.example.org/", "events": ["key.*"]}
    hook = api.post("/webhooks", wanted).json["webhook"]["id"]
    for method, body in (("GET", None), ("PATCH", {"name": "y"}), ("POST", {})):
        path = f"webhooks/{hook}" + ("/test" if method == "POST" else "")
        assert code(ask(api, method, path, body)) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert api.get(f"/webhooks/{hook}").json["name"] == "keys"
    assert api.delete(f"/webhooks/{hook}").status == 200


# -- at the same time


def test_of_many_who_create_one_does(api: Api) -> None:
    answers = _at_once(lambda: ask(api, "POST", f"{RM}/create", {"name": "contended"}), 8)
    assert sorted(one.status for one in answers) == [200] + [400] * 7
    assert {one.json["error_code"] for one in answers if one.status == 400} == {
        "RESOURCE_ALREADY_EXISTS"
    }


def test_versions_made_at_once_are_numbered_apart(api: Api) -> None:
    name = model(api, "crowded", versions=0)
    wanted = {"name": name, "source": "s3://b/m"}
    answers = _at_once(lambda: ask(api, "POST", f"{MV}/create", wanted), 8)
    numbers = sorted(int(one.json["model_version"]["version"]) for one in answers)
    assert numbers == list(range(1, 9))


def _at_once(deed: Any, count: int) -> list[Answer]:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(deed())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# -- pages


def test_pages_go_on_where_names_are_many(tmp_path: Path) -> None:
    settings = {"pointsman.wire.mlflow.searches._PAGE": 3}
    with ServerProcess(data=tmp_path, settings=settings) as api:
        for number in range(11):
            model(api, f"m{number:02}", versions=0)
        for query in ({}, {"order_by": "name DESC"}):
            names: list[str] = []
            asked: dict[str, object] = {"filter": "name LIKE 'm%'", "max_results": 4, **query}
            while True:
                page = ask(api, "GET", f"{RM}/search", asked).json
                names += [one["name"] for one in page["registered_models"]]
                if "next_page_token" not in page:
                    break
                asked["page_token"] = page["next_page_token"]
            wanted = [f"m{number:02}" for number in range(11)]
            assert names == (wanted[::-1] if query else wanted)
            other = asked | {"filter": "name LIKE 'x%'"}
            assert code(ask(api, "GET", f"{RM}/search", other)) == INVALID


def test_a_page_of_long_versions_ends_early(tmp_path: Path) -> None:
    settings = {"pointsman.wire.mlflow.searches.MAX_ANSWER": 1_000}
    with ServerProcess(data=tmp_path, settings=settings) as api:
        for number in range(3):
            prompt(api, f"p{number}", "x" * 600)
        asked: dict[str, object] = {"filter": "tags.`mlflow.prompt.is_prompt` = 'true'"}
        first = ask(api, "GET", f"{MV}/search", asked).json
        assert [one["name"] for one in first["model_versions"]] == ["p2", "p1"]
        asked["page_token"] = first["next_page_token"]
        last = ask(api, "GET", f"{MV}/search", asked).json
        assert [one["name"] for one in last["model_versions"]] == ["p0"]
        assert "next_page_token" not in last


def test_a_search_of_too_many_versions_asks_for_a_name(tmp_path: Path) -> None:
    with ServerProcess(
        data=tmp_path, settings={"pointsman.wire.mlflow.searches.LOOKED_AT": 5}
    ) as api:
        for name in ("a", "b"):
            model(api, name, versions=3)
        answer = ask(api, "GET", f"{MV}/search")
        assert code(answer) == INVALID
        assert "name = " in answer.json["message"]
        found = ask(api, "GET", f"{MV}/search", {"filter": "name = 'a'"})
        assert len(found.json["model_versions"]) == 3
