"""Several moves at once: proposed as one change, written anew, or released together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pointsman.app import changes, deciding, releases, reviewing
from pointsman.app.application import View, Work
from pointsman.app.basis import found_change, place_of, places_of
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.releases import Wish
from pointsman.core.access import may
from pointsman.core.changes import Change
from pointsman.core.names import check_alias
from pointsman.core.releases import target_from_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Target, micros
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    StaleRevision,
)
from pointsman.web.swaps import (
    Ends,
    Swap,
    effect_of,
    read_place,
    read_target,
    swaps_of,
    write_target,
)
from pointsman.web.visit import Answer, Page, Visit, status_of, told

ROWS: Final = 100
"""Moves that can be written on one page; a program can make releases of more."""


@dataclass(frozen=True, slots=True)
class Row:
    """A move as it is typed, and what is wrong with it, if anything.

    `seen` says what the last page had shown for it: where the alias was and where it would go.
    """

    name: str = ""
    alias: str = "production"
    to: str = "newest"
    seen: str = ""
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    """A row as it is understood: the alias as it is now, and where it is to point."""

    kind: str
    name: str
    alias: str
    revision: int
    before: Target | None
    to: Target | None
    source: str = ""

    @property
    def seen(self) -> str:
        """What has to be the same when the form is sent."""
        target = write_target(self.to)
        return f"{self.kind}:{self.name}@{self.alias}#{self.revision}>{target}"

    @property
    def ends(self) -> Ends:
        return self.kind, self.name, self.alias, self.before, self.to


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it is shown: rows with their errors, what they do, and who lets them."""

    rows: list[Row]
    swaps: list[Swap] = field(default_factory=list)
    against: list[tuple[str, tuple[Reason, ...]]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether every row is understood, so that all of it can be made."""
        return bool(self.rows) and len(self.swaps) == len(self.rows)

    @property
    def free(self) -> bool:
        """Whether nothing stands against making the moves directly."""
        return self.whole and not any(reasons for _, reasons in self.against)


def new_page(visit: Visit) -> Answer:
    """An empty form, or one that an address has filled in."""
    rows = _rows(visit.query) or [Row()]
    return _shown(visit, rows, look=any(row.name for row in rows))


def new(visit: Visit) -> Answer:
    """Show the form anew, propose a change, or make the moves, as the button says."""
    rows, deed = _rows(visit.form), visit.given("deed")
    changed = _with_rows(rows, deed)
    if changed is not None:
        return _shown(visit, changed, look=True)
    try:
        if deed == "propose":
            return _propose(visit, rows)
        if deed == "release":
            return _release(visit, rows)
    except PointsmanError as error:
        return _shown(visit, rows, look=True, error=error)
    return _shown(visit, rows, look=True)


def edit_page(visit: Visit) -> Answer:
    """A change in the form, to be written anew."""
    number = visit.place
    change = visit.see(lambda view: reviewing.show(view, number))
    rows = visit.see(lambda view: list(_written(view, number)))
    return _shown(visit, rows, look=True, change=change)


def edit(visit: Visit) -> Answer:
    """Write a change anew."""
    number = visit.place
    rows, deed = _rows(visit.form), visit.given("deed")
    change = visit.see(lambda view: reviewing.show(view, number))
    changed = _with_rows(rows, deed)
    if changed is not None or deed != "save":
        return _shown(visit, changed or rows, look=True, change=change)
    revision = visit.number("change_revision")
    armed = bool(change.armed_by)

    def write(work: Work) -> None:
        proposal = replace(
            _proposal(visit, _as_seen(work, rows)),
            labels=change.labels,
            when_ready=armed and change.apply_at is None,
            apply_at=micros(change.apply_at) if armed and change.apply_at else None,
            expires_at=micros(change.expires_at),
        )
        changes.edit(work, number, proposal, if_revision=revision)

    try:
        visit.do(write)
    except PointsmanError as error:
        return _shown(visit, rows, look=True, change=change, error=error)
    there = f"/projects/{visit.project}/changes/{number}"
    return visit.go(there, "It is written anew. What was approved before is asked for again.")


def _propose(visit: Visit, rows: Sequence[Row]) -> Answer:
    change = visit.do(lambda work: changes.propose(work, _proposal(visit, _as_seen(work, rows))))
    there = f"/projects/{visit.project}/changes/{change.number}"
    return visit.go(there, f"Change {change.number} is proposed.")


def _release(visit: Visit, rows: Sequence[Row]) -> Answer:
    reason = visit.given("reason").strip()

    def release(work: Work) -> int | None:
        meant = _as_seen(work, rows)
        wishes = [Wish(one.kind, one.name, one.alias, one.to, one.revision) for one in meant]
        done = releases.release(work, wishes, reason)
        return None if done is None else done.number

    number = visit.do(release)
    if number is None:
        raise Conflict(
            "Everything is as you want it already.",
            code="nothing_to_move",
            hint="Choose other versions, or other aliases.",
        )
    return visit.go(f"/projects/{visit.project}/releases/{number}", "The moves are made.")


def _proposal(visit: Visit, meant: Sequence[Meant]) -> Proposal:
    wanted = [Wanted(one.kind, one.name, one.alias, one.to, _source(one)) for one in meant]
    return Proposal(visit.given("title").strip(), wanted, visit.given("reason").strip())


def _source(one: Meant) -> Selector | None:
    if not one.source:
        return None
    return parse_selector(f"{one.kind}:{one.name}@{one.source}")


def _as_seen(view: View, rows: Sequence[Row]) -> list[Meant]:
    """The rows as they are meant, if that is what the page had shown.

    Raises `StaleRevision` where it is something else by now.
    """
    meant = [_meant(view, row) for row in rows]
    if not meant:
        raise InvalidInput("No move is written.", code="empty_release", hint="Fill in a row.")
    for one, row in zip(meant, rows, strict=True):
        if row.seen != one.seen:
            moved = row.seen.partition("#")[0] == f"{one.kind}:{one.name}@{one.alias}"
            what = f"{one.alias} of {one.name}"
            raise StaleRevision(
                f"What {what} points to, or would, is not what you looked at."
                if moved
                else f"You have not seen yet what {what} would replace.",
                hint="Below is how it is now. Nothing was done.",
            )
    return meant


def _shown(
    visit: Visit,
    rows: Sequence[Row],
    *,
    look: bool,
    change: Change | None = None,
    error: PointsmanError | None = None,
) -> Answer:
    draft = visit.see(lambda view: _draft(view, rows)) if look else Draft(list(rows))
    if visit.form:
        title, reason = visit.given("title"), visit.given("reason")
    else:
        title = change.title if change else visit.ask("title")
        reason = change.reason if change else visit.ask("reason")
    return visit.page(
        "change_form.html",
        status=200 if error is None else status_of(error),
        draft=draft,
        change=change,
        title=title,
        reason=reason,
        effect=effect_of(draft.swaps) if draft.whole else "",
        usual=("production", "staging", "canary", "shadow", "champion"),
        revision=visit.number("change_revision") or (change.revision if change else 0),
        may_propose=may(visit.caller.actor, "propose").allowed,
        error=None if error is None else told(error),
    )


def _draft(view: View, rows: Sequence[Row]) -> Draft:
    shown: list[Row] = []
    meant: list[Meant] = []
    for row in rows:
        if not row.name.strip():
            shown.append(replace(row, error="", hint="", seen=""))
            continue
        try:
            one = _meant(view, row)
        except PointsmanError as error:
            shown.append(replace(row, error=error.message, hint=error.hint, seen=""))
            continue
        meant.append(one)
        shown.append(replace(row, seen=one.seen, error="", hint=""))
    ends = [one.ends for one in meant]
    against = deciding.against_moves(view, [(*end[:3], end[4]) for end in ends])
    return Draft(shown, swaps_of(view, ends, proposed=True), against)


def _meant(view: View, row: Row) -> Meant:
    """Raises `InvalidInput` or `NotFound` for what can't be understood."""
    kind, name = read_place(row.name)
    alias = check_alias(row.alias.strip())
    place = place_of(view, kind, name, alias)
    to, source = read_target(row.to, place.artifact.newest)
    if source:
        there = place_of(view, kind, name, check_alias(source))
        if there.target is None:
            raise NotFound(f"{name} has no alias {source!r}.", code="alias_not_found", field="to")
        to = there.target
    for number in to.versions if to else ():
        if view.reader.version(place.artifact.id, number) is None:
            raise NotFound(
                f"{name} has no version {number}.",
                code="version_not_found",
                hint=f"Its newest is {place.artifact.newest}.",
                field="to",
            )
    return Meant(kind, name, alias, place.revision, place.target, to, source)


def _written(view: View, number: int) -> Iterator[Row]:
    """The moves of a change as rows."""
    row = found_change(view, number)
    for place, one in places_of(view, row):
        start = "" if place.artifact.kind == "prompt" else f"{place.artifact.kind}:"
        target = write_target(target_from_plain(one["to"]), one.get("source", ""))
        yield Row(f"{start}{place.artifact.name}", place.alias, target)


def _rows(fields: Mapping[str, Sequence[str]]) -> list[Row]:
    """The rows of a form or an address: fields of the same names belong together in order."""
    columns = [list(fields.get(name, ())) for name in ("name", "alias", "to", "seen")]
    names = columns[0][:ROWS]

    def cell(column: int, index: int, default: str) -> str:
        values = columns[column]
        return values[index] if index < len(values) and values[index].strip() else default

    return [
        Row(name, cell(1, index, "production"), cell(2, index, "newest"), cell(3, index, ""))
        for index, name in enumerate(names)
    ]


def _with_rows(rows: list[Row], deed: str) -> list[Row] | None:
    """The rows after one was added or taken away, if that is what the button does."""
    if deed == "add":
        alias = rows[-1].alias if rows else "production"
        return [*rows, Row(alias=alias)] if len(rows) < ROWS else rows
    if deed.startswith("remove "):
        index = deed.removeprefix("remove ")
        return [row for at, row in enumerate(rows) if str(at) != index] or [Row()]
    return None


PAGES = (
    Page("GET", "/projects/{project}/changes/new", new_page),
    Page("POST", "/projects/{project}/changes/new", new),
    Page("GET", "/projects/{project}/changes/{number}:edit", edit_page),
    Page("POST", "/projects/{project}/changes/{number}:edit", edit),
)
