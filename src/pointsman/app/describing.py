"""Rows as people are told of them: artifacts, versions and aliases with what belongs to them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.app.application import View
from pointsman.app.ports import (
    AliasRow,
    ArtifactRow,
    DependencyRow,
    KeyRow,
    TombstoneRow,
    VersionRow,
)
from pointsman.core.journal import Line
from pointsman.core.vocabulary import (
    Alias,
    Artifact,
    Dependency,
    Entry,
    Key,
    Relation,
    Tombstone,
    Version,
    moment,
)


def artifacts_of(view: View, rows: Sequence[ArtifactRow]) -> tuple[Artifact, ...]:
    """These artifacts with their tags and aliases, by three statements however many they are."""
    ids = [row.id for row in rows]
    tags: dict[int, dict[str, str]] = defaultdict(dict)
    for artifact_id, key, value in view.reader.artifact_tags_of(ids):
        tags[artifact_id][key] = value
    aliases: dict[int, list[AliasRow]] = defaultdict(list)
    for alias in view.reader.aliases_of(ids):
        aliases[alias.artifact_id].append(alias)
    return tuple(
        Artifact(
            kind=row.kind,
            name=row.name,
            newest=row.newest,
            created_at=moment(row.created_at),
            created_by=row.created_by,
            updated_at=moment(row.updated_at),
            archived_at=None if row.archived_at is None else moment(row.archived_at),
            tags=tags[row.id],
            aliases=tuple(alias_of(one) for one in aliases[row.id] if one.target is not None),
        )
        for row in rows
    )


def versions_of(
    view: View, artifact: ArtifactRow, rows: Sequence[VersionRow], *, contents: bool = False
) -> tuple[Version, ...]:
    """These versions of an artifact with their tags, aliases, dependencies and tombstones."""
    reader = view.reader
    tags: dict[int, dict[str, str]] = defaultdict(dict)
    for number, key, value in reader.tags_of(artifact.id):
        tags[number][key] = value
    aliases: dict[int, list[str]] = defaultdict(list)
    for alias in reader.aliases(artifact.id):
        for number in alias.target.versions if alias.target else ():
            aliases[number].append(alias.name)
    tombstones = {row.number: row for row in reader.tombstones(artifact.id)}
    return tuple(
        version_of(
            artifact,
            row,
            tags=tags[row.number],
            aliases=tuple(aliases[row.number]),
            dependencies=tuple(
                told_dependency(one) for one in reader.dependencies(artifact.id, row.number)
            ),
            tombstone=tombstones.get(row.number),
            content=reader.content(artifact.id, row.number) if contents else None,
        )
        for row in rows
    )


def version_of(
    artifact: ArtifactRow,
    row: VersionRow,
    *,
    tags: Mapping[str, str],
    aliases: tuple[str, ...] = (),
    dependencies: tuple[Dependency, ...] = (),
    tombstone: TombstoneRow | None = None,
    content: str | None = None,
) -> Version:
    """A version as people are told of it."""
    parsed: Mapping[str, Any] | None = None if content is None else json.loads(content)
    buried = None
    if tombstone is not None:
        buried = Tombstone(moment(tombstone.at), tombstone.by_name, tombstone.reason)
    return Version(
        kind=artifact.kind,
        name=artifact.name,
        number=row.number,
        digest=row.digest,
        message=row.message,
        author=row.author,
        created_at=moment(row.created_at),
        tags=dict(tags),
        aliases=aliases,
        dependencies=dependencies,
        tombstone=buried,
        content=parsed,
    )


def told_dependency(row: DependencyRow) -> Dependency:
    """A dependency as people are told of it."""
    relation: Relation = row.relation  # type: ignore[assignment]  # checked when written
    return Dependency(relation, row.selector, row.variable or "")


def alias_of(row: AliasRow) -> Alias:
    """An alias that exists, as people are told of it."""
    assert row.target is not None, "a deleted alias is nothing to tell of"
    return Alias(
        name=row.name,
        target=row.target,
        revision=row.revision,
        release=row.release,
        moved_at=moment(row.moved_at),
        moved_by=row.moved_by,
        reason=row.reason,
    )


def entry_of(line: Line, previous: str) -> Entry:
    """A journal entry as people are told of it. `previous` is the hash before it."""
    return Entry(
        seq=line.seq,
        at=moment(line.at),
        type=line.type,
        actor=line.actor,
        by=line.by,
        via=line.via,
        data=json.loads(line.data),
        hash=line.hash,
        previous=previous,
    )


def key_of(row: KeyRow, project: str) -> Key:
    """A key as people are told of it: without its secret."""
    return Key(
        id=row.id,
        name=row.name,
        role=row.role,  # type: ignore[arg-type]
        project=project,
        created_at=moment(row.created_at),
        created_by=row.created_by,
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
        last_used_at=_moment(row.last_used_at),
        verbs=None if row.verbs is None else tuple(json.loads(row.verbs)),
        artifacts=row.artifacts,
        aliases=row.aliases,
    )


def _moment(at: int | None) -> Any:
    return None if at is None else moment(at)
