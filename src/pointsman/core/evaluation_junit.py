"""Evaluations as a JUnit file, which every CI shows: each criterion is a test.

What does not hold is a failure; what could not be told, or has not come to an end, is an error.
So nothing but an evaluation that passed shows as passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pointsman.core import evaluation_words as words
from pointsman.core.evaluation import CaseResult, Evaluation, Held

_ROWS = 10
_OUTPUT = 2_000


def junit(evaluations: Sequence[tuple[Evaluation, Sequence[CaseResult]]]) -> str:
    """The evaluations as one JUnit file, each a suite of tests."""
    root = ET.Element("testsuites", name="pointsman")
    for evaluation, cases in evaluations:
        _suite(root, evaluation, cases)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(one.get(name, "0")) for one in root)))
    ET.indent(root)
    written = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}\n'


def _suite(root: ET.Element, evaluation: Evaluation, cases: Sequence[CaseResult]) -> None:
    report = evaluation.report
    held = report.held if report is not None else ()
    unexplained = all(one.outcome == "passed" for one in held) and evaluation.state != "passed"
    suite = ET.SubElement(
        root,
        "testsuite",
        name=words.line(words.title(evaluation)),
        tests=str(len(held) + unexplained),
        failures=str(sum(one.outcome == "failed" for one in held)),
        errors=str(sum(one.outcome == "inconclusive" for one in held) + unexplained),
        skipped="0",
        timestamp=evaluation.at.replace(microsecond=0, tzinfo=None).isoformat(),
        time=_seconds(evaluation),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(evaluation):
        ET.SubElement(properties, "property", name=name, value=words.line(value))
    by_row = {one.row: one for one in cases}
    for one in held:
        _criterion(suite, evaluation, one, by_row)
    if unexplained:
        test = _test(suite, evaluation, "the evaluation passes")
        told = words.line(words.sentence(evaluation), 1_000)
        ET.SubElement(test, "error", message=told, type=evaluation.state)
    if report is not None:
        output = ET.SubElement(suite, "system-out")
        output.text = "\n".join(
            [words.spent(evaluation), *(words.line(one, 1_000) for one in report.problems)]
        )


def _criterion(
    suite: ET.Element,
    evaluation: Evaluation,
    held: Held,
    by_row: dict[int, CaseResult],
) -> None:
    test = _test(suite, evaluation, held.criterion)
    if held.outcome == "passed":
        return
    kind = "failure" if held.outcome == "failed" else "error"
    told = words.line(held.message, 1_000)
    problem = ET.SubElement(test, kind, message=told, type=held.outcome)
    cases = [by_row[row] for row in held.rows if row in by_row][:_ROWS]
    problem.text = "\n\n".join([told, *(_told(evaluation, case) for case in cases)])


def _test(suite: ET.Element, evaluation: Evaluation, name: str) -> ET.Element:
    # Dots would make packages of the names in some viewers.
    classname = words.line(f"{words.suite_of(evaluation)} on {words.candidate_of(evaluation)}")
    return ET.SubElement(
        suite, "testcase", name=words.line(name), classname=classname.replace(".", "·"), time="0"
    )


def _told(evaluation: Evaluation, case: CaseResult) -> str:
    mine, theirs = words.side_names(evaluation)
    lines = [words.row_title(case)]
    if case.baseline is not None:
        before = words.clean(words.output_of(case.baseline), _OUTPUT)
        lines.append(f"{theirs}: {before}")
    now = words.clean(words.output_of(case.candidate), _OUTPUT)
    lines.append(f"{mine}: {now}")
    return "\n".join(lines)


def _properties(evaluation: Evaluation) -> list[tuple[str, str]]:
    told = [
        ("evaluation", str(evaluation.number)),
        ("suite", evaluation.suite),
        ("version", words.candidate_of(evaluation)),
        ("against", "" if evaluation.against is None else str(evaluation.against)),
        ("alias", evaluation.alias),
        ("state", evaluation.state),
        ("seal", evaluation.seal),
    ]
    return [(name, value) for name, value in told if value]


def _seconds(evaluation: Evaluation) -> str:
    """From being asked for to the end."""
    if evaluation.ended_at is None:
        return "0"
    return f"{max(0.0, (evaluation.ended_at - evaluation.at).total_seconds()):.3f}"
