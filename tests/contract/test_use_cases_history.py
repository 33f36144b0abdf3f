"""Looking back: as of any moment, what differs between two, and the journal page by page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changes import HARD_TEXT
from pointsman.compose import Registry
from pointsman.core.vocabulary import Difference, Entry, Page, Target
from pointsman.errors import Gone, InvalidInput, NotFound, PointsmanError

LATER = datetime(2200, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    yield
    assert registry.doctor().findings == ()


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value


def now(registry: Registry) -> datetime:
    """The time of the last thing that happened."""
    return registry.history(limit=1).items[0].at


def paged(ask: Callable[..., Page[Any]], limit: int) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = ask(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items
        assert page.items


# As of a moment


def test_every_moment_has_its_answer(registry: Registry) -> None:
    moments: list[tuple[datetime, int | None, int | None]] = []

    def remember(newest: int | None, prod: int | None) -> None:
        moments.append((now(registry), newest, prod))

    remember(None, None)
    for number in (1, 2, 3):
        registry.publish("x", f"{number}")
        remember(number, None if number == 1 else number - 1)
        registry.promote(f"x:{number}", "prod")
        remember(number, number)
    registry.delete_alias("x@prod")
    remember(3, None)
    registry.promote("x:1", "prod")
    remember(3, 1)
    registry.publish("x", "4")
    remember(4, 1)
    ends = [at for at, *_ in moments[1:]] + [LATER]
    for (at, newest, prod), end in zip(moments, ends, strict=True):
        # An answer holds from the moment itself to just before the next thing.
        for when in {at, at + (end - at) / 2, end - TICK}:
            assert _version(registry, "x", when) == newest
            assert _version(registry, "x@prod", when) == prod
    for version in (1, 2, 3, 4):
        created = registry.version(f"x:{version}").created_at
        assert _version(registry, f"x:{version}", created) == version
        assert _version(registry, f"x:{version}", created - TICK) is None


def _version(registry: Registry, selector: str, at: datetime) -> int | None:
    try:
        return registry.resolve(selector, at=at).version
    except NotFound:
        return None


def test_why_tells_of_that_time(registry: Registry) -> None:
    registry.publish("x", "1", aliases=["prod"], reason="first")
    registry.publish("x", "2")
    at = now(registry)
    registry.split("x", "prod", {1: 1, 2: 1}, reason="half")
    old, new = registry.resolve("x@prod", at=at), registry.resolve("x@prod")
    assert (old.version, old.why.revision, old.why.reason) == (1, 1, "first")
    assert old.why.as_of == at
    assert old.why.split == ()
    assert (new.why.revision, new.why.reason, new.why.as_of) == (2, "half", None)
    assert len(new.why.split) == 2
    registry.delete_alias("x@prod")
    then = registry.resolve("x@prod", at=new.why.moved_at, key="ana")
    assert then.version == Target(split=new.why.split).pick("ana", "prompt:x@prod")


def test_what_was_removed_stays_removed_at_every_time(registry: Registry) -> None:
    registry.publish("x", "secret")
    at = now(registry)
    registry.publish("x", "fine")
    registry.tombstone("x:1", reason="leaked")
    refused(Gone, "tombstoned", lambda: registry.resolve("x", at=at))
    assert registry.resolve("x").version == 2


def test_archiving_does_not_change_the_past_nor_reading(registry: Registry) -> None:
    registry.publish("x", "1", aliases=["prod"])
    at = now(registry)
    registry.archive("x")
    assert registry.resolve("x@prod", at=at).version == 1
    assert registry.resolve("x@prod").version == 1


# Differences


def test_differences_between_two_moments(registry: Registry) -> None:
    registry.publish("a", "1", aliases=["prod"])
    registry.publish("b", "1")
    start = now(registry)
    assert registry.differences(start, LATER) == ()
    registry.publish("a", "2")
    registry.promote("a:2", "prod")
    registry.promote("b:1", "prod")
    registry.promote("a:1", "prod")
    registry.publish("b", "2")
    registry.publish("b", "3")
    registry.split("a", "new", {1: 1, 2: 1})
    registry.delete_alias("b@prod")
    registry.publish("c", "1")
    registry.set_tag("a", "k", "v")
    registry.archive("c")
    end = now(registry)
    one, two = Target(version=1), Target(version=2)
    split = registry.alias("a@new").target
    expected = (
        Difference("prompt", "a", None, one, two, 1),
        Difference("prompt", "a", "new", None, split, 1),
        Difference("prompt", "a", "prod", one, one, 2),
        Difference("prompt", "b", None, one, Target(version=3), 2),
        Difference("prompt", "b", "prod", None, None, 2),
        Difference("prompt", "c", None, None, one, 1),
    )
    assert registry.differences(start, end) == expected
    assert registry.differences(start, LATER) == expected
    assert registry.differences(end, end) == ()
    everything = registry.differences(datetime(1970, 1, 1, tzinfo=UTC), LATER)
    assert {row.name for row in everything} == {"a", "b", "c"}
    assert everything[0].before is None
    refused(InvalidInput, "moments_reversed", lambda: registry.differences(end, start))


# The journal


def test_entries_are_chained_and_whole(registry: Registry) -> None:
    registry.publish("x", "1", message=HARD_TEXT, tags={"ä": HARD_TEXT}, aliases=["prod"])
    page = registry.entries()
    assert [entry.seq for entry in page.items] == list(range(1, 6))
    for earlier, later in zip(page.items, page.items[1:], strict=False):
        assert later.previous == earlier.hash
        assert later.at > earlier.at
    assert page.items[2].data["message"] == HARD_TEXT
    newest_first = registry.history()
    assert newest_first.items == page.items[::-1], "the same entries, the same hashes"
    assert registry.history(types=["alias.moved"]).items == (page.items[4],)


def test_entries_for_export_page_by_sequence_number(registry: Registry) -> None:
    for n in range(20):
        registry.publish("x", f"{n}")
    whole = registry.entries().items
    assert registry.entries().cursor is None
    got: list[Entry] = []
    after = 0
    while True:
        page = registry.entries(after, limit=7)
        got += page.items
        if page.cursor is None:
            break
        after = int(page.cursor)
    assert tuple(got) == whole
    assert registry.entries(len(whole)).items == ()
    assert registry.entries(10**12).items == ()
    with pytest.raises(InvalidInput):
        registry.entries(-1)
    for limit in (0, -1, 10_001):
        refused(InvalidInput, "invalid_limit", lambda n=limit: registry.entries(limit=n))  # type: ignore[misc]


def _busy(registry: Registry) -> None:
    for n in range(6):
        registry.publish("x", f"{n}", aliases=["prod"])
        registry.publish("y", f"{n}")
        registry.set_tag("x", "n", f"{n}")
        registry.split("x", "ab", {1: n + 1, n + 1: 7} if n else {1: 7})


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_history_by_pages(registry: Registry, limit: int) -> None:
    _busy(registry)
    every = registry.entries().items[::-1]

    def about(name: str) -> list[Entry]:
        return [entry for entry in every if entry.data.get("name") == name]

    def ask(selector: str = "", **where: Any) -> list[Entry]:
        return paged(lambda **page: registry.history(selector, **where, **page), limit)

    assert ask() == list(every)
    assert ask("x") == about("x"), "moves and all else, in one order"
    assert ask("y") == about("y")
    prod = [entry for entry in about("x") if entry.data.get("alias") == "prod"]
    assert ask("x@prod") == prod != []
    assert ask("x@never") == []
    moves = [entry for entry in every if entry.type in ("alias.moved", "tag.set")]
    assert ask(types=["alias.moved", "tag.set"]) == moves
    assert ask("x", types=["version.published"]) == [
        entry for entry in about("x") if entry.type == "version.published"
    ]
    middle = every[len(every) // 2].at
    assert ask(since=middle) == [entry for entry in every if entry.at >= middle]
    assert ask("x", until=middle) == [entry for entry in about("x") if entry.at <= middle]
    assert ask(actor=every[0].by) == [entry for entry in every if entry.by == every[0].by]
    assert ask(actor="nobody") == []
    refused(NotFound, "artifact_not_found", lambda: ask("nope"))


def test_pages_are_stable_while_things_happen(registry: Registry) -> None:
    _busy(registry)
    whole = registry.history("x", limit=1_000).items
    first = registry.history("x", limit=5)
    _busy(registry)
    second = registry.history("x", limit=1_000, cursor=first.cursor)
    assert first.items + second.items == whole


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_versions_and_releases_by_pages(registry: Registry, limit: int) -> None:
    _busy(registry)
    versions = paged(lambda **page: registry.versions("x", **page), limit)
    assert [one.number for one in versions] == [6, 5, 4, 3, 2, 1]
    releases = paged(lambda **page: registry.releases("x@prod", **page), limit)
    assert [one.moves[0].to for one in releases] == [Target(version=n) for n in range(6, 0, -1)]


def test_cursors_of_another_question_are_refused(registry: Registry) -> None:
    _busy(registry)
    cursor = registry.history("x", limit=2).cursor
    assert cursor is not None
    asks: list[Callable[[str], object]] = [
        lambda c: registry.history("y", cursor=c),
        lambda c: registry.history("x@prod", cursor=c),
        lambda c: registry.history("x", types=["tag.set"], cursor=c),
        lambda c: registry.history("x", actor="a", cursor=c),
        lambda c: registry.history(cursor=c),
        lambda c: registry.versions("x", cursor=c),
        lambda c: registry.releases("x@prod", cursor=c),
        lambda c: registry.search(cursor=c),
    ]
    for ask in asks:
        refused(InvalidInput, "invalid_cursor", lambda a=ask: a(cursor))  # type: ignore[misc]


def test_bad_limits_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    registry.publish("x", "1")
    asks: list[Callable[..., object]] = [
        registry.history,
        registry.search,
        functools.partial(registry.versions, "x"),
        functools.partial(registry.releases, "x@prod"),
    ]
    for limit in (0, -1, 1_001):
        for ask in asks:
            with subtests.test(limit=limit, ask=ask):
                refused(InvalidInput, "invalid_limit", functools.partial(ask, limit=limit))


_ODD: dict[str, Callable[[Registry], Any]] = {
    "NUL in an actor": lambda r: r.history(actor="\0"),
    "NUL in a type": lambda r: r.history(types=["\0"]),
    "half a pair in an actor": lambda r: r.history(actor="\ud800"),
    "half a pair in a type": lambda r: r.history(types=["\ud800"]),
    "a huge release": lambda r: r.find_release(2**70),
    "a huge release below zero": lambda r: r.find_release(-(2**70)),
    "after a huge entry": lambda r: r.entries(2**70),
}


def test_what_no_database_can_look_for_is_not_found_or_refused(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    """Never an error of the database's own, which would be told as a failure of ours."""
    for what, ask in _ODD.items():
        with subtests.test(what):
            try:
                found = ask(registry)
            except PointsmanError:
                continue
            assert found.items == ()
