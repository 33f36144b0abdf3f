"""Moving an alias, and putting it back: what replaces what, before any button that does it."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import changes, graph, reading, releases, reviewing
from pointsman.app.application import View
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.releases import Wish
from pointsman.core.changes import PolicyAnswer
from pointsman.core.diff import ContentDiff
from pointsman.core.graph_answers import Impact
from pointsman.core.names import check_alias, check_kind
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Alias, Artifact, Target
from pointsman.errors import Conflict, NotFound, PointsmanError, StaleRevision
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import address, told_target

USUAL = ("production", "staging", "canary", "shadow", "champion")
"""Aliases that are offered where an artifact has none of them yet."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a move would do, read at one moment."""

    artifact: Artifact
    alias: str
    current: Alias | None
    to: Target
    diff: ContentDiff | None
    impact: Impact | None
    answer: PolicyAnswer
    release: int | None = None
    """The release that a rollback undoes."""


def move_page(visit: Visit) -> Answer:
    """Choose an alias and a version, and see what would replace what."""
    return _shown(visit)


def move(visit: Visit) -> Answer:
    """Move the alias, or propose to, as the button says."""
    kind, name, alias = visit.kind, visit.name, check_alias(visit.given("alias"))
    version = _version(visit)
    revision = visit.number("revision")
    reason = visit.given("reason").strip()
    here = address(visit.project, kind, name)
    try:
        if visit.given("deed") == "propose":
            wanted = [Wanted(kind, name, alias, Target(version=version))]
            title = f"Move {alias} of {name} to version {version}"[: changes.MAX_TITLE]
            proposal = Proposal(title, wanted, reason)
            change = visit.do(lambda work: changes.propose(work, proposal))
            there = f"/projects/{visit.project}/changes/{change.number}"
            return visit.go(there, f"Change {change.number} is proposed.")
        wish = Wish(kind, name, alias, Target(version=version), revision)
        glass = visit.given("deed") == "break"
        done = visit.do(lambda work: releases.release(work, [wish], reason, break_glass=glass))
    except PointsmanError as error:
        return _shown(visit, error=error, reason=reason)
    if done is None:
        return visit.go(here, f"{alias} points to version {version} already.")
    return visit.go(here, f"{alias} points to version {version} now.")


def rollback_page(visit: Visit) -> Answer:
    """See what an alias would go back to."""
    return _shown_back(visit)


def roll_back(visit: Visit) -> Answer:
    """Put the alias back to what its last release replaced."""
    kind, name, alias = visit.kind, visit.name, check_alias(visit.given("alias"))
    revision, reason = visit.number("revision"), visit.given("reason").strip()
    try:
        done = visit.do(
            lambda work: releases.roll_back_alias(
                work, kind, name, alias, reason, if_revision=revision
            )
        )
    except PointsmanError as error:
        return _shown_back(visit, error=error, reason=reason)
    back = told_target(done.moves[0].to)
    return visit.go(address(visit.project, kind, name), f"{alias} is back at {back}.")


def _shown(visit: Visit, *, error: PointsmanError | None = None, reason: str = "") -> Answer:
    kind, name = visit.kind, visit.name
    alias = visit.given("alias") or visit.ask("alias")
    number = visit.number("version")

    def look(view: View) -> tuple[Artifact, Prospect | None]:
        artifact = reading.show_artifact(view, kind, name)
        if not alias or number is None:
            return artifact, None
        return artifact, _prospect(view, artifact, check_alias(alias), Target(version=number))

    artifact, prospect = visit.see(look)
    return visit.page(
        "move.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        prospect=prospect,
        aliases=_offered(artifact),
        alias=alias or "production",
        version=number or artifact.newest,
        reason=reason or visit.ask("reason"),
        error=None if error is None else told(error),
        stale=isinstance(error, StaleRevision),
    )


def _shown_back(visit: Visit, *, error: PointsmanError | None = None, reason: str = "") -> Answer:
    kind, name = visit.kind, visit.name
    alias = check_alias(visit.given("alias") or visit.ask("alias") or "production")

    def look(view: View) -> tuple[Prospect | None, PointsmanError | None, Artifact]:
        artifact = reading.show_artifact(view, kind, name)
        try:
            undo = releases.next_to_undo(view, kind, name, alias)
        except (NotFound, Conflict) as nothing:
            return None, nothing, artifact
        assert undo.before is not None, "there is something to go back to"
        return _prospect(view, artifact, alias, undo.before, undo.release), None, artifact

    prospect, nothing, artifact = visit.see(look)
    error = error or nothing
    return visit.page(
        "rollback.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        alias=alias,
        prospect=prospect,
        reason=reason,
        error=None if error is None else told(error),
        stale=isinstance(error, StaleRevision),
    )


def _prospect(
    view: View, artifact: Artifact, alias: str, to: Target, release: int | None = None
) -> Prospect:
    current = next((one for one in artifact.aliases if one.name == alias), None)
    kind, name = check_kind(artifact.kind), artifact.name
    selector = Selector(kind, name, alias=alias)
    after = to.versions[0]
    impact = None
    if current is not None:
        impact = graph.affected(view, selector)
    return Prospect(
        artifact,
        alias,
        current,
        to,
        _difference(view, artifact, current, after),
        impact,
        reviewing.ask_policy(view, selector, version=after),
        release,
    )


def _difference(
    view: View, artifact: Artifact, current: Alias | None, after: int
) -> ContentDiff | None:
    """The text of what is live against what would be; None where either can't be read."""
    if current is None:
        return None
    kind, name = check_kind(artifact.kind), artifact.name
    before = current.target.versions[0]
    try:
        return reading.compare(
            view, Selector(kind, name, version=before), Selector(kind, name, version=after)
        )
    except NotFound:
        return None


def _offered(artifact: Artifact) -> list[str]:
    """Aliases to choose from: its own first, then usual ones that it lacks."""
    own = sorted((one.name for one in artifact.aliases), key=lambda one: (one != "production", one))
    return [*own, *(one for one in USUAL if one not in own)]


def _version(visit: Visit) -> int:
    number = visit.number("version")
    if number is None:
        raise NotFound("No version is chosen.", code="version_not_found", field="version")
    return number


PAGES = (
    Page("GET", "/projects/{project}/{kind}/{name}:move", move_page),
    Page("POST", "/projects/{project}/{kind}/{name}:move", move),
    Page("GET", "/projects/{project}/{kind}/{name}:rollback", rollback_page),
    Page("POST", "/projects/{project}/{kind}/{name}:rollback", roll_back),
)
