"""Reports of an evaluation, for where people look: a pull request, a CI, a browser, a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal, get_args

from pointsman.core.evaluation import CaseResult, Evaluation
from pointsman.core.evaluation_junit import junit
from pointsman.core.evaluation_markdown import markdown
from pointsman.core.evaluation_page import html_page
from pointsman.core.plain import to_plain

__all__ = ["FORMATS", "MEDIA_TYPES", "Format", "html_page", "junit", "markdown", "report"]

Format = Literal["markdown", "junit", "html", "json"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA_TYPES: Final[dict[Format, str]] = {
    "markdown": "text/markdown; charset=utf-8",
    "junit": "application/xml; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}


def report(form: Format, evaluation: Evaluation, cases: Sequence[CaseResult]) -> str:
    """The evaluation in one of the `FORMATS`; `cases` are its rows, or the worst of them."""
    match form:
        case "markdown":
            return markdown(evaluation, cases)
        case "junit":
            return junit([(evaluation, cases)])
        case "html":
            return html_page(evaluation, cases)
        case "json":
            told = {"evaluation": to_plain(evaluation), "cases": to_plain(tuple(cases))}
            return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
