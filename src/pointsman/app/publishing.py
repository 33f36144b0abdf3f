"""Publishing: a new immutable version, and what comes with it in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pointsman.app import releases
from pointsman.app.application import View, Work
from pointsman.app.blobs import check_files
from pointsman.app.describing import told_dependency, version_of
from pointsman.app.evaluating.patterns import check_patterns
from pointsman.app.including import check_shape_kept, dependency_rows, plain_dependency
from pointsman.app.places import Place
from pointsman.app.ports import ArtifactRow, DependencyRow, VersionRow
from pointsman.app.readable import check_readable
from pointsman.app.tagging import MAX_TAGS, set_tag_row
from pointsman.core.canonical import JSON
from pointsman.core.contents import parse_content
from pointsman.core.models import ModelContent
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
from pointsman.core.suites import SuiteContent
from pointsman.core.vocabulary import Dependency, Published, Release
from pointsman.errors import Conflict, InvalidName, PointsmanError, TooLarge

MAX_BULK = 1_000


@dataclass(frozen=True, slots=True)
class Publish:
    """What to publish, and what to do along with it.

    `if_changed` gives the newest version back when it has the same content already; declaring
    dependencies counts as a change.
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
    (archived, a look-alike name, no longer the newest version, or files that are not there).
    """
    press = _Press(work)
    published = press.publish(wanted)
    press.finish()
    return published


def publish_many(work: Work, wanted: Sequence[Publish]) -> tuple[Published, ...]:
    """Publish all of these, in order, or none. Errors say which one they are about."""
    if len(wanted) > MAX_BULK:
        raise TooLarge(
            f"{len(wanted)} versions were given at once.",
            hint=f"Send at most {MAX_BULK} a request.",
            field="versions",
        )
    press = _Press(work)
    done = []
    for position, one in enumerate(wanted):
        try:
            done.append(press.publish(one))
        except PointsmanError as error:
            error.field = f"versions/{position}/{error.field.lstrip('/')}".rstrip("/")
            raise
    press.finish()
    return tuple(done)


def create(work: Work, kind: str, name: str, tags: Mapping[str, str]) -> ArtifactRow:
    """Make an artifact that has no version yet, with these tags.

    For protocols that name a thing first and give it versions later; whoever publishes has no
    need of it. Raises `Refused`, `InvalidName`, `TooLarge`, or `Conflict` if it is there.
    """
    kind, name = check_kind(kind), check_name(name)
    work.require("write", kind, name)
    checked = _checked_tags(tags)
    if work.tx.artifact(work.project.id, kind, name) is not None:
        raise _taken(kind, name)
    artifact = _new_artifact(work, kind, name)
    for key, value in checked.items():
        set_tag_row(work, artifact, 0, key, value)
    return artifact


def check_free(view: View, kind: str, name: str) -> str:
    """The name itself, if an artifact can be made under it.

    Raises `Refused`, `InvalidName` (also where it looks like another one), or `Conflict` if
    there is one of this very name.
    """
    kind, name = check_kind(kind), check_name(name)
    view.require("write", kind, name)
    if view.reader.artifact(view.project.id, kind, name) is not None:
        raise _taken(kind, name)
    _check_distinct(view, kind, name)
    return name


class _Press:
    """Publishes one version after another, and remembers the artifacts that it has met.

    The artifacts' rows are brought up to date by `finish`, once for many versions, or before
    something is done that may look at them.
    """

    def __init__(self, work: Work) -> None:
        work.require("write")
        self._work = work
        self._artifacts: dict[tuple[str, str], ArtifactRow] = {}
        self._shapes: dict[int, str | None] = {}
        self._behind: dict[int, ArtifactRow] = {}
        self._included: dict[int, tuple[()]] = {}
        self._alone: set[int] = set()

    def finish(self) -> None:
        """Bring the rows up to date, and see that all that includes them can be read."""
        self._catch_up()
        if self._included:
            check_readable(self._work, self._included)
            self._included = {}

    def _catch_up(self) -> None:
        """Bring the rows of the artifacts up to date."""
        for row in self._behind.values():
            self._work.tx.touch_artifact(row.id, row.newest, row.updated_at)
        self._behind.clear()

    def publish(self, wanted: Publish) -> Published:
        work = self._work
        kind, name = check_kind(wanted.kind), check_name(wanted.name)
        work.require("write", kind, name)
        content = parse_content(kind, wanted.content)
        if isinstance(content, SuiteContent):
            check_patterns(content)
        if isinstance(content, ModelContent):
            check_files(work, content)
        message = check_message(wanted.message)
        tags = _checked_tags(wanted.tags)
        artifact = self._artifacts.get((kind, name)) or work.tx.artifact(
            work.project.id, kind, name
        )
        _check_expected(artifact, name, wanted)
        digest = content.digest
        if wanted.if_changed and artifact is not None and not wanted.dependencies:
            current = work.tx.version(artifact.id, artifact.newest)
            gone = work.tx.tombstone(artifact.id, artifact.newest) is not None
            if current is not None and current.digest == digest and not gone:
                return self._keep(artifact, current, wanted, tags)
        if artifact is None:
            artifact = _new_artifact(work, kind, name)
        if content.includes or content.uses or wanted.dependencies or wanted.aliases:
            self._catch_up()
        number = artifact.newest + 1
        dependencies = dependency_rows(work, artifact, number, content, wanted.dependencies)
        shape = content.shape
        if artifact.id not in self._shapes or self._shapes[artifact.id] != shape:
            self._catch_up()  # what includes it as the newest may be among those behind
            check_shape_kept(work, artifact, shape)
        fact: dict[str, object] = {
            "kind": kind,
            "name": name,
            "version": number,
            "digest": digest,
            "message": message,
        }
        if shape is not None:
            fact["shape"] = shape
        if dependencies:
            fact["dependencies"] = [plain_dependency(one) for one in dependencies]
        line = work.record("version.published", fact, artifact=artifact.id)
        row = VersionRow(artifact.id, number, digest, message, work.actor.name, line.at, shape)
        work.tx.add_version(row, content.canonical, line.seq)
        work.tx.add_dependencies(dependencies)
        for key, value in tags.items():
            set_tag_row(work, artifact, number, key, value)
        artifact = artifact._replace(newest=number, updated_at=line.at)
        self._artifacts[kind, name] = self._behind[artifact.id] = artifact
        self._shapes[artifact.id] = shape
        if dependencies:
            self._alone.clear()
        if number > 1 and artifact.id not in self._included and artifact.id not in self._alone:
            if work.tx.including_artifacts(artifact.id):
                self._included[artifact.id] = ()
            else:
                self._alone.add(artifact.id)
        release = self._move_aliases(artifact, number, wanted)
        version = version_of(
            artifact,
            row,
            tags=tags,
            aliases=tuple(sorted(set(wanted.aliases))),
            dependencies=_told(dependencies),
        )
        return Published(version, created=True, release=release)

    def _keep(
        self,
        artifact: ArtifactRow,
        current: VersionRow,
        wanted: Publish,
        tags: Mapping[str, str],
    ) -> Published:
        """Answer with the newest version, which has this content, and do the rest to it."""
        work = self._work
        for key, value in tags.items():
            set_tag_row(work, artifact, current.number, key, value)
        release = self._move_aliases(artifact, current.number, wanted)
        version = version_of(
            artifact,
            current,
            tags=work.tx.tags(artifact.id, current.number),
            aliases=tuple(
                row.name
                for row in work.tx.aliases(artifact.id)
                if row.target and current.number in row.target.versions
            ),
            dependencies=_told(work.tx.dependencies(artifact.id, current.number)),
        )
        return Published(version, created=False, release=release)

    def _move_aliases(self, artifact: ArtifactRow, number: int, wanted: Publish) -> Release | None:
        if not wanted.aliases:
            return None
        self.finish()
        orders = []
        for alias in dict.fromkeys(check_alias(one) for one in wanted.aliases):
            row = self._work.tx.alias(artifact.id, alias)
            orders.append((Place(artifact, alias, row), Order(single(number))))
        return releases.carry_out(self._work, orders, wanted.reason or wanted.message)


def _check_expected(artifact: ArtifactRow | None, name: str, wanted: Publish) -> None:
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


def _new_artifact(work: Work, kind: str, name: str) -> ArtifactRow:
    look = _check_distinct(work, kind, name)
    row = work.tx.add_artifact(work.project.id, kind, name, look, work.now, work.actor.name)
    work.record("artifact.created", {"kind": kind, "name": name}, artifact=row.id)
    return row


def _check_distinct(view: View, kind: str, name: str) -> str:
    """The key under which names that look alike collide, if this one collides with none."""
    look = skeleton(name)
    twin = view.reader.artifact_by_skeleton(view.project.id, kind, look)
    if twin is not None:
        raise InvalidName(
            f"{name!r} looks like {twin.name!r}, which exists.",
            code="look_alike",
            hint=f"Publish to {twin.name!r}, or choose a name that people can tell apart.",
            field="name",
        )
    return look


def _taken(kind: str, name: str) -> Conflict:
    return Conflict(
        f"There is a {kind} {name!r} already.",
        code="artifact_exists",
        hint="Publish to it, or choose another name.",
        field="name",
    )


def _told(rows: Sequence[DependencyRow]) -> tuple[Dependency, ...]:
    return tuple(told_dependency(row) for row in rows)


def _checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise TooLarge(
            f"{len(tags)} tags were given.", hint=f"Give at most {MAX_TAGS}.", field="tags"
        )
    return {check_tag_key(key): check_tag_value(value) for key, value in tags.items()}
