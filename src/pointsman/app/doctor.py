"""The check of everything: the journal's chain, and the state against the journal's replay.

The state is a view of the journal, so replaying one project's entries in memory must give
exactly its rows. What can't be replayed (content) is checked against the digests on record.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pointsman.app import (
    doctor_evaluations,
    doctor_governance,
    doctor_people,
    doctor_providers,
    doctor_webhooks,
)
from pointsman.app.application import View
from pointsman.app.including import plain_dependency
from pointsman.app.keys import fingerprint
from pointsman.app.ports import DependencyRow, KeyRow
from pointsman.app.releases import MOVED
from pointsman.core.canonical import digest
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.names import check_kind, told_tag_value
from pointsman.core.releases import plain_target
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Diagnosis, Finding

MAX_FINDINGS = 1_000
_STEP = 1_000


@dataclass(slots=True)
class _Replayed:
    """One artifact as the journal tells it."""

    kind: str
    name: str
    created: tuple[int, str]
    """When and by whom."""
    updated_at: int
    archived_at: int | None = None
    versions: list[tuple[str, str, str, int, str | None]] = field(default_factory=list)
    """Digest, message, author, time and shape of versions 1, 2, 3…"""
    dependencies: dict[int, list[list[str]]] = field(default_factory=dict)
    """Relation, selector and perhaps variable of each dependency, by version."""
    tombstones: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    """When, by whom and why, by version."""
    tags: dict[tuple[int, str], str] = field(default_factory=dict)
    aliases: dict[str, tuple[object, int, int, int, str, str]] = field(default_factory=dict)
    """Target, revision, release, time, mover and reason of the last move."""


class _Examination:
    """Collects what was looked at and what was wrong."""

    def __init__(self, project_id: int) -> None:
        self.project_id = project_id
        self.checked: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self.replayed: dict[int, _Replayed] = {}
        self.keys: dict[str, KeyRow] = {}
        self.people: doctor_people.Told = {}
        self.webhooks: doctor_webhooks.Told = {}
        self.governance: doctor_governance.Told = {}
        self.providers: doctor_providers.Told = {}
        self.evaluations: doctor_evaluations.Told = {}

    def wrong(self, check: str, subject: str, message: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(check, subject, message))

    def same(self, check: str, subject: str, what: str, stored: object, told: object) -> None:
        if stored != told:
            self.wrong(
                check, subject, f"{what} is {stored!r} in the store, {told!r} by the journal"
            )


def examine(view: View) -> Diagnosis:
    """Check every invariant over the caller's project; `findings` is empty if all is well.

    Raises `Refused`: it reads everything, so it is for admins.
    """
    view.require_all("admin")
    found = _Examination(view.project.id)
    _replay(view, found)
    after = 0
    while rows := view.reader.artifacts_after(view.project.id, after, _STEP):
        for row in rows:
            found.checked["artifacts"] += 1
            told = found.replayed.pop(row.id, None)
            subject = f"{row.kind}:{row.name}"
            if told is None:
                found.wrong("state", subject, "the journal knows nothing of this artifact")
                continue
            found.same("state", subject, "its kind", row.kind, told.kind)
            found.same("state", subject, "its name", row.name, told.name)
            found.same("state", subject, "its newest version", row.newest, len(told.versions))
            found.same("state", subject, "its archiving", row.archived_at, told.archived_at)
            made = (row.created_at, row.created_by)
            found.same("state", subject, "its creation", made, told.created)
            found.same("state", subject, "its last update", row.updated_at, told.updated_at)
            _examine_versions(view, found, row.id, subject, told)
            _examine_aliases(view, found, row.id, subject, told)
            tags = {
                (number, key): told_tag_value(key, value)
                for number, key, value in view.reader.tags_of(row.id)
            }
            found.checked["tags"] += len(tags)
            found.same("state", subject, "its tags", tags, told.tags)
        after = rows[-1].id
    for told in found.replayed.values():
        found.wrong("state", f"{told.kind}:{told.name}", "the store has lost this artifact")
    _examine_keys(view, found)
    _examine_people(view, found)
    _examine_webhooks(view, found)
    _examine_governance(view, found)
    _examine_providers(view, found)
    _examine_evaluations(view, found)
    return Diagnosis(dict(found.checked), tuple(found.findings))


def _examine_versions(
    view: View, found: _Examination, artifact_id: int, subject: str, told: _Replayed
) -> None:
    rows_of_stones = view.reader.tombstones(artifact_id)
    stones = {row.number: (row.at, row.by_name, row.reason) for row in rows_of_stones}
    found.same("state", subject, "what was removed of it", stones, told.tombstones)
    before: int | None = None
    number = len(told.versions)
    while rows := view.reader.versions(artifact_id, before, _STEP):
        for row in rows:
            found.checked["versions"] += 1
            where = f"{subject}:{row.number}"
            if row.number != number or number < 1:
                found.wrong("versions", where, f"its number should be {number}")
                return
            stored = (row.digest, row.message, row.author, row.created_at, row.shape)
            found.same("versions", where, "the version", stored, told.versions[number - 1])
            needs = [_need(view, one) for one in view.reader.dependencies(artifact_id, number)]
            wanted = told.dependencies.get(number, [])
            found.same("dependencies", where, "what it depends on", needs, wanted)
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
        row.name: (
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
    for alias in stored.keys() | told.aliases.keys():
        found.same(
            "aliases", f"{subject}@{alias}", "the alias", stored.get(alias), told.aliases.get(alias)
        )


def _need(view: View, row: DependencyRow) -> list[str]:
    """A dependency as the journal tells it, or with what it leads to if that is elsewhere."""
    target = view.reader.artifact_by_id(row.target_id)
    if target is not None:
        leads = Selector(check_kind(target.kind), target.name, row.target_version, row.target_alias)
        if str(leads) == row.selector:
            return plain_dependency(row)
    return [*plain_dependency(row), f"leading to {target}@{row.target_alias}"]


def _examine_keys(view: View, found: _Examination) -> None:
    """Keys against the journal, but for when they were used."""
    stored = {row.id: row for row in view.reader.keys(view.project.id)}
    found.checked["keys"] += len(stored)
    for key_id in stored.keys() | found.keys.keys():
        row = stored.get(key_id)
        if row is not None:
            row = row._replace(secret_hash=fingerprint(row.secret_hash), last_used_at=None)
        found.same("keys", f"key {key_id}", "the key", row, found.keys.get(key_id))


def _examine_people(view: View, found: _Examination) -> None:
    stored = doctor_people.stored(view.reader, view.project.id)
    found.checked["roles and owners"] += len(stored)
    for one in stored.keys() | found.people.keys():
        found.same("people", one, "it", stored.get(one), found.people.get(one))
    for check, subject, row, told in doctor_people.examine_home(view):
        found.checked["facts of the installation"] += 1
        found.same(check, subject, "it", row, told)


def _examine_webhooks(view: View, found: _Examination) -> None:
    stored = doctor_webhooks.stored(view)
    found.checked["webhooks"] += len(stored)
    for one in stored.keys() | found.webhooks.keys():
        told = found.webhooks.get(one)
        found.same("webhooks", f"webhook {one}", "the webhook", stored.get(one), told)


def _examine_governance(view: View, found: _Examination) -> None:
    stored = doctor_governance.stored(view)
    found.checked["facts of governance"] += len(stored)
    for one in stored.keys() | found.governance.keys():
        told = found.governance.get(one)
        found.same("governance", one, "it", stored.get(one), told)


def _examine_providers(view: View, found: _Examination) -> None:
    stored = doctor_providers.stored(view)
    found.checked["providers"] += len(stored)
    for one in stored.keys() | found.providers.keys():
        told = found.providers.get(one)
        found.same("providers", f"provider {one}", "the provider", stored.get(one), told)


def _examine_evaluations(view: View, found: _Examination) -> None:
    stored = doctor_evaluations.stored(view)
    found.checked["evaluations and their ends"] += len(stored)
    for one in stored.keys() | found.evaluations.keys():
        told = found.evaluations.get(one)
        found.same("evaluations", one, "it", stored.get(one), told)


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
    made = (line.at, line.by)
    found.replayed[_about(line)] = _Replayed(fact["kind"], fact["name"], made, line.at)


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
    versions.append((fact["digest"], fact["message"], line.by, line.at, fact.get("shape")))
    told.updated_at = line.at
    told.dependencies[len(versions)] = fact.get("dependencies", [])


def _tombstoned(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    found.replayed[_about(line)].tombstones[fact["version"]] = (line.at, line.by, fact["reason"])


def _tag_set(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    tags = found.replayed[_about(line)].tags
    tags[fact.get("version", 0), fact["key"]] = fact["value"]


def _tag_deleted(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    del found.replayed[_about(line)].tags[fact.get("version", 0), fact["key"]]


def _moved(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    replayed = found.replayed[_about(line)]
    alias = fact["alias"]
    where = f"{fact['kind']}:{fact['name']}@{alias}"
    target, revision, *_ = replayed.aliases.get(alias, (None, 0))
    if fact["revision"] != revision + 1:
        found.wrong("aliases", where, f"revision {fact['revision']} follows {revision}")
    if fact["before"] != target:
        found.wrong("aliases", where, f"entry {line.seq} moved it from where it was not")
    versions = [arm["version"] for arm in _arms(fact["to"])]
    if any(not 1 <= number <= len(replayed.versions) for number in versions):
        found.wrong("aliases", where, f"entry {line.seq} moved it to a version that is not there")
    elif fact["digests"] != [replayed.versions[number - 1][0] for number in versions]:
        found.wrong("aliases", where, f"entry {line.seq} records other digests than its versions'")
    if line.alias != alias:
        found.wrong("aliases", where, f"entry {line.seq} is filed under {line.alias!r}")
    replayed.aliases[alias] = (
        fact["to"],
        fact["revision"],
        fact["release"],
        line.at,
        line.by,
        fact["reason"],
    )


def _key_created(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    found.keys[fact["key"]] = KeyRow(
        id=fact["key"],
        project_id=found.project_id,
        name=fact["key_name"],
        role=fact["role"],
        secret_hash=fact["fingerprint"],
        created_at=line.at,
        created_by=line.by,
        expires_at=fact.get("expires_at"),
        revoked_at=None,
        last_used_at=None,
        owner=fact.get("owner"),
        verbs=fact.get("verbs"),
        artifacts=fact.get("artifacts", "*"),
        aliases=fact.get("aliases", "*"),
        everywhere=int(line.actor == "system"),
    )


def _key_revoked(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    found.keys[fact["key"]] = found.keys[fact["key"]]._replace(revoked_at=line.at)


def _governance(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    doctor_governance.apply(found.governance, line, fact)


def _people(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    doctor_people.apply(found.people, line, fact)


def _webhook(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    doctor_webhooks.apply(found.webhooks, line, fact)


def _provider(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    doctor_providers.apply(found.providers, line, fact)


def _evaluation(found: _Examination, line: Line, fact: dict[str, Any]) -> None:
    doctor_evaluations.apply(found.evaluations, line, fact)


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
    "key.created": _key_created,
    "key.revoked": _key_revoked,
    **dict.fromkeys(doctor_people.TYPES, _people),
    **dict.fromkeys(doctor_governance.TYPES, _governance),
    **dict.fromkeys(doctor_providers.TYPES, _provider),
    **dict.fromkeys(doctor_evaluations.TYPES, _evaluation),
    "webhook.created": _webhook,
    "webhook.changed": _webhook,
    "webhook.deleted": _webhook,
    "webhook.disabled": _webhook,
    "webhook.enabled": _webhook,
}
