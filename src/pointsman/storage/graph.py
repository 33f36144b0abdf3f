"""The rows that the dependency graph is made of, for many artifacts or versions at once.

What is asked for travels as a list of values that is joined to, so that each level of a walk
costs a statement for each few hundred of them and each of these an index look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import islice, repeat
from typing import Any, TypeVar

from pointsman.app.ports import ArtifactRow, DependencyRow, VersionStandingRow
from pointsman.storage.search import ARTIFACT_BITS, Statement
from pointsman.storage.statements import Row, Statements

T = TypeVar("T", bound=tuple[Any, ...])

AT_ONCE = 500
"""How many artifacts or versions one statement asks about."""

_DEPENDENCY = (
    "SELECT dependency.artifact_id, dependency.number, dependency.position, dependency.relation, "
    "dependency.selector, dependency.target_id, dependency.target_alias, "
    "dependency.target_version, dependency.variable "
    # A cross join is made in the order written: from what is asked for to the index.
    "FROM (VALUES {}) AS wanted CROSS JOIN dependency WHERE "
)
_OF_VERSIONS = (
    "dependency.artifact_id = wanted.column1 AND dependency.number = wanted.column2 "
    "ORDER BY dependency.artifact_id, dependency.number, dependency.position"
)
_OF_TARGETS = "dependency.target_id = wanted.column1"
_OF_PINS = (
    "dependency.target_id = wanted.column1 AND dependency.target_version = wanted.column2 "
    "AND dependency.target_version IS NOT NULL"
)
_ARTIFACT = (
    "SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at "
    "FROM (VALUES {}) AS wanted CROSS JOIN artifact WHERE artifact.id = wanted.column1"
)
_NAMED = (
    "SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at "
    "FROM (VALUES {}) AS wanted CROSS JOIN artifact WHERE artifact.project_id = wanted.column1 "
    "AND artifact.name = wanted.column3 AND artifact.kind = wanted.column2"
)
_CONNECTED = (
    "SELECT artifact.id, kind, name, newest, created_at, created_by, updated_at, archived_at "
    "FROM (SELECT artifact_id AS id FROM dependency "
    "WHERE artifact_id > {after} AND artifact_id < {end} "
    "UNION SELECT target_id FROM dependency WHERE target_id > {after} AND target_id < {end} "
    "ORDER BY 1 LIMIT {limit}) AS found JOIN artifact ON artifact.id = found.id "
    "ORDER BY artifact.id"
)
_STANDING = (
    "SELECT version.artifact_id, version.number, version.digest, tombstone.at "
    "FROM (VALUES {}) AS wanted CROSS JOIN version "
    "LEFT JOIN tombstone ON tombstone.artifact_id = version.artifact_id "
    "AND tombstone.number = version.number "
    "WHERE version.artifact_id = wanted.column1 AND version.number = wanted.column2"
)


class GraphRecords(Statements):
    """Reads of the dependency graph; see `app.ports.Reader`."""

    def artifacts_of(self, artifact_ids: Collection[int]) -> list[ArtifactRow]:
        rows = self._wanted(_ARTIFACT, [(one,) for one in artifact_ids])
        return _made(ArtifactRow, rows)

    def artifacts_named(
        self, project_id: int, places: Collection[tuple[str, str]]
    ) -> list[ArtifactRow]:
        rows = self._wanted(_NAMED, [(project_id, kind, name) for kind, name in places])
        return list(map(ArtifactRow._make, rows))

    def connected_artifacts(self, project_id: int, after: int, limit: int) -> list[ArtifactRow]:
        made = Statement()
        sql = _CONNECTED.format(
            after=made.bind(max(after, project_id << ARTIFACT_BITS)),
            end=made.bind(project_id + 1 << ARTIFACT_BITS),
            limit=made.bind(limit),
        )
        return list(map(ArtifactRow._make, self._built((sql, made.parameters))))

    def dependencies_of(self, versions: Collection[tuple[int, int]]) -> list[DependencyRow]:
        rows = self._wanted(_DEPENDENCY + _OF_VERSIONS, versions)
        return _made(DependencyRow, rows)

    def dependents_of(self, artifact_ids: Collection[int]) -> list[DependencyRow]:
        rows = self._wanted(_DEPENDENCY + _OF_TARGETS, [(one,) for one in artifact_ids])
        return _made(DependencyRow, rows)

    def pins_of(self, versions: Collection[tuple[int, int]]) -> list[DependencyRow]:
        rows = self._wanted(_DEPENDENCY + _OF_PINS, versions)
        return _made(DependencyRow, rows)

    def standings_of(self, versions: Collection[tuple[int, int]]) -> list[VersionStandingRow]:
        return _made(VersionStandingRow, self._wanted(_STANDING, versions))

    def _wanted(self, sql: str, wanted: Collection[tuple[int | str, ...]]) -> list[Row]:
        """The rows for all of these values, some hundred of them by each statement."""
        rows: list[Row] = []
        values = iter(wanted)
        while part := list(islice(values, AT_ONCE)):
            listed, names = _listed(len(part), len(part[0]))
            flat = (value for one in part for value in one)
            rows += self._built((sql.format(listed), dict(zip(names, flat, strict=True))))
        return rows


def _made(named: type[T], rows: Iterable[Row]) -> list[T]:
    """Rows as named tuples. Not by `_make`, which costs a call in Python for each."""
    return list(map(tuple.__new__, repeat(named), rows))


@lru_cache(maxsize=256)
def _listed(count: int, width: int) -> tuple[str, tuple[str, ...]]:
    """The placeholders of so many rows of so many values, and the names of all."""
    made = Statement()
    rows = [[made.bind(None) for _ in range(width)] for _ in range(count)]
    return ", ".join(f"({', '.join(row)})" for row in rows), tuple(made.parameters)
