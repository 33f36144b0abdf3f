"""Reading: the answer to a selector, artifacts, versions, aliases, differences."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pointsman.app.application import View
from pointsman.app.describing import alias_of, artifacts_of, versions_of
from pointsman.app.including import compose_content, find_version
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import AliasRow, ArtifactRow, VersionRow
from pointsman.core import diff
from pointsman.core.content import may_include, restore_prompt
from pointsman.core.names import check_alias
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import (
    Alias,
    Artifact,
    Included,
    Page,
    Resolution,
    Version,
    Why,
    moment,
)
from pointsman.errors import Gone, InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resolution, the artifacts that it depends on, and the journal's head when it was made."""

    resolution: Resolution
    artifacts: frozenset[int]
    seq: int


def resolve(
    view: View, selector: Selector, *, at: int | None = None, key: str | None = None
) -> Resolved:
    """What a selector means now, or meant at a moment, and why.

    An answer as of a moment has no tags: they are not kept by time. Where the alias is a
    split, `key` decides which version; without one, the first version's
    readers are joined. Raises `NotFound`, or `Gone` if the content was removed.
    """
    view.require("read")
    artifact = view.artifact(selector.kind, selector.name)
    row, alias = find_version(view, artifact, selector, at, key or "")
    body = view.reader.content(artifact.id, row.number)
    if body is None:
        raise gone(view, artifact, row)
    content = json.loads(body)
    content_digest = row.digest
    included: tuple[Included, ...] = ()
    touched = {artifact.id}
    if may_include(body) and any(
        one.relation == "includes" for one in view.reader.dependencies(*row[:2])
    ):
        label = f"{artifact.name}:{row.number}"
        composition, children = compose_content(view, restore_prompt(content), label, at)
        touched |= children
        content = composition.content.to_json()
        content_digest = composition.content.digest
        included = tuple(made.origin for made in composition.made_of)
    resolution = Resolution(
        selector=str(selector),
        kind=artifact.kind,
        name=artifact.name,
        version=row.number,
        digest=row.digest,
        content=content,
        content_digest=content_digest,
        message=row.message,
        author=row.author,
        created_at=moment(row.created_at),
        tags=view.reader.tags(artifact.id, row.number) if at is None else {},
        why=_why(alias, at, included),
    )
    return Resolved(resolution, frozenset(touched), view.reader.head(view.project.id).seq)


def show_artifact(view: View, kind: str, name: str) -> Artifact:
    """An artifact with its tags and aliases. Raises `NotFound`."""
    view.require("read")
    return artifacts_of(view, [view.artifact(kind, name)])[0]


def show_version(view: View, selector: Selector) -> Version:
    """The version that a selector means, with its own content, includes left as written.

    The content is None where it was removed. Raises `NotFound`.
    """
    view.require("read")
    artifact = view.artifact(selector.kind, selector.name)
    row, _ = find_version(view, artifact, selector, None)
    return versions_of(view, artifact, [row], contents=True)[0]


def list_versions(
    view: View, kind: str, name: str, *, limit: int = 50, cursor: str | None = None
) -> Page[Version]:
    """The versions of an artifact, newest first, without their content."""
    view.require("read")
    limit = check_limit(limit)
    artifact = view.artifact(kind, name)
    place = Cursor("versions", [artifact.id])
    rows = view.reader.versions(artifact.id, place.number(cursor), limit + 1)
    more = place.write(rows[limit - 1].number) if len(rows) > limit else None
    return Page(versions_of(view, artifact, rows[:limit]), more)


def show_alias(view: View, kind: str, name: str, alias: str) -> Alias:
    """An alias as it stands. Raises `NotFound`."""
    view.require("read")
    artifact = view.artifact(kind, name)
    row = view.reader.alias(artifact.id, check_alias(alias))
    if row is None or row.target is None:
        raise NotFound(f"{name} has no alias {alias!r}.", code="alias_not_found", field="alias")
    return alias_of(row)


def compare(view: View, before: Selector, after: Selector) -> diff.ContentDiff:
    """How the content of one version differs from another's. Raises `NotFound` or `Gone`."""
    view.require("read")
    contents = []
    for selector in (before, after):
        artifact = view.artifact(selector.kind, selector.name)
        row, _ = find_version(view, artifact, selector, None)
        body = view.reader.content(artifact.id, row.number)
        if body is None:
            raise gone(view, artifact, row)
        contents.append(json.loads(body))
    if before.kind != after.kind:
        raise InvalidInput(
            f"A {before.kind} can't be compared with a {after.kind}.",
            code="different_kinds",
            hint="Compare two versions of the same kind.",
        )
    return diff.diff_contents(*contents)


def gone(view: View, artifact: ArtifactRow, row: VersionRow) -> Gone:
    """The error for a version whose content was removed, with who did it and why."""
    stone = view.reader.tombstone(artifact.id, row.number)
    by = f" by {stone.by_name}: {stone.reason}" if stone else ""
    return Gone(
        f"The content of {artifact.name}:{row.number} was removed{by}.",
        code="tombstoned",
        hint="Its number, digest and record remain; ask for another version.",
        details={"digest": row.digest, "version": row.number},
    )


def _why(alias: AliasRow | None, at: int | None, included: tuple[Included, ...]) -> Why:
    as_of = None if at is None else moment(at)
    if alias is None:
        return Why(as_of=as_of, includes=included)
    return Why(
        alias=alias.name,
        revision=alias.revision,
        release=alias.release,
        moved_at=moment(alias.moved_at),
        moved_by=alias.moved_by,
        reason=alias.reason,
        split=alias.target.split if alias.target else (),
        as_of=as_of,
        includes=included,
    )
