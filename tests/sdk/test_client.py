"""Reading through a client while the registry changes, fails and lies."""

from __future__ import annotations

import gc
import logging
import os
import threading
from pathlib import Path

import pytest

from pointsman.core.prompt import Prompt
from pointsman.errors import (
    Gone,
    InvalidInput,
    InvalidName,
    NotFound,
    PointsmanError,
    Unavailable,
)
from pointsman.sdk import transport
from pointsman.sdk.client import Client
from pointsman.sdk.reader import Change
from pointsman.sdk.testing import FakeRegistry
from sdk.conftest import REPLY, MakeClient, eventually
from sdk.stub_server import BAD_MODES, StubServer


def version(client: Client, selector: str = REPLY) -> int:
    return client.get(selector).version


def test_reads_a_prompt(make_client: MakeClient) -> None:
    prompt = make_client().get(REPLY)
    assert prompt.render(name="Ada") == "One for Ada"
    assert (prompt.name, prompt.version, prompt.why.alias) == ("support/reply", 1, "deployment")


def test_a_prompt_that_is_held_is_asked_for_once(
    make_client: MakeClient, server: StubServer
) -> None:
    client = make_client()
    assert client.get(REPLY) is client.get(REPLY)
    assert client.get("prompts:/support/reply@deployment") is client.get(REPLY)
    asked = [line for line in server.requests if "resolve" in line]
    assert asked == ["GET /api/v1/resolve/support%2Freply%40deployment"]


def test_a_move_arrives_by_itself(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry
) -> None:
    client = make_client()
    assert version(client) == 1
    eventually(lambda: client.status().connected)
    registry.promote("support/reply:2", "deployment")
    eventually(lambda: version(client) == 2)
    registry.rollback(REPLY)
    eventually(lambda: version(client) == 1)
    assert not client.status(REPLY).stale


def test_without_a_stream_it_looks_at_intervals(
    make_client: MakeClient, registry: FakeRegistry, server: StubServer
) -> None:
    client = make_client(follow=False, refresh=0.05)
    assert version(client) == 1
    registry.promote("support/reply:2", "deployment")
    eventually(lambda: version(client) == 2)
    assert not client.status().connected
    assert not any("watch" in line for line in server.requests)


def test_an_includer_changes_with_what_it_includes(
    make_client: MakeClient, registry: FakeRegistry
) -> None:
    registry.publish("tone", "Be kind.", aliases=["deployment"])
    registry.publish("letter", "{{> tone@deployment }} Write.", aliases=["deployment"])
    client = make_client()
    assert client.get("letter@deployment").render() == "Be kind. Write."
    eventually(lambda: client.status().connected)
    registry.publish("tone", "Be brief.", aliases=["deployment"])
    eventually(lambda: client.get("letter@deployment").render() == "Be brief. Write.")


def test_a_split_is_picked_by_key_here(
    make_client: MakeClient, registry: FakeRegistry, server: StubServer
) -> None:
    registry.split("support/reply", "deployment", {1: 50, 2: 50})
    client = make_client()
    keys = [f"user {number}" for number in range(60)]
    picked = [client.get(REPLY, key=key).version for key in keys]
    assert set(picked) == {1, 2}
    asked = len(server.requests)
    assert [client.get(REPLY, key=key).version for key in keys] == picked
    assert [registry.resolve(REPLY, key=key).version for key in keys] == picked
    assert len({version(client) for _ in range(20)}) == 1, "one process is one reader"
    assert len([line for line in server.requests[asked:] if "resolve" in line]) == 0
    assert client.get(REPLY, key="x").why.split


def test_a_split_comes_and_goes(make_client: MakeClient, registry: FakeRegistry) -> None:
    client = make_client()
    assert version(client) == 1
    eventually(lambda: client.status().connected)
    registry.split("support/reply", "deployment", {1: 1, 2: 9999})
    eventually(lambda: client.get(REPLY, key="somebody").version == 2)
    registry.promote("support/reply:1", "deployment")
    eventually(lambda: client.get(REPLY, key="somebody").version == 1)


def test_what_is_no_prompt_is_left_to_resolve(make_client: MakeClient) -> None:
    with pytest.raises(InvalidInput, match="resolve") as caught:
        make_client().get("model:churn@champion", fallback="x")
    assert caught.value.code == "not_a_prompt"
    with pytest.raises(InvalidName):
        make_client().get("a@b@c", fallback="x")


def test_what_does_not_exist(make_client: MakeClient, registry: FakeRegistry) -> None:
    client = make_client()
    with pytest.raises(NotFound) as caught:
        client.get("support/reply@staging")
    assert caught.value.code == "alias_not_found"
    eventually(lambda: client.status().connected)
    registry.promote("support/reply:2", "staging")
    eventually(lambda: _version_or_none(client, "support/reply@staging") == 2)


def _version_or_none(client: Client, selector: str) -> int | None:
    try:
        return version(client, selector)
    except NotFound:
        return None


def test_a_deleted_alias_and_a_removed_content_are_gone(
    make_client: MakeClient, registry: FakeRegistry
) -> None:
    client = make_client()
    version(client)
    version(client, "support/reply:2")
    eventually(lambda: client.status().connected)
    registry.delete_alias(REPLY)
    eventually(lambda: _version_or_none(client, REPLY) is None)
    registry.tombstone("support/reply:2", reason="It named a customer.")
    eventually(lambda: _version_or_none(client, "support/reply:2") is None)
    with pytest.raises(Gone):
        client.get("support/reply:2")


# Outages


@pytest.mark.parametrize("mode", [*BAD_MODES, "bad-events", "stopped"])
def test_no_read_of_what_is_held_fails_or_changes(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry, mode: str
) -> None:
    client = make_client(timeout=0.3, refresh=0.02, preload=[REPLY])
    assert client.wait_ready(20)
    assert version(client) == 1
    version(client, "support/reply:2")
    if mode == "stopped":
        server.stop()
    else:
        server.become(mode)
    seen = len(server.requests)
    eventually(lambda: mode == "stopped" or len(server.requests) > seen + 4)
    for _ in range(1000):
        assert version(client) == 1
        assert version(client, "prompts:/support/reply/2") == 2
    if mode == "stopped":
        server.start()
    else:
        server.become("normal")
    registry.promote("support/reply:2", "deployment")
    eventually(lambda: version(client) == 2)
    eventually(lambda: client.status().connected)


@pytest.mark.parametrize("mode", [*BAD_MODES, "stopped"])
def test_a_first_read_ends_with_the_fallback_or_an_error(
    make_client: MakeClient, server: StubServer, mode: str
) -> None:
    if mode == "stopped":
        server.stop()
    else:
        server.become(mode)
    client = make_client(timeout=0.3)
    with pytest.raises(PointsmanError) as caught:
        client.get(REPLY)
    assert not isinstance(caught.value, NotFound)
    prompt = client.get(REPLY, fallback="Hello {{ name }}")
    assert (prompt.render(name="Ada"), prompt.version) == ("Hello Ada", 0)
    assert client.get(REPLY, fallback="Hello {{ name }}") is prompt


@pytest.mark.parametrize(
    "fallback",
    [
        "Hello {{ name }}",
        {"template": "Hello {{ name }}", "model": {"provider": "openai", "name": "gpt-5"}},
        lambda: "Hello {{ name }}",
    ],
)
def test_fallbacks(make_client: MakeClient, server: StubServer, fallback: object) -> None:
    server.stop()
    prompt = make_client().get(REPLY, fallback=fallback)
    assert prompt.render(name="Ada") == "Hello Ada"


def test_fallbacks_of_messages_and_prompts(make_client: MakeClient, server: StubServer) -> None:
    server.stop()
    client = make_client()
    chat = client.get("chat", fallback=[{"role": "user", "content": "Hello {{ name }}"}])
    assert chat.render(name="Ada") == [{"role": "user", "content": "Hello Ada"}]
    assert client.get("x", fallback=chat) is chat


def test_a_fallback_is_not_waited_for_again_and_again(
    make_client: MakeClient, server: StubServer
) -> None:
    server.become("black-holed")
    client = make_client(timeout=0.2)
    client.get(REPLY, fallback="a")
    asked = len(server.requests)
    for _ in range(50):
        client.get(f"x{_}", fallback="a")
    assert len(server.requests) < asked + 25


def test_an_answer_that_never_ends_does_not_stand_in_the_way(
    make_client: MakeClient, server: StubServer
) -> None:
    """Only whoever waits can cut it off: the thread that reads it makes progress, as it were."""
    server.stubborn = True
    server.mode = "slow-headers"
    client = make_client(timeout=0.2, refresh=0.05)
    assert client.get(REPLY, fallback="x").version == 0
    server.mode = "normal"
    eventually(lambda: client.get(REPLY, fallback="x").version == 1)


def test_it_recovers_after_a_restart_of_the_server(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry
) -> None:
    client = make_client()
    version(client)
    eventually(lambda: client.status().connected)
    server.stop()
    eventually(lambda: not client.status().connected)
    assert isinstance(client.status().last_error, Unavailable)
    registry.promote("support/reply:2", "deployment")
    server.start()
    eventually(lambda: version(client) == 2)


def test_a_restored_store_is_followed_back(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry
) -> None:
    client = make_client()
    eventually(lambda: version(client) == 1 and client.status().connected)
    for _ in range(5):
        registry.promote("support/reply:2", "deployment")
        registry.promote("support/reply:1", "deployment")
    registry.promote("support/reply:2", "deployment")
    eventually(lambda: version(client) == 2)
    backup = FakeRegistry()
    backup.publish("support/reply", "One for {{ name }}", aliases=["deployment"])
    server.registry, server.epoch = backup, "2"
    server.break_connections()
    eventually(lambda: version(client) == 1)


def test_an_emptied_store_takes_nothing_away(make_client: MakeClient, server: StubServer) -> None:
    client = make_client(refresh=0.05)
    eventually(lambda: version(client) == 1 and client.status().connected)
    server.registry, server.store = FakeRegistry(), "e4471"
    server.break_connections()
    eventually(lambda: isinstance(client.status(REPLY).last_error, NotFound))
    assert version(client) == 1


# What applications hear of it


def test_changes_are_told_and_bad_callbacks_survived(
    make_client: MakeClient, registry: FakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Change] = []
    others: list[Change] = []
    client = make_client()

    def bad(change: Change) -> None:
        raise RuntimeError("a bug in the application")

    client.on_change(bad)
    stop = client.on_change(heard.append, "prompts:/support/reply@deployment")
    client.on_change(others.append, "support/other")
    version(client)
    version(client, "support/other")
    eventually(lambda: client.status().connected)
    with caplog.at_level(logging.CRITICAL, "pointsman"):
        registry.promote("support/reply:2", "deployment")
        eventually(lambda: heard)
        registry.publish("support/other", "Other, better")
        eventually(lambda: others)
    change = heard[0]
    assert isinstance(change.before, Prompt)
    assert isinstance(change.after, Prompt)
    assert (change.selector, change.before.version, change.after.version) == (REPLY, 1, 2)
    stop()
    registry.promote("support/reply:1", "deployment")
    eventually(lambda: version(client) == 1)
    registry.publish("support/other", "Other, best")
    eventually(lambda: len(others) == 2)
    assert len(heard) == 1


def test_ones_own_writes_are_read_at_once(make_client: MakeClient) -> None:
    client = make_client(follow=False)
    assert version(client) == 1
    client.promote("support/reply:2", "deployment", reason="better")
    assert version(client) == 2
    client.publish("support/reply", "Three for {{ name }}", aliases=["deployment"])
    assert version(client) == 3
    with pytest.raises(NotFound):
        client.get("support/new")
    client.publish("support/new", "New")
    assert version(client, "support/new") == 1


def test_status(make_client: MakeClient, server: StubServer) -> None:
    client = make_client(preload=[REPLY])
    assert client.wait_ready(20)
    eventually(lambda: client.status().connected)
    eventually(lambda: not client.status(REPLY).stale)
    status = client.status(REPLY)
    assert (status.source, status.held, status.age, status.last_error) == ("network", 1, 0.0, None)
    assert status.seq == len(server.registry.journal)
    assert client.status("never/asked").held == 0
    server.stop()
    eventually(lambda: not client.status().connected)


def test_wait_ready_says_if_something_is_missing(
    make_client: MakeClient, server: StubServer
) -> None:
    assert not make_client(preload=[REPLY, "support/none"]).wait_ready(20)
    server.become("black-holed")
    assert not make_client(preload=[REPLY], timeout=0.2).wait_ready(20)


# Threads, processes, ends


def test_many_threads_ask_once(make_client: MakeClient, server: StubServer) -> None:
    client = make_client()
    begin = threading.Barrier(32)
    found: list[Prompt] = []

    def read() -> None:
        begin.wait()
        found.append(client.get(REPLY))

    threads = [threading.Thread(target=read) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(prompt) for prompt in found}) == 1
    assert len([line for line in server.requests if "resolve" in line]) == 1


def test_threads_never_see_an_alias_go_back(
    make_client: MakeClient, registry: FakeRegistry
) -> None:
    client = make_client()
    version(client)
    eventually(lambda: client.status().connected)
    done = threading.Event()
    trouble: list[str] = []

    def read() -> None:
        last = 0
        while not done.is_set():
            revision = client.get(REPLY).why.revision
            if revision < last:
                trouble.append(f"{revision} after {last}")
            last = revision

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        registry.promote(f"support/reply:{2 - number % 2}", "deployment")
    eventually(lambda: client.get(REPLY).why.revision == registry.resolve(REPLY).why.revision)
    done.set()
    for thread in threads:
        thread.join()
    assert trouble == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_follows_by_itself(
    make_client: MakeClient, registry: FakeRegistry, server: StubServer
) -> None:
    client = make_client()
    version(client)
    eventually(lambda: client.status().connected and server.streams == 1)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            left = [sock for sock in transport._sockets if sock.fileno() >= 0]
            first = 0 if left else version(client)
            eventually(lambda: client.status().connected)
            os.write(tell, b"x")
            eventually(lambda: version(client) == 2)
            code = 0 if first == 1 else 2
        finally:
            os._exit(code)
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    assert server.streams == 2, "the parent's stream is still its own"
    registry.promote("support/reply:2", "deployment")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    eventually(lambda: version(client) == 2)


def test_after_close_what_is_held_can_be_read(make_client: MakeClient, server: StubServer) -> None:
    client = make_client()
    version(client)
    eventually(lambda: server.streams == 1)
    client.close()
    client.close()
    assert version(client) == 1
    with pytest.raises(Unavailable, match="closed"):
        client.get("support/other")
    assert client.get("support/other", fallback="x").version == 0
    eventually(lambda: server.streams == 0)
    assert not [one for one in threading.enumerate() if one.name.startswith("pointsman")]


def test_a_forgotten_client_ends_its_threads(server: StubServer) -> None:
    client = Client(server.url, "k", snapshot=False)
    version(client)
    eventually(lambda: server.streams == 1)
    del client
    gc.collect()
    eventually(lambda: server.streams == 0)
    eventually(
        lambda: not [one for one in threading.enumerate() if one.name.startswith("pointsman")]
    )


def test_closing_does_not_wait_for_a_black_hole(
    make_client: MakeClient, server: StubServer
) -> None:
    server.become("black-holed")
    client = make_client(timeout=600.0)
    reading = threading.Thread(target=lambda: client.get(REPLY, fallback="x"))
    reading.start()
    eventually(lambda: any("resolve" in line for line in server.requests))
    client.close()
    reading.join()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("", ""),
        ("ftp://x", ""),
        ("http://", ""),
        ("http://user:word@x", ""),
        ("http://x?y", ""),
        ("http://x", "pm_1_\nInjected: yes"),
        ("http://x\r\ny", ""),
        ("http://x:99999999", ""),
    ],
)
def test_what_is_no_address_or_key(url: str, key: str) -> None:
    with pytest.raises(InvalidInput):
        Client(url, key)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POINTSMAN_URL", "https://registry.example/sub/")
    monkeypatch.setenv("POINTSMAN_API_KEY", "pm_1_secret")
    client = Client()
    settings = client._reader.settings
    assert (settings.url, settings.key) == ("https://registry.example/sub", "pm_1_secret")
    assert settings.snapshot is not None
    assert settings.snapshot.is_relative_to(tmp_path)
    assert "secret" not in repr(client)
    assert Client(key="pm_1_other")._reader.settings.snapshot == settings.snapshot
    assert Client(key="pm_2_other")._reader.settings.snapshot != settings.snapshot
