"""What a restored copy does not do by itself, unless it takes the original's place."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hooks import Receiver
from pointsman.app import changes
from pointsman.app.application import Application
from pointsman.app.applying import Applier
from pointsman.app.tail import Tail
from pointsman.compose import Registry
from pointsman.core.vocabulary import Entry
from pointsman.embedded.record import Restored, make_backup, restore_backup
from stores import Place, PostgresPlace, SqlitePlace


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where nothing is yet: tests with a `place` as well run on all four pairs."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "elsewhere")
    return PostgresPlace(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")


def copy(source: Path, place: Place, *, live: bool = False) -> Restored:
    options = place.options
    data, database = str(options.get("data", "")), options.get("database", "")
    return restore_backup(str(source), data, database, live=live)


def backed_up(place: Place, target: Path) -> Path:
    make_backup(str(place.options.get("data", "")), place.options.get("database", ""), str(target))
    return target


def look(registry: Registry) -> int:
    """Have what is due within the day applied, as a server does all the time."""
    store = registry._app.store
    tomorrow = Application(store, lambda: time.time_ns() // 1_000 + 86_400_000_000)
    return Applier(tomorrow, Tail(store)).look()


def to(alias: str, version: int) -> list[dict[str, object]]:
    return [{"name": "a", "alias": alias, "version": version}]


def last(registry: Registry, count: int) -> list[Entry]:
    return list(reversed(registry.history(limit=count).items))


def prepared(registry: Registry, url: str) -> tuple[str, int, int, int]:
    """A webhook, a change for when it is ready, one for a time, and one for by hand."""
    registry.publish("a", {"template": "1"}, aliases=["live", "other", "third"], reason="go")
    registry.publish("a", {"template": "2"})
    hook = registry.create_webhook("ops", url).webhook
    off = registry.create_webhook("off", url).webhook
    registry.disable_webhook(off.id, reason="not now")
    policy = {"name": "evaluated", "aliases": "live", "checks": ["eval"]}
    registry.set_policy(policy, reason="care")
    ready = registry.propose("ready", to("live", 2), reason="better", when_ready=True)
    soon = datetime.now(UTC) + timedelta(hours=1)
    timed = registry.propose("timed", to("other", 2), reason="later", apply_at=soon)
    by_hand = registry.propose("by hand", to("third", 2), reason="some time")
    registry.comment(ready.number, "take care")
    return hook.id, ready.number, timed.number, by_hand.number


def evaluated(registry: Registry) -> int:
    """Ask for an evaluation; its number."""
    registry.publish("rows", {"rows": [{"input": {"a": "b"}}]}, kind="dataset")
    content: Any = {
        "for": ["a"],
        "dataset": "rows:1",
        "hold": [{"metric": "tokens", "at_most": 1}],
    }
    registry.publish("quality", content, kind="suite", aliases=["production"], reason="go")
    (asked,) = registry.evaluate("a:1")
    return asked.number


def test_webhooks_are_disabled_and_changes_disarmed_on_record(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with Receiver() as receiver, closing(Registry(place.open())) as registry:
        hook, ready, timed, by_hand = prepared(registry, receiver.url)
        waiting = evaluated(registry)
        before = registry.journal_head()
        basis = registry.change(ready).basis
    done = copy(backed_up(place, tmp_path / "backup"), elsewhere)
    (held,) = done.held
    assert (held.project, held.webhooks) == ("default", (hook,))
    assert sorted(held.changes) == [ready, timed]
    assert held.evaluations == (waiting,)
    with closing(Registry(elsewhere.open())) as restored:
        assert restored.doctor().findings == ()
        entries = last(restored, 4)
        assert restored.journal_head().seq == before.seq + 4
        assert [one.type for one in entries] == [
            "webhook.disabled",
            "change.edited",
            "change.edited",
            "evaluation.cancelled",
        ]
        assert {(one.by, one.via) for one in entries} == {("system", "restore")}
        assert "restored from a backup" in restored.webhook(hook).disabled_why
        assert restored.change(ready).basis == basis, "what is said to it stands"
        assert restored.change(by_hand).revision == 1
        for number in held.changes:
            found = restored.change(number)
            assert (found.armed_by, found.apply_at) == ("", None)
        assert look(restored) == 0
        assert restored.resolve("a@other").version == 1
        # It can be undone one by one.
        assert restored.enable_webhook(hook).disabled_at is None
        restored.apply(timed, reason="by hand, then")
        assert restored.resolve("a@other").version == 2
        assert restored.doctor().findings == ()


def test_live_keeps_them_as_they_are(place: Place, elsewhere: Place, tmp_path: Path) -> None:
    with Receiver() as receiver, closing(Registry(place.open())) as registry:
        hook, _, timed, _ = prepared(registry, receiver.url)
        before = registry.journal_head()
    done = copy(backed_up(place, tmp_path / "backup"), elsewhere, live=True)
    assert done.held == ()
    with closing(Registry(elsewhere.open())) as restored:
        after = restored.journal_head()
        assert (after.seq, after.hash) == (before.seq, before.hash)
        assert restored.webhook(hook).disabled_at is None
        assert look(restored) == 1
        assert restored.resolve("a@other").version == 2
        assert restored.change(timed).state == "applied"


def test_where_nothing_acts_by_itself_nothing_is_recorded(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Registry(place.open())) as registry:
        registry.publish("a", {"template": "1"})
        registry.create_project("shop")
        before = registry.journal_head()
    done = copy(backed_up(place, tmp_path / "backup"), elsewhere)
    assert done.held == ()
    with closing(Registry(elsewhere.open())) as restored:
        assert restored.journal_head().hash == before.hash


def test_each_project_s_are_held(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "data")
    with Receiver() as receiver, closing(Registry(place.open())) as registry:
        registry.create_project("shop")
        with closing(Registry(place.open(), project="shop")) as shop:
            hook = shop.create_webhook("ops", receiver.url).webhook
    there = SqlitePlace(tmp_path / "there")
    done = copy(backed_up(place, tmp_path / "backup"), there)
    assert [(one.project, one.webhooks) for one in done.held] == [("shop", (hook.id,))]
    with closing(Registry(there.open(), project="shop")) as shop:
        assert shop.doctor().findings == ()
        (entry,) = last(shop, 1)
        assert entry.type == "webhook.disabled"


def test_what_is_disarmed_is_only_what_was_armed(registry: Registry) -> None:
    registry.publish("a", {"template": "1"}, aliases=["x"], reason="go")
    registry.publish("a", {"template": "2"})
    registry.propose("by hand", to("x", 2), reason="some time")
    head = registry.journal_head()
    assert registry._write(changes.disarm) == []
    assert registry.journal_head() == head
