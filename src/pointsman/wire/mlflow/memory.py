"""Answers that were given before, from memory: what an application asks whenever it loads.

An answer is kept with the artifacts that were looked at for it, and dropped when anything
happens to one of them. One for which something was looked for and not found is not kept: what
would make it wrong is not known. What is kept is for callers who may read the whole project.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from pointsman.app.application import Caller, View
from pointsman.app.ports import ArtifactRow, Reader
from pointsman.app.table import Table
from pointsman.app.tail import Tail
from pointsman.wire.running import Read


@dataclass(slots=True)
class Ready:
    """An answer as it is sent, and about how many bytes keeping it takes."""

    body: bytes
    size: int


class Memory:
    """Ready answers by the project, the path and the query that they are to."""

    def __init__(self, tail: Tail) -> None:
        self._table = Table[Ready](tail)

    def get(self, caller: Caller, path: str, query: bytes) -> bytes | None:
        """The answer to this, if it is at hand and for this caller."""
        if caller.actor.narrow:
            return None
        ready = self._table.get((caller.project.id, path, query))
        return None if ready is None else ready.body

    def keeping(self, caller: Caller, path: str, query: bytes, plan: Read) -> Read:
        """The plan, so carried out that its answer is kept, if it is for more than this caller."""
        if caller.actor.narrow:
            return plan
        # Before anything is read: what changes from here on makes the answer too old to keep.
        generation = self._table.generation
        key: Hashable = (caller.project.id, path, query)

        def read(view: View) -> msgspec.Raw:
            noting = _Noting(view.reader)
            view.reader = cast("Reader", noting)
            answer = msgspec.json.encode(plan.use_case(view))
            if noting.complete:
                artifacts = frozenset(noting.artifacts)
                self._table.put(key, Ready(answer, 2 * len(answer) + 500), artifacts, generation)
            return msgspec.Raw(answer)

        return Read(read)


class _Noting:
    """A reader that notes which artifacts it was asked for."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.artifacts: set[int] = set()
        self.complete = True

    def artifact(self, project_id: int, kind: str, name: str) -> ArtifactRow | None:
        """See `Reader`."""
        return self._noted(self._reader.artifact(project_id, kind, name))

    def artifact_by_id(self, artifact_id: int) -> ArtifactRow | None:
        """See `Reader`."""
        return self._noted(self._reader.artifact_by_id(artifact_id))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return cast("Callable[..., Any]", getattr(self._reader, name))

    def _noted(self, row: ArtifactRow | None) -> ArtifactRow | None:
        if row is None:
            self.complete = False
        else:
            self.artifacts.add(row.id)
        return row
