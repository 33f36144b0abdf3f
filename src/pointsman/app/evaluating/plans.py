"""What has to be evaluated before aliases move, and how each of it stands.

The world as the moves would leave it is laid beside the world as it is: once for all moves of
a release, however many policies ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pointsman.app import graph
from pointsman.app.application import View
from pointsman.app.evaluating.orders import (
    Makings,
    Subject,
    Suite,
    Unusable,
    orders_for,
    requirement_of,
    suites_in,
)
from pointsman.app.places import Moves, Place
from pointsman.app.policies import policies_of
from pointsman.core.evaluation import Requirement
from pointsman.core.graph import Node, NodeKey, World
from pointsman.core.making import Orders
from pointsman.core.policy import EVALUATED, Policy, governing
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Target
from pointsman.errors import PointsmanError

Overrides = frozenset[tuple[NodeKey, Target | None]]
_STEP = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is to be evaluated; `orders` is None where nothing could be."""

    requirement: Requirement
    orders: Orders | None


@dataclass(frozen=True, slots=True)
class Scope:
    """How far to look, and with what. `suites` are selectors; none: those that have the alias.

    `blocking` is whether an artifact without a suite stands in the way.
    """

    downstream: bool = True
    suites: tuple[str, ...] = ()
    blocking: bool = True


def plan_of(view: View, moves: Moves) -> Plan:
    """The plan for these moves, worked out once as long as nothing is written."""
    key = "plan", view.reader.head(view.project.id).seq, tuple(moves)
    if key not in view.worked_out:
        view.worked_out[key] = Plan(view, moves)
    plan = view.worked_out[key]
    assert isinstance(plan, Plan), "nobody else uses such keys"
    return plan


def scope_of(policy: Policy) -> Scope | None:
    """How far a policy looks; None if it asks for no evaluations."""
    if policy.evaluate == "none":
        return None
    return Scope(
        downstream=policy.evaluate == "affected",
        suites=policy.suites,
        blocking=policy.without_suite == "block",
    )


class Plan:
    """What moves that are made together have to have evaluated. Good for one moment."""

    def __init__(self, view: View, moves: Moves) -> None:
        self._view = view
        self._moves = moves
        self._worlds = _Worlds(view, moves)
        self._suites: dict[tuple[tuple[str, ...], str], list[Suite | Unusable]] = {}
        self._downstream: list[Subject] | None = None
        self._shared: dict[Scope, list[Wanted]] = {}

    def wanted(self, place: Place, scope: Scope) -> list[Wanted]:
        """What is to be evaluated for the move of one of the aliases, made with the others.

        Where the alias is deleted, nothing would be live there, and what depends on it still
        is. Where it is to be a split, what depends on it is evaluated with each of its versions.
        """
        found = self._of(_own(self._view, place, self._moves), scope)
        if not scope.downstream:
            return found
        if scope not in self._shared:
            if self._downstream is None:
                self._downstream = list(_downstream(self._view, self._moves))
            self._shared[scope] = self._of(self._downstream, scope)
        return list({one.requirement.key: one for one in [*found, *self._shared[scope]]}.values())

    def _of(self, subjects: Iterable[Subject], scope: Scope) -> list[Wanted]:
        found: dict[tuple[str, str, str], Wanted] = {}
        for subject in subjects:
            suites = self._suites_of(scope.suites, subject.alias)
            for pair in self._worlds.of(subject):
                for one in _wanted(self._view, subject, suites, pair, scope):
                    found.setdefault(one.requirement.key, one)
        return list(found.values())

    def _suites_of(self, named: tuple[str, ...], alias: str) -> list[Suite | Unusable]:
        key = named, alias
        if key not in self._suites:
            self._suites[key] = list(suites_in(self._view, named, alias))
        return self._suites[key]


class _Worlds:
    """The worlds as the moves would leave them, beside those that are, by alias.

    An output is made in a world in which each alias means one version, so a split that is to
    be makes several: one for each of its versions, all others being the heaviest.
    """

    def __init__(self, view: View, moves: Moves) -> None:
        self._view = view
        self._moves = {(one.artifact.id, one.alias): to for one, to in moves}
        self._makings: dict[tuple[str, Overrides], Makings] = {}

    def of(self, subject: Subject) -> Iterator[tuple[Makings, Makings]]:
        """The pairs of worlds (after, before) in which a subject is to be evaluated."""
        own = subject.artifact.id, subject.alias
        base = {key: _pinned(to) for key, to in self._moves.items()}
        if own in base:
            base[own] = Target(version=subject.version)
        before = self._in(subject.alias, {})
        yield self._in(subject.alias, base), before
        for key, to in self._moves.items():
            for version in to.versions if to and key != own else ():
                other = Target(version=version)
                if other != base[key]:
                    yield self._in(subject.alias, {**base, key: other}), before

    def _in(self, alias: str, overrides: Mapping[NodeKey, Target | None]) -> Makings:
        key = alias, frozenset(overrides.items())
        if key not in self._makings:
            self._makings[key] = Makings(self._view, World(alias, overrides))
        return self._makings[key]


def _pinned(target: Target | None) -> Target | None:
    number = _main(target)
    return None if number is None else Target(version=number)


def _own(view: View, place: Place, moves: Moves) -> Iterator[Subject]:
    """What moves: each version that would be live there."""
    to = next(target for one, target in moves if one == place)
    if place.artifact.kind in EVALUATED:
        for version in to.versions if to else ():
            yield Subject(place.artifact, place.alias, version, _live(view, place), 0)


def _downstream(view: View, moves: Moves) -> Iterator[Subject]:
    """What is affected by the moves: each version that would be live.

    What moves along and lies downstream is among them: its own policy may ask less. Nodes of
    other worlds are where their own policies ask for evaluations.
    """
    along = {(one.artifact.id, one.alias): one for one, _ in moves}
    concerned = graph.affected_by(view, moves)
    governed = (node for node in concerned.elsewhere if _is_evaluated(view, node))
    for node in [*concerned.affected, *governed]:
        if node.kind not in EVALUATED:
            continue
        artifact = view.reader.artifact_by_id(node.artifact_id)
        assert artifact is not None, "nodes are artifacts"
        place = along.get(node.key)
        for version in node.versions:
            against = version if place is None else _live(view, place)
            yield Subject(artifact, node.alias, version, against, max(node.level, 1))


def _is_evaluated(view: View, node: Node) -> bool:
    policy, _ = governing(policies_of(view), node.kind, node.name, node.alias)
    return policy is not None and policy.evaluate != "none"


def _live(view: View, place: Place) -> int | None:
    """The version that is live at a place, or was so last."""
    return _main(place.target or _last_live(view, place))


def _wanted(
    view: View,
    subject: Subject,
    suites: Sequence[Suite | Unusable],
    worlds: tuple[Makings, Makings],
    scope: Scope,
) -> list[Wanted]:
    found = []
    artifact = subject.artifact
    if subject.distance and _is_untouched(subject, worlds):
        return []
    for suite in suites:
        if isinstance(suite, Unusable):
            found.append(_nothing(view, subject, suite))
            continue
        if not suite.content.is_for(artifact.kind, artifact.name):
            continue
        try:
            orders = orders_for(view, suite, subject, worlds)
        except PointsmanError as error:
            found.append(_nothing(view, subject, Unusable(suite.label, error.message)))
            continue
        if subject.distance and orders.is_blind:
            continue  # what changed takes no part in how this suite makes outputs
        requirement = requirement_of(view, subject, suite.label, orders.seal)
        found.append(Wanted(requirement, orders))
    if not found:
        nothing = requirement_of(view, subject, "", "")
        found.append(Wanted(replace(nothing, blocking=scope.blocking), None))
    return found


def _is_untouched(subject: Subject, worlds: tuple[Makings, Makings]) -> bool:
    """Whether the moves change nothing of what an output downstream is made of."""
    if subject.against is None:
        return False
    after, before = worlds
    live = before.of(subject.artifact.id, subject.against)
    return after.of(subject.artifact.id, subject.version) == live


def _nothing(view: View, subject: Subject, suite: Unusable) -> Wanted:
    """What can't be evaluated, and so can't pass."""
    requirement = requirement_of(view, subject, suite.label, "")
    return Wanted(replace(requirement, state="inconclusive", summary=suite.message), None)


def _last_live(view: View, place: Place) -> Target | None:
    """Where a deleted alias pointed last, so that deleting it is no way round a comparison."""
    before: int | None = None
    while lines := view.reader.alias_lines(place.artifact.id, place.alias, before, _STEP):
        for line in lines:
            target = target_from_plain(json.loads(line.data)["to"])
            if target is not None:
                return target
        before = lines[-1].seq
    return None


def _main(target: Target | None) -> int | None:
    """The version that stands for a target: of a split, the heaviest."""
    if target is None:
        return None
    if target.version is not None:
        return target.version
    return max(target.split, key=lambda arm: arm.weight).version
