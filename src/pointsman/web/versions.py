"""The page of a version: what it says, what it is made with, who uses it, and how to fetch it.

Also what is done to a version by itself: its tags, and the removal of its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.app import archiving, reading, tagging
from pointsman.app.application import View
from pointsman.app.dependents import Dependent, dependents
from pointsman.core.access import may
from pointsman.core.content import PromptContent, restore_prompt
from pointsman.core.content_fields import write_declaration
from pointsman.core.models import restore_files
from pointsman.core.names import Kind
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Artifact, Dependency, Version
from pointsman.errors import NotFound, PointsmanError
from pointsman.web.marking import marked, type_of
from pointsman.web.snippets import Snippet, snippets
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import address

ROWS = 50
"""Rows of a dataset that a page shows."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A variable as a table tells of it; `declared` has what its author says."""

    name: str
    required: bool
    declared: Mapping[str, Any]
    used: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A dependency, and the page of what it means."""

    dependency: Dependency
    href: str


@dataclass(frozen=True, slots=True)
class Look:
    """A version and what surrounds it, read at one moment."""

    artifact: Artifact
    version: Version
    composed: PromptContent | None
    """What applications get, where it is a prompt that can be put together."""
    trouble: str
    """Why it can't be put together."""
    users: tuple[Dependent, ...]


def version_page(visit: Visit) -> Answer:
    """One version."""
    return _shown(visit, int(visit.path["number"]))


def set_tag(visit: Visit) -> Answer:
    """Set or delete a tag of an artifact, or of the version that the form names."""
    kind, name, number = visit.kind, visit.name, visit.number("version")
    key, value = visit.given("key").strip(), visit.given("value")
    try:
        if visit.given("deed") == "delete":
            visit.do(lambda work: tagging.delete_tag(work, kind, name, number, key))
            note = f"The tag {key} is gone."
        else:
            visit.do(lambda work: tagging.set_tag(work, kind, name, number, key, value))
            note = f"The tag {key} is set."
    except PointsmanError as error:
        artifact = visit.see(lambda view: reading.show_artifact(view, kind, name))
        return visit.page(
            "tags.html",
            status=status_of(error),
            artifact=artifact,
            number=number,
            error=told(error),
            key=key,
            value=value,
        )
    return visit.go(address(visit.project, kind, name, number or ""), note)


def removal_page(visit: Visit) -> Answer:
    """What removing the content of a version does, before it is done."""
    return _removal(visit)


def remove(visit: Visit) -> Answer:
    """Remove the content of a version, for the reason given."""
    kind, name, number = visit.kind, visit.name, _number(visit)
    reason = visit.given("reason").strip()
    try:
        visit.do(lambda work: archiving.tombstone(work, kind, name, number, reason))
    except PointsmanError as error:
        return _removal(visit, error=error, reason=reason)
    here = address(visit.project, kind, name, number)
    return visit.go(here, f"The content of version {number} is removed.")


def _shown(visit: Visit, number: int) -> Answer:
    kind, name = visit.kind, visit.name
    look = visit.see(lambda view: _look(view, kind, name, number))
    version, artifact = look.version, look.artifact
    variables = _variables(look.composed)
    production = next((one for one in artifact.aliases if one.name == "production"), None)
    actor = visit.caller.actor
    return visit.page(
        "version.html",
        artifact=artifact,
        version=version,
        look=look,
        variables=variables,
        includes=[_part(visit.project, one) for one in version.dependencies],
        production=production.target.versions[0] if production else None,
        code=_code(visit, version, [one.name for one in variables if one.used]),
        files=_files(version),
        rows=_rows(version),
        marked=marked,
        type_of=type_of,
        may_write=may(actor, "write", kind, name).allowed,
        may_propose=may(actor, "propose", kind, name).allowed,
        may_admin=may(actor, "admin", kind, name).allowed,
    )


def _look(view: View, kind: Kind, name: str, number: int) -> Look:
    artifact = reading.show_artifact(view, kind, name)
    version = reading.show_version(view, Selector(kind, name, version=number))
    composed, trouble = None, ""
    if kind == "prompt" and version.content is not None:
        try:
            selector = Selector(kind, name, version=number)
            answer = reading.resolve(view, selector).resolution.content
            composed = restore_prompt(answer)
        except PointsmanError as error:
            trouble = error.message
    return Look(artifact, version, composed, trouble, dependents(view, kind, name, number))


def _variables(content: PromptContent | None) -> list[Taken]:
    """The variables of a prompt with all it includes, in the order of their use."""
    if content is None:
        return []
    declared = {name: write_declaration(one) for name, one in content.variables.items()}
    used = [
        Taken(one.name, one.required, declared.get(one.name, {}))
        for one in content.compiled.variables
    ]
    known = {one.name for one in used}
    spare = [Taken(name, False, said, False) for name, said in declared.items()]
    return used + [one for one in spare if one.name not in known]


def _part(project: str, dependency: Dependency) -> Part:
    try:
        kind: Kind = "model" if dependency.relation == "uses" else "prompt"
        at = parse_selector(dependency.selector, kind=None if ":" in dependency.selector else kind)
    except PointsmanError:
        return Part(dependency, "")
    return Part(dependency, address(project, at.kind, at.name, at.version or ""))


def _code(visit: Visit, version: Version, variables: Sequence[str]) -> list[Snippet]:
    aliases = sorted(version.aliases, key=lambda one: (one != "production", one))
    point = f"@{aliases[0]}" if aliases else f":{version.number}"
    selector = f"{version.name}{point}"
    return snippets(visit.origin, visit.project, version.kind, selector, variables)


def _files(version: Version) -> list[tuple[str, int, str]]:
    if version.kind != "model" or version.content is None:
        return []
    files = restore_files(version.content)
    return [(path, one.size, one.sha256) for path, one in sorted(files.items())]


def _rows(version: Version) -> dict[str, Any]:
    """The first rows of a dataset, and the names of what they have."""
    if version.kind != "dataset" or version.content is None:
        return {}
    rows = version.content["rows"]
    shown = rows[:ROWS]
    inputs = list(dict.fromkeys(name for row in shown for name in row["input"]))
    return {"inputs": inputs[:8], "shown": shown, "count": len(rows)}


def _removal(visit: Visit, *, error: PointsmanError | None = None, reason: str = "") -> Answer:
    kind, name, number = visit.kind, visit.name, _number(visit)

    def look(view: View) -> tuple[Artifact, Version]:
        view.require("admin", kind, name)
        selector = Selector(kind, name, version=number)
        return reading.show_artifact(view, kind, name), reading.show_version(view, selector)

    artifact, version = visit.see(look)
    return visit.page(
        "removal.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        version=version,
        reason=reason,
        error=None if error is None else told(error),
    )


def _number(visit: Visit) -> int:
    number = visit.number("version")
    if number is None:
        raise NotFound("No version is chosen.", code="version_not_found", field="version")
    return number


PAGES = (
    Page("GET", "/projects/{project}/{kind}/{name}:remove", removal_page),
    Page("POST", "/projects/{project}/{kind}/{name}:remove", remove),
    Page("POST", "/projects/{project}/{kind}/{name}:tags", set_tag),
    Page("GET", "/projects/{project}/{kind}/{name}:{number}", version_page),
)
