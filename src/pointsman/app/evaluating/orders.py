"""The orders of an evaluation: everything that takes part, resolved to exact versions.

Their digest, the seal, finds the evaluations that were made of exactly this. So evidence is
never marked stale: where anything has moved, the seal is another, and nothing is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pointsman.app import graph, people
from pointsman.app.application import View
from pointsman.app.evaluating.runs import told
from pointsman.app.including import find_version
from pointsman.app.ports import ArtifactRow
from pointsman.core.access import may
from pointsman.core.evaluation import Evaluation, Requirement
from pointsman.core.graph import World
from pointsman.core.making import Making, Need, Orders, Part, label_of
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.suites import Maker, SuiteContent, parse_suite
from pointsman.errors import Gone, NotFound, PointsmanError

CONCLUSIVE = ("passed", "failed")
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
class Subject:
    """A version that would be live at a node, and the one that is."""

    artifact: ArtifactRow
    alias: str
    version: int
    against: int | None
    distance: int


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


def _needs(needs: Sequence[graph.Need]) -> Iterator[Need]:
    for one in needs:
        gone = one.trouble and one.trouble != "archived"
        for label in ("",) if gone or not one.to else one.to:
            yield Need(one.relation, one.selector, label, one.variable)  # type: ignore[arg-type]


@lru_cache(256)
def _parsed(body: str) -> SuiteContent:
    return parse_suite(json.loads(body))
