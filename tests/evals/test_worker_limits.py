"""A provider's limits hold for all evaluations of a worker together."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

from evals.endpoint import Answer, Endpoint, Raw, Request, Said, spelt
from evals.refunds import answer, make_project
from pointsman import Registry
from pointsman.core.evaluation import Evaluation
from pointsman.evals.limits import Limits
from pointsman.evals.worker import Terms, Worker


def _slowly(request: Request) -> Answer:
    said = answer(request)
    assert isinstance(said, str)
    return replace(Raw(spelt(request, Said(said))), delay=0.01)


def _ended(registry: Registry, asked: list[Evaluation]) -> bool:
    return all(registry.evaluation(one.number).ended_at is not None for one in asked)


def test_two_evaluations_of_a_worker_share_a_providers_limits(tmp_path: Path) -> None:
    with Endpoint(_slowly) as endpoint, Registry.open(tmp_path / "data") as registry:
        make_project(registry, endpoint.base_url)
        registry.set_provider("local", base_url=endpoint.base_url, concurrency=2)
        asked = [*registry.evaluate("summarise:2"), *registry.evaluate("summarise:3")]
        worker = Worker(registry._app, None, Terms(at_once=2, look_every=0.05))
        worker.start()
        try:
            for _ in range(600):
                if _ended(registry, asked):
                    break
                threading.Event().wait(0.1)
        finally:
            worker.stop()
        assert [registry.evaluation(one.number).state for one in asked] == ["passed", "passed"]
    # Two for one evaluation and two for the other would be four.
    assert endpoint.most_at_once == 2


def test_limiters_are_shared_until_the_limits_are_others() -> None:
    async def check() -> None:
        limits = Limits()
        first = limits.of(1, "local", 2, None)
        assert limits.of(1, "local", 2, None) is first
        assert limits.of(2, "local", 2, None) is not first
        assert limits.of(1, "other", 2, None) is not first
        second = limits.of(1, "local", 3, None)
        assert second is not first
        assert limits.of(1, "local", 3, None) is second

    asyncio.run(check())
