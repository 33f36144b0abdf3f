"""What has to be evaluated before an alias moves, and how each of it stands.

The world as the moves would leave it is laid beside the world as it is. Whatever an output is
made of in either is resolved to exact versions; the digest of all that, the seal, finds the
evaluation that was made of exactly this. So evidence is never marked stale: where anything
has moved, the seal is another, and nothing is found under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pointsman.app import graph
from pointsman.app.application import View
from pointsman.app.evaluating.runs import told
from pointsman.app.including import find_version
from pointsman.app.places import Moves, Place
from pointsman.app.ports import ArtifactRow
from pointsman.core.evaluation import Requirement
from pointsman.core.graph import World
from pointsman.core.making import Making, Need, Orders, Part, label_of
from pointsman.core.releases import target_from_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.suites import Maker, SuiteContent, parse_suite
from pointsman.core.vocabulary import Target
from pointsman.errors import Gone, NotFound, PointsmanError

EVALUATED = ("prompt", "model")
"""Kinds that are evaluated; suites and datasets are what they are evaluated with."""
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
    """
    if place.artifact.kind not in EVALUATED:
        return []
    overrides = {(one.artifact.id, one.alias): to for one, to in moves}
    after = Makings(view, World(place.alias, overrides))
    before = Makings(view, World(place.alias))
    suites = list(suites_in(view, scope.suites, place.alias))
    found: list[Wanted] = []
    for subject in _subjects(view, place, moves, scope):
        found += _wanted(view, subject, suites, (after, before), scope)
    return found


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
    """How the evaluation of exactly this stands: the last one that was not superseded counts."""
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
    for row in view.reader.evaluations_sealed(view.project.id, seal):
        evaluation = told(view, row)
        if evaluation.state != "superseded":
            return replace(
                requirement,
                state=evaluation.state,
                evaluation=evaluation.number,
                summary=evaluation.summary,
            )
    return requirement


def _subjects(view: View, place: Place, moves: Moves, scope: Scope) -> Iterator[Subject]:
    """What moves, and what is affected by it: each version that would be live."""
    to = next(target for one, target in moves if one == place)
    before = place.target or _last_live(view, place)
    for version in to.versions if to else ():
        yield Subject(place.artifact, place.alias, version, _main(before), 0)
    if not scope.downstream:
        return
    concerned = graph.affected_by(view, moves)
    together = {(one.artifact.id, one.alias) for one, _ in moves}
    for node in concerned.affected:
        if node.kind not in EVALUATED or node.key in together:
            continue  # what moves along is judged by itself
        artifact = view.reader.artifact_by_id(node.artifact_id)
        assert artifact is not None, "nodes are artifacts"
        for version in node.versions:
            yield Subject(artifact, node.alias, version, version, max(node.level, 1))


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
    after, before = (world.of(subject.artifact.id, subject.version) for world in worlds)
    return after == before


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
