"""Publishing models from files and pulling them: what is sent, kept, continued and refused."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from pointsman import AsyncClient, Client, Registry
from pointsman.core.models import FileEntry
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Resolution
from pointsman.errors import (
    Conflict,
    Gone,
    IntegrityError,
    InvalidContent,
    InvalidInput,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
)
from pointsman.sdk import pulling, pushing
from pointsman.sdk.depot import HttpDepot
from serving import ServerProcess

Ask = Client | Registry
MB = 1 << 20


class Relay:
    """Between a client and a server: it notes what is asked for, and cuts answers short."""

    def __init__(self, port: int) -> None:
        self.asked: list[tuple[str, str, str]] = []
        """Method, path and range of each request."""
        self.cuts: list[int] = []
        """Bytes after which the next answers to downloads end."""
        self._port = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def asked_for(self, method: str, part: str) -> list[str]:
        """The ranges of the requests of this kind."""
        return [said for how, path, said in self.asked if how == method and part in path]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                made, _ = self._socket.accept()
                threading.Thread(target=self._relay, args=(made,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._port))
        left = [-1]

        def back() -> None:
            with suppress(OSError):
                while data := server.recv(65_536):
                    if left[0] >= 0:
                        data = data[: left[0]]
                        left[0] -= len(data)
                    client.sendall(data)
                    if left[0] == 0:
                        break
            for one in (client, server):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=back, daemon=True).start()
        with suppress(OSError), closing(client), closing(server):
            while data := client.recv(65_536):
                if found := re.match(rb"([A-Z]+) (\S+) HTTP/1.1\r\n", data):
                    said = re.search(rb"(?i)\r\nrange: ([^\r]+)", data)
                    path = found[2].decode()
                    self.asked.append((found[1].decode(), path, said[1].decode() if said else ""))
                    left[0] = self.cuts.pop(0) if "/files/" in path and self.cuts else -1
                server.sendall(data)


@pytest.fixture(scope="module")
def server_of_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(data=tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.fixture
def relay(server_of_files: ServerProcess) -> Iterator[Relay]:
    with closing(Relay(server_of_files.port)) as made:
        yield made


@pytest.fixture
def client(relay: Relay, server_of_files: ServerProcess) -> Iterator[Client]:
    with Client(relay.url, server_of_files.own_key, snapshot=False, follow=False) as made:
        yield made


@pytest.fixture(params=["client", "embedded"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ask]:
    """A client of a server, and an embedded registry."""
    if request.param == "client":
        yield request.getfixturevalue("client")
    else:
        with Registry.open(tmp_path / "registry") as registry:
            yield registry


@pytest.fixture
def name() -> str:
    return f"m{os.urandom(6).hex()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of some files, two of which are alike."""
    made = tmp_path / "model"
    (made / "sub/deeper").mkdir(parents=True)
    data = os.urandom(3 << 20)
    for path, content in (
        ("weights.bin", data),
        ("sub/again.bin", data),
        ("sub/deeper/ä.txt", b"text"),
        (".hidden", b"h"),
        ("empty", b""),
    ):
        (made / path).write_bytes(content)
    return made


def content_of(ask: Ask, selector: str) -> Any:
    return ask.version(selector).content


def seen(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_there_and_back(ask: Ask, name: str, folder: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    done = ask.publish_model(
        name,
        folder,
        flavour="sklearn",
        content={"metrics": {"auc": 0.9}},
        message="first",
        tags={"team": "x"},
        aliases=["champion"],
        progress=lambda done, total: told.append((done, total)),
    )
    assert (done.version.number, done.version.message, done.created) == (1, "first", True)
    content = content_of(ask, f"model:{name}:1")
    assert content["flavour"] == "sklearn"
    assert content["metrics"] == {"auc": 0.9}
    assert content["files"].keys() == seen(folder).keys()
    assert told[0][0] == 0
    assert told[-1] == (3 * MB + 5, 3 * MB + 5)
    told.clear()
    to = ask.pull(
        f"model:{name}@champion",
        tmp_path / "out/there",
        cache=tmp_path / "cache",
        progress=lambda done, total: told.append((done, total)),
    )
    assert to == tmp_path / "out/there"
    assert seen(to) == seen(folder)
    assert told[-1][0] == told[-1][1] == 6 * MB + 5
    without = ask.pull(f"model:{name}:1", tmp_path / "plain", cache=False)
    assert seen(without) == seen(folder)
    assert {one.name for one in without.iterdir()} == {one.name for one in folder.iterdir()}


def test_a_file_and_chosen_files(ask: Ask, name: str, folder: Path) -> None:
    ask.publish_model(name, folder / "weights.bin")
    assert list(content_of(ask, f"model:{name}:1")["files"]) == ["weights.bin"]
    ask.publish_model(name, {"a/b.txt": folder / "sub/deeper/ä.txt"})
    assert list(content_of(ask, f"model:{name}:2")["files"]) == ["a/b.txt"]
    again = ask.publish_model(name, {"a/b.txt": folder / "sub/deeper/ä.txt"}, if_changed=True)
    assert (again.version.number, again.created) == (2, False)


def test_only_what_is_missing_is_sent(
    client: Client, relay: Relay, name: str, folder: Path
) -> None:
    client.publish_model(name, folder)
    assert len(relay.asked_for("PUT", "/blobs/")) <= 4  # "text" and the like may be there
    relay.asked.clear()
    (folder / "new.txt").write_bytes(os.urandom(8))
    assert client.publish_model(name, folder).version.number == 2
    assert len(relay.asked_for("PUT", "/blobs/")) == 1


def test_only_what_is_missing_is_fetched(
    client: Client, relay: Relay, name: str, folder: Path, tmp_path: Path
) -> None:
    client.publish_model(name, folder)
    cache = tmp_path / "cache"
    client.pull(f"model:{name}", tmp_path / "one", cache=cache)
    assert len(relay.asked_for("GET", "/files/")) == 4, "what is alike is fetched once"
    relay.asked.clear()
    client.pull(f"model:{name}", tmp_path / "two", cache=cache)
    (tmp_path / "two" / "weights.bin").unlink()
    client.pull(f"model:{name}", tmp_path / "two", cache=cache)
    client.pull(f"model:{name}", tmp_path / "one", cache=False)
    assert relay.asked_for("GET", "/files/") == []
    assert seen(tmp_path / "two") == seen(folder)


def test_damage_in_the_cache_or_the_folder_is_mended(
    client: Client, relay: Relay, name: str, folder: Path, tmp_path: Path
) -> None:
    client.publish_model(name, folder)
    cache, to = tmp_path / "cache", tmp_path / "out"
    client.pull(f"model:{name}", to, cache=cache)
    for file in [one for one in cache.rglob("*") if one.is_file() and one.stat().st_size > 1]:
        file.chmod(0o600)
        file.write_bytes(b"X" * file.stat().st_size)  # and so what is linked to it
    (to / ".hidden").unlink()
    (to / ".hidden").mkdir()
    with pytest.raises(InvalidInput) as caught:
        client.pull(f"model:{name}", to, cache=cache)
    assert caught.value.code == "target_unwritable"
    (to / ".hidden").rmdir()
    (to / "mine.txt").write_text("stays")
    client.pull(f"model:{name}", to, cache=cache)
    assert seen(to) == {**seen(folder), "mine.txt": b"stays"}


@pytest.mark.parametrize("cached", [True, False])
def test_what_breaks_off_goes_on_where_it_ended(
    client: Client, relay: Relay, name: str, folder: Path, tmp_path: Path, cached: bool
) -> None:
    client.publish_model(name, folder / "weights.bin")
    relay.cuts[:] = [1_500_000, 700_000]
    told: list[int] = []
    to = client.pull(
        f"model:{name}",
        tmp_path / "out",
        cache=tmp_path / "cache" if cached else False,
        progress=lambda done, total: told.append(done),
    )
    assert seen(to) == {"weights.bin": (folder / "weights.bin").read_bytes()}
    first, second, third = relay.asked_for("GET", "/files/")
    starts = [int(one.removeprefix("bytes=").removesuffix("-")) for one in (second, third)]
    assert first == ""
    assert 1_000_000 < starts[0] <= 1_500_000 < starts[1] <= 2_200_000
    assert told[-1] == 3 << 20


def test_a_later_pull_goes_on_as_well(
    client: Client, relay: Relay, name: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client.publish_model(name, folder / "weights.bin")
    monkeypatch.setattr(pulling, "ATTEMPTS", 1)
    relay.cuts[:] = [1_500_000]
    with pytest.raises(Unavailable):
        client.pull(f"model:{name}", tmp_path / "out", cache=False)
    assert "weights.bin" not in seen(tmp_path / "out")
    client.pull(f"model:{name}", tmp_path / "out", cache=False)
    assert relay.asked_for("GET", "/files/")[1].startswith("bytes=1")
    assert seen(tmp_path / "out").keys() == {"weights.bin"}


def test_a_bad_leftover_is_fetched_anew(
    client: Client, name: str, folder: Path, tmp_path: Path
) -> None:
    client.publish_model(name, folder / "weights.bin")
    data = (folder / "weights.bin").read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    for left in (b"X" * 1_000, b"X" * len(data), b"X" * (len(data) + 1)):
        to = tmp_path / f"out-{len(left)}"
        to.mkdir()
        (to / f".{sha}.part").write_bytes(left)
        assert seen(client.pull(f"model:{name}", to, cache=False)) == {"weights.bin": data}


def test_many_processes_pull_at_once(ask: Ask, name: str, folder: Path, tmp_path: Path) -> None:
    ask.publish_model(name, folder)
    failed: list[Exception] = []

    def fetch(number: int) -> None:
        try:
            ask.pull(f"model:{name}", tmp_path / f"out{number % 2}", cache=tmp_path / "cache")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    for number in range(2):
        assert seen(tmp_path / f"out{number}") == seen(folder)


class Lying:
    """A registry that names and sends what it likes."""

    def __init__(self, files: dict[str, dict[str, Any]], data: bytes) -> None:
        self._files = files
        self._data = data
        self.asked = 0

    def resolve(self, selector: str) -> Resolution:
        meant = parse_selector(selector)
        return Resolution(
            selector=selector, kind="model", name=meant.name, version=1, digest="0" * 64,
            content={"files": self._files}, content_digest="0" * 64, message="", author="",
            created_at=None, tags={}, why=None,  # type: ignore[arg-type]
        )  # fmt: skip

    def has(self, sha256: str) -> bool:
        return False

    def put(self, sha256: str, size: int, file: Path) -> None:
        raise AssertionError

    def get(self, name: str, number: int, path: str, sha256: str, start: int) -> Iterator[bytes]:
        self.asked += 1
        yield self._data[start:]


def _pull(lying: Lying, to: Path) -> Path:
    return pulling.pull(lying, lying.resolve, "model:m", to, False, None)


@pytest.mark.parametrize("path", ["../out.txt", "/etc/x", "a\\b", "%2e%2e/x", "C:x", "a/../../x"])
def test_a_server_can_not_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    sha = hashlib.sha256(b"x").hexdigest()
    lying = Lying({path: {"size": 1, "sha256": sha}}, b"x")
    with pytest.raises(InvalidContent):
        _pull(lying, tmp_path / "deep/in")
    assert lying.asked == 0
    assert seen(tmp_path) == {}


def test_a_link_in_the_folder_does_not_lead_out_either(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "in/a").symlink_to(tmp_path / "secret")
    sha = hashlib.sha256(b"x").hexdigest()
    lying = Lying({"a/b": {"size": 1, "sha256": sha}}, b"x")
    with pytest.raises(InvalidInput) as caught:
        _pull(lying, tmp_path / "in")
    assert caught.value.code == "leads_outside"
    assert seen(tmp_path / "secret") == {}


@pytest.mark.parametrize("data", [b"other", b"x" * 1_000, b"", b"longer than said"])
def test_other_bytes_than_published_never_get_a_name(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "_PAUSE", 0)
    sha = hashlib.sha256(b"right").hexdigest()
    lying = Lying({"f": {"size": 5, "sha256": sha}}, data)
    with pytest.raises(IntegrityError):
        _pull(lying, tmp_path)
    assert lying.asked > 1
    assert "f" not in seen(tmp_path)


def test_what_is_no_model_of_files(ask: Ask, name: str, folder: Path, tmp_path: Path) -> None:
    ask.publish(name, {"uri": "s3://elsewhere/7"}, kind="model")
    with pytest.raises(InvalidInput) as caught:
        ask.pull(f"model:{name}", tmp_path / "x")
    assert caught.value.code == "no_files"
    assert "s3://elsewhere/7" in caught.value.message
    with pytest.raises(InvalidInput) as caught:
        ask.pull(name, tmp_path / "x")
    assert caught.value.code == "not_a_model"
    with pytest.raises(NotFound):
        ask.pull(f"model:{name}@champion", tmp_path / "x")
    ask.publish_model(name, folder)
    ask.tombstone(f"model:{name}:2", reason="x")
    with pytest.raises(Gone):
        ask.pull(f"model:{name}:2", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_can_not_be_pushed(
    ask: Ask, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    (empty / "sub").mkdir(parents=True)
    with pytest.raises(InvalidInput) as caught:
        ask.publish_model(name, empty)
    assert caught.value.code == "no_files"
    with pytest.raises(InvalidInput) as caught:
        ask.publish_model(name, tmp_path / "nothing")
    assert caught.value.code == "unreadable_file"
    (empty / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        ask.publish_model(name, empty)
    assert caught.value.code == "not_a_file"
    (empty / "out").unlink()
    (empty / "a").write_text("1")
    (empty / "A").write_text("2")
    with pytest.raises(InvalidContent) as refused:
        ask.publish_model(name, empty)
    assert refused.value.code == "duplicate_path"
    (empty / "A").unlink()
    (empty / "link").symlink_to(empty / "a")
    assert ask.publish_model(name, empty).version.number == 1
    assert content_of(ask, f"model:{name}")["files"].keys() == {"a", "link"}
    monkeypatch.setattr(pushing, "MAX_FILES", 1)
    with pytest.raises(TooLarge):
        ask.publish_model(name, empty)


def test_a_file_that_changes_while_it_is_sent(
    ask: Ask, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = pushing._entry_of

    def changed(file: Path) -> FileEntry:
        found = entry(file)
        file.write_bytes(os.urandom(found.size))
        return found

    monkeypatch.setattr(pushing, "_entry_of", changed)
    with pytest.raises(InvalidInput) as caught:
        ask.publish_model(name, folder / "weights.bin")
    assert caught.value.code == "wrong_sha256"
    with pytest.raises(NotFound):
        ask.artifact(name, kind="model")


def test_who_may_not_is_told(client: Client, relay: Relay, name: str, folder: Path) -> None:
    secret = client.create_key("v", "viewer").secret
    with (
        Client(relay.url, secret, snapshot=False, follow=False) as viewer,
        pytest.raises(Refused) as caught,
    ):
        viewer.publish_model(name, folder)
    assert caught.value.code == "role_too_low"


def test_what_was_removed_meanwhile_is_sent_again(
    client: Client, relay: Relay, name: str, folder: Path
) -> None:
    """A registry that has a file says so, and then has it no more when the version comes."""
    asked: list[str] = []

    def publish(name: str, content: Any, **more: Any) -> Any:
        asked.append(name)
        if len(asked) == 1:
            missing = [one["sha256"] for one in content["files"].values()]
            raise Conflict("gone", code="files_missing", details={"missing": missing})
        return client.publish(name, content, **more)

    client.publish_model(f"{name}-before", folder)
    relay.asked.clear()
    depot = HttpDepot(client._reader)
    pushing.publish_model(depot, publish, name, folder / "weights.bin", {}, None)
    assert len(relay.asked_for("PUT", "/blobs/")) == 1
    assert len(asked) == 2


def test_a_server_that_is_gone(
    name: str, folder: Path, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "k", snapshot=False, follow=False) as client:
        with pytest.raises(Unavailable):
            client.publish_model(name, folder)
        with pytest.raises(Unavailable):
            client.pull(f"model:{name}", tmp_path / "out")


def test_on_an_event_loop(server_of_files: ServerProcess, name: str, folder: Path) -> None:
    async def both() -> Path:
        async with AsyncClient(
            server_of_files.url, server_of_files.own_key, snapshot=False, follow=False
        ) as client:
            await client.publish_model(name, folder, aliases=["champion"])
            return await client.pull(f"model:{name}@champion", folder.parent / "o", cache=False)

    assert seen(asyncio.run(both())) == seen(folder)
