"""What the use cases need of a store for signed checkpoints, and of where they are put as files."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class CheckpointRow(NamedTuple):
    """A signed checkpoint; `key` is the public key that verifies it, `note` all of its text."""

    project_id: int
    seq: int
    key: str
    at: int
    hash: str
    note: str


class CheckpointReader(Protocol):
    """What is read of signed checkpoints of journals."""

    def checkpoints(self, project_id: int, before: int | None, limit: int) -> list[CheckpointRow]:
        """Checkpoints, newest first, of fewer entries than `before`."""
        ...

    def checkpoint(self, project_id: int, seq: int, key: str) -> CheckpointRow | None: ...
    def home(self) -> str | None:
        """The folder that the registry is in; None if it is in a database elsewhere."""
        ...


class CheckpointTransaction(CheckpointReader, Protocol):
    """What is written of signed checkpoints of journals."""

    def add_checkpoint(self, row: CheckpointRow) -> None: ...


class Shelf(Protocol):
    """Where checkpoints are put as files, each once and for good: a folder, an object store."""

    def has(self, name: str) -> bool:
        """Whether a file of this name is there. Raises `Unavailable` if that can't be told."""
        ...

    def put(self, name: str, note: str) -> None:
        """Add a file, whole or not at all. Raises `Unavailable`."""
        ...
