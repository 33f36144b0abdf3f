"""Publishing: what a version is given, what it may come with, and what is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from changes import in_threads
from pointsman.app.application import Application, Caller, Once
from pointsman.app.publishing import Publish, create, publish
from pointsman.compose import Registry
from pointsman.core.canonical import JSON, canonical_json, digest
from pointsman.core.vocabulary import Dependency, Published, Target
from pointsman.errors import (
    Conflict,
    InvalidContent,
    InvalidInput,
    InvalidName,
    NotFound,
    PointsmanError,
    Refused,
    TemplateSyntaxError,
    TooLarge,
)

HELLO: JSON = {"template": "Hello {{ name }}"}
OTHER: JSON = {"template": "Good day {{ name }}"}
CHAT: JSON = {"template": [{"role": "user", "content": "Hello"}]}


def head(registry: Registry) -> int:
    return registry.history(limit=1).items[0].seq


def refusal(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    return caught.value


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Any:
    """Whatever a test did, or was refused: the whole registry is sound afterwards."""
    yield
    assert registry.doctor().findings == ()


def test_versions_count_from_one_and_never_change(registry: Registry) -> None:
    first = registry.publish("support/reply", HELLO, message="first")
    second = registry.publish("support/reply", OTHER, message="second")
    assert (first.created, first.version.number) == (True, 1)
    assert (second.created, second.version.number) == (True, 2)
    shown = registry.version("support/reply:1")
    assert shown.content is not None
    assert shown.content["template"] == "Hello {{ name }}"
    assert shown.digest == first.version.digest == digest(canonical_json(dict(shown.content)))
    assert (shown.message, shown.kind, shown.name) == ("first", "prompt", "support/reply")
    assert registry.version("support/reply").number == 2
    artifact = registry.artifact("support/reply")
    assert artifact.newest == 2
    assert artifact.updated_at == second.version.created_at
    assert artifact.created_at < first.version.created_at
    page = registry.versions("support/reply")
    assert [one.number for one in page.items] == [2, 1]
    assert [one.content for one in page.items] == [None, None]


def test_the_journal_tells_of_it(registry: Registry) -> None:
    registry.publish("x", HELLO, message="why", tags={"team": "a"}, aliases=["prod"], reason="go")
    entries = registry.history("x").items[::-1]
    assert [entry.type for entry in entries] == [
        "artifact.created",
        "version.published",
        "tag.set",
        "alias.moved",
    ]
    published, moved = entries[1].data, entries[3].data
    assert (published["version"], published["message"]) == (1, "why")
    assert published["digest"] == registry.version("x:1").digest
    assert moved["reason"] == "go"
    assert moved["digests"] == [published["digest"]]


def test_a_model_takes_any_object(registry: Registry) -> None:
    kind = "model"
    registry.publish("x", HELLO)
    content: Any = {"b": [1, 2.5, None, "ä"], "a": {"deep": True}}
    registry.publish("x", content, kind=kind)
    assert registry.version(f"{kind}:x").content == content
    assert registry.version("x").kind == "prompt", "names are unique within a kind"
    refusal(InvalidContent, "wrong_type", lambda: registry.publish("x", [1], kind=kind))


def test_only_what_changed_is_published_if_asked(registry: Registry) -> None:
    first = registry.publish("x", HELLO, if_changed=True)
    before = head(registry)
    same: JSON = {"template": "Hello {{ name }}"}
    again = registry.publish("x", same, message="ignored", if_changed=True)
    assert not again.created
    assert again.version.number == 1
    assert again.version.message == ""
    assert head(registry) == before, "nothing happened, so nothing is recorded"
    tagged = registry.publish("x", HELLO, tags={"a": "1"}, aliases=["prod"], if_changed=True)
    assert not tagged.created
    assert tagged.version.tags == {"a": "1"}
    assert tagged.version.aliases == ("prod",)
    assert tagged.release is not None
    assert registry.publish("x", HELLO, aliases=["prod"], if_changed=True).release is None
    assert registry.publish("x", OTHER, if_changed=True).version.number == 2
    back = registry.publish("x", HELLO, if_changed=True)
    assert (back.created, back.version.number) == (True, 3), "only the newest counts"
    assert back.version.digest == first.version.digest
    assert registry.publish("x", HELLO).created, "without asking, always"


def test_on_top_of_what_was_seen_or_not_at_all(registry: Registry) -> None:
    registry.publish("x", HELLO, if_newest=0)
    error = refusal(Conflict, "newer_version", lambda: registry.publish("x", OTHER, if_newest=0))
    assert error.details == {"newest": 1}
    assert error.field == "if_newest"
    assert registry.publish("x", OTHER, if_newest=1).version.number == 2
    refusal(Conflict, "newer_version", lambda: registry.publish("x", OTHER, if_newest=3))
    refusal(Conflict, "newer_version", lambda: registry.publish("new", OTHER, if_newest=1))
    with pytest.raises(NotFound):
        registry.artifact("new")


def test_of_many_who_saw_the_same_one_wins(registry: Registry) -> None:
    registry.publish("x", HELLO)

    def work(thread: int) -> bool:
        try:
            registry.publish("x", {"template": f"{thread}"}, if_newest=1)
        except Conflict:
            return False
        return True

    assert sum(in_threads(8, work)) == 1
    assert registry.artifact("x").newest == 2


def test_many_publish_at_once(registry: Registry) -> None:
    def work(thread: int) -> list[int]:
        return [registry.publish("x", {"template": f"{thread}"}).version.number for _ in range(5)]

    numbers = [one for some in in_threads(8, work) for one in some]
    assert sorted(numbers) == list(range(1, 41))


def test_aliases_move_in_the_same_transaction(registry: Registry) -> None:
    done = registry.publish("x", HELLO, aliases=["prod", "staging", "prod"], message="why")
    assert done.version.aliases == ("prod", "staging")
    assert done.release is not None
    assert [(move.alias, move.to) for move in done.release.moves] == [
        ("prod", Target(version=1)),
        ("staging", Target(version=1)),
    ]
    assert done.release.reason == "why", "the message stands in for a reason"
    assert registry.publish("x", OTHER, aliases=["prod"], reason="said").release is not None
    assert registry.alias("x@prod").reason == "said"
    before = head(registry)
    with pytest.raises(InvalidName):
        registry.publish("x", HELLO, aliases=["ok", "not ok"])
    assert head(registry) == before
    assert registry.artifact("x").newest == 2, "nothing of it remains"


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("support/reply", "Support/Reply"),
        ("support/reply", "SUPPORT/REPLY"),
        ("вот", "bot"),
        ("BOT", "вот"),
        ("straße", "STRASSE"),
        ("café", "CAFÉ"),
        ("ﬀ".encode("idna").decode(), "FF"),
    ],
)
def test_look_alikes_are_refused(registry: Registry, name: str, twin: str) -> None:
    registry.publish(name, HELLO)
    error = refusal(InvalidName, "look_alike", lambda: registry.publish(twin, HELLO))
    assert name in error.message
    assert error.field == "name"
    assert registry.publish(name, OTHER).version.number == 2
    registry.publish(twin, {"any": 1}, kind="model")


def test_names_are_told_apart_where_people_can(registry: Registry) -> None:
    for name in ("a", "a/b", "a-b", "a b", "a.b", "ä", "b", "я", "中"):
        assert registry.publish(name, HELLO).version.number == 1


def test_one_spelling_of_a_name(registry: Registry) -> None:
    registry.publish("cafe\u0301", HELLO)
    assert registry.artifact("café").name == "café"
    assert registry.publish("café", OTHER).version.number == 2


def test_archived_artifacts_take_no_versions(registry: Registry) -> None:
    registry.publish("x", HELLO)
    registry.archive("x")
    refusal(Conflict, "archived", lambda: registry.publish("x", OTHER))
    refusal(Conflict, "archived", lambda: registry.publish("x", HELLO, if_changed=True))
    refusal(InvalidName, "look_alike", lambda: registry.publish("X", OTHER))
    registry.restore("x")
    assert registry.publish("x", OTHER).version.number == 2


_BROKEN: list[tuple[dict[str, Any], type[PointsmanError], str | None]] = [
    ({"name": "a//b"}, InvalidName, "name"),
    ({"name": ""}, InvalidName, "name"),
    ({"kind": "prompts"}, InvalidName, "kind"),
    ({"content": {"template": "{{ a"}}, InvalidContent, None),
    ({"content": {"template": "{a b}", "format": "f-string"}}, TemplateSyntaxError, None),
    ({"content": 5}, InvalidContent, None),
    ({"content": {}}, InvalidContent, None),
    ({"message": "x" * 10_001}, InvalidInput, "message"),
    ({"message": "\0"}, InvalidInput, "message"),
    ({"message": "\ud800"}, InvalidInput, "message"),
    ({"tags": {"": "x"}}, InvalidName, "key"),
    ({"tags": {"a": "x" * 100_001}}, InvalidInput, "value"),
    ({"tags": {f"k{n}": "x" for n in range(101)}}, TooLarge, "tags"),
    ({"aliases": ["latest"]}, InvalidName, "alias"),
    ({"aliases": ["v7"]}, InvalidName, "alias"),
    ({"aliases": ["prod"], "reason": "x" * 10_001}, InvalidInput, "reason"),
    ({"dependencies": [Dependency("eats", "y")]}, InvalidInput, "dependencies"),  # type: ignore[arg-type]
    ({"dependencies": [Dependency("uses", "y@")]}, InvalidName, "selector"),
    ({"dependencies": [Dependency("uses", "model:y")]}, NotFound, "content"),
    ({"dependencies": [Dependency("includes", "y")]}, InvalidInput, "dependencies"),
]


def test_what_breaks_a_rule_is_refused_and_leaves_nothing(
    registry: Registry, subtests: pytest.Subtests
) -> None:
    for given, kind, field in _BROKEN:
        with subtests.test(given=given):
            wanted: dict[str, Any] = {"name": "x", "content": HELLO, **given}
            with pytest.raises(kind) as caught:
                registry.publish(**wanted)
            if field is not None:
                assert caught.value.field == field
            assert registry.search().items == ()
            assert head(registry) == 1


def test_dependencies_are_recorded(registry: Registry) -> None:
    registry.publish("gpt", {"uri": "x"}, kind="model", aliases=["champion"])
    registry.publish("upstream", HELLO)
    given = [Dependency("uses", "model:gpt@champion"), Dependency("consumes", "upstream:1")]
    done = registry.publish("x", HELLO, dependencies=given)
    assert done.version.dependencies == tuple(given)
    assert registry.version("x").dependencies == tuple(given)
    assert registry.versions("x").items[0].dependencies == tuple(given)
    missing = [Dependency("uses", "model:gpt@challenger")]
    error = refusal(
        NotFound, "alias_not_found", lambda: registry.publish("x", HELLO, dependencies=missing)
    )
    assert "model:gpt@challenger" in error.hint
    newest = registry.publish("x", HELLO, if_changed=True)
    assert newest.version.dependencies == tuple(given)


def test_the_longest_of_everything(registry: Registry) -> None:
    name = "/".join(["ä" * 24] * 8)
    tags = {"中" * 250: "\N{GRINNING FACE}" * 100_000, "k": ""}
    done = registry.publish(name, HELLO, message="ä" * 10_000, tags=tags, aliases=["é" * 100])
    assert done.version.tags == tags
    shown = registry.version(f"{name}@{'é' * 100}")
    assert (shown.tags, shown.message) == (tags, "ä" * 10_000)
    registry.set_tag(name, "中" * 250, "ä" * 100_000)
    assert registry.artifact(name).tags == {"中" * 250: "ä" * 100_000}


# Many at once


def test_bulk_publishes_in_order(registry: Registry) -> None:
    items: list[dict[str, Any]] = [
        {"name": "b", "content": HELLO, "tags": {"n": "0"}},
        {"name": "a", "content": HELLO, "aliases": ["prod"]},
        {"name": "b", "content": OTHER},
        {"name": "b", "content": OTHER, "if_changed": True},
        {"name": "b", "content": HELLO, "if_newest": 2, "aliases": ["prod"]},
        {"name": "b", "content": {"x": 1}, "kind": "model"},
    ]
    done = registry.publish_many(items)
    assert [(one.version.name, one.version.number, one.created) for one in done] == [
        ("b", 1, True),
        ("a", 1, True),
        ("b", 2, True),
        ("b", 2, False),
        ("b", 3, True),
        ("b", 1, True),
    ]
    assert registry.artifact("b").newest == 3
    assert registry.alias("b@prod").target == Target(version=3)
    assert registry.publish_many([]) == ()


def test_bulk_is_all_or_nothing_and_says_which(registry: Registry) -> None:
    good: dict[str, Any] = {"name": "a", "content": HELLO}
    for bad, field in (
        ({"name": "b//", "content": HELLO}, "versions/2/name"),
        ({"name": "b", "content": {"template": 5}}, "versions/2/template"),
        ({"name": "a", "content": HELLO, "if_newest": 9}, "versions/2/if_newest"),
        ({"name": "A", "content": HELLO}, "versions/2/name"),
    ):
        with pytest.raises(PointsmanError) as caught:
            registry.publish_many([good, good, bad])
        assert caught.value.field == field
        assert registry.search(archived=None).items == ()
    with pytest.raises(InvalidInput) as caught:
        registry.publish_many([good, {"name": "a"}])
    assert caught.value.code == "missing_field"
    with pytest.raises(InvalidInput) as caught:
        registry.publish_many([good, {**good, "nmae": 1}])
    assert caught.value.code == "unknown_field"
    refusal(TooLarge, "too_large", lambda: registry.publish_many([good] * 1_001))


def test_bulk_may_include_what_it_publishes(registry: Registry) -> None:
    done = registry.publish_many(
        [
            {"name": "tone", "content": {"template": "Be kind."}, "aliases": ["prod"]},
            {"name": "reply", "content": {"template": "{{> tone@prod }} Hi."}},
            {"name": "tone", "content": {"template": "Be brief."}},
            {"name": "letter", "content": {"template": "{{> tone }} {{> reply }}"}},
        ]
    )
    assert [one.version.number for one in done] == [1, 1, 2, 1]
    assert registry.resolve("letter").content["template"] == "Be brief. Be kind. Hi."


def test_bulk_cannot_change_the_shape_of_what_it_includes(registry: Registry) -> None:
    """The same rule as for one after the other: a read of the parent must not break."""
    registry.publish("tone", {"template": "Be kind."})
    with pytest.raises(InvalidContent) as caught:
        registry.publish_many(
            [
                {"name": "reply", "content": {"template": "{{> tone }} Hi."}},
                {"name": "tone", "content": CHAT},
            ]
        )
    assert caught.value.code == "shape_changed"


def test_a_thousand_at_once(registry: Registry) -> None:
    items = [{"name": f"p{n % 100}", "content": {"template": f"{n}"}} for n in range(1_000)]
    done = registry.publish_many(items)
    assert [one.version.number for one in done] == [1 + n // 100 for n in range(1_000)]
    assert registry.artifact("p7").newest == 10
    assert registry.resolve("p7").content["template"] == "907"


# Idempotency


def test_a_repeated_request_gets_the_first_answer(registry: Registry) -> None:
    def attempt(**more: Any) -> Published:
        return registry.publish("x", HELLO, tags={"ä": "b"}, aliases=["prod"], **more)

    first = attempt(idempotency_key="k1")
    before = head(registry)
    assert attempt(idempotency_key="k1") == first
    assert head(registry) == before
    second = attempt(idempotency_key="k2")
    assert second.version.number == 2
    assert attempt(idempotency_key="k1") == first, "also when much has happened since"
    refusal(
        Conflict,
        "idempotency_key_reused",
        lambda: registry.publish("x", OTHER, idempotency_key="k1"),
    )
    assert head(registry) > before
    bulk = [{"name": "y", "content": HELLO}]
    done = registry.publish_many(bulk, idempotency_key="bulk")
    assert registry.publish_many(bulk, idempotency_key="bulk") == done
    assert registry.artifact("y").newest == 1


def test_the_order_of_keys_does_not_make_another_request(registry: Registry) -> None:
    model: dict[str, JSON] = {"name": "m", "provider": "openai"}
    first = registry.publish("x", {"template": "t", "model": model}, idempotency_key="k")
    turned: JSON = {"model": dict(reversed(model.items())), "template": "t"}
    assert registry.publish("x", turned, idempotency_key="k") == first


def test_a_refused_request_is_not_remembered(registry: Registry) -> None:
    registry.publish("x", HELLO)
    registry.archive("x")
    with pytest.raises(Conflict):
        registry.publish("x", OTHER, idempotency_key="k")
    registry.restore("x")
    assert registry.publish("x", OTHER, idempotency_key="k").version.number == 2


_BAD_KEYS: list[str] = ["", "x" * 256, "a\nb", "a\0b"]


def test_a_bad_idempotency_key_is_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for key in _BAD_KEYS:
        with subtests.test(key=key):
            refusal(
                InvalidInput,
                "invalid_idempotency_key",
                functools.partial(registry.publish, "x", HELLO, idempotency_key=key),
            )


def test_idempotency_keys_belong_to_who_sent_them(
    app: Application, caller: Callable[..., Caller]
) -> None:
    def attempt(who: str) -> Published:
        wanted = Publish(f"by-{who}", HELLO)
        once = Once("same-key", f"request of {who}")
        return app.write(caller("editor", who), lambda work: publish(work, wanted), once, Published)

    assert attempt("ana").version.name == "by-ana"
    assert attempt("bob").version.name == "by-bob"
    assert attempt("ana").version.author == "ana"


def test_the_same_request_from_many_threads_takes_effect_once(registry: Registry) -> None:
    def work(_: int) -> Published:
        return registry.publish("x", HELLO, idempotency_key="once")

    answers = in_threads(8, work)
    assert len({answer.version.number for answer in answers}) == 1
    assert all(answer == answers[0] for answer in answers)
    assert registry.artifact("x").newest == 1


def test_an_artifact_can_be_made_before_its_first_version(
    app: Application, caller: Callable[..., Caller], registry: Registry
) -> None:
    def make(role: str, kind: str = "prompt", name: str = "early") -> None:
        app.write(caller(role), lambda work: create(work, kind, name, {"team": "a"}))

    refusal(Refused, "role_too_low", lambda: make("viewer"))
    make("editor")
    made = registry.artifact("early")
    assert (made.newest, dict(made.tags)) == (0, {"team": "a"})
    assert registry.versions("early").items == ()
    refusal(NotFound, "version_not_found", lambda: registry.version("early"))
    refusal(Conflict, "artifact_exists", lambda: make("editor"))
    refusal(InvalidName, "look_alike", lambda: make("editor", name="EARLY"))
    refusal(InvalidName, "unknown_kind", lambda: make("editor", kind="thing"))
    published = registry.publish("early", HELLO)
    assert published.version.number == 1
    types = [entry.type for entry in registry.history("early").items[::-1]]
    assert types == ["artifact.created", "tag.set", "version.published"]
