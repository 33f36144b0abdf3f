"""What walks over the dependency graph ask of the store: as things stand, or stood at a moment."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from pointsman.app.ports import ArtifactRow, EntryFilter, Reader
from pointsman.core.graph import Edge, Standing, VersionKey
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Target

_AT_ONCE = 500
_ARCHIVING = ("artifact.archived", "artifact.restored")


class Now:
    """As things stand: some statements for each few hundred artifacts. See `graph.Lookups`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def artifacts(self, ids: Collection[int]) -> Iterator[Standing]:
        """These artifacts with their aliases."""
        remaining = iter(ids)
        while part := list(islice(remaining, _AT_ONCE)):
            aliases: dict[int, dict[str, Target]] = {}
            for row in self._reader.aliases_of(part):
                if row.target is not None:
                    aliases.setdefault(row.artifact_id, {})[row.name] = row.target
            for one in self._reader.artifacts_of(part):
                archived = one.archived_at is not None
                its = aliases.get(one.id, {})
                yield Standing(one.id, one.kind, one.name, one.newest, its, archived)

    def dependencies(self, versions: Collection[VersionKey]) -> list[Edge]:
        """What these versions depend on."""
        return self._reader.dependencies_of(versions)

    def dependents(self, ids: Collection[int]) -> list[Edge]:
        """What depends on these artifacts."""
        return self._reader.dependents_of(ids)

    def pins(self, versions: Collection[VersionKey]) -> list[Edge]:
        """What depends on these very versions."""
        return self._reader.pins_of(versions)


class Then(Now):
    """As things stood at a moment, by the journal: some statements for each artifact.

    Dependencies never change. Those of later versions are told as well, which nothing pointed to
    by then.
    """

    def __init__(self, reader: Reader, project_id: int, at: int) -> None:
        super().__init__(reader)
        self._project_id = project_id
        self._at = at

    def artifacts(self, ids: Collection[int]) -> Iterator[Standing]:
        """These artifacts with their aliases, if they were there."""
        remaining = iter(ids)
        while part := list(islice(remaining, _AT_ONCE)):
            names: dict[int, list[str]] = {}
            for row in self._reader.aliases_of(part):
                names.setdefault(row.artifact_id, []).append(row.name)
            for one in self._reader.artifacts_of(part):
                if one.created_at <= self._at:
                    yield self._standing(one, names.get(one.id, ()))

    def _standing(self, row: ArtifactRow, names: Sequence[str]) -> Standing:
        newest = self._reader.version_at(row.id, self._at)
        aliases = {}
        for name in names:
            line = self._reader.alias_line_at(row.id, name, self._at)
            target = target_from_plain(json.loads(line.data)["to"]) if line else None
            if target is not None:
                aliases[name] = target
        number = newest.number if newest else 0
        return Standing(row.id, row.kind, row.name, number, aliases, self._was_archived(row.id))

    def _was_archived(self, artifact_id: int) -> bool:
        where = EntryFilter(artifact_id=artifact_id, types=_ARCHIVING, until=self._at)
        lines = self._reader.lines_where(self._project_id, where, None, 1)
        return bool(lines) and lines[0].type == _ARCHIVING[0]
