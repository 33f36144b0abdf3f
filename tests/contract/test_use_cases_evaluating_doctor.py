"""Evaluations that were changed behind the journal's back, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from contract.evaluating import Lab
from contract.test_use_cases_doctor import Sound
from contract.test_use_cases_evaluating import wish
from pointsman.app import doctor
from pointsman.app.evaluating import asking, runs
from pointsman.compose import Registry
from pointsman.core.vocabulary import Diagnosis
from stores import Databases, Place, PostgresPlace, SqlitePlace


@dataclass
class Ended:
    """A registry with an evaluation that passed, one that failed, one cancelled, one waiting."""

    lab: Lab
    sound: Sound
    numbers: dict[str, int]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    if request.param == "sqlite":
        yield from _filled(SqlitePlace(tmp_path_factory.mktemp("ended")))
        return
    databases: Databases = request.getfixturevalue("databases")
    name = databases.migrated()
    yield from _filled(PostgresPlace(databases.url(name)))
    databases.drop(name)


def _filled(place: Place) -> Iterator[Ended]:
    with closing(place.open()) as store:
        lab = Lab(store)
        numbers = {}
        for name, state in (("summarise", "passed"), ("classify", "failed")):
            (asked,) = lab.does("eva", lambda w, name=name: asking.evaluate(w, wish(f"{name}:1")))  # type: ignore[misc]
            numbers[state] = asked.number
        lab.settle({"classify": "failed"})
        (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
        lab.does("eva", lambda w: runs.cancel(w, asked.number))
        (waiting,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
        sound = Sound(place, Registry(store), lab.caller("ada"))
        numbers |= {"cancelled": asked.number, "queued": waiting.number}
        yield Ended(lab, sound, numbers)


def _subjects(diagnosis: Diagnosis) -> set[str]:
    return {one.subject for one in diagnosis.findings if one.check == "evaluations"}


def test_evaluations_as_they_were_recorded_are_sound(ended: Ended) -> None:
    diagnosis = ended.lab.sees("ada", doctor.examine)
    assert _subjects(diagnosis) == set()
    assert diagnosis.checked["evaluations and their ends"] == 4 + 3


@pytest.mark.parametrize(
    ("state", "subject", "sql"),
    [
        ("failed", "end of ", "UPDATE evaluation_end SET state = 'passed' WHERE number = ?"),
        ("failed", "end of ", "UPDATE evaluation_end SET summary = 'fine' WHERE number = ?"),
        ("failed", "end of ", "UPDATE evaluation_end SET at = at + 1 WHERE number = ?"),
        ("failed", "end of ", "UPDATE evaluation_end SET by_name = 'eva' WHERE number = ?"),
        (
            "failed",
            "end of ",
            "UPDATE evaluation_end SET report = REPLACE(report, '\"failed\"', '\"passed\"') "
            "WHERE number = ?",
        ),
        ("failed", "end of ", "UPDATE evaluation_end SET report = NULL WHERE number = ?"),
        ("failed", "end of ", "UPDATE evaluation_end SET report = '[' WHERE number = ?"),
        ("failed", "end of ", "DELETE FROM evaluation_end WHERE number = ?"),
        ("cancelled", "end of ", "UPDATE evaluation_end SET state = 'passed' WHERE number = ?"),
        (
            "queued",
            "end of ",
            "INSERT INTO evaluation_end (project_id, number, state, at, by_name, summary) "
            "SELECT 1, number, 'passed', 1, 'x', 'x' FROM evaluation WHERE number = ?",
        ),
        ("failed", "", "DELETE FROM evaluation WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET version = 9 WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET against = NULL WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET artifact_id = artifact_id + 1 WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET suite_id = artifact_id WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET suite_version = 9 WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET alias = 'staging' WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET change_number = 1 WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET subject = 'person:5' WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET at = at + 1 WHERE number = ?"),
        ("passed", "", f"UPDATE evaluation SET seal = '{'0' * 64}' WHERE number = ?"),
        (
            "passed",
            "",
            "UPDATE evaluation SET orders = REPLACE(orders, 'rows:1', 'rows:2') WHERE number = ?",
        ),
        ("passed", "", "UPDATE evaluation SET orders = '{}' WHERE number = ?"),
        ("passed", "", "UPDATE evaluation SET orders = '[' WHERE number = ?"),
        (
            "passed",
            "",
            "UPDATE evaluation SET number = number + 1000 WHERE number = ?",
        ),
    ],
)
def test_the_doctor_finds_results_that_no_worker_brought(
    ended: Ended, state: str, subject: str, sql: str
) -> None:
    number = ended.numbers[state]
    with ended.sound.intruded() as (raw, examined):
        raw.execute(sql, (number,))
        assert f"{subject}evaluation {number}" in _subjects(examined())
