"""Drawing a graph by levels: columns from left to right, what is needed before what needs it.

Pure, and small graphs only: levels by the longest way, the order in a column by barycentre,
lines that pass a column get a place in it so that they run between nodes, never through one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)

WIDTH = 208
"""Of a node."""
HEIGHT = 78
ACROSS = 132
"""Between two columns: room for what is written on a line."""
BETWEEN = 22
"""Between two nodes of a column."""
MARGIN = 12
_PASSING = 14
"""The height of a line that passes a column."""
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Spot(Generic[N]):
    """Where a node is: its upper left corner, and its column."""

    node: N
    x: int
    y: int
    level: int


@dataclass(frozen=True, slots=True)
class Line(Generic[N]):
    """An edge as points to go through. `back`: it closes a circle, and runs from right to left."""

    start: N
    end: N
    points: tuple[tuple[int, int], ...]
    back: bool = False

    @property
    def path(self) -> str:
        """The line as an SVG path, level where it leaves and where it arrives."""
        (x, y), *rest = self.points
        made = [f"M {x} {y}"]
        for to_x, to_y in rest:
            middle = (x + to_x) // 2
            made.append(f"C {middle} {y}, {middle} {to_y}, {to_x} {to_y}")
            x, y = to_x, to_y
        return " ".join(made)

    @property
    def middle(self) -> tuple[int, int]:
        """Where to write on it: in the last gap before its end."""
        (x, y), (to_x, to_y) = self.points[-2:]
        return (x + to_x) // 2, (y + to_y) // 2


@dataclass(frozen=True, slots=True)
class Layout(Generic[N]):
    """The whole drawing."""

    width: int
    height: int
    spots: tuple[Spot[N], ...]
    lines: tuple[Line[N], ...]


def lay_out(nodes: Sequence[N], edges: Iterable[tuple[N, N]]) -> Layout[N]:
    """A drawing of nodes and edges (from what is needed to what needs it).

    Every node is in it once, and no two overlap. An edge runs from left to right, unless it
    closes a circle. Edges of what is not among the nodes, and from a node to itself, are left
    out; the same edges are one.
    """
    known = dict.fromkeys(nodes)
    pairs = [one for one in dict.fromkeys(edges) if one[0] != one[1] and known.keys() >= set(one)]
    back = _closing(list(known), pairs)
    forward = [one for one in pairs if one not in back]
    levels = _levels(list(known), forward)
    columns, chains = _columns(levels, forward)
    _untangle(columns, chains)
    heights = _heights(columns, chains)
    return _drawn(levels, columns, heights, chains, [one for one in pairs if one in back])


Place = tuple[int, int]
"""A place in a column: the column's number, and that of what is in it."""


def _closing(nodes: Sequence[N], edges: Sequence[tuple[N, N]]) -> set[tuple[N, N]]:
    """The edges that close circles, as a walk through all in their order meets them."""
    after: dict[N, list[N]] = defaultdict(list)
    for start, end in edges:
        after[start].append(end)
    found: set[tuple[N, N]] = set()
    state: dict[N, int] = {}
    for root in nodes:
        if root in state:
            continue
        state[root] = 1
        trail = [(root, iter(after[root]))]
        while trail:
            here, rest = trail[-1]
            following = next(rest, None)
            if following is None:
                state[here] = 2
                trail.pop()
            elif following not in state:
                state[following] = 1
                trail.append((following, iter(after[following])))
            elif state[following] == 1:
                found.add((here, following))
    return found


def _levels(nodes: Sequence[N], edges: Sequence[tuple[N, N]]) -> dict[N, int]:
    """Each node's column: one more than the last of those that it needs."""
    before: dict[N, list[N]] = defaultdict(list)
    after: dict[N, list[N]] = defaultdict(list)
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    waiting = {node: len(before[node]) for node in nodes}
    ready = [node for node in nodes if not waiting[node]]
    levels: dict[N, int] = {}
    for node in ready:  # grows while it is walked
        levels[node] = max((levels[one] + 1 for one in before[node]), default=0)
        for following in after[node]:
            waiting[following] -= 1
            if not waiting[following]:
                ready.append(following)
    # What nothing else leads to stands right before the first that needs it.
    for node in nodes:
        if not before[node] and after[node]:
            levels[node] = min(levels[one] for one in after[node]) - 1
    return levels


@dataclass(slots=True)
class _Item(Generic[N]):
    """What takes a place in a column: a node, or a line that passes (`node` is None)."""

    node: N | None
    key: int


def _columns(
    levels: Mapping[N, int], edges: Sequence[tuple[N, N]]
) -> tuple[list[list[_Item[N]]], dict[tuple[N, N], list[Place]]]:
    """What is in each column, and the places that each edge goes through."""
    columns: list[list[_Item[N]]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    keys: dict[N, int] = {}
    for number, (node, level) in enumerate(levels.items()):
        keys[node] = number
        columns[level].append(_Item(node, number))
    chains: dict[tuple[N, N], list[Place]] = {}
    key = len(levels)
    for start, end in edges:
        chain = [(levels[start], keys[start])]
        for level in range(levels[start] + 1, levels[end]):
            columns[level].append(_Item(None, key))
            chain.append((level, key))
            key += 1
        chains[start, end] = [*chain, (levels[end], keys[end])]
    return columns, chains


def _neighbours(
    chains: Mapping[tuple[N, N], Sequence[Place]],
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    left: dict[int, list[int]] = defaultdict(list)
    right: dict[int, list[int]] = defaultdict(list)
    for chain in chains.values():
        for (_, one), (_, other) in pairwise(chain):
            left[other].append(one)
            right[one].append(other)
    return left, right


def _untangle(columns: list[list[_Item[N]]], chains: Mapping[tuple[N, N], Sequence[Place]]) -> None:
    """Order each column by where its neighbours stand, from left to right and back."""
    left, right = _neighbours(chains)
    for sweep in range(_SWEEPS):
        around, order = (right, columns[::-1]) if sweep % 2 else (left, columns)
        places = {item.key: at for column in columns for at, item in enumerate(column)}
        for column in order:
            weights = {
                item.key: _mean([places[one] for one in around[item.key]], places[item.key])
                for item in column
            }
            column.sort(key=lambda item: (weights[item.key], places[item.key]))
            places.update((item.key, at) for at, item in enumerate(column))


def _heights(
    columns: Sequence[Sequence[_Item[N]]], chains: Mapping[tuple[N, N], Sequence[Place]]
) -> dict[int, int]:
    """The middle of each place: near its neighbours, in its order, with room between."""
    left, right = _neighbours(chains)
    middles: dict[int, float] = {}
    for column in columns:
        at = 0.0
        for item in column:
            size = _size(item)
            middles[item.key] = at + size / 2
            at += size + BETWEEN
    for sweep in range(_SWEEPS):
        around, order = (right, columns[::-1]) if sweep % 2 else (left, columns)
        for column in order:
            wanted = [
                _mean([middles[one] for one in around[item.key]], middles[item.key])
                for item in column
            ]
            _spread(column, wanted, middles)
    return _closed_up([item for column in columns for item in column], middles)


def _closed_up(items: Sequence[_Item[N]], middles: Mapping[int, float]) -> dict[int, int]:
    """The middles from the top on, without bands in which no column has anything."""
    made: dict[int, int] = {}
    taken, end = 0.0, float("-inf")
    for item in sorted(items, key=lambda item: middles[item.key] - _size(item) / 2):
        start = middles[item.key] - _size(item) / 2
        empty = start - end - BETWEEN
        if not made:
            taken = start - MARGIN
        elif empty > 0:
            taken += empty
        end = max(end, start + _size(item))
        made[item.key] = round(middles[item.key] - taken)
    return made


def _spread(column: Sequence[_Item[N]], wanted: Sequence[float], middles: dict[int, float]) -> None:
    """Put a column's items as near as they get to where they want to be, in their order."""
    down: list[float] = []
    for at, item in enumerate(column):
        least = down[-1] + _gap(column[at - 1], item) if at else wanted[0]
        down.append(max(wanted[at], least))
    up = list(wanted)
    for at in range(len(column) - 2, -1, -1):
        up[at] = min(wanted[at], up[at + 1] - _gap(column[at], column[at + 1]))
    # Halfway between pushing all down and pushing all up, which keeps every gap.
    for at, item in enumerate(column):
        middles[item.key] = (down[at] + up[at]) / 2


def _size(item: _Item[N]) -> int:
    return HEIGHT if item.node is not None else _PASSING


def _gap(one: _Item[N], other: _Item[N]) -> float:
    """Between the middles of two items, one below the other; rounding must not eat it."""
    return (_size(one) + _size(other)) / 2 + BETWEEN


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _drawn(
    levels: Mapping[N, int],
    columns: Sequence[Sequence[_Item[N]]],
    heights: Mapping[int, int],
    chains: Mapping[tuple[N, N], Sequence[Place]],
    back: Sequence[tuple[N, N]],
) -> Layout[N]:
    spots = {
        item.node: Spot(
            item.node,
            MARGIN + level * (WIDTH + ACROSS),
            heights[item.key] - HEIGHT // 2,
            level,
        )
        for level, column in enumerate(columns)
        for item in column
        if item.node is not None
    }
    lines = []
    for (start, end), chain in chains.items():
        points = [(spots[start].x + WIDTH, spots[start].y + HEIGHT // 2)]
        for level, key in chain[1:-1]:
            x = MARGIN + level * (WIDTH + ACROSS)
            points += [(x, heights[key]), (x + WIDTH, heights[key])]
        points.append((spots[end].x, spots[end].y + HEIGHT // 2))
        lines.append(Line(start, end, tuple(points)))
    for start, end in back:
        one, other = spots[start], spots[end]
        points = [(one.x + WIDTH // 2, one.y), (other.x + WIDTH // 2, other.y)]
        lines.append(Line(start, end, tuple(points), back=True))
    width = max((one.x + WIDTH for one in spots.values()), default=0) + MARGIN
    below = max((heights[item.key] for column in columns for item in column), default=0)
    return Layout(
        width,
        below + HEIGHT // 2 + MARGIN,
        tuple(spots[node] for node in levels),
        tuple(lines),
    )
