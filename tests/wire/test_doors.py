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


@pytest.fixture(scope="module")
def gated(api: Api) -> dict[tuple[str, str], tuple[str, int, int]]:
    """Artifacts whose alias `gated` moves to what was evaluated, and by nobody otherwise.

    For each way and role: the name, the release that moved it to 2, a change that would move
    it to 3 (for those ways that apply one). Neither version was ever evaluated.
    """
    names = {
        (way, role): f"gated/{number}/{role}" for number, way in enumerate(TRIED) for role in ROLES
    }
    for text in ("one", "two", "three"):
        body = {"versions": [{"name": name, "content": text} for name in names.values()]}
        assert api.post("/versions/bulk", body).status == 200
    first = [{"name": name, "alias": "gated", "version": 1} for name in names.values()]
    assert api.post("/releases", {"moves": first, "reason": WHY}).status == 200
    found: dict[tuple[str, str], tuple[str, int, int]] = {}
    for key, name in names.items():
        answer = api.put(place(name, "aliases", "gated"), {"version": 2, "reason": WHY})
        found[key] = name, int(answer.json["release"]["number"]), 0
    _publish_suite(api)
    policy = {
        "aliases": "gated",
        "evaluate": "self",
        "rollback": "governed",
        "bypass": {"people": ["nobody@example.com"]},
    }
    assert api.put("/policies/gated", {"policy": policy}).status == 200
    for (way, role), (name, release, _) in found.items():
        if "apply" in way:
            moves = [{"name": name, "alias": "gated", "version": 3}]
            change = api.post("/changes", {"title": "x", "moves": moves, "reason": WHY})
            found[way, role] = name, release, int(change.json["number"])
    return found


def _publish_suite(api: Api) -> None:
    rows = {"rows": [{"input": {"x": "1"}, "expected": "1"}]}
    suite = {
        "for": ["gated/*"],
        "dataset": "gated-rows@gated",
        "scorers": [{"name": "same", "by": "exact"}],
        "hold": [{"metric": "same", "at_least": 0.5}],
    }
    for kind, name, content in (("dataset", "gated-rows", rows), ("suite", "gated-suite", suite)):
        version = {"kind": kind, "name": name, "content": content, "aliases": ["gated"]}
        assert api.post("/versions", {**version, "message": WHY}).status == 201


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", TRIED)
def test_no_door_leads_to_what_was_not_evaluated(
    api: Api,
    secrets: dict[str, str],
    gated: dict[tuple[str, str], tuple[str, int, int]],
    tmp_path: Path,
    way: str,
    role: str,
) -> None:
    name, release, change = gated[way, role]
    before = _target(api, name, "gated")
    assert before is not None
    TRIED[way](Attempt(api, secrets[role], name, "gated", release, change, tmp_path))
    # To delete an alias makes nothing live; what comes there next is held against what was.
    assert _target(api, name, "gated") in (before, None)


@pytest.mark.parametrize("way", [way for way in EMBEDDED if way != "embedded delete_alias"])
def test_the_eval_gate_binds_the_embedded_registry_as_well(registry: Registry, way: str) -> None:
    for text in ("one", "two", "three"):
        registry.publish("x", text)
    registry.promote("x:1", "closed", reason=WHY)
    done = registry.promote("x:2", "closed", reason=WHY)
    assert done is not None
    registry.set_policy(
        {"name": "closed", "aliases": "closed", "evaluate": "self", "rollback": "governed"}
    )
    change = registry.propose("t", [{"name": "x", "alias": "closed", "version": 3}], reason=WHY)
    before = registry.alias("x@closed")
    with pytest.raises(PointsmanError) as caught:
        EMBEDDED[way](registry, "x", done.number, change.number)
    assert caught.value.code == "no_suite"
    assert registry.alias("x@closed") == before


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
