"""The whole registry against a model of it in plain dicts, step by step, on both databases.

`Modelled` does random things to a registry and to the model, and finds after each step that
both say the same, now and as of any moment before. `Composed` builds prompts of prompts and
finds that whatever is in use can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pointsman.compose import Registry
from pointsman.core.vocabulary import Arm, Release, Target
from pointsman.errors import Gone, NotFound, PointsmanError
from scale import SCALE
from stores import Databases, Place, PostgresPlace, SqlitePlace

NAMES = ("a", "b/ä", "late")
"""Few, so that what is done meets what was done before; the last one is made on the way."""
ALIASES = ("prod", "Über")
EXAMPLES = max(1, int(12 * SCALE))
STEPS = 30

_names = st.sampled_from((*NAMES[:2], *NAMES[:2], *NAMES))
_aliases = st.sampled_from(ALIASES)
_numbers = st.sampled_from((1, 2, 3, 1, 2, 3, 4, 5))
_keys = st.sampled_from(("k", "ä"))
_values = st.sampled_from(("", "v", "w" * 70))
_contents = st.sampled_from(("one", "two", "three"))
_single = _numbers.map(lambda n: {n: 1})
_targets = st.one_of(
    st.none(),
    _single,
    _single,
    st.dictionaries(_numbers, st.integers(1, 9), min_size=2, max_size=3),
)
_expected = st.sampled_from(("any",) * 6 + ("right", "right", "wrong"))

Weights = Mapping[int, int]
Place_ = tuple[str, str]
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

    moves: dict[Place_, tuple[Target | None, int]]
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

    def check(self, orders: list[tuple[Place_, Target | None, int | None]]) -> None:
        """Every reason against pointing these elsewhere, in order."""
        missing = [name for (name, _), _, _ in orders if name not in self.things]
        if missing:
            raise Says(*["artifact_not_found" for _ in missing])
        codes: list[str] = []
        seen: set[Place_] = set()
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

    def move(self, number: int, moves: dict[Place_, Target | None], *, undoes: bool) -> None:
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

    def undone(self, number: int) -> dict[Place_, Target | None]:
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

    def standing(self) -> list[Place_]:
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


class OnPlace(RuleBasedStateMachine):
    """A machine over a registry on a place of its own."""

    place: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self._context = self.place()
        self.registry = Registry(self._context.__enter__().open())

    def teardown(self) -> None:
        try:
            assert self.registry.doctor().findings == ()
        finally:
            self.registry.close()
            self._context.__exit__(None, None, None)


class Modelled(OnPlace):
    """Random steps on both, and equal answers."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.moments: list[tuple[datetime, dict[tuple[str, str | None], Target | None]]] = []

    @initialize()
    def begin(self) -> None:
        for name in NAMES[:2]:
            for content in ("one", "two", "three"):
                self.registry.publish(name, content)
                self.model.publish(name, content, if_changed=False)

    # Steps

    @rule(
        name=_names,
        content=_contents,
        if_changed=st.booleans(),
        aliases=st.lists(_aliases, max_size=2, unique=True),
    )
    def publish(self, name: str, content: str, if_changed: bool, aliases: list[str]) -> None:
        def act() -> Any:
            return self.registry.publish(name, content, if_changed=if_changed, aliases=aliases)

        with self.both(act) as done:
            number, created = self.model.publish(name, content, if_changed=if_changed)
            done()
        if done.result is None:
            return
        assert (done.result.version.number, done.result.created) == (number, created)
        moves: dict[Place_, Target | None] = {(name, alias): Target(number) for alias in aliases}
        self.released(done.result.release, moves)

    @rule(name=_names, number=st.one_of(st.none(), _numbers), key=_keys, value=_values)
    def set_tag(self, name: str, number: int | None, key: str, value: str) -> None:
        with self.both(lambda: self.registry.set_tag(_selector(name, number), key, value)) as done:
            tags = self.tags(name, number)
            done()
            tags[key] = value

    @rule(name=_names, number=st.one_of(st.none(), _numbers), key=_keys)
    def delete_tag(self, name: str, number: int | None, key: str) -> None:
        with self.both(lambda: self.registry.delete_tag(_selector(name, number), key)) as done:
            tags = self.tags(name, number)
            done()
            tags.pop(key, None)

    @rule(name=_names, alias=_aliases, number=_numbers)
    def promote(self, name: str, alias: str, number: int) -> None:
        self.point(name, alias, {number: 1}, "any")

    @rule(name=_names, alias=_aliases, weights=_targets, expected=_expected)
    def point(self, name: str, alias: str, weights: Weights | None, expected: str) -> None:
        to, place = target_of(weights), (name, alias)
        if_revision = self.if_revision(place, expected)

        def act() -> Release | None:
            if weights is None:
                return self.registry.delete_alias(f"{name}@{alias}", if_revision=if_revision)
            if len(weights) == 1:
                (number,) = weights
                return self.registry.promote(f"{name}:{number}", alias, if_revision=if_revision)
            return self.registry.split(name, alias, weights, if_revision=if_revision)

        with self.both(act) as done:
            self.model.check([(place, to, if_revision)])
            done()
            self.released(done.result, {place: to})

    @rule(orders=st.lists(st.tuples(_names, _aliases, _targets, _expected), min_size=1, max_size=4))
    def release(self, orders: list[tuple[str, str, Weights | None, str]]) -> None:
        wanted = [
            ((name, alias), target_of(weights), self.if_revision((name, alias), expected))
            for name, alias, weights, expected in orders
        ]
        moves: list[dict[str, Any]] = []
        for (name, alias, weights, _), (_, _, if_revision) in zip(orders, wanted, strict=True):
            how: dict[str, Any] = {"delete": True} if weights is None else {"split": weights}
            moves.append({"name": name, "alias": alias, "if_revision": if_revision, **how})
        with self.both(lambda: self.registry.release(moves, reason="together")) as done:
            self.model.check(wanted)
            done()
            self.released(done.result, {place: to for place, to, _ in wanted})

    @precondition(lambda self: self.model.standing())
    @rule(data=st.data(), times=st.integers(1, 3))
    def roll_back_what_stands(self, data: st.DataObject, times: int) -> None:
        name, alias = data.draw(st.sampled_from(self.model.standing()))
        for _ in range(times):
            self.roll_back(name, alias)

    @rule(name=_names, alias=_aliases)
    def roll_back_anything(self, name: str, alias: str) -> None:
        self.roll_back(name, alias)

    def roll_back(self, name: str, alias: str) -> None:
        with self.both(lambda: self.registry.rollback(f"{name}@{alias}")) as done:
            target = self.model.before(name, alias)
            undoes = self.model.things[name].pointers[alias].standing[-1][0]
            done()
            assert done.result.undoes == undoes
            self.released(done.result, {(name, alias): target}, undoes=True)

    @precondition(lambda self: self.model.releases)
    @rule(data=st.data())
    def roll_back_release(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([*self.model.releases, 1, 0]))
        with self.both(lambda: self.registry.rollback_release(number)) as done:
            moves = self.model.undone(number)
            done()
            assert done.result.undoes == number
            self.released(done.result, moves, undoes=True)

    @rule(name=_names, archived=st.sampled_from([True, False, False]))
    def archive(self, name: str, archived: bool) -> None:
        act = self.registry.archive if archived else self.registry.restore
        with self.both(lambda: act(name)) as done:
            thing = self.model.thing(name)
            done()
            thing.archived = archived

    @rule(name=_names, number=_numbers)
    def tombstone(self, name: str, number: int) -> None:
        with self.both(lambda: self.registry.tombstone(f"{name}:{number}", reason="r")) as done:
            thing = self.model.thing(name)
            if number > len(thing.contents):
                raise Says("version_not_found")
            if number in thing.removed:
                raise Says("already_removed")
            if any(p.target and number in p.target.versions for p in thing.pointers.values()):
                raise Says("in_use")
            done()
            thing.removed.add(number)

    @precondition(lambda self: self.moments)
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        at, answers = data.draw(st.sampled_from(self.moments))
        for (name, alias), target in self.model.answers().items():
            del target
            self.same_answer(name, alias, answers.get((name, alias)), at)

    # What must hold after each

    @invariant()
    def the_state_is_the_model_s(self) -> None:
        for name, thing in self.model.things.items():
            artifact = self.registry.artifact(name)
            assert artifact.newest == len(thing.contents)
            assert (artifact.archived_at is not None) == thing.archived
            assert artifact.tags == thing.tags.get(0, {})
            assert {one.name: (one.target, one.revision) for one in artifact.aliases} == {
                alias: (pointer.target, pointer.revision)
                for alias, pointer in thing.pointers.items()
                if pointer.target is not None
            }
            versions = self.registry.versions(name).items[::-1]
            assert [one.number for one in versions] == list(range(1, len(thing.contents) + 1))
            for version in versions:
                assert version.tags == thing.tags.get(version.number, {})
                assert (version.tombstone is not None) == (version.number in thing.removed)
        found = self.registry.search(archived=None).items
        assert [one.name for one in found] == sorted(self.model.things)
        for alias in ALIASES:
            with_it = self.registry.search(archived=None, with_aliases=[alias]).items
            assert [one.name for one in with_it] == sorted(
                name
                for name, thing in self.model.things.items()
                if thing.pointers.get(alias, Pointer()).target is not None
            )

    @invariant()
    def answers_are_the_model_s(self) -> None:
        answers = self.model.answers()
        for (name, alias), target in answers.items():
            self.same_answer(name, alias, target, None)
        self.moments.append((self.registry.history(limit=1).items[0].at, answers))

    # How it is done

    def same_answer(
        self, name: str, alias: str | None, target: Target | None, at: datetime | None
    ) -> None:
        selector = name if alias is None else f"{name}@{alias}"
        if target is None:
            with pytest.raises(NotFound):
                self.registry.resolve(selector, at=at)
            return
        for reader in ("", "ana", "bob"):
            number = target.pick(reader, f"prompt:{selector}")
            if number in self.model.things[name].removed:
                with pytest.raises(Gone):
                    self.registry.resolve(selector, at=at, key=reader)
                continue
            answer = self.registry.resolve(selector, at=at, key=reader)
            assert answer.version == number
            assert answer.why.split == target.split
            assert answer.content["template"] == self.model.things[name].contents[number - 1]

    @contextmanager
    def both(self, act: Callable[[], Any]) -> Iterator[_Done]:
        """Do `act` when the body calls for it; where the model refuses, see it refused as well."""
        done = _Done(act)
        codes: tuple[str, ...] = ()
        try:
            yield done
        except Says as says:
            codes = says.codes
        if codes:
            with pytest.raises(PointsmanError) as caught:
                act()
            assert caught.value.code == codes[0], caught.value
            if len(codes) > 1:
                assert tuple(reason.code for reason in caught.value.reasons) == codes
        else:
            assert done.called

    def released(
        self,
        release: Release | None,
        wanted: dict[Place_, Target | None],
        *,
        undoes: bool = False,
    ) -> None:
        """Find that the release moved what was wanted elsewhere, and move that in the model."""
        things = self.model.things
        moves = {
            place: to
            for place, to in wanted.items()
            if things[place[0]].pointers.get(place[1], Pointer()).target != to
        }
        if not moves:
            assert release is None
            return
        assert release is not None
        assert {(move.name, move.alias): move.to for move in release.moves} == moves
        assert release.number not in self.model.releases
        self.model.move(release.number, moves, undoes=undoes)
        for move in release.moves:
            before, revision = self.model.releases[release.number].moves[move.name, move.alias]
            assert (move.before, move.revision) == (before, revision)
        assert self.registry.find_release(release.number) == release

    def if_revision(self, place: Place_, expected: str) -> int | None:
        if expected == "any":
            return None
        thing = self.model.things.get(place[0], Thing())
        revision = thing.pointers.get(place[1], Pointer()).revision
        return revision if expected == "right" else revision + 1

    def tags(self, name: str, number: int | None) -> dict[str, str]:
        thing = self.model.thing(name)
        if number is not None and number > len(thing.contents):
            raise Says("version_not_found")
        return thing.tags.setdefault(number or 0, {})


class _Done:
    """Does something once, and keeps what came of it."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self.called = False
        self.result: Any = None

    def __call__(self) -> None:
        assert not self.called
        self.called = True
        self.result = self._act()


def _selector(name: str, number: int | None) -> str:
    return name if number is None else f"{name}:{number}"


# Prompts of prompts

_PARTS = ("p", "q", "r")
_parts = st.sampled_from(_PARTS)
_included = st.tuples(_parts, st.sampled_from(["", "@prod", "@next", ":1", ":2", ":3"])).map(
    "".join
)


class Composed(OnPlace):
    """Publishes, moves and removes at random; what is refused is refused, the rest must read."""

    @initialize()
    def begin(self) -> None:
        for name in _PARTS:
            self.registry.publish(name, f"plain {name}", aliases=["prod"])
        self.registry.publish("p", "{{> q@prod }} {{> r }}")
        self.registry.publish("p", "plain again", aliases=["prod"])

    @rule(
        name=_parts,
        included=st.lists(_included, min_size=1, max_size=2),
        shape=st.sampled_from(["curly", "curly", "f-string", "chat"]),
        aliases=st.lists(st.sampled_from(["prod", "next"]), max_size=1),
    )
    def publish(self, name: str, included: list[str], shape: str, aliases: list[str]) -> None:
        content: Any
        if shape == "chat":
            messages = [{"include": one} for one in included]
            content = {"template": [{"role": "user", "content": name}, *messages]}
        else:
            tags = " ".join(f"{{{{> {one} }}}}" for one in included)
            content = {"template": f"{name} {tags}", "format": shape}
            if shape == "f-string":
                content["template"] = f"{name} " + " ".join(f"{{> {one}}}" for one in included)
        self.attempt(lambda: self.registry.publish(name, content, aliases=aliases))

    @rule(name=_parts, number=_numbers, alias=st.sampled_from(["prod", "next"]))
    def promote(self, name: str, number: int, alias: str) -> None:
        self.attempt(lambda: self.registry.promote(f"{name}:{number}", alias))

    @rule(name=_parts, weights=st.dictionaries(_numbers, st.integers(1, 3), min_size=2, max_size=2))
    def split(self, name: str, weights: dict[int, int]) -> None:
        self.attempt(lambda: self.registry.split(name, "prod", weights))

    @rule(name=_parts, alias=st.sampled_from(["prod", "next"]), back=st.booleans())
    def leave(self, name: str, alias: str, back: bool) -> None:
        act = self.registry.rollback if back else self.registry.delete_alias
        self.attempt(lambda: act(f"{name}@{alias}"))

    @rule(name=_parts, number=_numbers)
    def tombstone(self, name: str, number: int) -> None:
        self.attempt(lambda: self.registry.tombstone(f"{name}:{number}", reason="r"))

    @rule(
        items=st.lists(st.tuples(_parts, st.lists(_included, max_size=1)), min_size=1, max_size=3)
    )
    def publish_many(self, items: list[tuple[str, list[str]]]) -> None:
        versions = [
            {"name": name, "content": " ".join(f"{{{{> {one} }}}}" for one in included) or name}
            for name, included in items
        ]
        self.attempt(lambda: self.registry.publish_many(versions))

    @rule(
        moves=st.lists(
            st.tuples(_parts, st.sampled_from(["prod", "next"]), st.one_of(st.none(), _numbers)),
            min_size=1,
            max_size=3,
            unique_by=lambda move: move[:2],
        )
    )
    def release(self, moves: list[tuple[str, str, int | None]]) -> None:
        wanted = [
            {"name": name, "alias": alias}
            | ({"delete": True} if number is None else {"version": number})
            for name, alias, number in moves
        ]
        self.attempt(lambda: self.registry.release(wanted))

    @invariant()
    def whatever_is_in_use_can_be_read(self) -> None:
        for artifact in self.registry.search(archived=None).items:
            newest = self.registry.version(artifact.name)
            if newest.tombstone is None:
                self.registry.resolve(artifact.name)
            for alias in artifact.aliases:
                for number in alias.target.versions:
                    self.registry.resolve(f"{artifact.name}:{number}")

    def attempt(self, act: Callable[[], Any]) -> None:
        head = self.registry.history(limit=1).items[0].seq
        try:
            act()
        except PointsmanError:
            assert self.registry.history(limit=1).items[0].seq == head


@pytest.fixture(params=["sqlite", "postgres"])
def places(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Any]:
    """Makes contexts, each of which is a new place."""
    if request.param == "sqlite":
        return lambda: _sqlite(tmp_path_factory.mktemp("model"))
    databases: Databases = request.getfixturevalue("databases")
    return lambda: _postgres(databases)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    yield SqlitePlace(folder)


@contextmanager
def _postgres(databases: Databases) -> Iterator[Place]:
    name = databases.migrated()
    yield PostgresPlace(databases.url(name))
    databases.drop(name)


@pytest.mark.parametrize("machine", [Modelled, Composed])
def test_machine(machine: type[OnPlace], places: Callable[[], Any]) -> None:
    bound = type(machine.__name__, (machine,), {"place": staticmethod(places)})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
