"""The whole registry against a model of it in plain dicts, step by step, on both databases.

Random things are done to a registry and to the model, and after each step both must say the
same, now and as of any moment before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from machines import OnPlace, Places, run
from model import Model, Pointer, Says, Spot, Thing, Weights, target_of
from pointsman.core.vocabulary import Release, Target
from pointsman.errors import Gone, NotFound, PointsmanError

NAMES = ("a", "b/ä", "late")
"""Few, so that what is done meets what was done before; the last one is made on the way."""
ALIASES = ("prod", "Über")

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


def test_the_registry_is_what_the_model_is(places: Places) -> None:
    run(Modelled, places)


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
        moves: dict[Spot, Target | None] = {(name, alias): Target(number) for alias in aliases}
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
        wanted: dict[Spot, Target | None],
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

    def if_revision(self, place: Spot, expected: str) -> int | None:
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
