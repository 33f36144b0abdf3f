"""The rows of signed checkpoints of journals."""

from __future__ import annotations

from pointsman.storage.statements import Statements


class CheckpointRecords(Statements):
    """Reads and writes of signed checkpoints of journals; see `app.ports.checkpoints`."""
