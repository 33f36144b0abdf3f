"""What has to be evaluated before an alias moves, and how each of it stands.

The world as the moves would leave it is laid beside the world as it is. Whatever an output is
made of in either is resolved to exact versions; the digest of all that, the seal, finds the
evaluation that was made of exactly this. So evidence is never marked stale: where anything
has moved, the seal is another, and nothing is found under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pointsman.app import graph, people
from pointsman.app.application import View
from pointsman.app.evaluating.runs import told
from pointsman.app.including import find_version
from pointsman.app.places import Moves, Place
from pointsman.app.ports import ArtifactRow
from pointsman.core.access import may
from pointsman.core.evaluation import Evaluation, Requirement
from pointsman.core.graph import NodeKey, World
from pointsman.core.making import Making, Need, Orders, Part, label_of
from pointsman.core.releases import target_from_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.suites import Maker, SuiteContent, parse_suite
from pointsman.core.vocabulary import Target
from pointsman.errors import Gone, NotFound, PointsmanError

EVALUATED = ("prompt", "model")
"""Kinds that are evaluated; suites and datasets are what they are evaluated with."""
CONCLUSIVE = ("passed", "failed")
Overrides = frozenset[tuple[NodeKey, Target | None]]
_STEP = 50
_JUDGE = Maker("prompt")


@dataclass(frozen=True, slots=True)
class Suite:
    """A version of a suite, by its label, and what it says."""

    label: str
    digest: str
    content: SuiteContent


@dataclass(frozen=True, slots=True)
class Unusable:
    """A suite that is named and can't be used, and why."""

    label: str
    message: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that is to be evaluated; `orders` is None where nothing could be."""

    requirement: Requirement
    orders: Orders | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A version that would be live at a node, and the one that is."""

    artifact: ArtifactRow
    alias: str
    version: int
    against: int | None
    distance: int


@dataclass(frozen=True, slots=True)
class Scope:
    """How far to look, and with what. `suites` are selectors; none: those that have the alias.

    `blocking` is whether an artifact without a suite stands in the way.
    """

    downstream: bool = True
    suites: tuple[str, ...] = ()
    blocking: bool = True


class Makings:
    """What versions are made of in one world, each looked up once: good for one moment."""

    def __init__(self, view: View, world: World) -> None:
        self._view = view
        self._world = world
        self._known: dict[tuple[int, int], Making] = {}

    def of(self, artifact_id: int, version: int) -> Making:
        """See `making_of`."""
        key = artifact_id, version
        if key not in self._known:
            self._known[key] = making_of(self._view, artifact_id, version, self._world)
        return self._known[key]


def wanted_for(view: View, place: Place, moves: Moves, scope: Scope) -> list[Wanted]:
    """What is to be evaluated for the move of one alias, made together with others.

    Where the alias is deleted, nothing would be live there, and what depends on it still is.
    Where it is to be a split, what depends on it is evaluated with each of its versions.
    """
    worlds = _Worlds(view, moves)
    suites: dict[str, list[Suite | Unusable]] = {}
    found: dict[tuple[str, str, str], Wanted] = {}
    for subject in _subjects(view, place, moves, scope):
        if subject.alias not in suites:
            suites[subject.alias] = list(suites_in(view, scope.suites, subject.alias))
        for pair in worlds.of(subject):
            for one in _wanted(view, subject, suites[subject.alias], pair, scope):
                known = one.requirement
                found.setdefault((known.label, known.suite, known.seal), one)
    return list(found.values())


def orders_for(
    view: View, suite: Suite, subject: Subject, worlds: tuple[Makings, Makings]
) -> Orders:
    """The orders to evaluate a version with a suite, in one world against another.

    Rows and judges are those that are live now, whatever moves along: what would move has no
    say in how it is judged.
    """
    after, before = worlds
    maker = suite.content.maker
    candidate = after.of(subject.artifact.id, subject.version).within(maker)
    baseline = None
    if subject.against is not None:
        baseline = before.of(subject.artifact.id, subject.against).within(maker)
    dataset = _resolved(view, suite.content.dataset)
    judges = {}
    for scorer in suite.content.scorers:
        if scorer.judge is not None:
            artifact, number, _ = _resolved(view, scorer.judge)
            judges[str(scorer.judge)] = before.of(artifact.id, number).within(_JUDGE)
    return Orders(
        suite=suite.label,
        suite_digest=suite.digest,
        dataset=label_of("dataset", dataset[0].name, dataset[1]),
        dataset_digest=dataset[2],
        candidate=candidate,
        baseline=baseline,
        judges=judges,
    )


def making_of(view: View, artifact_id: int, version: int, world: World) -> Making:
    """A version and all that its outputs are made of in a world."""
    artifact = view.reader.artifact_by_id(artifact_id)
    assert artifact is not None, "callers have it from the store"
    found = graph.made_of(view, artifact_id, version, world)
    parts = {
        label: Part(one.digest, tuple(_needs(one.needs))) for label, one in found.parts.items()
    }
    return Making(label_of(artifact.kind, artifact.name, version), parts)


def suites_in(view: View, selectors: Sequence[str], alias: str) -> Iterator[Suite | Unusable]:
    """The suites that are named, or else all that have the alias; as they are live now."""
    named = [parse_selector(text, kind="suite") for text in selectors]
    if not named:
        rows = view.reader.artifacts_by_alias(view.project.id, "suite", alias)
        living = [row for row in rows if row.archived_at is None]
        named = [Selector("suite", row.name, alias=alias) for row in living]
    for selector in named:
        try:
            yield _suite(view, selector)
        except PointsmanError as error:
            yield Unusable(str(selector), error.message)


def requirement_of(view: View, subject: Subject, suite: str, seal: str) -> Requirement:
    """How the evaluation of exactly this stands.

    The last one that passed or failed counts; but once it failed, another run that passes
    takes that away only if somebody asked for it who may approve. One that came to nothing
    (its budget used up, its provider down, cancelled) takes no result away. Without any, it is
    the last one that was not superseded.
    """
    requirement = Requirement(
        kind=subject.artifact.kind,
        name=subject.artifact.name,
        version=subject.version,
        suite=suite,
        seal=seal,
        state=None,
        alias=subject.alias,
        distance=subject.distance,
    )
    failed: list[int] = []
    counting: Evaluation | None = None
    for row in reversed(view.reader.evaluations_sealed(view.project.id, seal)):
        one = told(view, row)
        if one.state == "failed":
            failed.append(one.number)
        if one.state != "superseded" and _displaces(view, one, row.subject, counting):
            counting = one
    if counting is None:
        return requirement
    return replace(
        requirement,
        state=counting.state,
        evaluation=counting.number,
        summary=counting.summary,
        failed=tuple(failed),
    )


def _displaces(view: View, one: Evaluation, subject: str, counting: Evaluation | None) -> bool:
    """Whether an evaluation takes the place of the one that counted before it."""
    if counting is None or counting.state not in CONCLUSIVE:
        return True
    if one.state == "failed" or counting.state == "passed":
        return one.state in CONCLUSIVE
    return one.state == "passed" and _may_try_again(view, one, subject)


def _may_try_again(view: View, one: Evaluation, subject: str) -> bool:
    """Whether who asked for an evaluation may have it count after one that failed."""
    if subject.startswith("local:"):
        return True  # whoever has the registry's own files
    asker = people.actor_of(view.reader, view.project.id, subject, "evaluation")
    return asker is not None and may(asker, "approve", one.kind, one.name).allowed


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


def _subjects(view: View, place: Place, moves: Moves, scope: Scope) -> Iterator[Subject]:
    """What moves, and what is affected by it: each version that would be live.

    What moves along and lies downstream is among the latter: its own policy may ask less.
    """
    targets = {(one.artifact.id, one.alias): (one, to) for one, to in moves}
    to = targets[place.artifact.id, place.alias][1]
    if place.artifact.kind in EVALUATED:
        for version in to.versions if to else ():
            yield Subject(place.artifact, place.alias, version, _live(view, place), 0)
    if not scope.downstream:
        return
    for node in graph.affected_by(view, moves).affected:
        own = (place.artifact.id, place.alias) == node.key
        if node.kind not in EVALUATED or own:
            continue
        artifact = view.reader.artifact_by_id(node.artifact_id)
        assert artifact is not None, "nodes are artifacts"
        along = targets.get(node.key)
        for version in node.versions:
            against = version if along is None else _live(view, along[0])
            yield Subject(artifact, node.alias, version, against, max(node.level, 1))


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


def _suite(view: View, selector: Selector) -> Suite:
    artifact, number, digest = _resolved(view, selector)
    body = view.reader.content(artifact.id, number)
    if body is None:
        raise Gone(
            f"The content of {artifact.name}:{number} was removed.",
            code="tombstoned",
            hint="Point its alias at a version that has content.",
        )
    return Suite(label_of("suite", artifact.name, number), digest, _parsed(body))


def _resolved(view: View, selector: Selector) -> tuple[ArtifactRow, int, str]:
    """What a selector means now: the artifact, and the version's number and digest."""
    artifact = view.reader.artifact(view.project.id, selector.kind, selector.name)
    if artifact is None:
        raise NotFound(
            f"There is no {selector.kind} {selector.name!r}.",
            code="artifact_not_found",
            hint="It may be another spelling; names mind upper and lower case.",
        )
    row, _ = find_version(view, artifact, selector, None)
    return artifact, row.number, row.digest


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


def _needs(needs: Sequence[graph.Need]) -> Iterator[Need]:
    for one in needs:
        gone = one.trouble and one.trouble != "archived"
        for label in ("",) if gone or not one.to else one.to:
            yield Need(one.relation, one.selector, label, one.variable)  # type: ignore[arg-type]


@lru_cache(256)
def _parsed(body: str) -> SuiteContent:
    return parse_suite(json.loads(body))
