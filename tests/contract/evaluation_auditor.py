"""A second reading of what evaluations have to be there before something moves.

Written against the journal and the orders of the evaluations, without the code that the gate
itself uses: what would be live, what it is made of, whom that concerns, and what was told of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pointsman.app.ports import Reader
from pointsman.core.journal import Line

Place = tuple[str, str, str]
"""Kind, name and alias."""
World = Mapping[Place, Any]
"""Where aliases point."""
Making = dict[str, tuple[str, tuple[tuple[str, str, str], ...]]]
"""By label: the digest, and what it needs, each with relation, selector and what that means."""

ALIAS = "production"


@dataclass
class Asked:
    """An evaluation as its orders describe it, and what became of it so far."""

    suite: str
    dataset: str
    candidate: Making
    baseline: Making | None
    state: str = "open"


@dataclass
class Auditor:
    """Reads a whole journal and holds each move under ``evaluate: affected`` against it."""

    reader: Reader
    project: int
    aliases: dict[Place, Any] = field(default_factory=dict)
    last: dict[Place, Any] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    needs: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: dict[int, Asked] = field(default_factory=dict)
    asks: bool = False
    """Whether the policy of production asks for evaluations of all that is affected."""
    audited: int = 0
    downstream: int = 0
    """How often something that did not move itself had to be evaluated."""

    def read(self, lines: Sequence[Line]) -> None:
        facts = [(line, json.loads(line.data)) for line in lines]
        releases: dict[int, list[dict[str, Any]]] = {}
        for line, fact in facts:
            if line.type == "alias.moved":
                releases.setdefault(fact["release"], []).append(fact)
        for line, fact in facts:
            match line.type:
                case "policy.set" if fact["policy"] == ALIAS:
                    self.asks = fact["body"].get("evaluate") == "affected"
                case "version.published":
                    label = f"{fact['kind']}:{fact['name']}:{fact['version']}"
                    self.digests[label] = fact["digest"]
                    self.needs[label] = fact.get("dependencies", [])
                case "evaluation.requested":
                    self.asked[line.seq] = self._asked(line.seq)
                case "evaluation.finished":
                    self._ends(fact["evaluation"], fact["outcome"])
                case "evaluation.cancelled":
                    self._ends(fact["evaluation"], fact["state"])
                case "alias.moved" if fact["release"] == line.seq:
                    self._released(releases[line.seq])

    def _ends(self, number: int, state: str) -> None:
        assert self.asked[number].state == "open", f"evaluation {number} ended twice"
        self.asked[number].state = state

    def _asked(self, number: int) -> Asked:
        row = self.reader.evaluation(self.project, number)
        assert row is not None, f"evaluation {number} was lost"
        orders = json.loads(row.orders)
        baseline = orders["baseline"]
        return Asked(
            orders["suite"],
            orders["dataset"],
            _told(orders["candidate"]),
            None if baseline is None else _told(baseline),
        )

    # -- moves

    def _released(self, moves: list[dict[str, Any]]) -> None:
        after = dict(self.aliases)
        for fact in moves:
            after[_place(fact)] = fact["to"]
        for fact in moves:
            is_gated = self.asks and fact["kind"] == "prompt" and fact["alias"] == ALIAS
            if is_gated and "glass" not in fact and "free" not in fact:
                self._audit(fact, moves, after)
        self.aliases = after
        self.last |= {place: to for place, to in after.items() if to is not None}

    def _audit(
        self, fact: dict[str, Any], moves: list[dict[str, Any]], after: dict[Place, Any]
    ) -> None:
        self.audited += 1
        place = _place(fact)
        before = self.aliases.get(place) or self.last.get(place)
        against = None if before is None else _label(fact["name"], _heaviest(before))
        for version in _versions(fact["to"]):
            label = _label(fact["name"], version)
            for world in _worlds(after, moves, {place: {"version": version}}):
                self._evaluated(fact["name"], label, against, world, True)
        together = {_place(one) for one in moves}
        for (kind, name, alias), target in after.items():
            if kind != "prompt" or alias != ALIAS or (kind, name, alias) in together:
                continue
            for version in _versions(target):
                label = _label(name, version)
                for world in _worlds(after, moves, {}):
                    if self.making(label, world) != self.making(label, self.aliases):
                        self.downstream += 1
                        self._evaluated(name, label, label, world, False)

    def _evaluated(
        self, name: str, label: str, against: str | None, after: World, moves: bool
    ) -> None:
        """What would be live was evaluated by every suite that is live and for it."""
        seen = 0
        for suite, content in self._suites(name):
            is_chain = content.get("output", {"by": "prompt"})["by"] == "chain"
            candidate = self.making(label, after, is_chain)
            baseline = None if against is None else self.making(against, self.aliases, is_chain)
            if not moves and candidate == baseline:
                continue  # this suite does not see what changed
            seen += 1
            (dataset,) = self._meant(content["dataset"], self.aliases, "dataset")
            wanted = (suite, dataset, candidate, baseline)
            states = [
                one.state
                for one in self.asked.values()
                if (one.suite, one.dataset, one.candidate, one.baseline) == wanted
                and one.state != "superseded"
            ]
            assert states, f"{label} moved, or what it is made of, and {suite} never saw it so"
            ended = [one for one in states if one in ("passed", "failed")]
            assert ended[-1:] == ["passed"], f"{label} by {suite}: {states}"
        assert seen, f"nothing could tell whether {label} would be good"

    def _suites(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for (kind, suite, alias), target in self.aliases.items():
            if kind != "suite" or alias != ALIAS or target is None:
                continue
            artifact = self.reader.artifact(self.project, "suite", suite)
            assert artifact is not None
            body = self.reader.content(artifact.id, target["version"])
            assert body is not None
            content = json.loads(body)
            if name in content["for"] or f"prompt:{name}" in content["for"]:
                yield f"suite:{suite}:{target['version']}", content

    # -- what something is made of

    def making(self, root: str, world: World, is_chain: bool = True) -> Making:
        """A version and all that its outputs are made of; not in a chain, only what it includes."""
        found: Making = {}
        waiting = [root]
        while waiting:
            label = waiting.pop()
            if label in found:
                continue
            needs = [
                (relation, selector, meant)
                for relation, selector, *_ in self.needs[label]
                if is_chain or relation != "consumes"
                for meant in self._meant(selector, world, "prompt")
            ]
            found[label] = self.digests[label], tuple(sorted(needs))
            waiting += [meant for _, _, meant in needs if meant]
        return found

    def _meant(self, selector: str, world: World, kind: str) -> list[str]:
        selector = selector.removeprefix(f"{kind}:")
        name, at, alias = selector.partition("@")
        if not at:
            return [f"{kind}:{selector}"]
        found = _versions(world.get((kind, name, alias)))
        return [f"{kind}:{name}:{one}" for one in found[:1]] or [""]  # of a split, the first


def _worlds(after: World, moves: list[dict[str, Any]], fixed: dict[Place, Any]) -> Iterator[World]:
    """The worlds in which each split that is moved to means one of its versions."""
    splits = {
        _place(one): one["to"]
        for one in moves
        if one["to"] and one["to"].get("split") and _place(one) not in fixed
    }
    base = {**after, **{place: {"version": _heaviest(to)} for place, to in splits.items()}, **fixed}
    yield base
    for place, to in splits.items():
        for version in _versions(to):
            if version != base[place]["version"]:
                yield {**base, place: {"version": version}}


def _told(making: dict[str, Any]) -> Making:
    return {
        label: (
            part["digest"],
            tuple(sorted((one["relation"], one["selector"], one["part"]) for one in part["needs"])),
        )
        for label, part in making["parts"].items()
    }


def _place(fact: dict[str, Any]) -> Place:
    return fact["kind"], fact["name"], fact["alias"]


def _label(name: str, version: int) -> str:
    return f"prompt:{name}:{version}"


def _versions(target: Any) -> list[int]:
    if target is None:
        return []
    return [arm["version"] for arm in target.get("split") or [target]]


def _heaviest(target: Any) -> int:
    arms = target.get("split") or [{"weight": 1, **target}]
    return int(max(arms, key=lambda arm: arm["weight"])["version"])
