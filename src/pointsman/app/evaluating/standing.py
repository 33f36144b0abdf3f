"""What the evaluations of live versions say today: whether what they were made of has moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pointsman.app import graph, people
from pointsman.app.application import View, Work
from pointsman.app.evaluating.kept import orders_of
from pointsman.app.evaluating.orders import Suite, making_of, suites_in
from pointsman.app.evaluating.runs import told
from pointsman.app.places import Moves
from pointsman.app.ports import ArtifactRow
from pointsman.app.ports.evaluation import EvaluationRow
from pointsman.core.access import may
from pointsman.core.evaluation import Standing
from pointsman.core.graph import Node, World
from pointsman.core.making import Making, split_label
from pointsman.core.policy import EVALUATED
from pointsman.core.selectors import Selector
from pointsman.errors import NotFound

LOOKED_AT = 200
"""Evaluations of an artifact that are looked at for the last one by a suite."""
MAX_TOLD = 200
"""Artifacts downstream of a release that are told of."""


def standings(view: View, selector: Selector) -> tuple[Standing, ...]:
    """The last result of each suite for what an alias points to, and whether it is stale.

    If any was for exactly what is live, that is the one.

    Without an alias, it is `production`. Raises `NotFound`.
    """
    artifact = view.artifact(selector.kind, selector.name)
    alias = selector.alias or "production"
    row = view.reader.alias(artifact.id, alias)
    if row is None or row.target is None:
        raise NotFound(
            f"{artifact.name} has no alias {alias!r}.", code="alias_not_found", field="selector"
        )
    return tuple(
        _standing(view, artifact, alias, version, suite)
        for suite in suites_in(view, (), alias)
        if isinstance(suite, Suite) and suite.content.is_for(artifact.kind, artifact.name)
        for version in row.target.versions
    )


def tell_stale(work: Work, moves: Moves, release: int) -> None:
    """Put on record whose evidence a release made stale: what depends on what it moved.

    Their owners are named, so that a webhook can tell them.
    """
    if not work.tx.any_evaluation(work.project.id):
        return
    together = {(place.artifact.id, place.alias) for place, _ in moves}
    because = [place.name for place, _ in moves]
    count = 0
    for node in graph.affected_by(work, moves).affected:
        if node.kind not in EVALUATED or node.key in together:
            continue
        if not _has_stale(work, node):
            continue
        count += 1
        if count > MAX_TOLD:
            return
        owners = [people.who_of(work.tx, one) for one in work.tx.owners(node.artifact_id)]
        work.record(
            "evidence.stale",
            {
                "kind": node.kind,
                "name": node.name,
                "alias": node.alias,
                "because": because,
                "release": release,
                "owners": owners,
            },
            artifact=node.artifact_id,
        )


def _has_stale(view: View, node: Node) -> bool:
    """Whether the last result of any suite for a node is for something else than what is live."""
    if not view.reader.evaluations(view.project.id, None, 1, artifact_id=node.artifact_id):
        return False
    artifact = view.reader.artifact_by_id(node.artifact_id)
    assert artifact is not None, "nodes are artifacts"
    return any(
        _standing(view, artifact, node.alias, version, suite).stale
        for suite in suites_in(view, (), node.alias)
        if isinstance(suite, Suite) and suite.content.is_for(node.kind, node.name)
        for version in node.versions
    )


def _standing(
    view: View, artifact: ArtifactRow, alias: str, version: int, suite: Suite
) -> Standing:
    nothing = Standing(artifact.kind, artifact.name, alias, version, suite.label)
    now = making_of(view, artifact.id, version, World(alias)).within(suite.content.maker)
    found = nothing
    for row in _ended(view, artifact, version, suite):
        evaluation, orders = told(view, row), orders_of(row)
        stale = list(dict.fromkeys(_changes(view, orders.candidate, now)))
        if orders.suite != suite.label:
            stale.insert(0, f"it was made by {orders.suite}, and {suite.label} is live")
        if found is nothing or not stale:
            found = replace(
                nothing,
                evaluation=row.number,
                state=evaluation.state,
                at=evaluation.ended_at or evaluation.at,
                summary=evaluation.summary,
                stale=tuple(stale),
            )
        if not stale:
            break  # a later one was for something that is not live
    return found


def _ended(
    view: View, artifact: ArtifactRow, version: int, suite: Suite
) -> Iterator[EvaluationRow]:
    """The evaluations of a version by any version of a suite, newest first, with a result."""
    name = split_label(suite.label)[1]
    rows = view.reader.evaluations(view.project.id, None, LOOKED_AT, artifact_id=artifact.id)
    for row in rows:
        if row.version != version or split_label(orders_of(row).suite)[1] != name:
            continue
        end = view.reader.evaluation_end(view.project.id, row.number)
        if end is not None and end.state not in ("cancelled", "superseded"):
            yield row


def _changes(view: View, then: Making, now: Making) -> Iterator[str]:
    """What an output is made of now and was not then, by the artifacts that may be read."""
    before, after = _versions(then), _versions(now)
    for artifact in sorted({*before, *after}):
        was, it_is = before.get(artifact), after.get(artifact)
        if was == it_is:
            continue
        kind, _, name = artifact.partition(":")
        if may(view.actor, "read", kind, name).allowed:
            yield f"{artifact} is {_shown(it_is)}, and was {_shown(was)}"
        else:
            yield "something that you may not read is another version"


def _versions(making: Making) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for label in making.parts:
        kind, name, number = split_label(label)
        found.setdefault(f"{kind}:{name}", []).append(number)
    return {artifact: sorted(numbers) for artifact, numbers in found.items()}


def _shown(numbers: Sequence[int] | None) -> str:
    return "not there" if not numbers else "version " + ", ".join(map(str, numbers))
