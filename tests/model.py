"""A registry in plain dicts: what it is, if one may forget about everything but its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.core.vocabulary import Arm, Target

Weights = Mapping[int, int]
Spot = tuple[str, str]
"""An artifact's name and an alias of it."""


class Says(Exception):
    """The model expects a refusal with these codes, the first of which is the error's own."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = codes


def target_of(weights: Weights | None) -> Target | None:
    if weights is None:
        return None
    if len(weights) == 1:
        return Target(version=next(iter(weights)))
    return Target(split=tuple(Arm(number, weights[number]) for number in sorted(weights)))


@dataclass
class Pointer:
    """An alias: where it points, and the releases that still stand, each with what it replaced."""

    target: Target | None = None
    revision: int = 0
    standing: list[tuple[int, Target | None]] = field(default_factory=list)


@dataclass
class Thing:
    """An artifact."""

    contents: list[str] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)
    archived: bool = False
    tags: dict[int, dict[str, str]] = field(default_factory=dict)
    pointers: dict[str, Pointer] = field(default_factory=dict)


@dataclass
class Made:
    """A release: what each of its moves replaced and the revision that it made."""

    moves: dict[Spot, tuple[Target | None, int]]
    undoes: bool


class Model:
    """What a registry is, if one may forget about everything but its meaning."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.releases: dict[int, Made] = {}

    def thing(self, name: str) -> Thing:
        if name not in self.things:
            raise Says("artifact_not_found")
        return self.things[name]

    def publish(self, name: str, content: str, *, if_changed: bool) -> tuple[int, bool]:
        thing = self.things.get(name)
        if thing is not None and thing.archived:
            raise Says("archived")
        thing = self.things.setdefault(name, Thing())
        newest = len(thing.contents)
        if if_changed and newest and thing.contents[-1] == content and newest not in thing.removed:
            return newest, False
        thing.contents.append(content)
        return newest + 1, True

    def check(self, orders: list[tuple[Spot, Target | None, int | None]]) -> None:
        """Every reason against pointing these elsewhere, in order."""
        missing = [name for (name, _), _, _ in orders if name not in self.things]
        if missing:
            raise Says(*["artifact_not_found" for _ in missing])
        codes: list[str] = []
        seen: set[Spot] = set()
        for place, to, if_revision in orders:
            if place in seen:
                codes.append("duplicate_move")
                continue
            seen.add(place)
            thing = self.things[place[0]]
            pointer = thing.pointers.get(place[1], Pointer())
            if if_revision not in (None, pointer.revision):
                codes.append("stale_revision")
            if to is None:
                codes += ["alias_not_found"] if pointer.target is None else []
                continue
            codes += ["archived"] if thing.archived else []
            for number in to.versions:
                if number > len(thing.contents):
                    codes.append("version_not_found")
                elif number in thing.removed:
                    codes.append("tombstoned")
        if codes:
            raise Says(*codes)

    def move(self, number: int, moves: dict[Spot, Target | None], *, undoes: bool) -> None:
        """Make moves that the registry has made as the release `number`."""
        made = Made({}, undoes)
        for (name, alias), to in moves.items():
            pointer = self.things[name].pointers.setdefault(alias, Pointer())
            assert pointer.target != to, "a release moves nothing to where it is"
            made.moves[name, alias] = pointer.target, pointer.revision + 1
            if undoes:
                pointer.standing.pop()
            else:
                pointer.standing.append((number, pointer.target))
            pointer.target = to
            pointer.revision += 1
        self.releases[number] = made

    def before(self, name: str, alias: str) -> Target:
        """Where a rollback of one alias leads."""
        thing = self.thing(name)
        pointer = thing.pointers.get(alias)
        if pointer is None:
            raise Says("alias_not_found")
        if not pointer.standing:
            raise Says("nothing_to_roll_back")
        target = pointer.standing[-1][1]
        if target is None:
            raise Says("nothing_before")
        self.check([((name, alias), target, None)])
        return target

    def undone(self, number: int) -> dict[Spot, Target | None]:
        """Where a rollback of a release leads."""
        made = self.releases.get(number)
        if made is None:
            raise Says("release_not_found")
        if made.undoes:
            raise Says("is_rollback")
        moved = [
            place
            for place, (_, revision) in made.moves.items()
            if self.things[place[0]].pointers[place[1]].revision != revision
        ]
        if moved:
            raise Says(*["moved_since" for _ in moved])
        self.check([(place, before, None) for place, (before, _) in made.moves.items()])
        return {place: before for place, (before, _) in made.moves.items()}

    def standing(self) -> list[Spot]:
        """The aliases that can be rolled back."""
        return [
            (name, alias)
            for name, thing in self.things.items()
            for alias, pointer in thing.pointers.items()
            if len(pointer.standing) > 1
        ]

    def answers(self) -> dict[tuple[str, str | None], Target | None]:
        """What each selector without a number means."""
        found: dict[tuple[str, str | None], Target | None] = {}
        for name, thing in self.things.items():
            found[name, None] = Target(version=len(thing.contents))
            for alias, pointer in thing.pointers.items():
                found[name, alias] = pointer.target
        return found
