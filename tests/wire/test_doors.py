"""Every way to move an alias, in every role, where a policy protects it and where none does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from doors import EMBEDDED, TRIED, WHY, Attempt
from pointsman import Registry
from pointsman.core.access import ROLES
from pointsman.errors import PointsmanError
from serving import Api, ServerProcess, place

_MOVERS = {"production": "admin", "free": "releaser"}
"""Alias → the lowest role that may move it directly."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ServerProcess(data=tmp_path_factory.mktemp("doors")) as server:
        policy = {"aliases": "production", "movers": {"roles": ["admin"]}, "reason": 3}
        assert server.put("/policies/production", {"policy": policy}).status == 200
        yield server


@pytest.fixture(scope="module")
def secrets(api: Api) -> dict[str, str]:
    return {role: api.make_key(role)[1] for role in ROLES}


def _target(api: Api, name: str, alias: str) -> object:
    answer = api.get(place(name, "aliases", alias))
    return answer.json["target"] if answer.status == 200 else None


@pytest.mark.parametrize("alias", _MOVERS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", TRIED)
def test_an_alias_moves_by_policy_whatever_the_door(
    api: Api, secrets: dict[str, str], tmp_path: Path, way: str, role: str, alias: str
) -> None:
    name = f"doors/{list(TRIED).index(way)}/{role}/{alias}"
    for text in ("one", "two", "three"):
        api.publish(name, text)
    api.move(name, alias, 1, reason=WHY)
    answer = api.put(place(name, "aliases", alias), {"version": 2, "reason": WHY})
    release = answer.json["release"]["number"]
    proposed = api.post(
        "/changes",
        {"title": "x", "moves": [{"name": name, "alias": alias, "version": 3}], "reason": WHY},
    )
    before = _target(api, name, alias)
    attempt = Attempt(api, secrets[role], name, alias, release, proposed.json["number"], tmp_path)
    TRIED[way](attempt)
    moved = _target(api, name, alias) != before
    assert moved == (ROLES.index(role) >= ROLES.index(_MOVERS[alias])), (way, role, alias)


@pytest.mark.parametrize("way", EMBEDDED)
def test_a_policy_binds_the_embedded_registry_as_well(registry: Registry, way: str) -> None:
    for text in ("one", "two", "three"):
        registry.publish("x", text)
    registry.promote("x:1", "closed", reason=WHY)
    done = registry.promote("x:2", "closed", reason=WHY)
    assert done is not None
    change = registry.propose("t", [{"name": "x", "alias": "closed", "version": 3}], reason=WHY)
    nobody = {"people": ["nobody@example.com"]}
    registry.set_policy({"name": "closed", "aliases": "closed", "movers": nobody})
    before = registry.alias("x@closed")
    with pytest.raises(PointsmanError) as caught:
        EMBEDDED[way](registry, "x", done.number, change.number)
    assert caught.value.code == "not_a_mover"
    assert registry.alias("x@closed") == before
    with suppress(PointsmanError):
        registry.archive("x")
    assert registry.alias("x@closed") == before
