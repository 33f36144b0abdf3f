"""The words of the project as types: what every surface says and every client hears.

All are frozen. Times are aware `datetime`s in UTC with microseconds, versions and revisions
count from 1, digests are 64 lowercase hexadecimal characters. The HTTP API sends exactly
these shapes as JSON; `core.plain` turns JSON back into them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from pointsman.errors import InvalidInput

Role = Literal["viewer", "editor", "reviewer", "releaser", "admin"]
Verb = Literal["read", "write", "propose", "approve", "report", "move", "admin"]
Relation = Literal["includes", "consumes", "uses"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """The aware UTC time that lies `micros` microseconds after the Unix epoch."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    """Microseconds from the Unix epoch to an aware time; exact, unlike `timestamp()`.

    Raises `InvalidInput` for a time without a zone, which could mean any of two dozen moments,
    and for one that lies in the year 0 or 10,000 in UTC.
    """
    if at.utcoffset() is None:
        raise InvalidInput(
            f"The time {at.isoformat()} has no zone.",
            code="invalid_time",
            hint="Add Z for UTC, or an offset such as +01:00 (in a URL, + is written %2B).",
        )
    try:
        return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except OverflowError as error:
        raise InvalidInput(
            f"The time {at.isoformat()} is out of range.",
            code="invalid_time",
            hint="In UTC it must lie in the years 1 to 9999.",
        ) from error


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch of a split: a version and its share of the split's total weight."""

    version: int
    weight: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where an alias points: one version, or a split of weighted versions."""

    version: int | None = None
    split: tuple[Arm, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version that a reader of the alias may be given."""
        return tuple(arm.version for arm in self.split) if self.version is None else (self.version,)

    def pick(self, key: str, salt: str) -> int:
        """The version that a reader identified by `key` gets, the same one each time.

        Buckets are cut in the order of the versions, so raising the weight of the newest one
        only ever moves readers towards it. `salt` (the alias's full name) keeps two
        experiments from cutting the same people. Who has no key gets the first version.
        """
        if self.version is not None:
            return self.version
        if not key:
            return self.split[0].version
        hashed = hashlib.sha256(f"{salt}\n{key}".encode()).digest()
        total = sum(arm.weight for arm in self.split)
        point = int.from_bytes(hashed[:8], "big") * total >> 64
        for arm in self.split:
            if point < arm.weight:
                return arm.version
            point -= arm.weight
        raise AssertionError("a point below the total weight lies in one of the arms")

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version}"
        return "split " + ", ".join(f"{arm.version} ({arm.weight})" for arm in self.split)


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable pointer as it stands now, and the move that put it there."""

    name: str
    target: Target
    revision: int
    release: int
    moved_at: datetime
    moved_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a version was made to work with: a relation and the selector as written.

    `variable` is the variable of the template that takes the output of what is consumed; empty
    where that isn't told, and for other relations.
    """

    relation: Relation
    selector: str
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The record of a version whose content was removed."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Version:
    """An immutable version. `content` is None in lists and where it was removed."""

    kind: str
    name: str
    number: int
    digest: str
    message: str
    author: str
    created_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    tombstone: Tombstone | None = None
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A named thing with versions. `newest` is the number of its newest version."""

    kind: str
    name: str
    newest: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    archived_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """The fact that an alias changed. `to` is None where the alias was deleted."""

    kind: str
    name: str
    alias: str
    before: Target | None
    to: Target | None
    revision: int


@dataclass(frozen=True, slots=True)
class Release:
    """Moves made together with one reason. `number` is the sequence number of its first move.

    `undoes` is the number of the release that this one rolled back, if it is a rollback.
    """

    number: int
    at: datetime
    by: str
    reason: str
    moves: tuple[Move, ...]
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Included:
    """One prompt that was composed into an answer, and how its selector was answered."""

    selector: str
    name: str
    version: int
    digest: str
    alias: str | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Why a selector means this version: the alias and the move that put it there.

    All are None for a selector that names a version or asks for the newest. `split` has the
    arms that were chosen among; `as_of` is the moment asked about, if it was not now.
    """

    alias: str | None = None
    revision: int | None = None
    release: int | None = None
    moved_at: datetime | None = None
    moved_by: str | None = None
    reason: str | None = None
    split: tuple[Arm, ...] = ()
    as_of: datetime | None = None
    includes: tuple[Included, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer to a selector: a version, its content ready for use, and why.

    `content` has all includes composed in; `content_digest` commits to its canonical bytes
    and equals `digest` where nothing is included.
    """

    selector: str
    kind: str
    name: str
    version: int
    digest: str
    content: Mapping[str, Any]
    content_digest: str
    message: str
    author: str
    created_at: datetime
    tags: Mapping[str, str]
    why: Why


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did. `created` is False where the newest version already had this content."""

    version: Version
    created: bool
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact in the journal of a project, chained to the one before it by `previous`."""

    seq: int
    at: datetime
    type: str
    actor: str
    by: str
    via: str
    data: Mapping[str, Any]
    hash: str
    previous: str


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret.

    `person` is the e-mail address of whoever it acts as, None for a service; `verbs` None
    means all that its owner may do.
    """

    id: str
    name: str
    role: Role
    project: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    person: str | None = None
    verbs: tuple[str, ...] | None = None
    artifacts: str = "*"
    aliases: str = "*"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with the only copy of its secret there will ever be."""

    key: Key
    secret: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How one alias, artifact or version differs between two moments."""

    kind: str
    name: str
    alias: str | None
    before: Target | None
    after: Target | None
    moves: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `doctor` found wrong: which invariant, where, and what, in words.

    Where the store and the journal differ, `message` has each fact that does, with both sides.
    """

    check: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` looked at, how much of it, and everything that was wrong."""

    checked: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, and the opaque cursor that continues it (None at the end)."""

    items: tuple[T, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """What asking for a release did. `release` is None where everything was so already."""

    release: Release | None
