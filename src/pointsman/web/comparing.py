"""Two versions of an artifact against each other: side by side, or one under the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pointsman.app import reading
from pointsman.app.application import View
from pointsman.core.diff import ContentDiff, Line, TextDiff
from pointsman.core.names import Kind, check_alias
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Artifact, Version
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.web.visit import Answer, Page, Visit, status_of, told


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a comparison side by side; both None where unchanged lines are left out."""

    before: Line | None
    after: Line | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions, read at one moment."""

    artifact: Artifact
    before: Version
    after: Version
    diff: ContentDiff


def compare_page(visit: Visit) -> Answer:
    """How one version differs from another."""
    kind, name = visit.kind, visit.name
    before, after = visit.ask("before"), visit.ask("after")
    compared, error = None, None
    if before and after:
        try:
            first, second = _side(kind, name, before, "before"), _side(kind, name, after, "after")
            compared = visit.see(lambda view: _compared(view, first, second))
        except PointsmanError as problem:
            error = problem
    artifact = compared.artifact if compared else None
    if artifact is None:
        artifact = visit.see(lambda view: reading.show_artifact(view, kind, name))
    return visit.page(
        "compare.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        compared=compared,
        before=before or str(max(1, artifact.newest - 1)),
        after=after or str(artifact.newest),
        pairs=side_by_side,
        side=visit.ask("view") != "inline",
        error=None if error is None else told(error),
    )


def side_by_side(diff: TextDiff) -> list[Row]:
    """The lines of a difference in two columns, those that replace each other in one row."""
    rows: list[Row] = []
    for number, hunk in enumerate(diff.hunks):
        if number:
            rows.append(Row(None, None))
        rows += _paired(hunk.lines)
    return rows


def _paired(lines: Sequence[Line]) -> Iterator[Row]:
    removed: list[Line] = []
    added: list[Line] = []

    def waiting() -> Iterator[Row]:
        for place in range(max(len(removed), len(added))):
            yield Row(
                removed[place] if place < len(removed) else None,
                added[place] if place < len(added) else None,
            )
        removed.clear()
        added.clear()

    for line in lines:
        if line.kind == "removed":
            removed.append(line)
        elif line.kind == "added":
            added.append(line)
        else:
            yield from waiting()
            yield Row(line, line)
    yield from waiting()


def _compared(view: View, before: Selector, after: Selector) -> Compared:
    return Compared(
        reading.show_artifact(view, after.kind, after.name),
        reading.show_version(view, before),
        reading.show_version(view, after),
        reading.compare(view, before, after),
    )


def _side(kind: Kind, name: str, text: str, field: str) -> Selector:
    """What one side names: ``7``, or ``@production``."""
    text = text.strip()
    if text.startswith("@"):
        return Selector(kind, name, alias=check_alias(text[1:], field=field))
    if text.isascii() and text.isdecimal() and 0 < len(text) < 11 and int(text):
        return Selector(kind, name, version=int(text))
    raise InvalidInput(
        f"{text[:40]!r} is neither a version nor an alias.",
        hint="Write a version's number, such as 7, or an alias, such as @production.",
        field=field,
    )


PAGES = (Page("GET", "/projects/{project}/{kind}/{name}:compare", compare_page),)
