"""PostgreSQL when things go wrong: locks, lost connections, lost answers, a full disk."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from changes import PROJECT, Answers, add, add_version, held, record
from pointsman.app.application import Application, Caller, Once
from pointsman.app.ports import Transaction
from pointsman.app.publishing import Publish, publish
from pointsman.app.tail import Tail
from pointsman.core.access import Actor
from pointsman.core.vocabulary import Published
from pointsman.errors import Conflict, OutcomeUnknown, PointsmanError, Unavailable
from pointsman.storage.postgres import PostgresStore
from stores import Databases, PostgresPlace, Raw, start_postgres

PATIENCE = 0.2
Wait = Callable[..., None]


@pytest.fixture
def place(postgres_url: str) -> PostgresPlace:
    return PostgresPlace(postgres_url)


@pytest.fixture
def store(place: PostgresPlace) -> Iterator[PostgresStore]:
    with closing(place.open(patience=PATIENCE)) as opened:
        yield opened


def kill(place: PostgresPlace, *, spare: int = 0) -> int:
    """End all connections of stores, but the `spare` eldest; returns how many there were."""
    with place.raw() as raw:
        killed = raw.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM ("
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            f"AND application_name = 'pointsman' ORDER BY backend_start OFFSET {spare}) AS found"
        )
    return len(killed)


def count(store: PostgresStore) -> int:
    with store.read() as reader:
        return reader.heads()[PROJECT]


def codes(answers: Answers) -> list[str]:
    return [error.code for error in answers.errors if isinstance(error, PointsmanError)]


def test_a_locked_project_is_said_to_be_locked(place: PostgresPlace, store: PostgresStore) -> None:
    with psycopg.connect(place.url) as other:
        other.execute("SELECT 1 FROM project FOR UPDATE")
        with pytest.raises(Unavailable) as caught:
            store.write(PROJECT, record)
        assert caught.value.code == "database_locked"
        assert caught.value.hint
        answers = Answers()
        for _ in range(3):
            store.submit(PROJECT, record, answers)
        answers.wait(3)
        assert codes(answers) == ["database_locked"] * 3
        assert count(store) == 1, "reads go on"
    assert store.write(PROJECT, record).seq == 2


def test_idle_connections_may_be_lost(place: PostgresPlace, store: PostgresStore) -> None:
    for n in range(3):
        assert store.write(PROJECT, record).seq == n + 2
        assert count(store) == n + 2
        assert kill(place) == 2, "one that writes and one that reads"
    assert count(store) == 4
    assert store.write(PROJECT, record).seq == 5


def test_a_connection_lost_amid_a_change(place: PostgresPlace, store: PostgresStore) -> None:
    def change(tx: Transaction) -> None:
        add(tx, "x")
        record(tx)
        kill(place)
        record(tx)

    with pytest.raises(Unavailable) as caught:
        store.write(PROJECT, change)
    assert type(caught.value) is Unavailable, "the commit was never sent: the outcome is known"
    assert count(store) == 1
    assert store.write(PROJECT, lambda tx: (add(tx, "x"), record(tx)))[1].seq == 2


def test_a_connection_lost_after_the_last_statement_of_a_change(
    place: PostgresPlace, store: PostgresStore
) -> None:
    """What is left to do before the commit fails; it was not sent."""

    def change(tx: Transaction) -> None:
        add(tx, "x")
        record(tx)
        kill(place)

    with pytest.raises(Unavailable):
        store.write(PROJECT, change)
    assert count(store) == 1
    assert store.write(PROJECT, record).seq == 2


@pytest.mark.parametrize("error", [None, Conflict("mine", code="mine"), ValueError("mine")])
def test_a_connection_lost_amid_a_batch(
    place: PostgresPlace, store: PostgresStore, error: Exception | None
) -> None:
    """All whose changes were lost hear of it, whatever the one that was running says."""

    def change(tx: Transaction) -> None:
        kill(place)
        if error is not None:
            raise error
        record(tx)

    with held(store) as answers:
        store.submit(PROJECT, record, answers)
        store.submit(PROJECT, change, answers)
        store.submit(PROJECT, record, answers)
    answers.wait(3)
    assert answers.results == []
    assert all(isinstance(one, Unavailable) or one is error for one in answers.errors)
    assert sum(isinstance(one, Unavailable) for one in answers.errors) >= 2
    assert count(store) == 1
    assert store.write(PROJECT, record).seq == 2


def test_a_connection_lost_amid_a_read(place: PostgresPlace, store: PostgresStore) -> None:
    with store.read() as reader:
        assert reader.heads() == {PROJECT: 1}
        kill(place)
        with pytest.raises(Unavailable) as caught:
            reader.heads()
    assert caught.value.code == "database_unreachable"
    with store.read() as reader:
        kill(place)
    assert count(store) == 1


def test_the_tail_survives_its_connection(
    place: PostgresPlace, store: PostgresStore, eventually: Wait
) -> None:
    heard: list[int] = []
    tail = Tail(store)
    tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
    tail.start()
    with closing(place.open()) as other:
        for n in range(3):
            other.write(PROJECT, record)
            eventually(lambda n=n: heard == list(range(2, n + 3)), "hearing of others")
            kill(place)
    tail.stop()


def test_a_tail_that_cannot_read_does_not_deny_a_durable_change(
    place: PostgresPlace, store: PostgresStore, databases: Databases
) -> None:
    """What it missed it tells of later: the change itself is done and stays done."""
    heard: list[int] = []
    tail = Tail(store)
    tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
    with place.raw() as raw:
        (name,) = raw.execute("SELECT current_database()")[0]
        with closing(place.open()) as other:
            other.write(PROJECT, record)
        databases._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        killed = raw.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM (SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'pointsman' "
            "ORDER BY backend_start OFFSET 1) AS found"
        )
        assert killed, "the connection that the tail read with"
        try:
            assert store.write(PROJECT, record).seq == 3
        finally:
            databases._run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    tail.catch_up()
    assert heard == [2, 3]


# The commit itself


def at_commit(raw: Raw, body: str) -> None:
    """Run `body` in the server at each commit that appended to the journal."""
    raw.execute(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} RETURN NULL; END $$"
    )
    raw.execute(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON journal DEFERRABLE INITIALLY "
        "DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
    )


def test_a_connection_lost_during_the_commit(place: PostgresPlace, store: PostgresStore) -> None:
    told: list[Any] = []
    store.on_commit(told.append)
    with place.raw() as raw:
        at_commit(raw, "PERFORM pg_terminate_backend(pg_backend_pid());")
        with pytest.raises(OutcomeUnknown) as caught:
            store.write(PROJECT, record)
        assert caught.value.code == "outcome_unknown"
        assert "idempotency key" in caught.value.hint
        with held(store) as answers:
            for _ in range(3):
                store.submit(PROJECT, record, answers)
        answers.wait(3)
        assert codes(answers) == ["outcome_unknown"] * 3
        raw.execute("DROP TRIGGER at_commit ON journal")
    assert told == []
    assert count(store) == 1
    assert store.write(PROJECT, record).seq == 2


def test_a_refused_commit_is_known_to_have_failed(
    place: PostgresPlace, store: PostgresStore
) -> None:
    with place.raw() as raw:
        at_commit(raw, "RAISE EXCEPTION 'not today';")
        with pytest.raises(Unavailable, match="not today") as caught:
            store.write(PROJECT, record)
        assert type(caught.value) is Unavailable
        raw.execute("DROP TRIGGER at_commit ON journal")
    assert count(store) == 1
    assert store.write(PROJECT, record).seq == 2


class Proxy:
    """Stands between a store and its server, and can lose what the server answers."""

    def __init__(self, url: str) -> None:
        self._parameters = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.lose_answer_to = b""
        """Once this is seen on its way to the server, the connection ends before the answer."""
        self.down = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        user, name = self._parameters["user"], self._parameters["dbname"]
        return f"postgresql://{quote(str(user))}@127.0.0.1:{port}/{name}?sslmode=disable"

    def close(self) -> None:
        self.drop()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def drop(self) -> None:
        """End every connection now."""
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.down:
                    client.close()
                else:
                    threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, self._server() as server:
            self._open += [client, server]
            with suppress(OSError):
                while True:
                    ready, _, _ = select.select([client, server], [], [])
                    for one in ready:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        if one is client:
                            server.sendall(data)
                            if self.lose_answer_to and self.lose_answer_to in data:
                                server.recv(1 << 16)  # it has answered, so it is done
                                return
                        else:
                            client.sendall(data)

    def _server(self) -> socket.socket:
        host, port = str(self._parameters["host"]), self._parameters.get("port", 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, int(str(port))))
        made = socket.socket(socket.AF_UNIX)
        made.connect(f"{host}/.s.PGSQL.{port}")
        return made


@pytest.fixture
def proxy(place: PostgresPlace) -> Iterator[Proxy]:
    made = Proxy(place.url)
    yield made
    made.close()


def test_a_lost_answer_to_the_commit_leaves_the_outcome_unknown(
    place: PostgresPlace, proxy: Proxy
) -> None:
    """The worst case: it was done, and nobody was told. The idempotency key finds out."""
    with closing(PostgresPlace(proxy.url).open()) as store:
        app = Application(store)
        caller = Caller(Actor("test:ana", "Ana", "admin", "test"), app.project("default"))
        once = Once("the-key", "the-request")

        def attempt() -> Published:
            wanted = Publish("a", {"template": "x"}, aliases=["deployment"])
            return app.write(caller, lambda work: publish(work, wanted), once, Published)

        proxy.lose_answer_to = b"COMMIT\x00"
        with pytest.raises(OutcomeUnknown):
            attempt()
        proxy.lose_answer_to = b""
        with closing(place.open()) as other, other.read() as reader:
            (row,) = reader.artifacts_after(PROJECT, 0, 9)
            assert row.newest == 1, "it had taken effect"
            head = reader.heads()[PROJECT]
        again = attempt()
        assert again.version.number == 1
        assert again.release is not None
        with store.read() as reader:
            assert reader.heads()[PROJECT] == head, "nothing was done twice"


def test_a_server_that_is_away_and_comes_back(proxy: Proxy, eventually: Wait) -> None:
    with closing(PostgresPlace(proxy.url).open()) as store:
        heard: list[int] = []
        tail = Tail(store)
        tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
        tail.start()
        store.write(PROJECT, record)
        proxy.down = True
        proxy.drop()
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                store.write(PROJECT, record)
            assert caught.value.code == "database_unreachable"
            with pytest.raises(Unavailable) as caught:
                count(store)
            assert caught.value.code == "database_unreachable"
        proxy.down = False
        assert store.write(PROJECT, record).seq == 3
        assert count(store) == 3
        eventually(lambda: heard == [2, 3], "hearing of both")
        tail.stop()


# A full disk


@pytest.fixture
def small_disk(postgres_server: str) -> Iterator[tuple[Path, str]]:
    """A file system of 24 MB that holds a database: its folder and the database's URL.

    The server is one of its own: a full disk fails the checkpoints of all its databases.
    """
    del postgres_server  # where there can be none, there can't be a second
    if os.environ.get("POINTSMAN_TEST_POSTGRES") or os.geteuid() != 0:
        pytest.skip("only root can make a small disk for a server of its own")
    folder = Path(tempfile.mkdtemp(prefix="pointsman-small-"))
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(folder)], check=False
    ).returncode:
        folder.rmdir()
        pytest.skip("a small file system can't be mounted here")
    home = folder.with_name(folder.name.replace("small", "postgres"))
    url, stop = start_postgres(home)
    try:
        owner, space = home.stat(), folder / "space"
        space.mkdir()
        os.chown(space, owner.st_uid, owner.st_gid)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
            connection.execute("CREATE DATABASE small TABLESPACE small")
        yield folder, Databases(url).url("small")
    finally:
        stop()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def large(tx: Transaction, name: str) -> None:
    """A change that needs some megabytes, which the server can't compress."""
    body = '"' + os.urandom(3_000_000).hex() + '"'
    add_version(tx, add(tx, name).id, 1, body)


def test_a_full_disk_refuses_writes_and_nothing_else(small_disk: tuple[Path, str]) -> None:
    folder, url = small_disk
    with closing(PostgresPlace(url).open()) as store:
        store.write(PROJECT, lambda tx: add(tx, "first"))
        ballast = folder / "ballast"
        _fill(ballast)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                store.write(PROJECT, lambda tx: large(tx, "large"))
            assert caught.value.code == "disk_full", caught.value
        with store.read() as reader:
            assert [row.name for row in reader.artifacts_after(PROJECT, 0, 9)] == ["first"]
        ballast.unlink()
        store.write(PROJECT, lambda tx: add(tx, "last"))
        with store.read() as reader:
            names = [row.name for row in reader.artifacts_after(PROJECT, 0, 9)]
        assert names == ["first", "last"]


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        chunk = 1 << 16
        while chunk:
            try:
                file.write(b"x" * chunk)
            except OSError:
                chunk //= 2
