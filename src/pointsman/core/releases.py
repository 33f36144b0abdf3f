"""What a release or a rollback does, decided from the state alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pointsman.core.vocabulary import Arm, Move, Target
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    StaleRevision,
)

MAX_ARMS = 20
MAX_WEIGHT = 10_000


@dataclass(frozen=True, slots=True)
class Point:
    """An alias as the state has it. Revision 0: it never existed. Target None: it doesn't now."""

    kind: str
    name: str
    alias: str
    target: Target | None
    revision: int
    archived: bool = False
    readable: Mapping[int, bool] | None = None
    """Version → whether its content is still there, for every existing version asked about."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a point: its new target (None: delete it), and what the asker assumes.

    `if_revision` is the revision that the asker saw; 0 means that there must be no such alias.
    """

    to: Target | None
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class PastMove:
    """A move as the journal has it, with the release that it was part of."""

    release: int
    revision: int
    before: Target | None
    to: Target | None
    undoes: int | None


def single(version: int) -> Target:
    """The target that is one version."""
    return Target(version=version)


def split(weights: Mapping[int, int]) -> Target:
    """The target that shares readers out over versions by weight.

    A split with one arm is that version. Raises `InvalidInput` for no arms, too many, or
    weights outside 1 … 10,000.
    """
    if not 1 <= len(weights) <= MAX_ARMS:
        raise InvalidInput(
            f"A split has {len(weights)} versions.",
            code="invalid_split",
            hint=f"Give between 1 and {MAX_ARMS} versions, each with a weight.",
            field="split",
        )
    for version, weight in weights.items():
        if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
            raise InvalidInput(
                f"Version {version} has the weight {weight!r} in the split.",
                code="invalid_split",
                hint=f"Weights are whole numbers from 1 to {MAX_WEIGHT}; leave out the others.",
                field="split",
            )
    if len(weights) == 1:
        return Target(version=next(iter(weights)))
    return Target(split=tuple(Arm(version, weights[version]) for version in sorted(weights)))


def plan_release(orders: Sequence[tuple[Point, Order]]) -> tuple[Move, ...]:
    """The moves that carry out the orders, leaving out those that are already fulfilled.

    Raises the error of the first thing that stands against it, with a reason for each:
    `StaleRevision` (an alias is not at the revision assumed), `NotFound` or `Gone` (the
    target does not exist or has lost its content), `Conflict` (the artifact is archived),
    `InvalidInput` (no orders, or one alias ordered twice).
    """
    if not orders:
        raise InvalidInput(
            "The release has no moves.", code="empty_release", hint="Name at least one alias."
        )
    problems: list[PointsmanError] = []
    moves: list[Move] = []
    seen: set[tuple[str, str, str]] = set()
    for point, order in orders:
        place = (point.kind, point.name, point.alias)
        if place in seen:
            problems.append(_twice(point))
            continue
        seen.add(place)
        found = _problems(point, order)
        problems.extend(found)
        if not found and point.target != order.to:
            moves.append(
                Move(*place, before=point.target, to=order.to, revision=point.revision + 1)
            )
    if problems:
        raise together(problems)
    return tuple(moves)


def move_to_undo(history: Iterable[PastMove]) -> PastMove | None:
    """The move that a rollback of one alias undoes, given its history, newest first.

    That is the newest move that is neither itself a rollback nor undone by one: rolling back
    twice goes back two releases, not back and forth.
    """
    undone: set[int] = set()
    for past in history:
        if past.undoes is not None:
            undone.add(past.undoes)
        elif past.release not in undone:
            return past
    return None


def together(problems: Sequence[PointsmanError]) -> PointsmanError:
    """One error for several problems: the first one's, with a reason for each."""
    first = problems[0]
    if len(problems) > 1:
        first.reasons = tuple(Reason(p.code, p.message, p.hint, p.field) for p in problems)
    return first


def _problems(point: Point, order: Order) -> list[PointsmanError]:
    where = f"{point.name}@{point.alias}"
    found: list[PointsmanError] = []
    if order.if_revision is not None and order.if_revision != point.revision:
        found.append(
            StaleRevision(
                f"{where} is at revision {point.revision}, not {order.if_revision}: "
                + (f"it points to {point.target} now." if point.target else "it has no target."),
                hint="Look at what it points to now, then try again with its revision.",
                field="if_revision",
                details={
                    "current": {
                        "kind": point.kind,
                        "name": point.name,
                        "alias": point.alias,
                        "revision": point.revision,
                        "target": plain_target(point.target),
                    }
                },
            )
        )
    if order.to is None:
        if point.target is None:
            found.append(NotFound(f"There is no {where}.", code="alias_not_found", field="alias"))
        return found
    if point.archived:
        found.append(
            Conflict(
                f"{point.name} is archived.",
                code="archived",
                hint="Restore the artifact before moving its aliases.",
            )
        )
    for version in order.to.versions:
        readable = (point.readable or {}).get(version)
        if readable is None:
            found.append(
                NotFound(
                    f"{point.name} has no version {version}.",
                    code="version_not_found",
                    hint="List its versions to see which there are.",
                    field="version",
                )
            )
        elif not readable:
            found.append(
                Gone(
                    f"The content of {point.name}:{version} was removed.",
                    code="tombstoned",
                    hint="Choose a version that still has its content.",
                    field="version",
                )
            )
    return found


def _twice(point: Point) -> PointsmanError:
    return InvalidInput(
        f"{point.name}@{point.alias} is ordered twice in one release.",
        code="duplicate_move",
        hint="Give each alias one target.",
    )


def plain_target(target: Target | None) -> dict[str, object] | None:
    """A target as JSON, as the journal and the API write it."""
    if target is None:
        return None
    if target.version is not None:
        return {"version": target.version}
    return {"split": [{"version": arm.version, "weight": arm.weight} for arm in target.split]}


def target_from_plain(value: Mapping[str, object] | None) -> Target | None:
    """The inverse of `plain_target`, for JSON that we wrote."""
    if value is None:
        return None
    version = value.get("version")
    if isinstance(version, int):
        return Target(version=version)
    arms = value["split"]
    assert isinstance(arms, list)
    return Target(split=tuple(Arm(arm["version"], arm["weight"]) for arm in arms))
