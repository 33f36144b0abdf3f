"""The rows of signed checkpoints of journals."""

from __future__ import annotations

from pathlib import Path

from pointsman.app.ports.checkpoints import CheckpointRow
from pointsman.storage.statements import Statements, first_of

_LAST = 2**62


class CheckpointRecords(Statements):
    """Reads and writes of signed checkpoints of journals; see `app.ports.checkpoints`."""

    def checkpoints(self, project_id: int, before: int | None, limit: int) -> list[CheckpointRow]:
        last = _LAST if before is None else before
        rows = self._run("checkpoints", project_id=project_id, before=last, limit=limit)
        return [CheckpointRow(*row) for row in rows]

    def checkpoint(self, project_id: int, seq: int, key: str) -> CheckpointRow | None:
        rows = self._run("checkpoint", project_id=project_id, seq=seq, key=key)
        return first_of(CheckpointRow, rows)

    def add_checkpoint(self, row: CheckpointRow) -> None:
        self._run("add_checkpoint", **row._asdict())

    def home(self) -> str | None:
        if self._dialect != "sqlite":
            return None
        file = self._execute("SELECT file FROM pragma_database_list WHERE name = 'main'", {})[0][0]
        return str(Path(file).parent) if file else None
