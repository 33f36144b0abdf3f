"""What open changes come to by themselves: evaluated, and applied when all is there or it is time.

A thread of the server looks whenever something happened that may have completed a change,
and every few seconds for those that wait for their time. Of several nodes, whoever comes
first applies it; the transaction tells the others that it has ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pointsman.app import changes, reviewing
from pointsman.app.application import Application, Caller
from pointsman.app.evaluating import asking
from pointsman.app.ports import ProjectRow
from pointsman.app.tail import Tail
from pointsman.core.access import Actor
from pointsman.core.journal import Line
from pointsman.errors import PointsmanError

LOOK_EVERY = 5.0
"""Seconds between looks when nothing happens; a scheduled change is late by no more."""
_COMPLETING = (
    "change.",
    "check.",
    "evaluation.",
    "policy.",
    "role.",
    "alias.",
    "person.",
    "group.",
)
_WATCHMAN = Actor("system", "system", "admin", "schedule")
_log = logging.getLogger(__name__)


class Applier:
    """Has the open changes of all projects evaluated, and applies those that are to be applied."""

    def __init__(self, app: Application, tail: Tail) -> None:
        self._app = app
        self._stirred = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pointsman-apply", daemon=True)
        tail.listen(self._heard)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the looking has ended."""
        self._stopping.set()
        self._stirred.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> int:
        """Apply what is due now and end what has expired; how many changes were applied."""
        with self._app.store.read() as reader:
            projects = reader.projects()
        applied = 0
        for project in projects:
            try:
                applied += self._look_at(project)
            except PointsmanError as error:  # nothing that concerns the other projects
                _log.warning("Changes of %s will be looked at again: %s", project.name, error)
        return applied

    def _look_at(self, project: ProjectRow) -> int:
        watchman = Caller(_WATCHMAN, project)
        now = self._app.clock()
        with self._app.store.read() as reader:
            some = reader.changes(project.id, None, 1, only_open=True)
        if not some:
            return 0
        if self._app.read(watchman, asking.is_missing):
            self._app.write(watchman, asking.start_missing)
        due = self._app.read(watchman, reviewing.due)
        applied = sum(self._apply(watchman, number) for number in due)
        over = self._app.read(
            watchman, lambda v: any(row.expires_at <= now for row in reviewing.every_open(v))
        )
        if over:
            self._app.write(watchman, changes.expire)
        return applied

    def _apply(self, watchman: Caller, number: int) -> int:
        try:
            done = self._app.write(watchman, lambda w: changes.apply_due(w, number))
        except PointsmanError as error:
            # Something has changed since we looked; it will show in what is missing.
            name = watchman.project.name
            _log.info("Change %s of %s was not applied: %s", number, name, error)
            return 0
        return 0 if done is None else 1

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        if any(line.type.startswith(_COMPLETING) for line in lines):
            self._stirred.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stirred.wait(LOOK_EVERY)
            self._stirred.clear()
            if self._stopping.is_set():
                return
            try:
                self.look()
            except PointsmanError as error:
                _log.warning("Changes can't be applied now and will be later: %s", error)
            except Exception:
                _log.exception("Applying changes failed and will be tried again")
