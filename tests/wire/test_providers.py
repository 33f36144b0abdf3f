"""Providers of models over HTTP: set by admins, read by all, and no key in any answer or log."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman import AsyncClient, Client
from pointsman.core.provider_settings import Price
from pointsman.errors import InvalidInput, NotFound, Refused, StaleRevision
from serving import Listener, ServerProcess, server_on

SECRET = "sk-very-secret-1234567890"
URL = "http://127.0.0.1:8000/v1"
MASTER = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSMAN_SECRET_KEY", MASTER)
        with server_on(request, tmp_path_factory.mktemp("providers")) as server:
            yield server


def test_a_provider_over_http(api: ServerProcess) -> None:
    body = {"key": SECRET, "per_minute": 60, "prices": {"m": {"input": "2.50", "output": "10"}}}
    with Listener(api) as watching:
        made = api.put("/providers/openai", body)
        assert made.status == 200, made
        one = made.json["provider"]
        assert (made.json["key_was"], one["has_key"], one["revision"]) == ("set", True, 1)
        assert one["prices"] == {"m": {"input": "2.50", "output": "10"}}
        assert (one["concurrency"], one["per_minute"], one["timeout"]) == (8, 60, 60)
        event = watching.next()
    assert event is not None
    assert event.data["type"] == "provider.set"
    assert api.get("/providers/openai").json == one
    assert api.get("/providers").json == {"providers": [one]}
    kept = api.put("/providers/openai", {"timeout": 5})
    assert (kept.json["key_was"], kept.json["provider"]["prices"]) == ("kept", {})
    moved = api.put("/providers/openai", {"base_url": URL})
    assert (moved.json["key_was"], moved.json["provider"]["has_key"]) == ("forgotten", False)
    assert "forgotten" in moved.json["hint"]
    stale = api.put("/providers/openai", {"key": SECRET, "if_revision": 1})
    assert (stale.status, stale.code) == (409, "stale_revision")
    assert stale.json["details"] == {"current": {"revision": 3}}
    deleted = api.delete("/providers/openai")
    assert (deleted.status, deleted.json) == (200, {})
    assert api.get("/providers/openai").code == "provider_not_found"
    answers = (made, kept, moved, stale, api.get("/journal"), api.get("/journal/lines"))
    assert not [answer for answer in answers if SECRET.encode() in answer.body]
    assert SECRET not in api.log()
    assert SECRET not in str(event.data)
    assert api.get("/doctor").json["findings"] == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"key": SECRET + " \n"}, 400, "key"),
        ({"key": [SECRET]}, 400, "key"),
        ({"key": {SECRET: SECRET}}, 400, "key"),
        ({"key": SECRET * 400}, 413, "key"),
        ({"key": SECRET, "nonsense": 1}, 400, ""),
        ({"key": SECRET, "concurrency": 0}, 400, "concurrency"),
        ({"key": SECRET, "timeout": 0.5}, 400, "timeout"),
        ({"key": SECRET, "api": "x"}, 400, "api"),
        ({"key": SECRET, "prices": {"m": {"input": 2.5, "output": "1"}}}, 400, ""),
        ({"key": SECRET, "prices": {"m": {"input": "-1", "output": "1"}}}, 400, "prices"),
        ({"key": SECRET, "base_url": f"https://me:{SECRET}@x/v1"}, 400, "base_url"),
        (f'{{"key": "{SECRET}"'.encode(), 400, ""),
        (f'{{"key": "{SECRET}", "key": "{SECRET}"}}'.encode(), 400, ""),
        (f'{{"key": "{SECRET}\\ud800"}}'.encode(), 400, ""),
        (SECRET.encode(), 400, ""),
    ],
)
def test_what_is_wrong_is_refused_without_telling_the_key(
    api: ServerProcess, body: Any, status: int, field: str
) -> None:
    head = api.head()
    answer = api.put("/providers/openai", body)
    assert answer.status == status, answer
    assert SECRET.encode() not in answer.body
    assert SECRET not in api.log()
    assert field in answer.json["field"]
    assert api.head() == head


def test_names_and_their_slashes(api: ServerProcess) -> None:
    made = api.put("/providers/vertex%2FEU%20%C3%BC", {"base_url": URL})
    assert made.status == 200, made
    assert made.json["provider"]["name"] == "vertex/EU ü"
    assert api.get("/providers/vertex%2FEU%20%C3%BC").status == 200
    assert api.delete("/providers/vertex%2FEU%20%C3%BC").status == 200
    assert api.put("/providers/-x", {"base_url": URL}).code == "invalid_provider"


def test_a_repeated_request_is_not_remembered(api: ServerProcess) -> None:
    answer = api.put("/providers/openai", {"key": SECRET}, headers={"Idempotency-Key": "x"})
    assert answer.code == "idempotency_not_supported"


def test_keys_for_a_part_set_nothing(api: ServerProcess) -> None:
    _, viewer = api.make_key("viewer")
    _, narrow = api.make_key("admin", artifacts="support/*")
    for key in (viewer, narrow):
        assert api.put("/providers/openai", {"key": SECRET}, key=key).status == 403
        assert api.get("/providers", key=key).status == 200
    assert api.get("/providers").json == {"providers": []}


def test_the_clients_speak_the_same_words(api: ServerProcess) -> None:
    prices = {"m": Price("2.50", "10")}
    with Client(api.url, api.own_key, snapshot=False, follow=False) as client:
        made = client.set_provider("local", base_url=URL, prices=prices, key=SECRET)
        assert made.provider.prices == prices
        assert client.providers() == (made.provider,)
        assert client.provider("local") == made.provider
        for stale in (0, 7):
            with pytest.raises(StaleRevision):
                client.set_provider("local", base_url=URL, if_revision=stale)
        with pytest.raises(InvalidInput) as caught:
            client.set_provider("other", key=SECRET)
        assert (caught.value.field, SECRET in str(caught.value)) == ("base_url", False)

    async def ask() -> None:
        async with AsyncClient(api.url, api.own_key, snapshot=False, follow=False) as client:
            assert await client.providers() == (made.provider,)
            done = await client.set_provider("local", base_url=URL + "/2")
            assert done.key_was == "forgotten"
            await client.delete_provider("local")
            with pytest.raises(NotFound):
                await client.provider("local")

    asyncio.run(ask())
    _, viewer = api.make_key("viewer")
    with (
        Client(api.url, viewer, snapshot=False, follow=False) as client,
        pytest.raises(Refused),
    ):
        client.set_provider("local", base_url=URL)


def test_a_folder_s_own_master_key_outlives_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pointsman.app.application import Application
    from pointsman.app.providers import open_providers
    from pointsman.compose import open_store

    monkeypatch.delenv("POINTSMAN_SECRET_KEY", raising=False)
    with ServerProcess(data=tmp_path) as server:
        assert server.put("/providers/openai", {"key": SECRET}).status == 200
        server.kill()
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    store = open_store(tmp_path)
    app = Application(store)
    try:
        assert open_providers(app, app.project("default"))["openai"].key == SECRET
    finally:
        store.close()


def test_a_database_without_a_master_key_takes_no_key(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_SECRET_KEY", raising=False)
    with ServerProcess(database=postgres_url) as server:
        refused = server.put("/providers/openai", {"key": SECRET})
        assert (refused.status, refused.code) == (409, "no_secret_key")
        assert "POINTSMAN_SECRET_KEY" in refused.json["hint"]
        assert server.get("/providers").json == {"providers": []}
        assert server.put("/providers/openai", {}).status == 200
