"""Prompts made of prompts: composed when read, and kept readable whatever is moved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from pointsman.compose import Registry
from pointsman.core.canonical import JSON
from pointsman.core.vocabulary import Resolution
from pointsman.errors import (
    Conflict,
    InvalidContent,
    NotFound,
    PointsmanError,
    TooLarge,
)

CHAT: JSON = {"template": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    """A tone to include, at `deployment`; whatever a test did, everything in use reads."""
    registry.publish("tone", "Be kind.", aliases=["deployment"])
    yield
    assert registry.doctor().findings == ()
    for artifact in registry.search(archived=None, limit=1_000).items:
        registry.resolve(artifact.name)
        for alias in artifact.aliases:
            for key in ("", "a", "b", "c"):
                registry.resolve(f"{artifact.name}@{alias.name}", key=key)


def text(resolution: Resolution) -> object:
    return resolution.content["template"]


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    return caught.value


def test_an_include_by_alias_moves_with_it(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }} Hi.")
    before = registry.resolve("reply")
    assert text(before) == "Be kind. Hi."
    (made,) = before.why.includes
    assert (made.selector, made.name, made.version, made.alias, made.revision) == (
        "tone@deployment",
        "tone",
        1,
        "deployment",
        1,
    )
    assert before.content_digest != before.digest
    registry.publish("tone", "Be brief.", aliases=["deployment"])
    after = registry.resolve("reply")
    assert text(after) == "Be brief. Hi."
    assert after.digest == before.digest, "the version itself is what it was"
    assert after.content_digest != before.content_digest
    assert after.why.includes[0].revision == 2
    registry.rollback("tone@deployment")
    assert registry.resolve("reply").content_digest == before.content_digest
    assert registry.version("reply").content is not None
    assert registry.version("reply").content["template"] == "{{> tone@deployment }} Hi."  # type: ignore[index]


def test_an_include_by_number_stays(registry: Registry) -> None:
    registry.publish("reply", "{{> tone:1 }} Hi.")
    registry.publish("tone", "Be brief.", aliases=["deployment"])
    assert text(registry.resolve("reply")) == "Be kind. Hi."
    assert registry.resolve("reply").why.includes[0].alias is None


def test_an_include_of_the_newest_follows_it(registry: Registry) -> None:
    registry.publish("reply", "{{> tone }} Hi.")
    registry.publish("tone", "Be brief.")
    assert text(registry.resolve("reply")) == "Be brief. Hi."


def test_includes_as_of_a_moment(registry: Registry) -> None:
    done = registry.publish("reply", "{{> tone@deployment }} {{> tone }} Hi.")
    then = registry.history(limit=1).items[0].at
    registry.publish("tone", "Be brief.")
    between = registry.history(limit=1).items[0].at
    registry.promote("tone:2", "deployment")
    assert text(registry.resolve("reply", at=then)) == "Be kind. Be kind. Hi."
    assert text(registry.resolve("reply", at=between)) == "Be kind. Be brief. Hi."
    assert text(registry.resolve("reply")) == "Be brief. Be brief. Hi."
    old = registry.resolve("reply", at=between).why
    assert old.as_of == between
    assert [(one.version, one.revision) for one in old.includes] == [(1, 1), (2, None)]
    before = done.version.created_at - timedelta(microseconds=1)
    refused(NotFound, "version_not_found", lambda: registry.resolve("reply", at=before))


def test_includes_of_includes(registry: Registry) -> None:
    registry.publish("style", "{{> tone@deployment }} Sign.", aliases=["deployment"])
    registry.publish("reply", "{{> style@deployment }} Hi.")
    assert text(registry.resolve("reply")) == "Be kind. Sign. Hi."
    assert [one.name for one in registry.resolve("reply").why.includes] == ["style", "tone"]
    registry.publish("tone", "Be brief.", aliases=["deployment"])
    assert text(registry.resolve("reply")) == "Be brief. Sign. Hi."


def test_messages_include_messages(registry: Registry) -> None:
    registry.publish("opening", CHAT, aliases=["deployment"])
    template: JSON = [{"include": "opening@deployment"}, {"role": "user", "content": "Hi"}]
    registry.publish("talk", {"template": template})
    assert [one["content"] for one in registry.resolve("talk").content["template"]] == [
        "Hello",
        "Hi",
    ]


def test_what_is_missing_or_does_not_fit_is_refused(registry: Registry) -> None:
    registry.publish("talk", CHAT)
    for template, kind, code in [
        ("{{> nope }}", NotFound, "artifact_not_found"),
        ("{{> tone:2 }}", NotFound, "version_not_found"),
        ("{{> tone@staging }}", NotFound, "alias_not_found"),
        ("{{> talk }}", InvalidContent, "include_mismatch"),
    ]:
        refused(kind, code, lambda t=template: registry.publish("reply", t))  # type: ignore[misc]
    refused(NotFound, "artifact_not_found", lambda: registry.artifact("reply"))


def test_cycles_are_refused(registry: Registry) -> None:
    registry.publish("a", "a", aliases=["p"])
    registry.publish("b", "{{> a@p }}", aliases=["p"])
    registry.publish("c", "{{> b@p }}")
    error = refused(InvalidContent, "include_cycle", lambda: registry.publish("a", "{{> c }}"))
    for name in ("a", "b", "c"):
        assert name in error.message
    refused(InvalidContent, "include_cycle", lambda: registry.publish("a", "{{> a:1 }}"))
    registry.publish("b", "b", aliases=["p"])
    refused(
        InvalidContent, "include_cycle", lambda: registry.publish("a", "{{> c }}")
    )  # an old version of b still leads back: rolling b back would close the cycle


def test_depth_is_limited_from_both_ends(registry: Registry) -> None:
    registry.publish("d0", "x")
    for n in range(1, 17):
        registry.publish(f"d{n}", f"{{{{> d{n - 1} }}}}")
    assert text(registry.resolve("d16")) == "x"
    refused(InvalidContent, "include_depth", lambda: registry.publish("d17", "{{> d16 }}"))
    refused(InvalidContent, "include_depth", lambda: registry.publish("d0", "{{> tone }}"))


# What is in use keeps its shape and its place


def test_an_included_alias_cannot_be_deleted(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}")
    refused(Conflict, "included_elsewhere", lambda: registry.delete_alias("tone@deployment"))
    registry.publish("reply", "on its own")
    registry.delete_alias("tone@deployment")


def test_an_included_alias_keeps_its_shape(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}")
    registry.publish("tone", CHAT)
    registry.publish("tone", {"template": "Be {kind}.", "format": "f-string"})
    for version in (2, 3):
        with pytest.raises(Conflict) as caught:
            registry.promote(f"tone:{version}", "deployment")
        assert "reply:1" in caught.value.message
    with pytest.raises(Conflict):
        registry.split("tone", "deployment", {1: 1, 2: 1})
    registry.promote("tone:2", "other")


def test_the_included_newest_keeps_its_shape(registry: Registry) -> None:
    registry.publish("reply", "{{> tone }}")
    refused(InvalidContent, "shape_changed", lambda: registry.publish("tone", CHAT))
    registry.publish("tone", "Be brief.")


def test_included_content_cannot_be_removed(registry: Registry) -> None:
    for n in (2, 3):
        registry.publish("tone", f"tone {n}")
    registry.delete_alias("tone@deployment")
    registry.publish("pinned", "{{> tone:1 }}")
    registry.publish("newest", "{{> tone }}")
    for version in (1, 3):
        gone = functools.partial(registry.tombstone, f"tone:{version}", reason="a secret")
        refused(Conflict, "included_elsewhere", gone)
    registry.tombstone("tone:2", reason="a secret")
    registry.publish("pinned", "on its own")
    registry.tombstone("tone:1", reason="a secret")


def test_a_release_that_others_include_cannot_be_undone(registry: Registry) -> None:
    release = registry.publish("sign", "Yours.", aliases=["deployment"]).release
    assert release is not None
    registry.publish("reply", "{{> sign@deployment }}")
    refused(Conflict, "included_elsewhere", lambda: registry.rollback_release(release.number))


# What is not in use now may come into use later


def test_a_sleeping_version_does_not_wake_without_its_alias(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}")
    registry.publish("reply", "on its own", aliases=["deployment"])
    registry.delete_alias("tone@deployment")
    before = registry.history(limit=1).items[0].seq
    acts: list[Callable[[], object]] = [
        lambda: registry.promote("reply:1", "deployment"),
        lambda: registry.promote("reply:1", "new"),
        lambda: registry.split("reply", "new", {1: 1, 2: 1}),
    ]
    for act in acts:
        error = refused(Conflict, "would_break", act)
        assert "tone" in error.message
    assert registry.history(limit=1).items[0].seq == before
    registry.promote("tone:1", "deployment")
    registry.promote("reply:1", "new")


def test_a_sleeping_version_does_not_wake_without_its_content(registry: Registry) -> None:
    registry.publish("tone", "Be brief.", aliases=["deployment"])
    registry.publish("reply", "{{> tone:1 }}")
    registry.publish("reply", "on its own")
    registry.tombstone("tone:1", reason="a secret")
    with pytest.raises(PointsmanError):
        registry.promote("reply:1", "deployment")


def test_a_sleeping_version_does_not_wake_to_another_shape(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}", aliases=["deployment"])
    registry.publish("reply", "on its own", aliases=["deployment"])
    registry.publish("tone", CHAT, aliases=["deployment"])
    with pytest.raises((Conflict, InvalidContent)):
        registry.rollback("reply@deployment")
    assert text(registry.resolve("reply@deployment")) == "on its own"


def test_what_is_in_use_through_another_is_in_use(registry: Registry) -> None:
    """Nobody points to `reply:1` but `letter`, which pins it."""
    registry.publish("reply", "{{> tone@deployment }} {{> tone }}")
    registry.publish("reply", "on its own")
    registry.publish("letter", "{{> reply:1 }}")
    for act in (
        lambda: registry.delete_alias("tone@deployment"),
        lambda: registry.publish("tone", CHAT),
        lambda: registry.tombstone("reply:1", reason="a secret"),
    ):
        with pytest.raises((Conflict, InvalidContent)) as caught:
            act()
        assert "letter:1" in caught.value.message
    registry.publish("tone", "Be brief.")
    with pytest.raises(Conflict):
        registry.tombstone("tone:2", reason="a secret")


def test_what_is_moved_together_is_judged_together(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}")
    registry.publish("reply", "on its own", aliases=["deployment"])
    registry.delete_alias("tone@deployment")
    registry.release(
        [
            {"name": "reply", "alias": "deployment", "version": 1},
            {"name": "tone", "alias": "deployment", "version": 1},
        ]
    )
    assert text(registry.resolve("reply@deployment")) == "Be kind."


def test_an_included_prompt_does_not_grow_beyond_what_can_be_composed(registry: Registry) -> None:
    registry.publish("reply", "{{> tone@deployment }}" * 3)
    registry.publish("long", "x" * 990_000)
    registry.publish("tone", "x" * 990_000)
    with pytest.raises((Conflict, TooLarge)):
        registry.promote("tone:2", "deployment")
    registry.publish("newest", "{{> long }}" * 2)
    with pytest.raises((Conflict, InvalidContent, TooLarge)):
        registry.publish("newest", "{{> long }}" * 3)
    registry.publish("short", "x")
    registry.publish("triple", "{{> short }}" * 3)
    with pytest.raises((Conflict, InvalidContent, TooLarge)):
        registry.publish("short", "x" * 990_000)
