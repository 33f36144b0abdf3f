"""The Hub's protocol by hand: headers, redirects, paths that lead elsewhere, damage, who may."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from pointsman.core.access import ROLES
from pointsman.wire.huggingface.routes import ROUTES
from serving import Answer, Api, ServerProcess, place
from wire.permissions import PERMISSIONS

LARGE = os.urandom(5 << 20)
CONFIG = b'{"model_type": "bert"}'
SECRET = b"nobody may read this"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hub")
    (made / "secret.txt").write_bytes(SECRET)
    return made


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(data=folder / "data") as server:
        publish(server, "churn", {"config.json": CONFIG, "a/large.bin": LARGE})
        move(server, "churn", "champion", 1)
        yield server


def publish(api: Api, name: str, files: dict[str, bytes]) -> str:
    """Publish a version with these files; its commit."""
    entries = {}
    for path, data in files.items():
        entries[path] = {"size": len(data), "sha256": sha(data)}
        assert api.put(f"/blobs/{sha(data)}", data).status in (200, 201)
    content = {"files": entries}
    answer = api.post("/versions", {"name": name, "kind": "model", "content": content})
    assert answer.status == 201, answer
    return str(answer.json["version"]["digest"][:40])


def move(api: Api, name: str, alias: str, number: int) -> None:
    body = {"version": number, "reason": "a test"}
    assert api.put(place(name, "aliases", alias, kind="model"), body).status == 200


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def commit_of(api: Api, name: str = "churn", revision: str = "champion") -> str:
    return str(api.get(f"//api/models/{name}/revision/{revision}").json["sha"])


def as_sent(api: Api, path: str, method: str = "GET") -> Answer:
    """Ask at a path exactly as it is written."""
    with api.socket() as line:
        line.send(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {api.own_key}\r\n\r\n".encode()
        )
        return line.answer(method)


def test_a_file_of_a_commit(api: Api) -> None:
    commit = commit_of(api)
    for path, data in (("config.json", CONFIG), ("a/large.bin", LARGE)):
        for method in ("GET", "HEAD"):
            answer = api.request(method, f"//churn/resolve/{commit}/{path}")
            assert (answer.status, answer.body) == (200, data if method == "GET" else b"")
            assert answer.headers["content-length"] == str(len(data))
            assert answer.headers["etag"] == f'"{sha(data)}"'
            assert answer.headers["x-linked-etag"] == f'"{sha(data)}"'
            assert answer.headers["x-linked-size"] == str(len(data))
            assert answer.headers["x-repo-commit"] == commit
            assert answer.headers["accept-ranges"] == "bytes"
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert not [name for name in answer.headers if "xet" in name]
        part = {"Range": "bytes=3-5"}
        answer = api.get(f"//churn/resolve/{commit}/{path}", headers=part)
        assert (answer.status, answer.body) == (206, data[3:6])
        assert answer.headers["content-range"] == f"bytes 3-5/{len(data)}"
        known = {"If-None-Match": f'"{sha(data)}"'}
        assert api.get(f"//churn/resolve/{commit}/{path}", headers=known).status == 304
    answer = api.get(f"//churn/resolve/{commit}/config.json", headers={"Range": "bytes=999-"})
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(CONFIG)}")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("revision", ["champion", "1", "v1", "main", "latest"])
def test_what_can_come_to_mean_something_else_leads_to_the_commit(
    api: Api, method: str, revision: str
) -> None:
    commit = commit_of(api)
    answer = api.request(method, f"//churn/resolve/{revision}/a/large.bin")
    assert (answer.status, answer.body) == (307, b"")
    assert answer.headers["location"] == f"/churn/resolve/{commit}/a/large.bin"
    assert answer.headers["x-repo-commit"] == commit
    assert answer.headers["x-linked-etag"] == f'"{sha(LARGE)}"'
    assert answer.headers["x-linked-size"] == str(len(LARGE))
    assert api.get("/" + answer.headers["location"]).body == LARGE


def test_names_in_folders_and_any_letters(api: Api) -> None:
    for name, spelt in (
        ("org/churn", "org/churn"),
        ("a/b/c", "a%2Fb%2Fc"),
        ("50 % done", "50%20%25%20done"),
        ("tree/revision", "tree/revision"),
        ("org/tree", "org/tree"),
        ("ünï", "%C3%BCn%C3%AF"),
    ):
        commit = publish(api, name, {"a b/ü.json": CONFIG})
        assert commit_of(api, spelt, "main") == commit
        assert api.get(f"//api/models/{spelt}").json["id"] == name
        listed = api.get(f"//api/models/{spelt}/tree/1", query={"recursive": "true"})
        assert [one["path"] for one in listed.json] == ["a b", "a b/ü.json"]
        answer = api.get(f"//{spelt}/resolve/main/a%20b/%C3%BC.json")
        assert answer.status == 307, answer
        assert api.get("/" + answer.headers["location"]).body == CONFIG


_ELSEWHERE = [
    "../config.json",
    "../../secret.txt",
    "a/../config.json",
    "a/../../../secret.txt",
    "/secret.txt",
    "//secret.txt",
    "..\\secret.txt",
    "./config.json",
    "a//large.bin",
    "a/./large.bin",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "\uff0e\uff0e/secret.txt",
    "..\uff0fsecret.txt",
    "config.json/",
    "config.json.",
    "C:/secret.txt",
    "~/secret.txt",
    "config.json\u200b",
]


@pytest.mark.parametrize("path", _ELSEWHERE)
def test_a_path_that_leads_elsewhere_leads_nowhere(api: Api, folder: Path, path: str) -> None:
    commit = commit_of(api)
    assert (folder / "secret.txt").exists()
    once = quote(path, safe="/%")
    every = "".join(f"%{byte:02x}" for byte in path.encode())
    for spelt in (once, quote(path, safe=""), every, quote(every, safe="")):
        for revision in (commit, "champion", "..", "%2e%2e"):
            answer = as_sent(api, f"/churn/resolve/{revision}/{spelt}")
            assert answer.status in (400, 404), (spelt, answer)
            assert SECRET not in answer.body
            assert CONFIG not in answer.body
        for answer in (
            as_sent(api, f"/api/models/churn/tree/{commit}/{spelt}"),
            as_sent(api, f"/api/models/{spelt}/revision/main"),
            as_sent(api, f"/{spelt}/resolve/main/config.json"),
            as_sent(api, f"/churn/resolve/{spelt}/config.json"),
        ):
            assert answer.status in (400, 404), (spelt, answer)


@pytest.mark.parametrize("path", ["%00", "config.json%00", "%ff", "%c0%ae%c0%ae/x", "%ed%a0%80"])
def test_what_is_no_text(api: Api, path: str) -> None:
    commit = commit_of(api)
    for address in (
        f"/churn/resolve/{commit}/{path}",
        f"/api/models/churn/tree/{path}",
        f"/api/models/{path}",
    ):
        answer = as_sent(api, address)
        assert (answer.status, "error" in answer.json) == (400, True), answer


def test_what_is_not_there_is_told_in_headers_too(api: Api) -> None:
    commit = commit_of(api)
    for path, word in (
        ("/api/models/nothing", "RepoNotFound"),
        ("/api/models/nothing/revision/main", "RepoNotFound"),
        ("/nothing/resolve/main/config.json", "RepoNotFound"),
        ("/api/datasets/churn/revision/main", "RepoNotFound"),
        ("/datasets/churn/resolve/main/config.json", "RepoNotFound"),
        ("/api/models/churn/revision/nothing", "RevisionNotFound"),
        ("/api/models/churn/tree/nothing", "RevisionNotFound"),
        (f"/api/models/churn/revision/{commit[:39]}", "RevisionNotFound"),
        ("/churn/resolve/nothing/config.json", "RevisionNotFound"),
        (f"/churn/resolve/{commit}/nothing", "EntryNotFound"),
        (f"/churn/resolve/{commit}/a", "EntryNotFound"),
        ("/churn/resolve/champion/nothing", "EntryNotFound"),
        (f"/api/models/churn/tree/{commit}/nothing", "EntryNotFound"),
    ):
        answer = api.get("/" + path)
        assert (answer.status, answer.headers["x-error-code"]) == (404, word), (path, answer)
        assert answer.headers["x-error-message"] == answer.json["error"]
        if word == "EntryNotFound" and "resolve" in path:
            assert answer.headers["x-repo-commit"] == commit
    answer = api.get("//api/models/%C3%BC%C3%A4")
    assert answer.headers["x-error-message"].startswith("There is no model '??'")
    for path in ("/api/models", "/api/models/", "/api/models/a/b/c/d", "/a/resolve/b/"):
        answer = api.get("/" + path)
        assert (answer.status, answer.json["code"]) == (404, "no_such_address"), path


def test_other_methods(api: Api) -> None:
    for method, path, allowed in (
        ("PUT", "/churn/resolve/main/config.json", "GET, HEAD"),
        ("POST", "/api/models/churn", "GET"),
        ("GET", "/api/models/churn/paths-info/main", "POST"),
        ("DELETE", "/api/models/churn/revision/main", "GET"),
    ):
        answer = api.request(method, "/" + path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed), path


def test_paths_are_told_of(api: Api) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def ask(body: bytes) -> Answer:
        return api.post("//api/models/churn/paths-info/main", body, headers=form)

    told = ask(b"paths=config.json&paths=a&paths=nothing&expand=false")
    assert [(one["type"], one["path"]) for one in told.json] == [
        ("file", "config.json"),
        ("directory", "a"),
    ]
    assert told.json[0]["lfs"]["oid"] == sha(CONFIG)
    assert ask(b"").json == []
    for body, status in (
        (b"&".join([b"paths=x"] * 1_001), 400),
        (b"paths=%ff", 400),
        (b"x" * ((1 << 20) + 1), 413),
    ):
        assert ask(body).status == status


def test_what_is_told_of_a_file_is_what_git_would_hold(api: Api) -> None:
    """As `git hash-object` has it for the file that stands for this one."""
    commit = publish(api, "pointer", {"f": b"hello\n"})
    (one,) = api.get(f"//api/models/pointer/tree/{commit}").json
    text = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:"
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n"
    )
    blob = hashlib.sha1(f"blob {len(text)}\0{text}".encode(), usedforsecurity=False)
    assert (one["oid"], one["lfs"]["pointerSize"]) == (blob.hexdigest(), len(text))


def test_malformed_requests_are_told_as_clients_know_errors(api: Api) -> None:
    for field, status, code in (
        (b"X: " + b"x" * 70_000, 431, "head_too_large"),
        (b"no field", 400, "malformed_http"),
    ):
        for path in (b"/churn/resolve/main/config.json", b"/api/models/churn"):
            with api.socket() as line:
                line.send(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (path, field))
                answer = line.answer()
            assert (answer.status, answer.json["code"]) == (status, code)
            assert answer.headers["x-error-message"] == answer.json["error"]


@pytest.mark.parametrize("size", [100, 5 << 20])
def test_a_damaged_file_is_told_and_never_served(
    api: ServerProcess, folder: Path, size: int
) -> None:
    data = os.urandom(size)
    commit = publish(api, f"damaged-{size}", {"f": data})
    path = f"//damaged-{size}/resolve/{commit}/f"
    assert api.get(path).body == data
    (kept,) = (folder / "data" / "blobs").rglob(sha(data))
    kept.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    part = api.get(path, headers={"Range": "bytes=0-9"})
    assert (part.status, part.json["code"]) == (500, "integrity")
    if size <= 1 << 20:
        whole = api.get(path)
        assert (whole.status, sha(data) in whole.json["error"]) == (500, True)
    else:
        with pytest.raises(http.client.IncompleteRead) as caught:
            api.get(path)
        assert len(caught.value.partial) < size
    assert sha(data) in api.log()


def test_roles(api: Api) -> None:
    assert {f"{method} /{route.path}" for route in ROUTES for method in route.methods} <= set(
        PERMISSIONS
    )
    for role in ROLES:
        key_id, key = api.make_key(role)
        for route in ROUTES:
            path = route.path.replace("{repo}", "churn").replace("{revision}", "main")
            path = "/" + path.replace("{path}", "a" if route.does == "tree" else "config.json")
            for method in route.methods:
                needed = PERMISSIONS[f"{method} /{route.path}"]
                allowed = ROLES.index(role) >= ROLES.index(needed)
                assert (api.request(method, path, key=key).status in (200, 307)) == allowed
                assert api.request(method, path, key=None).status == 401
        assert api.delete(f"/keys/{key_id}").status == 200
        gone = api.get("//api/models/churn", key=key)
        assert (gone.status, gone.json["code"]) == (401, "revoked_key")


def test_another_project_finds_nothing(api: Api) -> None:
    assert api.post("/projects", {"name": "elsewhere"}).status == 201
    there = {"Pointsman-Project": "elsewhere"}
    made = api.post("/keys", {"name": "s", "role": "admin"}, headers=there)
    stranger = made.json["secret"]
    for path in ("//api/models/churn", f"//churn/resolve/{commit_of(api)}/config.json"):
        answer = api.get(path, key=stranger)
        assert (answer.status, answer.headers["x-error-code"]) == (404, "RepoNotFound")
        named = api.get(path, key=stranger, headers={"Pointsman-Project": "default"})
        assert (named.status, named.headers["x-error-code"]) == (403, "GatedRepo")
        assert api.get(path, headers=there).status == 404  # the first admin names any project


def test_our_own_addresses_stay_ours(api: Api) -> None:
    for path in ("//api/v1/resolve/a/b", "//api/v1/resolve/a/resolve/b", "//x/y/z/resolve/a/b"):
        assert api.get(path).headers["content-type"] == "application/problem+json"
    for path in ("//projects/resolve/main/x", "//projects/a/resolve/b/c", "//static/resolve/b/c"):
        assert "x-error-message" not in api.get(path).headers
    publish(api, "api/v1", {"resolve": CONFIG})
    assert api.get("//api/v1/resolve/main/resolve").code == "artifact_not_found"
