"""What moved is what was approved and checked, whoever does what at the same time.

Threads publish, propose, edit, approve, take back, report checks, change the policy, move
what is included, and apply, at random. Then the journal alone is read, by rules written here
a second time: behind every move stand the approvals and checks that the policy in force at
that entry asked for, given to exactly what moved.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from contextlib import suppress
from typing import Any

import pytest

from changes import in_threads
from contract.governing import Team
from pointsman.app import changes, checks, doctor
from pointsman.app.ports import Store
from pointsman.core.journal import Line
from pointsman.errors import PointsmanError
from scale import SCALE

_THREADS = 4
_DEEDS = int(200 * SCALE)


@pytest.fixture
def team(store: Store) -> Team:
    made = Team(store)
    made.join("zoe", "releaser")
    made.publish("tone", "a")
    made.publish("tone", "b")
    made.move("rui", "tone", 1, alias="live")
    for name in ("one", "two"):
        made.publish(name, "{{> tone@live }} v1")
        made.publish(name, "v2")
        made.move("rui", name, 1)
    return made


class Actions:
    """Random deeds of random people; what is refused is no concern here."""

    def __init__(self, team: Team, seed: int) -> None:
        self.team = team
        self.random = random.Random(seed)
        self.applied = 0

    def run(self, deeds: int) -> int:
        often = [self.say, self.check, self.apply] * 2
        deeds_of = [*often, self.say, self.propose, self.edit, self.publish, self.policy, self.tone]
        for _ in range(deeds):
            deed = self.random.choice(deeds_of)
            with suppress(PointsmanError):
                deed()
        return self.applied

    def somebody(self) -> str:
        return self.random.choice(["eva", "ana", "ben", "rui", "zoe", "ada"])

    def name(self) -> str:
        return self.random.choice(["one", "two"])

    def newest(self, name: str) -> int:
        with self.team.app.store.read() as reader:
            row = reader.artifact(self.team.project.id, "prompt", name)
        assert row is not None
        return row.newest

    def number(self) -> int:
        with self.team.app.store.read() as reader:
            rows = reader.changes(self.team.project.id, None, 6, only_open=True)
        return self.random.choice(rows).number if rows else 0

    def propose(self) -> None:
        name = self.name()
        version = self.random.randint(1, self.newest(name))
        self.team.propose(self.somebody(), name, version)

    def edit(self) -> None:
        name = self.name()
        version = self.random.randint(1, self.newest(name))
        self.team.edit(self.somebody(), self.number(), name, version)

    def say(self) -> None:
        said = self.random.choice(["approved"] * 6 + ["objected", "taken back"])
        number = self.number()
        self.team.does(self.somebody(), lambda w: changes.say(w, number, said))

    def check(self) -> None:
        state = self.random.choice(["passed", "passed", "passed", "failed", "pending"])
        about: dict[str, Any] = {"change": self.number()}
        if self.random.random() < 0.6:
            name = self.name()
            version = self.random.randint(1, self.newest(name))
            about = {"selector": f"{name}:{version}"}
        self.team.does("rui", lambda w: checks.report_about(w, about, name="eval", state=state))

    def apply(self) -> None:
        self.team.apply(self.random.choice(["rui", "zoe", "ada", "eva"]), self.number())
        self.applied += 1

    def publish(self) -> None:
        text = self.random.choice(["{{> tone@live }} x", "y"])
        self.team.publish(self.name(), f"{text} {self.random.random()}", by=self.somebody())

    def policy(self) -> None:
        self.team.policy(
            approvals=self.random.choice([1, 1, 2]),
            checks=self.random.choice([[], ["eval"]]),
            self_approval=self.random.random() < 0.1,
            approvers=self.random.choice([{"roles": ["reviewer"]}, {"roles": ["releaser"]}]),
            rollback="governed",
        )

    def tone(self) -> None:
        version = self.random.choice([1, 2])
        self.team.move("ada", "tone", version, alias="live", reason="at random times", glass=True)


def test_what_moved_is_what_was_approved_and_checked(team: Team) -> None:
    team.policy(approvals=1, rollback="governed")
    watched = {"approvals": 2, "checks": ["eval"], "rollback": "governed"}
    team.policy(name="live", aliases="live", **watched)
    applied = in_threads(_THREADS, lambda n: Actions(team, n).run(_DEEDS))
    with team.app.store.read() as reader:
        lines = reader.lines(team.project.id, 0, 1_000_000)
        roles = {f"person:{row.id}": row.name for row in reader.people()}
    checked = Auditor(roles).read(lines)
    assert checked == sum(applied), "every change that was applied was looked at"
    assert checked > _DEEDS // 100, "the deeds must lead somewhere"
    findings = team.sees("ada", doctor.examine).findings
    assert [one for one in findings if "person" not in one.subject] == []


_RANK = {"eva": 1, "ana": 2, "ben": 2, "rui": 3, "zoe": 3, "ada": 4}
_NEEDED = {"reviewer": 2, "releaser": 3}


class Auditor:
    """Reads a journal and holds each move against the rules, written a second time."""

    def __init__(self, people: dict[str, str]) -> None:
        self.people = people
        self.policy: dict[str, Any] = {}
        self.changes: dict[int, dict[str, Any]] = {}
        self.writers: dict[int, set[str]] = defaultdict(set)
        self.voices: dict[int, dict[str, tuple[str, str]]] = defaultdict(dict)
        self.checks: dict[tuple[str, str], str] = {}
        self.publishers: dict[str, set[str]] = defaultdict(set)
        self.audited = 0

    def read(self, lines: list[Line]) -> int:
        for line in lines:
            fact = json.loads(line.data)
            match line.type:
                case "policy.set" if fact["policy"] == "production":
                    self.policy = fact["body"]
                case "version.published":
                    self.publishers[f"{fact['name']}:{fact['version']}"].add(line.actor)
                case "change.proposed" | "change.edited":
                    self.changes[fact["change"]] = fact
                    self.writers[fact["change"]].add(line.actor)
                case "change.voiced":
                    self.voices[fact["change"]][line.actor] = (fact["said"], fact["basis"])
                case "check.reported":
                    self.checks[fact["check"], fact["digest"]] = fact["state"]
                case "alias.moved" if fact["alias"] == "production" and self.policy:
                    self.audit(fact)
        return self.audited

    def audit(self, fact: dict[str, Any]) -> None:
        self.audited += 1
        change = self.changes[fact["change"]]
        (wanted,) = [one for one in change["moves"] if one["name"] == fact["name"]]
        assert wanted["to"] == fact["to"], "another version than the change says"
        assert wanted["revision"] == fact["revision"] - 1, "the alias had moved since"
        makers = set(self.writers[fact["change"]])
        makers |= self.publishers[f"{fact['name']}:{fact['to']['version']}"]
        # Who published what is included is a maker as well; here that is Eva alone.
        needed = _NEEDED[self.policy.get("approvers", {"roles": ["reviewer"]})["roles"][0]]
        good = {
            who
            for who, (said, basis) in self.voices[fact["change"]].items()
            if said == "approved"
            and basis == fact["basis"]
            and _RANK[self.people[who]] >= needed
            and (self.policy.get("self_approval") or who not in makers)
        }
        assert {one["id"] for one in fact["approvals"]} == good
        assert len(good) >= self.policy["approvals"], "moved without its approvals"
        objecting = [
            who
            for who, (said, basis) in self.voices[fact["change"]].items()
            if said == "objected" and basis == fact["basis"]
        ]
        assert not objecting
        for name in self.policy.get("checks", ()):
            (told,) = [one for one in fact["checks"] if one["name"] == name]
            assert told["state"] == "passed", "moved without its checks"
            assert self.checks[name, told["digest"]] == "passed", "and it was told so last"
