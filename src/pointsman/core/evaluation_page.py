"""An evaluation as one page of HTML, for a browser or an archive of a CI.

It needs nothing else: no scripts, no addresses, and its own policy forbids both. All that
others wrote goes through `_text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from pointsman.core import evaluation_words as words
from pointsman.core.diff import Line, Span, diff_text
from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Held, Metric, Report, Side
from pointsman.core.evaluation_style import STYLE

MOST_CASES: Final = 200
_OPEN: Final = 5
"""Rows that are shown unfolded, if they got worse."""
_OUTPUT: Final = 20_000
_INPUT: Final = 10_000
_NOTE: Final = 2_000
_MARKS: Final = {
    "passed": "✓",
    "failed": "✗",
    "inconclusive": "?",
    "cancelled": "–",
    "superseded": "–",
}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def html_page(evaluation: Evaluation, cases: Sequence[CaseResult]) -> str:
    """The evaluation as a page that stands by itself; of the rows the worst `MOST_CASES`."""
    return "\n".join(_page(evaluation, cases)) + "\n"


def _page(evaluation: Evaluation, cases: Sequence[CaseResult]) -> Iterator[str]:
    heading = _text(words.title(evaluation), 300)
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{_text(words.state(evaluation))}: {heading}</title>"
    yield f"<style>{STYLE}</style></head><body><main>"
    yield "<header>"
    yield f"<p>{_state(evaluation.state, words.state(evaluation))} Evaluation {evaluation.number}"
    yield f"</p><h1>{heading}</h1>"
    yield f'<p class="lead">{_text(words.sentence(evaluation), 2_000)}</p>'
    yield from _facts(evaluation)
    yield "</header>"
    if evaluation.report is not None:
        yield from _criteria(evaluation.report)
        yield from _problems(evaluation.report)
        yield from _metrics(evaluation, evaluation.report)
    yield from _cases(evaluation, cases)
    yield "</main></body></html>"


def _text(text: str, room: int | None = None) -> str:
    """What others wrote, as text of a page and of an attribute."""
    return escape(words.clean(text, room), quote=True)


def _state(state: str, word: str) -> str:
    mark = _MARKS.get(state, "…")
    return f'<span class="state {_text(state)}"><b aria-hidden="true">{mark}</b> {word}</span>'


def _facts(evaluation: Evaluation) -> Iterator[str]:
    ended = words.when(evaluation.ended_at) if evaluation.ended_at else ""
    facts = [
        ("Suite", words.suite_of(evaluation)),
        ("Alias", evaluation.alias),
        ("Change", "" if evaluation.change is None else str(evaluation.change)),
        ("Asked for", f"{words.when(evaluation.at)}, by {evaluation.by}"),
        ("Ended", ended),
        ("Made", words.spent(evaluation)),
        ("Seal", evaluation.seal[:8]),
    ]
    yield "<dl>"
    for name, value in facts:
        if value:
            yield f"<div><dt>{name}</dt><dd>{_text(value, 500)}</dd></div>"
    yield "</dl>"


def _criteria(report: Report) -> Iterator[str]:
    if not report.held:  # it was stopped before anything could be held against the figures
        return
    yield '<section><h2>What must hold</h2><ul class="criteria">'
    for one in report.held:
        yield f"<li>{_state(one.outcome, one.outcome)}<div><h3>{_text(one.criterion, 300)}</h3>"
        yield f"<p>{_text(one.message, 1_000)}</p>{_range(one)}</div></li>"
    yield "</ul></section>"


def _range(held: Held) -> str:
    if held.lower is None or held.upper is None:
        return ""
    bounds = f"{held.lower:+.3g} and {held.upper:+.3g}".replace("-", "−")
    told = f"The difference to the baseline lies between {bounds}."
    return f'<p class="quiet">{told}</p>'


def _problems(report: Report) -> Iterator[str]:
    if report.problems:
        yield "<section><h2>What went wrong</h2><ul>"
        for one in report.problems[:50]:
            yield f"<li>{_text(one, 500)}</li>"
        yield "</ul></section>"


def _metrics(evaluation: Evaluation, report: Report) -> Iterator[str]:
    yield "<section><h2>Metrics</h2>"
    lines = ((one.name, one.name, one.candidate, one.baseline) for one in report.metrics)
    yield from _table(evaluation, lines)
    if any(one.name == "cost" for one in report.metrics):
        told = "Costs are in the currency of the providers' prices."
        yield f'<p class="quiet">{told}</p>'
    for one in report.metrics:
        if one.slices:
            yield from _slices(evaluation, one)
    yield "</section>"


def _slices(evaluation: Evaluation, metric: Metric) -> Iterator[str]:
    yield f"<details><summary>{_text(metric.name, 200)} by slice</summary>"
    lines = ((metric.name, part, *sides) for part, sides in metric.slices.items())
    yield from _table(evaluation, lines)
    yield "</details>"


def _table(
    evaluation: Evaluation, lines: Iterator[tuple[str, str, Figures, Figures | None]]
) -> Iterator[str]:
    """What the candidate has, beside what the baseline has if there is one."""
    now, before = words.side_names(evaluation)
    heads = [before, now, "Difference", "p95"] if evaluation.against is not None else [now, "p95"]
    yield '<div class="wide"><table><thead><tr><th scope="col">Mean of a row</th>'
    yield "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for metric, name, mine, theirs in lines:
        cells = [("", words.mean_of(metric, mine)), ("", words.amount(metric, mine.p95))]
        if evaluation.against is not None:
            cells = _compared(metric, mine, theirs)
        yield f'<tr><th scope="row">{_text(name, 200)}</th>'
        for head, (word, told) in zip(heads, cells, strict=True):
            kind = f' class="{word}"' if word else ""
            yield f'<td data-label="{head}"{kind}><span>{told}</span></td>'
        yield "</tr>"
    yield "</tbody></table></div>"


def _compared(metric: str, mine: Figures, theirs: Figures | None) -> list[tuple[str, str]]:
    """The cells of a metric beside its baseline, each with the word for how it changed."""
    change, word = words.difference(metric, mine, theirs)
    tail = words.amount(metric, mine.p95)
    if theirs is not None and theirs.p95 is not None:
        tail += f' <span class="quiet">was {words.amount(metric, theirs.p95)}</span>'
    return [
        ("", words.mean_of(metric, theirs)),
        ("", words.mean_of(metric, mine)),
        (word, f"{change} {word}".rstrip()),
        ("", tail),
    ]


def _cases(evaluation: Evaluation, cases: Sequence[CaseResult]) -> Iterator[str]:
    if told := words.dropped(evaluation):
        yield f'<section><h2>Rows</h2><p class="quiet">{_text(told, 500)}</p></section>'
    if not cases:
        return
    worse = words.worse(evaluation, cases)
    unfolded = {one.row for one in worse[:_OPEN]}
    first = {one.row for one in worse}
    ordered = worse + [one for one in words.worst_first(cases) if one.row not in first]
    yield "<section><h2>Rows</h2>"
    told = f"{words.rows(len(worse))} to look at first" if worse else "No row got worse"
    left = len(ordered) - MOST_CASES
    more = f" Of {words.rows(len(ordered))}, the first {MOST_CASES} are shown." if left > 0 else ""
    yield f'<p class="quiet">{told}.{more}</p>'
    for case in ordered[:MOST_CASES]:
        yield from _case(evaluation, case, unfolded=case.row in unfolded)
    yield "</section>"


def _case(evaluation: Evaluation, case: CaseResult, *, unfolded: bool) -> Iterator[str]:
    yield f'<details class="case"{" open" if unfolded else ""}>'
    tags = ", ".join(f"{key} {value}" for key, value in case.tags.items())
    quiet = f' <span class="quiet">{_text(tags, 200)}</span>' if tags else ""
    yield f"<summary>{_text(words.row_title(case))}{quiet}</summary>"
    yield '<dl class="given">'
    for name, value in case.input.items():
        yield f"<div><dt>{_text(name, 100)}</dt><dd>{_pre(words.shown(value, _INPUT))}</dd></div>"
    if case.expected is not None:
        yield f"<div><dt>Expected</dt><dd>{_pre(words.shown(case.expected, _INPUT))}</dd></div>"
    yield "</dl>"
    yield from _outputs(evaluation, case)
    yield "</details>"


def _pre(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _outputs(evaluation: Evaluation, case: CaseResult) -> Iterator[str]:
    mine, theirs = words.side_names(evaluation)
    now = words.clean(case.candidate.output, _OUTPUT)
    if case.baseline is None:
        yield '<div class="sides">'
        yield from _side(mine, case.candidate, escape(now))
        yield "</div>"
        return
    before = words.clean(case.baseline.output, _OUTPUT)
    hunks = diff_text(before, now, None).hunks if before and now else ()
    lines = [line for hunk in hunks for line in hunk.lines]
    left, right = (_marked(lines, "removed"), _marked(lines, "added")) if lines else (
        escape(before),
        escape(now),
    )  # fmt: skip
    same = " · the same output" if before == now and not case.candidate.error else ""
    yield '<div class="sides">'
    yield from _side(theirs, case.baseline, left)
    yield from _side(f"{mine}{same}", case.candidate, right, case.baseline)
    yield "</div>"


def _side(heading: str, side: Side, marked: str, was: Side | None = None) -> Iterator[str]:
    """What a side gave; its scores beside those of `was`."""
    yield f"<div><h4>{heading}</h4>"
    if side.error:
        word = "Error" if side.output else "No output"
        yield f'<p class="failed">{word}: {_text(side.error, _NOTE)}</p>'
    if marked:
        yield f"<pre>{marked}</pre>"
    elif not side.error:
        yield '<p class="quiet">An empty output.</p>'
    scores = " · ".join(_score(name, value, was) for name, value in side.scores.items())
    told = f"{scores or 'no scores'} · {side.seconds:.2g} s · {side.tokens:,} tokens"
    yield f'<p class="scores">{told}{" · reused" if side.reused else ""}</p>'
    for name, note in side.notes.items():
        if note:
            yield f'<p class="quiet">{_text(name, 100)}: {_text(note, _NOTE)}</p>'
    yield "</div>"


def _score(name: str, value: float | None, was: Side | None) -> str:
    told = f"{_text(name, 100)} <b>{words.amount(name, value)}</b>"
    if was is None or was.scores.get(name) is None:
        return told
    return f"{told} (was {words.amount(name, was.scores[name])})"


def _marked(lines: Sequence[Line], kind: str) -> str:
    """One side of a comparison: its lines, with the words marked that only it has."""
    mark = "del" if kind == "removed" else "ins"
    return "\n".join(
        "".join(_span(span, kind, mark) for span in line.spans)
        for line in lines
        if line.kind in ("same", "changed", kind)
    )


def _span(span: Span, kind: str, mark: str) -> str:
    if span.kind == "same":
        return escape(span.text)
    return f"<{mark}>{escape(span.text)}</{mark}>" if span.kind == kind and span.text else ""
