"""What is sent for each task, and what is made of the reply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pointsman.core.diff import diff_contents
from pointsman.core.plain import to_plain
from pointsman.core.vocabulary import (
    Alias,
    Arm,
    Artifact,
    Dependency,
    Diagnosis,
    Difference,
    Entry,
    Finding,
    Key,
    Move,
    NewKey,
    Page,
    Published,
    Release,
    Released,
    Target,
    Version,
)
from pointsman.errors import (
    IntegrityError,
    InvalidInput,
    InvalidName,
    OutcomeUnknown,
    PointsmanError,
    Refused,
    StaleRevision,
    Unavailable,
)
from pointsman.sdk.calls import Reply, Request, Steps, checked, drive, error_of
from pointsman.sdk.manage import Tasks
from sdk.making import NOW, resolution

TASKS = Tasks()
ARTIFACT = Artifact("prompt", "a/b", 7, NOW, "Ada", NOW)
VERSION = Version("prompt", "a/b", 7, "d" * 64, "", "Ada", NOW, content={"template": "x"})
ALIAS = Alias("prod", Target(version=7), 3, 40, NOW, "Ada", "because")
SPLIT = Alias("prod", Target(split=(Arm(6, 90), Arm(7, 10))), 3, 40, NOW, "Ada", "because")
RELEASE = Release(
    41, NOW, "Ada", "because", (Move("prompt", "a/b", "prod", None, Target(version=7), 1),)
)
KEY = Key("id", "ci", "editor", "default", NOW, "Ada")
ENTRY = Entry(1, NOW, "alias.moved", "key:1", "Ada", "api", {"kind": "prompt"}, "h", "p")
DIFF = diff_contents({"template": "a\nb", "config": {"x": 1}}, {"template": "a\nc", "config": [2]})
TALK = diff_contents(
    {"template": [{"role": "user", "content": "a"}]},
    {"template": [{"role": "user", "content": "b"}, {"role": "system", "content": ["c", 1]}]},
)


def do(steps: Steps[Any], *replies: Any) -> tuple[Any, list[Request]]:
    """Carry a task out with these bodies as replies; its result, and what was sent."""
    waiting, sent = list(replies), []

    def send(request: Request) -> Reply:
        sent.append(request)
        return Reply(200, {}, to_plain(waiting.pop(0)))

    result = drive(steps, send)
    assert waiting == []
    return result, sent


@pytest.mark.parametrize(
    ("steps", "reply", "result", "line"),
    [
        (lambda: TASKS.artifact("a/b", kind="model"), ARTIFACT, ARTIFACT, "/artifacts/model/a%2Fb"),
        (
            lambda: TASKS.resolve("a/b@prod", at=NOW, key="user 1&2"),
            resolution("a/b@prod"),
            resolution("a/b@prod"),
            "/resolve/a%2Fb%40prod?at=2026-03-01T12:00:00Z&key=user 1&2",
        ),
        (
            lambda: TASKS.search(tags="x = y", with_aliases=["p", "q"], archived=None, limit=5),
            Page((ARTIFACT,), "more"),
            Page((ARTIFACT,), "more"),
            "/artifacts?tags=x = y&alias=p&alias=q&archived=any&order=name&limit=5",
        ),
        (lambda: TASKS.version("a/b:7"), VERSION, VERSION, "/artifacts/prompt/a%2Fb/versions/7"),
        (
            lambda: TASKS.versions("a/b", cursor="c"),
            Page((VERSION,)),
            Page((VERSION,)),
            "/artifacts/prompt/a%2Fb/versions?limit=50&cursor=c",
        ),
        (lambda: TASKS.alias("a/b@prod"), SPLIT, SPLIT, "/artifacts/prompt/a%2Fb/aliases/prod"),
        (
            lambda: TASKS.releases("a/b@prod"),
            Page((RELEASE,)),
            Page((RELEASE,)),
            "/artifacts/prompt/a%2Fb/aliases/prod/releases?limit=50",
        ),
        (lambda: TASKS.find_release(41), RELEASE, RELEASE, "/releases/41"),
        (
            lambda: TASKS.history("model:a@prod", types=["alias.moved"], since=NOW),
            Page((ENTRY,)),
            Page((ENTRY,)),
            "/journal?kind=model&name=a&alias=prod&type=alias.moved"
            "&since=2026-03-01T12:00:00Z&limit=50",
        ),
        (lambda: TASKS.history(), Page(()), Page(()), "/journal?limit=50"),
        (lambda: TASKS.entries(5), Page((ENTRY,)), Page((ENTRY,)), "/journal?after=5&limit=1000"),
        (
            lambda: TASKS.differences(NOW, datetime(2026, 4, 1, tzinfo=UTC)),
            {"differences": [Difference("prompt", "a", "p", None, Target(version=1), 2)]},
            (Difference("prompt", "a", "p", None, Target(version=1), 2),),
            "/differences?before=2026-03-01T12:00:00Z&after=2026-04-01T00:00:00Z",
        ),
        (lambda: TASKS.diff("a:1", "a:2"), DIFF, DIFF, "/diff?before=a:1&after=a:2"),
        (lambda: TASKS.diff("a:1", "a:2"), TALK, TALK, "/diff?before=a:1&after=a:2"),
        (
            lambda: TASKS.doctor(),
            Diagnosis({"aliases": 3}, (Finding("c", "s", "m"),)),
            Diagnosis({"aliases": 3}, (Finding("c", "s", "m"),)),
            "/doctor",
        ),
        (lambda: TASKS.keys(), {"keys": [KEY]}, (KEY,), "/keys"),
    ],
)
def test_questions(steps: Callable[[], Steps[Any]], reply: Any, result: Any, line: str) -> None:
    found, sent = do(steps(), reply)
    assert found == result
    (request,) = sent
    query = "&".join(f"{name}={value}" for name, value in request.query)
    assert f"{request.path}{'?' if query else ''}{query}" == line
    assert (request.method, request.repeatable, request.changes) == ("GET", True, None)


@pytest.mark.parametrize(
    ("steps", "reply", "result", "line", "body"),
    [
        (
            lambda: TASKS.archive("a/b"),
            ARTIFACT,
            ARTIFACT,
            "POST /artifacts/prompt/a%2Fb/archive",
            {},
        ),
        (
            lambda: TASKS.restore("a/b", kind="model"),
            ARTIFACT,
            ARTIFACT,
            "POST /artifacts/model/a%2Fb/restore",
            {},
        ),
        (
            lambda: TASKS.tombstone("a/b:7", reason="personal data"),
            VERSION,
            VERSION,
            "PUT /artifacts/prompt/a%2Fb/versions/7/tombstone",
            {"reason": "personal data"},
        ),
        (
            lambda: TASKS.set_tag("a/b", "x/y", "z"),
            {},
            None,
            "PUT /artifacts/prompt/a%2Fb/tags/x%2Fy",
            {"value": "z"},
        ),
        (
            lambda: TASKS.delete_tag("a/b:7", "x"),
            {},
            None,
            "DELETE /artifacts/prompt/a%2Fb/versions/7/tags/x",
            None,
        ),
        (
            lambda: TASKS.promote("a/b:7", "prod", reason="why", if_revision=0),
            Released(RELEASE),
            RELEASE,
            "POST /releases",
            {
                "moves": [
                    {
                        "name": "a/b",
                        "alias": "prod",
                        "kind": "prompt",
                        "version": 7,
                        "if_revision": 0,
                    }
                ],
                "reason": "why",
            },
        ),
        (
            lambda: TASKS.split("a/b", "prod", {6: 90, 7: 10}),
            Released(None),
            None,
            "POST /releases",
            {
                "moves": [
                    {"name": "a/b", "alias": "prod", "kind": "prompt", "split": {"6": 90, "7": 10}}
                ],
                "reason": "",
            },
        ),
        (
            lambda: TASKS.release([{"name": "a/b", "alias": "p", "split": {6: 1, 7: 1}}]),
            Released(RELEASE),
            RELEASE,
            "POST /releases",
            {"moves": [{"name": "a/b", "alias": "p", "split": {"6": 1, "7": 1}}], "reason": ""},
        ),
        (
            lambda: TASKS.delete_alias("a/b@prod"),
            Released(RELEASE),
            RELEASE,
            "POST /releases",
            {
                "moves": [{"name": "a/b", "alias": "prod", "kind": "prompt", "delete": True}],
                "reason": "",
            },
        ),
        (
            lambda: TASKS.rollback("a/b@prod", reason="slow"),
            RELEASE,
            RELEASE,
            "POST /artifacts/prompt/a%2Fb/aliases/prod/rollback",
            {"reason": "slow"},
        ),
        (
            lambda: TASKS.rollback_release(41),
            RELEASE,
            RELEASE,
            "POST /releases/41/rollback",
            {"reason": ""},
        ),
    ],
)
def test_changes(
    steps: Callable[[], Steps[Any]], reply: Any, result: Any, line: str, body: Any
) -> None:
    found, (request,) = do(steps(), reply)
    assert found == result
    assert f"{request.method} {request.path}" == line
    assert request.body == body
    assert request.repeatable, "a broken connection need not leave anybody in doubt"
    assert request.changes is not None
    assert [name for _, name in request.changes(to_plain(reply))] == ["a/b"]


def test_publishing() -> None:
    published = Published(VERSION, created=True, release=RELEASE)
    steps = TASKS.publish(
        "a/b",
        "text",
        tags={"k": "v"},
        aliases=("prod",),
        dependencies=[Dependency("uses", "model:m")],
        if_newest=6,
        idempotency_key="mine",
    )
    found, (request,) = do(steps, published)
    assert found == published
    assert request.headers == {"Idempotency-Key": "mine"}
    assert request.body["dependencies"] == [
        {"relation": "uses", "selector": "model:m", "variable": ""}
    ]
    assert (request.body["content"], request.body["if_newest"]) == ("text", 6)
    items = [{"name": "a/b", "content": "x", "dependencies": [Dependency("uses", "model:m")]}]
    many, (request,) = do(TASKS.publish_many(items), {"published": [published]})
    assert many == (published,)
    assert request.path == "/versions/bulk"
    assert request.body["versions"][0]["dependencies"][0]["relation"] == "uses"
    assert request.headers["Idempotency-Key"]


def test_keys() -> None:
    made = NewKey(KEY, "pm_id_secret")
    found, (request,) = do(TASKS.create_key("ci", "editor", expires_at=NOW), made)
    assert found == made
    assert request.body["expires_at"] == "2026-03-01T12:00:00Z"
    assert not request.repeatable, "the registry doesn't keep the answer: it has a secret in it"
    found, (request,) = do(TASKS.revoke_key("i/d"), KEY)
    assert (found, request.path) == (KEY, "/keys/i%2Fd")


def test_what_an_alias_points_to_is_looked_up() -> None:
    _, sent = do(TASKS.promote("a/b@staging", "prod"), SPLIT, Released(RELEASE))
    assert sent[1].body["moves"][0]["split"] == {"6": 90, "7": 10}
    _, sent = do(TASKS.promote("a/b", "prod"), ARTIFACT, Released(RELEASE))
    assert sent[1].body["moves"][0]["version"] == 7
    _, sent = do(TASKS.version("a/b@prod"), ALIAS, VERSION)
    assert [one.path.rsplit("/", 1)[1] for one in sent] == ["prod", "7"]
    _, sent = do(TASKS.rollback("a/b@prod", if_revision=4), RELEASE)
    assert sent[0].headers["If-Match"] == '"4"'


@pytest.mark.parametrize(
    "steps",
    [
        lambda: TASKS.alias("a/b"),
        lambda: TASKS.rollback("a/b:7"),
        lambda: TASKS.set_tag("a/b@prod", "k", "v"),
        lambda: TASKS.tombstone("a/b", reason=""),
        lambda: TASKS.resolve("a@b@c"),
    ],
)
def test_selectors_that_do_not_name_what_is_wanted(steps: Callable[[], Steps[Any]]) -> None:
    with pytest.raises(InvalidName):
        do(steps())


def test_times_need_a_zone() -> None:
    with pytest.raises(InvalidInput, match="zone"):
        do(TASKS.resolve("a", at=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    "body", [None, [], "x", {"template": 1, "messages": 2}, {"items": 3}, {"published": 1}]
)
def test_replies_that_are_something_else(body: Any) -> None:
    for steps in (TASKS.artifact("a"), TASKS.keys(), TASKS.diff("a", "b"), TASKS.publish_many([])):
        with pytest.raises(IntegrityError):
            do(steps, body)


def problem(status: int, code: str, **more: Any) -> Reply:
    body = {"type": f"urn:pointsman:problem:{code}", "status": status, "code": code, **more}
    return Reply(status, {"retry-after": "7"}, {"detail": "What was wrong.", **body})


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (400, "empty", "InvalidInput"),
        (400, "invalid_name", "InvalidName"),
        (400, "template_syntax", "TemplateSyntaxError"),
        (401, "no_key", "Unauthenticated"),
        (403, "refused", "Refused"),
        (404, "artifact_not_found", "NotFound"),
        (409, "archived", "Conflict"),
        (409, "stale_revision", "StaleRevision"),
        (410, "tombstoned", "Gone"),
        (413, "body_too_large", "TooLarge"),
        (422, "render_error", "RenderError"),
        (429, "slow_down", "Unavailable"),
        (500, "integrity", "IntegrityError"),
        (500, "internal_error", "Unavailable"),
        (503, "unavailable", "Unavailable"),
        (503, "outcome_unknown", "OutcomeUnknown"),
        (400, "outcome_unknown", "InvalidInput"),
        (418, "teapot", "InvalidInput"),
    ],
)
def test_errors_come_back_as_they_were(status: int, code: str, name: str) -> None:
    error = error_of(problem(status, code, hint="Do this."))
    assert (type(error).__name__, error.code) == (name, code)
    assert str(error) == "What was wrong. Do this."
    assert ("retry_after" in error.details) == isinstance(error, Unavailable)


def test_all_that_an_error_says_is_kept() -> None:
    reasons = [{"code": "a", "message": "b", "hint": "c", "field": "d"}, {"code": "e"}, 5]
    reply = problem(
        409, "stale_revision", reasons=reasons, details={"current": {"revision": 9}}, field="x"
    )
    with pytest.raises(StaleRevision) as caught:
        checked(reply)
    error = caught.value
    assert [one.code for one in error.reasons] == ["a", "e"]
    assert (error.field, error.details["current"]) == ("x", {"revision": 9})


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {}, None),
        Reply(404, {}, {"error": "no such route"}),
        Reply(403, {}, {"type": "about:blank", "detail": "Forbidden by the proxy"}),
        Reply(302, {"location": "https://elsewhere"}, None),
        Reply(502, {}, [1]),
    ],
)
def test_who_is_no_registry_says_nothing_about_what_was_asked(reply: Reply) -> None:
    error = error_of(reply)
    assert isinstance(error, Unavailable)
    assert not isinstance(error, OutcomeUnknown)
    assert error.code == "not_a_registry"


def test_rubbish_in_a_problem_is_left_out() -> None:
    rubbish = {"detail": 5, "title": [], "hint": {}, "reasons": {}, "details": [], "field": None}
    error = error_of(problem(403, "refused", **rubbish))
    assert isinstance(error, Refused)
    assert isinstance(error, PointsmanError)
    assert error.message == "HTTP status 403."
