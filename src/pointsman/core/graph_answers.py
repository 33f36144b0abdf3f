"""What people and programs are told of the dependency graph; what it means is in `core.graph`.

A node is named by its id: ``prompt:support/reply@production``, or ``prompt:support/reply:7`` for
a version that is depended on by its number, or as the newest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pointsman.core.vocabulary import Relation

Trouble = Literal["", "no alias", "no version", "removed", "archived"]
"""Why a dependency leads nowhere: it means nothing, or what was removed or archived."""


@dataclass(frozen=True, slots=True)
class Link:
    """A dependency of one version of a node, and the ids of the nodes that it means."""

    relation: Relation
    selector: str
    version: int
    variable: str = ""
    to: tuple[str, ...] = ()
    trouble: Trouble = ""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """An alias of an artifact (or a version by itself, where `alias` is None), and its links.

    `level` tells how many dependencies it is away from where a walk began.
    """

    id: str
    kind: str
    name: str
    alias: str | None
    versions: tuple[int, ...]
    level: int = 0
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes of the world of an alias, as of a moment if one was asked for.

    `hidden` counts those that the asker may not read. `cursor` goes on where a page ended.
    """

    alias: str
    at: datetime | None
    nodes: tuple[GraphNode, ...]
    hidden: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """What moving an alias would affect, breadth first, and what the way there leads through.

    `through` has what is no node of the world but lies between: versions pinned by their number.
    """

    alias: str
    at: datetime | None
    moved: tuple[GraphNode, ...]
    affected: tuple[GraphNode, ...]
    through: tuple[GraphNode, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A dependency that leads nowhere; `id` is the node that has it."""

    id: str
    link: Link


@dataclass(frozen=True, slots=True)
class GraphProblems:
    """What is strange in the world of an alias: nodes that need each other, and dead ends.

    `dead_ends` has the first of so many as `count` tells.
    """

    alias: str
    at: datetime | None
    cycles: tuple[tuple[str, ...], ...]
    dead_ends: tuple[DeadEnd, ...]
    count: int = 0
    hidden: int = 0
