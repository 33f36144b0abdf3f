"""Moves before they are judged: where they are made, what to, and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.app.ports import AliasRow, ArtifactRow
from pointsman.core.policy import Voice
from pointsman.core.vocabulary import Target


@dataclass(frozen=True, slots=True)
class Place:
    """An alias of an artifact, as the transaction sees it; `row` is None if it never was."""

    artifact: ArtifactRow
    alias: str
    row: AliasRow | None

    @property
    def target(self) -> Target | None:
        return self.row.target if self.row else None

    @property
    def revision(self) -> int:
        return self.row.revision if self.row else 0

    @property
    def name(self) -> str:
        """Kind, name and alias in one word."""
        return f"{self.artifact.kind}:{self.artifact.name}@{self.alias}"


Moves = Sequence[tuple[Place, Target | None]]
"""Aliases, and where each is to point; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind a move beyond who makes it: the change that it comes from.

    `basis` is the digest of exactly what the change would do, `voices` what was said to that
    very basis, `authors` the ids of those who proposed and edited it. `glass` asks to pass
    over what is missing; `together` are all moves that are made at once, this one among them.
    """

    change: int | None = None
    basis: str = ""
    voices: tuple[Voice, ...] = ()
    authors: frozenset[str] = frozenset()
    glass: bool = False
    undoes: int | None = None
    together: tuple[tuple[Place, Target | None], ...] = ()
