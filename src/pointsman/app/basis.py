"""What a change is about in every detail: the part that approvals and checks are bound to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pointsman.app.application import View
from pointsman.app.judging import Place, digests_of
from pointsman.app.ports.governance import ChangeRow
from pointsman.core.changes import basis_of
from pointsman.core.names import check_alias
from pointsman.core.releases import plain_target, target_from_plain
from pointsman.core.vocabulary import Target
from pointsman.errors import NotFound

MAX_CLOSURE = 5_000
Written = dict[str, Any]
"""A move as a change keeps it: kind, name, alias, to, revision, and the alias it came from."""
Places = list[tuple[Place, Written]]


def detail_of(view: View, moves: Sequence[tuple[Place, Target | None]]) -> list[dict[str, Any]]:
    """What each move would do, with everything that its target is made of; see `core.changes`.

    What a target includes or uses is resolved in the world as the change would leave it.
    """
    world = {(place.artifact.id, place.alias): to for place, to in moves}
    return [
        {
            "place": place.name,
            "to": plain_target(to),
            "digests": digests_of(view, place.artifact.id, to),
            "revision": place.revision,
            "current": plain_target(place.target),
            "closure": _closure(view, place.artifact.id, to, world),
        }
        for place, to in moves
    ]


def live_includers(view: View, artifact_id: int, alias: str) -> Iterator[str]:
    """The prompts in use that include an artifact by this alias, by name."""
    seen = set()
    for row in view.reader.includers(artifact_id):
        if row.live and row.target_alias == alias and row.name not in seen:
            seen.add(row.name)
            yield f"{row.kind}:{row.name}"


def basis_of_change(view: View, number: int) -> str:
    """The digest of exactly what a change would do now."""
    return basis_of(detail_of(view, targets_of(places_of(view, found_change(view, number)))))


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


def _closure(
    view: View,
    artifact_id: int,
    to: Target | None,
    world: Mapping[tuple[int, str], Target | None],
) -> dict[str, str]:
    """Selector → digests of what it means, for all that a target depends on, at any depth."""
    found: dict[str, str] = {}
    waiting = [(artifact_id, number) for number in (to.versions if to else ())]
    seen = set(waiting)
    while waiting and len(seen) < MAX_CLOSURE:
        for selector, meant in _needs(view, *waiting.pop(), world):
            digests = [digest for _, _, digest in meant]
            found[selector] = ",".join(digests) or "missing"
            for target_id, number, _ in meant:
                if (target_id, number) not in seen:
                    seen.add((target_id, number))
                    waiting.append((target_id, number))
    return found


def _needs(
    view: View, artifact_id: int, number: int, world: Mapping[tuple[int, str], Target | None]
) -> Iterable[tuple[str, list[tuple[int, int, str]]]]:
    reader = view.reader
    for row in reader.dependencies(artifact_id, number):
        numbers: Sequence[int] = ()
        if row.target_version is not None:
            numbers = (row.target_version,)
        elif row.target_alias is not None:
            key = row.target_id, row.target_alias
            target = world[key] if key in world else _target(view, *key)
            numbers = target.versions if target else ()
        else:
            artifact = reader.artifact_by_id(row.target_id)
            numbers = (artifact.newest,) if artifact and artifact.newest else ()
        standing = [(one, reader.standing(row.target_id, one)) for one in numbers]
        yield (
            row.selector,
            [(row.target_id, one, found.digest) for one, found in standing if found is not None],
        )


def _target(view: View, artifact_id: int, alias: str) -> Target | None:
    row = view.reader.alias(artifact_id, alias)
    return row.target if row else None
