"""Moving an alias, and putting it back: what replaces what, before any button that does it."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import changes, deciding, graph, reading, releases
from pointsman.app.application import View, Work
from pointsman.app.basis import place_of
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.releases import Wish
from pointsman.core.changes import Change
from pointsman.core.graph_answers import Impact
from pointsman.core.names import check_alias, check_kind
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Alias, Artifact, Release, Target
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    StaleRevision,
)
from pointsman.web.swaps import Swap, effect_of_move, shared, swaps_of
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
    revision: int
    to: Target
    swap: Swap
    impact: Impact | None
    why: str
    reasons: tuple[Reason, ...]
    release: int | None = None
    """The release that a rollback undoes."""

    @property
    def effect(self) -> str:
        """What the move does, as a button says it."""
        return self.swap.effect

    @property
    def shared(self) -> bool:
        """Whether readers are shared out, so that weights have to be told."""
        return bool(self.to.split)


def move_page(visit: Visit) -> Answer:
    """Choose an alias and a version, and see what would replace what."""
    return _shown(visit)


def move(visit: Visit) -> Answer:
    """Move the alias, or propose to, as the button says."""
    kind, name, alias = visit.kind, visit.name, check_alias(visit.given("alias"))
    version, share = _version(visit), _share(visit)
    revision = visit.number("revision")
    reason = visit.given("reason").strip()
    here = address(visit.project, kind, name)

    def propose(work: Work) -> Change:
        current, to = _meant(work, kind, name, alias, version, share, revision)
        title = effect_of_move(f"{alias} of {name}", current, to)[: changes.MAX_TITLE]
        return changes.propose(work, Proposal(title, [Wanted(kind, name, alias, to)], reason))

    def release(work: Work) -> tuple[Release | None, Target]:
        _, to = _meant(work, kind, name, alias, version, share, revision)
        wish = Wish(kind, name, alias, to, revision)
        glass = visit.given("deed") == "break"
        return releases.release(work, [wish], reason, break_glass=glass), to

    try:
        if visit.given("deed") == "propose":
            change = visit.do(propose)
            there = f"/projects/{visit.project}/changes/{change.number}"
            return visit.go(there, f"Change {change.number} is proposed.")
        done, to = visit.do(release)
    except PointsmanError as error:
        return _shown(visit, error=error, reason=reason)
    already = "already" if done is None else "now"
    return visit.go(here, f"{alias} points to {told_target(to)} {already}.")


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
        current = _current(artifact, check_alias(alias))
        to = shared(current.target if current else None, number, share)
        return artifact, _prospect(view, artifact, alias, to)

    share = _share(visit)
    try:
        artifact, prospect = visit.see(look)
    except InvalidInput as wrong:
        if wrong.field != "share":
            raise
        error, share = wrong, 100
        artifact, prospect = visit.see(look)
    return visit.page(
        "move.html",
        status=200 if error is None else status_of(error),
        artifact=artifact,
        prospect=prospect,
        aliases=_offered(artifact),
        alias=alias or "production",
        version=number or artifact.newest,
        share=share,
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
    current = _current(artifact, alias)
    kind, name = check_kind(artifact.kind), artifact.name
    before = current.target if current else None
    ((why, reasons),) = deciding.against_moves(view, [(kind, name, alias, to)])
    (swap,) = swaps_of(view, [(kind, name, alias, before, to)], proposed=True)
    impact = graph.affected(view, Selector(kind, name, alias=alias)) if current else None
    revision = place_of(view, kind, name, alias).revision  # it may have been deleted
    return Prospect(artifact, alias, current, revision, to, swap, impact, why, reasons, release)


def _current(artifact: Artifact, alias: str) -> Alias | None:
    return next((one for one in artifact.aliases if one.name == alias), None)


def _meant(
    work: Work, kind: str, name: str, alias: str, version: int, share: int, revision: int | None
) -> tuple[Target | None, Target]:
    """Where the alias is, and where it is to be, by what the page had shown.

    Raises `StaleRevision` if it was moved meanwhile: a share would be of something else.
    """
    place = place_of(work, kind, name, alias)
    if revision is not None and revision != place.revision:
        raise StaleRevision(
            f"{alias} of {name} was moved while you were looking.",
            hint="Look at what it points to now. Nothing was done.",
            field="revision",
        )
    return place.target, shared(place.target, version, share)


def _offered(artifact: Artifact) -> list[str]:
    """Aliases to choose from: its own first, then usual ones that it lacks."""
    own = sorted((one.name for one in artifact.aliases), key=lambda one: (one != "production", one))
    return [*own, *(one for one in USUAL if one not in own)]


def _share(visit: Visit) -> int:
    """The readers, in per cent, that get the version; all of them unless it says otherwise."""
    share = visit.number("share")
    return 100 if share is None else share


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
