"""The tail of the journal: whoever keeps a view in memory hears every entry here, in order.

Commits of this process arrive before their writers are answered; those of other processes
are read from the database when it says that something changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter

from pointsman.app.ports import Store
from pointsman.core.journal import Line
from pointsman.errors import IntegrityError, Unavailable

Listener = Callable[[int, Sequence[Line]], None]

LOOK_EVERY = 0.5
"""Seconds between looks for others' commits, at the latest."""
_STEP = 1_000
_log = logging.getLogger(__name__)


class Tail:
    """Follows the journals of all projects from the moment it is made.

    Listeners are called with a project's id and its new entries, in order and without gaps,
    one call at a time. They must be quick and must not raise.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        with store.read() as reader:
            self._seen = reader.heads()
        store.on_commit(self._committed)
        self._thread = threading.Thread(target=self._follow, name="pointsman-tail", daemon=True)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with what happens from now on."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to look for other processes' commits."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the looking has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def seen(self, project_id: int) -> int:
        """The sequence number up to which listeners have heard of a project."""
        return self._seen.get(project_id, 0)

    def catch_up(self) -> None:
        """Tell the listeners of everything that the database has and they don't know yet."""
        with self._lock, self._store.read() as reader:
            for project_id, head in reader.heads().items():
                while self.seen(project_id) < head:
                    self._tell(project_id, reader.lines(project_id, self.seen(project_id), _STEP))

    def _committed(self, appended: Sequence[tuple[int, Line]]) -> None:
        with self._lock:
            for project_id, group in groupby(appended, key=itemgetter(0)):
                lines = [line for _, line in group if line.seq > self.seen(project_id)]
                if not lines:
                    continue
                if lines[0].seq != self.seen(project_id) + 1:
                    # Another process wrote in between: what it wrote comes first.
                    with self._store.read() as reader:
                        while (after := self.seen(project_id)) < lines[0].seq - 1:
                            missed = lines[0].seq - 1 - after
                            self._tell(project_id, reader.lines(project_id, after, missed))
                self._tell(project_id, lines)

    def _tell(self, project_id: int, lines: Sequence[Line]) -> None:
        if not lines:
            raise IntegrityError(
                f"The journal has no entry {self.seen(project_id) + 1}, but later ones.",
                hint="Run `pointsman doctor`.",
            )
        self._seen[project_id] = lines[-1].seq
        for listener in self._listeners:
            listener(project_id, lines)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._store.wait_for_change(LOOK_EVERY):
                    self.catch_up()
            except Unavailable as error:
                if not self._stopping.is_set():
                    _log.warning("The journal can't be followed now: %s", error)
                    self._stopping.wait(LOOK_EVERY)
            except Exception:
                # Whatever it is, giving up would leave this node's views wrong for good.
                _log.exception("Following the journal failed")
                self._stopping.wait(LOOK_EVERY)
