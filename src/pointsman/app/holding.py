"""Holding what a registry would do by itself: in a restored copy, whose original may go on."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import changes, webhooks
from pointsman.app.application import Caller, Work
from pointsman.app.evaluating import runs
from pointsman.app.evaluating.runs import MAX_OPEN
from pointsman.app.ports import Transaction
from pointsman.core.access import Actor

WHY = "The registry was restored from a backup; its original may still tell this receiver."
_RESTORE = Actor("system", "system", "admin", "restore")


@dataclass(frozen=True, slots=True)
class Held:
    """What is held in one project: webhooks by their ids, the others by their numbers."""

    project: str
    webhooks: tuple[str, ...]
    changes: tuple[int, ...]
    evaluations: tuple[int, ...] = ()


def hold(tx: Transaction, now: int) -> tuple[Held, ...]:
    """Disable every webhook, disarm every open change and cancel every open evaluation.

    All of it goes on record. Answers for the projects in which there was anything to hold.
    """
    held = []
    for project in tx.projects():
        tx.enter(project.id)
        work = Work(tx, Caller(_RESTORE, project), now)
        enabled = [row for row in tx.webhooks(project.id) if row.disabled_at is None]
        for row in enabled:
            webhooks.disable(work, row, WHY)
        disarmed = changes.disarm(work)
        waiting = tx.open_evaluations(project.id, MAX_OPEN)
        for evaluation in waiting:
            runs.cancel(work, evaluation.number)
        if enabled or disarmed or waiting:
            names = tuple(row.id for row in enabled)
            numbers = tuple(row.number for row in waiting)
            held.append(Held(project.name, names, tuple(disarmed), numbers))
    return tuple(held)
