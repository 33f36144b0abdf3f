"""Waiting for evaluations: how far they are, until all have ended.

Progress is no fact and so in no journal: it is asked for, twice a second. Where the registry
is in a folder, the evaluations run in this very process meanwhile, on this thread, so that an
interruption reaches them and they are left in order.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from pointsman.cli.connect import Registry
from pointsman.cli.evaluating import label_of
from pointsman.cli.moving import short_label
from pointsman.cli.output import Output, colours, is_terminal, visible
from pointsman.errors import PointsmanError, Unavailable

if TYPE_CHECKING:
    from pointsman.core.evaluation import Evaluation

QUEUED = 10.0
"""Seconds after which it is said that no worker has taken an evaluation up."""
_POLL = 0.5
_SILENCE = 60.0
"""Seconds for which a registry may not answer before waiting for it ends."""
_PARTS = 10
"""Lines that tell of progress where nobody watches, for each evaluation."""
_OPEN = ("queued", "running")

Run = Callable[[], int]


class Shown(Protocol):
    """Where progress is told."""

    def update(self, evaluations: Sequence[Evaluation]) -> None:
        """How far they are now."""

    def note(self, text: str) -> None:
        """Something worth knowing meanwhile."""


def follow(
    registry: Registry, asked: Sequence[Evaluation], out: Output, run: Run | None
) -> list[Evaluation]:
    """The evaluations once all have ended, with their reports.

    `run` runs what waits in this process, and says how much that was; None leaves it to
    workers. Raises `Unavailable` if the registry does not answer for a while.
    """
    with _showing(out) as shown:
        looking = _Looking(registry, [one.number for one in asked], shown, working=run is not None)
        while not looking.look():
            if run is not None and looking.waits:
                with _looking_on(looking):
                    count = run()
                if count:
                    continue
            time.sleep(_POLL)
    return looking.found


class _Looking:
    """Looks how far some evaluations are, and tells it."""

    def __init__(
        self, registry: Registry, numbers: Sequence[int], shown: Shown, *, working: bool
    ) -> None:
        self._registry = registry
        self._numbers = numbers
        self._shown = shown
        self._working = working
        self._since = self._answered = time.monotonic()
        self._noted: set[str] = set()
        self.found: list[Evaluation] = []

    @property
    def waits(self) -> bool:
        """Whether there is one that nobody works on."""
        return any(one.state == "queued" for one in self.found)

    def look(self) -> bool:
        """Whether all have ended."""
        try:
            found = [self._registry.evaluation(number) for number in self._numbers]
        except Unavailable as error:
            if time.monotonic() - self._answered > _SILENCE:
                raise
            self._note("gone", f"{error.message} Trying again.")
            return False
        self._noted.discard("gone")
        self._answered = time.monotonic()
        self.found = found
        self._shown.update(self.found)
        if not self._working and all(one.state == "queued" for one in self.found):
            self._note_idleness()
        return all(one.state not in _OPEN for one in self.found)

    def _note_idleness(self) -> None:
        if self.found and time.monotonic() - self._since >= QUEUED:
            told = _told_numbers(self.found)
            self._note(
                "idle",
                f"{told} waits, as no worker has taken it up: start one with pointsman worker.",
            )

    def _note(self, what: str, text: str) -> None:
        """Say something, once for each time that it comes to be so."""
        if what not in self._noted:
            self._noted.add(what)
            self._shown.note(text)


def tell_interruption(out: Output, evaluations: Sequence[Evaluation], *, here: bool) -> None:
    """What becomes of evaluations that are not waited for any more."""
    if not evaluations:
        return
    told, first = _told_numbers(evaluations), evaluations[0].number
    if here:
        out.note(f"{told} is left where it was: the same command goes on with what is made.")
    else:
        out.note(f"{told} goes on. Look at it: pointsman eval show {first}")
    out.note(f"End it: pointsman eval cancel {first}")


def _told_numbers(evaluations: Sequence[Evaluation]) -> str:
    return "Evaluation " + ", ".join(str(one.number) for one in evaluations)


@contextmanager
def _looking_on(looking: _Looking) -> Iterator[None]:
    """Look how far they are on another thread, while this one is busy with them."""
    stopping = threading.Event()

    def look() -> None:
        while not stopping.wait(_POLL):
            with suppress(PointsmanError):  # whoever works on them will hear of it
                looking.look()

    thread = threading.Thread(target=look, name="pointsman-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextmanager
def _showing(out: Output) -> Iterator[Shown]:
    """Bars on a terminal, lines elsewhere, nothing for programs; all of it on stderr."""
    if out.as_json:
        yield _Quiet(out)
    elif is_terminal(sys.stderr):
        with _bars() as progress:
            yield _Bars(progress)
    else:
        yield _Lines(out)


class _Quiet:
    def __init__(self, out: Output) -> None:
        self._out = out

    def update(self, evaluations: Sequence[Evaluation]) -> None:
        """Say nothing of it."""

    def note(self, text: str) -> None:
        """On a line of its own."""
        self._out.note(text)


class _Lines(_Quiet):
    """A line when something begins or ends, and for each tenth of the way."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._told: dict[int, tuple[str, int]] = {}

    def update(self, evaluations: Sequence[Evaluation]) -> None:
        """Tell what is another than when it was told last."""
        for one in evaluations:
            now = one.state, one.done * _PARTS // one.total if one.total else 0
            if self._told.get(one.number) != now:
                self._told[one.number] = now
                self._out.note(f"Evaluation {one.number} ({_what(one)}): {_how_far(one)}")


class _Bars:
    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._tasks: dict[int, Any] = {}

    def update(self, evaluations: Sequence[Evaluation]) -> None:
        """Move the bars."""
        for one in evaluations:
            if one.number not in self._tasks:
                self._tasks[one.number] = self._progress.add_task(
                    visible(_what(one)), total=None, told=""
                )
            self._progress.update(
                self._tasks[one.number],
                completed=one.done if one.state in _OPEN else max(one.total, 1),
                total=one.total or (None if one.state in _OPEN else 1),
                told=_how_far(one),
            )

    def note(self, text: str) -> None:
        """Above the bars."""
        self._progress.console.print(visible(text), markup=False, highlight=False)


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(
        stderr=True, no_color=not colours(sys.stderr), highlight=False, markup=False, emoji=False
    )
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _what(one: Evaluation) -> str:
    return f"{label_of(one)} with {short_label(one.suite)}"


def _how_far(one: Evaluation) -> str:
    if one.state == "running" and one.total:
        return f"{one.done} of {one.total} steps"
    return one.state
