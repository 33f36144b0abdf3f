"""The life of an evaluation: asked for, taken up by a worker, ended; and looking at it.

An evaluation is a row, asked for in a transaction like everything else. A worker takes one up
by writing a lease on it, and keeps it by renewing that; if the worker dies, the lease runs
out and another takes the evaluation up where it was left: what was paid for is kept as it
comes. Only the last to take it up may write to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pointsman.app.application import View, Work
from pointsman.app.evaluating.kept import check_kept, orders_of, why
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import ArtifactRow
from pointsman.app.ports.evaluation import CaseRow, EvaluationEndRow, EvaluationRow, WorkRow
from pointsman.app.ports.governance import CheckRow
from pointsman.core.access import Actor
from pointsman.core.evaluation import (
    CHECK,
    CaseResult,
    Evaluation,
    EvaluationState,
    Report,
)
from pointsman.core.making import Orders, label_of, split_label
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.vocabulary import Page, moment
from pointsman.errors import Conflict, Gone, NotFound, PointsmanError, Refused

MAX_ATTEMPTS = 20
"""Workers that take one and the same evaluation up. Then it may be what they die of."""
MAX_OPEN = 1_000
"""Evaluations that may wait at once in a project."""
_STATES: dict[str, str] = {"passed": "passed", "failed": "failed", "inconclusive": "error"}
_SUMMARY = 2_000
_MILLION = 1_000_000
WORKER = Actor("system", "system", "admin", "evaluation")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for beside the orders: by which alias's world, for which change."""

    alias: str
    change: int | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """An evaluation that a worker has taken up, and by which attempt."""

    number: int
    attempt: int
    orders: Orders
    asked_at: int
    fresh: bool
    calls: int = 0
    spent: int = 0
    """What workers before this one used of the budget; see `ports.evaluation.WorkRow`."""


# -- asking for one


def ask_for(work: Work, orders: Orders, asked: Asked) -> Evaluation:
    """Ask for an evaluation, or for the one that is asked for already and has not ended.

    Callers have asked whether the caller may. Raises `Conflict` if too many wait.
    """
    seal = orders.seal
    for row in work.tx.evaluations_sealed(work.project.id, seal):
        ended = work.tx.evaluation_end(work.project.id, row.number) is not None
        if not ended and (row.fresh or not asked.fresh) and orders_of(row) == orders:
            return told(work, row)  # of the same budget as well
    if len(work.tx.open_evaluations(work.project.id, MAX_OPEN)) == MAX_OPEN:
        raise Conflict(
            f"{MAX_OPEN:,} evaluations wait already.",
            code="too_many_evaluations",
            hint="See with `pointsman eval list` whether a worker gets on with them; "
            "`pointsman eval cancel` ends one.",
        )
    candidate = split_label(orders.candidate.root)
    suite = split_label(orders.suite)
    against = split_label(orders.baseline.root)[2] if orders.baseline else None
    fact = {
        "kind": candidate[0],
        "name": candidate[1],
        "version": candidate[2],
        "against": against,
        "seal": seal,
        "suite": orders.suite,
        "alias": asked.alias,
        "change": asked.change,
    }
    artifact = work.tx.artifact(work.project.id, *candidate[:2])
    its_suite = work.tx.artifact(work.project.id, *suite[:2])
    assert artifact is not None, "orders are made of what is there"
    assert its_suite is not None, "orders are made of what is there"
    line = work.record("evaluation.requested", fact, artifact=artifact.id)
    row = EvaluationRow(
        number=line.seq,
        seal=seal,
        artifact_id=artifact.id,
        version=candidate[2],
        against=against,
        suite_id=its_suite.id,
        suite_version=suite[2],
        alias=asked.alias,
        orders=json.dumps(to_plain(orders), ensure_ascii=False),
        subject=work.actor.id,
        by_name=work.actor.name,
        at=line.at,
        change_number=asked.change,
        fresh=int(asked.fresh),
    )
    work.tx.add_evaluation(work.project.id, row)
    return told(work, row)


def cancel(work: Work, number: int) -> Evaluation:
    """End an evaluation before its result: whoever asked for it may, and who may propose.

    It is not asked for again by itself. Raises `NotFound`, `Refused`, or `Conflict` if it has
    ended.
    """
    row = _found(work, number)
    artifact = work.reader.artifact_by_id(row.artifact_id)
    assert artifact is not None, "artifacts stay"
    if row.subject != work.actor.id:
        work.require("propose", artifact.kind, artifact.name)
    if work.tx.evaluation_end(work.project.id, number) is not None:
        raise Conflict(
            f"Evaluation {number} has ended.",
            code="evaluation_ended",
            hint=f"`pointsman eval show {number}` shows what came of it.",
        )
    _drop(work, row, "cancelled", f"{work.actor.name} cancelled it.")
    return told(work, row)


def supersede(work: Work, row: EvaluationRow) -> None:
    """End an evaluation that nobody needs any more, as something that takes part has moved."""
    _drop(work, row, "superseded", "What it was asked for is another by now.")


def _drop(work: Work, row: EvaluationRow, state: EvaluationState, summary: str) -> None:
    kind, name, number = split_label(orders_of(row).candidate.root)
    fact = {
        "kind": kind,
        "name": name,
        "version": number,
        "evaluation": row.number,
        "state": state,
        "summary": summary,
    }
    line = work.record("evaluation.cancelled", fact, artifact=row.artifact_id)
    end = EvaluationEndRow(row.number, state, line.at, work.actor.name, summary, None)
    work.tx.add_evaluation_end(work.project.id, end)


# -- working on it


def take_up(work: Work, worker: str, lease: int) -> Taken | None:
    """Take up the oldest evaluation that nobody works on; None if there is none.

    `lease` is how long it is kept without a sign of life, in microseconds.
    """
    for row in work.tx.open_evaluations(work.project.id, MAX_OPEN):
        held = work.tx.evaluation_work(work.project.id, row.number)
        if held is not None and held.lease_until > work.clock_now:
            continue
        attempt = held.attempt + 1 if held else 1
        orders = _readable_orders(row)
        if orders is None or attempt > MAX_ATTEMPTS:
            _give_up(work, row, orders)
            continue
        mine = WorkRow(row.number, worker, attempt, work.clock_now + lease)
        if held is not None:
            mine = held._replace(worker=worker, attempt=attempt, lease_until=mine.lease_until)
        work.tx.put_evaluation_work(work.project.id, mine)
        fresh = bool(row.fresh)
        return Taken(row.number, attempt, orders, row.at, fresh, mine.calls, mine.spent)
    return None


def waiting(view: View) -> bool:
    """Whether there is an evaluation that nobody works on."""
    for row in view.reader.open_evaluations(view.project.id, MAX_OPEN):
        held = view.reader.evaluation_work(view.project.id, row.number)
        if held is None or held.lease_until <= view.clock_now:
            return True
    return False


@dataclass(frozen=True, slots=True)
class State:
    """How far an evaluation is, and what was used of its budget; see `ports.evaluation`."""

    done: int = 0
    total: int = 0
    reused: int = 0
    calls: int = 0
    spent: int = 0


def keep_up(work: Work, taken: Taken, lease: int, state: State) -> None:
    """Renew the lease, and say how far it is. Raises `Lost`."""
    held = _held(work, taken)
    work.tx.put_evaluation_work(
        work.project.id,
        WorkRow(
            held.number,
            held.worker,
            held.attempt,
            work.clock_now + lease,
            state.done,
            state.total,
            state.reused,
            state.calls,
            state.spent,
        ),
    )


def let_go(work: Work, taken: Taken) -> None:
    """Let others take it up at once. Raises `Lost`."""
    work.tx.put_evaluation_work(work.project.id, _held(work, taken)._replace(lease_until=0))


def keep_cases(work: Work, taken: Taken, cases: Sequence[CaseResult]) -> None:
    """Keep what came out for some rows. Raises `Lost`."""
    _held(work, taken)
    rows = [
        CaseRow(
            one.row,
            0 if one.change is None else -round(one.change * _MILLION),
            json.dumps(to_plain(one), ensure_ascii=False),
        )
        for one in cases
    ]
    work.tx.put_evaluation_cases(work.project.id, taken.number, rows)


def keep_made(work: Work, number: int, rows: Sequence[tuple[str, str]], since: int) -> None:
    """Keep what was made for an evaluation, unless its texts were erased meanwhile.

    What was made for one that is cancelled or lost serves others. Whose clock is behind must
    find again what it has made itself: so it counts as made at `since`, if that is later.
    """
    if work.tx.evaluation_dropped(work.project.id, number) is None:
        work.tx.keep_made(work.project.id, rows, max(work.clock_now, since), number)


def finish(work: Work, taken: Taken, report: Report) -> Evaluation:
    """End an evaluation with its result, and report that as a check on its seal.

    Raises `Lost`.
    """
    _held(work, taken)
    row = _found(work, taken.number)
    suite = split_label(taken.orders.suite)[1]
    summary = report.summary[:_SUMMARY]
    kind, name, number = split_label(taken.orders.candidate.root)
    fact = {
        "kind": kind,
        "name": name,
        "version": number,
        "evaluation": taken.number,
        "seal": row.seal,
        "suite": taken.orders.suite,
        "outcome": report.outcome,
        "summary": summary,
    }
    line = work.record("evaluation.finished", fact, artifact=row.artifact_id)
    end = EvaluationEndRow(
        number=taken.number,
        state=report.outcome,
        at=line.at,
        by_name=work.actor.name,
        summary=summary,
        report=json.dumps(to_plain(report), ensure_ascii=False),
    )
    work.tx.add_evaluation_end(work.project.id, end)
    check = CheckRow(
        digest=row.seal,
        name=CHECK + suite,
        state=_STATES[report.outcome],
        summary=summary,
        link="",
        figures=json.dumps({"rows": float(report.rows), "cost": report.cost}),
        subject=work.actor.id,
        by_name=work.actor.name,
        at=line.at,
    )
    work.record(
        "check.reported",
        {
            "digest": row.seal,
            "check": check.name,
            "state": check.state,
            "summary": summary,
            "link": "",
            "figures": {"rows": repr(float(report.rows)), "cost": repr(report.cost)},
        },
    )
    check = check._replace(at=work.tx.head(work.project.id).at)
    work.tx.put_check_report(work.project.id, check)
    return told(work, row)


def _readable_orders(row: EvaluationRow) -> Orders | None:
    """The orders; None if somebody has damaged them."""
    try:
        return orders_of(row)
    except (ValueError, PointsmanError):
        return None


def _give_up(work: Work, row: EvaluationRow, orders: Orders | None) -> None:
    """End an evaluation that no worker can bring to its end."""
    summary = f"{MAX_ATTEMPTS} workers took it up, and none came to its end."
    if orders is None:
        summary = "Its orders can't be read; the doctor knows more."
    artifact = work.reader.artifact_by_id(row.artifact_id)
    suite = work.reader.artifact_by_id(row.suite_id)
    assert artifact is not None, "artifacts stay"
    assert suite is not None, "artifacts stay"
    fact = {
        "kind": artifact.kind,
        "name": artifact.name,
        "version": row.version,
        "evaluation": row.number,
        "seal": row.seal,
        "suite": label_of("suite", suite.name, row.suite_version),
        "outcome": "inconclusive",
        "summary": summary,
    }
    line = work.record("evaluation.finished", fact, artifact=row.artifact_id)
    report = Report("inconclusive", summary, 0, (), (), problems=(summary,))
    plain = json.dumps(to_plain(report), ensure_ascii=False)
    end = EvaluationEndRow(row.number, "inconclusive", line.at, work.actor.name, summary, plain)
    work.tx.add_evaluation_end(work.project.id, end)


class Lost(Exception):
    """The evaluation is no longer this worker's: it was cancelled, or another took it up."""


# -- looking at them


def show(view: View, number: int) -> Evaluation:
    """An evaluation with its report, if it has ended. Raises `NotFound`."""
    view.require("read")
    row = _found(view, number)
    check_readable(view, orders_of(row))
    return told(view, row, whole=True)


def listed(
    view: View,
    *,
    kind: str = "",
    name: str = "",
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Evaluation]:
    """Evaluations, of an artifact or all that the caller may read; newest first."""
    view.require("read")
    limit = check_limit(limit)
    artifact = view.artifact(kind or "prompt", name) if name else None
    place = Cursor("evaluations", [kind, name])
    rows = view.reader.evaluations(
        view.project.id,
        place.number(cursor),
        limit + 1,
        artifact_id=artifact.id if artifact else None,
    )
    more = place.write(rows[limit - 1].number) if len(rows) > limit else None
    found = []
    known = _artifacts_of(view, rows)
    for row in rows[:limit]:
        try:
            check_readable(view, orders_of(row))
        except Refused:
            continue
        found.append(told(view, row, known=known))
    return Page(tuple(found), more)


def cases(
    view: View,
    number: int,
    *,
    worst_first: bool = True,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[CaseResult]:
    """The rows of an evaluation with what both sides gave; what got worse comes first.

    Raises `NotFound`, and `Gone` where they were dropped.
    """
    view.require("read")
    row = _found(view, number)
    orders = orders_of(row)
    check_readable(view, orders)
    _check_there(view, orders)
    check_kept(view, number)
    limit = check_limit(limit)
    place = Cursor("cases", [number, worst_first])
    after = place.read(cursor, int, int)
    if worst_first:
        last = (int(after[0]), int(after[1])) if after else None
        rows = view.reader.worst_cases(view.project.id, number, last, limit + 1)
    else:
        start = int(after[1]) if after else -1
        rows = view.reader.evaluation_cases(view.project.id, number, start, limit + 1)
    more = None
    if len(rows) > limit:
        more = place.write(rows[limit - 1].worse, rows[limit - 1].position)
    found = tuple(from_plain(CaseResult, json.loads(one.body)) for one in rows[:limit])
    return Page(found, more)


def _artifacts_of(view: View, rows: Sequence[EvaluationRow]) -> dict[int, ArtifactRow]:
    """What these are evaluations of, and their suites, by id."""
    ids = {one for row in rows for one in (row.artifact_id, row.suite_id)}
    return {one.id: one for one in view.reader.artifacts_of(ids)}


def told(
    view: View,
    row: EvaluationRow,
    *,
    whole: bool = False,
    known: Mapping[int, ArtifactRow] | None = None,
) -> Evaluation:
    """An evaluation as people are told of it; `known` has the artifacts that it names."""
    known = known or _artifacts_of(view, [row])
    artifact, suite = known[row.artifact_id], known[row.suite_id]
    end = view.reader.evaluation_end(view.project.id, row.number)
    held = view.reader.evaluation_work(view.project.id, row.number)
    state: EvaluationState = "queued"
    if end is not None:
        state = end.state  # type: ignore[assignment]  # rows hold the states themselves
    elif held is not None and held.lease_until > view.clock_now:
        state = "running"
    evaluation = Evaluation(
        number=row.number,
        suite=label_of("suite", suite.name, row.suite_version),
        kind=artifact.kind,
        name=artifact.name,
        version=row.version,
        against=row.against,
        alias=row.alias,
        seal=row.seal,
        state=state,
        by=row.by_name,
        at=moment(row.at),
        change=row.change_number,
        fresh=bool(row.fresh),
    )
    if held is not None:
        evaluation = replace(
            evaluation, done=held.done, total=held.total, reused=held.reused, worker=held.worker
        )
    if end is not None:
        evaluation = replace(evaluation, ended_at=moment(end.at), summary=end.summary)
        if whole and end.report:
            evaluation = replace(evaluation, report=from_plain(Report, json.loads(end.report)))
    dropped = view.reader.evaluation_dropped(view.project.id, row.number) if whole else None
    if dropped is not None:
        evaluation = replace(
            evaluation, rows_dropped_at=moment(dropped.at), rows_dropped=why(dropped)
        )
    return evaluation


def _check_there(view: View, orders: Orders) -> None:
    """Raise `Gone` if the content of anything that takes part was removed: rows show it."""
    for label in orders.labels:
        kind, name, number = split_label(label)
        artifact = view.reader.artifact(view.project.id, kind, name)
        if artifact is not None and view.reader.tombstone(artifact.id, number) is not None:
            raise Gone(
                f"The content of {label} was removed, so what was made of it is not shown.",
                code="tombstoned",
            )


def check_readable(view: View, orders: Orders) -> None:
    """Raise `Refused` if the caller may not read all that an evaluation shows."""
    if not view.actor.narrow:
        return
    for label in orders.labels:
        kind, name, _ = split_label(label)
        view.require("read", kind, name)


def _found(view: View, number: int) -> EvaluationRow:
    row = view.reader.evaluation(view.project.id, number)
    if row is None:
        raise NotFound(
            f"There is no evaluation {number}.",
            code="evaluation_not_found",
            hint="`pointsman eval list` shows which there are.",
        )
    return row


def _held(work: Work, taken: Taken) -> WorkRow:
    held = work.tx.evaluation_work(work.project.id, taken.number)
    ended = work.tx.evaluation_end(work.project.id, taken.number) is not None
    if held is None or held.attempt != taken.attempt or ended:
        raise Lost(f"evaluation {taken.number} is no longer worked on here")
    return held
