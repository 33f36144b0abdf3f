"""Every type of entry is told in a sentence of its own, in plain words, with links that fit."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pointsman.core.events import TYPES
from pointsman.core.vocabulary import Entry, micros
from pointsman.errors import InvalidInput
from pointsman.web.clock import day_of, field_text, typed_moment
from pointsman.web.histories import as_csv
from pointsman.web.sentences import GROUPS, TELLERS, Sentence, Teller, types_of

AT = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
REPLY = {"kind": "prompt", "name": "support/reply"}


def told(type_: str, **facts: Any) -> str:
    return sentence(type_, **facts).text


def sentence(type_: str, **facts: Any) -> Sentence:
    entry = Entry(9, AT, type_, "person:1", "Rui", "web", facts, "0" * 64, "0" * 64)
    return Teller("default", {"person:3": "ana@example.org"}).sentence(entry)


def test_no_type_of_entry_is_without_its_sentence() -> None:
    assert set(TELLERS) == set(TYPES)


def test_every_type_is_found_by_exactly_one_filter() -> None:
    found = [one for group in GROUPS for one in types_of(group)]
    assert sorted(found) == sorted(TYPES)
    assert types_of("nothing") == ()


MOVE = {**REPLY, "alias": "production", "release": 9, "reason": ""}
FIVE, SEVEN = {"version": 5}, {"version": 7}
EVALUATED = {**REPLY, "version": 7, "evaluation": 4, "suite": "suite:s/all:2"}


@pytest.mark.parametrize(
    ("type_", "facts", "expected"),
    [
        (
            "alias.moved",
            {**MOVE, "before": FIVE, "to": SEVEN, "reason": "shorter answers"},
            "Rui moved production of support/reply from version 5 to version 7: shorter answers",
        ),
        (
            "alias.moved",
            {**MOVE, "before": SEVEN, "to": FIVE, "undoes": 6},
            "Rui moved production of support/reply back from version 7 to version 5, "
            "undoing release 6.",
        ),
        (
            "alias.moved",
            {**MOVE, "before": None, "to": FIVE, "change": 3},
            "Rui let production of support/reply point to version 5, by change 3.",
        ),
        (
            "alias.moved",
            {**MOVE, "before": FIVE, "to": None},
            "Rui deleted production of support/reply, which was at version 5.",
        ),
        (
            "alias.moved",
            {
                **MOVE,
                "before": FIVE,
                "to": {
                    "split": [{"version": 5, "weight": 9}, {"version": 7, "weight": 1}],
                },
            },
            "Rui moved production of support/reply from version 5 to a split of version 5 (90%) "
            "and version 7 (10%).",
        ),
        ("artifact.archived", {"kind": "model", "name": "m"}, "Rui archived model m."),
        ("artifact.restored", REPLY, "Rui took support/reply out of the archive."),
        ("artifact.created", REPLY, "Rui began support/reply."),
        (
            "change.proposed",
            {"change": 3, "title": "Shorter", "reason": "r"},
            "Rui proposed change 3, “Shorter”.",
        ),
        ("change.edited", {"change": 3, "title": "Shorter"}, "Rui edited change 3, “Shorter”."),
        (
            "change.applied",
            {"change": 3, "release": 9, "note": ""},
            "Rui applied change 3 with release 9.",
        ),
        ("change.commented", {"change": 3, "text": "Why"}, "Rui commented on change 3: Why"),
        ("change.expired", {"change": 3}, "Rui closed change 3, whose time was up."),
        (
            "change.superseded",
            {"change": 3, "note": "by change 4"},
            "Rui replaced change 3 with another: by change 4",
        ),
        ("change.voiced", {"change": 3, "said": "approved"}, "Rui approved change 3."),
        (
            "change.voiced",
            {"change": 3, "said": "objected", "note": "no"},
            "Rui objected to change 3: no",
        ),
        (
            "change.voiced",
            {"change": 3, "said": "taken back"},
            "Rui took back what they had said to change 3.",
        ),
        ("change.withdrawn", {"change": 3, "note": ""}, "Rui withdrew change 3."),
        (
            "check.reported",
            {"check": "ci", "state": "passed", "digest": "abcdef0123", "summary": "fine"},
            "Rui reported the check ci as passed for what has the digest abcdef01: fine",
        ),
        (
            "evaluation.requested",
            {**EVALUATED, "against": 5, "change": 3},
            "Rui asked for evaluation 9 of support/reply version 7 against version 5, by s/all:2, "
            "for change 3.",
        ),
        (
            "evaluation.finished",
            {**EVALUATED, "outcome": "failed", "summary": "worse"},
            "Rui ended evaluation 4 of support/reply version 7, which failed: worse",
        ),
        (
            "evaluation.finished",
            {**EVALUATED, "outcome": "inconclusive"},
            "Rui ended evaluation 4 of support/reply version 7, which is inconclusive.",
        ),
        (
            "evaluation.cancelled",
            {**EVALUATED, "state": "cancelled"},
            "Rui cancelled evaluation 4 of support/reply version 7.",
        ),
        (
            "evaluation.cancelled",
            {**EVALUATED, "state": "superseded"},
            "Rui dropped evaluation 4 of support/reply version 7.",
        ),
        (
            "evidence.stale",
            {**REPLY, "alias": "prod", "because": ["prompt:a", "model:b"], "release": 9},
            "Rui made the evidence for support/reply prod stale, by moving a and model:b in "
            "release 9.",
        ),
        (
            "glass.broken",
            {"release": 9, "reason": "outage", "passed": ["One approval is missing."]},
            "Rui broke the glass with release 9, past what was asked (One approval is missing): "
            "outage",
        ),
        (
            "glass.reviewed",
            {"release": 9, "note": "right so"},
            "Rui looked at the broken glass of release 9: right so",
        ),
        (
            "key.created",
            {"key_name": "ci", "role": "editor", "artifacts": "support/*"},
            "Rui made the key ci, with the role editor, for support/*.",
        ),
        ("key.revoked", {"key_name": "ci"}, "Rui revoked the key ci."),
        (
            "owner.set",
            {**REPLY, "subject": "person:3"},
            "Rui made ana@example.org an owner of support/reply.",
        ),
        (
            "owner.removed",
            {**REPLY, "subject": "group:writers"},
            "Rui took group:writers from the owners of support/reply.",
        ),
        ("policy.set", {"policy": "live", "reason": "new"}, "Rui set the policy live: new"),
        ("policy.set", {"policy": "live", "before": {}}, "Rui changed the policy live."),
        ("policy.deleted", {"policy": "live"}, "Rui deleted the policy live."),
        ("project.created", {"project": "default"}, "Rui made the project default."),
        ("provider.set", {"provider_name": "local"}, "Rui set up the provider local."),
        ("provider.deleted", {"provider_name": "local"}, "Rui took away the provider local."),
        (
            "role.granted",
            {"subject": "person:3", "who": "a@b", "role": "editor", "kind": "", "artifacts": "*"},
            "Rui gave a@b the role editor.",
        ),
        (
            "role.withdrawn",
            {"who": "a@b", "role": "editor", "kind": "model", "artifacts": "x/*"},
            "Rui took the role editor from a@b, for model x/*.",
        ),
        (
            "tag.set",
            {**REPLY, "key": "team", "value": "support", "version": 7},
            "Rui set the tag team to 'support' on support/reply version 7.",
        ),
        ("tag.deleted", {**REPLY, "key": "team"}, "Rui deleted the tag team of support/reply."),
        (
            "version.published",
            {**REPLY, "version": 7, "message": "Kinder"},
            "Rui published version 7 of support/reply: Kinder",
        ),
        (
            "version.tombstoned",
            {**REPLY, "version": 7, "reason": "a name in it"},
            "Rui removed the content of version 7 of support/reply: a name in it",
        ),
        ("webhook.changed", {"webhook_name": "chat"}, "Rui changed the webhook chat."),
        (
            "webhook.created",
            {"webhook_name": "chat", "address": "https://example.org"},
            "Rui made the webhook chat, which tells https://example.org.",
        ),
        ("webhook.deleted", {"webhook_name": "chat"}, "Rui deleted the webhook chat."),
        (
            "webhook.disabled",
            {"webhook_name": "chat", "reason": "it is gone"},
            "Rui disabled the webhook chat: it is gone",
        ),
        ("webhook.enabled", {"webhook_name": "chat"}, "Rui enabled the webhook chat."),
        ("something.new", {}, "Rui recorded something.new."),
    ],
)
def test_what_each_entry_says(type_: str, facts: dict[str, Any], expected: str) -> None:
    assert told(type_, **facts) == expected


def test_what_is_named_leads_to_its_page() -> None:
    made = sentence("alias.moved", **MOVE, before=FIVE, to=SEVEN, change=3)
    links = {piece.text: piece.href for piece in made.pieces if piece.href}
    assert links == {
        "support/reply": "/projects/default/prompts/support/reply",
        "version 5": "/projects/default/prompts/support/reply:5",
        "version 7": "/projects/default/prompts/support/reply:7",
        "change 3": "/projects/default/changes/3",
    }
    assert [piece.alias for piece in made.pieces if piece.alias] == ["production"]


def test_moments_are_typed_in_the_zone_of_the_reader() -> None:
    zone = timezone(timedelta(hours=1))
    for text in ("2026-11-03T03:00", "2026-11-03 03:00:00", "2026-11-03T02:00Z"):
        assert typed_moment(text, zone, field="at") == micros(AT)
    start = typed_moment("2026-11-03", zone, field="from")
    end = typed_moment("2026-11-03", zone, field="until", ends=True)
    assert start is not None
    assert end is not None
    assert start == micros(AT - timedelta(hours=3))
    assert end - start == 24 * 3600 * 1_000_000 - 1
    assert typed_moment(" ", zone, field="at") is None
    assert field_text(AT, zone) == "2026-11-03T03:00:00"
    for text in ("tuesday", "2026-13-01", "9" * 50):
        with pytest.raises(InvalidInput):
            typed_moment(text, zone, field="at")


def test_days_are_called_as_people_call_them() -> None:
    now = datetime(2026, 11, 4, 12, 0, tzinfo=UTC)
    days = [day_of(now - timedelta(days=n), now, UTC) for n in (0, 1, 2, 400)]
    assert days == ["Today", "Yesterday", "Monday 2 November", "Tuesday 30 September 2025"]


def test_no_cell_of_a_table_is_a_formula() -> None:
    names = ("=1+1", "@x", "+1", "-1", "\tx", "Rui")
    entries = [
        Entry(n, AT, "artifact.created", name, name, "web", REPLY, "0" * 64, "0" * 64)
        for n, name in enumerate(names)
    ]
    rows = list(csv.DictReader(io.StringIO(as_csv(entries, Teller("default")), newline="")))
    assert [row["by"] for row in rows] == [f"'{name}" for name in names[:-1]] + ["Rui"]
    assert rows[0]["sentence"] == "'=1+1 began support/reply."
