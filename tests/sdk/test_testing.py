"""The fake registry for users' tests: that it does what the real one does is shown elsewhere,
by the stub server, which serves it to real clients."""

from __future__ import annotations

import asyncio
import doctest
import inspect

import pytest

from pointsman.errors import Conflict, Gone, InvalidContent, NotFound, Unavailable
from pointsman.sdk import testing
from pointsman.sdk.client import Client
from pointsman.sdk.fakes import FakeClient
from pointsman.sdk.reader import Change
from pointsman.sdk.testing import FakeRegistry

REPLY = "support/reply@deployment"


@pytest.fixture
def registry() -> FakeRegistry:
    registry = FakeRegistry()
    registry.publish("support/reply", "One", aliases=["deployment"])
    registry.publish("support/reply", "Two")
    return registry


def test_its_documentation_is_true() -> None:
    assert doctest.testmod(testing).failed == 0


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(Client, FakeClient), (Client, FakeRegistry)],
)
def test_parameters_have_the_names_of_the_client(theirs: type, ours: type) -> None:
    for name, method in vars(ours).items():
        if name.startswith("_") or not hasattr(theirs, name) or not callable(method):
            continue
        known = inspect.signature(getattr(theirs, name)).parameters
        assert inspect.signature(method).parameters.keys() <= known.keys(), name


def test_rolling_back_twice_goes_back_two_releases(registry: FakeRegistry) -> None:
    client = registry.client()
    registry.promote("support/reply:2", "deployment")
    registry.publish("support/reply", "Three", aliases=["deployment"])
    registry.rollback(REPLY)
    assert client.get(REPLY).version == 2
    registry.rollback(REPLY)
    assert client.get(REPLY).version == 1
    with pytest.raises(Conflict):
        registry.rollback(REPLY)


def test_promoting_what_is_there_already_does_nothing(registry: FakeRegistry) -> None:
    before = len(registry.journal)
    assert registry.promote("support/reply:1", "deployment") is None
    assert len(registry.journal) == before
    registry.promote(REPLY, "staging")
    assert registry.resolve("support/reply@staging").version == 1


def test_errors_are_the_real_ones(registry: FakeRegistry) -> None:
    client = registry.client()
    with pytest.raises(NotFound):
        client.get("support/reply@staging")
    with pytest.raises(NotFound):
        registry.promote("support/reply:9", "deployment")
    with pytest.raises(InvalidContent):
        registry.publish("x", {"template": 5})
    registry.tombstone("support/reply:2", reason="personal data")
    with pytest.raises(Gone):
        client.get("support/reply:2")
    with pytest.raises(Gone):
        registry.promote("support/reply:2", "deployment")


def test_what_was_deleted_is_told(registry: FakeRegistry) -> None:
    client = registry.client()
    heard: list[Change] = []
    client.on_change(heard.append, REPLY)
    client.get(REPLY)
    registry.delete_alias(REPLY)
    (change,) = heard
    assert change.after is None
    with pytest.raises(NotFound):
        client.get(REPLY)


def test_an_outage(registry: FakeRegistry) -> None:
    client = registry.client()
    client.get(REPLY)
    registry.fail()
    registry.promote("support/reply:2", "deployment")
    assert client.get(REPLY).version == 1
    assert client.get("support/reply:2", fallback=lambda: "x").version == 0
    with pytest.raises(Unavailable):
        client.get("support/reply:2")
    status = client.status()
    assert (status.connected, status.stale, status.held) == (False, True, 1)
    heard: list[Change] = []
    client.on_change(heard.append)
    registry.recover()
    assert client.get(REPLY).version == 2
    assert len(heard) == 1


def test_splits_and_includes(registry: FakeRegistry) -> None:
    registry.split("support/reply", "deployment", {1: 1, 2: 1})
    registry.publish("letter", "{{> support/reply:2 }}!")
    with registry.client() as client:
        assert {client.get(REPLY, key=key).version for key in "abcdefgh"} == {1, 2}
        assert client.get("letter").render() == "Two!"
        assert [part.name for part in client.get("letter").made_of] == ["support/reply"]


def test_for_event_loops(registry: FakeRegistry) -> None:
    async def main() -> int:
        async with registry.async_client() as client:
            assert await client.wait_ready()
            return (await client.get(REPLY)).version

    assert asyncio.run(main()) == 1
