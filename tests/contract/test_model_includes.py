"""Prompts of prompts, built and moved at random: whatever is in use can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from machines import OnPlace, Places, run
from pointsman.errors import PointsmanError

_numbers = st.integers(1, 4)
_PARTS = ("p", "q", "r")
_parts = st.sampled_from(_PARTS)
_included = st.tuples(_parts, st.sampled_from(["", "@prod", "@next", ":1", ":2", ":3"])).map(
    "".join
)


def test_whatever_is_in_use_can_be_read(places: Places) -> None:
    run(Composed, places)


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
