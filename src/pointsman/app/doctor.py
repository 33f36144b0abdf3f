"""The check of everything: the journal's chain, and the state against the journal's replay.

The state is a view of the journal, so replaying one project's entries in memory must give
exactly its rows. What can't be replayed (content) is checked against the digests on record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pointsman.app import (
    doctor_evaluations,
    doctor_governance,
    doctor_keys,
    doctor_people,
    doctor_providers,
    doctor_webhooks,
)
from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Findings, Told
from pointsman.app.including import plain_dependency
from pointsman.app.ports import ArtifactRow, DependencyRow
from pointsman.app.releases import MOVED
from pointsman.core.canonical import digest
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.names import check_kind, told_tag_value
from pointsman.core.releases import plain_target
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Diagnosis

_STEP = 1_000


@dataclass(slots=True)
class _Replayed:
    """One artifact as the journal tells it."""

    kind: str
    name: str
    created_at: int
    created_by: str
    updated_at: int
    archived_at: int | None = None
    versions: list[Facts] = field(default_factory=list)
    """Versions 1, 2, 3…"""
    dependencies: dict[int, list[list[str]]] = field(default_factory=dict)
    """Relation, selector and perhaps variable of each dependency, by version."""
    tombstones: Facts = field(default_factory=dict)
    tags: Facts = field(default_factory=dict)
    aliases: Told = field(default_factory=dict)
    """The last move of each alias."""


@dataclass(frozen=True, slots=True)
class _Topic:
    """What else the journal tells of, beside artifacts: how it is replayed, and what is stored."""

    check: str
    things: str
    types: Sequence[str]
    apply: Callable[[Told, Line, Facts], None]
    stored: Callable[[View], Told]


_TOPICS: Final = tuple(
    _Topic(check, things, room.TYPES, room.apply, room.stored)
    for check, things, room in (
        ("keys", "keys", doctor_keys),
        ("people", "roles and owners", doctor_people),
        ("webhooks", "webhooks", doctor_webhooks),
        ("governance", "facts of governance", doctor_governance),
        ("providers", "providers", doctor_providers),
        ("evaluations", "evaluations and their ends", doctor_evaluations),
    )
)


class _Examination(Findings):
    """What the journal tells, and what was found."""

    def __init__(self) -> None:
        super().__init__()
        self.replayed: dict[int, _Replayed] = {}
        self.told: dict[str, Told] = {topic.check: {} for topic in _TOPICS}


def examine(view: View) -> Diagnosis:
    """Check every invariant over the caller's project; `findings` is empty if all is well.

    Raises `Refused`: it reads everything, so it is for admins.
    """
    view.require_all("admin")
    found = _Examination()
    _replay(view, found)
    after = 0
    while rows := view.reader.artifacts_after(view.project.id, after, _STEP):
        for row in rows:
            _examine_artifact(view, found, row)
        after = rows[-1].id
    for told in found.replayed.values():
        found.wrong("state", f"{told.kind}:{told.name}", "the store has lost this artifact")
    for topic in _TOPICS:
        stored = topic.stored(view)
        found.checked[topic.things] += len(stored)
        found.all_same(topic.check, stored, found.told[topic.check])
    doctor_people.examine_home(view, found)
    return found.diagnosis


def _examine_artifact(view: View, found: _Examination, row: ArtifactRow) -> None:
    found.checked["artifacts"] += 1
    told = found.replayed.pop(row.id, None)
    subject = f"{row.kind}:{row.name}"
    if told is None:
        found.wrong("state", subject, "the journal knows nothing of this artifact")
        return
    found.same("state", subject, _artifact(row, row.newest), _artifact(told, len(told.versions)))
    _examine_versions(view, found, row.id, subject, told)
    _examine_aliases(view, found, row.id, subject, told)
    tags = {
        _tag(number, key): told_tag_value(key, value)
        for number, key, value in view.reader.tags_of(row.id)
    }
    found.checked["tags"] += len(tags)
    found.same("state", subject, tags, told.tags)


def _examine_versions(
    view: View, found: _Examination, artifact_id: int, subject: str, told: _Replayed
) -> None:
    rows_of_stones = view.reader.tombstones(artifact_id)
    stones = {row.number for row in rows_of_stones}
    removed = {
        _stone(row.number): _removal(row.at, row.by_name, row.reason) for row in rows_of_stones
    }
    found.same("state", subject, removed, told.tombstones)
    before: int | None = None
    number = len(told.versions)
    while rows := view.reader.versions(artifact_id, before, _STEP):
        for row in rows:
            found.checked["versions"] += 1
            where = f"{subject}:{row.number}"
            if row.number != number or number < 1:
                found.wrong("versions", where, f"its number should be {number}")
                return
            stored = _version(row.digest, row.message, row.author, row.created_at, row.shape)
            found.same("versions", where, stored, told.versions[number - 1])
            needs = [_need(view, one) for one in view.reader.dependencies(artifact_id, number)]
            wanted = told.dependencies.get(number, [])
            found.same("dependencies", where, _needs(needs), _needs(wanted))
            body = view.reader.content(artifact_id, row.number)
            if body is None and row.number not in stones:
                found.wrong("content", where, "its content is missing and was not removed")
            elif body is not None and row.number in stones:
                found.wrong("content", where, "its content is still there after its removal")
            elif body is not None and digest(body) != row.digest:
                found.wrong("content", where, "its content does not match its digest")
            number -= 1
        before = rows[-1].number
    if number > 0:
        found.wrong("versions", subject, f"versions 1 to {number} are missing")


def _examine_aliases(
    view: View, found: _Examination, artifact_id: int, subject: str, told: _Replayed
) -> None:
    stored = {
        row.name: _move(
            plain_target(row.target),
            row.revision,
            row.release,
            row.moved_at,
            row.moved_by,
            row.reason,
        )
        for row in view.reader.aliases(artifact_id)
    }
    found.checked["aliases"] += len(stored)
    found.all_same("aliases", stored, told.aliases, of=f"{subject}@")


def _need(view: View, row: DependencyRow) -> list[str]:
    """A dependency as the journal tells it, or with what it leads to if that is elsewhere."""
    target = view.reader.artifact_by_id(row.target_id)
    if target is not None:
        leads = Selector(check_kind(target.kind), target.name, row.target_version, row.target_alias)
        if str(leads) == row.selector:
            return plain_dependency(row)
    return [*plain_dependency(row), f"leading to {target}@{row.target_alias}"]


def _artifact(one: ArtifactRow | _Replayed, newest: int) -> Facts:
    return {
        "kind": one.kind,
        "name": one.name,
        "newest version": newest,
        "time of creation": one.created_at,
        "maker": one.created_by,
        "time of archiving": one.archived_at,
        "time of the last update": one.updated_at,
    }


def _version(digest: str, message: str, author: str, at: int, shape: str | None) -> Facts:
    return {"digest": digest, "message": message, "author": author, "time": at, "form": shape}


def _needs(dependencies: list[list[str]]) -> Facts:
    return {"list of dependencies": dependencies}


def _move(target: object, revision: int, release: int, at: int, by: str, reason: str) -> Facts:
    return {
        "target": target,
        "revision": revision,
        "release": release,
        "time": at,
        "mover": by,
        "reason": reason,
    }


def _stone(number: object) -> str:
    return f"removal of version {number}"


def _removal(at: int, by: str, reason: str) -> Facts:
    return {"time": at, "by": by, "reason": reason}


def _tag(number: int, key: str) -> str:
    return f"tag {key!r} of version {number}" if number else f"tag {key!r}"


def _replay(view: View, found: _Examination) -> None:
    head = genesis(view.project.uid)
    while lines := view.reader.lines(view.project.id, head.seq, _STEP):
        for seq, why in broken_links(head, lines):
            found.wrong("chain", f"entry {seq}", why)
        for line in lines:
            found.checked["entries"] += 1
            apply = _APPLY.get(line.type)
            if apply is not None:
                try:
                    apply(found, line, json.loads(line.data))
                except (AttributeError, LookupError, TypeError, ValueError) as error:
                    found.wrong("replay", f"entry {line.seq}", f"it can't be replayed: {error!r}")
        last = lines[-1]
        head = type(head)(last.seq, last.at, last.hash)


def _artifact_created(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    made = _Replayed(fact["kind"], fact["name"], line.at, line.by, line.at)
    found.replayed[_about(line)] = made


def _archived(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    told = found.replayed[_about(line)]
    told.archived_at = told.updated_at = line.at


def _restored(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    told = found.replayed[_about(line)]
    told.archived_at, told.updated_at = None, line.at


def _published(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    told = found.replayed[_about(line)]
    versions = told.versions
    if fact["version"] != len(versions) + 1:
        found.wrong(
            "versions",
            f"{fact['kind']}:{fact['name']}:{fact['version']}",
            f"it follows version {len(versions)} in the journal",
        )
    shape = fact.get("shape")
    versions.append(_version(fact["digest"], fact["message"], line.by, line.at, shape))
    told.updated_at = line.at
    told.dependencies[len(versions)] = fact.get("dependencies", [])


def _tombstoned(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    removed = _removal(line.at, line.by, fact["reason"])
    found.replayed[_about(line)].tombstones[_stone(fact["version"])] = removed


def _tag_set(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    tag = _tag(fact.get("version", 0), fact["key"])
    found.replayed[_about(line)].tags[tag] = fact["value"]


def _tag_deleted(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    del found.replayed[_about(line)].tags[_tag(fact.get("version", 0), fact["key"])]


def _moved(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    replayed = found.replayed[_about(line)]
    alias = fact["alias"]
    where = f"{fact['kind']}:{fact['name']}@{alias}"
    last = replayed.aliases.get(alias, {"target": None, "revision": 0})
    if fact["revision"] != last["revision"] + 1:
        found.wrong("aliases", where, f"revision {fact['revision']} follows {last['revision']}")
    if fact["before"] != last["target"]:
        found.wrong("aliases", where, f"entry {line.seq} moved it from where it was not")
    versions = [arm["version"] for arm in _arms(fact["to"])]
    if any(not 1 <= number <= len(replayed.versions) for number in versions):
        found.wrong("aliases", where, f"entry {line.seq} moved it to a version that is not there")
    elif fact["digests"] != [replayed.versions[number - 1]["digest"] for number in versions]:
        found.wrong("aliases", where, f"entry {line.seq} records other digests than its versions'")
    if line.alias != alias:
        found.wrong("aliases", where, f"entry {line.seq} is filed under {line.alias!r}")
    replayed.aliases[alias] = _move(
        fact["to"], fact["revision"], fact["release"], line.at, line.by, fact["reason"]
    )


def _topical(topic: _Topic, found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    topic.apply(found.told[topic.check], line, fact)


def _arms(target: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if target is not None:
        yield from target.get("split") or [target]


def _about(line: Line) -> int:
    if line.artifact is None:
        raise ValueError("it does not say which artifact it is about")
    return line.artifact


_APPLY: dict[str, Callable[[_Examination, Line, dict[str, Any]], None]] = {
    "artifact.created": _artifact_created,
    "artifact.archived": _archived,
    "artifact.restored": _restored,
    "version.published": _published,
    "version.tombstoned": _tombstoned,
    "tag.set": _tag_set,
    "tag.deleted": _tag_deleted,
    MOVED: _moved,
    **{kind: partial(_topical, topic) for topic in _TOPICS for kind in topic.types},
}
