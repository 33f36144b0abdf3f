"""The track: an artifact's versions as stops on a line, and its aliases as points on them.

Only where things are is worked out here, in the units of an SVG drawing; how they look is in
the template and the style sheet. What does not fit is left out and said to be: the newest
versions, those that an alias points to and those next to them stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pointsman.core.vocabulary import Alias, Target
from pointsman.web.words import colour_of

STEP = 84
"""Between two stops."""
MARGIN = 52
LINE = 24
"""The height of one alias above the line."""
MOST = 12
"""Stops on a wide track."""
_FITS = 12
"""Characters of a label."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A version on the line. `skipped` is how many versions are left out just before it."""

    number: int
    x: int
    removed: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Flag:
    """An alias above a stop. `share` is its part in per cent where the alias is a split."""

    alias: str
    colour: str
    number: int
    x: int
    y: int
    share: int | None = None

    @property
    def label(self) -> str:
        """The alias and its share, shortened to what fits between two stops."""
        text = self.alias if self.share is None else f"{self.alias} {self.share} %"
        return text if len(text) <= _FITS else f"{text[: _FITS - 1]}…"

    @property
    def width(self) -> int:
        """The width of the flag around its label."""
        return 7 * len(self.label) + 16


@dataclass(frozen=True, slots=True)
class Arc:
    """A move from one stop to another; `proposed` ones are drawn dashed."""

    alias: str
    colour: str
    before: int
    to: int
    start: int
    end: int
    y: int
    proposed: bool = False

    @property
    def path(self) -> str:
        """The arc as an SVG path, below the line."""
        depth = self.y + min(34, 12 + abs(self.end - self.start) // 8)
        middle = (self.start + self.end) // 2
        return f"M {self.start} {self.y} Q {middle} {depth + 12} {self.end} {self.y}"


@dataclass(frozen=True, slots=True)
class Track:
    """The whole drawing. `line` is the height of the line that all stops are on."""

    width: int
    height: int
    line: int
    stops: tuple[Stop, ...]
    flags: tuple[Flag, ...]
    arcs: tuple[Arc, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """A move to be drawn: where an alias was, and where it is or would be."""

    alias: str
    before: Target | None
    to: Target | None
    proposed: bool = False


def track_of(
    newest: int,
    aliases: Sequence[Alias],
    shifts: Iterable[Shift] = (),
    *,
    removed: Collection[int] = (),
    most: int = MOST,
) -> Track:
    """The track of an artifact with versions 1 to `newest`."""
    shifts = [one for one in shifts if one.before is not None and one.to is not None]
    numbers = _shown(newest, aliases, shifts, most)
    stops, at = [], MARGIN
    before = 0
    for number in numbers:
        skipped = number - before - 1
        at += STEP // 2 if skipped and before else 0
        stops.append(Stop(number, at, number in removed, skipped))
        at += STEP
        before = number
    places = {one.number: one.x for one in stops}
    flags = _flags(aliases, places)
    above = max((one.y for one in flags), default=0) + LINE
    line = above + 14
    arcs = tuple(_arcs(shifts, places, line + 31))
    below = 58 if arcs else 28
    placed = tuple(
        Flag(one.alias, one.colour, one.number, one.x, line - 20 - one.y, one.share)
        for one in flags
    )
    width = (stops[-1].x if stops else 0) + MARGIN
    return Track(width, line + below, line, tuple(stops), placed, arcs)


def _shown(newest: int, aliases: Sequence[Alias], shifts: Sequence[Shift], most: int) -> list[int]:
    """Which versions to draw: those that matter first, then the newest, then the next ones."""
    pointed = {number for one in aliases for number in one.target.versions}
    moved = {
        number
        for one in shifts
        for target in (one.before, one.to)
        for number in (target.versions if target else ())
    }
    wanted = [newest, *sorted(pointed, reverse=True), *sorted(moved, reverse=True)]
    wanted += range(newest, 0, -1)
    shown: list[int] = []
    for number in wanted:
        if len(shown) >= most:
            break
        if 0 < number <= newest and number not in shown:
            shown.append(number)
    return sorted(shown)


def _flags(aliases: Sequence[Alias], places: dict[int, int]) -> list[Flag]:
    """Aliases stacked above their stops, production lowest; `y` counts up from the line."""
    stacked: dict[int, int] = {}
    found = []
    for alias in sorted(aliases, key=lambda one: (one.name != "production", one.name)):
        total = sum(arm.weight for arm in alias.target.split)
        weights = {arm.version: arm.weight for arm in alias.target.split}
        for number in alias.target.versions:
            if number not in places:
                continue
            level = stacked.get(number, 0)
            stacked[number] = level + 1
            share = round(100 * weights[number] / total) if weights else None
            found.append(
                Flag(
                    alias.name,
                    colour_of(alias.name),
                    number,
                    places[number],
                    level * LINE,
                    share,
                )
            )
    return found


def _arcs(shifts: Iterable[Shift], places: dict[int, int], y: int) -> Iterable[Arc]:
    for one in shifts:
        assert one.before is not None
        assert one.to is not None
        for start in one.before.versions:
            for end in one.to.versions:
                if start != end and start in places and end in places:
                    yield Arc(
                        one.alias,
                        colour_of(one.alias),
                        start,
                        end,
                        places[start],
                        places[end],
                        y,
                        one.proposed,
                    )
