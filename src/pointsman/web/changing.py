"""Deciding about a change: what it would replace, what is missing, and everything to be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pointsman.app import changes, deciding, recalling, reviewing
from pointsman.app.application import View, Work
from pointsman.app.basis import detail_of_change
from pointsman.app.deciding import Ask, Deeds
from pointsman.app.evaluating import asking, runs
from pointsman.app.policies import policies_of
from pointsman.core.access import Verdict
from pointsman.core.canonical import canonical_json, digest
from pointsman.core.changes import Change, Comment, basis_of, differences
from pointsman.core.evaluation import Evaluation, Requirement
from pointsman.core.policy import GLASS_REASON, Policy, governing
from pointsman.core.record import ReleaseRecord
from pointsman.core.vocabulary import micros
from pointsman.errors import (
    Conflict,
    InvalidInput,
    PointsmanError,
    Reason,
    StaleRevision,
)
from pointsman.web.standing import lacks_of, standing_of
from pointsman.web.swaps import Ends, Swap, effect_of, swaps_of
from pointsman.web.visit import Answer, Page, Visit, status_of, told
from pointsman.web.words import listed, told_target

PER_PAGE = 25
ENDS = ("applied", "withdrawn", "superseded", "expired")
_MOST_SHOWN = 20
"""Moves up to which a page carries what it showed, so that it can be told what has changed."""
_MOST_EVALUATIONS = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """An evaluation that is asked for, and its run with progress or figures, if there is one."""

    need: Requirement
    run: Evaluation | None


@dataclass(frozen=True, slots=True)
class Thread:
    """A remark with what answers it."""

    first: Comment
    answers: tuple[Comment, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a change's page shows, read at one moment."""

    change: Change
    detail: Mapping[str, Any]
    swaps: list[Swap]
    policies: list[tuple[Policy | None, str]]
    asks: tuple[Ask, ...]
    deeds: Deeds
    tried: list[Tried]
    undoable: bool


def changes_page(visit: Visit) -> Answer:
    """Changes: the open ones, or those that ended in some way."""
    state, cursor = visit.ask("state"), visit.ask("after") or None
    if state == "ended" or state in ENDS:
        how = "" if state == "ended" else state
        found = visit.see(lambda v: reviewing.ended(v, how, limit=PER_PAGE, cursor=cursor))
    else:
        state = ""
        found = visit.see(lambda v: reviewing.listed(v, limit=PER_PAGE, cursor=cursor))
    rows = [(change, standing_of(change)) for change in found.items]
    return visit.page("changes.html", rows=rows, cursor=found.cursor, state=state, ends=ENDS)


def change_page(visit: Visit) -> Answer:
    """A change as it stands, and all that can be done about it."""
    return _shown(visit)


def decide(visit: Visit) -> Answer:
    """Do what the button that was pressed says."""
    number, deed = visit.place, visit.given("deed")
    here = f"/projects/{visit.project}/changes/{number}"
    try:
        do = _DEEDS.get(deed)
        if do is None:
            raise InvalidInput("This page does not take that.", hint="Press one of its buttons.")
        note = do(visit, number)
    except PointsmanError as error:
        return _shown(visit, error=error)
    return visit.go(here, note)


def glass_page(visit: Visit) -> Answer:
    """What breaking the glass would pass over, before it is done."""
    return _shown_glass(visit)


def break_glass(visit: Visit) -> Answer:
    """Apply a change past what is missing, for a reason that stays on record."""
    number, reason = visit.place, visit.given("reason").strip()
    basis, seen = visit.given("basis"), visit.given("passed")

    def apply(work: Work) -> int:
        deeds = deciding.deeds_of(work, number)
        if deeds.passed:
            Verdict(deeds.refused.get("break", ())).enforce()
        if _print_of(deeds.passed) != seen:
            raise Conflict(
                "What would be passed over is not what you looked at any more.",
                code="basis_changed",
                hint="Look at it again; below is how it is now. Nothing was moved.",
            )
        return changes.apply(work, number, reason, break_glass=True, basis=basis).number

    try:
        if len(reason) < GLASS_REASON:
            raise InvalidInput(
                "Breaking the glass needs a reason that tells what happened.",
                code="reason_required",
                hint=f"Write at least {GLASS_REASON} characters; they stay on record.",
                field="reason",
            )
        release = visit.do(apply)
    except PointsmanError as error:
        return _shown_glass(visit, error=error, reason=reason)
    there = f"/projects/{visit.project}/releases/{release}"
    return visit.go(there, f"The glass is broken: change {number} is applied.")


def _shown(visit: Visit, *, error: PointsmanError | None = None) -> Answer:
    number = visit.place
    dossier = visit.see(lambda view: _dossier(view, number))
    change, me = dossier.change, visit.caller.actor.name
    answer = visit.number("answer")
    return visit.page(
        "change.html",
        status=200 if error is None else status_of(error),
        dossier=dossier,
        change=change,
        standing=standing_of(change),
        lacks=lacks_of(change, dossier.asks, me if dossier.deeds.said == "objected" else ""),
        threads=list(_threads(change.comments)),
        answering=next((one for one in change.comments if one.number == answer), None),
        effect=effect_of(dossier.swaps),
        shown=_carried(dossier.detail),
        error=None if error is None else told(error),
        since=_since(visit, dossier.detail) if _is_another(error) else [],
        typed={name: visit.given(name) for name in ("note", "text", "at")},
    )


def _shown_glass(visit: Visit, *, error: PointsmanError | None = None, reason: str = "") -> Answer:
    number = visit.place
    dossier = visit.see(lambda view: _dossier(view, number))
    return visit.page(
        "change_glass.html",
        status=200 if error is None else status_of(error),
        change=dossier.change,
        dossier=dossier,
        effect=effect_of(dossier.swaps),
        least=GLASS_REASON,
        print=_print_of(dossier.deeds.passed),
        error=None if error is None else told(error),
        reason=reason,
    )


def _dossier(view: View, number: int) -> Dossier:
    change = reviewing.show(view, number)
    made = None if change.release is None else recalling.recall(view, change.release)
    policies = policies_of(view)
    return Dossier(
        change=change,
        detail=detail_of_change(view, number),
        swaps=swaps_of(view, _ends(change, made), proposed=not change.ended_at),
        policies=[governing(policies, move.kind, move.name, move.alias) for move in change.moves],
        asks=deciding.asks_of(view, number) if not change.ended_at else (),
        deeds=deciding.deeds_of(view, number),
        tried=list(_tried(view, change)),
        undoable=made is not None
        and all(made.stands)
        and not deciding.against_undoing(view, made.release),
    )


def _ends(change: Change, made: ReleaseRecord | None) -> Iterator[Ends]:
    """What each move replaces; of a change that was applied, what it replaced then."""
    moves = () if made is None else made.release.moves
    then = {(one.kind, one.name, one.alias): one.before for one in moves}
    for move in change.moves:
        name = (move.kind, move.name, move.alias)
        yield (*name, then.get(name, move.current), move.to)


def _tried(view: View, change: Change) -> Iterator[Tried]:
    for need in [one for move in change.moves for one in move.evaluations][:_MOST_EVALUATIONS]:
        run = None
        if need.evaluation is not None:
            try:
                run = runs.show(view, need.evaluation)
            except PointsmanError:
                run = None  # its result counts, and is told; the run itself is not for all to see
        yield Tried(need, run)


def _threads(comments: tuple[Comment, ...]) -> Iterator[Thread]:
    """Remarks in order, each with all that answers it or its answers."""
    root: dict[int, int] = {}
    for one in comments:
        root[one.number] = one.number if one.answers is None else root[one.answers]
    for one in comments:
        if one.answers is None:
            below = [c for c in comments if root[c.number] == one.number and c is not one]
            yield Thread(one, tuple(below))


# What the buttons do: each gives what is said when it is done.


def _say(visit: Visit, number: int, said: str) -> None:
    note, basis = visit.given("note").strip(), visit.given("basis")
    visit.do(lambda work: changes.say(work, number, said, note, basis=basis))


def _approve(visit: Visit, number: int) -> str:
    _say(visit, number, "approved")
    return "You approve it."


def _object(visit: Visit, number: int) -> str:
    if not visit.given("note").strip():
        raise InvalidInput(
            "An objection needs a note.",
            code="note_required",
            hint="Say what is wrong, so that it can be mended.",
            field="note",
        )
    _say(visit, number, "objected")
    return "You object to it."


def _take_back(visit: Visit, number: int) -> str:
    _say(visit, number, "taken back")
    return "You have taken back what you said."


def _comment(visit: Visit, number: int) -> str:
    text, answers = visit.given("text").strip(), visit.number("answers")
    visit.do(lambda work: changes.comment(work, number, text, answers))
    return "Your comment is there."


def _withdraw(visit: Visit, number: int) -> str:
    note = visit.given("note").strip()
    visit.do(lambda work: changes.withdraw(work, number, note))
    return f"Change {number} is withdrawn."


def _rebase(visit: Visit, number: int) -> str:
    revision = visit.number("revision")
    visit.do(lambda work: changes.rebase(work, number, if_revision=revision))
    return "It replaces what is there now. What was approved is asked for again."


def _arm(visit: Visit, number: int) -> str:
    revision = visit.number("revision")
    visit.do(lambda w: changes.schedule(w, number, when_ready=True, if_revision=revision))
    return "It is applied by itself as soon as nothing is missing."


def _schedule(visit: Visit, number: int) -> str:
    revision = visit.number("revision")
    try:
        at = datetime.fromisoformat(visit.given("at"))
    except ValueError:
        raise InvalidInput(
            "That is no time.", code="invalid_schedule", hint="Choose a day and a time.", field="at"
        ) from None
    when = micros(at if at.tzinfo else at.replace(tzinfo=visit.zone))
    visit.do(lambda w: changes.schedule(w, number, apply_at=when, if_revision=revision))
    return "It is applied by itself then, if nothing is missing."


def _disarm(visit: Visit, number: int) -> str:
    revision = visit.number("revision")
    visit.do(lambda work: changes.schedule(work, number, if_revision=revision))
    return "It is applied by hand again."


def _evaluate(visit: Visit, number: int) -> str:
    asked = visit.do(lambda work: asking.evaluate_change(work, number))
    return f"{len(asked)} evaluation{'' if len(asked) == 1 else 's'} asked for."


def _apply(visit: Visit, number: int) -> str:
    basis = visit.given("basis")
    release = visit.do(lambda work: changes.apply(work, number, basis=basis))
    told_moves = [f"{one.alias} of {one.name} is at {told_target(one.to)}" for one in release.moves]
    if len(told_moves) > 3:
        return f"{len(told_moves)} aliases are moved."
    return f"Applied: {listed(told_moves)} now."


_DEEDS: Final[Mapping[str, Callable[[Visit, int], str]]] = {
    "approve": _approve,
    "object": _object,
    "take back": _take_back,
    "comment": _comment,
    "withdraw": _withdraw,
    "rebase": _rebase,
    "arm": _arm,
    "schedule": _schedule,
    "disarm": _disarm,
    "evaluate": _evaluate,
    "apply": _apply,
}


# What was shown, and what has changed since


def _is_another(error: PointsmanError | None) -> bool:
    return isinstance(error, StaleRevision) or (error is not None and error.code == "basis_changed")


def _carried(detail: Mapping[str, Any]) -> str:
    return canonical_json(dict(detail)) if len(detail["moves"]) <= _MOST_SHOWN else ""


def _since(visit: Visit, now: Mapping[str, Any]) -> list[str]:
    """What is different from what the page that was sent had shown, in sentences."""
    try:
        then = json.loads(visit.given("shown"))
        if basis_of(then) != visit.given("basis"):
            return []
        return differences(then, now)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError):
        return []  # not what a page of ours carries


def _print_of(passed: tuple[Reason, ...]) -> str:
    """A mark of what would be passed over, to tell whether it is another by now."""
    return digest(canonical_json([[one.code, one.message] for one in passed])) if passed else ""


PAGES = (
    Page("GET", "/projects/{project}/changes", changes_page),
    Page("GET", "/projects/{project}/changes/{number}", change_page),
    Page("POST", "/projects/{project}/changes/{number}", decide),
    Page("GET", "/projects/{project}/changes/{number}:break", glass_page),
    Page("POST", "/projects/{project}/changes/{number}:break", break_glass),
)
