"""`AsyncClient` keeps the promises of `Client` on an event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.errors import NotFound, PointsmanError, Unavailable
from pointsman.sdk.aio import AsyncClient
from pointsman.sdk.client import Client
from pointsman.sdk.testing import FakeRegistry
from sdk.conftest import REPLY
from sdk.stub_server import StubServer

Run = Callable[[AsyncClient], Awaitable[None]]


def run(server: StubServer, body: Run, **settings: Any) -> None:
    """Run `body` with a client of the server on a fresh loop."""

    async def main() -> None:
        async with AsyncClient(server.url, "k", **{"snapshot": False, **settings}) as client:
            await body(client)

    asyncio.run(main())


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    for _ in range(4000):
        if await condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came to be")


def test_it_reads_and_follows(server: StubServer, registry: FakeRegistry) -> None:
    async def body(client: AsyncClient) -> None:
        assert (await client.get(REPLY)).render(name="Ada") == "One for Ada"
        registry.promote("support/reply:2", "deployment")

        async def moved() -> bool:
            return (await client.get(REPLY)).version == 2

        await eventually(moved)

    run(server, body)


def test_many_tasks_ask_once(server: StubServer) -> None:
    async def body(client: AsyncClient) -> None:
        found = await asyncio.gather(*[client.get(REPLY) for _ in range(200)])
        assert len({id(prompt) for prompt in found}) == 1

    run(server, body)
    assert len([line for line in server.requests if "resolve" in line]) == 1


def test_a_black_hole_stops_neither_the_loop_nor_other_reads(server: StubServer) -> None:
    async def body(client: AsyncClient) -> None:
        await client.get(REPLY)
        server.become("black-holed")
        reads = [asyncio.create_task(client.get(f"x{number}")) for number in range(50)]
        await asyncio.sleep(0)
        for _ in range(100):
            assert (await client.get(REPLY)).version == 1
            await asyncio.sleep(0)
        ends = await asyncio.gather(*reads, return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ends)
        assert (await client.get("x", fallback="y")).version == 0

    run(server, body, timeout=0.3)


def test_a_read_can_be_cancelled(server: StubServer) -> None:
    async def body(client: AsyncClient) -> None:
        server.become("black-holed")
        reading = asyncio.create_task(client.get(REPLY))
        other = asyncio.create_task(client.get(REPLY))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        with pytest.raises(PointsmanError):
            await other

    run(server, body, timeout=0.5)


def test_it_manages(server: StubServer) -> None:
    async def body(client: AsyncClient) -> None:
        assert (await client.get(REPLY)).version == 1
        published = await client.publish("support/reply", "Three", aliases=["deployment"])
        assert published.version.number == 3
        assert (await client.get(REPLY)).version == 3
        assert (await client.resolve(REPLY)).version == 3
        with pytest.raises(NotFound):
            await client.resolve("support/none")

    run(server, body)


def test_cold_start_and_bundle(server: StubServer, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"

    async def write(client: AsyncClient) -> None:
        await client.write_bundle(bundle, [REPLY])

    async def read(client: AsyncClient) -> None:
        assert await client.wait_ready(20)
        assert (await client.get(REPLY)).version == 1
        assert client.status(REPLY).source == "bundle"

    run(server, write)
    server.stop()
    run(server, read, bundle=bundle, preload=[REPLY])


def test_it_has_the_vocabulary_of_the_client() -> None:
    def public(cls: type) -> dict[str, Any]:
        return {name: one for name, one in vars(cls).items() if not name.startswith("_")}

    ours, theirs = public(AsyncClient), public(Client)
    assert ours.keys() == theirs.keys()
    for name, method in theirs.items():
        assert inspect.signature(ours[name]) == inspect.signature(method), name
        assert inspect.iscoroutinefunction(ours[name]) != (name in ("on_change", "status"))
        assert ours[name].__doc__
    assert inspect.signature(AsyncClient) == inspect.signature(Client)
