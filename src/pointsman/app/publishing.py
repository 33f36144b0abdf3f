"""Publishing: a new immutable version, and what comes with it in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pointsman.app import releases
from pointsman.app.application import Work
from pointsman.app.describing import version_of
from pointsman.app.including import check_shape_kept, dependency_rows
from pointsman.app.ports import ArtifactRow, VersionRow
from pointsman.app.tagging import set_tag_row
from pointsman.core.canonical import JSON
from pointsman.core.content import parse_content
from pointsman.core.names import (
    check_alias,
    check_kind,
    check_message,
    check_name,
    check_tag_key,
    check_tag_value,
    skeleton,
)
from pointsman.core.releases import Order, single
from pointsman.core.vocabulary import Dependency, Published, Release
from pointsman.errors import Conflict, InvalidInput, InvalidName, TooLarge

MAX_BULK = 1_000
MAX_TAGS = 100


@dataclass(frozen=True, slots=True)
class Publish:
    """What to publish, and what to do along with it.

    `if_changed` gives the newest version back when it has the same content already.
    `if_newest` is the newest version's number as the caller saw it (0: no artifact yet).
    `aliases` are moved to the new version, for `reason` (or else the message).
    """

    name: str
    content: JSON
    kind: str = "prompt"
    message: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    dependencies: Sequence[Dependency] = ()
    reason: str = ""
    if_changed: bool = False
    if_newest: int | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """What publishing several versions did, in the order they were given."""

    published: tuple[Published, ...]


def publish(work: Work, wanted: Publish) -> Published:
    """Add a version to an artifact, which is made if there is none of that name.

    Raises `Refused`, `InvalidName`, `InvalidContent`, `NotFound` (a dependency) or `Conflict`
    (archived, a look-alike name, or no longer the newest version).
    """
    work.require("write")
    kind, name = check_kind(wanted.kind), check_name(wanted.name)
    content = parse_content(kind, wanted.content)
    message = check_message(wanted.message)
    tags = _checked_tags(wanted.tags)
    artifact = work.tx.artifact(work.project.id, kind, name)
    newest = artifact.newest if artifact else 0
    if artifact is not None and artifact.archived_at is not None:
        raise Conflict(
            f"{name} is archived.",
            code="archived",
            hint="Restore the artifact before publishing to it.",
        )
    if wanted.if_newest is not None and wanted.if_newest != newest:
        raise Conflict(
            f"The newest version of {name} is {newest}, not {wanted.if_newest}.",
            code="newer_version",
            hint="Look at what was published meanwhile, then publish on top of it.",
            field="if_newest",
            details={"newest": newest},
        )
    digest = content.digest
    if wanted.if_changed and artifact is not None and newest:
        current = work.tx.version(artifact.id, newest)
        if current is not None and current.digest == digest:
            return _unchanged(work, artifact, current, wanted, tags)
    if artifact is None:
        artifact = _new_artifact(work, kind, name)
    number = newest + 1
    dependencies = dependency_rows(work, artifact, number, content, wanted.dependencies)
    check_shape_kept(work, artifact, content.shape)
    at = work.now
    row = VersionRow(artifact.id, number, digest, message, work.actor.name, at, content.shape)
    fact: dict[str, object] = {
        "kind": kind,
        "name": name,
        "version": number,
        "digest": digest,
        "message": message,
    }
    if content.shape is not None:
        fact["shape"] = content.shape
    if dependencies:
        fact["dependencies"] = [[one.relation, one.selector] for one in dependencies]
    line = work.record("version.published", fact, artifact=artifact.id)
    work.tx.add_version(row, content.canonical, line.seq)
    work.tx.add_dependencies(dependencies)
    work.tx.touch_artifact(artifact.id, number, at)
    for key, value in tags.items():
        set_tag_row(work, artifact, number, key, value)
    artifact = artifact._replace(newest=number, updated_at=at)
    release = _move_aliases(work, artifact, number, wanted) if wanted.aliases else None
    version = version_of(
        artifact,
        row,
        tags=tags,
        aliases=tuple(sorted(set(wanted.aliases))),
        dependencies=tuple(
            Dependency(one.relation, one.selector)  # type: ignore[arg-type]
            for one in dependencies
        ),
    )
    return Published(version, created=True, release=release)


def publish_many(work: Work, wanted: Sequence[Publish]) -> tuple[Published, ...]:
    """Publish all of these, in order, or none."""
    if len(wanted) > MAX_BULK:
        raise TooLarge(
            f"{len(wanted)} versions were given at once.",
            hint=f"Send at most {MAX_BULK} a request.",
            field="versions",
        )
    done = []
    for position, one in enumerate(wanted):
        try:
            done.append(publish(work, one))
        except InvalidInput as error:
            error.field = f"versions/{position}/{error.field}".rstrip("/")
            raise
    return tuple(done)


def _unchanged(
    work: Work,
    artifact: ArtifactRow,
    current: VersionRow,
    wanted: Publish,
    tags: Mapping[str, str],
) -> Published:
    for key, value in tags.items():
        set_tag_row(work, artifact, current.number, key, value)
    release = _move_aliases(work, artifact, current.number, wanted) if wanted.aliases else None
    version = version_of(
        artifact,
        current,
        tags=work.tx.tags(artifact.id, current.number),
        aliases=tuple(
            row.name
            for row in work.tx.aliases(artifact.id)
            if row.target and current.number in row.target.versions
        ),
        dependencies=tuple(
            Dependency(row.relation, row.selector)  # type: ignore[arg-type]
            for row in work.tx.dependencies(artifact.id, current.number)
        ),
    )
    return Published(version, created=False, release=release)


def _move_aliases(
    work: Work, artifact: ArtifactRow, number: int, wanted: Publish
) -> Release | None:
    orders = []
    for alias in dict.fromkeys(check_alias(one) for one in wanted.aliases):
        place = releases.Place(artifact, alias, work.tx.alias(artifact.id, alias))
        orders.append((place, Order(single(number))))
    return releases.carry_out(work, orders, wanted.reason or wanted.message)


def _new_artifact(work: Work, kind: str, name: str) -> ArtifactRow:
    look = skeleton(name)
    twin = work.tx.artifact_by_skeleton(work.project.id, kind, look)
    if twin is not None:
        raise InvalidName(
            f"{name!r} looks like {twin.name!r}, which exists.",
            code="look_alike",
            hint=f"Publish to {twin.name!r}, or choose a name that people can tell apart.",
            field="name",
        )
    at = work.now
    row = work.tx.add_artifact(work.project.id, kind, name, look, at, work.actor.name)
    work.record("artifact.created", {"kind": kind, "name": name}, artifact=row.id)
    return row


def _checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise TooLarge(
            f"{len(tags)} tags were given.", hint=f"Give at most {MAX_TAGS}.", field="tags"
        )
    return {check_tag_key(key): check_tag_value(value) for key, value in tags.items()}
