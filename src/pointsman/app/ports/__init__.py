"""What the use cases need of a store, said as protocols that `storage` fulfils.

A `Store` gives consistent reads and durable writes. `tests/contract/` holds the suite that
every store must pass. Times are microseconds since the epoch here; people see `datetime`s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from pointsman.app.ports.blobs import BlobReader
from pointsman.app.ports.checkpoints import CheckpointReader, CheckpointTransaction
from pointsman.app.ports.evaluation import EvaluationReader, EvaluationTransaction
from pointsman.app.ports.governance import GovernanceReader, GovernanceTransaction
from pointsman.app.ports.people import PeopleReader, PeopleTransaction
from pointsman.app.ports.providers import ProviderReader, ProviderTransaction
from pointsman.app.ports.tracking import TrackingReader, TrackingTransaction
from pointsman.app.ports.webhooks import WebhookReader, WebhookTransaction
from pointsman.core.graph import Edge
from pointsman.core.journal import Head, Line
from pointsman.core.search import Query
from pointsman.core.vocabulary import Target

T = TypeVar("T")


class ProjectRow(NamedTuple):
    """A project: the tenant boundary."""

    id: int
    name: str
    uid: str
    created_at: int


class ArtifactRow(NamedTuple):
    """An artifact. `newest` is the number of its newest version, 0 before the first."""

    id: int
    kind: str
    name: str
    newest: int
    created_at: int
    created_by: str
    updated_at: int
    archived_at: int | None


class VersionRow(NamedTuple):
    """A version without its content."""

    artifact_id: int
    number: int
    digest: str
    message: str
    author: str
    created_at: int
    shape: str | None


class StandingRow(NamedTuple):
    """What a move to a version has to know of it."""

    digest: str
    removed: bool
    """Whether its content was removed."""
    composed: bool
    """Whether it includes others, or any version of its artifact is included."""


class AliasRow(NamedTuple):
    """An alias. `target` is None where it was deleted; its revision counts on."""

    artifact_id: int
    name: str
    target: Target | None
    revision: int
    release: int
    moved_at: int
    moved_by: str
    reason: str


DependencyRow = Edge
"""What a version depends on. Alias and version are both None where the newest is meant."""


class VersionStandingRow(NamedTuple):
    """The digest of a version, and whether its content was removed, and when."""

    artifact_id: int
    number: int
    digest: str
    removed_at: int | None


class IncluderRow(NamedTuple):
    """A version that includes an artifact, and how its selector points at it."""

    artifact_id: int
    kind: str
    name: str
    number: int
    target_alias: str | None
    target_version: int | None
    live: bool
    """Whether an alias points to the including version, or it is the newest."""


class TombstoneRow(NamedTuple):
    """The record of a removed content."""

    artifact_id: int
    number: int
    at: int
    by_name: str
    reason: str


class KeyRow(NamedTuple):
    """An API key; `secret_hash` is the SHA-256 of its secret in hexadecimal.

    `owner` is `person:N`, or None for a service; `verbs` a JSON list, or None for all.
    `everywhere` is 1 for the store's first key, which is for the whole installation.
    """

    id: str
    project_id: int
    name: str
    role: str
    secret_hash: str
    created_at: int
    created_by: str
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    owner: str | None = None
    verbs: str | None = None
    artifacts: str = "*"
    aliases: str = "*"
    everywhere: int = 0


class Remembered(NamedTuple):
    """The answer that was given to an idempotency key, and the digest of its request."""

    request: str
    answer: str


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which journal entries are wanted. All given conditions must hold."""

    artifact_id: int | None = None
    alias: str | None = None
    types: tuple[str, ...] = ()
    actor: str | None = None
    since: int | None = None
    until: int | None = None


class Reader(
    PeopleReader,
    GovernanceReader,
    WebhookReader,
    CheckpointReader,
    EvaluationReader,
    ProviderReader,
    TrackingReader,
    BlobReader,
    Protocol,
):
    """A consistent view of the store: all its answers are of one moment."""

    def meta(self, key: str) -> str | None: ...
    def projects(self) -> list[ProjectRow]: ...
    def project(self, name: str) -> ProjectRow | None: ...
    def project_by_id(self, project_id: int) -> ProjectRow | None: ...
    def heads(self) -> dict[int, int]:
        """Project id → last sequence number of its journal."""
        ...

    def head(self, project_id: int) -> Head: ...
    def lines(self, project_id: int, after: int, limit: int) -> list[Line]:
        """Journal entries with a sequence number above `after`, in order."""
        ...

    def lines_where(
        self, project_id: int, where: EntryFilter, before: int | None, limit: int
    ) -> list[Line]:
        """Journal entries that match, newest first, below the sequence number `before`."""
        ...

    def seq_at(self, project_id: int, at: int) -> int:
        """The last sequence number at or before a moment (0 if none)."""
        ...

    def alias_line_at(self, artifact_id: int, alias: str, at: int) -> Line | None:
        """The last move of an alias at or before a moment."""
        ...

    def alias_lines(
        self, artifact_id: int, alias: str, before: int | None, limit: int
    ) -> list[Line]:
        """Moves of an alias, newest first, below the sequence number `before`."""
        ...

    def artifact(self, project_id: int, kind: str, name: str) -> ArtifactRow | None: ...
    def artifact_by_id(self, artifact_id: int) -> ArtifactRow | None: ...
    def artifacts_of(self, artifact_ids: Collection[int]) -> list[ArtifactRow]: ...
    def artifact_by_skeleton(
        self, project_id: int, kind: str, skeleton: str
    ) -> ArtifactRow | None: ...
    def artifacts_after(self, project_id: int, after: int, limit: int) -> list[ArtifactRow]:
        """Artifacts in the order of their ids: for walks over the whole store."""
        ...

    def search(
        self, project_id: int, query: Query, after: tuple[str | int, ...] | None, limit: int
    ) -> list[ArtifactRow]:
        """Artifacts that match all of `query` but its text, in its order, after a position.

        `query.name` is looked for in skeletons, so it has to be one.
        """
        ...

    def version(self, artifact_id: int, number: int) -> VersionRow | None: ...
    def standing(self, artifact_id: int, number: int) -> StandingRow | None: ...
    def versions(self, artifact_id: int, before: int | None, limit: int) -> list[VersionRow]:
        """Versions, newest first, below the number `before`."""
        ...

    def version_at(self, artifact_id: int, at: int) -> VersionRow | None:
        """The newest version published at or before a moment."""
        ...

    def version_by_digest(self, artifact_id: int, beginning: str) -> VersionRow | None:
        """The newest version whose digest begins so; one that has its content, if any has."""
        ...

    def content(self, artifact_id: int, number: int) -> str | None:
        """Canonical content, or None if there is no such version or it was removed."""
        ...

    def tombstone(self, artifact_id: int, number: int) -> TombstoneRow | None: ...
    def tombstones(self, artifact_id: int) -> list[TombstoneRow]: ...
    def dependencies(self, artifact_id: int, number: int) -> list[DependencyRow]: ...
    def dependencies_of(self, versions: Collection[tuple[int, int]]) -> list[DependencyRow]:
        """What these versions (artifact's id and number) depend on, in the order of position."""
        ...

    def dependents_of(self, artifact_ids: Collection[int]) -> list[DependencyRow]:
        """What depends on these artifacts, by any selector: also what nobody reads any more."""
        ...

    def pins_of(self, versions: Collection[tuple[int, int]]) -> list[DependencyRow]:
        """What depends on these very versions, by their number."""
        ...

    def standings_of(self, versions: Collection[tuple[int, int]]) -> list[VersionStandingRow]:
        """What these versions are, where they exist."""
        ...

    def included_artifacts(self, artifact_id: int) -> list[int]:
        """Ids of the artifacts that any version of this one includes."""
        ...

    def including_artifacts(self, artifact_id: int) -> list[int]:
        """Ids of the artifacts any version of which includes this one."""
        ...

    def includers(self, artifact_id: int) -> list[IncluderRow]: ...
    def alias(self, artifact_id: int, name: str) -> AliasRow | None: ...
    def aliases(self, artifact_id: int) -> list[AliasRow]: ...
    def aliases_of(self, artifact_ids: Sequence[int]) -> list[AliasRow]: ...
    def tags(self, artifact_id: int, number: int) -> dict[str, str]: ...
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
        """The newest versions that have their content, with a (short) tag or without it."""
        ...

    def tags_of(self, artifact_id: int) -> list[tuple[int, str, str]]:
        """(version number, key, value) of an artifact and all its versions; 0: itself."""
        ...

    def artifact_tags_of(self, artifact_ids: Sequence[int]) -> list[tuple[int, str, str]]: ...
    def key(self, key_id: str) -> KeyRow | None: ...
    def keys(self, project_id: int) -> list[KeyRow]: ...
    def remembered(self, project_id: int, key: str) -> Remembered | None: ...


class Transaction(
    PeopleTransaction,
    GovernanceTransaction,
    WebhookTransaction,
    CheckpointTransaction,
    EvaluationTransaction,
    ProviderTransaction,
    TrackingTransaction,
    Reader,
    Protocol,
):
    """A reader that may also write. All of it becomes durable together, or nothing does."""

    def append(self, project_id: int, line: Line, head: Head) -> None:
        """Add the journal entry that `core.journal.follow` made of this project's head."""
        ...

    def add_artifact(
        self, project_id: int, kind: str, name: str, skeleton: str, at: int, by: str
    ) -> ArtifactRow: ...
    def touch_artifact(self, artifact_id: int, newest: int, at: int) -> None: ...
    def archive_artifact(self, artifact_id: int, at: int, archived_at: int | None) -> None: ...
    def add_version(self, row: VersionRow, body: str, seq: int) -> None:
        """Add a version with its content; `seq` is the number of the entry that published it."""
        ...

    def add_dependencies(self, rows: Iterable[DependencyRow]) -> None: ...
    def add_tombstone(self, row: TombstoneRow) -> None:
        """Record the tombstone and remove the content under it."""
        ...

    def put_alias(self, row: AliasRow) -> None: ...
    def put_tag(
        self, project_id: int, artifact_id: int, number: int, name: str, key: str, value: str
    ) -> None: ...
    def drop_tag(self, artifact_id: int, number: int, key: str) -> None: ...
    def add_key(self, row: KeyRow) -> None: ...
    def revoke_key(self, key_id: str, at: int) -> None: ...
    def key_used(self, key_id: str, at: int) -> None: ...
    def remember(self, project_id: int, key: str, request: str, answer: str, at: int) -> None: ...
    def forget_before(self, at: int) -> None:
        """Drop idempotency answers given before a moment."""
        ...


class Store(Protocol):
    """Where a registry is kept."""

    def read(self) -> AbstractContextManager[Reader]:
        """A consistent view. Raises `Unavailable` if the database can't be reached."""
        ...

    def write(self, project_id: int, change: Callable[[Transaction], T]) -> T:
        """Run `change` in a transaction and return once it is durable.

        Whatever `change` raises leaves nothing behind and is raised here. Changes waiting at
        the same time share one durable commit, each in a savepoint of its own.
        Raises `Unavailable` (nothing was written) or `OutcomeUnknown`.
        """
        ...

    def submit(
        self,
        project_id: int,
        change: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
    ) -> None:
        """`write` without waiting: `done(result, error)` is called on the writer's thread."""
        ...

    def on_commit(self, listener: Callable[[Sequence[tuple[int, Line]]], None]) -> None:
        """Call `listener` with (project id, entry) of each commit made through this store.

        It is called before the writers are answered, in the order of the commits, so that
        whoever has been told of a change finds it in every view fed by the listener.
        """
        ...

    def wait_for_change(self, timeout: float) -> bool:
        """Wait until others may have written to the same database, or `timeout` seconds."""
        ...

    def close(self) -> None:
        """Finish what was accepted and let go of the database."""
        ...
