"""The rows of the store and the statements over them, the same for both databases.

`Records` fulfils `app.ports.Transaction` over one function that runs SQL. What differs
between the databases (connections, transactions, errors) is in `sqlite` and `postgres`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pointsman.app.ports import (
    AliasRow,
    ArtifactRow,
    DependencyRow,
    EntryFilter,
    IncluderRow,
    KeyRow,
    ProjectRow,
    Remembered,
    StandingRow,
    TombstoneRow,
    VersionRow,
)
from pointsman.core.journal import Head, Line, genesis
from pointsman.core.search import Query, TagIs
from pointsman.core.vocabulary import Arm, Target
from pointsman.storage import search
from pointsman.storage.blobs import BlobRecords
from pointsman.storage.evaluation import EvaluationRecords
from pointsman.storage.governance import GovernanceRecords
from pointsman.storage.graph import GraphRecords
from pointsman.storage.people import PeopleRecords
from pointsman.storage.providers import ProviderRecords
from pointsman.storage.statements import Connected, Row, first_of
from pointsman.storage.tracking import TrackingRecords
from pointsman.storage.webhooks import WebhookRecords

Mark = tuple[dict[int, Head], dict[int, int], int]

_LAST = 2**62


class Records(
    PeopleRecords,
    GovernanceRecords,
    WebhookRecords,
    BlobRecords,
    EvaluationRecords,
    GraphRecords,
    ProviderRecords,
    TrackingRecords,
):
    """Reads and writes of one transaction.

    The heads of the projects written to, and the next number of an artifact in each, are kept
    here from `enter` on, so that a batch of changes looks them up once.
    """

    def __init__(self, connected: Connected) -> None:
        super().__init__(connected)
        self._heads: dict[int, Head] = {}
        self._next_artifact: dict[int, int] = {}
        self._stored_next: dict[int, int] = {}
        self.appended: list[tuple[int, Line]] = []

    # The life of a batch: used by the writer, not by use cases.

    def enter(self, project_id: int) -> None:
        """Make this transaction the only one that writes to the project until it ends."""
        if project_id not in self._heads:
            # The lock first, the head second: only then is it sure to be the last.
            rows = self._run("lock_project", id=project_id)
            if rows:
                uid, self._next_artifact[project_id] = rows[0]
                self._stored_next[project_id] = self._next_artifact[project_id]
                self._heads[project_id] = self._last(project_id) or genesis(uid)

    def mark(self) -> Mark:
        """What `reset` needs to forget all that was done since."""
        return dict(self._heads), dict(self._next_artifact), len(self.appended)

    def reset(self, mark: Mark) -> None:
        """Forget what was done since the mark; the database forgets by its own savepoint."""
        self._heads, self._next_artifact, count = mark
        del self.appended[count:]
        self._forget_rows()

    def flush(self) -> None:
        """Write the next numbers of artifacts."""
        for project_id, number in self._next_artifact.items():
            if self._stored_next[project_id] != number:
                self._run("put_next_artifact", id=project_id, next_artifact=number)
                self._stored_next[project_id] = number

    def carry_on(self) -> None:
        """Go on in a new transaction, if nobody else has written since the last one."""
        self.appended = []

    # Projects and the journal

    def meta(self, key: str) -> str | None:
        value: str | None = self._value("meta", key=key)
        return value

    def add_meta(self, key: str, value: str) -> None:
        """Set a fact about the store unless it is set already."""
        self._run("add_meta", key=key, value=value)

    def has_migration(self, name: str) -> bool:
        """Whether the database was brought up to the migration of this name."""
        return bool(self._run("has_migration", name=name))

    def projects(self) -> list[ProjectRow]:
        return [ProjectRow(*row) for row in self._run("projects")]

    def project(self, name: str) -> ProjectRow | None:
        return first_of(ProjectRow, self._run("project", name=name))

    def project_by_id(self, project_id: int) -> ProjectRow | None:
        return first_of(ProjectRow, self._run("project_by_id", id=project_id))

    def add_project(self, name: str, uid: str, at: int) -> ProjectRow:
        """Add a project, whose journal is empty."""
        number = self._run("next_project_id")[0][0]
        self._run("add_project", id=number, name=name, uid=uid, at=at)
        return ProjectRow(number, name, uid, at)

    def heads(self) -> dict[int, int]:
        return {row[0]: row[1] for row in self._run("heads")}

    def head(self, project_id: int) -> Head:
        held = self._heads.get(project_id)
        if held is not None:
            return held
        last = self._last(project_id)
        if last is not None:
            return last
        project = self.project_by_id(project_id)
        assert project is not None, "callers name projects that exist"
        return genesis(project.uid)

    def append(self, project_id: int, line: Line, head: Head) -> None:
        self._keep(
            "append",
            id=(project_id << search.SEQ_BITS) + line.seq,
            at=line.at,
            type=line.type,
            actor=line.actor,
            by=line.by,
            via=line.via,
            artifact_id=line.artifact,
            alias=line.alias,
            data=line.data,
            hash=line.hash,
        )
        self._heads[project_id] = head
        self.appended.append((project_id, line))

    def lines(self, project_id: int, after: int, limit: int) -> list[Line]:
        first, last = _entries_of(project_id)
        rows = self._run("lines", after=min(first + after, last), last=last, limit=limit)
        return [Line(*row) for row in rows]

    def lines_where(
        self, project_id: int, where: EntryFilter, before: int | None, limit: int
    ) -> list[Line]:
        if where.artifact_id is None and where.until is not None:
            # Without an artifact the entries are walked by number: begin where the time ends.
            last = self.seq_at(project_id, where.until) + 1
            before = last if before is None else min(before, last)
        after = 0
        if where.artifact_id is None and where.since is not None:
            after = self.seq_at(project_id, where.since - 1)
        wanted = [where]
        if where.artifact_id is not None and where.alias is None:
            # Moves are found by alias and the rest by artifact: ask for each, take the newest.
            wanted += [replace(where, alias=row.name) for row in self.aliases(where.artifact_id)]
        found = [
            Line(*row)
            for one in wanted
            for row in self._built(search.entries(project_id, one, after, before, limit))
        ]
        if len(wanted) > 1:
            found.sort(key=lambda line: line.seq, reverse=True)
        return found[:limit]

    def seq_at(self, project_id: int, at: int) -> int:
        # Time grows with the sequence number, so halving finds it without an index on time.
        low, high = 0, self.head(project_id).seq
        while low < high:
            middle = (low + high + 1) // 2
            if self._time(project_id, middle) <= at:
                low = middle
            else:
                high = middle - 1
        return low

    def alias_line_at(self, artifact_id: int, alias: str, at: int) -> Line | None:
        return first_of(
            Line, self._run("alias_line_at", artifact_id=artifact_id, alias=alias, at=at)
        )

    def alias_lines(
        self, artifact_id: int, alias: str, before: int | None, limit: int
    ) -> list[Line]:
        rows = self._run(
            "alias_lines",
            artifact_id=artifact_id,
            alias=alias,
            before=_LAST
            if before is None
            else self._time(artifact_id >> search.ARTIFACT_BITS, before),
            limit=limit,
        )
        return [Line(*row) for row in rows]

    # Artifacts

    def artifact(self, project_id: int, kind: str, name: str) -> ArtifactRow | None:
        rows = self._run("artifact", project_id=project_id, kind=kind, name=name)
        return first_of(ArtifactRow, rows)

    def artifact_by_id(self, artifact_id: int) -> ArtifactRow | None:
        return first_of(ArtifactRow, self._run("artifact_by_id", id=artifact_id))

    def artifact_by_skeleton(self, project_id: int, kind: str, skeleton: str) -> ArtifactRow | None:
        rows = self._run(
            "artifact_by_skeleton", project_id=project_id, kind=kind, skeleton=skeleton
        )
        return first_of(ArtifactRow, rows)

    def artifacts_after(self, project_id: int, after: int, limit: int) -> list[ArtifactRow]:
        first, last = (
            project_id << search.ARTIFACT_BITS,
            (project_id + 1 << search.ARTIFACT_BITS) - 1,
        )
        rows = self._run("artifacts_after", after=max(after, first), until=last, limit=limit)
        return [ArtifactRow(*row) for row in rows]

    def search(
        self, project_id: int, query: Query, after: tuple[str | int, ...] | None, limit: int
    ) -> list[ArtifactRow]:
        leading = self._leading_tag(project_id, query)
        rows = self._built(search.artifacts(project_id, query, after, limit, leading))
        return [ArtifactRow(*row) for row in rows]

    def add_artifact(
        self, project_id: int, kind: str, name: str, skeleton: str, at: int, by: str
    ) -> ArtifactRow:
        number = self._next_artifact[project_id]
        identity = (project_id << search.ARTIFACT_BITS) + number
        self._next_artifact[project_id] = number + 1
        self._run(
            "add_artifact",
            id=identity,
            project_id=project_id,
            kind=kind,
            name=name,
            skeleton=skeleton,
            at=at,
            by=by,
        )
        return ArtifactRow(identity, kind, name, 0, at, by, at, None)

    def touch_artifact(self, artifact_id: int, newest: int, at: int) -> None:
        self._run("touch_artifact", id=artifact_id, newest=newest, at=at)

    def archive_artifact(self, artifact_id: int, at: int, archived_at: int | None) -> None:
        self._run("archive_artifact", id=artifact_id, at=at, archived_at=archived_at)

    # Versions

    def version(self, artifact_id: int, number: int) -> VersionRow | None:
        return first_of(VersionRow, self._run("version", artifact_id=artifact_id, number=number))

    def standing(self, artifact_id: int, number: int) -> StandingRow | None:
        rows = self._run("standing", artifact_id=artifact_id, number=number)
        return StandingRow(rows[0][0], bool(rows[0][1]), bool(rows[0][2])) if rows else None

    def versions(self, artifact_id: int, before: int | None, limit: int) -> list[VersionRow]:
        last = _LAST if before is None else before
        rows = self._run("versions", artifact_id=artifact_id, before=last, limit=limit)
        return [VersionRow(*row) for row in rows]

    def version_at(self, artifact_id: int, at: int) -> VersionRow | None:
        return first_of(VersionRow, self._run("version_at", artifact_id=artifact_id, at=at))

    def version_by_digest(self, artifact_id: int, beginning: str) -> VersionRow | None:
        # Behind all digests that begin so: no hexadecimal digit comes after "f".
        rows = self._run(
            "version_by_digest",
            artifact_id=artifact_id,
            first=beginning,
            behind=f"{beginning}g",
        )
        return first_of(VersionRow, rows)

    def add_version(self, row: VersionRow, body: str, seq: int) -> None:
        entry_id = (row.artifact_id >> search.ARTIFACT_BITS << search.SEQ_BITS) + seq
        self._keep(
            "add_version",
            artifact_id=row.artifact_id,
            number=row.number,
            entry_id=entry_id,
            digest=row.digest,
            message=row.message,
            author=row.author,
            created_at=row.created_at,
            shape=row.shape,
        )
        self._keep("add_content", entry_id=entry_id, body=body)

    def content(self, artifact_id: int, number: int) -> str | None:
        body: str | None = self._value("content", artifact_id=artifact_id, number=number)
        return body

    def tombstone(self, artifact_id: int, number: int) -> TombstoneRow | None:
        rows = self._run("tombstone", artifact_id=artifact_id, number=number)
        return first_of(TombstoneRow, rows)

    def tombstones(self, artifact_id: int) -> list[TombstoneRow]:
        return [TombstoneRow(*row) for row in self._run("tombstones", artifact_id=artifact_id)]

    def add_tombstone(self, row: TombstoneRow) -> None:
        self._run("add_tombstone", **row._asdict())
        self._run("drop_content", artifact_id=row.artifact_id, number=row.number)

    # Dependencies

    def dependencies(self, artifact_id: int, number: int) -> list[DependencyRow]:
        rows = self._run("dependencies", artifact_id=artifact_id, number=number)
        return [DependencyRow(*row) for row in rows]

    def add_dependencies(self, rows: Iterable[DependencyRow]) -> None:
        for row in rows:
            self._keep("add_dependency", **row._asdict())

    def included_artifacts(self, artifact_id: int) -> list[int]:
        return [row[0] for row in self._run("included_artifacts", artifact_id=artifact_id)]

    def including_artifacts(self, artifact_id: int) -> list[int]:
        return [row[0] for row in self._run("including_artifacts", artifact_id=artifact_id)]

    def includers(self, artifact_id: int) -> list[IncluderRow]:
        if not self._run("is_included", artifact_id=artifact_id):
            return []
        rows = self._run("includers", artifact_id=artifact_id)
        return [IncluderRow._make((*row[:-1], bool(row[-1]))) for row in rows]

    # Aliases

    def alias(self, artifact_id: int, name: str) -> AliasRow | None:
        rows = self._run("alias", artifact_id=artifact_id, name=name)
        return _alias(rows[0]) if rows else None

    def aliases(self, artifact_id: int) -> list[AliasRow]:
        return [_alias(row) for row in self._run("aliases", artifact_id=artifact_id)]

    def aliases_of(self, artifact_ids: Sequence[int]) -> list[AliasRow]:
        if not artifact_ids:
            return []
        listed, parameters = search.in_list(artifact_ids)
        sql = (
            "SELECT artifact_id, name, version, split, revision, release, moved_at, moved_by, "
            f"reason FROM alias WHERE artifact_id IN {listed} ORDER BY artifact_id, name"
        )
        return [_alias(row) for row in self._built((sql, parameters))]

    def put_alias(self, row: AliasRow) -> None:
        target = row.target or Target()
        self._run(
            "put_alias",
            artifact_id=row.artifact_id,
            name=row.name,
            version=target.version,
            split=json.dumps([[arm.version, arm.weight] for arm in target.split])
            if target.split
            else None,
            revision=row.revision,
            release=row.release,
            moved_at=row.moved_at,
            moved_by=row.moved_by,
            reason=row.reason,
        )

    # Tags

    def tags(self, artifact_id: int, number: int) -> dict[str, str]:
        return dict(self._run("tags", artifact_id=artifact_id, number=number))

    def kept_versions(
        self,
        project_id: int,
        artifact: ArtifactRow,
        key: str,
        value: str,
        limit: int,
        *,
        tagged: bool,
    ) -> list[VersionRow]:
        named = {"artifact_id": artifact.id, "key": key, "value": value, "limit": limit}
        if tagged:
            of = {"project_id": project_id, "name": artifact.name}
            rows = self._run("kept_versions_with_tag", **named, **of)
        else:
            rows = self._run("kept_versions_without_tag", **named)
        return [VersionRow(*row) for row in rows]

    def tags_of(self, artifact_id: int) -> list[tuple[int, str, str]]:
        return [(n, key, value) for n, key, value in self._run("tags_of", artifact_id=artifact_id)]

    def artifact_tags_of(self, artifact_ids: Sequence[int]) -> list[tuple[int, str, str]]:
        if not artifact_ids:
            return []
        listed, parameters = search.in_list(artifact_ids)
        sql = (
            "SELECT artifact_id, key, value FROM tag "
            f"WHERE artifact_id IN {listed} AND number = 0 ORDER BY artifact_id, key"
        )
        return [(i, key, value) for i, key, value in self._built((sql, parameters))]

    def put_tag(
        self, project_id: int, artifact_id: int, number: int, name: str, key: str, value: str
    ) -> None:
        self._keep(
            "put_tag",
            artifact_id=artifact_id,
            number=number,
            key=key,
            value=value,
            value_start=value[: search.VALUE_START],
            project_id=project_id,
            name=name,
        )

    def drop_tag(self, artifact_id: int, number: int, key: str) -> None:
        self._run("drop_tag", artifact_id=artifact_id, number=number, key=key)

    # Keys and remembered answers

    def key(self, key_id: str) -> KeyRow | None:
        return first_of(KeyRow, self._run("key", id=key_id))

    def keys(self, project_id: int) -> list[KeyRow]:
        return [KeyRow(*row) for row in self._run("keys", project_id=project_id)]

    def add_key(self, row: KeyRow) -> None:
        values = row._asdict()
        del values["revoked_at"], values["last_used_at"]
        self._run("add_key", **values)

    def revoke_key(self, key_id: str, at: int) -> None:
        self._run("revoke_key", id=key_id, at=at)

    def key_used(self, key_id: str, at: int) -> None:
        self._run("key_used", id=key_id, at=at)

    def remembered(self, project_id: int, key: str) -> Remembered | None:
        return first_of(Remembered, self._run("remembered", project_id=project_id, key=key))

    def remember(self, project_id: int, key: str, request: str, answer: str, at: int) -> None:
        self._run("remember", project_id=project_id, key=key, request=request, answer=answer, at=at)

    def forget_before(self, at: int) -> None:
        self._run("forget_before", at=at)

    def _time(self, project_id: int, seq: int) -> int:
        rows = self._run("line_time", id=(project_id << search.SEQ_BITS) + seq)
        return int(rows[0][0]) if rows else _LAST

    def _last(self, project_id: int) -> Head | None:
        first, last = _entries_of(project_id)
        return first_of(Head, self._run("head", first=first, last=last))

    def _leading_tag(self, project_id: int, query: Query) -> TagIs | None:
        """The tag whose index a search had better walk, if any: the rarest."""
        found = search.leading_tags(query)
        if not found or (len(found) == 1 and query.order == "name"):
            return found[0] if found else None
        counts = [self._built(search.count_tagged(project_id, one))[0][0] for one in found]
        rarest = min(counts)
        if query.order != "name" and rarest == search.MANY:
            return None
        return found[counts.index(rarest)]


def _entries_of(project_id: int) -> tuple[int, int]:
    """Below the first, and the last id that an entry of this project can have."""
    first = project_id << search.SEQ_BITS
    return first, first + (1 << search.SEQ_BITS) - 1


def _alias(row: Row) -> AliasRow:
    artifact_id, name, version, split, *rest = row
    target: Target | None = None
    if version is not None:
        target = Target(version=version)
    elif split is not None:
        target = Target(split=tuple(Arm(v, weight) for v, weight in json.loads(split)))
    return AliasRow(artifact_id, name, target, *rest)
