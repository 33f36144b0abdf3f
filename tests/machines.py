"""State machines over registries: each run has a registry of its own, on a chosen database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from pointsman.compose import Registry
from scale import SCALE
from stores import Databases, Place, PostgresPlace, SqlitePlace

EXAMPLES = max(1, int(12 * SCALE))
STEPS = 30

Places = Callable[[], AbstractContextManager[Place]]
"""Makes contexts, each of which is a new place."""


class OnPlace(RuleBasedStateMachine):
    """A machine over a registry on a place of its own."""

    place: Places

    def __init__(self) -> None:
        super().__init__()
        self._context = self.place()
        self.registry = Registry(self._context.__enter__().open())

    def teardown(self) -> None:
        try:
            assert self.registry.doctor().findings == ()
        finally:
            self.registry.close()
            self._context.__exit__(None, None, None)


def run(machine: type[OnPlace], places: Places) -> None:
    """Run a machine again and again, each time on a new place."""
    bound = type(machine.__name__, (machine,), {"place": staticmethod(places)})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@contextmanager
def on_sqlite(folder: Path) -> Iterator[Place]:
    yield SqlitePlace(folder)


@contextmanager
def on_postgres(databases: Databases) -> Iterator[Place]:
    name = databases.migrated()
    yield PostgresPlace(databases.url(name))
    databases.drop(name)
