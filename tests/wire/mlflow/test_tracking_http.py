"""MLflow's tracking protocol by bare requests: bad input, cut uploads, ways out, who may what."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from pointsman.core.access import ROLES
from pointsman.core.vocabulary import Role
from pointsman.wire.mlflow.routes import Route
from pointsman.wire.mlflow.tracking.artifacts import PREFIXES as FILES
from pointsman.wire.mlflow.tracking.artifacts import VERBS
from pointsman.wire.mlflow.tracking.routes import PREFIXES, ROUTES
from serving import Answer, ServerProcess, place, server_on

NONE = "0" * 32
LEAST: dict[str, Role] = {
    "POST experiments/create": "editor",
    "GET experiments/get": "viewer",
    "GET experiments/get-by-name": "viewer",
    "GET experiments/search": "viewer",
    "POST experiments/search": "viewer",
    "POST experiments/update": "editor",
    "POST experiments/delete": "editor",
    "POST experiments/restore": "editor",
    "POST experiments/set-experiment-tag": "editor",
    "DELETE experiments/delete-experiment-tag": "editor",
    "POST runs/create": "editor",
    "GET runs/get": "viewer",
    "POST runs/update": "editor",
    "POST runs/delete": "editor",
    "POST runs/restore": "editor",
    "POST runs/search": "viewer",
    "POST runs/log-metric": "editor",
    "POST runs/log-parameter": "editor",
    "POST runs/log-batch": "editor",
    "POST runs/log-inputs": "editor",
    "POST runs/outputs": "editor",
    "POST runs/set-tag": "editor",
    "POST runs/delete-tag": "editor",
    "GET metrics/get-history": "viewer",
    "POST logged-models": "editor",
    "POST logged-models/search": "viewer",
    "GET logged-models/{model_id}": "viewer",
    "PATCH logged-models/{model_id}": "editor",
    "DELETE logged-models/{model_id}": "editor",
    "POST logged-models/{model_id}/params": "editor",
    "PATCH logged-models/{model_id}/tags": "editor",
    "DELETE logged-models/{model_id}/tags/{tag_key}": "editor",
    "POST traces": "editor",
    "GET traces/get": "viewer",
    "POST traces/link-prompts": "editor",
    "GET traces/{trace_id}": "viewer",
    "PATCH traces/{trace_id}/tags": "editor",
    "DELETE traces/{trace_id}/tags": "editor",
}
"""The least role that each operation asks for, written down on purpose."""
LEAST_FOR_FILES: dict[str, Role] = {
    "GET": "viewer",
    "HEAD": "viewer",
    "PUT": "editor",
    "DELETE": "editor",
}
INVALID = (400, "INVALID_PARAMETER_VALUE")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POINTSMAN_BLOBS", f"file://{folder}/kept-{request.param}")
        with server_on(request, folder / "data") as server:
            yield server
            assert server.get("/doctor").json["findings"] == []
            assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def secrets(api: ServerProcess) -> dict[str, str]:
    return {role: api.make_key(role)[1] for role in ROLES}


def ask(api: ServerProcess, method: str, path: str, values: Any = None, **more: Any) -> Answer:
    """Ask for an operation; `values` are its parameters."""
    path = path.format(model_id=f"m-{NONE}", trace_id=f"tr-{NONE}", tag_key="k")
    if method == "GET":
        query = values if isinstance(values, dict) else None
        return api.request(method, f"/{PREFIXES[0]}{path}", query=query, **more)
    return api.request(method, f"/{PREFIXES[0]}{path}", values, **more)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.json["error_code"])


def run_of(api: ServerProcess, **more: Any) -> dict[str, Any]:
    made = ask(api, "POST", "runs/create", {"experiment_id": "0", **more})
    assert made.status == 200, made
    info: dict[str, Any] = made.json["run"]["info"]
    return info


def root_of(api: ServerProcess) -> str:
    """Where the files of a new run are."""
    return str(run_of(api)["artifact_uri"]).removeprefix("mlflow-artifacts:/")


def file(api: ServerProcess, method: str, path: str, data: object = None, **more: Any) -> Answer:
    return api.request(method, f"/{FILES[0]}/{quote(path)}", data, **more)


def listed(api: ServerProcess, path: str) -> list[str]:
    answer = api.get(f"/{FILES[0]}", query={"path": path})
    assert answer.status == 200, answer
    return [one["path"] for one in answer.json.get("files", [])]


def kept(folder: Path) -> set[Path]:
    return {one for one in folder.glob("kept-*/**/*") if one.is_file()}


# -- who may


def test_every_operation_has_its_least_role() -> None:
    assert {f"{one.method} {one.path}" for one in ROUTES} == set(LEAST)
    assert set(VERBS) == set(LEAST_FOR_FILES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
def test_nobody_gets_in_without_a_key(api: ServerProcess, route: Route) -> None:
    said = base64.b64encode(b"ana:wrong").decode()
    for headers in ({}, {"Authorization": f"Basic {said}"}):
        answer = ask(api, route.method, route.path, {}, key=None, headers=headers)
        assert code(answer) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
def test_a_lower_role_is_refused(api: ServerProcess, secrets: dict[str, str], route: Route) -> None:
    least = ROLES.index(LEAST[f"{route.method} {route.path}"])
    for role in ROLES:
        answer = ask(api, route.method, route.path, {}, key=secrets[role])
        assert (answer.status == 403) == (ROLES.index(role) < least), (role, answer)
        assert answer.status < 500


@pytest.mark.parametrize("method", LEAST_FOR_FILES)
def test_a_lower_role_has_no_files(
    api: ServerProcess, secrets: dict[str, str], method: str
) -> None:
    root = root_of(api)
    _, moving = api.make_key("releaser", verbs=["move"])
    assert api.request(method, f"/{FILES[0]}", key=moving).status == 403
    least = ROLES.index(LEAST_FOR_FILES[method])
    for path in (f"{root}/x", "nonsense", "versions/1/1/x"):
        assert file(api, method, path, b"x", key=None).status == 401
        for role in ROLES:
            answer = file(api, method, path, b"x", key=secrets[role])
            assert (answer.status == 403) == (ROLES.index(role) < least), (role, answer)


@pytest.mark.parametrize("prefix", [*PREFIXES])
def test_every_prefix_answers(api: ServerProcess, prefix: str) -> None:
    answer = api.get(f"/{prefix}experiments/get", query={"experiment_id": "0"})
    assert answer.json["experiment"]["name"] == "Default"


def test_projects_are_apart(api: ServerProcess) -> None:
    assert api.post("/projects", {"name": "apart"}).status == 201
    headers = {"X-MLFLOW-WORKSPACE": "apart"}
    root = root_of(api)
    assert file(api, "PUT", f"{root}/x", b"x").status == 200
    assert code(file(api, "GET", f"{root}/x", headers=headers)) == MISSING
    assert code(file(api, "PUT", f"{root}/x", b"y", headers=headers)) == MISSING
    found = ask(api, "GET", "runs/get", {"run_id": root.split("/")[1]}, headers=headers)
    assert code(found) == MISSING


# -- what is asked


@pytest.mark.parametrize("route", ROUTES, ids=lambda one: f"{one.method} {one.path}")
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"run_id": 3, "experiment_id": [], "name": {}, "status": 1, "tags": "x", "metrics": 4},
        {"run_id": "x\0", "experiment_id": "x\0", "name": "\0", "key": "\0", "value": "\0"},
        {"run_id": "\ud800", "experiment_id": "-1", "name": "x" * 10_000, "page_token": "a~b~c"},
        {"experiment_id": "9" * 400, "experiment_ids": ["x"], "run_id": NONE, "max_results": "x"},
        {"tags": [{"key": 1}], "params": [{}], "metrics": [{}], "models": [{}], "trace": {}},
        {"trace": {"trace_info": {"trace_id": "../x", "tags": []}}, "prompt_versions": [3]},
        {"metrics": [{"key": "m", "value": "x", "timestamp": 1}], "run_id": NONE},
        {"filter": "OR OR", "max_results": 10**30, "experiment_ids": ["0"] * 200},
    ],
)
def test_no_input_is_an_error_of_the_server(
    api: ServerProcess, route: Route, values: dict[str, Any]
) -> None:
    if route.method == "GET":
        values = {
            key: value.encode(errors="surrogatepass") if isinstance(value, str) else value
            for key, value in values.items()
        }
    answer = ask(api, route.method, route.path, values)
    assert 200 <= answer.status < 500, answer
    assert answer.status in (200, 400, 404), answer
    assert isinstance(answer.json, dict)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("path", ["runs/create", "runs/log-batch", "logged-models", "traces"])
def test_bad_bodies_are_read_as_nothing(api: ServerProcess, path: str, body: bytes) -> None:
    answer = ask(api, "POST", path, body)
    assert answer.status in (200, 400)


@pytest.mark.parametrize(
    "said",
    [
        {"key": "m", "timestamp": 1},
        {"key": "m", "value": 1},
        {"value": 1, "timestamp": 1},
        {"key": "m", "value": "one", "timestamp": 1},
        {"key": "m", "value": True, "timestamp": 1},
        {"key": "m", "value": 1, "timestamp": "soon"},
        {"key": "m", "value": 1, "timestamp": 2**70},
        {"key": "m", "value": 1, "timestamp": 1, "step": 0.5},
        {"key": "m" * 300, "value": 1, "timestamp": 1},
        {"key": "", "value": 1, "timestamp": 1},
        {"key": "m", "value": 1, "timestamp": 1, "model_id": 3},
    ],
)
def test_a_bad_point_is_refused(api: ServerProcess, said: dict[str, Any]) -> None:
    run = run_of(api)["run_id"]
    assert code(ask(api, "POST", "runs/log-metric", {"run_id": run, **said})) == INVALID
    batch = {"run_id": run, "metrics": [said], "tags": [{"key": "t", "value": "v"}]}
    assert code(ask(api, "POST", "runs/log-batch", batch)) == INVALID
    data = ask(api, "GET", "runs/get", {"run_id": run}).json["run"]["data"]
    assert [one["key"] for one in data["tags"]] == ["mlflow.runName"]
    assert "metrics" not in data


def test_numbers_without_a_sign_come_back(api: ServerProcess) -> None:
    run = run_of(api)["run_id"]
    for value in ("NaN", "Infinity", "-Infinity", 1e308, -0.0, 7):
        said = {"run_id": run, "key": "m", "value": value, "timestamp": 1}
        assert ask(api, "POST", "runs/log-metric", said).status == 200
        found = ask(api, "GET", "runs/get", {"run_id": run}).json["run"]["data"]["metrics"]
        assert found[0]["value"] == value


def test_a_param_twice_in_a_batch(api: ServerProcess) -> None:
    run = run_of(api)["run_id"]
    same = [{"key": "k", "value": "v"}] * 2
    assert ask(api, "POST", "runs/log-batch", {"run_id": run, "params": same}).status == 200
    other = [{"key": "o", "value": "v"}, {"key": "o", "value": "w"}]
    assert code(ask(api, "POST", "runs/log-batch", {"run_id": run, "params": other})) == INVALID


def test_a_history_has_pages(api: ServerProcess) -> None:
    run = run_of(api)["run_id"]
    points = [{"key": "m", "value": n / 7, "timestamp": n, "step": n // 2} for n in range(25)]
    assert ask(api, "POST", "runs/log-batch", {"run_id": run, "metrics": points}).status == 200
    found, token = [], ""
    while True:
        asked = {"run_id": run, "metric_key": "m", "max_results": 10, "page_token": token}
        answer = ask(api, "GET", "metrics/get-history", asked).json
        found += answer.get("metrics", [])
        token = answer.get("next_page_token", "")
        if not token:
            break
    assert found == points
    bad = {"run_id": run, "metric_key": "m", "page_token": "x~y"}
    assert code(ask(api, "GET", "metrics/get-history", bad)) == INVALID


def test_a_search_that_looks_at_much_goes_on_in_pages(tmp_path: Path) -> None:
    settings = {"pointsman.wire.mlflow.tracking.paging.MOST": 4}
    settings["pointsman.wire.mlflow.tracking.paging.STEP"] = 3
    with ServerProcess(data=tmp_path, settings=settings) as api:
        for name in ("one", "two"):
            assert ask(api, "POST", "experiments/create", {"name": name}).status == 200
        made: dict[str, list[str]] = {"runs": [], "models": []}
        for number in range(11):
            home = str(number % 2 + 1)
            kind = "wanted" if number % 5 == 0 else "other"
            run = {"experiment_id": home, "tags": [{"key": "kind", "value": kind}]}
            made["runs"].append(run_of(api, **run)["run_id"])
            model = {"experiment_id": home, "name": kind}
            answer = ask(api, "POST", "logged-models", model).json
            made["models"].append(answer["model"]["info"]["model_id"])
        for what, path, said, key in (
            ("runs", "runs/search", "tags.kind = 'wanted'", "run_id"),
            ("models", "logged-models/search", "name = 'wanted'", "model_id"),
        ):
            found, pages, token = [], 0, ""
            while True:
                asked = {"experiment_ids": ["1", "2"], "filter": said, "page_token": token}
                answer = ask(api, "POST", path, asked).json
                found += [one["info"][key] for one in answer.get(what, [])]
                pages, token = pages + 1, answer.get("next_page_token", "")
                if not token:
                    break
            ids = made[what]
            assert (found, pages) == ([ids[10], ids[0], ids[5]], 3)


def test_datasets_of_any_name_are_kept(api: ServerProcess) -> None:
    run = run_of(api)["run_id"]
    datasets = [
        {"dataset": {"name": "n" * 500, "digest": digest, "source": "s", "source_type": "t"}}
        for digest in ("a", "b", "a")
    ]
    said = {"run_id": run, "datasets": datasets, "models": [{"model_id": "m-1"}]}
    assert ask(api, "POST", "runs/log-inputs", said).status == 200
    inputs = ask(api, "GET", "runs/get", {"run_id": run}).json["run"]["inputs"]
    assert {one["dataset"]["digest"] for one in inputs["dataset_inputs"]} == {"a", "b"}
    assert inputs["model_inputs"] == [{"model_id": "m-1"}]


def test_what_can_not_be_searched_for_is_told(api: ServerProcess) -> None:
    for said in ({"filter": "metrics.auc > 0.5"}, {"order_by": ["metrics.auc DESC"]}):
        answer = ask(api, "POST", "runs/search", {"experiment_ids": ["0"], **said})
        assert code(answer) == INVALID
    newest = {"experiment_ids": ["0"], "order_by": ["attribute.start_time DESC"]}
    assert ask(api, "POST", "runs/search", newest).status == 200


def test_spans_are_told_to_come_as_a_file(api: ServerProcess) -> None:
    for body in (b"", b"\x0a\xff\xff", os.urandom(1_000_000)):
        answer = api.post("//v1/traces", body, headers={"Content-Type": "application/x-protobuf"})
        assert code(answer) == (501, "NOT_IMPLEMENTED")
        assert "REST OTLP span logging is not supported" in answer.json["message"]


# -- files


def test_a_file_is_put_read_listed_and_removed(api: ServerProcess) -> None:
    root = root_of(api)
    data = os.urandom(3_000_000)
    assert file(api, "PUT", f"{root}/a b/ü.bin", data).json == {}
    got = file(api, "GET", f"{root}/a b/ü.bin")
    assert (got.status, got.body, got.headers["content-length"]) == (200, data, "3000000")
    assert got.headers["content-disposition"] == "attachment"
    assert got.headers["x-content-type-options"] == "nosniff"
    head = file(api, "HEAD", f"{root}/a b/ü.bin")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3000000")
    part = file(api, "GET", f"{root}/a b/ü.bin", headers={"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, data[5:10])
    assert listed(api, root) == ["a b"]
    assert listed(api, f"{root}/") == ["a b"]
    assert listed(api, f"{root}/a b") == ["ü.bin"]
    assert listed(api, f"{root}/a b/ü.bin") == []
    assert file(api, "DELETE", f"{root}/a b").json == {}
    assert file(api, "DELETE", f"{root}/a b").json == {}
    assert code(file(api, "GET", f"{root}/a b/ü.bin")) == MISSING
    assert api.get(f"/{FILES[0]}").json == {}
    assert api.get(f"/{FILES[1]}", query={"path": root}).json == {}


WAYS_OUT = [
    "..",
    "../x",
    "../../../../../../etc/passwd",
    "a/../../x",
    "a/..",
    "./a",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "..%2fx",
    "%2E%2E%2F%2E%2E%2Fx",
    "%252e%252e%252fx",
    "%25252e%25252e%25252fx",
    "..%5cx",
    "%5c..%5cx",
    "%c0%ae%c0%ae/x",
    "%e0%80%ae%e0%80%ae/x",
    "%ef%bc%8e%ef%bc%8e/x",
    "..%ef%bc%8fx",
    "%u002e%u002e/x",
    "a//b",
    "/x",
    "%2fetc%2fpasswd",
    "C:%5cx",
    "C:/x",
    "a%00b",
    "a%0ab",
    "%ff",
    "a%2f..%2f..%2fx",
    "x/" * 600 + "x",
    "x" * 300,
    "a;/../x",
    "..;/x",
    ".../x",
]


@pytest.mark.parametrize("way", [one for one in WAYS_OUT if one not in ("a;/../x", "..;/x")])
def test_no_way_leads_out(api: ServerProcess, folder: Path, way: str) -> None:
    root = root_of(api)
    before = kept(folder)
    for method in ("PUT", "GET", "DELETE"):
        answer = api.request(method, f"/{FILES[0]}/{root}/{way}", b"x")
        assert code(answer) == INVALID, (method, answer)
    assert api.get(f"/{FILES[0]}?path={quote(root)}/{way}").status == 400
    assert kept(folder) == before
    assert listed(api, root) == []


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_source_leads_nowhere_else(api: ServerProcess, way: str) -> None:
    run = run_of(api)
    name = f"ways-{WAYS_OUT.index(way)}-{run['run_id'][:6]}"
    assert ask(api, "POST", "registered-models/create", {"name": name}).status == 200
    said = {"name": name, "source": f"{run['artifact_uri']}/{way}", "run_id": run["run_id"]}
    answer = ask(api, "POST", "model-versions/create", said)
    if answer.status == 200:  # kept as it was written, without any file of ours
        content = api.get(place(name, "versions", 1, kind="model")).json["content"]
        assert content["uri"] == said["source"]
        assert "files" not in content
    else:
        assert answer.status == 400


def test_files_are_for_what_is_there(api: ServerProcess, folder: Path) -> None:
    before = kept(folder)
    for path in (
        f"0/{NONE}/artifacts/x",
        f"0/models/m-{NONE}/artifacts/x",
        f"0/traces/tr-{NONE}/artifacts/x",
        f"4711/{root_of(api).split('/')[1]}/artifacts/x",
    ):
        assert code(file(api, "PUT", path, b"x")) == MISSING
        assert code(file(api, "GET", path)) == MISSING
    for path in ("x", "0/x", f"0/{NONE}/x", "versions/1/1/x", "versions/999999999999/1/x"):
        assert code(file(api, "PUT", path, b"x")) == INVALID
    assert code(file(api, "GET", "versions/999999999999/1/x")) == MISSING
    assert code(file(api, "POST", root_of(api), b"x")) == (405, "BAD_REQUEST")
    assert kept(folder) == before


def test_a_file_is_not_a_folder(api: ServerProcess) -> None:
    root = root_of(api)
    assert file(api, "PUT", f"{root}/a/b", b"x").status == 200
    assert code(file(api, "PUT", f"{root}/a", b"x")) == INVALID
    assert code(file(api, "PUT", f"{root}/a/b/c", b"x")) == INVALID


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 2, 99, 65_536, 1_048_577, 2_999_999])
def test_an_upload_that_breaks_off_leaves_nothing(
    api: ServerProcess, folder: Path, cut: int, *, chunked: bool
) -> None:
    root, data = root_of(api), os.urandom(3_000_000)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
    head = (
        f"PUT {FILES[0]}/{root}/x HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {api.own_key}\r\n{length}\r\n\r\n"
    )
    body = data[:cut]
    if chunked and cut:
        body = f"{cut:x}\r\n".encode() + body + b"\r\n"
    with api.socket() as line:
        line.send(head.encode(), body)
    # The server has seen the end of it once it has answered what came after and keeps no part.
    assert listed(api, root) == []
    _until(lambda: not any(one.suffix == ".part" for one in kept(folder)))
    named = {hashlib.sha256(one).hexdigest() for one in (data, data[:cut]) if one}
    assert not named & {one.name for one in kept(folder)}
    assert code(file(api, "GET", f"{root}/x")) == MISSING


def _until(condition: Any) -> None:
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.02)
    assert condition()


def test_one_file_by_many_at_once_is_one_of_them(api: ServerProcess) -> None:
    root = root_of(api)
    contents = [os.urandom(1_500_000) for _ in range(4)]
    answers: list[int] = []

    def put(data: bytes) -> None:
        answers.append(file(api, "PUT", f"{root}/x", data).status)

    threads = [threading.Thread(target=put, args=(one,)) for one in contents * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert file(api, "GET", f"{root}/x").body in contents


def test_memory_does_not_grow_with_a_file(api: ServerProcess) -> None:
    root = root_of(api)
    piece = os.urandom(1 << 20)

    process = psutil.Process(api.pid)
    seen = [process.memory_info().rss]

    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            yield piece
            seen.append(process.memory_info().rss)

    with api.connect() as connection:
        headers = {"Authorization": f"Bearer {api.own_key}", "Content-Length": str(200 << 20)}
        connection.request("PUT", f"{FILES[0]}/{root}/large", pieces(), headers)
        assert connection.getresponse().read() == b"{}"
    assert max(seen) - seen[0] < 60 << 20
    assert file(api, "DELETE", f"{root}/large").json == {}


# -- versions


def test_the_address_of_files_is_that_by_which_the_client_came(api: ServerProcess) -> None:
    run = run_of(api)
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert file(api, "PUT", f"{root}/m/MLmodel", b"x").status == 200
    name = f"addressed-{run['run_id'][:6]}"
    assert ask(api, "POST", "registered-models/create", {"name": name}).status == 200
    said = {"name": name, "source": f"{run['artifact_uri']}/m", "run_id": run["run_id"]}
    assert ask(api, "POST", "model-versions/create", said).status == 200
    asked = {"name": name, "version": "1"}

    def told(**headers: str) -> str:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        answer = ask(api, "GET", "model-versions/get-download-uri", asked, headers=named)
        return str(answer.json["artifact_uri"])

    path = told().removeprefix(f"{api.url}{FILES[0]}/")
    assert file(api, "GET", f"{path}/MLmodel").body == b"x"
    assert listed(api, path) == ["MLmodel"]
    assert code(file(api, "PUT", f"{path}/MLmodel", b"y")) == INVALID
    assert code(file(api, "DELETE", f"{path}/MLmodel")) == INVALID
    behind = told(Host="pointsman.example.com", X_Forwarded_Proto="https")
    assert behind == f"https://pointsman.example.com{FILES[0]}/{path}"
    assert told(Host="x/../evil", X_Forwarded_Proto="gopher") == f"mlflow-artifacts:/{path}"
    assert file(api, "DELETE", f"{root}/m").status == 200
    assert file(api, "GET", f"{path}/MLmodel").body == b"x"
    assert api.request("PUT", place(name, "versions", 1, "tombstone", kind="model"),
                       {"reason": "gone"}).status == 200  # fmt: skip
    assert file(api, "GET", f"{path}/MLmodel").status in (404, 410)


def test_metrics_and_params_of_a_version_are_facts(api: ServerProcess) -> None:
    run = run_of(api)
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert file(api, "PUT", f"{root}/m/MLmodel", b"x").status == 200
    batch = {
        "run_id": run["run_id"],
        "metrics": [{"key": f"m{n}", "value": n, "timestamp": 1} for n in range(900)],
        "params": [{"key": "p", "value": "v"}],
    }
    assert ask(api, "POST", "runs/log-batch", batch).status == 200
    name = f"facts-{run['run_id'][:6]}"
    assert ask(api, "POST", "registered-models/create", {"name": name}).status == 200
    said = {"name": name, "source": f"runs:/{run['run_id']}/m", "run_id": run["run_id"]}
    made = ask(api, "POST", "model-versions/create", said)
    assert made.status == 200, made
    assert made.json["model_version"]["source"] == said["source"]
    content = api.get(place(name, "versions", 1, kind="model")).json["content"]
    assert (len(content["metrics"]), content["parameters"]) == (900, {"p": "v"})
    found = ask(
        api, "GET", "model-versions/search", {"filter": f"source_path = '{said['source']}'"}
    )
    assert [one["name"] for one in found.json["model_versions"]] == [name]
    assert json.dumps(content).count(run["run_id"]) == 2
