"""What the journal tells of policies, changes, checks and broken glass, and what is stored.

Both are told as facts by the name of what they are about, so that they can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Told
from pointsman.core.canonical import canonical_json
from pointsman.core.changes import basis_of
from pointsman.core.journal import Line

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


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Take in one entry of these types."""
    match line.type:
        case "policy.set" | "policy.deleted":
            _policy(told, line, fact)
        case "change.proposed" | "change.edited":
            _change(told, line, fact)
        case "change.voiced":
            told[f"what {line.actor} said to change {fact['change']}"] = {
                "actor's name": line.by,
                "standing": fact["said"],
                "basis": fact["basis"],
                "note": fact["note"],
                "time": line.at,
            }
        case "change.commented":
            told[f"comment {line.seq} on change {fact['change']}"] = {
                "actor's name": line.by,
                "actor": line.actor,
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
                "actor": line.actor,
                "actor's name": line.by,
                "time": line.at,
            }
        case "glass.broken":
            told[f"broken glass of release {fact['release']}"] = {
                "actor's name": line.by,
                "actor": line.actor,
                "reason": fact["reason"],
                "rules passed over": fact["passed"],
                "time": line.at,
                "review": None,
            }
        case "glass.reviewed":
            told[f"broken glass of release {fact['release']}"]["review"] = _review(
                line.at, line.by, fact["note"]
            )
        case ended:
            told[f"end of change {fact['change']}"] = {
                "way": _HOW[ended],
                "actor's name": line.by,
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
            "actor's name": policy.updated_by,
        }
    for number, facts in _changes(view):
        told[f"change {number}"] = facts
        end = reader.change_end(project_id, number)
        if end is not None:
            told[f"end of change {number}"] = {
                "way": end.how,
                "actor's name": end.by_name,
                "note": end.note,
                "release": end.release,
                "time": end.at,
            }
        for voice in reader.voices(project_id, number):
            meant = basis_of(json.loads(voice.detail))
            told[f"what {voice.subject} said to change {number}"] = {
                "actor's name": voice.by_name,
                "standing": voice.standing,
                "basis": meant if meant == voice.basis else f"{voice.basis} for {meant}",
                "note": voice.note,
                "time": voice.at,
            }
        for comment in reader.comments(project_id, number):
            told[f"comment {comment.seq} on change {number}"] = {
                "actor's name": comment.by_name,
                "actor": comment.subject,
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
            "actor": check.subject,
            "actor's name": check.by_name,
            "time": check.at,
        }
    for glass in reader.broken_glass(project_id, 2**31):
        review = None
        if glass.reviewed_at is not None:
            review = _review(glass.reviewed_at, glass.reviewed_by, glass.note)
        told[f"broken glass of release {glass.release}"] = {
            "actor's name": glass.by_name,
            "actor": glass.subject,
            "reason": glass.reason,
            "rules passed over": json.loads(glass.passed),
            "time": glass.at,
            "review": review,
        }
    return told


def _policy(told: Told, line: Line, fact: Facts) -> None:
    name = f"policy {fact['policy']}"
    told[name] = {
        "body": canonical_json(fact["body"]) if line.type == "policy.set" else None,
        "revision": told.get(name, {}).get("revision", 0) + 1,
        "time": line.at,
        "actor's name": line.by,
    }


def _change(told: Told, line: Line, fact: Facts) -> None:
    name = f"change {fact['change']}"
    before = told.get(name)
    armed_by = None
    if fact["armed"]:
        kept = before is not None and (fact["moves"], fact["apply_at"]) == (
            before["moves"],
            before["time to apply it"],
        )
        armed_by = (before["armer"] if before and kept else None) or line.actor
    editors = before["editors"] if before else []
    if before is None or any(fact[one] != before[one] for one in ("title", "reason", "moves")):
        editors = list(dict.fromkeys([*editors, line.actor]))
    told[name] = {
        "title": fact["title"],
        "reason": fact["reason"],
        "labels": fact["labels"],
        "moves": fact["moves"],
        "revision": before["revision"] + 1 if before else 1,
        "author": before["author"] if before else line.actor,
        "author's name": before["author's name"] if before else line.by,
        "editors": editors,
        "time of creation": before["time of creation"] if before else line.at,
        "time of the last edit": line.at,
        "time of expiry": fact["expires_at"],
        "armer": armed_by,
        "time to apply it": fact["apply_at"],
    }


def _review(at: int, by: str | None, note: str | None) -> Facts:
    return {"time": at, "by": by, "note": note}


def _changes(view: View) -> Iterator[tuple[int, Facts]]:
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
                    "time of creation": row.created_at,
                    "time of the last edit": row.updated_at,
                    "time of expiry": row.expires_at,
                    "armer": row.armed_by,
                    "time to apply it": row.apply_at,
                },
            )
        before = rows[-1].number
