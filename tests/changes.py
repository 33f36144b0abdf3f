"""Changes as tests of the store make them: rows and journal entries without any use case."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pointsman.app.ports import AliasRow, ArtifactRow, DependencyRow, Store, Transaction, VersionRow
from pointsman.core.canonical import digest
from pointsman.core.journal import Line, follow
from pointsman.core.names import skeleton
from pointsman.core.vocabulary import Target

PROJECT = 1
"""The project `default`, which every store has."""

HARD_TEXT = "Zoë's “prompt”\n\t{{ x }} % :p_a %s $1 ' \" \\ \N{GRINNING FACE} 中文 \u202e"
"""What no quoting may trip over."""

NAMES = (
    "!bang",
    "0",
    "A",
    "B",
    "Zebra",
    "_x",
    "a",
    "a b",
    "a-b",
    "a.b",
    "a/b",
    "a/b/c",
    "a0",
    "aB",
    "aa",
    "ab",
    "z",
    "Ä",
    "ß",
    "ä",
    "äb",
    "é",
    "ā",
    "я",
    "中",
    "\ue000",
    "\uff5a",
    "\N{GRINNING FACE}",
    "\N{GRINNING FACE}a",
    "\U0010fffd",
)
"""Names in the order of their bytes, which no language's own collation has."""


def record(
    tx: Transaction,
    type: str = "test.note",  # noqa: A002 - the field's own name
    data: str = "{}",
    *,
    artifact: int | None = None,
    alias: str | None = None,
    now: int = 0,
    actor: str = "test:ana",
    by: str = "Ana",
    project: int = PROJECT,
) -> Line:
    """Append an entry; with `now` 0, a microsecond after the one before."""
    line, head = follow(
        tx.head(project),
        now,
        type=type,
        actor=actor,
        by=by,
        via="test",
        data=data,
        artifact=artifact,
        alias=alias,
    )
    tx.append(project, line, head)
    return line


def add(tx: Transaction, name: str, kind: str = "prompt", at: int = 1) -> ArtifactRow:
    """An artifact without versions."""
    return tx.add_artifact(PROJECT, kind, name, skeleton(name), at, "Ana")


def add_version(
    tx: Transaction, artifact: int, number: int, body: str = '"x"', at: int = 1
) -> VersionRow:
    """A version with content, and the entry that publishes it; the artifact's newest is this."""
    line = record(tx, "version.published", artifact=artifact)
    row = VersionRow(artifact, number, digest(body), f"message {number}", "Ana", at, "text")
    tx.add_version(row, body, line.seq)
    tx.touch_artifact(artifact, number, at)
    return row


def include(
    artifact: int,
    number: int,
    target: int,
    *,
    alias: str | None = None,
    version: int | None = None,
    position: int = 0,
) -> DependencyRow:
    """The row which says that a version includes something."""
    return DependencyRow(
        artifact, number, position, "includes", f"t{target}", target, alias, version
    )


def point(artifact: int, name: str, target: Target | None, revision: int = 1) -> AliasRow:
    """The row of an alias."""
    return AliasRow(artifact, name, target, revision, 7, 70, "Ana", HARD_TEXT)


@dataclass
class Answers:
    """Collects what submitted changes were answered, in the order of the answers."""

    given: list[tuple[Any, BaseException | None]] = field(default_factory=list)
    _any: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, result: Any, error: BaseException | None) -> None:
        with self._any:
            self.given.append((result, error))
            self._any.notify_all()

    def wait(self, count: int) -> None:
        """Wait until there are `count` answers."""
        with self._any:
            assert self._any.wait_for(lambda: len(self.given) >= count, 20), self.given

    @property
    def results(self) -> list[Any]:
        return [result for result, error in self.given if error is None]

    @property
    def errors(self) -> list[BaseException]:
        return [error for _, error in self.given if error is not None]


class LetGo(Exception):
    """What the change of `held` ends with."""


@contextmanager
def held(store: Store) -> Iterator[Answers]:
    """Keep the writer busy, so that what is submitted in here shares the next commit."""
    busy, free = threading.Event(), threading.Event()
    answers = Answers()

    def hold(tx: Transaction) -> None:
        busy.set()
        assert free.wait(20)
        raise LetGo  # a change that fails alone ends its transaction

    holder = Answers()
    store.submit(PROJECT, hold, holder)
    assert busy.wait(20)
    try:
        yield answers
    finally:
        free.set()
        holder.wait(1)
        assert [type(error) for error in holder.errors] == [LetGo]


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)`, `work(1)`… at once and return what they returned; raise what one raised."""
    results: list[Any] = [None] * count
    errors: list[BaseException] = []
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait(20)
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    if errors:
        raise errors[0]
    return results
