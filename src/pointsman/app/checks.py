"""Checks: named pieces of evidence on exact digests, reported by any CI."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pointsman.app.application import View, Work
from pointsman.app.basis import basis_of_change
from pointsman.app.closure import seal_of
from pointsman.app.ports.governance import CheckRow
from pointsman.core.canonical import check_text
from pointsman.core.changes import CheckResult, CheckState
from pointsman.core.evaluation import CHECK
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import moment
from pointsman.errors import InvalidInput, NotFound

MAX_FIGURES = 50


@dataclass(frozen=True, slots=True)
class Report:
    """A report of a check on a digest: of a version, or the basis of a change."""

    digest: str
    name: str
    state: str
    summary: str = ""
    link: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def report_about(work: Work, about: Mapping[str, Any], **given: Any) -> CheckResult:
    """Report a check on exactly one of `digest`, `selector` (a version) and `change`.

    A version stands for all that it is made of now, a change for its basis. Raises `Refused`
    without the verb `report` there, and `InvalidInput`.
    """
    named = {name: value for name, value in about.items() if value}
    if "selector" not in named:
        work.require_all("report")
    if len(named) != 1:
        raise InvalidInput(
            "A check is about exactly one of digest, selector and change.",
            code="invalid_subject",
            hint='For example {"selector": "support/reply:7"}.',
            field="digest",
        )
    digest = named.get("digest", "")
    if "selector" in named:
        digest = _digest_of(work, parse_selector(named["selector"]))
    elif "change" in named:
        digest = basis_of_change(work, named["change"])
    return _report(work, Report(digest=digest, **given))


def _report(work: Work, given: Report) -> CheckResult:
    """Put a check's state on record; the last report of a name on a digest counts.

    Callers have asked whether the caller may report on it (see `report_about`). Raises
    `InvalidInput` for what is not a report.
    """
    if len(given.digest) != 64 or not set(given.digest) <= set("0123456789abcdef"):
        raise InvalidInput(
            "A check is about a digest of 64 hexadecimal digits.",
            code="invalid_digest",
            hint="Take the digest of a version, or the basis of a change.",
            field="digest",
        )
    name = check_text(given.name, field="name", max_chars=100)
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise InvalidInput(
            "A check needs a name of 1 to 100 printable characters.",
            code="invalid_check_name",
            hint="Use the name that the policy asks for.",
            field="name",
        )
    if name.startswith(CHECK):
        raise InvalidInput(
            f"Checks whose name begins with {CHECK} are reported by evaluations alone.",
            code="reserved_check_name",
            hint="Choose another name.",
            field="name",
        )
    if given.state not in get_args(CheckState):
        raise InvalidInput(
            f"{given.state!r} is not the state of a check.",
            code="invalid_check_state",
            hint=f"States are {', '.join(get_args(CheckState))}.",
            field="state",
        )
    link = check_text(given.link, field="link", max_chars=2_000)
    if link and not link.startswith(("https://", "http://")):
        raise InvalidInput(
            "The link is not a web address.",
            code="invalid_link",
            hint="Begin it with https://.",
            field="link",
        )
    figures = _figures(given.figures)
    fact = {
        "digest": given.digest,
        "check": name,
        "state": given.state,
        "summary": check_text(given.summary, field="summary", max_chars=2_000),
        "link": link,
        "figures": {key: repr(value) for key, value in figures.items()},
    }
    line = work.record("check.reported", fact)
    row = CheckRow(
        digest=given.digest,
        name=name,
        state=given.state,
        summary=given.summary,
        link=link,
        figures=json.dumps(figures, ensure_ascii=False, sort_keys=True),
        subject=work.actor.id,
        by_name=work.actor.name,
        at=line.at,
    )
    work.tx.put_check_report(work.project.id, row)
    return told_check(row)


def _digest_of(work: Work, selector: Selector) -> str:
    if selector.version is None:
        raise InvalidInput(
            f"{selector} does not name a version by its number.",
            code="invalid_selector",
            hint="An alias may move while the check runs: write name:7.",
            field="selector",
        )
    work.require("report", selector.kind, selector.name)
    artifact = work.artifact(selector.kind, selector.name)
    if work.tx.version(artifact.id, selector.version) is None:
        raise NotFound(
            f"There is no {selector}.",
            code="version_not_found",
            hint="List its versions to see which there are.",
            field="selector",
        )
    return seal_of(work, artifact.id, selector.version)


def checks_on(view: View, digest: str) -> tuple[CheckResult, ...]:
    """The last report of each check on a digest."""
    view.require_all("read")
    rows = view.reader.check_reports(view.project.id, check_text(digest, field="digest"))
    return tuple(told_check(row) for row in rows)


def told_check(row: CheckRow) -> CheckResult:
    """A report as people are told of it."""
    return CheckResult(
        name=row.name,
        digest=row.digest,
        state=row.state,  # type: ignore[arg-type]  # rows hold the states themselves
        by=row.by_name,
        at=moment(row.at),
        summary=row.summary,
        link=row.link,
        figures=json.loads(row.figures),
    )


def _figures(given: Mapping[str, float]) -> dict[str, float]:
    if len(given) > MAX_FIGURES:
        raise InvalidInput(
            f"{len(given)} figures were given.",
            code="too_many_figures",
            hint=f"Give at most {MAX_FIGURES}.",
            field="figures",
        )
    figures = {}
    for key, value in given.items():
        if not key.isprintable() or not 0 < len(key) <= 100 or not math.isfinite(value):
            raise InvalidInput(
                f"The figure {key[:40]!r} is not a finite number with a printable name.",
                code="invalid_figure",
                hint="Names have 1 to 100 characters.",
                field="figures",
            )
        figures[check_text(key, field="figures")] = float(value)
    return figures
