"""What MLflow's clients ask for most costs the same however many versions there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pointsman.app import archiving, publishing, releases, tagging
from pointsman.app.application import Application, Caller, Work
from pointsman.app.publishing import Publish
from pointsman.app.releases import Wish
from pointsman.core.vocabulary import Target
from pointsman.storage.statements import Statements
from pointsman.wire.mlflow import models, searches, versions
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.running import Read

Make = Callable[..., Caller]
Plan = Callable[[Call], Any]
MANY = 2_000
STAGE, ARCHIVED = "mlflow.stage", "Archived"


@dataclass
class Cost:
    """Statements that were run, and rows that they gave."""

    statements: int = 0
    rows: int = 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cost]:
    """Count what is read of the database; every statement is run as ever."""
    cost = Cost()
    with monkeypatch.context() as patch:
        for name in ("_run", "_built"):
            as_ever = getattr(Statements, name)

            def run(self: Statements, *given: Any, _as_ever: Any = as_ever, **named: Any) -> Any:
                rows = _as_ever(self, *given, **named)
                cost.statements += 1
                cost.rows += len(rows)
                return rows

            patch.setattr(Statements, name, run)
        yield cost


class Desk:
    """A caller of MLflow's operations, and of what prepares them."""

    def __init__(self, app: Application, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.caller, self._patch = app, caller, monkeypatch

    def asks(self, plan: Plan, **values: object) -> tuple[Mapping[str, Any], Cost]:
        """The answer to an operation that reads, and what it cost."""
        planned = plan(Call(self.caller, values))
        assert isinstance(planned, Read)
        with counted(self._patch) as cost:
            answer = self.app.read(self.caller, planned.use_case)
        return answer, cost

    def does(self, use_case: Callable[[Work], object]) -> None:
        self.app.write(self.caller, use_case)

    def publish(self, kind: str, name: str, count: int) -> None:
        """Publish versions with tags."""
        content: Any = {"uri": "s3://b/m"} if kind == "model" else "Hello {{ who }}"
        tags = {"team": "ops", "stage.tag": "good"}
        for start in range(0, count, 100):
            wanted = [Publish(name, content, kind, tags=tags)] * min(100, count - start)
            self.does(lambda w, wanted=wanted: publishing.publish_many(w, wanted))  # type: ignore[misc]

    def point(self, name: str, alias: str, number: int, kind: str = "model") -> None:
        wish = Wish(kind, name, alias, Target(version=number))
        self.does(lambda w: releases.release(w, [wish], "why"))


@pytest.fixture
def desk(app: Application, caller: Make, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(app, caller("admin"), monkeypatch)


@pytest.mark.parametrize("kind", ["prompt", "model"])
def test_getting_costs_the_same_at_few_and_at_many_versions(desk: Desk, kind: str) -> None:
    desk.publish(kind, "few", 2)
    desk.publish(kind, "many", MANY)
    for name in ("few", "many"):
        desk.point(name, "production", 1, kind)
    few, cheap = desk.asks(models.get, name="few")
    many, same = desk.asks(models.get, name="many")
    assert many["registered_model"]["aliases"] == few["registered_model"]["aliases"]
    latest = [each["version"] for each in many["registered_model"]["latest_versions"]]
    assert latest == ([str(MANY), "1"] if kind == "model" else [str(MANY)])
    assert same == cheap
    for plan, values in (
        (models.get_alias, {"alias": "production"}),
        (models.get_alias, {"alias": "latest"}),
        (versions.get, {"version": "1"}),
        (versions.download, {"version": "1"}),
        (models.latest_versions, {"stages": ["None"]}),
    ):
        _, cheap = desk.asks(plan, name="few", **values)
        _, same = desk.asks(plan, name="many", **values)
        assert same == cheap, (plan, values)


def test_getting_costs_the_same_where_all_but_the_oldest_are_archived(desk: Desk) -> None:
    desk.publish("model", "shelved", 300)

    def shelve(work: Work) -> None:
        for number in range(2, 301):
            tagging.set_tag(work, "model", "shelved", number, STAGE, ARCHIVED)

    _, before = desk.asks(models.get, name="shelved")
    desk.does(shelve)
    told, after = desk.asks(models.get, name="shelved")
    latest = told["registered_model"]["latest_versions"]
    assert [(one["version"], one["current_stage"]) for one in latest] == [
        ("300", "Archived"),
        ("1", "None"),
    ]
    assert after.rows <= before.rows + 10, (before, after)


def test_the_latest_versions_by_stage_are_the_right_ones(desk: Desk) -> None:
    desk.publish("model", "m", 7)
    for alias, number in (("production", 5), ("staging", 5)):
        desk.point("m", alias, number)
    for number in (4, 5, 6):
        desk.does(lambda w, n=number: tagging.set_tag(w, "model", "m", n, STAGE, ARCHIVED))  # type: ignore[misc]
    desk.does(lambda w: archiving.tombstone(w, "model", "m", 7, "wrong"))

    def stages(*wanted: str) -> dict[str, str]:
        told, _ = desk.asks(models.latest_versions, name="m", stages=list(wanted))
        return {one["current_stage"]: one["version"] for one in told.get("model_versions", ())}

    assert stages() == {"Production": "5", "Archived": "6", "None": "3"}
    assert stages("Staging") == {}
    assert stages("archived", "none") == {"Archived": "6", "None": "3"}
    desk.point("m", "staging", 6)
    assert stages() == {"Production": "5", "Staging": "6", "Archived": "4", "None": "3"}


def test_answers_name_authors_and_searches_name_aliases(desk: Desk) -> None:
    desk.publish("model", "named", 2)
    desk.publish("prompt", "asked", 2)
    desk.point("named", "champion", 1)
    desk.point("asked", "live", 2, "prompt")
    author = desk.caller.actor.name
    got, _ = desk.asks(versions.get, name="named", version="1")
    assert got["model_version"]["user_id"] == author
    for text, alias in (
        ("name = 'named'", {"1": ["champion"]}),
        ("name = 'asked' AND tags.`mlflow.prompt.is_prompt` = 'true'", {"2": ["live"]}),
    ):
        found, _ = desk.asks(searches.versions, filter=text)
        assert {one["user_id"] for one in found["model_versions"]} == {author}
        told = {one["version"]: one.get("aliases") for one in found["model_versions"]}
        assert {number: names for number, names in told.items() if names} == alias
    for text, alias_of in (("", "champion"), ("tags.`mlflow.prompt.is_prompt` = 'true'", "live")):
        found, _ = desk.asks(searches.models, filter=text)
        (one,) = found["registered_models"]
        assert [each["alias"] for each in one["aliases"]] == [alias_of]
