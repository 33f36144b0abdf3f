"""What the use cases need of a store for signed checkpoints of journals."""

from __future__ import annotations

from typing import Protocol


class CheckpointReader(Protocol):
    """What is read of signed checkpoints of journals."""


class CheckpointTransaction(CheckpointReader, Protocol):
    """What is written of signed checkpoints of journals."""
