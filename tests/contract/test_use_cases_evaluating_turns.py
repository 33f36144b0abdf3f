"""Workers and projects: whose evaluation is taken up next, on each database."""

from __future__ import annotations

from typing import Any

from pointsman.app.ports import Store
from pointsman.compose import Registry
from pointsman.core.evaluation import Evaluation
from pointsman.evals.worker import Worker

SUITE: dict[str, Any] = {
    "for": ["greeting"],
    "dataset": "rows:1",
    "scorers": [{"name": "correct", "by": "exact"}],
    "hold": [{"metric": "correct", "at_least": 0.9}],
}


def _waiting(registry: Registry, count: int) -> None:
    """Have evaluations wait in a project; without a provider, they end as inconclusive."""
    registry.publish("rows", {"rows": [{"input": {"name": "Ana"}}]}, kind="dataset")
    registry.publish("suite", SUITE, kind="suite")
    registry.promote("suite:suite:1", "production", reason="to begin with")
    for number in range(1, count + 1):
        registry.publish("greeting", f"Hello {number}, {{{{ name }}}}")
        registry.evaluate(f"greeting:{number}")


def test_projects_take_turns(store: Store) -> None:
    crowded = Registry(store)
    projects = {"default": crowded}
    for name in ("second", "third"):
        crowded.create_project(name)
        projects[name] = Registry(store, project=name)
    for name, count in (("default", 6), ("second", 2), ("third", 1)):
        _waiting(projects[name], count)
    assert Worker(crowded._app, None).work_off() == 9
    ended: list[tuple[Evaluation, str]] = [
        (one, name) for name, each in projects.items() for one in each.evaluations().items
    ]
    assert all(one.ended_at is not None for one, _ in ended)
    ended.sort(key=lambda pair: (pair[0].ended_at, pair[0].number))
    assert [name for _, name in ended] == [
        "default", "second", "third", "default", "second", *["default"] * 4,
    ]  # fmt: skip
    numbers = [one.number for one, name in ended if name == "default"]
    assert numbers == sorted(numbers), "within a project the oldest is the first"
