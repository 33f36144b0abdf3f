"""Policies, changes, checks and broken glass over HTTP, through the client library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pointsman import AsyncClient, Client
from pointsman.errors import Conflict, InvalidInput, NotFound, Refused, StaleRevision
from serving import Api, ServerProcess

Wait = Callable[[Callable[[], object], str], None]

_NAMES = {"eva": "editor", "ana": "reviewer", "ben": "reviewer", "rui": "releaser"}


class Team:
    """People of one server, each with a client of their own."""

    def __init__(self, api: Api, stack: ExitStack) -> None:
        self.api = api
        self.admin = stack.enter_context(Client(api.url, api.own_key, snapshot=False))
        self.tokens: dict[str, str] = {}
        for name, role in _NAMES.items():
            invited = self.admin.invite(f"{name}@example.com", name=name, role=role)  # type: ignore[arg-type]
            joined = self.admin.accept_invitation(invited.token, f"{name} likes long phrases")
            self.tokens[name] = joined.token
        self.clients = {
            name: stack.enter_context(Client(api.url, token, snapshot=False))
            for name, token in self.tokens.items()
        }
        self.count = 0

    def __getattr__(self, name: str) -> Client:
        return self.clients[name]

    def prompt(self) -> str:
        """A prompt with three versions, the first in production."""
        self.count += 1
        name = f"governed/p{self.count}"
        for text in ("one", "two", "three"):
            self.eva.publish(name, text)
        done = self.admin.promote(
            f"{name}:1", "production", reason="put there first", break_glass=True
        )
        assert done is not None
        self.ben.review_glass(done.number, note="it has to begin somewhere")
        return name


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with (
        ServerProcess(data=tmp_path_factory.mktemp("governing")) as server,
        ExitStack() as stack,
    ):
        made = Team(server, stack)
        made.admin.set_policy(
            {"name": "production", "aliases": "production", "approvals": 1, "reason": 4},
            reason="four eyes",
        )
        yield made


def move(name: str, version: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "alias": "production", "version": version, **more}]


def test_a_change_from_proposal_to_rollback(team: Team) -> None:
    name = team.prompt()
    with pytest.raises(Refused) as caught:
        team.rui.promote(f"{name}:2", "production", reason="better")
    assert [one.code for one in caught.value.reasons] == ["approvals_missing"]
    change = team.eva.propose("Better", move(name, 2), reason="better", labels=["tone"])
    assert (change.state, change.labels, change.by) == ("open", ("tone",), "eva")
    assert change.number in [one.number for one in team.ana.changes().items]
    assert team.ana.diff_change(change.number) == team.ana.diff(f"{name}:1", f"{name}:2")
    own = team.ana.propose("Mine", move(name, 3), reason="mine")
    with pytest.raises(Refused) as caught:
        team.ana.approve(own.number)
    assert caught.value.code == "self_approval"
    key = team.ana.create_my_key("another", "reviewer").secret
    with Client(team.api.url, key, snapshot=False) as again:
        with pytest.raises(Refused) as caught:
            again.approve(own.number)
        assert caught.value.code == "self_approval"
        again.withdraw(own.number, note="not now")
    asked = team.ana.comment(change.number, "On how many questions?")
    team.eva.comment(change.number, "Ten", answers=asked.comments[0].number)
    team.ben.object_to(change.number, note="wait")
    assert "objection" in [one.code for one in team.rui.change(change.number).missing]
    team.ben.take_back(change.number)
    body = {"said": "approved", "note": "read it", "basis": change.basis}
    said = team.api.put(f"/changes/{change.number}/opinion", body, key=team.tokens["ana"])
    assert said.json["opinions"][-1]["by"] == "ana", "in the order of their last words"
    assert said.status == 200
    ready = team.rui.change(change.number)
    assert (ready.state, ready.missing) == ("ready", ())
    done = team.rui.apply(change.number)
    assert team.rui.get(f"{name}@production").version == 2
    assert team.rui.change(change.number).release == done.number
    assert team.rui.changes(state="any").items[0].number >= change.number
    undone = team.rui.rollback(f"{name}@production", reason="worse after all")
    assert undone.undoes == done.number
    evidence = team.eva.evidence(f"{name}@production", at=done.at + (undone.at - done.at) / 2)
    assert evidence.change == change.number
    assert [one["name"] for one in evidence.approvals] == ["ana"]
    with pytest.raises(Conflict):
        team.rui.apply(change.number)


def test_edits_and_conflicts(team: Team) -> None:
    name = team.prompt()
    change = team.eva.propose("Two", move(name, 2), reason="why")
    edited = team.eva.edit_change(
        change.number, "Three", move(name, 3), reason="why", if_revision=change.revision
    )
    assert (edited.title, edited.revision) == ("Three", 2)
    with pytest.raises(StaleRevision):
        team.eva.edit_change(change.number, "x", move(name, 3), if_revision=1)
    with pytest.raises(Conflict) as caught:
        team.ana.approve(change.number, basis=change.basis)
    assert caught.value.code == "basis_changed"
    team.admin.promote(f"{name}:2", "production", reason="in between", break_glass=True)
    with pytest.raises(Conflict) as caught:
        team.rui.apply(change.number)
    assert caught.value.code == "change_conflict"
    rebased = team.eva.rebase_change(change.number)
    assert rebased.moves[0].conflict == ""
    newer = team.eva.propose("Again", move(name, 3), reason="why", supersedes=change.number)
    assert team.eva.change(change.number).state == "superseded"
    assert team.eva.withdraw(newer.number).state == "withdrawn"


def test_checks_come_from_a_key_that_may_report(team: Team) -> None:
    name = team.prompt()
    team.admin.set_policy(
        {
            "name": "checked",
            "aliases": "production",
            "artifacts": name,
            "checks": ["eval/quality"],
        }
    )
    ci = team.admin.create_key("ci", "releaser", verbs=["read", "report"]).secret
    with Client(team.api.url, ci, snapshot=False) as job:
        with pytest.raises(Refused):
            job.promote(f"{name}:2", "production", reason="by CI")
        reported = job.report_check(
            "eval/quality",
            "passed",
            selector=f"{name}:2",
            summary="9 of 10",
            link="https://ci.example.com/1",
            figures={"score": 0.9},
        )
        assert reported.figures == {"score": 0.9}
        assert job.checks(reported.digest) == (reported,)
    for client in (team.eva, team.ana):
        with pytest.raises(Refused):
            client.report_check("eval/quality", "passed", selector=f"{name}:3")
    team.rui.promote(f"{name}:2", "production", reason="checked")
    with pytest.raises(Refused) as caught:
        team.rui.promote(f"{name}:3", "production", reason="not checked")
    assert caught.value.code == "check_missing"
    with pytest.raises(InvalidInput):
        team.rui.report_check("eval/quality", "passed")
    with pytest.raises(InvalidInput):
        team.rui.report_check("eval/quality", "passed", selector=f"{name}@production")
    team.admin.delete_policy("checked")


def test_policies_are_listed_tested_and_refused(team: Team) -> None:
    name = team.prompt()
    assert [one.policy["name"] for one in team.eva.policies()] == ["production"]
    assert team.eva.policy("production").revision >= 1
    told = team.eva.test_policy(f"{name}@production", who="rui@example.com")
    assert (told.allowed, told.policy) == (False, "production")
    asked = team.api.get("/policy-test", query={"selector": f"{name}@production"})
    assert asked.json["policy"] == "production"
    assert team.api.get("/policy-test", query={"selector": name}).code == "invalid_selector"
    with pytest.raises(NotFound):
        team.eva.policy("nosuch")
    with pytest.raises(Refused):
        team.rui.set_policy({"name": "production"})
    with pytest.raises(InvalidInput) as caught:
        team.admin.set_policy({"name": "production", "aliases": "production", "approvals": 9})
    assert caught.value.code == "unsatisfiable_policy"
    with pytest.raises(StaleRevision):
        team.admin.set_policy({"name": "production"}, if_revision=77)
    with pytest.raises(NotFound):
        team.admin.delete_policy("nosuch")


def test_broken_glass_waits_for_somebody_else(team: Team) -> None:
    name = team.prompt()
    done = team.admin.promote(
        f"{name}:3", "production", reason="everything is on fire", break_glass=True
    )
    assert done is not None
    assert done.number in [one.release for one in team.eva.broken_glass()]
    with pytest.raises(Refused):
        team.admin.review_glass(done.number, note="fine")
    assert team.ben.review_glass(done.number, note="was right").reviewed_by == "ben"
    assert done.number not in [one.release for one in team.eva.broken_glass()]
    assert done.number in [one.release for one in team.eva.broken_glass(reviewed=True)]
    with pytest.raises(Refused) as caught:
        team.rui.promote(f"{name}:2", "production", reason="no right to it", break_glass=True)
    assert caught.value.code == "may_not_bypass"


def test_a_change_is_applied_when_it_is_ready_and_when_its_time_comes(
    team: Team, eventually: Wait
) -> None:
    name = team.prompt()
    when_ready = team.rui.propose("Soon", move(name, 2), reason="soon", when_ready=True)
    team.ana.approve(when_ready.number)
    eventually(lambda: team.rui.change(when_ready.number).state == "applied", "being applied")
    at = datetime.now(UTC) + timedelta(seconds=2)
    later = team.rui.propose("Later", move(name, 3), reason="later", apply_at=at)
    team.ana.approve(later.number)
    assert team.rui.change(later.number).state == "ready"
    time.sleep(0.1)
    eventually(lambda: team.rui.change(later.number).state == "applied", "its time")
    assert team.rui.alias(f"{name}@production").moved_at >= at


def test_the_async_client_speaks_alike(team: Team) -> None:
    name = team.prompt()

    async def talk() -> None:
        async with AsyncClient(team.api.url, team.tokens["eva"], snapshot=False) as eva:
            change = await eva.propose("Better", move(name, 2), reason="better")
            assert (await eva.change(change.number)).title == "Better"
            assert (await eva.withdraw(change.number)).state == "withdrawn"

    asyncio.run(talk())
