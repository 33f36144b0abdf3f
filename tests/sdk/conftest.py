"""A stub server and clients of it; everything is closed when a test ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.sdk.client import Client
from pointsman.sdk.testing import FakeRegistry
from sdk.stub_server import StubServer

REPLY = "support/reply@deployment"
MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads what the machine it runs on has been told, or writes where others read."""
    for name in ("POINTSMAN_URL", "POINTSMAN_API_KEY", "POINTSMAN_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def registry() -> FakeRegistry:
    """A registry with two versions of one prompt, the first of them in deployment."""
    registry = FakeRegistry()
    registry.publish("support/reply", "One for {{ name }}", aliases=["deployment"])
    registry.publish("support/reply", "Two for {{ name }}")
    registry.publish("support/other", "Other")
    return registry


@pytest.fixture
def server(registry: FakeRegistry) -> Iterator[StubServer]:
    """The registry, served."""
    server = StubServer(registry)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_client(server: StubServer) -> Iterator[MakeClient]:
    """Makes clients of the server; without a snapshot unless told otherwise."""
    clients = []

    def make(**settings: Any) -> Client:
        client = Client(server.url, "pm_id_secret", **{"snapshot": False, **settings})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something is so; fail if it doesn't come to be."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)
