"""Evaluations: which there are, how far one is, and what came out, with the rows that decided.

It speaks in the words of the reports (`core.evaluation_words`), and what users, models and
scorers wrote goes through `clean` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.app.application import View
from pointsman.app.evaluating import runs
from pointsman.core import evaluation_words as words
from pointsman.core.access import may
from pointsman.core.diff import diff_text
from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Held, Side
from pointsman.core.evaluation_reports import FORMATS, MEDIA_TYPES, report
from pointsman.core.making import split_label
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Page as Items
from pointsman.errors import Gone, InvalidInput, InvalidName, NotFound, PointsmanError
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import with_query

PER_PAGE = 25
ROWS = 20
_OPEN = 3
_REPORTED = 1_000
_OUTPUT: Final = 20_000
_INPUT: Final = 10_000
_ENDINGS: Final = {"markdown": "md", "junit": "xml", "html": "html", "json": "json"}
STATES: Final = {
    "passed": ("good", "✓"),
    "failed": ("bad", "✗"),
    "inconclusive": ("wait", "?"),
    "running": ("wait", "…"),
    "queued": ("wait", "…"),
}
"""The class and the mark of each state; others have neither."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of an output: `only` if the other side does not have it."""

    text: str
    only: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What one side gave on a row, with its scores and what they were on the other side."""

    heading: str
    side: Side
    marks: Sequence[Mark]
    scores: Sequence[tuple[str, str, str]]
    error: str
    notes: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the dataset as the page shows it."""

    title: str
    tags: str
    given: Sequence[tuple[str, str]]
    sides: Sequence[Output]
    open: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table of metrics."""

    name: str
    before: str
    now: str
    change: str
    word: str
    tail: str
    was_tail: str


@dataclass(frozen=True, slots=True)
class Look:
    """An evaluation, and a page of its rows unless they are gone."""

    evaluation: Evaluation
    cases: Items[CaseResult]
    gone: PointsmanError | None
    may_cancel: bool


def evaluations(visit: Visit) -> Answer:
    """Which there are, newest first; of one artifact if it is named."""
    about = visit.ask("about").strip()
    error: PointsmanError | None = None
    found: Items[Evaluation] = Items(())
    try:
        kind, name = "", ""
        if about:
            selector = parse_selector(about)
            kind, name = selector.kind, selector.name
        cursor = visit.ask("after") or None
        found = visit.see(
            lambda view: runs.listed(view, kind=kind, name=name, limit=PER_PAGE, cursor=cursor)
        )
    except (InvalidInput, InvalidName, NotFound) as problem:
        error = problem
    return visit.page(
        "evaluations.html",
        status=200 if error is None else status_of(error),
        about=about,
        rows=[(one, words.title(one), words.sentence(one)) for one in found.items],
        states=STATES,
        state=words.state,
        more=found.cursor and with_query("", about=about, after=found.cursor),
        error=None if error is None else told(error),
    )


def evaluation_page(visit: Visit) -> Answer:
    """How far one is, or what came out."""
    return _shown(visit)


def act(visit: Visit) -> Answer:
    """Cancel it."""
    number = _number(visit)
    try:
        visit.do(lambda work: runs.cancel(work, number))
    except PointsmanError as error:
        return _shown(visit, error)
    return visit.go(visit.here, f"Evaluation {number} is cancelled.")


def download(visit: Visit) -> Answer:
    """The report as a file that stands by itself."""
    number = _number(visit)
    form = next((one for one in FORMATS if one == visit.ask("format", "html")), None)
    if form is None:
        raise InvalidInput("There is no such form of a report.", hint="Take html or markdown.")

    def look(view: View) -> tuple[Evaluation, Sequence[CaseResult]]:
        found = _look(view, number, None, limit=_REPORTED)
        return found.evaluation, found.cases.items

    evaluation, cases = visit.see(look)
    body = report(form, evaluation, cases).encode()
    file = f"evaluation-{number}.{_ENDINGS[form]}"
    return Answer(body=body, media=MEDIA_TYPES[form], download=file)


def _number(visit: Visit) -> int:
    text = visit.path["number"]
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise NotFound(f"There is no evaluation {text[:20]!r}.", code="evaluation_not_found")
    return int(text)


def _shown(visit: Visit, error: PointsmanError | None = None) -> Answer:
    number, cursor = _number(visit), visit.ask("after") or None
    look = visit.see(lambda view: _look(view, number, cursor, limit=ROWS))
    evaluation = look.evaluation
    worse = {one.row for one in words.worse(evaluation, look.cases.items)}
    _, suite, suite_version = split_label(evaluation.suite)
    return visit.page(
        "evaluation.html",
        status=200 if error is None else status_of(error),
        one=evaluation,
        title=words.title(evaluation),
        sentence=words.sentence(evaluation),
        state=words.state(evaluation),
        mark=STATES.get(evaluation.state, ("", "")),
        marks=STATES,
        suite=(suite, suite_version),
        spent=words.spent(evaluation),
        doing=_doing(evaluation),
        held=[(one, _range(one)) for one in (evaluation.report.held if evaluation.report else ())],
        sides=words.side_names(evaluation),
        metrics=list(_metrics(evaluation)),
        rows=[
            _row(evaluation, one, unfolded=at < _OPEN and one.row in worse and cursor is None)
            for at, one in enumerate(look.cases.items)
        ],
        more=look.cases.cursor,
        first=cursor is None,
        clean=words.clean,
        gone=words.dropped(evaluation) or (look.gone.message if look.gone else ""),
        may_cancel=look.may_cancel,
        error=None if error is None else told(error),
    )


def _look(view: View, number: int, cursor: str | None, *, limit: int) -> Look:
    evaluation = runs.show(view, number)
    cases: Items[CaseResult] = Items(())
    gone: PointsmanError | None = None
    try:
        cases = runs.cases(view, number, limit=limit, cursor=cursor)
    except Gone as problem:
        gone = problem
    verdict = may(view.actor, "propose", evaluation.kind, evaluation.name)
    mine = evaluation.by == view.actor.name
    waiting = evaluation.state in ("queued", "running")
    return Look(evaluation, cases, gone, waiting and (mine or verdict.allowed))


def _doing(evaluation: Evaluation) -> str:
    """What is being done, for who waits."""
    if evaluation.state == "queued":
        return "It waits for a worker to take it up."
    reused = f", {evaluation.reused:,} of them without asking a model again"
    done = f"{evaluation.done:,} of {evaluation.total:,} outputs and scores are there"
    return f"{done}{reused if evaluation.reused else ''}. Worker {evaluation.worker} is at it."


def _range(held: Held) -> str:
    if held.lower is None or held.upper is None:
        return ""
    bounds = f"{held.lower:+.3g} and {held.upper:+.3g}".replace("-", "−")
    return f"The difference to the baseline lies between {bounds}."


def _metrics(evaluation: Evaluation) -> Iterator[tuple[Line, list[Line]]]:
    """A line for each metric, with those of its slices."""
    for one in evaluation.report.metrics if evaluation.report else ():
        slices = [
            _line(one.name, words.line(part, 200), *sides) for part, sides in one.slices.items()
        ]
        yield _line(one.name, words.line(one.name, 200), one.candidate, one.baseline), slices


def _line(metric: str, name: str, mine: Figures, theirs: Figures | None) -> Line:
    change, word = words.difference(metric, mine, theirs)
    return Line(
        name,
        words.mean_of(metric, theirs),
        words.mean_of(metric, mine),
        change,
        word,
        words.amount(metric, mine.p95),
        words.amount(metric, theirs.p95) if theirs and theirs.p95 is not None else "",
    )


def _row(evaluation: Evaluation, case: CaseResult, *, unfolded: bool) -> Row:
    given = [(words.line(name, 100), words.shown(value, _INPUT)) for name, value in
             case.input.items()]  # fmt: skip
    if case.expected is not None:
        given.append(("Expected", words.shown(case.expected, _INPUT)))
    tags = words.line(", ".join(f"{key} {value}" for key, value in case.tags.items()), 200)
    return Row(words.row_title(case), tags, given, tuple(_sides(evaluation, case)), unfolded)


def _sides(evaluation: Evaluation, case: CaseResult) -> Iterator[Output]:
    """The baseline before the candidate, with what only one of them has marked."""
    mine, theirs = words.side_names(evaluation)
    now = words.clean(case.candidate.output, _OUTPUT)
    if case.baseline is None:
        yield _output(mine, case.candidate, [Mark(now)], None)
        return
    before = words.clean(case.baseline.output, _OUTPUT)
    yield _output(theirs, case.baseline, _marked(before, now, "removed"), None)
    same = ", the same output" if before == now and not case.candidate.error else ""
    marks = _marked(before, now, "added")
    yield _output(f"{mine}{same}", case.candidate, marks, case.baseline)


def _output(heading: str, side: Side, marks: Sequence[Mark], was: Side | None) -> Output:
    scores = [
        (words.line(name, 100), words.amount(name, value), _was(name, was))
        for name, value in side.scores.items()
    ]
    notes = [
        (words.line(name, 100), words.line(note, 2_000))
        for name, note in side.notes.items()
        if note
    ]
    return Output(heading, side, marks, scores, words.clean(side.error, 2_000), notes)


def _was(name: str, was: Side | None) -> str:
    before = was.scores.get(name) if was else None
    return "" if before is None else words.amount(name, before)


def _marked(before: str, now: str, kind: str) -> list[Mark]:
    """One side of a comparison, with the words marked that only it has."""
    mine = before if kind == "removed" else now
    hunks = diff_text(before, now, None).hunks if before and now else ()
    made: list[Mark] = []
    for line in (line for hunk in hunks for line in hunk.lines):
        if line.kind not in ("same", "changed", kind):
            continue
        if made:
            made.append(Mark("\n"))
        made += [Mark(span.text, span.kind == kind) for span in line.spans
                 if span.kind in ("same", kind) and span.text]  # fmt: skip
    return made or [Mark(mine)]


PAGES = (
    Page("GET", "/projects/{project}/evaluations", evaluations),
    Page("GET", "/projects/{project}/evaluations/{number}", evaluation_page),
    Page("POST", "/projects/{project}/evaluations/{number}", act),
    Page("GET", "/projects/{project}/evaluations/{number}/report", download),
)
