"""Measuring side by side: rounds that take turns, ratios of neighbours, one table.

A round of one contender is compared with the round of the other that ran next to it, so that
whatever else the machine was doing weighs on both. The figure is the median of these ratios;
their lowest and highest say how noisy it was.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Round = Callable[[], float]
"""Runs one round and returns its cost or its rate, whichever the row compares."""

Verdict = Literal["reached", "missed", "not measured", "for comparison"]


class NotMeasuredError(Exception):
    """Something that a row needs is not there; the message says what."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What rounds gave: the median, and from where to where."""

    middle: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """The spread of one contender's rounds."""
        return cls(statistics.median(samples), min(samples), max(samples))

    @classmethod
    def of_ratios(cls, above: Sequence[float], below: Sequence[float]) -> Spread:
        """The spread of the ratios of rounds that ran next to each other."""
        return cls.of([one / other for one, other in zip(above, below, strict=True)])


@dataclass(frozen=True, slots=True)
class Bound:
    """What a row must reach: at least or at most so much, of a unit."""

    least: float | None = None
    most: float | None = None
    unit: str = "×"

    def holds(self, value: float) -> bool:
        """Whether a value reaches it."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        sign, value = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return f"{sign} {value:,g} {self.unit}"


def at_least(value: float, unit: str = "×") -> Bound:
    """The more the better."""
    return Bound(least=value, unit=unit)


def at_most(value: float, unit: str = "×") -> Bound:
    """The less the better."""
    return Bound(most=value, unit=unit)


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table. `ratio` has the bound's unit: mostly ×, but also ms or MB."""

    row: str
    must: Bound | None
    ours: str = ""
    yardstick: str = ""
    ratio: Spread | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    missing: str = ""
    """Why it was not measured."""

    @property
    def in_short(self) -> str:
        """The row in one line, for who waits for the table."""
        unit = self.must.unit if self.must else "×"
        ratio = "" if self.ratio is None else f" {figure(self.ratio.middle)} {unit}"
        return f"{self.row}: {self.ours}{ratio}, {self.verdict} {self.missing}".rstrip()

    @property
    def verdict(self) -> Verdict:
        """Whether the row reached what it must."""
        if self.missing:
            return "not measured"
        if self.ratio is None or self.must is None:
            return "for comparison"
        return "reached" if self.must.holds(self.ratio.middle) else "missed"

    def to_json(self) -> dict[str, object]:
        """The row as JSON."""
        return {
            "row": self.row,
            "ours": self.ours,
            "yardstick": self.yardstick,
            "ratio": self.ratio and self.ratio.middle,
            "lowest": self.ratio and self.ratio.lowest,
            "highest": self.ratio and self.ratio.highest,
            "unit": self.must.unit if self.must else None,
            "must": str(self.must) if self.must else None,
            "verdict": self.verdict,
            "missing": self.missing or None,
            "notes": list(self.notes),
        }


def interleave(rounds: int, *contenders: Round) -> list[list[float]]:
    """Let contenders take turns for so many rounds; each one's samples.

    Every other turn goes backwards, so that nobody always runs after the same neighbour. The
    first turn warms everything up and is not counted.
    """
    samples: list[list[float]] = [[] for _ in contenders]
    order = list(range(len(contenders)))
    for contender in contenders:
        contender()
    for _ in range(rounds):
        for index in order:
            samples[index].append(contenders[index]())
        order.reverse()
    return samples


def compare_costs(
    row: str, must: Bound | None, ours: Sequence[float], theirs: Sequence[float], *notes: str
) -> Result:
    """How many times as many seconds we take."""
    shown = duration(Spread.of(ours).middle), duration(Spread.of(theirs).middle)
    return Result(row, must, *shown, Spread.of_ratios(ours, theirs), notes)


def compare_speeds(
    row: str, must: Bound | None, ours: Sequence[float], theirs: Sequence[float], *notes: str
) -> Result:
    """How many times faster we are, from the seconds that each takes."""
    shown = duration(Spread.of(ours).middle), duration(Spread.of(theirs).middle)
    return Result(row, must, *shown, Spread.of_ratios(theirs, ours), notes)


def compare_rates(
    row: str, must: Bound | None, ours: Sequence[float], theirs: Sequence[float], *notes: str
) -> Result:
    """How many times as much we do a second."""
    shown = per_second(Spread.of(ours).middle), per_second(Spread.of(theirs).middle)
    return Result(row, must, *shown, Spread.of_ratios(ours, theirs), notes)


def table(results: Iterable[Result]) -> str:
    """The results as text: aligned columns, notes below, a legend at the end."""
    lines = [("row", "ours", "yardstick", "ratio", "(lowest … highest)", "must reach", "verdict")]
    notes: list[str] = []
    for result in results:
        marks = ""
        for note in result.notes:
            if note not in notes:
                notes.append(note)
            marks += f" [{notes.index(note) + 1}]"
        ratio = result.ratio
        unit = result.must.unit if result.must else "×"
        lines.append(
            (
                result.row + marks,
                result.ours,
                result.yardstick,
                "" if ratio is None else f"{figure(ratio.middle)} {unit}",
                "" if ratio is None else f"({figure(ratio.lowest)} … {figure(ratio.highest)})",
                str(result.must or ""),
                result.verdict + (f": {result.missing}" if result.missing else ""),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [_aligned(line, widths) for line in lines]
    text.insert(1, "─" * len(max(text, key=len)))
    text += [""] + [f"[{number}] {note}" for number, note in enumerate(notes, 1)]
    return "\n".join([*text, "", LEGEND])


LEGEND = (
    "Both columns of a row were measured in the same minutes, in rounds that took turns. ratio is\n"
    "the median over pairs of neighbouring rounds (or the figure itself where there is no\n"
    "yardstick) and decides the verdict; lowest … highest says how noisy the machine was.\n"
    '"not measured" is neither reached nor missed.'
)


def figure(value: float) -> str:
    """A number with as many digits as are worth reading."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """A time with its unit."""
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 1_000:
            return f"{figure(seconds * factor)} {unit}"
    return f"{figure(seconds)} s"


def per_second(rate: float, what: str = "") -> str:
    """A rate with its unit."""
    return f"{figure(rate)} {what}".rstrip() + "/s"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *middle, must, verdict = (
        text.ljust(width) if column in (0, 5, 6) else text.rjust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join([first, *middle, must, verdict]).rstrip()
