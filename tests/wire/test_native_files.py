"""Files over HTTP: uploads that lie or break off, downloads in parts, damage, and who may."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from starlette.requests import Request

from pointsman.app.application import Application, Caller
from pointsman.app.blobs import File, Upload
from pointsman.compose import open_store
from pointsman.core.access import ROLES, Actor
from pointsman.storage.blobs import Folder
from pointsman.wire.streaming import Carrier
from serving import Answer, Api, ServerProcess, place
from wire.permissions import PERMISSIONS

LARGE = os.urandom(5 << 20)
SMALL = b"a small file\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, folder: Path) -> Iterator[ServerProcess]:
    """A server with a model of two files."""
    with pytest.MonkeyPatch.context() as patched:
        where: dict[str, object] = {"data": folder / "data"}
        if request.param == "postgres":
            databases = request.getfixturevalue("databases")
            name = databases.migrated()
            where = {"database": databases.url(name)}
            patched.setenv("POINTSMAN_BLOBS", f"file://{folder}/postgres")
        server = ServerProcess(**where)  # type: ignore[arg-type]
    with server:
        for data in (LARGE, SMALL):
            assert upload(server, data).status == 201
        assert publish(server, "churn", {"a/large.bin": LARGE, "small ä.txt": SMALL}).status == 201
        yield server
    if request.param == "postgres":
        databases.drop(name)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upload(api: Api, data: bytes, **more: object) -> Answer:
    return api.put(f"/blobs/{sha(data)}", data, **more)


def publish(api: Api, name: str, files: dict[str, bytes]) -> Answer:
    entries = {path: {"size": len(one), "sha256": sha(one)} for path, one in files.items()}
    return api.post("/versions", {"name": name, "kind": "model", "content": {"files": entries}})


def path_of(path: str, name: str = "churn", number: int = 1) -> str:
    return place(name, "versions", number, "files", path, kind="model")


def is_there(api: Api, data: bytes) -> bool:
    answer = api.request("HEAD", f"/blobs/{sha(data)}")
    assert answer.status in (200, 404)
    assert answer.body == b""
    assert answer.status == 404 or answer.headers["content-length"] == str(len(data))
    return answer.status == 200


def files_of(folder: Path) -> list[Path]:
    """Everything that is kept, whatever it is called."""
    return [one for place in folder.rglob("blobs") for one in place.rglob("*") if one.is_file()] + [
        one for one in folder.glob("postgres/**/*") if one.is_file()
    ]


# Uploads


def test_an_upload(api: Api) -> None:
    data = os.urandom(1_000)
    assert not is_there(api, data)
    first = upload(api, data)
    assert (first.status, first.json) == (
        201,
        {"sha256": sha(data), "size": 1_000, "created": True},
    )
    again = upload(api, data)
    assert (again.status, again.json["created"]) == (200, False)
    assert is_there(api, data)
    assert upload(api, b"").status == 201


def test_an_upload_without_a_length_and_larger_than_any_body(api: Api) -> None:
    data = os.urandom(9 << 20)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    with api.connect() as connection:
        headers = {"Authorization": f"Bearer {api.own_key}", "Transfer-Encoding": "chunked"}
        path = f"/api/v1/blobs/{sha(data)}"
        connection.request("PUT", path, pieces(), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, len(response.read()) > 0) == (201, True)
    assert is_there(api, data)


def test_memory_stays_flat(api: ServerProcess) -> None:
    piece = os.urandom(1 << 20)
    count = 160
    total = hashlib.sha256()
    for _ in range(count):
        total.update(piece)
    before = psutil.Process(api.pid).memory_info().rss
    most = [before]
    with api.connect() as connection:
        connection.putrequest("PUT", f"/api/v1/blobs/{total.hexdigest()}")
        connection.putheader("Authorization", f"Bearer {api.own_key}")
        connection.putheader("Content-Length", str(count << 20))
        connection.endheaders()
        for _ in range(count):
            connection.send(piece)
            most.append(psutil.Process(api.pid).memory_info().rss)
        assert connection.getresponse().read()
    assert max(most) - before < 64 << 20


@pytest.mark.parametrize("body", [b"other", SMALL[:-1], SMALL + b"x", b""])
def test_other_bytes_than_announced(api: Api, folder: Path, body: bytes) -> None:
    data = os.urandom(20)
    before = set(files_of(folder))
    answer = api.put(f"/blobs/{sha(data)}", body)
    assert (answer.status, answer.code) == (400, "wrong_sha256")
    assert not is_there(api, data)
    assert set(files_of(folder)) == before


@pytest.mark.parametrize(
    "name", ["x", "A" * 64, "0" * 63, "..%2f" + "0" * 59, "%2e%2e", "0" * 64 + "%00"]
)
def test_what_is_no_digest(api: Api, folder: Path, name: str) -> None:
    before = set(files_of(folder))
    answer = api.put(f"/blobs/{name}", b"x")
    assert (answer.status, answer.code in ("invalid_sha256", "nul_character")) == (400, True)
    assert api.request("HEAD", f"/blobs/{name}").status == 400
    assert set(files_of(folder)) == before


@pytest.mark.parametrize("share", [0, 1, 100_000, (3 << 20) - 1])
def test_an_upload_that_is_cut(
    api: Api, folder: Path, share: int, eventually: Callable[..., None]
) -> None:
    data = os.urandom(3 << 20)
    before = set(files_of(folder))
    for head in (f"Content-Length: {len(data)}", "Transfer-Encoding: chunked"):
        with api.socket() as line:
            line.send(
                f"PUT /api/v1/blobs/{sha(data)} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {api.own_key}\r\n{head}\r\n\r\n".encode()
            )
            part = data[:share]
            if part and "chunked" in head:
                part = f"{len(part):x}\r\n".encode() + part + b"\r\n"
            line.send(part)
        eventually(lambda: set(files_of(folder)) == before, "nothing left")
    assert not is_there(api, data)
    refused = publish(api, "cut", {"a": data})
    assert (refused.status, refused.code) == (409, "files_missing")
    assert refused.json["details"] == {"missing": [sha(data)]}


def test_the_same_file_from_many_at_once(api: Api, folder: Path) -> None:
    data = os.urandom(2 << 20)
    answers: list[int] = []

    def send() -> None:
        answers.append(upload(api, data).status)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(answers) <= {200, 201}
    assert 201 in answers
    assert sum(one.name == sha(data) for one in files_of(folder)) == 1
    assert not [one for one in files_of(folder) if one.suffix == ".part"]
    assert publish(api, "together", {"f": data}).status in (200, 201)
    assert api.get(path_of("f", "together")).body == data


# Downloads


def test_a_download(api: Api) -> None:
    for path, data in (("a/large.bin", LARGE), ("small ä.txt", SMALL)):
        whole = api.get(path_of(path))
        assert (whole.status, whole.body) == (200, data)
        assert whole.headers["etag"] == f'"{sha(data)}"'
        assert whole.headers["content-type"] == "application/octet-stream"
        assert whole.headers["content-disposition"] == "attachment"
        assert whole.headers["x-content-type-options"] == "nosniff"
        head = api.request("HEAD", path_of(path))
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(data))
        for known in (whole.headers["etag"], f'"x", W/{whole.headers["etag"]}', "*"):
            same = api.get(path_of(path), headers={"If-None-Match": known})
            assert (same.status, same.body) == (304, b"")
        assert api.get(path_of(path), headers={"If-None-Match": '"x"'}).status == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, None),
        ("bytes=5-8", 5, 9),
        ("bytes=-4", -4, None),
        ("bytes=0-99999999999", 0, None),
        ("bytes=-99999999999", 0, None),
    ],
)
def test_a_range(api: Api, asked: str, start: int, end: int | None) -> None:
    for path, data in (("a/large.bin", LARGE), ("small ä.txt", SMALL)):
        part = api.get(path_of(path), headers={"Range": asked})
        first = start % len(data)
        last = len(data) if end is None else end
        assert (part.status, part.body) == (206, data[first:last])
        assert part.headers["content-range"] == f"bytes {first}-{last - 1}/{len(data)}"
        same = {"Range": asked, "If-Range": f'"{sha(data)}"'}
        assert api.get(path_of(path), headers=same).status == 206
        other = api.get(path_of(path), headers={"Range": asked, "If-Range": '"x"'})
        assert (other.status, other.body) == (200, data)


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-", "x"])
def test_what_is_no_range_is_left_out(api: Api, asked: str) -> None:
    answer = api.get(path_of("small ä.txt"), headers={"Range": asked})
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("asked", ["bytes=13-", "bytes=9999-10000", "bytes=-0"])
def test_a_range_behind_the_end(api: Api, asked: str) -> None:
    answer = api.get(path_of("small ä.txt"), headers={"Range": asked})
    assert (answer.status, answer.code) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(SMALL)}"


@pytest.mark.parametrize(
    "path",
    [
        "../small ä.txt",
        "..",
        "/etc/passwd",
        "a/../../../etc/passwd",
        "..\\..\\registry.db",
        "%2e%2e/registry.db",
        "%252e%252e%252fregistry.db",
        "\uff0e\uff0e/registry.db",
        "a//large.bin",
        "a/./large.bin",
        "C:/x",
    ],
)
def test_a_path_that_leads_elsewhere(api: Api, path: str) -> None:
    for spelt in (quote(path, safe=""), quote(path, safe="%")):
        base = place("churn", "versions", 1, "files", kind="model")
        answer = api.get(f"{base}/{spelt}")
        assert answer.status in (400, 404), answer
        assert b"root:" not in answer.body
    refused = publish(api, "leads-elsewhere", {path: SMALL})
    assert (refused.status, refused.json["reasons"] != []) == (400, True)


def test_what_is_not_there(api: Api) -> None:
    for path, code in (
        (path_of("nothing"), "file_not_found"),
        (path_of("a"), "file_not_found"),
        (path_of("A/LARGE.bin"), "file_not_found"),
        (path_of("x", number=9), "version_not_found"),
        (path_of("x", name="unknown"), "artifact_not_found"),
        (f"/artifacts/prompt/churn/versions/1/files/{sha(SMALL)}", "no_such_address"),
        (f"/blobs/{sha(SMALL)}/x", "no_such_address"),
    ):
        answer = api.get(path)
        assert (answer.status, answer.code) == (404, code), path
    assert api.get(f"/blobs/{sha(SMALL)}").code == "method_not_allowed"
    assert api.get(path_of("a/large.bin"), query={"x": 1}).code == "unknown_field"


def test_a_removed_version_s_files_are_gone(api: Api) -> None:
    assert publish(api, "removed", {"f": SMALL}).status == 201
    path = place("removed", "versions", 1, "tombstone", kind="model")
    assert api.put(path, {"reason": "not ours"}).status == 200
    answer = api.get(path_of("f", "removed"))
    assert (answer.status, answer.code) == (410, "tombstoned")


def test_a_reader_that_goes_away_holds_nobody_up(api: Api) -> None:
    for _ in range(6):
        with api.socket() as line:
            line.send(
                f"GET /api/v1{path_of('a/large.bin')} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {api.own_key}\r\n\r\n".encode()
            )
            line.socket.recv(1_000)
    assert api.get(path_of("a/large.bin")).body == LARGE


# Damage


@pytest.mark.parametrize("size", [100, 5 << 20])
def test_a_damaged_blob_is_told_and_never_served(
    api: ServerProcess, folder: Path, size: int
) -> None:
    data = os.urandom(size)
    name = f"damaged-{size}"
    assert upload(api, data).status == 201
    assert publish(api, name, {"f": data}).status == 201
    assert api.get(path_of("f", name)).body == data
    (kept,) = [one for one in files_of(folder) if one.name == sha(data)]
    bad = bytearray(data)
    bad[size // 2] ^= 1
    kept.write_bytes(bad)
    part = api.get(path_of("f", name), headers={"Range": "bytes=0-9"})
    assert (part.status, part.code) == (500, "integrity")
    assert sha(data) in part.json["detail"]
    if size <= 1 << 20:
        whole = api.get(path_of("f", name))
        assert (whole.status, whole.code) == (500, "integrity")
    else:
        with pytest.raises(http.client.IncompleteRead) as caught:
            api.get(path_of("f", name))
        assert len(caught.value.partial) < size
    assert sha(data) in api.log()
    assert upload(api, data).status == 200  # the same file again mends it
    assert api.get(path_of("f", name)).body == data


# Who may


@pytest.mark.parametrize("role", ROLES)
def test_roles(api: Api, role: str) -> None:
    _, key = api.make_key(role)
    data = os.urandom(10)
    needed = PERMISSIONS["PUT /blobs/{sha256}"]
    allowed = ROLES.index(role) >= ROLES.index(needed)
    for answer in (upload(api, data, key=key), api.request("HEAD", f"/blobs/{sha(data)}", key=key)):
        assert answer.status in ((200, 201) if allowed else (403,)), answer
    assert is_there(api, data) == allowed
    assert api.get(path_of("small ä.txt"), key=key).body == SMALL


def test_nobody_without_a_key(api: Api) -> None:
    for answer in (
        api.put(f"/blobs/{sha(SMALL)}", SMALL, key=None),
        api.get(path_of("small ä.txt"), key=None),
    ):
        assert (answer.status, answer.code) == (401, "no_key")


def test_another_project_reads_and_names_nothing(api: Api) -> None:
    assert api.post("/projects", {"name": "elsewhere"}).status in (200, 201)
    there = {"Pointsman-Project": "elsewhere"}
    made = api.post("/keys", {"name": "s", "role": "admin"}, headers=there)
    stranger = made.json["secret"]
    assert api.get(path_of("small ä.txt"), key=stranger).status == 404
    assert api.request("HEAD", f"/blobs/{sha(SMALL)}", key=stranger).status == 404
    entry = {"size": len(SMALL), "sha256": sha(SMALL)}
    body = {"name": "mine", "kind": "model", "content": {"files": {"f": entry}}}
    answer = api.post("/versions", body, key=stranger)
    assert (answer.status, answer.code) == (409, "files_missing")


def test_a_key_for_a_part_reads_that_part_s_files(api: Api) -> None:
    assert publish(api, "part/one", {"f": SMALL}).status == 201
    _, key = api.make_key("editor", artifacts="part/*")
    assert api.get(path_of("f", "part/one"), key=key).body == SMALL
    refused = api.get(path_of("small ä.txt"), key=key)
    assert (refused.status, refused.code) == (403, "scope_too_narrow")


# Parts of files


def test_a_file_is_verified_to_its_end_when_who_asked_for_a_part_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a client that waits less long than it takes would never get a part of it."""
    reads, read = 0, Folder.read

    def counted(self: Folder, project: str, sha256: str, start: int, length: int) -> bytes:
        nonlocal reads
        reads += 1
        return read(self, project, sha256, start, length)

    monkeypatch.setattr(Folder, "step", 16 << 10)
    monkeypatch.setattr(Folder, "read", counted)
    data = LARGE[: 3 << 20]
    pieces = len(data) // Folder.step

    async def ask(carrier: Carrier, file: File, patience: int) -> bytes:
        """What comes of a part of the file until so many pieces of it have been read."""
        until, body = reads + patience, bytearray()
        scope = {"type": "http", "method": "GET", "headers": [(b"range", b"bytes=10-19")]}

        async def receive() -> dict[str, object]:
            while reads < until:
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            body.extend(message.get("body", b""))

        response = await carrier.hand_out(Request(scope, receive), file)
        await response(scope, receive, send)
        return bytes(body)

    async def ask_often(carrier: Carrier, file: File) -> list[bytes]:
        return [await ask(carrier, file, pieces // 4) for _ in range(12)]

    with closing(open_store(tmp_path, None)) as store:
        app = Application(store)
        caller = Caller(Actor("local:x", "x", "admin", "embedded"), app.project("default"))
        incoming = Upload(app, caller, sha(data))
        incoming.write(data)
        incoming.finish()
        file = File(caller.project.uid, "f of model:x:1", len(data), sha(data))
        carrier = Carrier(app)
        try:
            answers = asyncio.run(ask_often(carrier, file))
        finally:
            carrier.close()
    assert answers[0] == b""  # it had left
    assert answers[-1] == data[10:20]
    assert reads < 2 * pieces  # read through once, for all of them
