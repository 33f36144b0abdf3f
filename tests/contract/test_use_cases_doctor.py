"""The doctor finds what raw SQL did: each kind of damage, with every trigger out of the way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import apsw
import psycopg
import pytest

from pointsman.app.application import Application, Caller, View
from pointsman.app.doctor import examine
from pointsman.compose import Registry
from pointsman.core.access import Actor
from pointsman.core.journal import genesis, link
from pointsman.core.vocabulary import Diagnosis
from pointsman.storage import postgres, sqlite
from scale import SCALE
from stores import (
    Databases,
    Place,
    PostgresPlace,
    PostgresRaw,
    Raw,
    SqlitePlace,
    SqliteRaw,
)


@dataclass
class Sound:
    """A registry in which everything has happened once, for all to damage: nothing stays."""

    place: Place
    registry: Registry
    caller: Caller

    @contextmanager
    def intruded(self) -> Iterator[tuple[Raw, Callable[[], Diagnosis]]]:
        """A raw connection past every trigger, and the doctor looking through it; all undone."""
        if isinstance(self.place, SqlitePlace):
            with closing(apsw.Connection(str(self.place.file))) as connection:
                connection.execute("BEGIN IMMEDIATE")
                triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
                for (name,) in connection.execute(triggers).fetchall():
                    connection.execute(f"DROP TRIGGER {name}")
                records = sqlite.records_of(connection, self.place.file)
                yield SqliteRaw(connection), lambda: examine(View(records, self.caller, 0))
                connection.execute("ROLLBACK")
            return
        assert isinstance(self.place, PostgresPlace)
        with psycopg.connect(self.place.url) as session:
            session.execute("SET LOCAL session_replication_role = replica")
            seen = postgres.records_of(session)
            yield PostgresRaw(session), lambda: examine(View(seen, self.caller, 0))
            session.rollback()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def sound(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sound]:
    if request.param == "sqlite":
        yield from _filled(SqlitePlace(tmp_path_factory.mktemp("sound")))
    else:
        databases: Databases = request.getfixturevalue("databases")
        name = databases.migrated()
        yield from _filled(PostgresPlace(databases.url(name)))
        databases.drop(name)


def _filled(place: Place) -> Iterator[Sound]:
    with closing(place.open()) as store:
        registry = Registry(store)
        registry.publish("tone", "Be kind.", aliases=["prod"])
        registry.publish("x", "{{> tone@prod }} one", tags={"v": "1"}, aliases=["prod", "old"])
        registry.publish("x", "two", aliases=["prod"], reason="better")
        registry.publish("x", "three")
        registry.split("x", "ab", {1: 1, 2: 3})
        registry.set_tag("x", "team", "support")
        registry.set_tag("x", "gone", "soon")
        registry.delete_tag("x", "gone")
        registry.delete_alias("x@old")
        registry.rollback("x@prod")
        registry.publish("secret", "one")
        registry.publish("secret", "two")
        registry.tombstone("secret:1", reason="leaked")
        registry.publish("away", "x")
        registry.archive("away")
        key = registry.create_key("ci", "editor")
        registry.create_key("app", "viewer")
        registry.revoke_key(key.key.id)
        registry.set_tag("x", "last", "entry")
        project = Application(store).project("default")
        yield Sound(place, registry, Caller(Actor("test:ana", "Ana", "admin", "test"), project))
        assert registry.doctor().healthy


def test_a_sound_registry_is_said_to_be(sound: Sound) -> None:
    diagnosis = sound.registry.doctor()
    assert diagnosis.healthy
    assert diagnosis.findings == ()
    assert diagnosis.checked == {
        "entries": len(sound.registry.entries().items),
        "artifacts": 4,
        "versions": 7,
        "aliases": 4,
        "tags": 3,
        "keys": 2,
        "roles and owners": 0,
        "webhooks": 0,
        "facts of governance": 0,
        "providers": 0,
        "evaluations and their ends": 0,
    }


_X = "(SELECT id FROM artifact WHERE name = 'x')"
_SECRET = "(SELECT id FROM artifact WHERE name = 'secret')"
_TAG = "(SELECT MIN(id) FROM journal WHERE type = 'tag.set')"
_MOVE = f"(SELECT MAX(id) FROM journal WHERE alias = 'prod' AND artifact_id = {_X})"
_LAST = "(SELECT MAX(id) FROM journal)"


@pytest.mark.parametrize(
    ("check", "statement"),
    [
        # The journal
        ("chain", "UPDATE journal SET data = REPLACE(data, 'better', 'worse')"),
        ("chain", f"UPDATE journal SET at = at + 1 WHERE id = {_TAG}"),
        ("chain", f"UPDATE journal SET by_name = 'somebody else' WHERE id = {_MOVE}"),
        ("chain", f"UPDATE journal SET actor = 'key:other' WHERE id = {_MOVE}"),
        ("chain", f"UPDATE journal SET via = 'web' WHERE id = {_MOVE}"),
        ("chain", f"UPDATE journal SET type = 'tag.sets' WHERE id = {_TAG}"),
        ("chain", f"UPDATE journal SET hash = '{'0' * 64}' WHERE id = {_TAG}"),
        ("chain", f"UPDATE journal SET hash = '{'0' * 64}' WHERE id = {_LAST}"),
        ("chain", f"DELETE FROM journal WHERE id = {_TAG}"),
        ("chain", "DELETE FROM journal WHERE type = 'key.created'"),
        ("state", f"DELETE FROM journal WHERE id = {_LAST}"),
        ("chain", "DELETE FROM journal WHERE type = 'project.created'"),
        ("state", "DELETE FROM journal"),
        ("aliases", f"UPDATE journal SET alias = 'other' WHERE id = {_MOVE}"),
        ("aliases", f"UPDATE journal SET alias = NULL WHERE id = {_MOVE}"),
        ("state", f"UPDATE journal SET artifact_id = {_SECRET} WHERE id = {_TAG}"),
        ("replay", f"UPDATE journal SET artifact_id = 1 WHERE id = {_TAG}"),
        ("replay", f"UPDATE journal SET artifact_id = NULL WHERE id = {_MOVE}"),
        ("replay", f"UPDATE journal SET data = 'not JSON' WHERE id = {_MOVE}"),
        ("replay", f"UPDATE journal SET data = '[]' WHERE id = {_MOVE}"),
        ("replay", f"UPDATE journal SET data = '{{}}' WHERE id = {_MOVE}"),
        ("replay", f"UPDATE journal SET data = '5' WHERE id = {_TAG}"),
        # Aliases
        ("aliases", f"UPDATE alias SET version = 3 WHERE name = 'prod' AND artifact_id = {_X}"),
        ("aliases", f"UPDATE alias SET revision = 9 WHERE name = 'prod' AND artifact_id = {_X}"),
        ("aliases", f"UPDATE alias SET release = 9 WHERE name = 'prod' AND artifact_id = {_X}"),
        ("aliases", f"UPDATE alias SET moved_at = 9 WHERE name = 'prod' AND artifact_id = {_X}"),
        ("aliases", "UPDATE alias SET moved_by = 'somebody else' WHERE name = 'prod'"),
        ("aliases", "UPDATE alias SET reason = 'another' WHERE name = 'prod'"),
        ("aliases", "UPDATE alias SET split = '[[1, 1], [2, 99]]' WHERE name = 'ab'"),
        ("aliases", "UPDATE alias SET split = NULL, version = 2 WHERE name = 'ab'"),
        ("aliases", "UPDATE alias SET version = 1 WHERE name = 'old'"),
        ("aliases", "DELETE FROM alias WHERE name = 'ab'"),
        ("aliases", "DELETE FROM alias WHERE name = 'old'"),
        (
            "aliases",
            "INSERT INTO alias (artifact_id, name, version, revision, release, moved_at, "
            f"moved_by, reason) VALUES ({_X}, 'sneaked', 3, 1, 1, 1, 'x', '')",
        ),
        # Contents and versions
        ("content", "UPDATE content SET body = REPLACE(body, 'two', 'owt')"),
        ("content", "UPDATE content SET body = '{}'"),
        ("content", "DELETE FROM content"),
        ("versions", f"UPDATE version SET digest = '{'0' * 64}' WHERE artifact_id = {_X}"),
        ("versions", "UPDATE version SET message = 'another' WHERE number = 2"),
        ("versions", "UPDATE version SET author = 'somebody else' WHERE number = 2"),
        ("versions", "UPDATE version SET created_at = 5 WHERE number = 2"),
        ("versions", "UPDATE version SET shape = 'curly chat' WHERE number = 2"),
        ("versions", f"DELETE FROM version WHERE number = 1 AND artifact_id = {_X}"),
        ("versions", f"DELETE FROM version WHERE number = 2 AND artifact_id = {_X}"),
        ("versions", f"DELETE FROM version WHERE number = 3 AND artifact_id = {_X}"),
        ("versions", f"UPDATE version SET number = 4 WHERE number = 3 AND artifact_id = {_X}"),
        ("content", f"UPDATE version SET entry_id = 1 WHERE number = 3 AND artifact_id = {_X}"),
        # Tombstones
        ("state", "DELETE FROM tombstone"),
        ("state", "UPDATE tombstone SET at = 5"),
        ("state", "UPDATE tombstone SET number = 2"),
        ("state", "UPDATE tombstone SET by_name = 'somebody else'"),
        ("state", "UPDATE tombstone SET reason = 'another'"),
        (
            "content",
            "INSERT INTO content (entry_id, body) SELECT entry_id, '{}' FROM tombstone",
        ),
        (
            "state",
            "INSERT INTO tombstone (artifact_id, number, entry_id, at, by_name, reason) "
            f"SELECT artifact_id, number, entry_id, 1, 'x', 'x' FROM version "
            f"WHERE artifact_id = {_X} AND number = 3",
        ),
        # Tags
        ("state", "UPDATE tag SET value = 'sales' WHERE key = 'team'"),
        ("state", "UPDATE tag SET key = 'teams' WHERE key = 'team'"),
        ("state", "UPDATE tag SET number = 2 WHERE key = 'v'"),
        ("state", "DELETE FROM tag WHERE key = 'v'"),
        (
            "state",
            "INSERT INTO tag (artifact_id, number, key, value, value_start, project_id, name) "
            f"VALUES ({_X}, 0, 'gone', 'soon', 'soon', 1, 'x')",
        ),
        # Artifacts
        ("state", "UPDATE artifact SET newest = 2 WHERE name = 'x'"),
        ("state", "UPDATE artifact SET newest = 4 WHERE name = 'x'"),
        ("state", "UPDATE artifact SET name = 'y' WHERE name = 'x'"),
        ("state", "UPDATE artifact SET kind = 'model' WHERE name = 'x'"),
        ("state", "UPDATE artifact SET archived_at = 5 WHERE name = 'x'"),
        ("state", "UPDATE artifact SET archived_at = NULL WHERE name = 'away'"),
        ("state", "UPDATE artifact SET created_at = 5 WHERE name = 'x'"),
        ("state", "UPDATE artifact SET created_by = 'somebody else' WHERE name = 'x'"),
        ("state", "UPDATE artifact SET updated_at = 5 WHERE name = 'x'"),
        ("state", "DELETE FROM artifact WHERE name = 'x'"),
        (
            "state",
            "INSERT INTO artifact (id, project_id, kind, name, skeleton, newest, created_at, "
            "created_by, updated_at) SELECT id + 1000, 1, kind, 'sneaked', 'sneaked', 0, 1, 'x', 1 "
            "FROM artifact WHERE name = 'x'",
        ),
        # Dependencies
        ("dependencies", "DELETE FROM dependency"),
        ("dependencies", "UPDATE dependency SET selector = 'tone:1', target_alias = NULL"),
        ("dependencies", "UPDATE dependency SET target_alias = 'staging'"),
        ("dependencies", f"UPDATE dependency SET target_id = {_SECRET}"),
        (
            "dependencies",
            "INSERT INTO dependency (artifact_id, number, position, relation, selector, "
            "target_id, target_alias) SELECT artifact_id, 3, 0, relation, selector, target_id, "
            "target_alias FROM dependency",
        ),
        # Keys
        ("keys", "UPDATE api_key SET role = 'admin' WHERE name = 'app'"),
        ("keys", "UPDATE api_key SET revoked_at = NULL"),
        ("keys", "UPDATE api_key SET expires_at = 5"),
        ("keys", "UPDATE api_key SET secret_hash = 'mine' WHERE name = 'app'"),
        ("keys", "UPDATE api_key SET name = 'another' WHERE name = 'app'"),
        ("keys", "DELETE FROM api_key WHERE name = 'app'"),
        (
            "keys",
            "INSERT INTO api_key (id, project_id, name, role, secret_hash, created_at, created_by) "
            "VALUES ('sneakedkey', 1, 'sneaked', 'admin', 'x', 1, 'x')",
        ),
    ],
)
def test_damage_is_found(sound: Sound, check: str, statement: str) -> None:
    with sound.intruded() as (raw, doctor):
        raw.execute(statement)
        diagnosis = doctor()
    assert not diagnosis.healthy
    assert check in {finding.check for finding in diagnosis.findings}, diagnosis.findings
    for finding in diagnosis.findings:
        assert finding.subject
        assert finding.message


@pytest.mark.parametrize(
    ("message", "statement"),
    [
        (
            "its revision is 9 in the store, but 1 by the journal; "
            "its mover is “eve” in the store, but ",
            "UPDATE alias SET revision = 9, moved_by = 'eve' WHERE name = 'ab'",
        ),
        (
            "its target is version 2 in the store, "
            "but split ((version 1, weight 1), (version 2, weight 3)) by the journal",
            "UPDATE alias SET split = NULL, version = 2 WHERE name = 'ab'",
        ),
        (
            "its tag 'team' is nothing in the store, but “support” by the journal",
            "DELETE FROM tag WHERE key = 'team'",
        ),
        (
            "its list of dependencies is (“includes”, “tone:1”, ",
            "UPDATE dependency SET selector = 'tone:1', target_version = 2",
        ),
        (
            "its time is 1970-01-01 00:00:00.000005+00:00 in the store, but 20",
            "UPDATE version SET created_at = 5 WHERE number = 2",
        ),
        (
            f"its time is {2**60} in the store, but 20",
            f"UPDATE alias SET moved_at = {2**60} WHERE name = 'ab'",
        ),
        ("it is in the journal but not in the store", "DELETE FROM alias WHERE name = 'ab'"),
        (
            "it is in the store but not in the journal",
            f"UPDATE alias SET name = 'abc' WHERE name = 'ab' AND artifact_id = {_X}",
        ),
    ],
)
def test_what_differs_is_told_fact_by_fact(sound: Sound, message: str, statement: str) -> None:
    with sound.intruded() as (raw, doctor):
        raw.execute(statement)
        findings = doctor().findings
    assert any(one.message.startswith(message) for one in findings), findings


def test_a_rewritten_journal_is_found_by_its_state(sound: Sound) -> None:
    """An intruder who mends every hash after a change still has the state against them."""
    with sound.intruded() as (raw, doctor):
        (uid,) = raw.execute("SELECT uid FROM project")[0]
        rows = raw.execute(
            "SELECT id, at, type, actor, by_name, via, data FROM journal ORDER BY id"
        )
        previous = genesis(uid).hash
        for identity, at, kind, actor, by, via, data in rows:
            told = data
            if kind == "alias.moved":
                told = data.replace('"reason":"better"', '"reason":"worse"')
            previous = link(previous, identity - (1 << 40), at, kind, actor, by, via, told)
            raw.execute(
                "UPDATE journal SET data = ?, hash = ? WHERE id = ?", (told, previous, identity)
            )
        assert doctor().healthy, "it is not the last move: nothing but a checkpoint tells"
        raw.execute("UPDATE alias SET version = 3 WHERE name = 'prod' AND version = 1")
        assert {finding.check for finding in doctor().findings} == {"aliases"}


def test_random_damage_to_the_journal_is_found_and_never_breaks_the_doctor(sound: Sound) -> None:
    """Whatever JSON stands where a fact stood, the doctor says so and looks at the rest."""
    chance = random.Random(7)
    with sound.intruded() as (raw, doctor):
        rows = raw.execute("SELECT id, data FROM journal ORDER BY id")
        for _ in range(int(60 * SCALE)):
            identity, data = chance.choice(rows)
            broken = json.dumps(_broken(json.loads(data), chance))
            if json.loads(broken) == json.loads(data):
                continue
            raw.execute("UPDATE journal SET data = ? WHERE id = ?", (broken, identity))
            assert "chain" in {finding.check for finding in doctor().findings}, broken
            raw.execute("UPDATE journal SET data = ? WHERE id = ?", (data, identity))
        assert doctor().healthy


def _broken(value: Any, chance: random.Random) -> Any:
    """The value with one part of it replaced or removed."""
    odd = [None, True, -1, 2**70, 1.5, "", "x", [], [1], {}, {"version": "1"}, {"split": 5}]
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.2:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _broken(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], _broken(value[place], chance), *value[place + 1 :]]
    return chance.choice(odd)
