"""The history: the journal as sentences, of a project or an artifact, to read and to take along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from pointsman.app import history, people
from pointsman.app.application import View
from pointsman.core.plain import to_plain
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Entry
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import InvalidInput, NotFound, PointsmanError
from pointsman.web.clock import day_of, typed_moment
from pointsman.web.sentences import GROUPS, Sentence, Teller, types_of
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import address, with_query

PER_PAGE = 50
MOST = 10_000
"""Entries of an export."""
_STEP = 1_000
_ASKED: Final = ("about", "alias", "what", "type", "by", "from", "until")
_COLUMNS: Final = ("number", "time", "type", "by", "actor", "through", "sentence", "facts", "hash")


@dataclass(frozen=True, slots=True)
class Told:
    """An entry with its sentence."""

    entry: Entry
    sentence: Sentence


def project_history(visit: Visit) -> Answer:
    """What happened in the project, newest first."""
    return _shown(visit, _filters(visit))


def artifact_history(visit: Visit) -> Answer:
    """What happened to one artifact."""
    kind, name = visit.kind, visit.name
    return _shown(visit, {**_filters(visit), "kind": kind, "name": name}, one=(kind, name))


def export(visit: Visit) -> Answer:
    """The entries that are filtered, newest first, as a file."""
    form = visit.ask("format")
    if form not in ("csv", "jsonl"):
        raise InvalidInput(f"{form[:20]!r} is no form of an export.", hint="Take csv or jsonl.")
    where = _where(visit, _filters(visit))
    entries, names = visit.see(lambda view: _collected(view, where))
    tell = Teller(visit.project, names)
    if form == "csv":
        body, media = as_csv(entries, tell), "text/csv; charset=utf-8"
    else:
        body, media = _as_lines(entries), "application/jsonl; charset=utf-8"
    return Answer(body=body.encode(), media=media, download=f"{visit.project}-history.{form}")


def _shown(visit: Visit, asked: dict[str, str], one: tuple[str, str] | None = None) -> Answer:
    error: PointsmanError | None = None
    found: Items[Entry] = Items(())
    names: Mapping[str, str] = {}
    cursor = visit.ask("after") or None
    try:
        where = _where(visit, asked)
        found, names = visit.see(lambda view: _page(view, where, cursor))
    except (InvalidInput, NotFound) as problem:
        if one is not None and isinstance(problem, NotFound):
            raise
        error = problem
    teller = Teller(visit.project, names)
    lines = [Told(entry, teller.sentence(entry)) for entry in found.items]
    kept = {key: value for key, value in asked.items() if value and key not in ("kind", "name")}
    if one is not None:
        kept["about"] = one[1] if one[0] == "prompt" else f"{one[0]}:{one[1]}"
    return visit.page(
        "history.html",
        status=200 if error is None else status_of(error),
        one=one,
        days=_days(visit, lines),
        older=found.cursor and with_query("", after=found.cursor, **_given(asked)),
        first=cursor is None,
        asked=asked,
        groups=GROUPS,
        people=sorted({one.entry.by for one in lines}),
        filtered=any(asked.get(name) for name in _ASKED),
        export=lambda form: with_query(
            f"/projects/{visit.project}/history/export", format=form, **kept
        ),
        most=MOST,
        bare=address(visit.project, *one, "history") if one else "?",
        error=None if error is None else told(error),
    )


def _filters(visit: Visit) -> dict[str, str]:
    return {name: visit.ask(name).strip() for name in _ASKED}


def _given(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: asked[name] for name in _ASKED if asked[name]}


def _where(visit: Visit, asked: Mapping[str, str]) -> dict[str, Any]:
    """The conditions, as `history.entries` takes them."""
    kind, name = asked.get("kind", ""), asked.get("name", "")
    alias = asked["alias"]
    if not name and asked["about"]:
        about = parse_selector(asked["about"])
        kind, name, alias = about.kind, about.name, alias or about.alias or ""
    types = types_of(asked["what"])
    if asked["type"]:
        types = (asked["type"],)
    return {
        "kind": kind,
        "name": name,
        "alias": alias,
        "types": types,
        "actor": asked["by"],
        "since": typed_moment(asked["from"], visit.zone, field="from"),
        "until": typed_moment(asked["until"], visit.zone, field="until", ends=True),
    }


def _page(
    view: View, where: Mapping[str, Any], cursor: str | None
) -> tuple[Items[Entry], Mapping[str, str]]:
    page = history.entries(view, **where, limit=PER_PAGE, cursor=cursor)
    return page, _names(view, page.items)


def _collected(view: View, where: Mapping[str, Any]) -> tuple[list[Entry], Mapping[str, str]]:
    found: list[Entry] = []
    cursor = None
    while len(found) < MOST:
        page = history.entries(view, **where, limit=_STEP, cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return found, _names(view, found)


def _names(view: View, entries: Iterable[Entry]) -> dict[str, str]:
    """What those are called whom entries name by their id alone."""
    subjects = {str(one.data["subject"]) for one in entries if one.type.startswith("owner.")}
    return {one: people.who_of(view.reader, one) for one in subjects}


def _days(visit: Visit, lines: Sequence[Told]) -> list[tuple[str, list[Told]]]:
    days = groupby(lines, lambda one: day_of(one.entry.at, visit.now, visit.zone))
    return [(day, list(those)) for day, those in days]


def as_csv(entries: Iterable[Entry], teller: Teller) -> str:
    """The entries as a table with their sentences; no cell of it is a formula."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(_COLUMNS)
    for one in entries:
        facts = json.dumps(to_plain(one.data), ensure_ascii=False, sort_keys=True)
        text = teller.sentence(one).text
        cells = (one.seq, one.at.isoformat(), one.type, one.by, one.actor, one.via, text, facts)
        writer.writerow([*map(_harmless, cells), one.hash])
    return made.getvalue()


def _harmless(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _as_lines(entries: Iterable[Entry]) -> str:
    return "".join(_line(one) for one in entries)


def _line(entry: Entry) -> str:
    return json.dumps(to_plain(entry), ensure_ascii=False) + "\n"


PAGES = (
    Page("GET", "/projects/{project}/history", project_history),
    Page("GET", "/projects/{project}/history/export", export),
    Page("GET", "/projects/{project}/{kind}/{name}:history", artifact_history),
)
