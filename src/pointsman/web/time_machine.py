"""The time machine: what was where at a moment, who had put it there, and what differs since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pointsman.app import history, moments, reading
from pointsman.app.application import View
from pointsman.app.moments import Mark, Span, Stood
from pointsman.core.access import may
from pointsman.core.names import check_kind
from pointsman.core.record import Evidence
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Alias, Artifact, Difference, Target, micros, moment
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import InvalidInput, PointsmanError, Refused
from pointsman.web.clock import field_text, typed_moment
from pointsman.web.sentences import Piece, Sentence
from pointsman.web.track import Shift, Track, track_of
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import address, colour_of, told_target

PER_PAGE = 50
MOST = 10_000
"""Entries between two moments that a page looks through."""
_TICKS = 300


@dataclass(frozen=True, slots=True)
class Tick:
    """A move on the line of time: how far along it is, in per cent, and what it was."""

    along: float
    colour: str
    words: str


@dataclass(frozen=True, slots=True)
class Became:
    """What became another between two moments, with the address that compares both."""

    sentence: Sentence
    compare: str


@dataclass(frozen=True, slots=True)
class Then:
    """One artifact at a moment: its track, and for each alias on what grounds it stood there."""

    artifact: Artifact
    track: Track
    evidence: Sequence[Evidence]
    newest: int


@dataclass(frozen=True, slots=True)
class Look:
    """What the page shows, read at one moment."""

    span: Span | None
    stood: Items[Stood]
    then: Then | None
    differences: Sequence[Difference]
    refusal: PointsmanError | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """The moment that is looked at, and the one it is compared with, in microseconds."""

    at: int
    other: int
    given: bool

    @property
    def order(self) -> tuple[int, int]:
        """Both, the earlier one first."""
        return min(self.at, self.other), max(self.at, self.other)


def project_time(visit: Visit) -> Answer:
    """What every alias of the project pointed to at a moment."""
    return _shown(visit, None)


def artifact_time(visit: Visit) -> Answer:
    """What the aliases of one artifact pointed to at a moment, and on what grounds."""
    return _shown(visit, (visit.kind, visit.name))


def _shown(visit: Visit, one: tuple[str, str] | None) -> Answer:
    error: PointsmanError | None = None
    try:
        when = _moments(visit)
    except InvalidInput as problem:
        error, when = problem, _without(visit)
    search, cursor = visit.ask("q").strip(), visit.ask("after") or None
    look = visit.see(lambda view: _look(view, one, when, search, cursor))
    first, last = when.order
    at, other = moment(when.at), moment(when.other)
    return visit.page(
        "time.html",
        status=200 if error is None else status_of(error),
        one=one,
        look=look,
        at=at,
        given=when.given,
        earlier=moment(first),
        later=moment(last),
        differences=[_told(visit.project, difference) for difference in look.differences],
        line=_line(visit, look.span, at) if look.span else None,
        at_field=visit.ask("at") if error else field_text(at, visit.zone),
        other_field=visit.ask("other") if error or visit.ask("other") else "",
        other=other,
        zone_name=getattr(visit.zone, "key", "UTC"),
        until_now=not (when.given and visit.ask("other")),
        presets=_presets(visit.now, look.span),
        search=search,
        error=None if error is None else told(error),
        refusal=None if look.refusal is None else told(look.refusal),
    )


def _moments(visit: Visit) -> Moments:
    now = micros(visit.now)
    at = typed_moment(visit.ask("at"), visit.zone, field="at")
    other = typed_moment(visit.ask("other"), visit.zone, field="other")
    if other is None:
        other = _day_before(now) if at is None else now
    return Moments(now if at is None else min(at, now), min(other, now), at is not None)


def _without(visit: Visit) -> Moments:
    now = micros(visit.now)
    return Moments(now, _day_before(now), given=False)


def _day_before(at: int) -> int:
    return at - 24 * 3_600 * 1_000_000


def _look(
    view: View, one: tuple[str, str] | None, when: Moments, search: str, cursor: str | None
) -> Look:
    kind, name = one or ("", "")
    stood = moments.standing_at(
        view, when.at, kind=kind, name=name, containing=search, limit=PER_PAGE, cursor=cursor
    )
    then = _then(view, kind, name, when.at, stood.items) if one else None
    refusal: PointsmanError | None = None
    differences: tuple[Difference, ...] = ()
    try:
        differences = history.differences(view, *when.order, kind=kind, name=name, most=MOST)
    except (InvalidInput, Refused) as problem:
        refusal = problem
    span = moments.span(view, kind=kind, name=name) if one or _reads_all(view) else None
    return Look(span, stood, then, differences, refusal)


def _reads_all(view: View) -> bool:
    return not view.actor.narrow and may(view.actor, "read").allowed


def _then(view: View, kind: str, name: str, at: int, stood: Sequence[Stood]) -> Then:
    artifact = reading.show_artifact(view, kind, name)
    newest = moments.newest_at(view, kind, name, at)
    aliases = [
        Alias(
            name=one.alias,
            target=one.target,
            revision=one.move.revision,
            release=one.move.release,
            moved_at=one.move.at,
            moved_by=one.move.by,
            reason=one.move.reason,
        )
        for one in stood
    ]
    now = {one.name: one.target for one in artifact.aliases}
    since = [
        Shift(one.alias, one.target, now.get(one.alias))
        for one in stood
        if now.get(one.alias) not in (None, one.target)
    ]
    evidence = [
        history.evidence(view, Selector(check_kind(kind), name, alias=one.alias), at)
        for one in sorted(stood, key=lambda one: (one.alias != "production", one.alias))
    ]
    then = Artifact(kind, name, newest, artifact.created_at, artifact.created_by, moment(at),
                    aliases=tuple(aliases))  # fmt: skip
    shown = [one for one in since if one.to and max(one.to.versions) <= newest]
    return Then(then, track_of(newest, aliases, shown), evidence, artifact.newest)


def _line(visit: Visit, span: Span, at: datetime) -> Mapping[str, object]:
    """The line of time: its ends in seconds, its ticks, and the moves just before and after."""
    start, end = span.first, max(visit.now, span.last)
    length = max((end - start).total_seconds(), 1.0)
    ticks = [
        Tick(
            round(100 * (mark.at - start).total_seconds() / length, 2),
            colour_of(mark.alias),
            f"{mark.alias} of {mark.name}: {told_target(mark.to)}",
        )
        for mark in span.marks[-_TICKS:]
    ]
    return {
        "first": int(start.timestamp()),
        "last": int(end.timestamp()) + 1,
        "value": int(at.timestamp()),
        "start": start,
        "ticks": ticks,
        "before": _iso(next((one for one in reversed(span.marks) if one.at < at), None)),
        "after": _iso(next((one for one in span.marks if one.at > at), None)),
    }


def _iso(mark: Mark | None) -> str:
    return mark.at.isoformat() if mark else ""


def _presets(now: datetime, span: Span | None) -> list[tuple[str, str]]:
    """Moments that people ask about and that the record covers, as addresses have them."""
    ages = (
        ("an hour ago", timedelta(hours=1)),
        ("a day ago", timedelta(days=1)),
        ("a week ago", timedelta(days=7)),
        ("30 days ago", timedelta(days=30)),
    )
    return [
        (words, (now - age).replace(microsecond=0).isoformat())
        for words, age in ages
        if span is None or now - age > span.first
    ]


def _told(project: str, one: Difference) -> Became:
    """What became another, as a sentence."""
    artifact = Piece(
        one.name if one.kind == "prompt" else f"{one.kind} {one.name}",
        address(project, one.kind, one.name),
    )
    before, after = one.before, one.after
    times = f", in {one.moves} moves" if one.moves > 1 else ""
    pieces: list[Piece | str]
    if one.alias is None:
        first = max(before.versions) + 1 if before else 1
        last = max(after.versions) if after else first
        word = f"version {last}" if first == last else f"versions {first} to {last}"
        pieces = ["", artifact, f" got {word}"]
    else:
        alias = Piece(one.alias, alias=one.alias)
        if after == before:
            ended = f" was moved {one.moves} times and is back at {told_target(after)}"
        elif before is None:
            ended = f" was set, and is at {told_target(after)}{times}"
        elif after is None:
            ended = f" was deleted; it was at {told_target(before)}"
        else:
            ended = f" moved from {told_target(before)} to {told_target(after)}{times}"
        pieces = ["", alias, " of ", artifact, ended]
    made = tuple(one if isinstance(one, Piece) else Piece(one) for one in pieces)
    return Became(Sentence(made), _compare(project, one, before, after))


def _compare(project: str, one: Difference, before: Target | None, after: Target | None) -> str:
    if one.kind == "dataset" or before is None or after is None or before == after:
        return ""
    versions = {"before": max(before.versions), "after": max(after.versions)}
    return address(project, one.kind, one.name, "compare", **versions)


PAGES = (
    Page("GET", "/projects/{project}/time", project_time),
    Page("GET", "/projects/{project}/{kind}/{name}:time", artifact_time),
)
