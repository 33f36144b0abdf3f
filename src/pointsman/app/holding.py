"""Holding what a registry would do by itself: in a restored copy, whose original may go on."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.app import changes, webhooks
from pointsman.app.application import Caller, Work
from pointsman.app.ports import Transaction
from pointsman.core.access import Actor

WHY = "The registry was restored from a backup; its original may still tell this receiver."
_RESTORE = Actor("system", "system", "admin", "restore")


@dataclass(frozen=True, slots=True)
class Held:
    """What is held in one project: webhooks by their ids, changes by their numbers."""

    project: str
    webhooks: tuple[str, ...]
    changes: tuple[int, ...]


def hold(tx: Transaction, now: int) -> tuple[Held, ...]:
    """Disable every webhook and disarm every open change, each on record; where there were any."""
    held = []
    for project in tx.projects():
        tx.enter(project.id)
        work = Work(tx, Caller(_RESTORE, project), now)
        enabled = [row for row in tx.webhooks(project.id) if row.disabled_at is None]
        for row in enabled:
            webhooks.disable(work, row, WHY)
        disarmed = changes.disarm(work)
        if enabled or disarmed:
            names = tuple(row.id for row in enabled)
            held.append(Held(project.name, names, tuple(disarmed)))
    return tuple(held)
