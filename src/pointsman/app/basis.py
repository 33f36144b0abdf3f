"""What a change is about in every detail: the part that approvals and checks are bound to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pointsman.app.application import View
from pointsman.app.closure import closure_of
from pointsman.app.judging import digests_of, evaluations_of
from pointsman.app.places import Backing, Moves, Place
from pointsman.app.policies import policies_of
from pointsman.app.ports.governance import ChangeRow
from pointsman.core.changes import basis_of
from pointsman.core.names import check_alias
from pointsman.core.policy import governing
from pointsman.core.releases import plain_target, target_from_plain
from pointsman.core.vocabulary import Target
from pointsman.errors import NotFound

Written = dict[str, Any]
"""A move as a change keeps it: kind, name, alias, to, revision, and the alias it came from."""
Places = list[tuple[Place, Written]]


def detail_of(
    view: View, row: ChangeRow, moves: Sequence[tuple[Place, Target | None]]
) -> dict[str, Any]:
    """What a change would do and why, with all that its targets are made of; see `core.changes`.

    What a target includes or uses is resolved in the world as the change would leave it. With
    it go the suites, rows and judges by which it is evaluated.
    """
    return {"title": row.title, "reason": row.reason, "moves": _moves_of(view, moves)}


def basis_of_change(view: View, number: int) -> str:
    """The digest of exactly what a change would do now."""
    return basis_of(detail_of_change(view, number))


def detail_of_change(view: View, number: int) -> dict[str, Any]:
    """What a change would do now, in every detail: what its basis is the digest of."""
    row = found_change(view, number)
    return detail_of(view, row, targets_of(places_of(view, row)))


def found_change(view: View, number: int) -> ChangeRow:
    """The change with this number. Raises `NotFound`."""
    row = view.reader.change(view.project.id, number)
    if row is None:
        raise NotFound(
            f"There is no change {number}.", code="change_not_found", hint="List the open ones."
        )
    return row


def places_of(view: View, row: ChangeRow) -> Places:
    """Each alias that a change would move, as it is now, with what is written about it."""
    return [
        (place_of(view, one["kind"], one["name"], one["alias"]), one)
        for one in json.loads(row.moves)
    ]


def place_of(view: View, kind: str, name: str, alias: str) -> Place:
    """An alias as it is now. Raises `NotFound` if there is no such artifact."""
    artifact, alias = view.artifact(kind, name), check_alias(alias)
    return Place(artifact, alias, view.reader.alias(artifact.id, alias))


def targets_of(places: Places) -> list[tuple[Place, Target | None]]:
    """Where each alias would point."""
    return [(place, target_from_plain(one["to"])) for place, one in places]


def _moves_of(view: View, moves: Sequence[tuple[Place, Target | None]]) -> list[dict[str, Any]]:
    world = {(place.artifact.id, place.alias): to for place, to in moves}
    return [
        {
            "place": place.name,
            "to": plain_target(to),
            "digests": digests_of(view, place.artifact.id, to),
            "revision": place.revision,
            "current": plain_target(place.target),
            "closure": {
                **_deciders(view, place, to, moves),
                **closure_of(view, place.artifact.id, to, world).digests,
            },
        }
        for place, to in moves
    ]


def _deciders(view: View, place: Place, to: Target | None, moves: Moves) -> dict[str, str]:
    """The digests of the suites, rows and judges that a move is evaluated by.

    Who approves does so in view of the results, so it is for those that these give.
    """
    artifact = place.artifact
    policy, _ = governing(policies_of(view), artifact.kind, artifact.name, place.alias)
    found: dict[str, str] = {}
    if policy is None:
        return found
    for one in evaluations_of(view, policy, place, to, Backing(together=tuple(moves))):
        if one.orders is not None:
            found[one.orders.suite.rpartition(":")[0]] = one.orders.suite_digest
            found[one.orders.dataset.rpartition(":")[0]] = one.orders.dataset_digest
            for selector, judge in one.orders.judges.items():
                found[selector] = judge.parts[judge.root].digest
    return found
