"""What tests share: a PostgreSQL server, registries on both databases, a server process.

Everything here is real. Set `POINTSMAN_TEST_POSTGRES` to the URL of a server that may create
databases to use that one instead of the one that is started here.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from machines import Places, on_postgres, on_sqlite
from pointsman.app.application import Application, Caller
from pointsman.app.ports import Store
from pointsman.compose import Registry
from pointsman.core.access import Actor
from pointsman.core.vocabulary import Role
from stores import Databases, Place, PostgresPlace, SqlitePlace, start_postgres

# No deadlines: the machine is shared. Fixtures are shared by the examples of one test on
# purpose: what they hold is either not written to or made anew in each example.
settings.register_profile(
    "tests",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")


# PostgreSQL


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's own database: one server for the whole run.

    The first process of the run that needs it starts it, the last one that leaves stops it.
    Tests that need it are skipped where it can't start, and fail where `CI` is set.
    """
    given = os.environ.get("POINTSMAN_TEST_POSTGRES")
    if given:
        yield given
        return
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(8)
    # Not below pytest's own folder: the server runs as another user if we are root, and
    # pytest closes its folder to all others whenever a run begins.
    folder = Path(tempfile.gettempdir()) / f"pointsman-postgres-{run}"
    try:
        url, stop = start_postgres(folder)
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL can't be started here: {error!r}")
    yield url
    stop()


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    """Makes databases on the PostgreSQL server."""
    with closing(Databases(postgres_server)) as made:
        yield made


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """A database with an empty registry in it, for one test."""
    name = databases.migrated()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def empty_postgres_url(databases: Databases) -> Iterator[str]:
    """A database without anything in it, for one test."""
    name = databases.empty()
    yield databases.url(name)
    databases.drop(name)


# Registries in this process


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where an empty registry can be opened: a test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "data")
    return PostgresPlace(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgres"])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """`place`, where no registry was ever opened."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "data")
    return PostgresPlace(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Makes places, for tests that need a new one many times."""
    if request.param == "sqlite":
        return lambda: on_sqlite(tmp_path_factory.mktemp("model"))
    databases: Databases = request.getfixturevalue("databases")
    return lambda: on_postgres(databases)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """A store with nothing but the default project, on each database."""
    with closing(place.open()) as opened:
        yield opened


@pytest.fixture
def app(store: Store) -> Application:
    """The use cases over a store, on each database."""
    return Application(store)


@pytest.fixture
def registry(store: Store) -> Registry:
    """The embedded registry over a store, on each database; the caller is an admin."""
    return Registry(store)


@pytest.fixture
def caller(app: Application) -> Callable[..., Caller]:
    """Makes callers: `caller("editor")`, `caller("releaser", "ana")`."""
    project = app.project("default")

    def make(role: Role = "admin", name: str = "tester") -> Caller:
        return Caller(Actor(f"test:{name}", name, role, "test"), project)

    return make


# A server process

_STARTING = 30.0


@dataclass
class RunningServer:
    """A server process on loopback, and the admin key that it was started with."""

    url: str
    key: str
    process: subprocess.Popen[str]
    environment: dict[str, str]
    log: Path

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs to be let in."""
        return {"Authorization": f"Bearer {self.key}"}

    def stop(self) -> int:
        """Ask it to stop and wait until it has; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it without asking, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again after it ended: same data, same key, same port."""
        again = _start(self.environment, self.key, self.log, self.port)
        self.url, self.process = again.url, again.process


Serve = Callable[..., RunningServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers: `serve()`, `serve(data=folder)`, `serve(database=url)`; stops them all."""
    started: list[RunningServer] = []

    def start(
        data: Path | None = None, database: str | None = None, **environment: str
    ) -> RunningServer:
        log = tmp_path / f"server-{len(started)}.log"
        running = _serve(data or tmp_path / "server", database, log, environment)
        started.append(running)
        return running

    yield start
    _stop(started)


@pytest.fixture
def server(serve: Serve) -> RunningServer:
    """A server process over an empty registry of its own."""
    return serve()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server process for all tests that don't mind what others publish to it."""
    folder = tmp_path_factory.mktemp("shared-server")
    running = _serve(folder / "data", None, folder / "server.log", {})
    yield running
    _stop([running])


def _serve(
    data: Path, database: str | None, log: Path, environment: dict[str, str]
) -> RunningServer:
    from pointsman.app.keys import new_secret

    key = new_secret()
    mine = {name: text for name, text in os.environ.items() if not name.startswith("POINTSMAN_")}
    mine |= {"POINTSMAN_DATA": str(data), "POINTSMAN_BOOTSTRAP_KEY": key}
    if database is not None:
        mine["POINTSMAN_DATABASE"] = database
    return _start(mine | environment, key, log, port=0)


def _start(environment: dict[str, str], key: str, log: Path, port: int) -> RunningServer:
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "pointsman", "serve", "--json", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    assert process.stdout is not None
    with process.stdout as said:
        ready = said.readline()
    if not ready:
        process.wait(_STARTING)
        pytest.fail(f"The server did not start:\n{log.read_text()}")
    return RunningServer(json.loads(ready)["url"], key, process, environment, log)


def _stop(servers: list[RunningServer]) -> None:
    for one in servers:
        one.process.terminate()
    for one in servers:
        try:
            one.process.wait(20)
        except subprocess.TimeoutExpired:
            one.kill()


# Small things


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds: `eventually(lambda: seen == 3)`; fails after 20 seconds."""

    def wait(condition: Callable[[], Any], what: str = "the condition") -> None:
        end = time.monotonic() + 20
        while True:
            with suppress(AssertionError):
                if condition():
                    return
            if time.monotonic() > end:
                pytest.fail(f"{what} did not come to hold")
            time.sleep(0.01)

    return wait
