"""Reports of evaluations: what they say, and that nothing in them can break a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.evaluation import (
    CaseResult,
    Evaluation,
    Figures,
    Held,
    Metric,
    Report,
    Side,
)
from pointsman.core.evaluation_history import history
from pointsman.core.evaluation_markdown import MOST, fenced, inline
from pointsman.core.evaluation_page import MOST_CASES
from pointsman.core.evaluation_reports import FORMATS, html_page, junit, markdown, report
from pointsman.core.evaluation_words import amount, clean

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    "```\n# out\n````\n![x](http://evil.example/a.png)",
    "| a | b |\n|---|---|\n",
    "@everyone see #1, GH-2 and https://evil.example, www.evil.example",
    "\0\x01\x1b[31m\x7f\x85\u202e\ud800\ufffe\r",
    "]]> & <!-- --> &amp; \\| *b* _i_ [l](javascript:alert(1)) $x$",
    "x" * 1_000_000,
    "",
]


def _evaluation(text: str = "correct", **more: Any) -> Evaluation:
    """An evaluation that failed, with `text` wherever others write."""
    held = (
        Held(f"{text} at least 0.9", "failed", f"“{text}” does not hold.", 0.5, 1.0, rows=(1, 0)),
        Held(f"{text} not worse", "inconclusive", "Too few.", 0.5, 1.0, -0.6, -0.3, 0.3, (1,)),
        Held("tokens at most 1000", "passed", "It holds.", 11.0, 15.0),
    )
    sides = (Figures(2, 0.5, p95=1.0), Figures(2, 1.0, p95=1.0, errors=1))
    metrics = (
        Metric(text, *sides, slices={f"{text}=yes": sides}),
        Metric("latency", Figures(2, 0.25, p95=0.5), Figures(2, 0.5)),
        Metric("cost", Figures(2, 0.001), None),
    )
    whole = Report(
        "failed", f"It is {text}.", 2, held, metrics, (f"lost: {text}",), 3, 1, 4, 0, 0.25
    )
    evaluation = Evaluation(
        21, "suite:labels:3", "prompt", "support/classify", 2, 1, "production", "ab" * 32,
        "failed", text, AT, ended_at=AT + timedelta(seconds=90), summary=whole.summary,
        report=whole,
    )  # fmt: skip
    return replace(evaluation, **more)


def _cases(text: str = "the order is late") -> list[CaseResult]:
    return [
        CaseResult(
            0,
            {"message": text, "n": 1},
            Side(text, {"correct": 1.0}, seconds=0.2, tokens=5),
            Side(text, {"correct": 1.0}, reused=True),
            expected=text,
            change=0.0,
        ),
        CaseResult(
            1,
            {text or "m": {"deep": [text]}},
            Side(f"now {text}", {text: 0.0, "other": None}, {text: text}, error=text),
            Side(f"before {text}", {text: 1.0}),
            tags={text: text},
            id=text,
            change=-1.0,
        ),
    ]


# -- what they say


def test_markdown_tells_the_outcome_first_and_the_worst_rows() -> None:
    told = markdown(_evaluation(), _cases())
    head, sentence = told.split("\n")[0], told.split("\n")[2]
    assert head == "### ❌ Failed: support/classify:2 against version 1, by labels:3"
    assert sentence == "> It is correct."
    assert "| ❌ | correct at least 0.9 | “correct” does not hold. |" in told
    assert "| correct | 0.5 | 1 (1 without) | −0.5 worse |" in told
    assert "| latency | 0.25 s | 0.5 s | −0.25 s better |" in told
    assert "| correct, correct&#61;yes | 0.5 |" in told
    assert "Row 1 &#40;the order is late&#41;: worse by 1" in told
    assert "Row 0" not in told
    assert told.index("Baseline, version 1") < told.index("Candidate, version 2")
    assert told.endswith(
        "2 rows; 4 outputs, 1 of them reused; 4 scores, none of them reused; it cost 0.25."
    )


def test_a_cost_that_nobody_knows_is_not_nothing() -> None:
    whole = _evaluation().report
    assert whole is not None
    unpriced = replace(whole, cost=0.0, metrics=(Metric("cost", Figures(0, errors=2)),))
    assert "its cost is not known." in markdown(_evaluation(report=unpriced), [])
    partly = replace(unpriced, cost=0.5)
    assert "it cost 0.5 and what has no known price." in markdown(_evaluation(report=partly), [])


def test_the_same_version_on_both_sides_is_told_apart() -> None:
    told = markdown(_evaluation(against=2), _cases())
    assert "support/classify:2, made of other versions, by labels:3" in told
    assert "Baseline, version 2" in told


def test_without_a_baseline_the_rows_that_decided_are_shown() -> None:
    cases = [replace(one, baseline=None, change=None) for one in _cases()]
    clear = replace(cases[1], candidate=Side("fine", {"correct": 1.0}), id="", tags={})
    told = markdown(_evaluation(against=None), [cases[0], clear])
    assert "by labels:3" in told
    assert "Row 0</summary>" in told
    assert "Row 1</summary>" in told  # both are named by a criterion that did not pass
    passed = replace(_evaluation(against=None), state="passed", report=None)
    assert "Row" not in markdown(passed, [cases[0], clear])


_CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out", "system-err"],
    "properties": ["property"],
    "property": [],
    "testcase": ["skipped", "error", "failure", "system-out", "system-err"],
    "failure": [],
    "error": [],
    "system-out": [],
}
_ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "system-out": set(),
}
"""What the schema of JUnit files allows, as far as it is used here: elements in this order."""


def _checked(text: str) -> ET.Element:
    """The file, read, each element at a place where the schema has it."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert element.attrib.keys() <= _ATTRIBUTES[element.tag]
        order = [_CHILDREN[element.tag].index(child.tag) for child in element]
        assert order == sorted(order)
    for suite in root:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
    return root


def test_junit_has_a_test_for_each_criterion() -> None:
    root = _checked(junit([(_evaluation(), _cases()), (_evaluation(number=22), ())]))
    assert root.attrib == {"name": "pointsman", "tests": "6", "failures": "2", "errors": "2"}
    first, second, third = root[0].findall("testcase")
    assert first.get("name") == "correct at least 0.9"
    assert first.get("classname") == "labels:3 on support/classify:2"
    failure = first.find("failure")
    assert failure is not None
    assert failure.get("message") == "“correct” does not hold."
    assert "Baseline, version 1: before the order is late" in (failure.text or "")
    assert second.find("error") is not None
    assert not list(third)
    assert root[0].get("timestamp") == "2026-05-04T09:30:00"
    assert root[0].get("time") == "90.000"


@pytest.mark.parametrize("state", ["queued", "running", "cancelled", "superseded"])
def test_what_has_no_result_never_shows_as_passed(state: Any) -> None:
    evaluation = _evaluation(state=state, report=None, summary="", ended_at=None)
    root = _checked(junit([(evaluation, ())]))
    (error,) = root.iter("error")
    assert error.get("type") == state
    assert "✅" not in markdown(evaluation, ())
    assert "✓" not in html_page(evaluation, ())


def test_a_failure_that_no_criterion_tells_is_told() -> None:
    whole = _evaluation().report
    assert whole is not None
    evaluation = _evaluation(state="inconclusive", report=replace(whole, held=whole.held[2:]))
    root = _checked(junit([(evaluation, ())]))
    assert root.get("errors") == "1"
    assert root.get("tests") == "2"


def test_the_page_marks_the_words_that_changed() -> None:
    page = html_page(_evaluation(), _cases())
    _Page.read(page)
    assert "<del>before</del> the order is late" in page
    assert "<ins>now</ins> the order is late" in page
    assert "Candidate, version 2 · the same output" in page
    assert "Failed" in page
    assert '<details class="case" open>' in page


def test_what_the_page_counts_stands_beside_what_it_was() -> None:
    sides = (Figures(2, 0.0000128, p95=0.5), Figures(2, 0.5, p95=0.25))
    whole = _evaluation().report
    assert whole is not None
    evaluation = _evaluation(report=replace(whole, metrics=(Metric("cost", *sides),)))
    cases = [
        replace(
            _cases()[0],
            candidate=Side("other", {"correct": 0.0, "new": 1.0}),
            baseline=Side("refund", {"correct": 1.0}),
        )
    ]
    page = html_page(evaluation, cases)
    text = _Page.read(page)
    assert "correct 0 (was 1)" in text
    assert "new 1 ·" in text
    assert "0.5 was 0.25" in text
    assert "0.0000128" in text  # never 1.28e-05
    assert "currency of the providers' prices" in text


def test_a_page_without_a_baseline_has_no_empty_columns() -> None:
    whole = _evaluation().report
    assert whole is not None
    alone = tuple(replace(one, baseline=None, slices={}) for one in whole.metrics)
    page = html_page(_evaluation(against=None, report=replace(whole, metrics=alone)), ())
    assert "Baseline" not in page
    assert "Difference" not in page
    assert page.count('data-label="Candidate, version 2"') == len(alone)


def test_a_run_that_was_stopped_has_no_empty_section() -> None:
    whole = _evaluation().report
    assert whole is not None
    assert "What must hold" in html_page(_evaluation(), ())
    assert "What must hold" not in html_page(_evaluation(report=replace(whole, held=())), ())


def test_an_output_that_failed_is_told_as_an_error_and_not_compared() -> None:
    case = replace(_cases()[0], candidate=Side(error="it timed out"), baseline=Side("refund"))
    page = html_page(_evaluation(), [case])
    assert "No output: it timed out" in page
    assert "<ins>" not in page
    assert "<del>" not in page


def test_amounts_are_told_as_people_write_them() -> None:
    told = [amount("cost", value) for value in (0.00001275, -0.00002, 0.0, 1e-300, 12_345.6)]
    assert told == ["0.00001275", "-0.00002", "0", "1e-300", "12,346"]
    assert amount("tokens", 45.0) == "45 tokens"


def test_the_page_shows_the_worst_of_many_rows() -> None:
    many = [replace(_cases()[0], row=row) for row in range(MOST_CASES + 5)] + _cases()[1:]
    page = html_page(_evaluation(), many)
    assert page.count('class="case"') == MOST_CASES
    assert f"the first {MOST_CASES} are shown" in page
    assert "worse by 1" in page


def test_json_is_the_plain_values() -> None:
    told = json.loads(report("json", _evaluation(), _cases()))
    assert told["evaluation"]["report"]["held"][0]["outcome"] == "failed"
    assert told["cases"][1]["candidate"]["scores"]["other"] is None


# -- what others wrote


class _Page(HTMLParser):
    """Reads a page strictly: known tags and attributes only, each closed where it should be."""

    TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "p"}
    TAGS |= {"h1", "h2", "h3", "h4", "b", "span", "dl", "div", "dt", "dd", "ul", "li", "table"}
    TAGS |= {"thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "del", "ins"}
    ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "scope", "open"}
    ATTRIBUTES |= {"aria-hidden", "data-label"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.data: list[str] = []

    @classmethod
    def read(cls, text: str) -> str:
        """The text of a page. Asserts that it is well formed."""
        reader = cls()
        reader.feed(text)
        reader.close()
        assert not reader.open
        return "".join(reader.data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.TAGS
        assert {name for name, _ in attrs} <= self.ATTRIBUTES
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.data.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def _check_markdown(text: str) -> None:
    """That nothing which others wrote is read as Markdown, HTML, a mention or a link."""
    assert len(text) <= MOST
    fence, unfolding = "", 0
    for line in text.split("\n"):
        if fence:
            fence = "" if re.fullmatch(f"{fence}`* *", line) else fence
            continue
        if found := re.match("(```+)text$", line):
            fence = found[1]
            continue
        unfolding += line.count("<details>") - line.count("</details>")
        assert unfolding in (0, 1)
        allowed = re.sub(r"</?(details|summary)>", "", line)
        allowed = re.sub(r"^(###|>|\||-|\*\*)|\*\*$|\|$", "", allowed)
        assert not re.search(r"[<>`*\[\]\\_~!{}$]|@\w|(?<!&)#\w|://|www\.|(?i:gh-\d)", allowed), (
            line
        )
        if line.startswith("|"):
            assert line.count("|") in (4, 5)
    assert not fence
    assert not unfolding


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    evaluation, cases = _evaluation(text), _cases(text)
    _check_markdown(markdown(evaluation, cases))
    _checked(junit([(evaluation, cases)]))
    shown = _Page.read(html_page(evaluation, cases))
    assert clean(text, 20_000).strip() in shown.replace("\r", "\n")
    for form in FORMATS:
        long = len(report(form, evaluation, cases)) > 300_000
        assert long == (form == "json" and len(text) > 300_000)  # programs get all of it


_anything = st.text(st.characters(codec=None, exclude_categories=[]), max_size=80)


@given(_anything)
def test_any_text_stays_text(text: str) -> None:
    evaluation, cases = _evaluation(text), _cases(text)
    _check_markdown(markdown(evaluation, cases))
    _checked(junit([(evaluation, cases)]))
    _Page.read(html_page(evaluation, cases)).encode()


@given(_anything)
def test_clean_text_is_what_xml_can_carry(text: str) -> None:
    cleaned = clean(text)
    assert not re.search("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", cleaned)
    assert clean(cleaned) == cleaned


@given(st.text("`~ \na", max_size=60))
def test_a_fence_is_longer_than_what_it_holds(text: str) -> None:
    first, *inner, last, end = fenced(text, 1_000).split("\n")
    assert not end
    assert first == f"{last}text"
    assert not any(re.fullmatch(f" *{last}`* *", line) for line in inner)


def test_mentions_and_links_are_broken() -> None:
    assert inline("@ana") == "@\u200bana"
    assert inline("a/b#12 GH-3") == "a/b#\u200b12 GH-\u200b3"
    assert inline("https://x") == "https:\u200b//x"
    assert inline("a|b") == "a&#124;b"


def test_a_comment_is_never_too_long() -> None:
    held = tuple(Held("&" * 200, "failed", "<" * 900, rows=(1,)) for _ in range(50))
    sides = (Figures(2, 0.5), Figures(2, 1.0))
    slices = {f"{'*' * 60}{n}": sides for n in range(50)}
    metrics = tuple(Metric(f"{'|' * 90}{n}", *sides, slices=slices) for n in range(33))
    problems = tuple("~" * 900 for _ in range(200))
    whole = Report("failed", "_" * 2_000, 9, held, metrics, problems)
    cases = [replace(_cases("`" * 40_000)[1], row=row) for row in range(9)]
    told = markdown(_evaluation(report=whole), cases)
    _check_markdown(told)
    assert "more, which do not fit here" in told
    assert "40 rows" not in told


# -- over versions


def test_history_has_a_series_for_each_metric_and_suite() -> None:
    first = _evaluation(number=3, version=1, against=None)
    second = _evaluation(number=9)
    other = _evaluation(number=5, suite="suite:tone:1")
    waiting = _evaluation(number=11, state="queued", report=None)
    found = history([second, waiting, other, first])
    assert [(one.suite, one.metric) for one in found] == [
        (suite, metric) for suite in ("labels", "tone") for metric in ("correct", "cost", "latency")
    ]
    (correct,) = history([second, first], "correct")
    assert [(one.number, one.version, one.mean) for one in correct.points] == [
        (3, 1, 0.5),
        (9, 2, 0.5),
    ]
    assert correct.points[1].before == 1.0
    assert correct.points[1].suite_version == 3
    assert correct.points[1].at == AT + timedelta(seconds=90)
    assert not history([first], "unknown")
