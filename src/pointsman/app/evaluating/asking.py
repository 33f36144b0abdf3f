"""Asking for evaluations: of a version, of what it affects, of what an open change needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pointsman.app.application import View, Work
from pointsman.app.basis import found_change, places_of, targets_of
from pointsman.app.evaluating.plans import Plan, Scope, Wanted
from pointsman.app.evaluating.runs import MAX_OPEN, Asked, ask_for, check_readable, supersede, told
from pointsman.app.including import find_version
from pointsman.app.judging import evaluations_of
from pointsman.app.places import Backing, Moves, Place
from pointsman.app.policies import policies_of
from pointsman.app.ports import AliasRow
from pointsman.app.ports.evaluation import EvaluationRow
from pointsman.app.ports.governance import ChangeRow
from pointsman.app.reviewing import every_open
from pointsman.core.access import may
from pointsman.core.evaluation import Evaluation, Requirement
from pointsman.core.making import Orders
from pointsman.core.names import check_alias
from pointsman.core.policy import governing
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Target
from pointsman.errors import Conflict, InvalidInput, NotFound

DEFAULT_ALIAS = "production"
_DONE = ("passed", "failed")


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to have evaluated.

    `alias` names the world: what the version is held against, and what all else is taken to
    be. `against` is the number of another version to hold it against. `suites` are selectors;
    none named means those that have the alias. `affected` evaluates what depends on it, too.
    """

    selector: Selector
    alias: str = DEFAULT_ALIAS
    against: int | None = None
    suites: tuple[str, ...] = ()
    affected: bool = False
    fresh: bool = False
    again: bool = False
    budget_calls: int | None = None
    budget_money: float | None = None


def plan(view: View, request: Request) -> tuple[Requirement, ...]:
    """What would be evaluated, and how each stands already. Raises `NotFound`, `InvalidInput`."""
    view.require("read")
    return tuple(
        one.requirement for one in _planned(view, request) if _may_read(view, one.requirement)
    )


def evaluate(work: Work, request: Request) -> tuple[Evaluation, ...]:
    """Ask for the evaluations of a version; what exactly this has a result for is not run again.

    With `fresh` everything is made anew, with `again` what was reused is, too: outputs come
    from memory, but a result that is there is asked for once more. Raises `Refused` for who
    may not propose, `NotFound`, `InvalidInput`, and `Conflict` if no suite can tell.
    """
    artifact = work.artifact(request.selector.kind, request.selector.name)
    work.require("propose", artifact.kind, artifact.name)
    wanted = _planned(work, request)
    for one in wanted:
        work.require("propose", one.requirement.kind, one.requirement.name)
        if one.orders is not None:
            check_readable(work, one.orders)
    if all(one.orders is None for one in wanted):
        raise _no_suite(wanted, request)
    asked = Asked(request.alias, fresh=request.fresh)
    caps = request.budget_calls, request.budget_money
    return tuple(
        _asked_for(work, one, asked, caps, again=request.again or request.fresh)
        for one in wanted
        if one.orders is not None
    )


def evaluate_change(
    work: Work, number: int, *, fresh: bool = False, again: bool = False
) -> tuple[Evaluation, ...]:
    """Ask for what a change's policies want to have evaluated and is not; see `evaluate`."""
    work.require("propose")
    row = found_change(work, number)
    if work.reader.change_end(work.project.id, number) is not None:
        raise Conflict(
            f"Change {number} has ended.",
            code="change_ended",
            hint="Propose another one: `pointsman change propose`.",
        )
    moves = targets_of(places_of(work, row))
    for place, _ in moves:
        work.require("propose", place.artifact.kind, place.artifact.name)
    asked = Asked("", number, fresh)
    found = tuple(
        _asked_for(work, one, replace(asked, alias=place.alias), (None, None), again=again or fresh)
        for place, found in _for_moves(work, moves)
        for one in found
        if one.orders is not None
    )
    # The policies decide what is run; the asker is told of what they may read.
    return tuple(one for one in found if may(work.actor, "read", one.kind, one.name).allowed)


def start_missing(work: Work) -> int:
    """Ask for all that open changes need and nobody asked for; how many were asked for.

    What somebody cancelled stays so. What was asked for a change and is of no use to it any
    more is superseded: an alias that takes part has moved, or the change is another.
    """
    missing, useless = _to_do(work)
    for row in useless:
        supersede(work, row)
    room = MAX_OPEN - len(work.tx.open_evaluations(work.project.id, MAX_OPEN))
    for orders, asked in missing[:room]:  # the others when some of these have ended
        ask_for(work, orders, asked)
    return len(missing[:room])


def is_missing(view: View) -> bool:
    """Whether `start_missing` would have something to do."""
    missing, useless = _to_do(view)
    full = len(view.reader.open_evaluations(view.project.id, MAX_OPEN)) == MAX_OPEN
    return bool(useless or (missing and not full))


def _to_do(view: View) -> tuple[list[tuple[Orders, Asked]], list[EvaluationRow]]:
    """What open changes need and nobody asked for, and what is under way for none of them."""
    missing: list[tuple[Orders, Asked]] = []
    useful: set[str] = set()
    for row in _living(view):
        for place, found in _for_moves(view, targets_of(places_of(view, row))):
            for one in found:
                known = one.requirement
                if one.orders is not None and known.state is None and known.seal not in useful:
                    missing.append((one.orders, Asked(place.alias, row.number)))
                useful.add(known.seal)
    waiting = view.reader.open_evaluations(view.project.id, MAX_OPEN)
    useless = [row for row in waiting if row.change_number is not None and row.seal not in useful]
    return missing, useless


def _living(view: View) -> Iterator[ChangeRow]:
    """The open changes that have not expired, where any policy asks for evaluations."""
    if any(one.evaluate != "none" for one in policies_of(view)):
        yield from (row for row in every_open(view) if row.expires_at > view.clock_now)


def _for_moves(view: View, moves: Moves) -> list[tuple[Place, list[Wanted]]]:
    """What the policies of these moves want to have evaluated."""
    found = []
    backing = Backing(together=tuple(moves))
    for place, to in moves:
        policy, _ = governing(
            policies_of(view), place.artifact.kind, place.artifact.name, place.alias
        )
        if policy is not None:
            found.append((place, evaluations_of(view, policy, place, to, backing)))
    return found


def _planned(view: View, request: Request) -> list[Wanted]:
    alias = check_alias(request.alias)
    _check_suites(view, request.suites)
    artifact = view.artifact(request.selector.kind, request.selector.name)
    target = _target(view, request.selector)
    row = view.reader.alias(artifact.id, alias)
    if request.against is not None:
        if view.reader.version(artifact.id, request.against) is None:
            raise NotFound(
                f"{artifact.name} has no version {request.against}.",
                code="version_not_found",
                hint="`pointsman versions` shows which there are.",
                field="against",
            )
        row = _pointing(artifact.id, alias, request.against)
    place = Place(artifact, alias, row)
    scope = Scope(downstream=request.affected, suites=request.suites)
    return Plan(view, ((place, target),)).wanted(place, scope)


def _check_suites(view: View, named: Sequence[str]) -> None:
    """Raise `NotFound` for a suite that was named here and is not there.

    One that is there and can't be used is told as such: what others can tell is still told.
    """
    for selector in [parse_selector(text, kind="suite") for text in named]:
        find_version(view, view.artifact(selector.kind, selector.name), selector, None)


def _may_read(view: View, one: Requirement) -> bool:
    return may(view.actor, "read", one.kind, one.name).allowed


def _target(view: View, selector: Selector) -> Target:
    artifact = view.artifact(selector.kind, selector.name)
    row, alias = find_version(view, artifact, selector, None)
    if alias is not None and alias.target is not None:
        return alias.target
    return Target(version=row.number)


def _pointing(artifact_id: int, alias: str, version: int) -> AliasRow:
    """An alias as if it pointed to this version, to be compared with."""
    return AliasRow(artifact_id, alias, Target(version=version), 0, 0, 0, "", "")


def _asked_for(
    work: Work,
    one: Wanted,
    asked: Asked,
    caps: tuple[int | None, float | None],
    *,
    again: bool,
) -> Evaluation:
    """The evaluation that has a result for exactly this, or a new one."""
    orders = _capped(one, caps)
    known = one.requirement
    if known.evaluation is not None and known.state in _DONE and not again:
        row = work.tx.evaluation(work.project.id, known.evaluation)
        assert row is not None, "requirements are told of rows"
        return told(work, row)
    return ask_for(work, orders, asked)


def _capped(one: Wanted, caps: tuple[int | None, float | None]) -> Orders:
    calls, money = caps
    if (calls is not None and calls < 1) or (money is not None and money <= 0):
        raise InvalidInput(
            "A budget must be above 0.",
            code="invalid_budget",
            hint="Leave it out for no cap.",
            field="budget_calls" if calls is not None and calls < 1 else "budget_money",
        )
    assert one.orders is not None, "callers have looked"
    return replace(one.orders, budget_calls=calls, budget_money=money)


def _no_suite(wanted: Sequence[Wanted], request: Request) -> Conflict:
    first = wanted[0].requirement
    nothing = f"no suite that has the alias {request.alias!r} is for it"
    if request.suites:
        nothing = f"{', '.join(request.suites)} is not for it"
    because = first.summary or nothing
    return Conflict(
        f"{first.label} can't be evaluated: {because}.".replace("..", "."),
        code="nothing_to_evaluate",
        hint="Publish a suite that is for it (`pointsman publish FILE --kind suite`) and point "
        "that alias there, or name one with --suite.",
        field="suites",
    )
