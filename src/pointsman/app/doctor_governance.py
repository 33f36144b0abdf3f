"""What the journal tells of policies, changes, checks and broken glass, and what is stored.

Both are told as facts by the name of what they are about, so that they can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pointsman.app.application import View
from pointsman.core.canonical import canonical_json
from pointsman.core.changes import basis_of
from pointsman.core.journal import Line

Told = dict[str, dict[str, Any]]
_STEP = 500
_HOW = {
    "change.withdrawn": "withdrawn",
    "change.applied": "applied",
    "change.superseded": "superseded",
    "change.expired": "expired",
}
TYPES = (
    "policy.set",
    "policy.deleted",
    "change.proposed",
    "change.edited",
    *_HOW,
    "change.voiced",
    "change.commented",
    "check.reported",
    "glass.broken",
    "glass.reviewed",
)


def apply(told: Told, line: Line, fact: dict[str, Any]) -> None:
    """Take in one entry of these types."""
    match line.type:
        case "policy.set" | "policy.deleted":
            _policy(told, line, fact)
        case "change.proposed" | "change.edited":
            _change(told, line, fact)
        case "change.voiced":
            told[f"what {line.actor} said to change {fact['change']}"] = {
                "by": line.by,
                "standing": fact["said"],
                "basis": fact["basis"],
                "note": fact["note"],
                "time": line.at,
            }
        case "change.commented":
            told[f"comment {line.seq} on change {fact['change']}"] = {
                "by": line.by,
                "subject": line.actor,
                "answers": fact["answers"],
                "text": fact["text"],
                "time": line.at,
            }
        case "check.reported":
            told[f"check {fact['check']} on {fact['digest']}"] = {
                "state": fact["state"],
                "summary": fact["summary"],
                "link": fact["link"],
                "figures": fact["figures"],
                "subject": line.actor,
                "by": line.by,
                "time": line.at,
            }
        case "glass.broken":
            told[f"broken glass of release {fact['release']}"] = {
                "by": line.by,
                "subject": line.actor,
                "reason": fact["reason"],
                "passed": fact["passed"],
                "time": line.at,
                "review": None,
            }
        case "glass.reviewed":
            review = [line.at, line.by, fact["note"]]
            told[f"broken glass of release {fact['release']}"]["review"] = review
        case ended:
            told[f"end of change {fact['change']}"] = {
                "how": _HOW[ended],
                "by": line.by,
                "note": fact["note"],
                "release": fact.get("release"),
                "time": line.at,
            }


def stored(view: View) -> Told:
    """The same of what is stored."""
    reader, project_id = view.reader, view.project.id
    told: Told = {}
    for policy in reader.every_policy(project_id):
        told[f"policy {policy.name}"] = {
            "body": policy.body,
            "revision": policy.revision,
            "time": policy.updated_at,
            "by": policy.updated_by,
        }
    for number, facts in _changes(view):
        told[f"change {number}"] = facts
        end = reader.change_end(project_id, number)
        if end is not None:
            told[f"end of change {number}"] = {
                "how": end.how,
                "by": end.by_name,
                "note": end.note,
                "release": end.release,
                "time": end.at,
            }
        for voice in reader.voices(project_id, number):
            meant = basis_of(json.loads(voice.detail))
            told[f"what {voice.subject} said to change {number}"] = {
                "by": voice.by_name,
                "standing": voice.standing,
                "basis": meant if meant == voice.basis else f"{voice.basis} for {meant}",
                "note": voice.note,
                "time": voice.at,
            }
        for comment in reader.comments(project_id, number):
            told[f"comment {comment.seq} on change {number}"] = {
                "by": comment.by_name,
                "subject": comment.subject,
                "answers": comment.answers,
                "text": comment.body,
                "time": comment.at,
            }
    for check in reader.every_check_report(project_id):
        told[f"check {check.name} on {check.digest}"] = {
            "state": check.state,
            "summary": check.summary,
            "link": check.link,
            "figures": {key: repr(value) for key, value in json.loads(check.figures).items()},
            "subject": check.subject,
            "by": check.by_name,
            "time": check.at,
        }
    for glass in reader.broken_glass(project_id, 2**31):
        review = None
        if glass.reviewed_at is not None:
            review = [glass.reviewed_at, glass.reviewed_by, glass.note]
        told[f"broken glass of release {glass.release}"] = {
            "by": glass.by_name,
            "subject": glass.subject,
            "reason": glass.reason,
            "passed": json.loads(glass.passed),
            "time": glass.at,
            "review": review,
        }
    return told


def _policy(told: Told, line: Line, fact: dict[str, Any]) -> None:
    name = f"policy {fact['policy']}"
    told[name] = {
        "body": canonical_json(fact["body"]) if line.type == "policy.set" else None,
        "revision": told.get(name, {}).get("revision", 0) + 1,
        "time": line.at,
        "by": line.by,
    }


def _change(told: Told, line: Line, fact: dict[str, Any]) -> None:
    name = f"change {fact['change']}"
    before = told.get(name)
    armed_by = None
    if fact["armed"]:
        kept = before is not None and (fact["moves"], fact["apply_at"]) == (
            before["moves"],
            before["apply_at"],
        )
        armed_by = (before["armed by"] if before and kept else None) or line.actor
    told[name] = {
        "title": fact["title"],
        "reason": fact["reason"],
        "labels": fact["labels"],
        "moves": fact["moves"],
        "revision": before["revision"] + 1 if before else 1,
        "author": before["author"] if before else line.actor,
        "author's name": before["author's name"] if before else line.by,
        "editors": list(dict.fromkeys([*(before["editors"] if before else ()), line.actor])),
        "created at": before["created at"] if before else line.at,
        "updated at": line.at,
        "expires at": fact["expires_at"],
        "armed by": armed_by,
        "apply_at": fact["apply_at"],
    }


def _changes(view: View) -> Iterator[tuple[int, dict[str, Any]]]:
    before: int | None = None
    while rows := view.reader.changes(view.project.id, before, _STEP, only_open=False):
        for row in rows:
            yield (
                row.number,
                {
                    "title": row.title,
                    "reason": row.reason,
                    "labels": json.loads(row.labels),
                    "moves": json.loads(row.moves),
                    "revision": row.revision,
                    "author": row.author,
                    "author's name": row.author_name,
                    "editors": json.loads(row.editors),
                    "created at": row.created_at,
                    "updated at": row.updated_at,
                    "expires at": row.expires_at,
                    "armed by": row.armed_by,
                    "apply_at": row.apply_at,
                },
            )
        before = rows[-1].number
