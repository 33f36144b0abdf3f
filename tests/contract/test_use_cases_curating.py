"""Tags, archiving, removing content, keys and what each role may do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pointsman.app import archiving, doctor, history, keys, publishing, reading, releases, tagging
from pointsman.app.application import Application, Caller, View, Work
from pointsman.app.gate import Gate
from pointsman.app.ports import Store
from pointsman.app.searching import search
from pointsman.app.tagging import MAX_TAGS
from pointsman.app.tail import Tail
from pointsman.compose import Registry
from pointsman.core.releases import single
from pointsman.core.search import Query
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Role
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    InvalidName,
    NotFound,
    PointsmanError,
    Refused,
    TooLarge,
    Unauthenticated,
)

Make = Callable[..., Caller]


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    registry.publish("x", "one", aliases=["prod"])
    registry.publish("x", "two")
    yield
    assert registry.doctor().findings == ()


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    return caught.value


def head(registry: Registry) -> int:
    return registry.history(limit=1).items[0].seq


# Tags


def test_tags_of_artifacts_and_versions(registry: Registry) -> None:
    registry.set_tag("x", "team", "support")
    registry.set_tag("x:1", "team", "sales")
    assert registry.artifact("x").tags == {"team": "support"}
    assert registry.version("x:1").tags == {"team": "sales"}
    assert registry.version("x:2").tags == {}
    assert registry.resolve("x@prod").tags == {"team": "sales"}
    registry.set_tag("x", "team", "other")
    before = head(registry)
    registry.set_tag("x", "team", "other")
    assert head(registry) == before, "it had that value"
    entry = registry.history("x", types=["tag.set"], limit=1).items[0]
    assert entry.data["before"] == "support"
    registry.delete_tag("x", "team")
    assert registry.artifact("x").tags == {}
    before = head(registry)
    registry.delete_tag("x", "team")
    registry.delete_tag("x:2", "team")
    assert head(registry) == before, "there was none"
    assert registry.version("x:1").tags == {"team": "sales"}


def test_the_environment_does_not_say_who_one_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    registry = Registry(store)
    registry.publish("x", "one")
    assert registry.entries(limit=1_000).items[-1].by != "somebody else"


def test_secret_tags_are_kept_and_never_on_record(registry: Registry) -> None:
    registry.publish("x", "one", tags={"secret.token": "hunter-1"})
    registry.set_tag("x:1", "secret.token", "hunter-2")
    registry.set_tag("x", "secret/other", "hunter-3")
    assert registry.version("x:1").tags == {"secret.token": "hunter-2"}
    registry.delete_tag("x", "secret/other")
    entries = registry.entries(limit=1_000).items
    assert sum("•••" in str(entry.data) for entry in entries) == 4
    assert "hunter" not in str([entry.data for entry in entries])


def test_there_is_room_for_so_many_tags(registry: Registry) -> None:
    registry.publish("x", "one")
    for number in range(MAX_TAGS):
        registry.set_tag("x:1", f"k{number}", "v")
    with pytest.raises(TooLarge) as caught:
        registry.set_tag("x:1", "one more", "v")
    assert caught.value.code == "too_many_tags"
    registry.set_tag("x:1", "k7", "changed")
    registry.set_tag("x", "one more", "its artifact has room of its own")
    registry.delete_tag("x:1", "k0")
    registry.set_tag("x:1", "one more", "v")


def test_tags_do_not_make_versions_or_updates(registry: Registry) -> None:
    before = registry.artifact("x")
    registry.set_tag("x", "a", "b")
    after = registry.artifact("x")
    assert (after.newest, after.updated_at) == (before.newest, before.updated_at)


def test_one_spelling_of_a_key(registry: Registry) -> None:
    registry.set_tag("x", "cafe\u0301", "1")
    assert registry.artifact("x").tags == {"café": "1"}
    registry.delete_tag("x", "cafe\u0301")
    assert registry.artifact("x").tags == {}


_BAD_TAGS: list[tuple[str, str, str, type[PointsmanError]]] = [
    ("nope", "a", "b", NotFound),
    ("x:9", "a", "b", NotFound),
    ("x@prod", "a", "b", InvalidName),
    ("x", "", "b", InvalidName),
    ("x", "../a", "b", InvalidName),
    ("x", "a\0", "b", InvalidName),
    ("x", "a", "\0", InvalidInput),
    ("x", "a", "\ud800", InvalidInput),
    ("x", "a", "x" * 100_001, InvalidInput),
]


def test_bad_tags_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for selector, key, value, kind in _BAD_TAGS:
        with subtests.test(selector=selector), pytest.raises(kind):
            registry.set_tag(selector, key, value)


# Archiving


def test_archived_is_out_of_lists_and_still_read(registry: Registry) -> None:
    archived = registry.archive("x")
    assert archived.archived_at is not None
    assert registry.search().items == ()
    assert registry.search(archived=True).items == (archived,)
    assert registry.resolve("x@prod").version == 1
    before = head(registry)
    assert registry.archive("x") == archived
    assert head(registry) == before, "it was so already"
    registry.set_tag("x", "why", "old")
    restored = registry.restore("x")
    assert restored.archived_at is None
    assert registry.search().items == (restored,)
    before = head(registry)
    registry.restore("x")
    assert head(registry) == before
    refused(NotFound, "artifact_not_found", lambda: registry.archive("nope"))
    refused(NotFound, "artifact_not_found", lambda: registry.archive("x", kind="model"))


def test_names_are_read_in_any_spelling_and_refused_if_none(registry: Registry) -> None:
    registry.publish("café", "x")
    assert registry.artifact("cafe\u0301").name == "café"
    registry.archive("cafe\u0301")
    assert registry.history("café", limit=1).items[0].data["name"] == "café"
    for bad in ("\0", "", "a//b"):
        with pytest.raises(InvalidName):
            registry.artifact(bad)
        with pytest.raises(InvalidName):
            registry.versions(bad)
        with pytest.raises(InvalidName):
            registry.restore(bad)
    with pytest.raises(InvalidName):
        registry.artifact("x", kind="\0")


# Removing content


def test_content_goes_and_the_record_stays(registry: Registry) -> None:
    before = registry.version("x:2")
    registry.publish("x", "three")
    gone = registry.tombstone("x:2", reason="a secret")
    assert gone.tombstone is not None
    assert gone.tombstone.reason == "a secret"
    shown = registry.version("x:2")
    assert shown.content is None
    assert shown.tombstone == gone.tombstone
    assert (shown.number, shown.digest, shown.message) == (2, before.digest, before.message)
    error = refused(Gone, "tombstoned", lambda: registry.resolve("x:2"))
    assert error.details == {"digest": before.digest, "version": 2}
    assert "a secret" in error.message
    refused(Gone, "tombstoned", lambda: registry.diff("x:1", "x:2"))
    assert registry.versions("x").items[1].tombstone == gone.tombstone
    assert registry.publish("x", "four").version.number == 4


def test_the_newest_may_be_removed_and_is_not_replaced(registry: Registry) -> None:
    registry.tombstone("x:2", reason="a secret")
    refused(Gone, "tombstoned", lambda: registry.resolve("x"))
    assert registry.artifact("x").newest == 2
    again = registry.publish("x", "two", if_changed=True)
    assert (again.created, again.version.number) == (True, 3)
    assert registry.resolve("x").content["template"] == "two", "what was published can be read"


_NO_REASONS: list[str] = ["", "  ", "\n"]


def test_removing_needs_a_reason(registry: Registry, subtests: pytest.Subtests) -> None:
    for reason in _NO_REASONS:
        with subtests.test(reason=reason):
            refused(
                InvalidInput,
                "reason_required",
                functools.partial(registry.tombstone, "x:2", reason=reason),
            )


def test_what_is_in_use_or_not_there_is_not_removed(registry: Registry) -> None:
    error = refused(Conflict, "in_use", lambda: registry.tombstone("x:1", reason="r"))
    assert error.details == {"aliases": ["prod"]}
    registry.split("x", "ab", {1: 1, 2: 1})
    refused(Conflict, "in_use", lambda: registry.tombstone("x:2", reason="r"))
    refused(NotFound, "version_not_found", lambda: registry.tombstone("x:3", reason="r"))
    refused(InvalidName, "invalid_selector", lambda: registry.tombstone("x", reason="r"))
    refused(InvalidName, "invalid_selector", lambda: registry.tombstone("x@prod", reason="r"))
    registry.delete_alias("x@ab")
    registry.tombstone("x:2", reason="r")
    with pytest.raises(Conflict):
        registry.tombstone("x:2", reason="again")
    refused(Gone, "tombstoned", lambda: registry.promote("x:2", "prod"))


# Roles

_READS: dict[str, Callable[[View], object]] = {
    "resolve": lambda v: reading.resolve(v, parse_selector("x")),
    "show artifact": lambda v: reading.show_artifact(v, "prompt", "x"),
    "show version": lambda v: reading.show_version(v, parse_selector("x:1")),
    "list versions": lambda v: reading.list_versions(v, "prompt", "x"),
    "show alias": lambda v: reading.show_alias(v, "prompt", "x", "prod"),
    "compare": lambda v: reading.compare(v, parse_selector("x:1"), parse_selector("x:2")),
    "search": lambda v: search(v, Query()),
    "entries": history.entries,
    "export": lambda v: history.entries_after(v, 0),
    "releases": lambda v: history.releases_of_alias(v, "prompt", "x", "prod"),
    "differences": lambda v: history.differences(v, 0, 2**60),
}
_WISH = releases.Wish("prompt", "x", "prod", single(2))
_CHANGES: dict[str, tuple[Role, Callable[[Work], object]]] = {
    "publish": ("editor", lambda w: publishing.publish(w, publishing.Publish("y", "y"))),
    "bulk": ("editor", lambda w: publishing.publish_many(w, [publishing.Publish("y", "y")])),
    "empty bulk": ("editor", lambda w: publishing.publish_many(w, [])),
    "set tag": ("editor", lambda w: tagging.set_tag(w, "prompt", "x", None, "a", "b")),
    "delete tag": ("editor", lambda w: tagging.delete_tag(w, "prompt", "x", None, "a")),
    "publish and move": (
        "releaser",
        lambda w: publishing.publish(w, publishing.Publish("y", "y", aliases=["prod"])),
    ),
    "keep and move": (
        "releaser",
        lambda w: publishing.publish(
            w, publishing.Publish("x", "two", aliases=["new"], if_changed=True)
        ),
    ),
    "release": ("releaser", lambda w: releases.release(w, [_WISH], "r")),
    "roll back": ("releaser", lambda w: releases.roll_back_alias(w, "prompt", "x", "two", "r")),
    "roll back release": ("releaser", lambda w: releases.roll_back_release(w, w.next_seq - 1, "r")),
    "archive": ("releaser", lambda w: archiving.archive(w, "prompt", "x")),
    "restore": ("releaser", lambda w: archiving.restore(w, "prompt", "x")),
    "tombstone": ("admin", lambda w: archiving.tombstone(w, "prompt", "x", 2, "r")),
    "create key": ("admin", lambda w: keys.create_key(w, "k", "viewer")),
    "doctor": ("admin", doctor.examine),
    "revoke key": ("admin", lambda w: keys.revoke_key(w, "aaaaaaaaaa")),
}
_ROLES: tuple[Role, ...] = ("viewer", "editor", "releaser", "admin")


@pytest.mark.parametrize("role", _ROLES)
def test_every_role_reads(app: Application, caller: Make, role: Role) -> None:
    for what, read in _READS.items():
        app.read(caller(role), read), what
    listing = keys.list_keys
    if role == "admin":
        app.read(caller(role), listing)
    else:
        with pytest.raises(Refused):
            app.read(caller(role), listing)


@pytest.mark.parametrize("what", _CHANGES)
def test_what_each_role_may_change(
    app: Application, registry: Registry, caller: Make, what: str
) -> None:
    needed, change = _CHANGES[what]
    registry.promote("x:1", "two")
    registry.promote("x:2", "two")
    if what == "revoke key":
        app.write(
            caller(),
            lambda w: keys._add(w, "pm_aaaaaaaaaa_" + "A" * 43, keys.Wanted("first", "viewer")),
        )
    if what == "tombstone":
        registry.delete_alias("x@two")
        registry.publish("x", "three")
    before = head(registry)
    for role in _ROLES[: _ROLES.index(needed)]:
        refused(Refused, "role_too_low", lambda r=role: app.write(caller(r), change))  # type: ignore[misc]
        assert head(registry) == before, "not the least of it was done"
    app.write(caller(needed, "ana"), change)
    if head(registry) > before:
        assert registry.history(limit=1).items[0].by == "ana"


# Keys


def test_a_key_opens_until_it_is_revoked(app: Application, registry: Registry) -> None:
    made = registry.create_key("ci", "releaser")
    assert made.secret.startswith(f"pm_{made.key.id}_")
    assert (made.key.name, made.key.role, made.key.project) == ("ci", "releaser", "default")
    assert registry.keys() == (made.key,)
    with app.store.read() as reader:
        who, expires = keys.authenticate(reader, made.secret, "api", app.clock())
        assert (who.actor.name, who.actor.role, who.actor.via, expires) == (
            "ci",
            "releaser",
            "api",
            None,
        )
        row = reader.key(made.key.id)
        assert row is not None
        assert made.secret.split("_", 2)[2] not in str(row), "no secret is kept"
    revoked = registry.revoke_key(made.key.id)
    assert revoked.revoked_at is not None
    with app.store.read() as reader:
        refused(
            Unauthenticated,
            "revoked_key",
            lambda: keys.authenticate(reader, made.secret, "api", app.clock()),
        )
    before = head(registry)
    assert registry.revoke_key(made.key.id) == revoked
    assert head(registry) == before
    entries = [entry.type for entry in registry.history(limit=2).items]
    assert entries == ["key.revoked", "key.created"]
    assert made.secret not in str(registry.history().items)


def test_a_key_expires(app: Application, registry: Registry) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = registry.create_key("temp", "viewer", expires_at=soon)
    assert made.key.expires_at == soon
    at = int(soon.timestamp() * 1_000_000)
    with app.store.read() as reader:
        keys.authenticate(reader, made.secret, "api", at - 1_000)
        refused(
            Unauthenticated,
            "expired_key",
            lambda: keys.authenticate(reader, made.secret, "api", at + 1_000),
        )
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(InvalidInput):
        registry.create_key("late", "viewer", expires_at=past)


def test_unknown_keys_are_refused_alike(app: Application, registry: Registry) -> None:
    made = registry.create_key("ci", "admin")
    other = "A" if made.secret[-1] != "A" else "B"
    for wrong in (
        "",
        "x",
        "pm_",
        made.secret[:-1],
        made.secret[:-1] + other,
        made.secret + "A",
        made.secret.upper(),
        made.secret.replace(made.key.id, "aaaaaaaaaa"),
        made.secret + "\n",
        "\0",
    ):
        with app.store.read() as reader:
            refused(
                Unauthenticated,
                "unknown_key",
                lambda w=wrong: keys.authenticate(reader, w, "api", 0),  # type: ignore[misc]
            )


_BAD_KEYS: list[tuple[str, Any]] = [
    ("", "viewer"),
    (" ", "viewer"),
    ("x" * 101, "viewer"),
    ("x", "root"),
]


def test_bad_keys_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for name, role in _BAD_KEYS:
        with subtests.test(name=name):
            with pytest.raises(InvalidInput):
                registry.create_key(name, role)
            assert registry.keys() == ()


def test_revoking_what_is_not_there(registry: Registry) -> None:
    for key_id in ("nope", "", "\0"):
        with pytest.raises((NotFound, InvalidInput)):
            registry.revoke_key(key_id)


def test_the_first_key_is_made_once(app: Application, registry: Registry) -> None:
    refused(InvalidInput, "invalid_key", lambda: keys.bootstrap(app, "pm_short"))
    wanted = keys.new_secret()
    assert keys.bootstrap(app, wanted) == wanted
    assert keys.bootstrap(app, wanted) is None
    assert keys.bootstrap(app, None) is None
    (key,) = registry.keys()
    assert (key.name, key.role) == ("first admin", "admin")
    registry.revoke_key(key.id)
    assert keys.bootstrap(app, None) is None, "a revoked key is a key: there is no way back in"


def test_the_gate_remembers_and_hears_of_revocations(app: Application, registry: Registry) -> None:
    made = registry.create_key("ci", "viewer")
    gate = Gate(app, Tail(app.store))
    first = gate.admit(made.secret)
    assert gate.admit(made.secret) is first
    gate.save_uses()
    assert registry.keys()[0].last_used_at is not None
    registry.revoke_key(made.key.id)
    refused(Unauthenticated, "revoked_key", lambda: gate.admit(made.secret))
