"""Tags: searchable words on artifacts and versions. They never deploy anything."""

from __future__ import annotations

from pointsman.app.application import Work
from pointsman.app.ports import ArtifactRow
from pointsman.core.names import check_tag_key, check_tag_value, told_tag_value
from pointsman.errors import NotFound, TooLarge

MAX_TAGS = 100
"""Tags of one artifact or one version."""


def set_tag(work: Work, kind: str, name: str, number: int | None, key: str, value: str) -> bool:
    """Set a tag of an artifact, or of one of its versions. False if it had that value.

    Raises `NotFound`, `InvalidName` or `Refused`.
    """
    artifact, version = _place(work, kind, name, number)
    return set_tag_row(work, artifact, version, check_tag_key(key), check_tag_value(value))


def delete_tag(work: Work, kind: str, name: str, number: int | None, key: str) -> bool:
    """Delete a tag. False if there was none. Raises `NotFound` or `Refused`."""
    artifact, version = _place(work, kind, name, number)
    key = check_tag_key(key)
    before = work.tx.tags(artifact.id, version).get(key)
    if before is None:
        return False
    fact = _fact(artifact, version, key)
    fact["before"] = told_tag_value(key, before)
    work.record("tag.deleted", fact, artifact=artifact.id)
    work.tx.drop_tag(artifact.id, version, key)
    return True


def set_tag_row(work: Work, artifact: ArtifactRow, number: int, key: str, value: str) -> bool:
    """Set a checked tag of an artifact (number 0) or a version that exists."""
    tags = work.tx.tags(artifact.id, number)
    before = tags.get(key)
    if before == value:
        return False
    if before is None and len(tags) >= MAX_TAGS:
        raise TooLarge(
            f"{artifact.name}{f':{number}' if number else ''} has {len(tags)} tags already.",
            code="too_many_tags",
            hint=f"At most {MAX_TAGS} fit; delete some that nobody searches by.",
            field="tags",
        )
    fact = {**_fact(artifact, number, key), "value": told_tag_value(key, value)}
    if before is not None:
        fact["before"] = told_tag_value(key, before)
    work.record("tag.set", fact, artifact=artifact.id)
    work.tx.put_tag(work.project.id, artifact.id, number, artifact.name, key, value)
    return True


def _fact(artifact: ArtifactRow, number: int, key: str) -> dict[str, object]:
    fact: dict[str, object] = {"kind": artifact.kind, "name": artifact.name, "key": key}
    if number:
        fact["version"] = number
    return fact


def _place(work: Work, kind: str, name: str, number: int | None) -> tuple[ArtifactRow, int]:
    work.require("write", kind, name)
    artifact = work.artifact(kind, name)
    if number is None:
        return artifact, 0
    if work.tx.version(artifact.id, number) is None:
        raise NotFound(
            f"{name} has no version {number}.", code="version_not_found", field="version"
        )
    return artifact, number
