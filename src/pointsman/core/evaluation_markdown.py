"""An evaluation as a comment on a pull request, in GitHub's Markdown.

What others wrote stands in fenced blocks, whose fences are longer than any in the text, or
within sentences, where each sign that means something is written as a character reference.
GitHub makes links of mentions and numbers after that, so these are broken by a zero-width space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pointsman.core import evaluation_words as words
from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Report, Side

MOST: Final = 60_000
"""Characters of a comment; GitHub takes 65,536."""
_CASES: Final = 5
_OUTPUT: Final = 1_500
_INPUT: Final = 800
_LAST: Final = 400
"""Room that is kept for the last lines."""
_MARKS: Final = {
    "passed": "✅",
    "failed": "❌",
    "inconclusive": "❔",
    "cancelled": "➖",
    "superseded": "➖",
}
_SIGNS: Final = re.compile(r"[&<>\"'`*_~\[\]()\\|!{}$^=+]")
_CALLS: Final = re.compile(r"[@#]|\bgh-(?=\d)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)


def markdown(evaluation: Evaluation, cases: Sequence[CaseResult]) -> str:
    """The evaluation as Markdown of at most `MOST` characters, the most important first."""
    page = _Page()
    mark = _MARKS.get(evaluation.state, "⏳")
    page.add(f"### {mark} {words.state(evaluation)}: {inline(words.title(evaluation))}\n")
    page.add(f"> {inline(words.sentence(evaluation), 1_000)}\n")
    if evaluation.report is not None:
        _criteria(page, evaluation.report)
        _problems(page, evaluation.report)
        for case in words.worse(evaluation, cases)[:_CASES]:
            page.add(_case(evaluation, case))
        _metrics(page, evaluation.report)
    if told := words.dropped(evaluation):
        page.add(f"{inline(told, 500)}\n")
    page.end(_last(evaluation))
    return page.text


def inline(text: str, room: int = 300) -> str:
    """What others wrote, for within a sentence or a cell of a table."""
    broken = _CALLS.sub("\\g<0>\N{ZERO WIDTH SPACE}", words.line(text, room))
    return _SIGNS.sub(lambda sign: f"&#{ord(sign[0])};", broken)


def fenced(text: str, room: int, language: str = "text") -> str:
    """What others wrote, as a block that it can't end."""
    text = words.clean(text, room)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


class _Page:
    """Text that grows while there is room."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = MOST - _LAST
        self._left_out = 0

    @property
    def text(self) -> str:
        return "\n".join(self._parts)

    def fits(self, text: str) -> bool:
        return len(text) + 1 <= self._room

    def add(self, text: str) -> None:
        """Add the part, if it fits."""
        if self.fits(text):
            self._parts.append(text)
            self._room -= len(text) + 1
        else:
            self._left_out += 1

    def add_table(self, head: str, lines: Sequence[str], tail: str = "", share: int = 4) -> None:
        """Add a table of at most a share of the room, and say how many lines are left out."""
        room = self._room // share - len(head) - len(tail) - 60
        kept = []
        for one in lines:
            room -= len(one) + 1
            if room < 0:
                break
            kept.append(one)
        more = len(lines) - len(kept)
        note = f"\n\n… and {more:,} more, which do not fit here." if more else ""
        self.add("\n".join([head, *kept]) + note + "\n" + tail)

    def end(self, text: str) -> None:
        """The last lines, for which there is always room."""
        if self._left_out:
            text += "\n\nSome parts are left out, as they do not fit here."
        self._parts.append(text)


def _criteria(page: _Page, report: Report) -> None:
    head = "| | must hold | what came out |\n|---|---|---|"
    lines = [
        f"| {_MARKS[one.outcome]} | {inline(one.criterion, 200)} | {inline(one.message)} |"
        for one in report.held
    ]
    page.add_table(head, lines)


def _problems(page: _Page, report: Report) -> None:
    if report.problems:
        lines = [f"- {inline(one)}" for one in report.problems]
        page.add_table("**What went wrong**\n", lines, share=8)


def _case(evaluation: Evaluation, case: CaseResult) -> str:
    mine, theirs = words.side_names(evaluation)
    parts = [f"<details><summary>{inline(words.row_title(case))}</summary>\n"]
    given = "\n".join(f"{key}: {words.shown(value)}" for key, value in case.input.items())
    parts.append(f"Input\n\n{fenced(given, _INPUT)}")
    if case.expected is not None:
        parts.append(f"Expected\n\n{fenced(words.shown(case.expected), _INPUT)}")
    if case.baseline is not None:
        before = fenced(words.output_of(case.baseline), _OUTPUT)
        parts.append(f"{theirs}: {_scores(case.baseline)}\n\n{before}")
    now = fenced(words.output_of(case.candidate), _OUTPUT)
    parts.append(f"{mine}: {_scores(case.candidate)}\n\n{now}")
    return "\n".join([*parts, "</details>\n"])


def _scores(side: Side) -> str:
    told = [
        f"{inline(name, 60)} {words.amount(name, value)}"
        for name, value in list(side.scores.items())[:10]
    ]
    return ", ".join(told) or "no scores"


def _metrics(page: _Page, report: Report) -> None:
    columns = "| | candidate | baseline | difference |\n|---|--:|--:|---|"
    head = f"<details><summary>Metrics</summary>\n\n{columns}"
    lines = [_metric(one.name, one.name, one.candidate, one.baseline) for one in report.metrics]
    page.add_table(head, lines, "\n</details>\n", share=2)
    sliced = [
        _metric(one.name, f"{one.name}, {part}", *sides)
        for one in report.metrics
        for part, sides in one.slices.items()
    ]
    if sliced:
        head = f"<details><summary>Metrics of slices</summary>\n\n{columns}"
        page.add_table(head, sliced, "\n</details>\n", share=1)


def _metric(name: str, told: str, mine: Figures, theirs: Figures | None) -> str:
    change, word = words.difference(name, mine, theirs)
    cells = (
        inline(told, 160),
        words.mean_of(name, mine),
        words.mean_of(name, theirs),
        f"{change} {word}".rstrip(),
    )
    return f"| {' | '.join(cells)} |"


def _last(evaluation: Evaluation) -> str:
    asked = f"Evaluation {evaluation.number}, asked for by {inline(evaluation.by, 60)}."
    return f"{asked} {words.spent(evaluation)}".rstrip()
