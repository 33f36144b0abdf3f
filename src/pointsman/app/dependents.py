"""What depends on one version, directly: by its number, by an alias, or as the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pointsman.app.application import View
from pointsman.core.access import may
from pointsman.core.vocabulary import Relation
from pointsman.errors import NotFound


@dataclass(frozen=True, slots=True)
class Dependent:
    """A version that depends on another one; `aliases` point to it, or it is the newest."""

    kind: str
    name: str
    version: int
    relation: Relation
    selector: str
    aliases: tuple[str, ...]


def dependents(view: View, kind: str, name: str, number: int) -> tuple[Dependent, ...]:
    """What depends on a version as things stand: live versions and newest ones, by their names.

    Versions that nobody reads any more are left out, and so is what the asker may not read.
    Raises `NotFound`.
    """
    view.require("read")
    artifact = view.artifact(kind, name)
    if view.reader.version(artifact.id, number) is None:
        raise NotFound(
            f"{name} has no version {number}.", code="version_not_found", field="version"
        )
    pointing = {
        row.name
        for row in view.reader.aliases(artifact.id)
        if row.target is not None and number in row.target.versions
    }
    rows = [
        row
        for row in view.reader.dependents_of([artifact.id])
        if row.target_version == number
        or row.target_alias in pointing
        or (row.target_version is None and row.target_alias is None and artifact.newest == number)
    ]
    ids = list({row.artifact_id for row in rows})
    known = {one.id: one for one in view.reader.artifacts_of(ids)}
    live: dict[tuple[int, int], list[str]] = {}
    for alias in view.reader.aliases_of(ids):
        for version in alias.target.versions if alias.target is not None else ():
            live.setdefault((alias.artifact_id, version), []).append(alias.name)
    found = []
    for row in rows:
        one, aliases = known[row.artifact_id], live.get((row.artifact_id, row.number), [])
        in_use = aliases or row.number == one.newest
        if in_use and may(view.actor, "read", one.kind, one.name).allowed:
            relation = cast("Relation", row.relation)
            place = one.kind, one.name, row.number
            found.append(Dependent(*place, relation, row.selector, tuple(aliases)))
    return tuple(sorted(found, key=lambda one: (one.kind, one.name, one.version)))
